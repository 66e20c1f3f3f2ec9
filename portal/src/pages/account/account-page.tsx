import { Alert, Button, Group, Paper, PasswordInput, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { PersonSession } from '@robustmq/client';
import { IconDevices, IconLogout } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { wholeList } from '../../api/live.ts';
import { meQuery, sessionsQuery } from '../../api/people.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { agentText } from './agent-text.ts';
import { SecondFactor } from './mfa.tsx';
import { newPasswordFault, PASSWORD_LENGTH_MIN } from './password.ts';

function Verification() {
  const send = useMutation({
    mutationFn: () => api.POST('/v1/me/verify-email'),
    onSuccess: () => notice('The mail is on its way'),
  });
  return (
    <Alert color="yellow" variant="light" mb="lg" title="Your e-mail address is not verified">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">Open the link in the mail that you were sent. It may lie in the spam folder.</Text>
        {send.error && <ErrorState error={send.error} />}
        <Button size="xs" variant="default" loading={send.isPending} onClick={() => send.mutate()}>
          Send it again
        </Button>
      </Stack>
    </Alert>
  );
}

function Password() {
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { password: '', newPassword: '' },
    validate: {
      password: (value) => (value === '' ? 'Enter your password' : null),
      newPassword: newPasswordFault,
    },
  });
  const change = useMutation({
    mutationFn: (body: { password: string; newPassword: string }) => api.POST('/v1/me/password', { body }),
    onSuccess: () => {
      form.reset();
      notice('Changed. All other sessions were ended');
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['password', 'newPassword'])),
  });
  return (
    <Paper p="lg" component="section" aria-label="Password">
      <Title order={2} size="h4" mb="xs">
        Password
      </Title>
      <form onSubmit={form.onSubmit((values) => change.mutate(values))} noValidate>
        <Stack>
          {change.error && <ErrorState error={change.error} title="The password was not changed" />}
          <PasswordInput
            label="Current password"
            autoComplete="current-password"
            key={form.key('password')}
            {...form.getInputProps('password')}
          />
          <PasswordInput
            label="New password"
            description={`At least ${PASSWORD_LENGTH_MIN} characters. All other sessions are ended.`}
            autoComplete="new-password"
            key={form.key('newPassword')}
            {...form.getInputProps('newPassword')}
          />
          <Group justify="flex-end">
            <Button type="submit" loading={change.isPending}>
              Change password
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

const COLUMNS: readonly DataColumn<PersonSession>[] = [
  {
    id: 'agent',
    header: 'Program',
    sortBy: (session) => agentText(session.userAgent),
    cell: (session) => <span title={session.userAgent ?? ''}>{agentText(session.userAgent)}</span>,
  },
  { id: 'ip', header: 'Address', cell: (session) => session.ip ?? '–' },
  { id: 'seen', header: 'Last seen', sortBy: (s) => s.lastSeenAt, cell: (s) => <Time iso={s.lastSeenAt} /> },
  { id: 'started', header: 'Logged in', sortBy: (s) => s.startedAt, cell: (s) => <Time iso={s.startedAt} /> },
];

function Sessions() {
  const sessions = useQuery(sessionsQuery);
  const ending = useConfirmed<PersonSession>({
    title: ({ userAgent }) => `Log out ${agentText(userAgent)}?`,
    action: 'Log out',
    words: () => 'That program has to log in again. If it is this browser, so do you.',
    run: ({ id }) => api.DELETE('/v1/me/sessions/{sessionId}', { params: { path: { sessionId: id } } }),
    done: () => 'Logged out',
    queryKey: sessionsQuery.queryKey,
  });
  return (
    <section aria-label="Sessions">
      <Title order={2} size="h4" mb="sm">
        Sessions
      </Title>
      <ListPage
        label="Sessions"
        list={wholeList(sessions)}
        columns={[
          ...COLUMNS,
          ...actionColumn<PersonSession>(
            ending.ask,
            (session) => `Log out ${agentText(session.userAgent)}, ${session.ip ?? 'no address'}`,
            <IconLogout size={16} aria-hidden />,
          ),
        ]}
        rowId={({ id }) => id}
        minWidth={640}
        description="Where you are logged in: browsers and robust-ctl."
        empty={{ icon: <IconDevices size={28} />, title: 'No sessions', words: 'A login makes one.' }}
      />
      {ending.dialog}
    </section>
  );
}

/** What is one's own, in every tenant alike: address, password, second factor, sessions. */
export function AccountPage() {
  const query = useQuery(meQuery);
  const user = query.data?.user;
  return (
    <>
      <PageHeader title="Your account" description={user?.email} />
      {query.isPending && <LoadingState />}
      {query.error && <ErrorState mb="md" error={query.error} retry={() => void query.refetch()} />}
      {user && (
        <>
          {user.emailVerified === false && <Verification />}
          <Stack gap="lg">
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Password />
              <SecondFactor on={user.mfa === true} />
            </SimpleGrid>
            <Sessions />
          </Stack>
        </>
      )}
    </>
  );
}
