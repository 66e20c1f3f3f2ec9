import { ActionIcon, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { bodyOf, type Member } from '@robustmq/client';
import { IconTrash, IconUserPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { membersQuery } from '../../api/queries.ts';
import { api, useMay, useSession } from '../../api/session.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { ErrorState, LoadingState, wordsOf } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { notice } from '../../ui/notice.ts';
import { ROLES, ROLE_LABEL, type Role } from './roles.ts';

function AddDialog({ tenantId, opened, onClose }: { tenantId: string; opened: boolean; onClose: () => void }) {
  const queryClient = useQueryClient();
  const form = useForm<{ email: string; role: Role }>({
    initialValues: { email: '', role: 'developer' },
    validate: { email: (value) => (/^\S+@\S+$/.test(value) ? null : 'Enter an e-mail address') },
  });
  const add = useMutation({
    mutationFn: (body: { email: string; role: Role }) =>
      bodyOf(api.POST('/v1/tenants/{tenantId}/members', { params: { path: { tenantId } }, body })),
    onSuccess: async (member) => {
      notice(`Added ${member.email}`);
      form.reset();
      onClose();
      await queryClient.invalidateQueries({ queryKey: membersQuery(tenantId).queryKey });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['email', 'role'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Add member">
      <form onSubmit={form.onSubmit((values) => add.mutate(values))} noValidate>
        <Stack>
          {add.error && <ErrorState error={add.error} />}
          <TextInput
            label="E-mail"
            description="They must have signed up before"
            type="email"
            data-autofocus
            {...form.getInputProps('email')}
          />
          <Select label="Role" data={ROLES} allowDeselect={false} {...form.getInputProps('role')} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={add.isPending}>
              Add member
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface RowActions {
  readonly onRole: (member: Member, role: Role) => void;
  readonly onRemove: (member: Member) => void;
}

const columnsOf = (selfId: string, actions: RowActions | undefined): readonly DataColumn<Member>[] => [
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
          data={ROLES}
          value={m.role}
          onChange={(role) => role && role !== m.role && actions.onRole(m, role as Role)}
          allowDeselect={false}
          size="xs"
          w={140}
        />
      ) : (
        ROLE_LABEL[m.role]
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
  const mayChange = useMay('admin');
  const queryClient = useQueryClient();
  const query = membersQuery(tenantId);
  const members = useQuery(query);
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Member>();
  const refresh = () => queryClient.invalidateQueries({ queryKey: query.queryKey });
  const changeRole = useMutation({
    mutationFn: ({ member, role }: { member: Member; role: Role }) =>
      bodyOf(
        api.PATCH('/v1/tenants/{tenantId}/members/{userId}', {
          params: { path: { tenantId, userId: member.userId } },
          body: { role },
        }),
      ),
    onSuccess: (member) => notice(`${member.email} is now ${ROLE_LABEL[member.role].toLowerCase()}`),
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
    ? { onRole: (member: Member, role: Role) => changeRole.mutate({ member, role }), onRemove: setRemoving }
    : undefined;
  return (
    <>
      <PageHeader
        title="Members"
        description="Viewers look, developers change clusters, admins manage people, keys and bills, owners everything."
        actions={
          mayChange && (
            <Button
              data-main-action
              leftSection={<IconUserPlus size={16} aria-hidden />}
              onClick={() => setAdding(true)}
            >
              Add member
            </Button>
          )
        }
      />
      {members.isPending && <LoadingState />}
      {members.error && <ErrorState mb="md" error={members.error} retry={() => void members.refetch()} />}
      {members.data && (
        <DataTable
          label="Members"
          columns={columnsOf(user.id, actions)}
          rows={members.data}
          rowId={(member) => member.userId}
        />
      )}
      <AddDialog tenantId={tenantId} opened={adding} onClose={() => setAdding(false)} />
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
