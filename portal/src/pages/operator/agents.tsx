import { Button, Group, Menu, Modal, Stack, Text, TextInput } from '@mantine/core';
import type { OperatorAgents } from '@robustmq/contracts';
import { IconDots, IconPlus, IconServer2 } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { wholeList } from '../../api/live.ts';
import type { DataColumn } from '../../ui/data-table.tsx';
import { ListPage } from '../../ui/list-page.tsx';
import { notice } from '../../ui/notice.ts';
import { SecretDialog } from '../../ui/secret-dialog.tsx';
import { ErrorState } from '../../ui/states.tsx';
import { Tag } from '../../ui/tag.tsx';
import { Time } from '../../ui/time.tsx';
import { bytesText, countText } from '../clusters/quantity.ts';
import type { OperatorClient } from './operator-client.ts';

type Agent = OperatorAgents['items'][number];

const REFRESH_MS = 5_000;
/** The cache key of everything about the fleet. */
export const FLEET = ['operator', 'fleet'] as const;

/** What an agent is about, in words and colours. */
function AgentState({ agent }: { agent: Agent }) {
  const lost = agent.liveness === 'False';
  return (
    <Group gap={4}>
      <Tag color={agent.connected ? 'teal' : lost ? 'red' : 'orange'}>
        {agent.connected ? 'Connected' : lost ? 'Lost' : 'Silent'}
      </Tag>
      {agent.cordoned && <Tag color="orange">Cordoned</Tag>}
      {typeof agent.drainingSince === 'string' && <Tag color="orange">Draining</Tag>}
      {agent.internal === true && <Tag color="blue">Upgraded first</Tag>}
    </Group>
  );
}

/** Free and all of something, of a machine. */
const freeText = (free: number | undefined, all: number | undefined): string =>
  free === undefined || all === undefined ? '–' : `${bytesText(free)} of ${bytesText(all)}`;

const connectionsOf = ({ observed }: Agent): number =>
  (observed?.nodes ?? []).reduce((sum, { connections }) => sum + connections, 0);

const DONE = {
  cordon: 'Cordoned',
  uncordon: 'Uncordoned',
  drain: 'Draining',
  internal: 'Changed when it is upgraded:',
} as const;
type Action = 'cordon' | 'uncordon' | 'drain' | 'internal';

const columnsOf = (act: (agent: Agent, action: Action) => void): readonly DataColumn<Agent>[] => [
  {
    id: 'id',
    header: 'Agent',
    sortBy: ({ id }) => id,
    cell: ({ id, region, version }) => (
      <>
        <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere', minWidth: '9rem' }}>
          {id}
        </Text>
        <Text size="xs" c="dimmed">
          {region}, {version}
        </Text>
      </>
    ),
  },
  {
    id: 'state',
    header: 'State',
    cell: (agent) => (
      <>
        <AgentState agent={agent} />
        {agent.cordoned && (
          <Text size="xs" c="dimmed">
            {agent.cordoned.reason}
          </Text>
        )}
      </>
    ),
  },
  { id: 'nodes', header: 'Nodes', align: 'right', cell: ({ observed }) => observed?.nodes.length ?? '–' },
  {
    id: 'connections',
    header: 'Clients',
    align: 'right',
    sortBy: connectionsOf,
    cell: (a) => countText(connectionsOf(a)),
  },
  {
    id: 'load',
    header: 'Load',
    align: 'right',
    cell: ({ observed }) => (observed ? `${observed.loadAverage.toFixed(1)} of ${observed.cpus}` : '–'),
  },
  {
    id: 'memory',
    header: 'Memory free',
    align: 'right',
    cell: ({ observed }) => freeText(observed?.memoryFreeBytes, observed?.memoryBytes),
  },
  {
    id: 'disk',
    header: 'Disk free',
    align: 'right',
    cell: ({ observed }) => freeText(observed?.diskFreeBytes, observed?.diskBytes),
  },
  {
    id: 'seen',
    header: 'Last seen',
    sortBy: ({ lastSeenAt }) => lastSeenAt ?? '',
    cell: ({ lastSeenAt }) => (lastSeenAt === null ? 'Never' : <Time iso={lastSeenAt} />),
  },
  {
    id: 'actions',
    header: '',
    align: 'right',
    cell: (agent) => (
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button variant="subtle" size="compact-sm" aria-label={`Actions of agent ${agent.id}`}>
            <IconDots size={16} aria-hidden />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {agent.cordoned ? (
            <Menu.Item onClick={() => act(agent, 'uncordon')}>Uncordon</Menu.Item>
          ) : (
            <Menu.Item onClick={() => act(agent, 'cordon')}>Cordon</Menu.Item>
          )}
          <Menu.Item onClick={() => act(agent, 'drain')}>Drain</Menu.Item>
          <Menu.Item onClick={() => act(agent, 'internal')}>
            {agent.internal === true ? 'Upgrade with the others' : 'Upgrade first'}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    ),
  },
];

interface AskProps {
  readonly agent: Agent;
  readonly drain: boolean;
  readonly pending: boolean;
  readonly error: unknown;
  readonly onConfirm: (body: { reason: string }) => void;
  readonly onClose: () => void;
}

/** Why an agent takes nothing new any more. */
function AskDialog({ agent, drain, pending, error, onConfirm, onClose }: AskProps) {
  const [reason, setReason] = useState('');
  return (
    <Modal opened onClose={onClose} title={`${drain ? 'Drain' : 'Cordon'} ${agent.id}?`}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onConfirm({ reason: reason.trim() });
        }}
      >
        <Stack>
          <Text size="sm">
            {drain
              ? 'No cluster is placed there any more, and its clusters lead their clients away, each at the pace of its connection rate. Their data stays.'
              : 'No cluster is placed there any more. What runs goes on.'}
          </Text>
          <TextInput
            label="Reason"
            data-autofocus
            autoComplete="off"
            value={reason}
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
          />
          {error !== null && error !== undefined && <ErrorState error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" color="red" loading={pending} disabled={reason.trim() === ''}>
              {drain ? 'Drain' : 'Cordon'}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** What starts an agent on its machine: it dials the control plane this page came from, at the agent link's usual port. */
const joinCommand = (token: string): string =>
  `ROBUSTMQ_AGENT_LINK=${window.location.hostname}:8081 ROBUSTMQ_JOIN_TOKEN=${token} npx robust-server agent`;

function JoinToken({ client }: { client: OperatorClient }) {
  const mint = useMutation({
    mutationFn: () => client.post<{ token: string; expiresAt: string }>('join-tokens', {}),
  });
  return (
    <>
      <Button
        data-main-action
        leftSection={<IconPlus size={16} aria-hidden />}
        loading={mint.isPending}
        onClick={() => mint.mutate()}
      >
        Add an agent
      </Button>
      {mint.error && <ErrorState error={mint.error} />}
      <SecretDialog
        opened={mint.data !== undefined}
        title="Join token"
        warning="It works once, within 15 minutes, and is shown this once. Start the agent on its machine with it."
        fields={[
          { label: 'Join token', value: mint.data?.token ?? '' },
          { label: 'Command', value: joinCommand(mint.data?.token ?? '') },
        ]}
        onClose={() => mint.reset()}
      />
    </>
  );
}

/** The machines that run nodes, with what they have left, and taking one out of service. */
export function Agents({ client }: { client: OperatorClient }) {
  const queryClient = useQueryClient();
  const [asked, setAsked] = useState<{ readonly agent: Agent; readonly drain: boolean }>();
  const agents = useQuery({
    queryKey: [...FLEET, 'agents'],
    queryFn: async () => (await client.get<OperatorAgents>('agents')).items,
    refetchInterval: REFRESH_MS,
    gcTime: 0,
  });
  const act = useMutation({
    mutationFn: ({ agent, action, body }: { agent: Agent; action: Action; body: object }) =>
      client.post(`agents/${agent.id}/${action}`, body),
    onSuccess: async (_answer, { agent, action }) => {
      notice(`${DONE[action]} ${agent.id}`);
      setAsked(undefined);
      await queryClient.invalidateQueries({ queryKey: FLEET });
    },
  });
  const start = (agent: Agent, action: Action) => {
    if (action === 'cordon' || action === 'drain') setAsked({ agent, drain: action === 'drain' });
    else act.mutate({ agent, action, body: action === 'internal' ? { internal: agent.internal !== true } : {} });
  };
  return (
    <>
      {act.error && !asked && <ErrorState error={act.error} mb="md" />}
      <ListPage
        label="Agents"
        list={wholeList(agents)}
        columns={columnsOf(start)}
        rowId={({ id }) => id}
        minWidth={1_040}
        description="Each runs nodes on one machine. A silent one keeps serving its clients; a lost one is told to its tenants."
        actions={<JoinToken client={client} />}
        empty={{
          icon: <IconServer2 size={28} />,
          title: 'No agents yet',
          words: 'Start one on a machine, with a join token, and clusters can be placed there.',
        }}
      />
      {asked && (
        <AskDialog
          {...asked}
          pending={act.isPending}
          error={act.error}
          onConfirm={(body) => act.mutate({ agent: asked.agent, action: asked.drain ? 'drain' : 'cordon', body })}
          onClose={() => {
            act.reset();
            setAsked(undefined);
          }}
        />
      )}
    </>
  );
}
