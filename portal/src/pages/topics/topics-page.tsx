import { Badge, Button, Code, Group, Modal, NumberInput, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { bodyOf, type Cluster, type Topic } from '@robustmq/client';
import { TopicName } from '@robustmq/contracts';
import { IconListTree, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { clusterPath, wholeList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { topicsQuery } from '../../api/queries.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { formErrorsOf } from '../../ui/form-errors.ts';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { ErrorState } from '../../ui/states.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText } from '../clusters/quantity.ts';
import { RETENTION } from './topic-policy.ts';

const PARTITIONS_MAX = 256;
const DAY_MS = 86_400_000;
/** How long a deleted topic waits to be taken back, unless its data is to go at once. */
const UNDO_HOURS = 24;

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
          params: { path: clusterPath(cluster) },
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

const columnsOf = (clusterId: string): readonly DataColumn<Topic>[] => [
  {
    id: 'name',
    header: 'Name',
    sortBy: (t) => t.name,
    cell: (t) => (
      <AnchorLink
        to="/clusters/$clusterId/topics/$topicName"
        params={{ clusterId, topicName: t.name }}
        fw={600}
        size="sm"
        style={{ overflowWrap: 'anywhere', display: 'inline-block', minWidth: '9rem' }}
      >
        {t.name}
      </AnchorLink>
    ),
  },
  { id: 'mqtt', header: 'MQTT', cell: (t) => <Code className="wraps">{t.name.replaceAll('.', '/')}/#</Code> },
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
];

/** The stored topics of a cluster. */
export function TopicsPage() {
  const cluster = useCluster();
  const mayChange = usePermitted('topic:write');
  const query = topicsQuery(cluster.tenantId, cluster.id);
  const topics = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [atOnce, setAtOnce] = useState(false);
  const remove = useConfirmed<Topic>({
    title: ({ name }) => `Delete topic ${name}?`,
    action: 'Delete topic',
    words: ({ origin }) => (
      <Stack gap="sm">
        {atOnce || origin === 'client'
          ? 'All messages stored in it are lost at once.'
          : `It is hidden now and can be taken back for ${UNDO_HOURS} hours; until then it is stored, and its name is taken. Then all its messages are lost.`}
        {origin !== 'client' && (
          <Switch
            label="Delete its data at once"
            checked={atOnce}
            onChange={({ currentTarget }) => setAtOnce(currentTarget.checked)}
          />
        )}
      </Stack>
    ),
    typed: ({ name }) => name,
    // what a client made can only be deleted at once
    run: ({ name, origin }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/topics/{topicName}', {
        params: {
          path: { ...clusterPath(cluster), topicName: name },
          query: { undo_hours: atOnce || origin === 'client' ? 0 : UNDO_HOURS },
        },
      }),
    done: ({ name }) => `Deleted topic ${name}`,
    queryKey: query.queryKey,
  });
  const ask = (topic: Topic) => {
    setAtOnce(false);
    remove.ask(topic);
  };
  const icon = <IconTrash size={16} aria-hidden />;
  return (
    <>
      <ListPage
        label="Topics"
        list={wholeList(topics)}
        columns={[
          ...columnsOf(cluster.id),
          ...actionColumn<Topic>(mayChange ? ask : undefined, ({ name }) => `Delete topic ${name}`, icon),
        ]}
        rowId={(topic) => topic.name}
        minWidth={680}
        description="Stored logs, the same for MQTT and Kafka clients."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              Create topic
            </Button>
          )
        }
        empty={{
          icon: <IconListTree size={28} />,
          title: 'No topics yet',
          words:
            'MQTT messages flow without a topic. Create one to store them, replay them, and read them with Kafka clients.',
        }}
      />
      <CreateDialog cluster={cluster} opened={creating} onClose={() => setCreating(false)} />
      {remove.dialog}
    </>
  );
}
