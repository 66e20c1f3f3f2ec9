import { Badge, Button, Code, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster, type Credential, type CredentialCreated } from '@robustmq/client';
import { CredentialName } from '@robustmq/contracts';
import { IconKey, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, wholeList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { credentialsQuery } from '../../api/queries.ts';
import { api } from '../../api/session.ts';
import { CopyButton } from '../../ui/copy-button.tsx';
import type { DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { CredentialPages } from './credential-pages.tsx';

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
          params: { path: clusterPath(cluster) },
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

const COLUMNS: readonly DataColumn<Credential>[] = [
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
];

/** The user names clients connect with. */
export function CredentialsPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('credential:write');
  const queryClient = useQueryClient();
  const query = credentialsQuery(cluster.tenantId, cluster.id);
  const credentials = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<CredentialCreated>();
  const remove = useConfirmed<Credential>({
    title: ({ name }) => `Delete credential ${name}?`,
    action: 'Delete credential',
    words: () => 'Clients that use it are disconnected and cannot connect again.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials/{credentialId}', {
        params: { path: { ...clusterPath(cluster), credentialId: id } },
      }),
    done: ({ name }) => `Deleted credential ${name}`,
    queryKey: query.queryKey,
  });
  const icon = <IconTrash size={16} aria-hidden />;
  const label = ({ name }: Credential) => `Delete credential ${name}`;
  return (
    <>
      <CredentialPages cluster={cluster} />
      <ListPage
        label="Credentials"
        list={wholeList(credentials)}
        columns={[...COLUMNS, ...actionColumn<Credential>(mayChange ? remove.ask : undefined, label, icon)]}
        rowId={(c) => c.id}
        description="One user name and password for MQTT and Kafka alike."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              Create credential
            </Button>
          )
        }
        empty={{
          icon: <IconKey size={28} />,
          title: 'No credentials yet',
          words:
            'Clients need a user name and password to connect. Make one for each application, so that you can revoke them one by one.',
        }}
      />
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
      {remove.dialog}
    </>
  );
}
