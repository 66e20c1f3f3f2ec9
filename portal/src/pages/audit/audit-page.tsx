import { Button, Code, Group, Paper, Select, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { bodyOf, type AuditEvent, type Member } from '@robustmq/client';
import { IconDownload, IconListDetails } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ListState } from '../../api/live.ts';
import { membersQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import { CopyField } from '../../ui/copy-field.tsx';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { saveFile } from '../../ui/save-file.ts';
import { SearchField } from '../../ui/search-field.tsx';
import { wordsOf } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { AuditPages } from './audit-nav.tsx';
import { linesOfJson, matches, type AuditFilter } from './audit-filter.ts';

const RESULT = {
  ok: { color: 'teal', text: 'Done' },
  denied: { color: 'orange', text: 'Denied' },
  failed: { color: 'red', text: 'Failed' },
} as const;
const ACTOR = { user: 'User', 'api-key': 'API key', system: 'System' } as const;
const ID_SHOWN = 13;
const PAGE_ROWS = 100;
const EXPORT_ROWS = 1_000;

function actorText({ actor }: AuditEvent, members: readonly Member[]): string {
  const member = members.find((m) => m.userId === actor.id);
  return (
    member?.email ?? (actor.type === 'system' ? ACTOR.system : `${ACTOR[actor.type]} ${actor.id.slice(0, ID_SHOWN)}`)
  );
}

const columnsOf = (members: readonly Member[]): readonly DataColumn<AuditEvent>[] => [
  { id: 'at', header: 'Time', cell: (e) => <Time iso={e.at} /> },
  {
    id: 'actor',
    header: 'Who',
    cell: (e) => (
      <>
        {actorText(e, members)}
        {e.actor.ip !== null && (
          <Text size="xs" c="dimmed">
            {e.actor.ip}
          </Text>
        )}
      </>
    ),
  },
  { id: 'action', header: 'What', cell: (e) => <Code>{e.action}</Code> },
  {
    id: 'target',
    header: 'On',
    cell: (e) => (
      <>
        {e.target.type}
        <Text size="xs" c="dimmed" title={e.target.id}>
          {e.target.id.slice(0, 2 * ID_SHOWN)}
        </Text>
      </>
    ),
  },
  {
    id: 'result',
    header: 'Result',
    cell: (e) => <Tag color={RESULT[e.result].color}>{RESULT[e.result].text}</Tag>,
  },
];

function useEvents(tenantId: string, filter: AuditFilter, members: readonly Member[]): ListState<AuditEvent> {
  const events = useInfiniteQuery({
    queryKey: [tenantId, 'audit-events'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/audit-events', {
          params: {
            path: { tenantId },
            query: { limit: PAGE_ROWS, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (page) => page.nextCursor,
  });
  return {
    rows: events.data?.pages
      .flatMap((page) => page.items)
      .filter((event) => matches(event, actorText(event, members), filter)),
    error: events.error,
    refetch: () => void events.refetch(),
    more: events.hasNextPage ? () => void events.fetchNextPage() : undefined,
    loadingMore: events.isFetchingNextPage,
  };
}

/** Reads the whole log in order, with the hashes that chain its rows. */
async function exportLog(tenantId: string): Promise<object[]> {
  const rows: object[] = [];
  for (let afterSeq = 0; ;) {
    const { items } = await bodyOf(
      api.GET('/v1/tenants/{tenantId}/audit-events/export', {
        params: { path: { tenantId }, query: { afterSeq, limit: EXPORT_ROWS } },
      }),
    );
    rows.push(...items);
    if (items.length < EXPORT_ROWS) return rows;
    afterSeq = items.at(-1)!.seq;
  }
}

function Export({ tenantId }: { tenantId: string }) {
  const run = useMutation({
    mutationFn: () => exportLog(tenantId),
    onSuccess: (rows) => saveFile('audit-log.ndjson', 'application/x-ndjson', linesOfJson(rows)),
    onError: (error) => {
      const { title, detail } = wordsOf(error);
      notifications.show({ color: 'red', title, message: detail, role: 'alert' });
    },
  });
  return (
    <Button
      variant="default"
      leftSection={<IconDownload size={16} aria-hidden />}
      loading={run.isPending}
      onClick={() => run.mutate()}
    >
      Export all
    </Button>
  );
}

const Verify = () => (
  <Paper p="lg" mt="lg" component="section" aria-label="Verify the log">
    <Title order={2} size="h4" mb={4}>
      Verify the log
    </Title>
    <Text size="sm" mb="md">
      Each row carries the hash of the one before, so none can be changed or taken out unseen. This computes the chain
      again, from the server or from an export, and names the first broken row:
    </Text>
    <CopyField label="Command" value="npx robust-ctl audit verify audit-log.ndjson" />
  </Paper>
);

/** Who did what, newest first. */
export function AuditPage() {
  const { tenantId } = useSession();
  const members = useQuery(membersQuery(tenantId)).data ?? [];
  const [filter, setFilter] = useState<AuditFilter>({ result: '', text: '' });
  const list = useEvents(tenantId, filter, members);
  return (
    <>
      <AuditPages />
      <PageHeader title="Audit log" actions={<Export tenantId={tenantId} />} />
      <ListPage
        label="Audit log"
        list={list}
        columns={columnsOf(members)}
        rowId={(event) => event.id}
        minWidth={720}
        description="Who changed what in this tenant, newest first. Entries cannot be changed."
        filtered={filter.result !== '' || filter.text !== ''}
        filters={
          <Group align="flex-end">
            <SearchField
              label="Search what is shown"
              placeholder="cluster.create"
              onSearch={(text) => setFilter((old) => ({ ...old, text }))}
            />
            <Select
              label="Result"
              data={[
                { value: '', label: 'Any' },
                ...Object.entries(RESULT).map(([value, { text }]) => ({ value, label: text })),
              ]}
              value={filter.result}
              onChange={(value) => setFilter((old) => ({ ...old, result: (value ?? '') as AuditFilter['result'] }))}
              allowDeselect={false}
              w={160}
            />
          </Group>
        }
        empty={{
          icon: <IconListDetails size={28} />,
          title: 'Nothing has happened yet',
          words: 'Every change to this tenant leaves an entry here.',
        }}
      />
      <Verify />
    </>
  );
}
