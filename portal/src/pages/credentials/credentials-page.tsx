import { ActionIcon, Badge, Button, Code, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster, type Credential, type CredentialCreated } from '@robustmq/client';
import { CredentialName } from '@robustmq/contracts';
import { IconKey, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { credentialsQuery } from '../../api/queries.ts';
import { api, useMay } from '../../api/session.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { CopyButton } from '../../ui/copy-button.tsx';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { notice } from '../../ui/notice.ts';
import { useCluster } from '../clusters/cluster-layout.tsx';

const pathOf = (cluster: Cluster) => ({ tenantId: cluster.tenantId, clusterId: cluster.id });

interface CreateProps {
  readonly cluster: Cluster;
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onCreated: (credential: CredentialCreated) => void;
}

function CreateDialog({ cluster, opened, onClose, onCreated }: CreateProps) {
  const form = useForm({
    initialValues: { name: '' },
    validate: { name: (value) => CredentialName.safeParse(value).error?.issues[0]?.message ?? null },
  });
  const create = useMutation({
    mutationFn: (body: { name: string }) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', {
          params: { path: pathOf(cluster) },
          body,
        }),
      ),
    onSuccess: (credential) => {
      form.reset();
      onCreated(credential);
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['name'])),
  });
  return (
    <Modal opened={opened} onClose={onClose} title="Create credential">
      <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
        <Stack>
          {create.error && <ErrorState error={create.error} />}
          <TextInput
            label="Name"
            description={`Clients send it as <name>@${cluster.key}`}
            placeholder="checkout"
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            {...form.getInputProps('name')}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Create credential
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const columnsOf = (onDelete: ((credential: Credential) => void) | undefined): readonly DataColumn<Credential>[] => [
  {
    id: 'name',
    header: 'Name',
    sortBy: (c) => c.name,
    cell: (c) => (
      <Text fw={600} size="sm">
        {c.name}
      </Text>
    ),
  },
  {
    id: 'username',
    header: 'User name',
    sortBy: (c) => c.username,
    cell: (c) => (
      <Group gap={4} wrap="nowrap">
        <Code>{c.username}</Code>
        <CopyButton value={c.username} label={`Copy user name ${c.username}`} />
      </Group>
    ),
  },
  {
    id: 'state',
    header: 'State',
    sortBy: (c) => (c.propagated ? 'active' : 'waiting'),
    cell: (c) => (
      <Badge variant="light" tt="none" radius="sm" color={c.propagated ? 'teal' : 'blue'}>
        {c.propagated ? 'Active' : 'On its way'}
      </Badge>
    ),
  },
  { id: 'created', header: 'Created', sortBy: (c) => c.createdAt, cell: (c) => <Time iso={c.createdAt} /> },
  ...(onDelete
    ? [
        {
          id: 'actions',
          header: '',
          align: 'right' as const,
          cell: (c: Credential) => (
            <ActionIcon
              variant="subtle"
              color="red"
              onClick={() => onDelete(c)}
              aria-label={`Delete credential ${c.name}`}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          ),
        },
      ]
    : []),
];

/** The user names clients connect with. */
export function CredentialsPage() {
  const cluster = useCluster();
  const mayChange = useMay('developer');
  const queryClient = useQueryClient();
  const query = credentialsQuery(cluster.tenantId, cluster.id);
  const credentials = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<CredentialCreated>();
  const [deleting, setDeleting] = useState<Credential>();
  const remove = useMutation({
    mutationFn: (credential: Credential) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials/{credentialId}', {
        params: { path: { ...pathOf(cluster), credentialId: credential.id } },
      }),
    onSuccess: async (_answer, credential) => {
      notice(`Deleted credential ${credential.name}`);
      setDeleting(undefined);
      await queryClient.invalidateQueries({ queryKey: query.queryKey });
    },
  });
  const createButton = mayChange && (
    <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      Create credential
    </Button>
  );
  const empty = credentials.data?.length === 0;
  return (
    <Stack>
      {!empty && (
        <Group justify="space-between">
          <Text c="dimmed">One user name and password for MQTT and Kafka alike.</Text>
          {createButton}
        </Group>
      )}
      {credentials.isPending && <LoadingState />}
      {credentials.error && <ErrorState error={credentials.error} retry={() => void credentials.refetch()} />}
      {empty && (
        <EmptyState icon={<IconKey size={28} />} title="No credentials yet" action={createButton}>
          Clients need a user name and password to connect. Make one for each application, so that you can revoke them
          one by one.
        </EmptyState>
      )}
      {credentials.data && !empty && (
        <DataTable
          label="Credentials"
          columns={columnsOf(mayChange ? setDeleting : undefined)}
          rows={credentials.data}
          rowId={(c) => c.id}
        />
      )}
      <CreateDialog
        cluster={cluster}
        opened={creating}
        onClose={() => setCreating(false)}
        onCreated={(credential) => {
          setCreating(false);
          setCreated(credential);
          void queryClient.invalidateQueries({ queryKey: query.queryKey });
        }}
      />
      <SecretDialog
        opened={created !== undefined}
        title="Credential created"
        warning="The password is shown this once. Copy it now; nobody can read it again."
        fields={[
          { label: 'User name', value: created?.username ?? '' },
          { label: 'Password', value: created?.password ?? '' },
        ]}
        onClose={() => setCreated(undefined)}
      />
      <ConfirmDialog
        opened={deleting !== undefined}
        title={`Delete credential ${deleting?.name ?? ''}?`}
        action="Delete credential"
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => deleting && remove.mutate(deleting)}
        onClose={() => {
          remove.reset();
          setDeleting(undefined);
        }}
      >
        Clients that use it are disconnected and cannot connect again.
      </ConfirmDialog>
    </Stack>
  );
}
