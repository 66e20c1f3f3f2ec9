import { ActionIcon, Button, Select, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { bodyOf, type Member, type Roles } from '@robustmq/client';
import { IconTrash, IconUserPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { rolesQuery } from '../../api/people.ts';
import { usePermitted } from '../../api/permission.ts';
import { membersQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { ErrorState, LoadingState, wordsOf } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { notice } from '../../ui/notice.ts';
import { Invitations, InviteDialog, MfaRule } from './invitations.tsx';
import { MembersHeader } from './members-nav.tsx';
import { roleBody, roleChoiceOf, roleChoices, roleName } from './roles.ts';

interface RowActions {
  readonly onRole: (member: Member, choice: string) => void;
  readonly onRemove: (member: Member) => void;
}

const columnsOf = (
  selfId: string,
  custom: Roles['items'],
  actions: RowActions | undefined,
): readonly DataColumn<Member>[] => [
  {
    id: 'email',
    header: 'E-mail',
    sortBy: (m) => m.email,
    cell: (m) => (
      <Text fw={600} size="sm">
        {m.email}
        {m.userId === selfId && (
          <Text span c="dimmed" fw={400} inherit>
            {' '}
            (you)
          </Text>
        )}
      </Text>
    ),
  },
  {
    id: 'role',
    header: 'Role',
    sortBy: (m) => m.role,
    cell: (m) =>
      actions ? (
        <Select
          aria-label={`Role of ${m.email}`}
          data={roleChoices(custom)}
          value={roleChoiceOf(m)}
          onChange={(choice) => choice && choice !== roleChoiceOf(m) && actions.onRole(m, choice)}
          allowDeselect={false}
          size="xs"
          w={140}
        />
      ) : (
        roleName(m, custom)
      ),
  },
  { id: 'since', header: 'Member since', sortBy: (m) => m.createdAt, cell: (m) => <Time iso={m.createdAt} dateOnly /> },
  ...(actions
    ? [
        {
          id: 'actions',
          header: '',
          align: 'right' as const,
          cell: (m: Member) => (
            <ActionIcon
              variant="subtle"
              color="red"
              onClick={() => actions.onRemove(m)}
              aria-label={`Remove ${m.email}`}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          ),
        },
      ]
    : []),
];

/** Who may use this tenant, and how far. */
export function MembersPage() {
  const { tenantId, user } = useSession();
  const mayChange = usePermitted('member:write');
  const mayRule = usePermitted('tenant:write');
  const roles = useQuery(rolesQuery(tenantId));
  const custom = roles.data?.items ?? [];
  const queryClient = useQueryClient();
  const query = membersQuery(tenantId);
  const members = useQuery(query);
  const [inviting, setInviting] = useState(false);
  const [removing, setRemoving] = useState<Member>();
  const refresh = () => queryClient.invalidateQueries({ queryKey: query.queryKey });
  const changeRole = useMutation({
    mutationFn: ({ member, choice }: { member: Member; choice: string }) =>
      bodyOf(
        api.PATCH('/v1/tenants/{tenantId}/members/{userId}', {
          params: { path: { tenantId, userId: member.userId } },
          body: roleBody(choice),
        }),
      ),
    onSuccess: (member) => notice(`${member.email} is now ${roleName(member, custom).toLowerCase()}`),
    onError: (error) =>
      notifications.show({ color: 'red', title: 'The role was not changed', message: wordsOf(error).detail }),
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: (member: Member) =>
      api.DELETE('/v1/tenants/{tenantId}/members/{userId}', { params: { path: { tenantId, userId: member.userId } } }),
    onSuccess: async (_answer, member) => {
      notice(`Removed ${member.email}`);
      setRemoving(undefined);
      await refresh();
    },
  });
  const actions = mayChange
    ? { onRole: (member: Member, choice: string) => changeRole.mutate({ member, choice }), onRemove: setRemoving }
    : undefined;
  return (
    <>
      <MembersHeader
        title="Members"
        description="Who may use this tenant, and how far. What each role may do is under Roles."
        actions={
          mayChange && (
            <Button
              data-main-action
              leftSection={<IconUserPlus size={16} aria-hidden />}
              onClick={() => setInviting(true)}
            >
              Invite somebody
            </Button>
          )
        }
      />
      {members.isPending && <LoadingState />}
      {members.error && <ErrorState mb="md" error={members.error} retry={() => void members.refetch()} />}
      <Stack gap="lg">
        {members.data && (
          <DataTable
            label="Members"
            columns={columnsOf(user.id, custom, actions)}
            rows={members.data}
            rowId={(member) => member.userId}
          />
        )}
        <Invitations tenantId={tenantId} customRoles={custom} />
        {mayRule && <MfaRule tenantId={tenantId} />}
      </Stack>
      <InviteDialog tenantId={tenantId} customRoles={custom} opened={inviting} onClose={() => setInviting(false)} />
      <ConfirmDialog
        opened={removing !== undefined}
        title={`Remove ${removing?.email ?? ''}?`}
        action="Remove member"
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => removing && remove.mutate(removing)}
        onClose={() => {
          remove.reset();
          setRemoving(undefined);
        }}
      >
        They lose access to this tenant at once. API keys they made stay.
      </ConfirmDialog>
    </>
  );
}
