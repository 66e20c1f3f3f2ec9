import { z } from 'zod';
import { AgentEndpoints } from '../desired.ts';
import { AgentObserved, ReleaseManifest } from '../fleet.ts';

/** `POST /v1/operator/join-tokens` (operator token) → 201; the token is shown this once and works once. */
export const CreateJoinTokenBody = z.object({
  region: z.string().min(1).max(63).default('local'),
  ttlSeconds: z.int().min(1).max(86_400).default(900),
});
export const JoinTokenCreated = z.object({ token: z.string(), expiresAt: z.iso.datetime() });
export type JoinTokenCreated = z.infer<typeof JoinTokenCreated>;

/** `GET /v1/operator/agents` (operator token) */
export const OperatorAgent = z.object({
  id: z.string(),
  region: z.string(),
  /** True while its stream, or its polling, is alive. */
  connected: z.boolean(),
  epoch: z.int(),
  version: z.string(),
  /** Null until its first Hello. */
  endpoints: AgentEndpoints.nullable(),
  lastSeenAt: z.iso.datetime().nullable(),
  /** False after 3 min of silence: its clusters stay where their data is. */
  liveness: z.enum(['True', 'Unknown', 'False']).optional(),
  livenessSince: z.iso.datetime().optional(),
  cordoned: z.object({ since: z.iso.datetime(), reason: z.string() }).nullable().optional(),
  /** Since when its clusters lead their clients away. */
  drainingSince: z.iso.datetime().nullable().optional(),
  internal: z.boolean().optional(),
  /** Version it is to run; null = the one it came with. */
  wantedRelease: z.string().nullable().optional(),
  /** What the agent said last; null before it said anything. */
  observed: AgentObserved.nullable().optional(),
});
export const OperatorAgents = z.object({ items: z.array(OperatorAgent) });
export type OperatorAgents = z.infer<typeof OperatorAgents>;

/** `POST /v1/operator/agents/{agentId}/cordon` → OperatorAgent; `uncordon` takes no body. */
export const CordonBody = z.object({ reason: z.string().min(1).max(500).default('by the operator') });
/** `POST /v1/operator/agents/{agentId}/drain` → OperatorAgent: cordons, and its clusters lead their clients away (MQTT 5: 0x9C),
 * each at the pace of its connection rate quota. Their data stays; `uncordon` ends it. */
export const DrainBody = z.object({
  reason: z.string().min(1).max(500).default('drained by the operator'),
});
/** `POST /v1/operator/agents/{agentId}/internal` → OperatorAgent: whether it is upgraded first. */
export const InternalBody = z.object({ internal: z.boolean() });

/** `GET /v1/operator/regions` */
export const OperatorRegion = z.object({
  region: z.string(),
  agents: z.int(),
  connected: z.int(),
  cordoned: z.int(),
  clusters: z.int(),
  connections: z.int(),
  cpus: z.int(),
  memoryBytes: z.int(),
  memoryFreeBytes: z.int(),
  diskBytes: z.int(),
  diskFreeBytes: z.int(),
});
export type OperatorRegion = z.infer<typeof OperatorRegion>;

/** `GET /v1/operator/placement?region=R&plan=P`: where a cluster would go now, and why. Best first. */
export const PlacementQuery = z.object({
  region: z.string().min(1).max(63).default('local'),
  plan: z.enum(['serverless', 'dedicated']).default('serverless'),
});
export const PlacementCandidate = z.object({
  agentId: z.string(),
  eligible: z.boolean(),
  load: z.number(),
  reasons: z.array(z.string()),
});

/** `POST /v1/operator/clusters/{clusterId}/move`: 409 with the reasons where the cluster's data is on its machine's disk. */
export const MoveClusterBody = z.object({ tenantId: z.uuid(), agentId: z.uuid() });

/** `POST /v1/operator/releases` → 201; the control plane signs it. */
export const PublishReleaseBody = ReleaseManifest.omit({ signature: true });
export const OperatorRelease = z.object({ id: z.string(), createdAt: z.iso.datetime(), ...ReleaseManifest.shape });
/** `POST /v1/operator/releases/{releaseId}/rollout` → 202 */
export const BeginRolloutBody = z.object({ soakSeconds: z.int().min(0).max(604_800).default(600) });
export const OperatorRollout = z.object({
  id: z.string(),
  releaseId: z.string(),
  state: z.enum(['running', 'done', 'rolled-back']),
  /** Agents of this wave and all before it have the release; the first is 0. */
  wave: z.int(),
  waveStartedAt: z.iso.datetime(),
  soakSeconds: z.int(),
  /** Why it was taken back. */
  reason: z.string().nullable(),
  createdAt: z.iso.datetime(),
});
export type OperatorRollout = z.infer<typeof OperatorRollout>;
