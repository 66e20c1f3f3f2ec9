import {
  ActionIcon,
  Badge,
  Button,
  Code,
  Group,
  Modal,
  NumberInput,
  Select,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster, type Topic } from '@robustmq/client';
import { TopicName } from '@robustmq/contracts';
import { IconListTree, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { topicsQuery } from '../../api/queries.ts';
import { api, useMay } from '../../api/session.ts';
import { ConfirmDialog } from '../../ui/confirm-dialog.tsx';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { notice } from '../../ui/notice.ts';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText } from '../clusters/quantity.ts';

const pathOf = (cluster: Cluster) => ({ tenantId: cluster.tenantId, clusterId: cluster.id });
const PARTITIONS_MAX = 256;
const DAY_MS = 86_400_000;
const RETENTION = [
  { value: String(DAY_MS), label: '1 day' },
  { value: String(7 * DAY_MS), label: '7 days' },
  { value: String(30 * DAY_MS), label: '30 days' },
  { value: '-1', label: 'For ever' },
];

interface NewTopic {
  name: string;
  partitions: number;
  retentionMs: string;
}

function CreateDialog({ cluster, opened, onClose }: { cluster: Cluster; opened: boolean; onClose: () => void }) {
  const queryClient = useQueryClient();
  const form = useForm<NewTopic>({
    initialValues: { name: '', partitions: 1, retentionMs: String(7 * DAY_MS) },
    validate: {
      name: (value) => TopicName.safeParse(value).error?.issues[0]?.message ?? null,
      partitions: (value) =>
        Number.isInteger(value) && value >= 1 && value <= PARTITIONS_MAX ? null : `Use 1 to ${PARTITIONS_MAX}`,
    },
  });
  const create = useMutation({
    mutationFn: ({ name, partitions, retentionMs }: NewTopic) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/clusters/{clusterId}/topics', {
          params: { path: pathOf(cluster) },
          body: { name, partitions, retentionMs: Number(retentionMs) },
        }),
      ),
    onSuccess: async (topic) => {
      notice(`Created topic ${topic.name}`);
      form.reset();
      onClose();
      await queryClient.invalidateQueries({ queryKey: topicsQuery(cluster.tenantId, cluster.id).queryKey });
    },
    onError: (error) => form.setErrors(formErrorsOf(error, ['name', 'partitions'])),
  });
  const mqtt = form.values.name.replaceAll('.', '/') || 'a/b';
  return (
    <Modal opened={opened} onClose={onClose} title="Create topic">
      <form onSubmit={form.onSubmit((values) => create.mutate(values))} noValidate>
        <Stack>
          {create.error && <ErrorState error={create.error} />}
          <TextInput
            label="Name"
            placeholder="sensors"
            data-autofocus
            autoComplete="off"
            spellCheck={false}
            {...form.getInputProps('name')}
          />
          <Text size="sm" c="dimmed">
            Stores MQTT messages to <Code>{mqtt}</Code> and <Code>{mqtt}/#</Code>; it is the Kafka topic{' '}
            <Code>{form.values.name || 'a.b'}</Code>.
          </Text>
          <NumberInput
            label="Partitions"
            description="How many consumers of one group can share the work"
            min={1}
            max={PARTITIONS_MAX}
            allowDecimal={false}
            {...form.getInputProps('partitions')}
          />
          <Select label="Keep messages" data={RETENTION} allowDeselect={false} {...form.getInputProps('retentionMs')} />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending}>
              Create topic
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const columnsOf = (onDelete: ((topic: Topic) => void) | undefined): readonly DataColumn<Topic>[] => [
  {
    id: 'name',
    header: 'Name',
    sortBy: (t) => t.name,
    cell: (t) => (
      <Text fw={600} size="sm">
        {t.name}
      </Text>
    ),
  },
  { id: 'mqtt', header: 'MQTT', cell: (t) => <Code>{t.name.replaceAll('.', '/')}/#</Code> },
  { id: 'partitions', header: 'Partitions', sortBy: (t) => t.partitions, cell: (t) => t.partitions },
  { id: 'stored', header: 'Stored', sortBy: (t) => t.storedBytes, cell: (t) => bytesText(t.storedBytes) },
  { id: 'origin', header: 'Made by', sortBy: (t) => t.origin, cell: (t) => (t.origin === 'api' ? 'You' : 'A client') },
  {
    id: 'state',
    header: 'State',
    sortBy: (t) => String(t.ready),
    cell: (t) => (
      <Badge variant="light" tt="none" radius="sm" color={t.ready ? 'teal' : 'blue'}>
        {t.ready ? 'Ready' : 'On its way'}
      </Badge>
    ),
  },
  ...(onDelete
    ? [
        {
          id: 'actions',
          header: '',
          align: 'right' as const,
          cell: (t: Topic) => (
            <ActionIcon variant="subtle" color="red" onClick={() => onDelete(t)} aria-label={`Delete topic ${t.name}`}>
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          ),
        },
      ]
    : []),
];

/** The stored topics of a cluster. */
export function TopicsPage() {
  const cluster = useCluster();
  const mayChange = useMay('developer');
  const queryClient = useQueryClient();
  const query = topicsQuery(cluster.tenantId, cluster.id);
  const topics = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<Topic>();
  const remove = useMutation({
    mutationFn: (topic: Topic) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}', {
        params: { path: { ...pathOf(cluster), topicName: topic.name } },
      }),
    onSuccess: async (_answer, topic) => {
      notice(`Deleted topic ${topic.name}`);
      setDeleting(undefined);
      await queryClient.invalidateQueries({ queryKey: query.queryKey });
    },
  });
  const createButton = mayChange && (
    <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
      Create topic
    </Button>
  );
  const empty = topics.data?.length === 0;
  return (
    <Stack>
      {!empty && (
        <Group justify="space-between">
          <Text c="dimmed">Stored logs, the same for MQTT and Kafka clients.</Text>
          {createButton}
        </Group>
      )}
      {topics.isPending && <LoadingState />}
      {topics.error && <ErrorState error={topics.error} retry={() => void topics.refetch()} />}
      {empty && (
        <EmptyState icon={<IconListTree size={28} />} title="No topics yet" action={createButton}>
          MQTT messages flow without a topic. Create one to store them, replay them, and read them with Kafka clients.
        </EmptyState>
      )}
      {topics.data && !empty && (
        <DataTable
          label="Topics"
          columns={columnsOf(mayChange ? setDeleting : undefined)}
          rows={topics.data}
          rowId={(topic) => topic.name}
          minWidth={680}
        />
      )}
      <CreateDialog cluster={cluster} opened={creating} onClose={() => setCreating(false)} />
      <ConfirmDialog
        opened={deleting !== undefined}
        title={`Delete topic ${deleting?.name ?? ''}?`}
        action="Delete topic"
        {...(deleting ? { typed: deleting.name } : {})}
        pending={remove.isPending}
        error={remove.error}
        onConfirm={() => deleting && remove.mutate(deleting)}
        onClose={() => {
          remove.reset();
          setDeleting(undefined);
        }}
      >
        All messages stored in it are lost.
      </ConfirmDialog>
    </Stack>
  );
}
