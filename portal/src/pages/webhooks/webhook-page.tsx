import { Alert, Breadcrumbs, Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { Webhook, WebhookDelivery } from '@robustmq/contracts';
import { IconKey, IconPencil, IconRefresh, IconSend, IconTrash, IconWebhook } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { ListState } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api, useSession } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { Fact } from '../../ui/fact.tsx';
import { AnchorLink, ButtonLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { PageHeader } from '../../ui/page-header.tsx';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { useConfirmed } from '../../ui/use-confirmed.tsx';
import { WebhookDialog } from './webhook-dialog.tsx';
import { eventsText } from './webhook-form.ts';
import { WebhookState } from './webhooks-page.tsx';
import { webhooksQuery } from './webhooks-query.ts';

const route = getRouteApi('/inside/webhooks/$webhookId');
const PAGE_ROWS = 50;
const PENDING_POLL_MS = 2_000;
const SETTLED_POLL_MS = 10_000;
const STATUS = {
  pending: { color: 'blue', text: 'Waiting' },
  delivered: { color: 'teal', text: 'Delivered' },
  failed: { color: 'red', text: 'Failed' },
} as const;

const answerText = ({ responseStatus, error }: WebhookDelivery): string =>
  [responseStatus === null ? '' : `HTTP ${responseStatus}`, error ?? ''].filter((part) => part !== '').join(': ') ||
  '–';

const COLUMNS: readonly DataColumn<WebhookDelivery>[] = [
  { id: 'at', header: 'Time', cell: ({ createdAt }) => <Time iso={createdAt} /> },
  { id: 'event', header: 'Event', cell: ({ event }) => event },
  {
    id: 'status',
    header: 'State',
    cell: ({ status }) => <Tag color={STATUS[status].color}>{STATUS[status].text}</Tag>,
  },
  { id: 'attempts', header: 'Attempts', align: 'right', cell: ({ attempts }) => attempts },
  {
    id: 'answer',
    header: 'Last answer',
    cell: (delivery) => (
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        {answerText(delivery)}
      </Text>
    ),
  },
];

const deliveriesKey = (tenantId: string, webhookId: string) => [tenantId, 'webhooks', webhookId, 'deliveries'];

function useDeliveries(tenantId: string, webhookId: string): ListState<WebhookDelivery> {
  const list = useInfiniteQuery({
    queryKey: deliveriesKey(tenantId, webhookId),
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/webhooks/{webhookId}/deliveries', {
          params: {
            path: { tenantId, webhookId },
            query: { limit: PAGE_ROWS, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (page) => page.nextCursor,
    refetchInterval: ({ state }) =>
      state.data?.pages.some(({ items }) => items.some(({ status }) => status === 'pending'))
        ? PENDING_POLL_MS
        : SETTLED_POLL_MS,
  });
  return {
    rows: list.data?.pages.flatMap(({ items }) => items),
    error: list.error,
    refetch: () => void list.refetch(),
    more: list.hasNextPage ? () => void list.fetchNextPage() : undefined,
    loadingMore: list.isFetchingNextPage,
  };
}

function Deliveries({ tenantId, webhook, mayChange }: { tenantId: string; webhook: Webhook; mayChange: boolean }) {
  const queryClient = useQueryClient();
  const list = useDeliveries(tenantId, webhook.id);
  const path = { tenantId, webhookId: webhook.id };
  const onSettled = () => queryClient.invalidateQueries({ queryKey: deliveriesKey(tenantId, webhook.id) });
  const test = useMutation({
    mutationFn: () => bodyOf(api.POST('/v1/tenants/{tenantId}/webhooks/{webhookId}:test', { params: { path } })),
    onSuccess: () => notice('A test message is on its way'),
    onSettled,
  });
  const replay = useMutation({
    mutationFn: ({ id }: WebhookDelivery) =>
      bodyOf(
        api.POST('/v1/tenants/{tenantId}/webhooks/{webhookId}/deliveries/{deliveryId}:replay', {
          params: { path: { ...path, deliveryId: id } },
        }),
      ),
    onSuccess: ({ event }) => notice(`${event} is sent again`),
    onSettled,
  });
  const replayColumn: DataColumn<WebhookDelivery> = {
    id: 'replay',
    header: '',
    align: 'right',
    cell: (delivery) => (
      <Button
        size="compact-sm"
        variant="subtle"
        leftSection={<IconRefresh size={14} aria-hidden />}
        loading={replay.isPending && replay.variables.id === delivery.id}
        onClick={() => replay.mutate(delivery)}
        aria-label={`Send ${delivery.event} of ${delivery.createdAt} again`}
      >
        Send again
      </Button>
    ),
  };
  const failure = test.error ?? replay.error;
  return (
    <>
      <Title order={2} size="h4">
        Deliveries
      </Title>
      {failure && <ErrorState error={failure} />}
      <ListPage
        label="Deliveries"
        list={list}
        columns={mayChange ? [...COLUMNS, replayColumn] : COLUMNS}
        rowId={({ id }) => id}
        minWidth={720}
        description="Newest first, kept for 30 days. A message sent again has the same id, so that a server can tell."
        actions={
          mayChange && (
            <Button
              variant="default"
              loading={test.isPending}
              leftSection={<IconSend size={16} aria-hidden />}
              onClick={() => test.mutate()}
            >
              Send test message
            </Button>
          )
        }
        empty={{
          icon: <IconSend size={28} />,
          title: 'Nothing was sent yet',
          words: 'Send a test message, or do something that the webhook is told of.',
        }}
      />
    </>
  );
}

/** What can be done to a webhook itself: change, new secret, off and on, delete. */
function Actions({ tenantId, webhook }: { tenantId: string; webhook: Webhook }) {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const [editing, setEditing] = useState(false);
  const [secret, setSecret] = useState<string>();
  const { queryKey } = webhooksQuery(tenantId);
  const path = { tenantId, webhookId: webhook.id };
  const onSettled = () => queryClient.invalidateQueries({ queryKey });
  const enable = useMutation({
    mutationFn: (enabled: boolean) =>
      bodyOf(api.PATCH('/v1/tenants/{tenantId}/webhooks/{webhookId}', { params: { path }, body: { enabled } })),
    onSuccess: ({ enabled }) => notice(enabled ? 'Switched on' : 'Switched off'),
    onSettled,
  });
  const rotation = useConfirmed<Webhook>({
    title: () => 'Give it a new secret?',
    action: 'Make new secret',
    words: () => 'The old one signs no more: your server refuses messages until it knows the new one.',
    run: async () => {
      const rotated = await bodyOf(
        api.POST('/v1/tenants/{tenantId}/webhooks/{webhookId}:rotate-secret', { params: { path } }),
      );
      setSecret(rotated.secret);
    },
    done: () => 'It has a new secret',
    queryKey,
  });
  const removal = useConfirmed<Webhook>({
    title: () => 'Delete this webhook?',
    action: 'Delete webhook',
    words: ({ url }) => `${url} is told nothing any more, and the list of its deliveries goes.`,
    run: () => api.DELETE('/v1/tenants/{tenantId}/webhooks/{webhookId}', { params: { path } }),
    done: () => 'Deleted the webhook',
    queryKey,
    afterwards: () => void navigate({ to: '/webhooks' }),
  });
  return (
    <>
      {enable.error && <ErrorState error={enable.error} />}
      <Group gap="sm">
        <Button variant="default" leftSection={<IconPencil size={16} aria-hidden />} onClick={() => setEditing(true)}>
          Change webhook
        </Button>
        <Button variant="default" leftSection={<IconKey size={16} aria-hidden />} onClick={() => rotation.ask(webhook)}>
          New secret
        </Button>
        <Button variant="default" loading={enable.isPending} onClick={() => enable.mutate(!webhook.enabled)}>
          {webhook.enabled ? 'Switch off' : 'Switch on'}
        </Button>
        <Button
          variant="light"
          color="red"
          leftSection={<IconTrash size={16} aria-hidden />}
          onClick={() => removal.ask(webhook)}
        >
          Delete webhook
        </Button>
      </Group>
      <WebhookDialog
        key={`${webhook.url} ${webhook.events.join()}`}
        tenantId={tenantId}
        webhook={webhook}
        opened={editing}
        onClose={() => setEditing(false)}
        onSaved={() => {
          setEditing(false);
          notice('Saved the webhook');
          void onSettled();
        }}
      />
      <SecretDialog
        opened={secret !== undefined}
        title="New secret"
        warning="The secret is shown this once. Your server checks signatures with it."
        fields={[{ label: 'Signing secret', value: secret ?? '' }]}
        onClose={() => setSecret(undefined)}
      />
      {rotation.dialog}
      {removal.dialog}
    </>
  );
}

function Details({ tenantId, webhook }: { tenantId: string; webhook: Webhook }) {
  const mayChange = usePermitted('webhook:write');
  return (
    <Stack gap="lg">
      {webhook.failingSince !== null && (
        <Alert color="orange" variant="light" role="status" title="Messages do not arrive">
          Since <Time iso={webhook.failingSince} />. It is tried again more and more seldom, and switched off after
          days.
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Fact label="Events">{eventsText(webhook.events)}</Fact>
        <Fact label="Created">
          <Time iso={webhook.createdAt} />
        </Fact>
      </SimpleGrid>
      {mayChange && <Actions tenantId={tenantId} webhook={webhook} />}
      <Deliveries tenantId={tenantId} webhook={webhook} mayChange={mayChange} />
    </Stack>
  );
}

/** One webhook: what it is told, what was sent, and sending it again. */
export function WebhookPage() {
  const { webhookId } = route.useParams();
  const { tenantId } = useSession();
  const webhooks = useQuery(webhooksQuery(tenantId));
  const webhook = webhooks.data?.find(({ id }) => id === webhookId);
  return (
    <>
      <Breadcrumbs mb="xs" aria-label="Breadcrumb" component="nav">
        <AnchorLink to="/webhooks" size="sm">
          Webhooks
        </AnchorLink>
        <Text size="sm" aria-current="page" truncate>
          {webhook ? new URL(webhook.url).host : 'Webhook'}
        </Text>
      </Breadcrumbs>
      <PageHeader
        title={webhook?.url ?? 'Webhook'}
        {...(webhook ? { badge: <WebhookState webhook={webhook} /> } : {})}
      />
      {webhooks.isPending && <LoadingState />}
      {webhooks.error && <ErrorState error={webhooks.error} retry={() => void webhooks.refetch()} />}
      {webhooks.data && !webhook && (
        <EmptyState
          icon={<IconWebhook size={28} />}
          title="There is no such webhook"
          action={<ButtonLink to="/webhooks">Go to your webhooks</ButtonLink>}
        >
          It may have been deleted, or it belongs to another tenant.
        </EmptyState>
      )}
      {webhook && <Details tenantId={tenantId} webhook={webhook} />}
    </>
  );
}
