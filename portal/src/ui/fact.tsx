import { Paper, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** One labelled number or word in a row of such. */
export function Fact({ label, children, hint }: { label: string; children: ReactNode; hint?: ReactNode }) {
  return (
    <Paper p="md">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fw={650} size="lg" component="div" style={{ overflowWrap: 'anywhere' }}>
        {children}
      </Text>
      {hint !== undefined && (
        <Text size="xs" c="dimmed" component="div">
          {hint}
        </Text>
      )}
    </Paper>
  );
}
