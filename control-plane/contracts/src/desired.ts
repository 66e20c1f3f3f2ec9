import { z } from 'zod';
import { ClusterSettings, TopicPolicy } from './cluster-settings.ts';
import { ReleaseManifest } from './fleet.ts';
import { ClusterId, ClusterKey, TenantId } from './ids.ts';
import { Plan, Quotas } from './plans.ts';

/** SCRAM verifier (RFC 5802 §3): what the server stores in place of the password. All binary fields are base64. */
export const ScramVerifier = z.object({
  salt: z.string(),
  iterations: z.int().min(4096),
  storedKey: z.string(),
  serverKey: z.string(),
});
export type ScramVerifier = z.infer<typeof ScramVerifier>;

/** Everything a node needs to check a password on any protocol, and nothing that lets it be recovered. */
export const PasswordVerifiers = z.object({
  /** SHA-256(salt ‖ password); passwords are server-made with ≥ 128 bits of entropy (ASVS 5.0 6.5.2). */
  sha256: z.object({ salt: z.string(), hash: z.string() }),
  scramSha256: ScramVerifier,
  scramSha512: ScramVerifier,
});
export type PasswordVerifiers = z.infer<typeof PasswordVerifiers>;

export const CredentialSpec = z.object({
  /** The part before `@`; unique in its namespace. */
  name: z.string(),
  kind: z.literal('password'),
  verifiers: PasswordVerifiers,
});
export type CredentialSpec = z.infer<typeof CredentialSpec>;

export const TopicSpec = z.object({
  name: z.string(),
  partitions: z.int().positive(),
  /** MQTT filters captured by the topic; absent = the default binding `a/b` and `a/b/#` of topic `a.b`. */
  bindings: z.array(z.string()).optional(),
  durability: z.enum(['memory', 'flushed']).default('flushed'),
  /** −1 = keep for ever. */
  retentionMs: z.int().min(-1).default(604_800_000),
  retentionBytes: z.int().min(-1).default(-1),
  ...TopicPolicy.shape,
});
export type TopicSpec = z.infer<typeof TopicSpec>;

/** Listeners over TLS; absent or 0 = there is none. */
export const SecurePorts = z.object({
  mqtts: z.int().optional(),
  mqttWss: z.int().optional(),
  kafkaTls: z.int().optional(),
  mqttQuic: z.int().optional(),
});

/** One cluster as the data plane must serve it. `generation` grows with every change of any field. */
export const NamespaceSpec = z.object({
  clusterId: ClusterId,
  tenantId: TenantId,
  /** The namespace's name, the `@key` of user names. */
  key: ClusterKey,
  generation: z.int().positive(),
  plan: Plan,
  /** Which node serves it: `shared`, or the dedicated node's id (= cluster id). */
  node: z.string(),
  /** Ports of a dedicated node; absent on the shared node. */
  ports: z.object({ mqtt: z.int(), mqttWs: z.int(), kafka: z.int(), amqp: z.int(), ...SecurePorts.shape }).optional(),
  quotas: Quotas,
  credentials: z.array(CredentialSpec),
  /** Topics asked for through the control plane. Topics clients make themselves live in the data plane's meta. */
  topics: z.array(TopicSpec),
  /** Topic names deleted through the control plane since the last acknowledged generation. */
  topicsRemoved: z.array(z.string()).default([]),
  settings: ClusterSettings.prefault({}),
  /**
   * A suspended or paused cluster keeps its data; `reason` is what a refused client is told. `metered`: what is counted
   * meanwhile, stored bytes (when absent) or nothing at all: nobody pays for what was deleted.
   */
  suspended: z
    .object({ reason: z.string(), metered: z.enum(['storage', 'none']).optional() })
    .nullable()
    .default(null),
  /**
   * `draining`: clients are asked to go elsewhere, at the pace of the connection rate quota; `moved`: nothing is taken here
   * any more. Where to is `host:port` per protocol; null = the name clients know leads there. Absent or null = it stays.
   */
  relocation: z
    .object({ state: z.enum(['draining', 'moved']), mqtt: z.string().nullable(), kafka: z.string().nullable() })
    .nullable()
    .optional(),
  /** It may not grow: no topics, partitions, sessions, stored bytes beyond what it has. `reason` is told; absent = it may. */
  growthStopped: z.object({ reason: z.string() }).nullable().optional(),
});
export type NamespaceSpec = z.infer<typeof NamespaceSpec>;

/** The whole desired state of one agent. Level-triggered: applying it twice, or skipping versions, is harmless. */
export const DesiredState = z.object({
  agentId: z.string(),
  /** Grows with every change; 0 = nothing was ever desired. */
  version: z.int().nonnegative(),
  namespaces: z.array(NamespaceSpec),
  /** The version its nodes run; absent = the one the agent came with. */
  release: ReleaseManifest.optional(),
});
export type DesiredState = z.infer<typeof DesiredState>;

/** What an agent reports of one namespace. */
export const NamespaceObserved = z.object({
  clusterId: ClusterId,
  /** Generation that is applied and served. 0 = none. */
  observedGeneration: z.int().nonnegative(),
  phase: z.enum(['applying', 'ready', 'failed', 'deleted']),
  /** True once a client could connect: the agent opened the endpoint itself. */
  endpointsReachable: z.boolean(),
  /** A sentence for people when phase is `failed`. */
  error: z.string().optional(),
  topics: z.array(z.object({ name: z.string(), partitions: z.int(), storedBytes: z.number() })).default([]),
  connections: z.int().nonnegative().default(0),
});
export type NamespaceObserved = z.infer<typeof NamespaceObserved>;

/** Public endpoints of an agent's shared node, reported at Hello and used to fill a cluster's `endpoints`. */
export const AgentEndpoints = z.object({
  host: z.string(),
  mqtt: z.int(),
  mqttWs: z.int(),
  kafka: z.int(),
  /** 0 while the AMQP listener does not exist. */
  amqp: z.int(),
  ...SecurePorts.shape,
  /** Clients reach cluster `key` as `<key>.<domain>` too; absent = by `host` alone. */
  domain: z.string().optional(),
});
export type AgentEndpoints = z.infer<typeof AgentEndpoints>;
