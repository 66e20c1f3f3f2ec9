import { Button, Code, Group, Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import type { Topic } from '@robustmq/client';
import { IconArrowsExchange, IconFile, IconPencil, IconStack2 } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import { usePermitted } from '../../api/permission.ts';
import { topicsQuery } from '../../api/queries.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ButtonLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText, countText } from '../clusters/quantity.ts';
import { StorageForecast } from './forecast.tsx';
import { PolicyDialog } from './policy-dialog.tsx';
import { tiersQuery, type Partition } from './tiers-query.ts';
import { TopicHeading } from './topic-heading.tsx';
import { CLEANUP, retentionText } from './topic-policy.ts';

type TierObject = Partition['objects'][number] & { readonly partition: number };
type Move = Partition['moves'][number] & { readonly partition: number };

const route = getRouteApi('/inside/clusters/$clusterId/topics/$topicName');

const PARTITION_COLUMNS: readonly DataColumn<Partition>[] = [
  { id: 'partition', header: 'Partition', sortBy: (p) => p.partition, cell: (p) => p.partition },
  { id: 'start', header: 'First', align: 'right', sortBy: (p) => p.startOffset, cell: (p) => countText(p.startOffset) },
  { id: 'end', header: 'End', align: 'right', sortBy: (p) => p.endOffset, cell: (p) => countText(p.endOffset) },
  {
    id: 'stable',
    header: 'Committed',
    align: 'right',
    sortBy: (p) => p.stableOffset,
    cell: (p) => countText(p.stableOffset),
  },
  { id: 'size', header: 'Size', align: 'right', sortBy: (p) => p.sizeBytes, cell: (p) => bytesText(p.sizeBytes) },
  { id: 'hot', header: 'Hot', align: 'right', sortBy: (p) => p.hotBytes, cell: (p) => bytesText(p.hotBytes) },
  { id: 'warm', header: 'Warm', align: 'right', sortBy: (p) => p.warmBytes, cell: (p) => bytesText(p.warmBytes) },
  { id: 'cold', header: 'Cold', align: 'right', sortBy: (p) => p.coldBytes, cell: (p) => bytesText(p.coldBytes) },
];
const whereOf = (object: TierObject): string =>
  [object.warm ? 'disk' : '', object.cold ? 'object storage' : ''].filter((where) => where !== '').join(' and ');
const offsetsOf = ({ baseOffset, nextOffset }: { baseOffset: number; nextOffset: number }): string =>
  `${countText(baseOffset)} – ${countText(nextOffset - 1)}`;
const OBJECT_COLUMNS: readonly DataColumn<TierObject>[] = [
  { id: 'key', header: 'Object', cell: (o) => <Code>{o.key}</Code> },
  { id: 'partition', header: 'Partition', sortBy: (o) => o.partition, cell: (o) => o.partition },
  { id: 'offsets', header: 'Offsets', sortBy: (o) => o.baseOffset, cell: offsetsOf },
  { id: 'size', header: 'Size', align: 'right', sortBy: (o) => o.sizeBytes, cell: (o) => bytesText(o.sizeBytes) },
  { id: 'where', header: 'Kept on', sortBy: whereOf, cell: (o) => `${whereOf(o)}${o.compacted ? ', compacted' : ''}` },
];
const MOVE_COLUMNS: readonly DataColumn<Move>[] = [
  { id: 'at', header: 'When', sortBy: (m) => m.at, cell: (m) => <Time iso={m.at} /> },
  { id: 'kind', header: 'Move', sortBy: (m) => m.kind, cell: (m) => m.kind },
  { id: 'reason', header: 'Why', sortBy: (m) => m.reason, cell: (m) => m.reason },
  { id: 'partition', header: 'Partition', sortBy: (m) => m.partition, cell: (m) => m.partition },
  { id: 'offsets', header: 'Offsets', sortBy: (m) => m.baseOffset, cell: offsetsOf },
  { id: 'size', header: 'Size', align: 'right', sortBy: (m) => m.sizeBytes, cell: (m) => bytesText(m.sizeBytes) },
];

function Facts({ topic }: { topic: Topic }) {
  const facts: readonly (readonly [string, ReactNode])[] = [
    ['Kafka topic', <Code key="kafka">{topic.name}</Code>],
    ['MQTT', <Code key="mqtt">{(topic.bindings ?? [`${topic.name.replaceAll('.', '/')}/#`]).join(', ')}</Code>],
    ['Partitions', topic.partitions],
    ['Kept for', retentionText(topic.retentionMs)],
    ['Kept at most', (topic.retentionBytes ?? -1) < 0 ? 'No limit' : bytesText(topic.retentionBytes ?? 0)],
    ['Clean-up', CLEANUP.find(({ value }) => value === (topic.cleanup ?? 'delete'))?.label],
    ['Durability', topic.durability === 'memory' ? 'In memory' : 'On disk before it is acknowledged'],
    ['Engine', topic.engine ?? 'file'],
    ['Made by', topic.origin === 'api' ? 'You' : 'A client'],
  ];
  return (
    <Paper p="lg" component="section" aria-label="Configuration">
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm">
        {facts.map(([name, value]) => (
          <div key={name}>
            <Text size="xs" c="dimmed">
              {name}
            </Text>
            <Text size="sm" component="div" style={{ overflowWrap: 'anywhere' }}>
              {value}
            </Text>
          </div>
        ))}
      </SimpleGrid>
    </Paper>
  );
}

function Tiers({
  partitions,
  refetch,
  error,
}: {
  partitions: readonly Partition[] | undefined;
  refetch: () => void;
  error: unknown;
}) {
  const listOf = <T,>(rows: readonly T[] | undefined) => ({ rows, error: null, refetch });
  const objects = partitions?.flatMap((p) => p.objects.map((object) => ({ ...object, partition: p.partition })));
  const moves = partitions?.flatMap((p) =>
    p.moves.map((move, number) => ({ ...move, partition: p.partition, number })),
  );
  return (
    <>
      <Title order={3} size="h4">
        Partitions
      </Title>
      <ListPage
        label="Partitions"
        list={{ rows: partitions, error, refetch }}
        columns={PARTITION_COLUMNS}
        rowId={({ partition }) => String(partition)}
        minWidth={720}
        description="Hot is in memory, warm on the node’s disk, cold in object storage."
        empty={{ icon: <IconStack2 size={28} />, title: 'No partitions', words: 'The node does not serve them yet.' }}
      />
      <Title order={3} size="h4">
        Tier objects
      </Title>
      <ListPage
        label="Tier objects"
        list={listOf(objects)}
        columns={OBJECT_COLUMNS}
        rowId={({ key }) => key}
        minWidth={640}
        description="Finished stretches of the log, and where each is kept."
        empty={{
          icon: <IconFile size={28} />,
          title: 'No objects yet',
          words: 'Finished stretches of the log become objects that can move between the tiers.',
        }}
      />
      <Title order={3} size="h4">
        Moves
      </Title>
      <ListPage
        label="Moves between tiers"
        list={listOf(moves)}
        columns={MOVE_COLUMNS}
        rowId={(move) => `${move.partition} ${move.at} ${move.number}`}
        minWidth={640}
        description="What moved between the tiers, and why."
        empty={{
          icon: <IconArrowsExchange size={28} />,
          title: 'Nothing has moved',
          words: 'Moves are listed as they happen.',
        }}
      />
    </>
  );
}

/** One topic: how it is kept, its partitions, and where its bytes are. */
export function TopicPage() {
  const cluster = useCluster();
  const { topicName } = route.useParams();
  const mayChange = usePermitted('topic:write');
  const [editing, setEditing] = useState(0);
  const [opened, setOpened] = useState(false);
  const topics = useQuery(topicsQuery(cluster.tenantId, cluster.id));
  const topic = topics.data?.find(({ name }) => name === topicName);
  const tiers = useQuery({ ...tiersQuery(cluster, topicName), enabled: topic !== undefined });
  const edit = () => {
    setEditing((turn) => turn + 1);
    setOpened(true);
  };
  return (
    <Stack>
      <TopicHeading cluster={cluster} topicName={topicName} />
      {topics.error && <ErrorState error={topics.error} retry={() => void topics.refetch()} />}
      {topics.isPending && <LoadingState />}
      {topics.data && !topic && (
        <EmptyState
          icon={<IconStack2 size={28} />}
          title="There is no such topic"
          action={
            <ButtonLink to="/clusters/$clusterId/topics" params={{ clusterId: cluster.id }}>
              See all topics
            </ButtonLink>
          }
        >
          It may have been deleted, or its name is another.
        </EmptyState>
      )}
      {topic && (
        <>
          <Facts topic={topic} />
          {mayChange && (
            <Group>
              <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={edit}>
                Change topic
              </Button>
            </Group>
          )}
          <Tiers partitions={tiers.data?.partitions} error={tiers.error} refetch={() => void tiers.refetch()} />
          {topic.ready && <StorageForecast cluster={cluster} topicName={topicName} />}
          <PolicyDialog
            key={editing}
            cluster={cluster}
            topic={topic}
            opened={opened}
            onClose={() => setOpened(false)}
          />
        </>
      )}
    </Stack>
  );
}
