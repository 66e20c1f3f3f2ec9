import {
  Button,
  Checkbox,
  Group,
  Modal,
  Paper,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
  VisuallyHidden,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Roles } from '@robustmq/client';
import { IconCheck, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { rolesQuery } from '../../api/people.ts';
import { usePermitted } from '../../api/permission.ts';
import { api, useSession } from '../../api/session.ts';
import { DataTable } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { MembersHeader } from './members-nav.tsx';
import { matrixOf } from './role-matrix.ts';
import { ROLE_LABEL, type Role } from './roles.ts';

type CustomRole = Roles['items'][number];

function Matrix({ roles }: { roles: Roles }) {
  const { columns, rows } = matrixOf(roles);
  return (
    <Paper>
      <Table.ScrollContainer minWidth={320 + columns.length * 92} type="native">
        <Table aria-label="What each role may do" verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">May</Table.Th>
              {columns.map(({ id, name }) => (
                <Table.Th key={id} scope="col" ta="center">
                  {ROLE_LABEL[name as Role] ?? name}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.permission}>
                <Table.Th scope="row" fw={400}>
                  {row.allows}
                  <Text size="xs" c="dimmed">
                    {row.permission}
                  </Text>
                </Table.Th>
                {row.roles.map((held, index) => (
                  <Table.Td key={columns[index]!.id} ta="center" pos="relative">
                    {held && <IconCheck size={16} aria-hidden />}
                    <VisuallyHidden>{held ? 'Yes' : 'No'}</VisuallyHidden>
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Paper>
  );
}

interface RoleDialogProps {
  readonly tenantId: string;
  readonly roles: Roles;
  readonly opened: boolean;
  readonly onClose: () => void;
}

function RoleDialog({ tenantId, roles, opened, onClose }: RoleDialogProps) {
  const queryClient = useQueryClient();
  const form = useForm<{ name: string; permissions: string[] }>({
    initialValues: { name: '', permissions: ['tenant:read', 'cluster:read'] },
    validate: {
      name: (value) => (value.trim() === '' ? 'Enter a name' : null),
      permissions: (value) => (value.length === 0 ? 'Choose at least one' : null),
    },
  });
  const create = useMutation({
    mutationFn: (values: { name: string; permissions: string[] }) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/roles', {
          params: { path: { tenantId } },
          body: { name: values.name.trim(), permissions: values.permissions as CustomRole['permissions'] },
        }),
      ),
    onSuccess: async ({ name }) => {
      notice(`Made role ${name}`);
      form.reset();
      onClose();
      await queryClient.invalidateQueries({ queryKey: rolesQuery(tenantId).queryKey });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'permissions'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Make a role" size="lg">
      <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
        <Stack>
          {create.error && <ErrorState error={create.error} />}
          <TextInput label="Name" data-autofocus maxLength={80} autoComplete="off" {...form.getInputProps('name')} />
          <Checkbox.Group label="May" {...form.getInputProps('permissions')}>
            <Stack gap="xs" mt="xs">
              {roles.permissions.map(({ name, allows }) => (
                <Checkbox key={name} value={name} label={allows} />
              ))}
            </Stack>
          </Checkbox.Group>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Make role
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function OwnRoles({ tenantId, roles }: { tenantId: string; roles: Roles }) {
  const mayChange = usePermitted('member:write');
  const removal = useConfirmed<CustomRole>({
    title: ({ name }) => `Remove role ${name}?`,
    action: 'Remove role',
    words: () => 'Only a role that nobody has can be removed.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/roles/{roleId}', { params: { path: { tenantId, roleId: id } } }),
    done: ({ name }) => `Removed role ${name}`,
    queryKey: rolesQuery(tenantId).queryKey,
  });
  if (roles.items.length === 0) return null;
  return (
    <section aria-label="Your own roles">
      <Title order={2} size="h4" mb="sm">
        Your own roles
      </Title>
      <DataTable
        label="Your own roles"
        columns={[
          { id: 'name', header: 'Name', sortBy: ({ name }) => name, cell: ({ name }) => name },
          { id: 'count', header: 'Permissions', cell: ({ permissions }) => permissions.length },
          ...actionColumn<CustomRole>(
            mayChange ? removal.ask : undefined,
            ({ name }) => `Remove role ${name}`,
            <IconTrash size={16} aria-hidden />,
          ),
        ]}
        rows={roles.items}
        rowId={({ id }) => id}
        minWidth={320}
      />
      {removal.dialog}
    </section>
  );
}

/** What each role may do: the matrix as the API applies it, and roles of one's own. */
export function RolesPage() {
  const { tenantId } = useSession();
  const mayChange = usePermitted('member:write');
  const query = useQuery(rolesQuery(tenantId));
  const [making, setMaking] = useState(false);
  return (
    <>
      <MembersHeader
        title="Roles"
        description="What each role may do. The API applies exactly this table."
        actions={
          mayChange &&
          query.data && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setMaking(true)}>
              Make a role
            </Button>
          )
        }
      />
      {query.isPending && <LoadingState rows={8} />}
      {query.error && <ErrorState error={query.error} retry={() => void query.refetch()} />}
      {query.data && (
        <Stack gap="lg">
          <OwnRoles tenantId={tenantId} roles={query.data} />
          <Matrix roles={query.data} />
          <RoleDialog tenantId={tenantId} roles={query.data} opened={making} onClose={() => setMaking(false)} />
        </Stack>
      )}
    </>
  );
}
