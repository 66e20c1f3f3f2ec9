import { Badge, Button, Code, Group, Modal, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { BlacklistEntry } from '@robustmq/contracts';
import { IconPlus, IconTrash, IconUserOff } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, wholeList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { AccessPages } from './access-pages.tsx';
import { blacklistQuery } from './blacklist-query.ts';
import { KINDS, kindText } from './kinds.ts';

const DAY_SECONDS = 86_400;
const FOR_EVER = '0';
const SPANS = [
  { value: '3600', label: 'For an hour' },
  { value: String(DAY_SECONDS), label: 'For a day' },
  { value: String(7 * DAY_SECONDS), label: 'For a week' },
  { value: FOR_EVER, label: 'Until I remove it' },
];
const PLACEHOLDER: Record<BlacklistEntry['kind'], string> = {
  'client-id': 'device-17',
  'client-id-prefix': 'test-',
  user: 'checkout',
  address: '203.0.113.0/24',
};

const COLUMNS: readonly DataColumn<BlacklistEntry>[] = [
  { id: 'value', header: 'Who', sortBy: (entry) => entry.value, cell: (entry) => <Code>{entry.value}</Code> },
  {
    id: 'kind',
    header: 'Kind',
    sortBy: (entry) => entry.kind,
    cell: (entry) => (
      <Badge variant="light" color="gray" tt="none" radius="sm">
        {kindText(entry.kind)}
      </Badge>
    ),
  },
  { id: 'reason', header: 'Reason', sortBy: (entry) => entry.reason, cell: (entry) => entry.reason },
  {
    id: 'until',
    header: 'Until',
    sortBy: (entry) => entry.until ?? '9999',
    cell: (entry) => (entry.until === null ? 'It is removed' : <Time iso={entry.until} />),
  },
];

interface NewEntry {
  kind: BlacklistEntry['kind'];
  value: string;
  reason: string;
  seconds: string;
}

function useCreateEntry(cluster: Cluster, onDone: () => void, onRefused: (errors: Record<string, string>) => void) {
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ kind, value, reason, seconds }: NewEntry) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}/blacklist', {
          params: { path: clusterPath(cluster) },
          body: {
            ...{ kind, value, reason },
            until: seconds === FOR_EVER ? null : new Date(Date.now() + Number(seconds) * 1_000).toISOString(),
          },
        }),
      ),
    onSuccess: async ({ value }) => {
      notice(`${value} is kept out`);
      onDone();
      await queryClient.invalidateQueries({ queryKey: blacklistQuery(cluster).queryKey });
    },
    onError: (error) => onRefused(formErrorsOf(error, ['value', 'reason'])),
  });
}

function EntryDialog({ cluster, opened, onClose }: { cluster: Cluster; opened: boolean; onClose: () => void }) {
  const form = useForm<NewEntry>({
    initialValues: { kind: 'client-id', value: '', reason: '', seconds: String(DAY_SECONDS) },
    validate: { value: (value) => (value.trim() === '' ? 'Say whom' : null) },
  });
  const done = () => {
    form.reset();
    onClose();
  };
  const create = useCreateEntry(cluster, done, form.setErrors);
  return (
    <Modal opened={opened} onClose={onClose} title="Keep somebody out">
      <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
        <Stack>
          {create.error && <ErrorState error={create.error} />}
          <Select
            label="What"
            data={Object.entries(KINDS).map(([value, label]) => ({ value, label }))}
            allowDeselect={false}
            {...form.getInputProps('kind')}
          />
          <TextInput
            label="Who"
            placeholder={PLACEHOLDER[form.values.kind]}
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            {...form.getInputProps('value')}
          />
          <TextInput label="Reason" autoComplete="off" {...form.getInputProps('reason')} />
          <Select label="How long" data={SPANS} allowDeselect={false} {...form.getInputProps('seconds')} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Keep out
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Who is kept out of the cluster by its owner's will. */
export function BlacklistPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('settings:write');
  const [creating, setCreating] = useState(false);
  const entries = useQuery(blacklistQuery(cluster));
  const remove = useConfirmed<BlacklistEntry>({
    title: ({ value }) => `Let ${value} in again?`,
    action: 'Remove entry',
    words: () => 'It can connect as soon as the node knows.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/blacklist/{entryId}', {
        params: { path: { ...clusterPath(cluster), entryId: id } },
      }),
    done: ({ value }) => `${value} may come in again`,
    queryKey: blacklistQuery(cluster).queryKey,
  });
  const icon = <IconTrash size={16} aria-hidden />;
  const label = ({ value }: BlacklistEntry) => `Remove ${value} from the blacklist`;
  return (
    <>
      <AccessPages cluster={cluster} />
      <ListPage
        label="Blacklist"
        list={wholeList(entries)}
        columns={[...COLUMNS, ...actionColumn<BlacklistEntry>(mayChange ? remove.ask : undefined, label, icon)]}
        rowId={({ id }) => id}
        minWidth={640}
        description="Clients, credentials and addresses that are kept out; their connections are cut."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              Keep somebody out
            </Button>
          )
        }
        empty={{
          icon: <IconUserOff size={28} />,
          title: 'The blacklist is empty',
          words: 'Keep a client id, a credential, an address or a network out, for a while or for good.',
        }}
      />
      <EntryDialog cluster={cluster} opened={creating} onClose={() => setCreating(false)} />
      {remove.dialog}
    </>
  );
}
