import { Code, Text } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconHourglass } from '@tabler/icons-react';
import { clusterPath, useLiveList } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { Time } from '../../ui/time.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { countText } from '../clusters/quantity.ts';
import { EventPages } from './event-pages.tsx';

type Slow = LiveItem<'slow-subscribers'>;

const COLUMNS: readonly DataColumn<Slow>[] = [
  {
    id: 'client',
    header: 'Client id',
    sortBy: (slow) => slow.clientId,
    cell: (slow) => (
      <Text fw={600} size="sm" style={{ overflowWrap: 'anywhere' }}>
        {slow.clientId}
      </Text>
    ),
  },
  { id: 'topic', header: 'Topic', sortBy: (slow) => slow.topic, cell: (slow) => <Code>{slow.topic}</Code> },
  {
    id: 'latency',
    header: 'Publish to delivery',
    align: 'right',
    sortBy: (slow) => slow.latencyMs,
    cell: (slow) => `${countText(Math.round(slow.latencyMs))} ms`,
  },
  { id: 'at', header: 'When', sortBy: (slow) => slow.at, cell: (slow) => <Time iso={slow.at} /> },
];

/** The slowest deliveries to MQTT subscribers. */
export function SlowSubscribersPage() {
  const cluster = useCluster();
  const list = useLiveList(cluster, ['slow-subscribers'], () =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/slow-subscribers', {
        params: { path: clusterPath(cluster) },
      }),
    ),
  );
  return (
    <>
      <EventPages cluster={cluster} />
      <ListPage
        label="Slow subscribers"
        list={list}
        columns={COLUMNS}
        rowId={(slow) => `${slow.clientId}\n${slow.topic}\n${slow.at}`}
        minWidth={640}
        description={
          <>
            Deliveries that took longer than the threshold in the{' '}
            <AnchorLink to="/clusters/$clusterId/settings" params={{ clusterId: cluster.id }}>
              settings
            </AnchorLink>
            , the slowest first.
          </>
        }
        empty={{
          icon: <IconHourglass size={28} />,
          title: 'Nobody is slow',
          words: 'Subscribers that take long to receive their messages are listed here.',
        }}
      />
    </>
  );
}
