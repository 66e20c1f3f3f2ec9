import { Badge } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconInbox, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { clusterPath, useLiveList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { SearchField } from '../../ui/search-field.tsx';
import { actionColumn } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText, countText } from '../clusters/quantity.ts';
import { ClientPages } from './client-pages.tsx';
import { useEndSession } from './session-actions.ts';
import { expiryText } from './session-text.ts';

type Session = LiveItem<'sessions'>;

/** Whether the session's client is there. */
export const ConnectedBadge = ({ connected }: { connected: boolean }) => (
  <Badge variant="light" tt="none" radius="sm" color={connected ? 'teal' : 'gray'}>
    {connected ? 'Connected' : 'Away'}
  </Badge>
);

const columnsOf = (clusterId: string): readonly DataColumn<Session>[] => [
  {
    id: 'clientId',
    header: 'Client id',
    sortBy: (session) => session.clientId,
    cell: ({ clientId }) => (
      <AnchorLink
        to="/clusters/$clusterId/clients/sessions/$clientId"
        params={{ clusterId, clientId }}
        fw={600}
        size="sm"
        style={{ overflowWrap: 'anywhere' }}
      >
        {clientId}
      </AnchorLink>
    ),
  },
  {
    id: 'state',
    header: 'State',
    sortBy: (session) => String(session.connected),
    cell: ({ connected }) => <ConnectedBadge connected={connected} />,
  },
  {
    id: 'subscriptions',
    header: 'Subscriptions',
    align: 'right',
    sortBy: (session) => session.subscriptions,
    cell: (session) => countText(session.subscriptions),
  },
  {
    id: 'inbox',
    header: 'In the inbox',
    align: 'right',
    sortBy: (session) => session.inboxMessages,
    cell: (session) => countText(session.inboxMessages),
  },
  {
    id: 'bytes',
    header: 'Inbox size',
    align: 'right',
    sortBy: (session) => session.inboxBytes,
    cell: (session) => bytesText(session.inboxBytes),
  },
  {
    id: 'expiry',
    header: 'Expires after',
    sortBy: (session) => session.expirySeconds,
    cell: (session) => expiryText(session.expirySeconds),
  },
];

/** MQTT sessions, whether their client is connected or not. */
export function SessionsPage() {
  const cluster = useCluster();
  const mayEnd = usePermitted('live:write');
  const [prefix, setPrefix] = useState('');
  const list = useLiveList(cluster, ['sessions', prefix], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/sessions', {
        params: { path: clusterPath(cluster), query: { ...query, ...(prefix === '' ? {} : { prefix }) } },
      }),
    ),
  );
  const end = useEndSession(cluster);
  const icon = <IconTrash size={16} aria-hidden />;
  return (
    <>
      <ClientPages cluster={cluster} />
      <ListPage
        label="MQTT sessions"
        list={list}
        columns={[
          ...columnsOf(cluster.id),
          ...actionColumn<Session>(mayEnd ? end.ask : undefined, ({ clientId }) => `End session ${clientId}`, icon),
        ]}
        rowId={({ clientId }) => clientId}
        minWidth={820}
        description="What MQTT clients are owed: their subscriptions and inboxes, kept while they are away."
        filters={<SearchField label="Client id starts with" onSearch={setPrefix} />}
        filtered={prefix !== ''}
        empty={{
          icon: <IconInbox size={28} />,
          title: 'No sessions',
          words:
            'A session begins when an MQTT client connects, and stays while it is away if the client asks for that.',
        }}
      />
      {end.dialog}
    </>
  );
}
