import { Button, Code, Group, Modal, MultiSelect, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type ApiKey, type ApiKeyCreated, type Roles } from '@robustmq/client';
import { IconKey, IconPlus, IconRefresh, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { rolesQuery } from '../../api/people.ts';
import { usePermitted } from '../../api/permission.ts';
import { apiKeysQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { ROLE_LABEL, ROLES, type Role } from '../members/roles.ts';
import { addressesOf, addressFault } from './addresses.ts';
import { RotateDialog } from './rotate-dialog.tsx';

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
  scopes: string[];
  addresses: string;
}

interface CreateProps {
  readonly tenantId: string;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onCreated: (key: ApiKeyCreated) => void;
}

const bodyOfForm = ({ name, role, expiry, scopes, addresses }: NewKey) => ({
  name,
  role,
  ...(expiry === 'never' ? {} : { expiresAt: new Date(Date.now() + Number(expiry) * DAY_MS).toISOString() }),
  ...(scopes.length === 0 ? {} : { scopes: scopes as Roles['permissions'][number]['name'][] }),
  ...(addressesOf(addresses).length === 0 ? {} : { addresses: addressesOf(addresses) }),
});

function CreateDialog({ tenantId, opened, onClose, onCreated }: CreateProps) {
  const form = useForm<NewKey>({
    initialValues: { name: '', role: 'developer', expiry: '90', scopes: [], addresses: '' },
    validate: {
      name: (value) => (value.trim() === '' ? 'Enter a name' : null),
      addresses: (value) => addressFault(value) ?? null,
    },
  });
  const create = useMutation({
    mutationFn: (values: NewKey) =>
      bodyOf(api.POST('/v1/tenants/{tenantId}/api-keys', { params: { path: { tenantId } }, body: bodyOfForm(values) })),
    onSuccess: (key) => {
      form.reset();
      onCreated(key);
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'role', 'scopes', 'addresses'])),
  });
  const roles = useQuery(rolesQuery(tenantId)).data;
  const held = roles?.builtIn.find(({ name }) => name === form.values.role)?.permissions ?? [];
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
          <MultiSelect
            label="Only for"
            description="Narrows the role to these permissions; none chosen = all of the role’s"
            data={(roles?.permissions ?? [])
              .filter(({ name }) => held.includes(name))
              .map(({ name, allows }) => ({ value: name, label: allows }))}
            searchable
            clearable
            {...form.getInputProps('scopes')}
          />
          <Textarea
            label="Only from"
            description="Addresses or CIDR blocks, one a line; empty = from anywhere"
            placeholder="203.0.113.0/24"
            autosize
            minRows={2}
            maxRows={6}
            spellCheck={false}
            {...form.getInputProps('addresses')}
          />
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

const COLUMNS: readonly DataColumn<ApiKey>[] = [
  {
    id: 'name',
    header: 'Name',
    sortBy: (k) => k.name,
    cell: (k) => (
      <>
        <Text fw={600} size="sm">
          {k.name}
        </Text>
        <Code>{k.prefix}…</Code>
      </>
    ),
  },
  {
    id: 'role',
    header: 'May',
    sortBy: (k) => k.role,
    cell: (k) => (
      <>
        {ROLE_LABEL[k.role]}
        {k.scopes && k.scopes.length > 0 && (
          <Text size="xs" c="dimmed">
            only {k.scopes.join(', ')}
          </Text>
        )}
      </>
    ),
  },
  {
    id: 'addresses',
    header: 'From',
    cell: (k) => (k.addresses && k.addresses.length > 0 ? k.addresses.join(', ') : 'Anywhere'),
  },
  {
    id: 'used',
    header: 'Last used',
    sortBy: (k) => k.lastUsedAt ?? '',
    cell: (k) =>
      k.lastUsedAt === null ? (
        'Never'
      ) : (
        <>
          <Time iso={k.lastUsedAt} />
          <Text size="xs" c="dimmed">
            {k.lastUsedIp}
          </Text>
        </>
      ),
  },
  {
    id: 'expires',
    header: 'Expires',
    sortBy: (k) => k.expiresAt ?? '9',
    cell: (k) => (
      <>
        {k.expiresAt === null ? 'Never' : <Time iso={k.expiresAt} dateOnly />}
        {k.overlapUntil && Date.parse(k.overlapUntil) > Date.now() && (
          <Text size="xs" c="dimmed">
            the secret before works until <Time iso={k.overlapUntil} />
          </Text>
        )}
      </>
    ),
  },
];

const rotateColumn = (rotate: (key: ApiKey) => void): DataColumn<ApiKey> => ({
  id: 'rotate',
  header: '',
  align: 'right',
  cell: (k) => (
    <Button
      size="compact-sm"
      variant="subtle"
      leftSection={<IconRefresh size={14} aria-hidden />}
      onClick={() => rotate(k)}
      aria-label={`Rotate API key ${k.name}`}
    >
      Rotate
    </Button>
  ),
});

/** Keys that scripts and services use instead of a login. */
export function ApiKeysPage() {
  const { tenantId } = useSession();
  const mayChange = usePermitted('api-key:write');
  const queryClient = useQueryClient();
  const query = apiKeysQuery(tenantId);
  const keys = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<ApiKeyCreated>();
  const [rotating, setRotating] = useState<ApiKey>();
  const removal = useConfirmed<ApiKey>({
    title: ({ name }) => `Delete API key ${name}?`,
    action: 'Delete API key',
    words: () => 'Whatever uses it is refused from now on.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/api-keys/{apiKeyId}', { params: { path: { tenantId, apiKeyId: id } } }),
    done: ({ name }) => `Deleted API key ${name}`,
    queryKey: query.queryKey,
  });
  const showSecret = (key: ApiKeyCreated) => {
    setCreating(false);
    setRotating(undefined);
    setCreated(key);
    void queryClient.invalidateQueries({ queryKey: query.queryKey });
  };
  const columns = [
    ...COLUMNS,
    ...(mayChange ? [rotateColumn(setRotating)] : []),
    ...actionColumn(
      mayChange ? removal.ask : undefined,
      ({ name }) => `Delete API key ${name}`,
      <IconTrash size={16} aria-hidden />,
    ),
  ];
  return (
    <>
      <PageHeader title="API keys" />
      <ListPage
        label="API keys"
        list={wholeList(keys)}
        columns={columns}
        rowId={({ id }) => id}
        minWidth={860}
        description="For scripts and services: REST and robust-ctl accept them instead of a login."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              Create API key
            </Button>
          )
        }
        empty={{
          icon: <IconKey size={28} />,
          title: 'No API keys yet',
          words: 'Make one for each script or service, with the smallest role that does.',
        }}
      />
      <CreateDialog tenantId={tenantId} opened={creating} onClose={() => setCreating(false)} onCreated={showSecret} />
      <RotateDialog
        apiKey={rotating}
        tenantId={tenantId}
        onClose={() => setRotating(undefined)}
        onRotated={showSecret}
      />
      <SecretDialog
        opened={created !== undefined}
        title={`API key ${created?.name ?? ''}`}
        warning="The key is shown this once. Copy it now; nobody can read it again."
        fields={[{ label: 'API key', value: created?.key ?? '' }]}
        onClose={() => setCreated(undefined)}
      />
      {removal.dialog}
    </>
  );
}
