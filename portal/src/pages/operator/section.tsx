import { Paper, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** A form of the operator with its heading. */
export function Section({ title, words, children }: { title: string; words: string; children: ReactNode }) {
  return (
    <Paper p="lg" component="section" aria-label={title}>
      <Title order={2} size="h4" mb={4}>
        {title}
      </Title>
      <Text size="sm" c="dimmed" mb="md" maw="44rem">
        {words}
      </Text>
      {children}
    </Paper>
  );
}
