import { Button, Text } from '@mantine/core';
import type { Webhook } from '@robustmq/contracts';
import { IconPlus, IconWebhook } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { useSession } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { WebhookDialog } from './webhook-dialog.tsx';
import { eventsText } from './webhook-form.ts';
import { webhooksQuery } from './webhooks-query.ts';

/** Whether messages arrive there, as a word in a colour. */
export function WebhookState({ webhook }: { webhook: Webhook }) {
  if (!webhook.enabled) return <Tag color="gray">Switched off</Tag>;
  return webhook.failingSince === null ? <Tag color="teal">Working</Tag> : <Tag color="orange">Failing</Tag>;
}

const COLUMNS: readonly DataColumn<Webhook>[] = [
  {
    id: 'url',
    header: 'Address',
    sortBy: (webhook) => webhook.url,
    cell: ({ id, url }) => (
      <AnchorLink to="/webhooks/$webhookId" params={{ webhookId: id }} fw={600} style={{ overflowWrap: 'anywhere' }}>
        {url}
      </AnchorLink>
    ),
  },
  { id: 'events', header: 'Events', cell: ({ events }) => <Text size="sm">{eventsText(events)}</Text> },
  { id: 'state', header: 'State', cell: (webhook) => <WebhookState webhook={webhook} /> },
  {
    id: 'created',
    header: 'Created',
    sortBy: (webhook) => webhook.createdAt,
    cell: ({ createdAt }) => <Time iso={createdAt} />,
  },
];

/** Whom the cloud tells what happens in the tenant. */
export function WebhooksPage() {
  const { tenantId } = useSession();
  const mayChange = usePermitted('webhook:write');
  const queryClient = useQueryClient();
  const query = webhooksQuery(tenantId);
  const webhooks = useQuery(query);
  const [creating, setCreating] = useState(false);
  const [created, setCreated] = useState<{ readonly url: string; readonly secret?: string }>();
  return (
    <>
      <PageHeader title="Webhooks" />
      <ListPage
        label="Webhooks"
        list={wholeList(webhooks)}
        columns={COLUMNS}
        rowId={({ id }) => id}
        minWidth={720}
        description="Your servers are told what happens here: signed as Standard Webhooks says, repeated until they take it."
        actions={
          mayChange && (
            <Button data-main-action leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setCreating(true)}>
              Create webhook
            </Button>
          )
        }
        empty={{
          icon: <IconWebhook size={28} />,
          title: 'No webhooks yet',
          words: 'Have one of your servers told when clusters, credentials, members or invoices change.',
        }}
      />
      <WebhookDialog
        tenantId={tenantId}
        webhook={undefined}
        opened={creating}
        onClose={() => setCreating(false)}
        onSaved={(webhook) => {
          setCreating(false);
          setCreated(webhook);
          void queryClient.invalidateQueries({ queryKey: query.queryKey });
        }}
      />
      <SecretDialog
        opened={created !== undefined}
        title="Webhook created"
        warning="The secret is shown this once. Your server checks signatures with it."
        fields={[{ label: 'Signing secret', value: created?.secret ?? '' }]}
        onClose={() => setCreated(undefined)}
      />
    </>
  );
}
