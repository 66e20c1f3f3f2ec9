import { Badge, Code, Text } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconListDetails } from '@tabler/icons-react';
import { clusterPath, useLiveList } from '../../api/live.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { Time } from '../../ui/time.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { EventPages } from './event-pages.tsx';

type Event = LiveItem<'events'>;

const COLUMNS: readonly DataColumn<Event>[] = [
  { id: 'at', header: 'When', sortBy: (event) => event.at, cell: (event) => <Time iso={event.at} /> },
  {
    id: 'stage',
    header: 'Stage',
    sortBy: (event) => event.stage,
    cell: (event) => (
      <Badge variant="light" color="gray" tt="none" radius="sm">
        {event.protocol.toUpperCase()} {event.stage}
      </Badge>
    ),
  },
  { id: 'code', header: 'Reason', sortBy: (event) => event.code, cell: (event) => <Code>{event.code}</Code> },
  {
    id: 'client',
    header: 'Client',
    sortBy: (event) => event.clientId ?? '',
    cell: (event) => (
      <>
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {event.clientId ?? '–'}
        </Text>
        {event.remoteAddress !== '' && (
          <Text size="xs" c="dimmed">
            {event.remoteAddress}
          </Text>
        )}
      </>
    ),
  },
  {
    id: 'detail',
    header: 'Detail',
    cell: (event) => (
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {event.detail}
      </Text>
    ),
  },
];

/** Refused connections and requests, the newest first. */
export function EventsPage() {
  const cluster = useCluster();
  const list = useLiveList(cluster, ['events'], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/events', {
        params: { path: clusterPath(cluster), query },
      }),
    ),
  );
  const numbered = { ...list, rows: list.rows?.map((event, number) => ({ ...event, number })) };
  return (
    <>
      <EventPages cluster={cluster} />
      <ListPage
        label="Client events"
        list={numbered}
        columns={COLUMNS}
        rowId={(event) => `${event.at} ${event.number}`}
        minWidth={820}
        description="Refused connections and requests, the newest first: who, at which stage, and why."
        empty={{
          icon: <IconListDetails size={28} />,
          title: 'Nothing was refused',
          words: 'Wrong passwords, denied topics, quotas and protocol errors of clients are listed here.',
        }}
      />
    </>
  );
}
