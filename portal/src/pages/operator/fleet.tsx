import { Group, Select, Stack, Text, TextInput, Title } from '@mantine/core';
import type { NodeObserved, OperatorRegion } from '@robustmq/contracts';
import { IconMapPin, IconServer2, IconWorld } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import { ListPage } from '../../ui/list-page.tsx';
import { Tag } from '../../ui/tag.tsx';
import { bytesText, countText } from '../clusters/quantity.ts';
import { Agents, FLEET } from './agents.tsx';
import { MoveCluster } from './move-cluster.tsx';
import type { OperatorClient } from './operator-client.ts';
import { Section } from './section.tsx';

const REFRESH_MS = 5_000;

interface FleetNode extends NodeObserved {
  readonly agentId: string;
  readonly region: string;
  readonly connected: boolean;
}
interface Candidate {
  readonly agentId: string;
  readonly eligible: boolean;
  readonly load: number;
  readonly reasons: readonly string[];
}

function useItems<T>(client: OperatorClient, name: string, path: string) {
  return wholeList(
    useQuery({
      queryKey: [...FLEET, name, path],
      queryFn: async () => (await client.get<{ items: T[] }>(path)).items,
      refetchInterval: REFRESH_MS,
      gcTime: 0,
    }),
  );
}

function Regions({ client }: { client: OperatorClient }) {
  return (
    <ListPage
      label="Regions"
      list={useItems<OperatorRegion>(client, 'regions', 'regions')}
      columns={[
        {
          id: 'region',
          header: 'Region',
          sortBy: (row) => row.region,
          cell: (row) => <Text fw={600}>{row.region}</Text>,
        },
        {
          id: 'agents',
          header: 'Agents',
          cell: ({ agents, connected, cordoned }) =>
            `${connected} of ${agents} connected${cordoned > 0 ? `, ${cordoned} cordoned` : ''}`,
        },
        { id: 'clusters', header: 'Clusters', align: 'right', cell: (row) => countText(row.clusters) },
        { id: 'clients', header: 'Clients', align: 'right', cell: (row) => countText(row.connections) },
        { id: 'cpus', header: 'CPUs', align: 'right', cell: (row) => row.cpus },
        {
          id: 'memory',
          header: 'Memory free',
          align: 'right',
          cell: (row) => `${bytesText(row.memoryFreeBytes)} of ${bytesText(row.memoryBytes)}`,
        },
        {
          id: 'disk',
          header: 'Disk free',
          align: 'right',
          cell: (row) => `${bytesText(row.diskFreeBytes)} of ${bytesText(row.diskBytes)}`,
        },
      ]}
      rowId={({ region }) => region}
      minWidth={860}
      description="What there is in each region, and what is left of it."
      empty={{ icon: <IconWorld size={28} />, title: 'No regions', words: 'A region is there as soon as an agent is.' }}
    />
  );
}

function Nodes({ client }: { client: OperatorClient }) {
  return (
    <ListPage
      label="Nodes"
      list={useItems<FleetNode>(client, 'nodes', 'nodes')}
      columns={[
        {
          id: 'id',
          header: 'Node',
          sortBy: (row) => row.id,
          cell: ({ id, agentId }) => (
            <>
              <Text size="sm" fw={600}>
                {id}
              </Text>
              <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                of {agentId}
              </Text>
            </>
          ),
        },
        {
          id: 'state',
          header: 'State',
          cell: ({ ready, connected }) => (
            <Tag color={ready && connected ? 'teal' : 'orange'}>
              {ready ? (connected ? 'Ready' : 'Agent is silent') : 'Not ready'}
            </Tag>
          ),
        },
        { id: 'version', header: 'Version', cell: (row) => row.version ?? '–' },
        { id: 'clusters', header: 'Clusters', align: 'right', cell: (row) => countText(row.namespaces) },
        { id: 'clients', header: 'Clients', align: 'right', cell: (row) => countText(row.connections) },
        {
          id: 'memory',
          header: 'Memory',
          align: 'right',
          cell: (row) => (row.memoryBytes === null ? '–' : bytesText(row.memoryBytes)),
        },
        { id: 'crashes', header: 'Crashes', align: 'right', sortBy: (row) => row.crashes, cell: (row) => row.crashes },
      ]}
      rowId={({ agentId, id }) => `${agentId} ${id}`}
      minWidth={760}
      description="Every process that serves clients, as its agent saw it last."
      empty={{
        icon: <IconServer2 size={28} />,
        title: 'No nodes',
        words: 'Agents have not said anything of theirs yet.',
      }}
    />
  );
}

function Placement({ client }: { client: OperatorClient }) {
  const [region, setRegion] = useState('local');
  const [plan, setPlan] = useState('serverless');
  const search = new URLSearchParams({ region: region.trim() || 'local', plan }).toString();
  return (
    <ListPage
      label="Placement"
      list={useItems<Candidate>(client, 'placement', `placement?${search}`)}
      columns={[
        { id: 'agent', header: 'Agent', cell: ({ agentId }) => <Text size="sm">{agentId}</Text> },
        {
          id: 'eligible',
          header: 'Can take it',
          cell: ({ eligible }) => <Tag color={eligible ? 'teal' : 'gray'}>{eligible ? 'Yes' : 'No'}</Tag>,
        },
        { id: 'load', header: 'Load', align: 'right', cell: ({ load }) => `${Math.round(load * 100)} %` },
        { id: 'why', header: 'Why', cell: ({ reasons }) => <Text size="sm">{reasons.join('; ') || '–'}</Text> },
      ]}
      rowId={({ agentId }) => agentId}
      minWidth={640}
      filtered
      description="Where a cluster would go if it were made now, the best first, and why."
      filters={
        <Group>
          <TextInput
            label="Region"
            autoComplete="off"
            value={region}
            onChange={({ currentTarget }) => setRegion(currentTarget.value)}
          />
          <Select
            label="Plan"
            data={['serverless', 'dedicated']}
            value={plan}
            onChange={(value) => setPlan(value ?? 'serverless')}
            allowDeselect={false}
          />
        </Group>
      }
      empty={{ icon: <IconMapPin size={28} />, title: 'Nowhere', words: 'No agent is in that region.' }}
    />
  );
}

/** Regions, agents, nodes, where the next cluster would go, and putting one elsewhere. */
export function Fleet({ client }: { client: OperatorClient }) {
  const parts = [
    ['Regions', Regions],
    ['Agents', Agents],
    ['Nodes', Nodes],
    ['Placement', Placement],
  ] as const;
  return (
    <Stack gap="xl">
      {parts.map(([title, Part]) => (
        <Stack key={title} component="section" aria-label={title}>
          <Title order={2} size="h4">
            {title}
          </Title>
          <Part client={client} />
        </Stack>
      ))}
      <Section
        title="Move a cluster"
        words="To another agent’s machine, while it holds nothing: what a cluster stores lies with its node and is not copied."
      >
        <MoveCluster client={client} />
      </Section>
    </Stack>
  );
}
