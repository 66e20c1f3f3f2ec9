import { Button, Group, Select, Stack, TextInput } from '@mantine/core';
import type { OperatorAgents, QuotaOverridesView } from '@robustmq/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { notice } from '../../ui/notice.ts';
import { ErrorState, LoadingState } from '../../ui/states.tsx';
import { FLEET } from './agents.tsx';
import type { OperatorClient } from './operator-client.ts';
import { UUID } from './tenant-form.ts';

interface Wanted {
  readonly clusterId: string;
  readonly tenantId: string;
  readonly agentId: string;
}

/** Puts a cluster on another agent's machine, where that loses nothing; otherwise the control plane says why not. */
export function MoveCluster({ client }: { client: OperatorClient }) {
  const queryClient = useQueryClient();
  const [typed, setTyped] = useState('');
  const [clusterId, setClusterId] = useState<string | null>(null);
  const [agentId, setAgentId] = useState<string | null>(null);
  const tenantId = typed.trim();
  const valid = UUID.test(tenantId);
  const clusters = useQuery({
    queryKey: ['operator', 'quota-overrides', tenantId],
    queryFn: () => client.get<QuotaOverridesView>(`tenants/${tenantId}/quota-overrides`),
    enabled: valid,
    gcTime: 0,
  });
  const agents = useQuery({
    queryKey: [...FLEET, 'agents'],
    queryFn: async () => (await client.get<OperatorAgents>('agents')).items,
    gcTime: 0,
  });
  const move = useMutation({
    mutationFn: ({ clusterId: id, ...body }: Wanted) => client.post(`clusters/${id}/move`, body),
    onSuccess: async (_moved, wanted) => {
      notice(`It moves to ${wanted.agentId}`);
      setClusterId(null);
      await queryClient.invalidateQueries({ queryKey: FLEET });
    },
  });
  const choose = (set: (value: string | null) => void) => (value: string | null) => {
    move.reset();
    set(value);
  };
  const wanted = valid && clusterId !== null && agentId !== null ? { clusterId, tenantId, agentId } : undefined;
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (wanted) move.mutate(wanted);
      }}
    >
      <Stack maw="32rem">
        {move.error && <ErrorState error={move.error} title="It was not moved" />}
        <TextInput
          label="Tenant id"
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={({ currentTarget }) => {
            move.reset();
            setTyped(currentTarget.value);
            setClusterId(null);
          }}
        />
        {valid && clusters.isPending && <LoadingState rows={1} />}
        {clusters.error && <ErrorState error={clusters.error} retry={() => void clusters.refetch()} />}
        <Select
          label="Cluster"
          placeholder={clusters.data?.clusters.length === 0 ? 'The tenant has none' : 'Choose one'}
          disabled={!clusters.data || clusters.data.clusters.length === 0}
          data={(clusters.data?.clusters ?? []).map((one) => ({
            value: one.clusterId,
            label: `${one.name} (${one.plan})`,
          }))}
          value={clusterId}
          onChange={choose(setClusterId)}
        />
        <Select
          label="To agent"
          placeholder="Choose one"
          data={(agents.data ?? []).map(({ id, region }) => ({ value: id, label: `${id} (${region})` }))}
          value={agentId}
          onChange={choose(setAgentId)}
        />
        <Group>
          <Button type="submit" loading={move.isPending} disabled={!wanted}>
            Move the cluster
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
