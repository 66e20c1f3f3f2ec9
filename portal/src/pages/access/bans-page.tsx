import { ActionIcon, Badge, Code, Text } from '@mantine/core';
import { bodyOf } from '@robustmq/client';
import type { LiveItem } from '@robustmq/contracts';
import { IconBan, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { clusterPath, liveKey, useLiveList } from '../../api/live.ts';
import { usePermitted } from '../../api/permission.ts';
import { api } from '../../api/session.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { Time } from '../../ui/time.tsx';
import { useConfirmed } from '../../ui/use-confirmed.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { blacklistQuery } from './blacklist-query.ts';
import { AccessPages } from './access-pages.tsx';
import { kindText } from './kinds.ts';

type Ban = LiveItem<'bans'>;

const COLUMNS: readonly DataColumn<Ban>[] = [
  { id: 'value', header: 'Who', sortBy: (ban) => ban.value, cell: (ban) => <Code>{ban.value}</Code> },
  {
    id: 'kind',
    header: 'Kind',
    sortBy: (ban) => ban.kind,
    cell: (ban) => (
      <Badge variant="light" color="gray" tt="none" radius="sm">
        {kindText(ban.kind)}
      </Badge>
    ),
  },
  { id: 'reason', header: 'Reason', sortBy: (ban) => ban.reason, cell: (ban) => ban.reason },
  {
    id: 'until',
    header: 'Until',
    sortBy: (ban) => ban.until ?? '9999',
    cell: (ban) => (ban.until === null ? 'It is removed' : <Time iso={ban.until} />),
  },
];

/** Lifts what the node decided by itself; entries of the blacklist are removed there. */
const liftColumn = (ask: ((ban: Ban) => void) | undefined, listed: ReadonlySet<string>): DataColumn<Ban> => ({
  id: 'actions',
  header: '',
  align: 'right',
  cell: (ban) => {
    if (listed.has(`${ban.kind} ${ban.value}`)) {
      return (
        <Text size="xs" c="dimmed">
          On the blacklist
        </Text>
      );
    }
    return (
      ask && (
        <ActionIcon variant="subtle" color="red" onClick={() => ask(ban)} aria-label={`Lift ban of ${ban.value}`}>
          <IconX size={16} aria-hidden />
        </ActionIcon>
      )
    );
  },
});

/** Everybody the node keeps out at this moment. */
export function BansPage() {
  const cluster = useCluster();
  const mayLift = usePermitted('live:write');
  const list = useLiveList(cluster, ['bans'], () =>
    bodyOf(api.GET('/v1/tenants/{tenantId}/clusters/{clusterId}/bans', { params: { path: clusterPath(cluster) } })),
  );
  const lift = useConfirmed<Ban>({
    title: ({ value }) => `Let ${value} in again?`,
    action: 'Lift ban',
    words: () => 'It can connect at once.',
    run: ({ kind, value }) =>
      api.DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/bans', {
        params: { path: clusterPath(cluster), query: { kind, value } },
      }),
    done: ({ value }) => `Lifted the ban of ${value}`,
    queryKey: liveKey(cluster, 'bans'),
  });
  const blacklist = useQuery(blacklistQuery(cluster));
  const listed = new Set(blacklist.data?.map(({ kind, value }) => `${kind} ${value}`));
  return (
    <>
      <AccessPages cluster={cluster} />
      <ListPage
        label="Bans in force"
        list={list}
        columns={[...COLUMNS, liftColumn(mayLift ? lift.ask : undefined, listed)]}
        rowId={({ kind, value }) => `${kind} ${value}`}
        minWidth={640}
        description="Who is kept out now: the blacklist, and clients that were banned for connecting too often."
        empty={{
          icon: <IconBan size={28} />,
          title: 'Nobody is kept out',
          words: 'Entries of the blacklist and automatic bans appear here while they are in force.',
        }}
      />
      {lift.dialog}
    </>
  );
}
