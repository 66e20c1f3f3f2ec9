import { Badge, Code, Text } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconPlugConnected, IconPlugConnectedX } from '@tabler/icons-react';
import { useState } from 'react';
import { clusterPath, liveKey, useLiveList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { SearchField } from '../../ui/search-field.tsx';
import { Time } from '../../ui/time.tsx';
import { actionColumn, useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { ClientPages } from './client-pages.tsx';

type Client = LiveItem<'clients'>;

const PROTOCOL: Record<Client['protocol'], string> = { mqtt: 'MQTT', kafka: 'Kafka', amqp: 'AMQP' };

const COLUMNS: readonly DataColumn<Client>[] = [
  {
    id: 'clientId',
    header: 'Client id',
    sortBy: (client) => client.clientId,
    cell: (client) => (
      <Text fw={600} size="sm" style={{ overflowWrap: 'anywhere' }}>
        {client.clientId}
      </Text>
    ),
  },
  {
    id: 'protocol',
    header: 'Protocol',
    sortBy: (client) => client.protocol,
    cell: (client) => (
      <Badge variant="light" tt="none" radius="sm" color="gray">
        {PROTOCOL[client.protocol]}
      </Badge>
    ),
  },
  {
    id: 'principal',
    header: 'Credential',
    sortBy: (client) => client.principal,
    cell: (client) => <Code>{client.principal}</Code>,
  },
  {
    id: 'address',
    header: 'Address',
    sortBy: (client) => client.remoteAddress,
    cell: (client) => client.remoteAddress,
  },
  {
    id: 'since',
    header: 'Connected',
    sortBy: (client) => client.connectedAt,
    cell: (client) => <Time iso={client.connectedAt} />,
  },
];

/** Who is connected now, over any protocol. */
export function ClientsPage() {
  const cluster = useCluster();
  const mayKick = usePermitted('live:write');
  const [prefix, setPrefix] = useState('');
  const list = useLiveList(cluster, ['clients', prefix], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/clients', {
        params: { path: clusterPath(cluster), query: { ...query, ...(prefix === '' ? {} : { prefix }) } },
      }),
    ),
  );
  const kick = useConfirmed<Client>({
    title: ({ clientId }) => `Disconnect ${clientId}?`,
    action: 'Disconnect',
    words: () => 'Its connections are cut. It may connect again; to keep it out, put it on the blacklist.',
    run: ({ clientId }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/clients/{clientId}', {
        params: { path: { ...clusterPath(cluster), clientId } },
      }),
    done: ({ clientId }) => `Disconnected ${clientId}`,
    queryKey: liveKey(cluster, 'clients'),
  });
  const icon = <IconPlugConnectedX size={16} aria-hidden />;
  return (
    <>
      <ClientPages cluster={cluster} />
      <ListPage
        label="Connected clients"
        list={list}
        columns={[
          ...COLUMNS,
          ...actionColumn<Client>(mayKick ? kick.ask : undefined, ({ clientId }) => `Disconnect ${clientId}`, icon),
        ]}
        rowId={(client) => `${client.protocol} ${client.clientId} ${client.remoteAddress} ${client.connectedAt}`}
        minWidth={760}
        description="Connections open at this moment, over every protocol."
        filters={<SearchField label="Client id starts with" onSearch={setPrefix} />}
        filtered={prefix !== ''}
        empty={{
          icon: <IconPlugConnected size={28} />,
          title: 'Nobody is connected',
          words: 'MQTT and Kafka clients appear here while they are connected.',
        }}
      />
      {kick.dialog}
    </>
  );
}
