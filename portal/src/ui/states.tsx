import { Alert, Button, Center, List, Paper, Skeleton, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { ApiError } from '@robustmq/client';
import { IconAlertCircle, IconRefresh } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { ButtonLink } from './links.tsx';

/** A place with nothing in it yet: what it is for, and the step that fills it. */
export function EmptyState({
  icon,
  title,
  children,
  action,
}: {
  icon: ReactNode;
  title: string;
  children: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Paper p="xl">
      <Center mih={220}>
        <Stack align="center" gap="sm" maw={420}>
          <ThemeIcon size={56} radius="xl" variant="light" aria-hidden>
            {icon}
          </ThemeIcon>
          <Title order={2} size="h4" ta="center">
            {title}
          </Title>
          <Text c="dimmed" ta="center">
            {children}
          </Text>
          {action}
        </Stack>
      </Center>
    </Paper>
  );
}

/** What went wrong in words: the problem's title and detail, or that nobody answered. */
export function wordsOf(error: unknown): { title: string; detail: string } {
  if (error instanceof ApiError) {
    const title = error.title.charAt(0).toUpperCase() + error.title.slice(1);
    return { title, detail: error.detail ?? '' };
  }
  if (error instanceof Error && error.name === 'ConnectionError') {
    return { title: 'The server does not answer', detail: 'Check your connection and try again.' };
  }
  return { title: 'Something went wrong', detail: error instanceof Error ? error.message : String(error) };
}

interface ErrorStateProps {
  readonly error: unknown;
  readonly retry?: (() => void) | undefined;
  /** Says what failed, where the error itself does not. */
  readonly title?: string;
  /** Keeps off what stands below it where nothing else does. */
  readonly mb?: 'md' | 0;
}

/** A failure, with its field errors and, where it can help, a button to try again. */
export function ErrorState({ error, retry, title: given, mb = 0 }: ErrorStateProps) {
  const words = wordsOf(error);
  const { detail } = words;
  const title = given ?? words.title;
  return (
    <Alert color="red" variant="light" icon={<IconAlertCircle aria-hidden />} title={title} role="alert" mb={mb}>
      <Stack gap="xs" align="flex-start">
        {detail !== '' && <Text size="sm">{detail}</Text>}
        {error instanceof ApiError && error.fieldErrors.length > 0 && (
          <List size="sm">
            {error.fieldErrors.map((field) => (
              <List.Item key={field.pointer + field.detail}>
                {field.pointer.replace(/^\//, '')}: {field.detail}
              </List.Item>
            ))}
          </List>
        )}
        {error instanceof ApiError && error.status >= 500 && error.requestId !== undefined && (
          <Text size="xs" c="dimmed">
            Request {error.requestId}
          </Text>
        )}
        {error instanceof ApiError && error.code === 'mfa-setup-required' && (
          <ButtonLink to="/account" size="xs">
            Set up your second factor
          </ButtonLink>
        )}
        {retry && (
          <Button size="xs" variant="default" leftSection={<IconRefresh size={14} aria-hidden />} onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** Grey lines while a list or a form is on its way. */
export function LoadingState({ rows = 4 }: { rows?: number }) {
  return (
    <Paper p="md" aria-busy role="status" aria-label="Loading">
      <Stack gap="md">
        {Array.from({ length: rows }, (_, row) => (
          <Skeleton key={row} height={row === 0 ? 14 : 28} width={row === 0 ? '40%' : '100%'} />
        ))}
      </Stack>
    </Paper>
  );
}
