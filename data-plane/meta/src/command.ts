import type { NamespaceSettings } from './settings.ts';

/** SCRAM verifier (RFC 5802 §3); binary fields are base64. */
export interface ScramVerifier {
  readonly salt: string;
  readonly iterations: number;
  readonly storedKey: string;
  readonly serverKey: string;
}

/** A principal of one namespace and what its password is checked with; binary fields are base64. */
export interface CredentialRecord {
  readonly name: string;
  /** `hash` = SHA-256(salt ‖ password). */
  readonly sha256: { readonly salt: string; readonly hash: string };
  readonly scramSha256?: ScramVerifier;
  readonly scramSha512?: ScramVerifier;
}

/** Hard limits of one namespace, units in the names. */
export interface NamespaceQuotas {
  readonly connectionsMax: number;
  readonly connectionRatePerSecondMax: number;
  readonly topicsMax: number;
  readonly partitionsMax: number;
  readonly sessionsMax: number;
  readonly messageSizeBytesMax: number;
  readonly storageBytesMax: number;
  readonly ingressBytesPerSecondMax: number;
  readonly egressBytesPerSecondMax: number;
  readonly inboxBytesMax: number;
  /** Messages taken in, and handed out (the fan-out), over all protocols; absent = no limit. */
  readonly messagesInPerSecondMax?: number;
  readonly messagesOutPerSecondMax?: number;
  /** Of all sessions together; absent = no limit. */
  readonly subscriptionsMax?: number;
  readonly retainedMessagesMax?: number;
}

/** A namespace without its topics and sessions. */
export interface NamespaceRecord {
  /** 1 to 64 letters, digits, `.`, `_`, `-`. */
  readonly id: string;
  /** What clients name: the `@name` of user names and the TLS server name label. Unique on the node. */
  readonly name: string;
  readonly tenantId: string;
  readonly generation: number;
  readonly quotas: NamespaceQuotas;
  readonly allowAnonymous: boolean;
  /** The namespace of clients that name none; at most one on a node. */
  readonly isDefault: boolean;
  readonly autoCreateTopics: boolean;
  readonly credentials: readonly CredentialRecord[];
  /** Absent = the defaults. */
  readonly settings?: NamespaceSettings;
  /** Nobody is let in; `reason` is what a refused client is told. */
  readonly suspended?: { readonly reason: string; readonly metered?: 'storage' | 'none' | undefined } | null;
  /** Clients are led away; absent or null = it stays here. */
  readonly relocation?: Relocation | null;
  /** It may not grow: no topics, partitions, sessions and stored bytes beyond what there are. `reason` tells why. */
  readonly growthStopped?: { readonly reason: string } | null;
}

/**
 * `draining`: it is served here still, and clients are asked one after the other to go elsewhere. `moved`: it is served
 * elsewhere already, nothing is taken here any more. Where to is `host:port`; null = the name they came by leads there.
 */
export interface Relocation {
  readonly state: 'draining' | 'moved';
  readonly mqtt: string | null;
  readonly kafka: string | null;
}

export interface TopicRecord {
  /** 32 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly partitions: number;
  /** MQTT filters it captures; null = the default binding of its name. */
  readonly bindings: readonly string[] | null;
  readonly durability: 'memory' | 'flushed';
  /** −1 = for ever. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** What is let go: by age and size (absent), superseded records of a key, or both. */
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete';
  /** The journal's CompactionPolicy: milliseconds, and a share of 0 to 1. */
  readonly compaction?: {
    readonly minLagMs?: number;
    readonly deleteRetentionMs?: number;
    readonly minDirtyRatio?: number;
  };
  /** The journal's TierPolicy: when what is stored goes to object storage. Absent = never. */
  readonly tier?: {
    readonly coldAfterMs?: number;
    readonly coldAfterBytes?: number;
    readonly coldAfterIdleMs?: number;
    readonly warmAfterReads?: number;
    readonly warmIdleMs?: number;
    readonly hotBytes?: number;
  };
  /** Which medium holds it; absent = the node's default. */
  readonly engine?: 'memory' | 'file' | 'rocksdb';
  /** Batches get the time they are appended at, whatever their producer says. Absent = they keep theirs. */
  readonly appendTime?: boolean;
  /** Most bytes of one batch, below the namespace's `messageSizeBytesMax`; absent or 0 = that alone counts. */
  readonly batchSizeBytesMax?: number;
  /** What Kafka's producers' batches are packed with when they are stored; absent or `producer` = as they were sent. */
  readonly compression?: TopicCompression;
}
export type TopicCompression = 'producer' | 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
const COMPRESSIONS: readonly unknown[] = ['producer', 'none', 'gzip', 'snappy', 'lz4', 'zstd'];

export interface SubscriptionRecord {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  readonly subscriptionId: number | null;
}

/** A session that outlives its connections. */
export interface SessionRecord {
  readonly clientId: string;
  /** Names the session in the inbox log; never used again by the namespace. */
  readonly number: number;
  /** null = until it is ended. */
  readonly expirySeconds: number | null;
  /** When its last connection went; null while connected. Milliseconds since the epoch. */
  readonly detachedAtMs: number | null;
  /** Who opened it: what its deliveries are checked against while nobody is connected. Absent = not known. */
  readonly principal?: string;
}

/**
 * Everything that changes meta. Plain JSON; the order in the log is the order of application, on every replica.
 * `put-…` replaces the whole record and is idempotent; removing what is absent is fine except for topics.
 */
export type Command =
  | { readonly kind: 'put-namespace'; readonly namespace: NamespaceRecord }
  | { readonly kind: 'remove-namespace'; readonly namespaceId: string }
  | { readonly kind: 'create-topic'; readonly namespaceId: string; readonly topic: TopicRecord }
  /** Replaces everything of a topic but its id; partitions only grow. */
  | { readonly kind: 'alter-topic'; readonly namespaceId: string; readonly topic: TopicRecord }
  | { readonly kind: 'remove-topic'; readonly namespaceId: string; readonly name: string }
  | { readonly kind: 'put-session'; readonly namespaceId: string; readonly session: SessionRecord }
  | { readonly kind: 'remove-session'; readonly namespaceId: string; readonly clientId: string }
  | {
      readonly kind: 'put-subscription';
      readonly namespaceId: string;
      readonly clientId: string;
      readonly subscription: SubscriptionRecord;
    }
  | {
      readonly kind: 'remove-subscription';
      readonly namespaceId: string;
      readonly clientId: string;
      readonly filter: string;
    };
export type CommandKind = Command['kind'];

type Check = (value: unknown) => boolean;
const text: Check = (v) => typeof v === 'string';
const flag: Check = (v) => typeof v === 'boolean';
const whole: Check = (v) => Number.isSafeInteger(v);
const natural: Check = (v) => Number.isSafeInteger(v) && (v as number) >= 0;
const qos: Check = (v) => v === 0 || v === 1 || v === 2;
const orNull =
  (check: Check): Check =>
  (v) =>
    v === null || check(v);
const optional =
  (check: Check): Check =>
  (v) =>
    v === undefined || check(v);
const listOf =
  (check: Check): Check =>
  (v) =>
    Array.isArray(v) && v.every(check);
const shape =
  (fields: Record<string, Check>): Check =>
  (v) =>
    typeof v === 'object' &&
    v !== null &&
    Object.entries(fields).every(([name, check]) => check((v as Record<string, unknown>)[name]));

const namespaceId: Check = (v) => typeof v === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(v);
const topicName: Check = (v) => typeof v === 'string' && /^[A-Za-z0-9._-]{1,249}$/.test(v) && v !== '.' && v !== '..';
const namespaceName: Check = (v) => typeof v === 'string' && v.length >= 1 && v.length <= 255 && !v.includes('@');
const scram = shape({ salt: text, iterations: natural, storedKey: text, serverKey: text });
const credential = shape({
  name: (v) => typeof v === 'string' && v.length >= 1 && v.length <= 255,
  sha256: shape({ salt: text, hash: text }),
  scramSha256: optional(scram),
  scramSha512: optional(scram),
});
const quotas = shape({
  connectionsMax: natural,
  connectionRatePerSecondMax: natural,
  topicsMax: natural,
  partitionsMax: natural,
  sessionsMax: natural,
  messageSizeBytesMax: natural,
  storageBytesMax: natural,
  ingressBytesPerSecondMax: natural,
  egressBytesPerSecondMax: natural,
  inboxBytesMax: natural,
  messagesInPerSecondMax: optional(natural),
  messagesOutPerSecondMax: optional(natural),
  subscriptionsMax: optional(natural),
  retainedMessagesMax: optional(natural),
});

const topic = shape({
  id: (v) => typeof v === 'string' && /^[0-9a-f]{32}$/.test(v),
  name: topicName,
  partitions: (v) => natural(v) && (v as number) >= 1,
  bindings: orNull(listOf(text)),
  durability: (v) => v === 'memory' || v === 'flushed',
  retentionMs: whole,
  retentionBytes: whole,
  cleanup: (v) => v === undefined || v === 'delete' || v === 'compact' || v === 'compact,delete',
  compaction: optional(
    shape({
      minLagMs: optional(natural),
      deleteRetentionMs: optional(natural),
      minDirtyRatio: optional((v) => typeof v === 'number' && v >= 0 && v <= 1),
    }),
  ),
  tier: optional(
    shape({
      coldAfterMs: optional(natural),
      coldAfterBytes: optional(natural),
      coldAfterIdleMs: optional(natural),
      warmAfterReads: optional(natural),
      warmIdleMs: optional(natural),
      hotBytes: optional(natural),
    }),
  ),
  engine: (v) => v === undefined || v === 'memory' || v === 'file' || v === 'rocksdb',
  appendTime: optional(flag),
  batchSizeBytesMax: optional(natural),
  compression: optional((v) => COMPRESSIONS.includes(v)),
});

const SHAPES: Record<CommandKind, Check> = {
  'put-namespace': shape({
    namespace: shape({
      id: namespaceId,
      name: namespaceName,
      tenantId: text,
      generation: natural,
      quotas,
      allowAnonymous: flag,
      isDefault: flag,
      autoCreateTopics: flag,
      credentials: listOf(credential),
      settings: optional(shape({ mqtt: shape({}), kafka: shape({}), acl: shape({}), authentication: shape({}) })),
      suspended: optional(orNull(shape({ reason: text }))),
      relocation: optional(orNull(shape({ state: text, mqtt: orNull(text), kafka: orNull(text) }))),
      growthStopped: optional(orNull(shape({ reason: text }))),
    }),
  }),
  'remove-namespace': shape({ namespaceId }),
  'create-topic': shape({ namespaceId, topic }),
  'alter-topic': shape({ namespaceId, topic }),
  'remove-topic': shape({ namespaceId, name: text }),
  'put-session': shape({
    namespaceId,
    session: shape({
      clientId: text,
      number: natural,
      expirySeconds: orNull(natural),
      detachedAtMs: orNull(whole),
      principal: optional(text),
    }),
  }),
  'remove-session': shape({ namespaceId, clientId: text }),
  'put-subscription': shape({
    namespaceId,
    clientId: text,
    subscription: shape({
      filter: text,
      qos,
      noLocal: flag,
      retainAsPublished: flag,
      retainHandling: qos,
      subscriptionId: orNull(natural),
    }),
  }),
  'remove-subscription': shape({ namespaceId, clientId: text, filter: text }),
};

/** Whether a value that came from outside (a log, a peer) is a command. */
export function isCommand(value: unknown): value is Command {
  if (typeof value !== 'object' || value === null) return false;
  const kind = (value as { kind?: unknown }).kind;
  if (typeof kind !== 'string' || !Object.hasOwn(SHAPES, kind)) return false;
  return SHAPES[kind as CommandKind](value);
}
