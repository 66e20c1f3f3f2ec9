import { Badge } from '@mantine/core';
import { IconUsersGroup } from '@tabler/icons-react';
import type { DataColumn } from '../../ui/data-table.tsx';
import { AnchorLink } from '../../ui/links.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { useCluster } from '../clusters/cluster-layout.tsx';
import { countText } from '../clusters/quantity.ts';
import { useGroups } from './groups-query.ts';
import { lagOf, topicsOf, type Group } from './lag.ts';

/** A group's state in a colour. */
export const GroupState = ({ state }: { state: string }) => (
  <Badge variant="light" tt="none" radius="sm" color={/stable/i.test(state) ? 'teal' : 'gray'}>
    {state}
  </Badge>
);

const columnsOf = (clusterId: string): readonly DataColumn<Group>[] => [
  {
    id: 'name',
    header: 'Name',
    sortBy: (group) => group.name,
    cell: ({ name }) => (
      <AnchorLink
        to="/clusters/$clusterId/groups/$groupName"
        params={{ clusterId, groupName: name }}
        fw={600}
        size="sm"
        style={{ overflowWrap: 'anywhere' }}
      >
        {name}
      </AnchorLink>
    ),
  },
  { id: 'state', header: 'State', sortBy: (group) => group.state, cell: ({ state }) => <GroupState state={state} /> },
  {
    id: 'members',
    header: 'Members',
    align: 'right',
    sortBy: (group) => group.members.length,
    cell: (group) => countText(group.members.length),
  },
  { id: 'topics', header: 'Topics', cell: (group) => topicsOf(group).join(', ') || 'None committed' },
  {
    id: 'lag',
    header: 'Lag',
    align: 'right',
    sortBy: lagOf,
    cell: (group) => (group.offsets.length === 0 ? '–' : countText(lagOf(group))),
  },
];

/** The consumer groups of a cluster. */
export function GroupsPage() {
  const cluster = useCluster();
  return (
    <ListPage
      label="Consumer groups"
      list={useGroups(cluster)}
      columns={columnsOf(cluster.id)}
      rowId={({ name }) => name}
      minWidth={640}
      description="Kafka consumers that share the work, and how far behind they are."
      empty={{
        icon: <IconUsersGroup size={28} />,
        title: 'No consumer groups',
        words: 'A group appears when a Kafka consumer with a group id joins or commits an offset.',
      }}
    />
  );
}
