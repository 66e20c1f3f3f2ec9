import { ActionIcon, Button, Code, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type ApiKey, type ApiKeyCreated } from '@robustmq/client';
import { IconKey, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { apiKeysQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { notice } from '../../ui/notice.ts';
import { ROLES, ROLE_LABEL, type Role } from '../members/roles.ts';

const DAY_MS = 86_400_000;
const EXPIRY = [
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
  { value: 'never', label: 'Never' },
];

interface NewKey {
  name: string;
  role: Role;
  expiry: string;
}

interface CreateProps {
  readonly tenantId: string;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onCreated: (key: ApiKeyCreated) => void;
}

function CreateDialog({ tenantId, opened, onClose, onCreated }: CreateProps) {
  const form = useForm<NewKey>({
    initialValues: { name: '', role: 'developer', expiry: '90' },
    validate: { name: (value) => (value.trim() === '' ? 'Enter a name' : null) },
  });
  const create = useMutation({
    mutationFn: ({ name, role, expiry }: NewKey) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/api-keys', {
          params: { path: { tenantId } },
          body: {
            name,
            role,
            ...(expiry === 'never' ? {} : { expiresAt: new Date(Date.now() + Number(expiry) * DAY_MS).toISOString() }),
          },
        }),
      ),
    onSuccess: (key) => {
      form.reset();
      onCreated(key);
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'role'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Create API key">
      <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
        <Stack>
          {create.error && <ErrorState error={create.error} />}
          <TextInput
            label="Name"
            placeholder="ci"
            data-autofocus
            maxLength={80}
            autoComplete="off"
            {...form.getInputProps('name')}
          />
          <Select label="Role" data={ROLES} allowDeselect={false} {...form.getInputProps('role')} />
          <Select label="Expires" data={EXPIRY} allowDeselect={false} {...form.getInputProps('expiry')} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Create API key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const columnsOf = (onDelete: (key: ApiKey) => void): readonly DataColumn<ApiKey>[] => [
  {
    id: 'name',
    header: 'Name',
    sortBy: (k) => k.name,
    cell: (k) => (
      <Text fw={600} size="sm">
        {k.name}
      </Text>
    ),
  },
  { id: 'prefix', header: 'Begins with', cell: (k) => <Code>{k.prefix}…</Code> },
  { id: 'role', header: 'Role', sortBy: (k) => k.role, cell: (k) => ROLE_LABEL[k.role] },
  { id: 'created', header: 'Created', sortBy: (k) => k.createdAt, cell: (k) => <Time iso={k.createdAt} dateOnly /> },
  {
    id: 'used',
    header: 'Last used',
    sortBy: (k) => k.lastUsedAt ?? '',
    cell: (k) => (k.lastUsedAt === null ? 'Never' : <Time iso={k.lastUsedAt} />),
  },
  {
    id: 'expires',
    header: 'Expires',
    sortBy: (k) => k.expiresAt ?? '9',
    cell: (k) => (k.expiresAt === null ? 'Never' : <Time iso={k.expiresAt} dateOnly />),
  },
  {
    id: 'actions',
    header: '',
    align: 'right',
    cell: (k) => (
      <ActionIcon variant="subtle" color="red" onClick={() => onDelete(k)} aria-label={`Delete API key ${k.name}`}>
        <IconTrash size={16} aria-hidden />
      </ActionIcon>
    ),
  },
];

/** Keys that scripts and services use instead of a login. */
export function ApiKeysPage() {
  const { tenantId } = useSession();
  const queryClient = useQueryClient();
  const query = apiKeysQuery(tenantId);
  const keys = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<ApiKeyCreated>();
  const [deleting, setDeleting] = useState<ApiKey>();
  const remove = useMutation({
    mutationFn: (key: ApiKey) =>
      api.DELETE('/v1/tenants/{tenantId}/api-keys/{apiKeyId}', { params: { path: { tenantId, apiKeyId: key.id } } }),
    onSuccess: async (_answer, key) => {
      notice(`Deleted API key ${key.name}`);
      setDeleting(undefined);
      await queryClient.invalidateQueries({ queryKey: query.queryKey });
    },
  });
  const createButton = (
    <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      Create API key
    </Button>
  );
  const empty = keys.data?.length === 0;
  return (
    <>
      <PageHeader
        title="API keys"
        description="For scripts and services: REST and robust-ctl accept them instead of a login."
        actions={!empty && createButton}
      />
      {keys.isPending && <LoadingState />}
      {keys.error && <ErrorState mb="md" error={keys.error} retry={() => void keys.refetch()} />}
      {empty && (
        <EmptyState icon={<IconKey size={28} />} title="No API keys yet" action={createButton}>
          Make one for each script or service, with the smallest role that does.
        </EmptyState>
      )}
      {keys.data && !empty && (
        <DataTable
          label="API keys"
          columns={columnsOf(setDeleting)}
          rows={keys.data}
          rowId={(key) => key.id}
          minWidth={760}
        />
      )}
      <CreateDialog
        tenantId={tenantId}
        opened={creating}
        onClose={() => setCreating(false)}
        onCreated={(key) => {
          setCreating(false);
          setCreated(key);
          void queryClient.invalidateQueries({ queryKey: query.queryKey });
        }}
      />
      <SecretDialog
        opened={created !== undefined}
        title="API key created"
        warning="The key is shown this once. Copy it now; nobody can read it again."
        fields={[{ label: 'API key', value: created?.key ?? '' }]}
        onClose={() => setCreated(undefined)}
      />
      <ConfirmDialog
        opened={deleting !== undefined}
        title={`Delete API key ${deleting?.name ?? ''}?`}
        action="Delete API key"
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => deleting && remove.mutate(deleting)}
        onClose={() => {
          remove.reset();
          setDeleting(undefined);
        }}
      >
        Whatever uses it is refused from now on.
      </ConfirmDialog>
    </>
  );
}
