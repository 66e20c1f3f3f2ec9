import { Button, Group, Modal, Select, Stack, Switch, Paper, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Invitation, type Roles } from '@robustmq/client';
import { IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { invitationsQuery, tenantQuery } from '../../api/people.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import { DataTable } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { roleBody, roleChoices, roleName } from './roles.ts';

interface InviteDialogProps {
  readonly tenantId: string;
  readonly customRoles: Roles['items'];
  readonly opened: boolean;
  readonly onClose: () => void;
}

/** Asks somebody in by mail, whether or not they have an account. */
export function InviteDialog({ tenantId, customRoles, opened, onClose }: InviteDialogProps) {
  const queryClient = useQueryClient();
  const form = useForm({
    initialValues: { email: '', role: 'developer' },
    validate: { email: (value) => (/^\S+@\S+$/.test(value) ? null : 'Enter an e-mail address') },
  });
  const invite = useMutation({
    mutationFn: ({ email, role }: { email: string; role: string }) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/invitations', {
          params: { path: { tenantId } },
          body: { email, ...roleBody(role) },
        }),
      ),
    onSuccess: async ({ email }) => {
      notice(`Invited ${email}`);
      form.reset();
      onClose();
      await queryClient.invalidateQueries({ queryKey: invitationsQuery(tenantId).queryKey });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['email', 'role'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Invite somebody">
      <form onSubmit={form.onSubmit((values) => invite.mutate(values))} noValidate>
        <Stack>
          {invite.error && <ErrorState error={invite.error} />}
          <TextInput
            label="E-mail"
            description="The mail’s link works for seven days, and only for this address"
            type="email"
            autoComplete="off"
            data-autofocus
            {...form.getInputProps('email')}
          />
          <Select label="Role" data={roleChoices(customRoles)} allowDeselect={false} {...form.getInputProps('role')} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={invite.isPending}>
              Send invitation
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Who was invited and has not come yet; nothing where nobody was. */
export function Invitations({ tenantId, customRoles }: { tenantId: string; customRoles: Roles['items'] }) {
  const mayChange = usePermitted('member:write');
  const invitations = useQuery(invitationsQuery(tenantId));
  const removal = useConfirmed<Invitation>({
    title: ({ email }) => `Take back the invitation of ${email}?`,
    action: 'Take back',
    words: () => 'The link in the mail no longer works.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/invitations/{invitationId}', {
        params: { path: { tenantId, invitationId: id } },
      }),
    done: ({ email }) => `Took back the invitation of ${email}`,
    queryKey: invitationsQuery(tenantId).queryKey,
  });
  return (
    <section aria-label="Invitations">
      <Title order={2} size="h4" mb="sm">
        Invitations
      </Title>
      {invitations.isPending && <LoadingState rows={2} />}
      {invitations.error && <ErrorState error={invitations.error} retry={() => void invitations.refetch()} />}
      {invitations.data?.length === 0 && <Text c="dimmed">No invitation is open.</Text>}
      {invitations.data && invitations.data.length > 0 && (
        <DataTable
          label="Invitations"
          columns={[
            { id: 'email', header: 'E-mail', sortBy: (one) => one.email, cell: (one) => one.email },
            { id: 'role', header: 'Role', cell: (one) => roleName(one, customRoles) },
            {
              id: 'expires',
              header: 'Works until',
              sortBy: (one) => one.expiresAt,
              cell: (one) => <Time iso={one.expiresAt} />,
            },
            ...actionColumn<Invitation>(
              mayChange ? removal.ask : undefined,
              ({ email }) => `Take back the invitation of ${email}`,
              <IconTrash size={16} aria-hidden />,
            ),
          ]}
          rows={invitations.data}
          rowId={({ id }) => id}
        />
      )}
      {removal.dialog}
    </section>
  );
}

/** Whether members must have a second factor. */
export function MfaRule({ tenantId }: { tenantId: string }) {
  const queryClient = useQueryClient();
  const query = useQuery(tenantQuery(tenantId));
  const change = useMutation({
    mutationFn: (mfaRequired: boolean) =>
      bodyOf(api.PATCH('/v1/tenants/{tenantId}', { params: { path: { tenantId } }, body: { mfaRequired } })),
    onSuccess: async ({ mfaRequired }) => {
      notice(mfaRequired ? 'Members now need a second factor' : 'A second factor is no longer needed');
      await queryClient.invalidateQueries({ queryKey: tenantQuery(tenantId).queryKey });
    },
  });
  return (
    <Paper p="md">
      {change.error && <ErrorState mb="md" error={change.error} />}
      {query.error && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      <Switch
        label="Members must have a second factor"
        description="Whoever has none can do nothing here until they set one up. You need one yourself first."
        checked={query.data?.mfaRequired ?? false}
        disabled={!query.data || change.isPending}
        onChange={(event) => change.mutate(event.currentTarget.checked)}
      />
    </Paper>
  );
}
