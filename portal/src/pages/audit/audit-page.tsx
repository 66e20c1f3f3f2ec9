import { Badge, Button, Center, Code, Stack, Text } from '@mantine/core';
import { bodyOf, type AuditEvent, type Member } from '@robustmq/client';
import { IconListDetails } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { membersQuery } from '../../api/queries.ts';
import { api, useSession } from '../../api/session.ts';
import { DataTable, type DataColumn } from '../../ui/data-table.tsx';
import { PageHeader } from '../../ui/page-header.tsx';
import { EmptyState, ErrorState, LoadingState } from '../../ui/states.tsx';
import { Time } from '../../ui/time.tsx';

const RESULT = {
  ok: { color: 'teal', text: 'Done' },
  denied: { color: 'orange', text: 'Denied' },
  failed: { color: 'red', text: 'Failed' },
} as const;
const ACTOR = { user: 'User', 'api-key': 'API key', system: 'System' } as const;
const ID_SHOWN = 13;

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
    cell: (e) => (
      <Badge variant="light" tt="none" radius="sm" color={RESULT[e.result].color}>
        {RESULT[e.result].text}
      </Badge>
    ),
  },
];

/** Who did what, newest first. */
export function AuditPage() {
  const { tenantId } = useSession();
  const members = useQuery(membersQuery(tenantId));
  const events = useInfiniteQuery({
    queryKey: [tenantId, 'audit-events'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      bodyOf(
        api.GET('/v1/tenants/{tenantId}/audit-events', {
          params: {
            path: { tenantId },
            query: { limit: 50, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
          },
        }),
      ),
    getNextPageParam: (page) => page.nextCursor,
  });
  const rows = events.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHeader
        title="Audit log"
        description="Who changed what in this tenant, newest first. Entries cannot be changed."
      />
      {events.isPending && <LoadingState rows={6} />}
      {events.error && <ErrorState mb="md" error={events.error} retry={() => void events.refetch()} />}
      {events.data && rows.length === 0 && (
        <EmptyState icon={<IconListDetails size={28} />} title="Nothing has happened yet">
          Every change to this tenant leaves an entry here.
        </EmptyState>
      )}
      {rows.length > 0 && (
        <Stack>
          <DataTable
            label="Audit log"
            columns={columnsOf(members.data ?? [])}
            rows={rows}
            rowId={(event) => event.id}
            minWidth={720}
          />
          {events.hasNextPage && (
            <Center>
              <Button variant="default" loading={events.isFetchingNextPage} onClick={() => void events.fetchNextPage()}>
                Show older entries
              </Button>
            </Center>
          )}
        </Stack>
      )}
    </>
  );
}
