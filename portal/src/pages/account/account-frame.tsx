import { Box, Center, Group, Paper, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { Logo } from '../../ui/logo.tsx';
import { useTitle } from '../../ui/page-header.tsx';
import { SchemeToggle } from '../../ui/shell.tsx';

/** The frame of the pages for guests. */
export function AccountFrame({ title, children, footer }: { title: string; children: ReactNode; footer: ReactNode }) {
  useTitle(title);
  return (
    <Box mih="100vh">
      <Group component="header" justify="space-between" p="md">
        <Logo />
        <SchemeToggle />
      </Group>
      <Center component="main" px="md" pt={{ base: 'md', sm: '6vh' }} pb="xl">
        <Stack w="100%" maw={420}>
          <Title order={1} size="h2" ta="center">
            {title}
          </Title>
          <Paper p="lg" shadow="xs">
            {children}
          </Paper>
          <Text size="sm" ta="center" c="dimmed">
            {footer}
          </Text>
        </Stack>
      </Center>
    </Box>
  );
}
