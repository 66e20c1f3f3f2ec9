import {
  AgentEndpoints,
  ClusterId,
  ClusterKey,
  ClusterPhase,
  Plan,
  Quotas,
  TenantId,
  type Cluster,
  type Endpoints,
} from '@robustmq/contracts';
import type { AgentRow, ClusterRow } from '@robustmq/db';
import type { ConditionRow } from '../provisioning/plan.ts';
import { portBlockOf, portsOf } from '../provisioning/desired-state.ts';

/** Silence after which it is unknown whether the agent is there, and after which it is not, in milliseconds. */
export const AGENT_UNKNOWN_MS = 40_000;
const AGENT_LOST_MS = 180_000;

export type ClusterWithAgent = ClusterRow & { readonly agent: AgentRow | null };

const iso = (at: Date | null): string | null => at?.toISOString() ?? null;

/** A row as the API shows it. */
export function clusterView(row: ClusterWithAgent, now: Date): Cluster {
  const phase = ClusterPhase.parse(row.phase);
  return {
    id: ClusterId.parse(row.id),
    tenantId: TenantId.parse(row.tenantId),
    key: ClusterKey.parse(row.key),
    plan: Plan.parse(row.plan),
    quotas: Quotas.parse(row.quotas),
    ...{ name: row.name, region: row.region, phase },
    ...{ generation: row.generation, observedGeneration: row.observedGeneration, lastError: row.lastError },
    conditions: [agentCondition(row, now), ...(row.conditions as unknown as ConditionRow[])],
    labels: row.labels as Record<string, string>,
    ...{ deletionProtection: row.deletionProtection, version: row.resourceVersion },
    ...{ pausedAt: iso(row.pausedAt), restoreUntil: iso(row.restoreUntil) },
    endpoints: endpointsOf(row),
    createdAt: row.createdAt.toISOString(),
  };
}

type AgentPorts = Omit<AgentEndpoints, 'host'>;

/** Addresses of the cluster's listeners; empty until it is placed. */
function endpointsOf(row: ClusterWithAgent): Endpoints {
  const agent = AgentEndpoints.safeParse(row.agent?.endpoints);
  if (!agent.success || (row.plan !== 'serverless' && row.portBase === null)) return {};
  const { host, domain } = agent.data;
  // the certificate of a cluster carries its own name
  const secureHost = domain === undefined ? host : `${row.key}.${domain}`;
  const block = portBlockOf(row);
  const ports: AgentPorts = block === null ? agent.data : portsOf(block);
  return {
    mqtt: `mqtt://${host}:${ports.mqtt}`,
    mqttWs: `ws://${host}:${ports.mqttWs}`,
    kafka: `kafka://${host}:${ports.kafka}`,
    ...(ports.mqttWss ? { mqttWss: `wss://${secureHost}:${ports.mqttWss}` } : {}),
    ...(ports.mqtts ? { mqtts: `mqtts://${secureHost}:${ports.mqtts}` } : {}),
    ...(ports.kafkaTls ? { kafkaTls: `kafka+ssl://${secureHost}:${ports.kafkaTls}` } : {}),
    // a machine whose shared node has no AMQP listener has none on dedicated nodes either
    ...(agent.data.amqp === 0 ? {} : { amqp: `amqp://${host}:${ports.amqp}` }),
  };
}

function agentCondition(row: ClusterWithAgent, now: Date): Cluster['conditions'][number] {
  const seen = row.agent?.lastSeenAt ?? null;
  const since = (seen ?? row.createdAt).toISOString();
  if (row.agent === null)
    return {
      ...{ type: 'AgentConnected', status: 'False', reason: 'NoAgent', since },
      message: `No agent of region ${row.region} has taken the cluster yet.`,
    };
  const silentMs = seen === null ? Infinity : now.getTime() - seen.getTime();
  if (silentMs < AGENT_UNKNOWN_MS)
    return { type: 'AgentConnected', status: 'True', reason: 'Seen', message: 'The agent is connected.', since };
  const isLost = silentMs >= AGENT_LOST_MS;
  const kept =
    isLost && row.plan === 'dedicated'
      ? ' Its data is on that machine: it is not started on an empty disk elsewhere.'
      : '';
  return {
    ...{ type: 'AgentConnected', status: isLost ? 'False' : 'Unknown', reason: isLost ? 'AgentLost' : 'Silent', since },
    message: `The agent was not heard of lately; the cluster goes on serving with what it knows.${kept}`,
  };
}
