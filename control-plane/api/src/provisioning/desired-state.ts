import {
  type AclRule,
  ClusterId,
  ClusterKey,
  ClusterSettings,
  type DesiredState,
  PasswordVerifiers,
  Plan,
  Quotas,
  ReleaseManifest,
  TenantId,
  TopicPolicy,
  type NamespaceSpec,
} from '@robustmq/contracts';
import { PORT_BLOCK_COUNT, type Placement, type PortBlock } from '@robustmq/db';
import { z } from 'zod';

/** The ports of a dedicated node, in the order of its block; one of four ports has no listeners over TLS. */
export function portsOf({ base, count }: PortBlock): NonNullable<NamespaceSpec['ports']> {
  return {
    ...{ mqtt: base, mqttWs: base + 1, kafka: base + 2, amqp: base + 3 },
    ...(count < PORT_BLOCK_COUNT ? {} : { mqtts: base + 4, mqttWss: base + 5, kafkaTls: base + 6 }),
  };
}

/** The cluster's block of ports; null on the shared node, and before it is placed. */
export function portBlockOf(row: { readonly portBase: number | null; readonly portCount: number }): PortBlock | null {
  return row.portBase === null ? null : { base: row.portBase, count: row.portCount };
}

/** What a refused client is told while the cluster is paused, suspended, or deleted and restorable; null = it serves. */
export function suspensionOf(
  row: Pick<Placement, 'pausedAt' | 'suspendedReason' | 'restoreUntil'>,
): NamespaceSpec['suspended'] {
  if (row.restoreUntil !== null) return { reason: 'The cluster was deleted.', metered: 'none' };
  if (row.suspendedReason !== null) return { reason: row.suspendedReason };
  return row.pausedAt === null ? null : { reason: 'The cluster is paused.' };
}

/** Bytes per second each way that a budget's action "throttle" leaves a cluster. */
export const THROTTLED_BYTES_PER_SECOND = 64 * 1024;

/** The quotas of a cluster that a budget slows down since `at`; null = it does not. */
const throttled = (quotas: Quotas, at: Date | null): Quotas =>
  at === null
    ? quotas
    : {
        ...quotas,
        ingressBytesPerSecondMax: Math.min(quotas.ingressBytesPerSecondMax, THROTTLED_BYTES_PER_SECOND),
        egressBytesPerSecondMax: Math.min(quotas.egressBytesPerSecondMax, THROTTLED_BYTES_PER_SECOND),
      };

/** Kafka clients are refused a topic that was deleted and can be taken back; metadata do not list what nobody may describe. */
function withoutHidden(settings: ClusterSettings, topics: Placement['topics']): ClusterSettings {
  const hidden = topics.filter((topic) => topic.hiddenUntil !== null && topic.deletedGeneration === null);
  if (hidden.length === 0) return settings;
  const rules = hidden.map(({ name }, n) => ({
    ...({ id: `deleted-topic-${n}`, effect: 'deny', principal: '*', resource: 'topic', pattern: name } as const),
    ...({ patternType: 'literal', actions: ['all'], protocols: ['kafka'] } satisfies Partial<AclRule>),
  }));
  return { ...settings, acl: { ...settings.acl, rules: [...settings.acl.rules, ...rules] } };
}

/** The names clients know are where they come back: the data stays on the machine. */
const LED_AWAY = { state: 'draining', mqtt: null, kafka: null } as const;

/** Opens the sealed secrets of a cluster's settings. */
export type OpenSettings = (settings: ClusterSettings, clusterId: string) => ClusterSettings;

/** One placed cluster as its agent must serve it. */
export function namespaceSpec(row: Placement, open: OpenSettings = (settings) => settings): NamespaceSpec {
  const block = portBlockOf(row);
  return {
    clusterId: ClusterId.parse(row.id),
    tenantId: TenantId.parse(row.tenantId),
    key: ClusterKey.parse(row.key),
    generation: row.generation,
    plan: Plan.parse(row.plan),
    node: row.plan === 'serverless' ? 'shared' : row.id,
    ...(block === null ? {} : { ports: portsOf(block) }),
    quotas: throttled(Quotas.parse(row.quotas), row.throttledAt),
    credentials: row.credentials.map((credential) => ({
      name: credential.name,
      kind: 'password',
      verifiers: PasswordVerifiers.parse(credential.verifiers),
    })),
    topics: row.topics
      .filter((topic) => topic.deletedGeneration === null)
      .map((topic) => ({
        name: topic.name,
        partitions: topic.partitions,
        ...(topic.bindings === null ? {} : { bindings: z.array(z.string()).parse(topic.bindings) }),
        durability: topic.durability === 'memory' ? 'memory' : 'flushed',
        retentionMs: Number(topic.retentionMs),
        retentionBytes: Number(topic.retentionBytes),
        ...TopicPolicy.parse(topic.policy),
      })),
    topicsRemoved: row.topics.filter((topic) => topic.deletedGeneration !== null).map((topic) => topic.name),
    settings: withoutHidden(open(ClusterSettings.parse(row.settings), row.id), row.topics),
    suspended: suspensionOf(row),
    ...(row.growthStoppedReason === null ? {} : { growthStopped: { reason: row.growthStoppedReason } }),
  };
}

/**
 * The whole desired state of one agent. A dedicated cluster that has no ports yet is left out: it was never handed over,
 * so there is nothing the agent could remove.
 */
export function desiredState(
  agentId: string,
  version: bigint,
  clusters: readonly Placement[],
  fleet: { readonly manifest?: unknown; readonly draining?: boolean; readonly open?: OpenSettings } = {},
): DesiredState {
  return {
    agentId,
    version: Number(version),
    namespaces: clusters
      .filter((row) => row.handedGeneration > 0 && (row.plan === 'serverless' || row.portBase !== null))
      .map((row) => ({ ...namespaceSpec(row, fleet.open), ...(fleet.draining ? { relocation: LED_AWAY } : {}) })),
    ...(fleet.manifest === undefined ? {} : { release: ReleaseManifest.parse(fleet.manifest) }),
  };
}
