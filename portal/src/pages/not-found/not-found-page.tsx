import { Box, Center, Group, Stack, Text, Title } from '@mantine/core';
import { ButtonLink } from '../../ui/links.tsx';
import { Logo } from '../../ui/logo.tsx';
import { useTitle } from '../../ui/page-header.tsx';
import { SchemeToggle } from '../../ui/shell.tsx';

/** For an address that is none of ours. */
export function NotFoundPage() {
  useTitle('Page not found');
  return (
    <Box mih="100vh">
      <Group component="header" justify="space-between" p="md">
        <Logo />
        <SchemeToggle />
      </Group>
      <Center component="main" mih="70vh" p="md">
        <Stack align="center" gap="sm">
          <Text fz={64} fw={700} c="dimmed" lh={1} aria-hidden>
            404
          </Text>
          <Title order={1} size="h2" ta="center">
            Page not found
          </Title>
          <Text c="dimmed" ta="center">
            There is nothing at this address. It may have been deleted, or the link is wrong.
          </Text>
          <ButtonLink to="/clusters">Go to your clusters</ButtonLink>
        </Stack>
      </Center>
    </Box>
  );
}
