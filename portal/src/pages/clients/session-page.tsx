import { Badge, Button, Code, Group, Stack, Text, Title } from '@mantine/core';
import { bodyOf, type Cluster } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconInbox, IconRss, IconTrash } from '@tabler/icons-react';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { clusterPath, useLiveList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ButtonLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { bytesText, countText } from '../clusters/quantity.ts';
import { messageColumns, messageId } from '../messages/message-columns.tsx';
import { useMessageDialog } from '../messages/message-dialog.tsx';
import { ClientPages } from './client-pages.tsx';
import { useClearInbox, useEndSession } from './session-actions.ts';
import { expiryText } from './session-text.ts';
import { ConnectedBadge } from './sessions-page.tsx';

type Session = LiveItem<'sessions'>;
type Subscription = LiveItem<'subscriptions'>;

const route = getRouteApi('/inside/clusters/$clusterId/clients/sessions/$clientId');

const SUBSCRIPTION_COLUMNS: readonly DataColumn<Subscription>[] = [
  { id: 'filter', header: 'Topic filter', sortBy: (s) => s.filter, cell: (s) => <Code>{s.filter}</Code> },
  { id: 'qos', header: 'QoS', sortBy: (s) => s.qos, cell: (s) => s.qos },
];

function Subscriptions({ cluster, clientId }: { cluster: Cluster; clientId: string }) {
  const list = useLiveList(cluster, ['subscriptions', clientId], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/subscriptions', {
        params: { path: clusterPath(cluster), query: { ...query, clientId } },
      }),
    ),
  );
  return (
    <ListPage
      label="Subscriptions"
      list={list}
      columns={SUBSCRIPTION_COLUMNS}
      rowId={({ filter }) => filter}
      minWidth={320}
      description="What this session receives."
      empty={{
        icon: <IconRss size={28} />,
        title: 'No subscriptions',
        words: 'The client has not subscribed to anything.',
      }}
    />
  );
}

function Inbox({ cluster, clientId }: { cluster: Cluster; clientId: string }) {
  const list = useLiveList(cluster, ['inbox', clientId], (query) =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/sessions/{clientId}/inbox', {
        params: { path: { ...clusterPath(cluster), clientId }, query },
      }),
    ),
  );
  const message = useMessageDialog();
  return (
    <>
      <ListPage
        label="Inbox"
        list={list}
        columns={messageColumns(message.show)}
        rowId={messageId}
        minWidth={680}
        description="Messages owed to it and not acknowledged yet, the oldest first."
        empty={{ icon: <IconInbox size={28} />, title: 'The inbox is empty', words: 'Nothing waits for this client.' }}
      />
      {message.dialog}
    </>
  );
}

function Facts({ session }: { session: Session }) {
  return (
    <Group gap="xs">
      <ConnectedBadge connected={session.connected} />
      <Badge variant="light" color="gray" tt="none" radius="sm">
        {countText(session.inboxMessages)} in the inbox, {bytesText(session.inboxBytes)}
      </Badge>
      <Text size="sm" c="dimmed">
        Expires after: {expiryText(session.expirySeconds)}
      </Text>
    </Group>
  );
}

/** One MQTT session: what it subscribed to, and what waits for it. */
export function SessionPage() {
  const cluster = useCluster();
  const { clientId } = route.useParams();
  const mayAct = usePermitted('live:write');
  const mayRead = usePermitted('record:read');
  const navigate = useNavigate();
  const list = useLiveList(cluster, ['sessions', clientId], () =>
    bodyOf(
      api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/sessions', {
        params: { path: clusterPath(cluster), query: { prefix: clientId, limit: 1 } },
      }),
    ),
  );
  const clear = useClearInbox(cluster);
  const end = useEndSession(
    cluster,
    () => void navigate({ to: '/clusters/$clusterId/clients/sessions', params: { clusterId: cluster.id } }),
  );
  const session = list.rows?.find((row) => row.clientId === clientId);
  return (
    <Stack>
      <ClientPages cluster={cluster} />
      <Group justify="space-between" align="flex-start">
        <Stack gap="xs">
          <Title order={2} size="h3" style={{ overflowWrap: 'anywhere' }}>
            {clientId}
          </Title>
          {session && <Facts session={session} />}
        </Stack>
        {session && mayAct && (
          <Group gap="sm">
            <Button variant="default" disabled={session.inboxMessages === 0} onClick={() => clear.ask(session)}>
              Clear inbox
            </Button>
            <Button
              color="red"
              variant="light"
              leftSection={<IconTrash size={16} aria-hidden />}
              onClick={() => end.ask(session)}
            >
              End session
            </Button>
          </Group>
        )}
      </Group>
      {list.error !== null && <ErrorState error={list.error} retry={list.refetch} />}
      {!list.rows && !list.error && <LoadingState />}
      {list.rows && !session && (
        <EmptyState
          icon={<IconInbox size={28} />}
          title="There is no such session"
          action={
            <ButtonLink to="/clusters/$clusterId/clients/sessions" params={{ clusterId: cluster.id }}>
              See all sessions
            </ButtonLink>
          }
        >
          It ended, or it never was.
        </EmptyState>
      )}
      {session && (
        <>
          <Title order={3} size="h4">
            Subscriptions
          </Title>
          <Subscriptions cluster={cluster} clientId={clientId} />
          <Title order={3} size="h4">
            Inbox
          </Title>
          {mayRead ? (
            <Inbox cluster={cluster} clientId={clientId} />
          ) : (
            <Text c="dimmed">Your role does not let you read messages.</Text>
          )}
        </>
      )}
      {clear.dialog}
      {end.dialog}
    </Stack>
  );
}
