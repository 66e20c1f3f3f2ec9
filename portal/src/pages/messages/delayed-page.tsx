import { Code } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconClock, IconX } from '@tabler/icons-react';
import { clusterPath, liveKey, useLiveList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText } from '../clusters/quantity.ts';
import { MessagePages } from './message-pages.tsx';

type Delayed = LiveItem<'delayed'>;

const COLUMNS: readonly DataColumn<Delayed>[] = [
  { id: 'topic', header: 'Topic', sortBy: (d) => d.topic, cell: (d) => <Code>{d.topic}</Code> },
  { id: 'due', header: 'Published at', sortBy: (d) => d.dueAt, cell: (d) => <Time iso={d.dueAt} /> },
  { id: 'size', header: 'Size', align: 'right', sortBy: (d) => d.sizeBytes, cell: (d) => bytesText(d.sizeBytes) },
];

/** Messages that wait for their time. */
export function DelayedPage() {
  const cluster = useCluster();
  const mayCancel = usePermitted('live:write');
  const list = useLiveList(cluster, ['delayed'], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/delayed', {
        params: { path: clusterPath(cluster), query },
      }),
    ),
  );
  const cancel = useConfirmed<Delayed>({
    title: ({ topic }) => `Cancel the message to ${topic}?`,
    action: 'Cancel message',
    words: () => 'It is never published.',
    run: ({ id }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/delayed/{delayedId}', {
        params: { path: { ...clusterPath(cluster), delayedId: id } },
      }),
    done: ({ topic }) => `Cancelled the message to ${topic}`,
    queryKey: liveKey(cluster, 'delayed'),
  });
  const icon = <IconX size={16} aria-hidden />;
  const label = ({ topic }: Delayed) => `Cancel message to ${topic}`;
  return (
    <>
      <MessagePages cluster={cluster} />
      <ListPage
        label="Delayed messages"
        list={list}
        columns={[...COLUMNS, ...actionColumn<Delayed>(mayCancel ? cancel.ask : undefined, label, icon)]}
        rowId={({ id }) => id}
        minWidth={520}
        description="Messages that wait for their time."
        empty={{
          icon: <IconClock size={28} />,
          title: 'Nothing is waiting',
          words: (
            <>
              Publish to <Code>$delayed/60/my/topic</Code>, and the message reaches <Code>my/topic</Code> a minute
              later.
            </>
          ),
        }}
      />
      {cancel.dialog}
    </>
  );
}
