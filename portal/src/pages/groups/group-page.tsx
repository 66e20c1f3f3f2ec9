import { Button, Code, Group as Row, Stack, Text, Title } from '@mantine/core';
import { IconHistory, IconStack2, IconUsersGroup } from '@tabler/icons-react';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { usePermitted } from '../../api/permission.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { countText } from '../clusters/quantity.ts';
import { GroupState } from './groups-page.tsx';
import { useGroups } from './groups-query.ts';
import { assignedText, lagOf, offsetsOf, topicsOf, type Group } from './lag.ts';
import { ResetDialog } from './reset-dialog.tsx';

type Offset = Group['offsets'][number];
type Member = Group['members'][number];

const route = getRouteApi('/inside/clusters/$clusterId/groups/$groupName');

const OFFSET_COLUMNS: readonly DataColumn<Offset>[] = [
  { id: 'topic', header: 'Topic', sortBy: (o) => o.topic, cell: (o) => <Code>{o.topic}</Code> },
  { id: 'partition', header: 'Partition', align: 'right', sortBy: (o) => o.partition, cell: (o) => o.partition },
  { id: 'offset', header: 'Next to read', align: 'right', sortBy: (o) => o.offset, cell: (o) => countText(o.offset) },
  { id: 'end', header: 'End', align: 'right', sortBy: (o) => o.endOffset, cell: (o) => countText(o.endOffset) },
  { id: 'lag', header: 'Lag', align: 'right', sortBy: (o) => o.lag, cell: (o) => countText(o.lag) },
];
const MEMBER_COLUMNS: readonly DataColumn<Member>[] = [
  { id: 'client', header: 'Client id', sortBy: (m) => m.clientId, cell: (m) => m.clientId },
  { id: 'host', header: 'Address', sortBy: (m) => m.host, cell: (m) => m.host },
  {
    id: 'partitions',
    header: 'Partitions',
    sortBy: (m) => m.partitions,
    cell: (m) => assignedText(m),
  },
  { id: 'lag', header: 'Lag', align: 'right', sortBy: (m) => m.lag ?? 0, cell: (m) => countText(m.lag ?? 0) },
  { id: 'member', header: 'Member id', cell: (m) => <Code>{m.memberId}</Code> },
];

function GroupLists({ group }: { group: Group }) {
  const listOf = <T,>(rows: readonly T[]) => ({ rows, error: null, refetch: () => undefined });
  return (
    <>
      <Title order={3} size="h4">
        Partitions
      </Title>
      <ListPage
        label="Partitions"
        list={listOf(offsetsOf(group))}
        columns={OFFSET_COLUMNS}
        rowId={({ topic, partition }) => `${topic} ${partition}`}
        description={`${countText(lagOf(group))} record${lagOf(group) === 1 ? '' : 's'} behind in all.`}
        empty={{
          icon: <IconStack2 size={28} />,
          title: 'No offsets',
          words: 'The group has not committed anything yet.',
        }}
      />
      <Title order={3} size="h4">
        Members
      </Title>
      <ListPage
        label="Members of the group"
        list={listOf(group.members)}
        columns={MEMBER_COLUMNS}
        rowId={({ memberId }) => memberId}
        minWidth={640}
        description="Consumers that share the partitions now."
        empty={{
          icon: <IconUsersGroup size={28} />,
          title: 'No members',
          words: 'Nobody consumes with this group now.',
        }}
      />
    </>
  );
}

/** One consumer group: its members, offsets and lag, and moving them. */
export function GroupPage() {
  const cluster = useCluster();
  const { groupName } = route.useParams();
  const mayReset = usePermitted('live:write');
  const [resetting, setResetting] = useState(false);
  const list = useGroups(cluster);
  const group = list.rows?.find(({ name }) => name === groupName);
  return (
    <Stack>
      <AnchorLink to="/clusters/$clusterId/groups" params={{ clusterId: cluster.id }} size="sm">
        All consumer groups
      </AnchorLink>
      <Row justify="space-between">
        <Row gap="sm">
          <Title order={2} size="h3" style={{ overflowWrap: 'anywhere' }}>
            {groupName}
          </Title>
          {group && <GroupState state={group.state} />}
        </Row>
        {group && mayReset && topicsOf(group).length > 0 && (
          <Button
            variant="default"
            leftSection={<IconHistory size={16} aria-hidden />}
            onClick={() => setResetting(true)}
          >
            Reset offsets
          </Button>
        )}
      </Row>
      {list.error !== null && <ErrorState error={list.error} retry={list.refetch} />}
      {!list.rows && !list.error && <LoadingState />}
      {list.rows && !group && (
        <Row>
          <Text role="status">{list.more ? 'No such group is among those read.' : 'There is no such group.'}</Text>
          {list.more && (
            <Button variant="default" size="xs" loading={list.loadingMore ?? false} onClick={list.more}>
              Look further
            </Button>
          )}
        </Row>
      )}
      {group && <GroupLists group={group} />}
      {group && <ResetDialog cluster={cluster} group={group} opened={resetting} onClose={() => setResetting(false)} />}
    </Stack>
  );
}
