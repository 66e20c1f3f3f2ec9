import { AgentEndpoints, AgentObserved, type OperatorAgents, type OperatorRegion } from '@robustmq/contracts';
import type { AgentRow } from '@robustmq/db';

type OperatorAgent = OperatorAgents['items'][number];

/** An agent as operators see it. */
export function operatorAgent(row: AgentRow, connected: boolean, releases: ReadonlyMap<string, string>): OperatorAgent {
  return {
    ...{ id: row.id, region: row.region, epoch: Number(row.epoch), version: row.agentVersion, connected },
    endpoints: AgentEndpoints.safeParse(row.endpoints).data ?? null,
    lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
    liveness: row.liveness === 'True' ? 'True' : row.liveness === 'False' ? 'False' : 'Unknown',
    livenessSince: row.livenessSince.toISOString(),
    cordoned: row.cordonedAt && { since: row.cordonedAt.toISOString(), reason: row.cordonReason ?? '' },
    drainingSince: row.drainingSince?.toISOString() ?? null,
    internal: row.internal,
    wantedRelease: row.releaseId === null ? null : (releases.get(row.releaseId) ?? null),
    observed: AgentObserved.safeParse(row.observed).data ?? null,
  };
}

/** Sums of the agents' own words, by region. */
export function regionsOf(agents: readonly OperatorAgent[]): OperatorRegion[] {
  const regions = new Map<string, OperatorRegion>();
  for (const agent of agents) {
    const sum = regions.get(agent.region) ?? emptyRegion(agent.region);
    const { observed } = agent;
    const nodes = observed?.nodes ?? [];
    regions.set(agent.region, {
      region: agent.region,
      agents: sum.agents + 1,
      connected: sum.connected + Number(agent.connected),
      cordoned: sum.cordoned + Number(Boolean(agent.cordoned)),
      clusters: sum.clusters + nodes.reduce((total, node) => total + node.namespaces, 0),
      connections: sum.connections + nodes.reduce((total, node) => total + node.connections, 0),
      cpus: sum.cpus + (observed?.cpus ?? 0),
      memoryBytes: sum.memoryBytes + (observed?.memoryBytes ?? 0),
      memoryFreeBytes: sum.memoryFreeBytes + (observed?.memoryFreeBytes ?? 0),
      diskBytes: sum.diskBytes + (observed?.diskBytes ?? 0),
      diskFreeBytes: sum.diskFreeBytes + (observed?.diskFreeBytes ?? 0),
    });
  }
  return [...regions.values()].sort((a, b) => (a.region < b.region ? -1 : 1));
}

const emptyRegion = (region: string): OperatorRegion => ({
  ...{ region, agents: 0, connected: 0, cordoned: 0, clusters: 0, connections: 0 },
  ...{ cpus: 0, memoryBytes: 0, memoryFreeBytes: 0, diskBytes: 0, diskFreeBytes: 0 },
});
