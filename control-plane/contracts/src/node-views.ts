import { z } from 'zod';
import { AclAction, AclResource } from './cluster-settings.ts';

/**
 * What can be looked at and done live in one cluster: asked by the control plane over the agent link, answered by the
 * node that serves the namespace (`POST /v1/namespaces/{clusterId}/views/{view}` on its admin socket, body = `query`,
 * answer = `reply`). Nothing here is desired state; an answer may be stale when it arrives. Lists are pages: `after` is
 * the `next` of the page before.
 */

const page = { after: z.string().max(2048).optional(), limit: z.int().min(1).max(1_000).default(100) };
const listOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });
const Protocol = z.enum(['mqtt', 'kafka', 'amqp']);
const isoOrNull = z.iso.datetime().nullable();
const nothing = z.object({});
const done = z.object({ done: z.boolean() });
const Qos = z.int().min(0).max(2);

export const ConnectedClient = z.object({
  clientId: z.string(),
  protocol: Protocol,
  principal: z.string(),
  remoteAddress: z.string(),
  connectedAt: z.iso.datetime(),
});
export const SessionView = z.object({
  clientId: z.string(),
  connected: z.boolean(),
  expirySeconds: z.number(),
  subscriptions: z.int(),
  /** Owed and not acknowledged. */
  inboxMessages: z.int(),
  inboxBytes: z.number(),
});
export const SubscriptionView = z.object({ clientId: z.string(), filter: z.string(), qos: Qos });
/** A message for people: `value` is base64 of at most the first `valueBytesMax` bytes. */
export const MessageView = z.object({
  topic: z.string(),
  qos: Qos,
  retain: z.boolean(),
  timestamp: z.iso.datetime(),
  sizeBytes: z.int(),
  value: z.string(),
  properties: z.record(z.string(), z.string()),
});
export const DelayedView = z.object({ id: z.string(), dueAt: z.iso.datetime(), topic: z.string(), sizeBytes: z.int() });
export const SlowSubscriber = z.object({
  clientId: z.string(),
  topic: z.string(),
  /** Publish to written, milliseconds, with fractions. */
  latencyMs: z.number(),
  at: z.iso.datetime(),
});
export const ClientEventView = z.object({
  at: z.iso.datetime(),
  protocol: Protocol,
  clientId: z.string().nullable(),
  remoteAddress: z.string(),
  stage: z.string(),
  code: z.string(),
  detail: z.string(),
});
export const BanView = z.object({ kind: z.string(), value: z.string(), reason: z.string(), until: isoOrNull });
export const TierObjectView = z.object({
  key: z.string(),
  baseOffset: z.int(),
  nextOffset: z.int(),
  sizeBytes: z.number(),
  cold: z.boolean(),
  warm: z.boolean(),
  compacted: z.boolean(),
});
export const TierMoveView = z.object({
  at: z.iso.datetime(),
  kind: z.string(),
  reason: z.string(),
  baseOffset: z.int(),
  nextOffset: z.int(),
  sizeBytes: z.number(),
});
export const PartitionView = z.object({
  partition: z.int(),
  startOffset: z.int(),
  endOffset: z.int(),
  stableOffset: z.int(),
  sizeBytes: z.number(),
  hotBytes: z.number(),
  warmBytes: z.number(),
  coldBytes: z.number(),
});
export const TopicView = z.object({
  name: z.string(),
  bindings: z.array(z.string()),
  durability: z.string(),
  retentionMs: z.number(),
  retentionBytes: z.number(),
  cleanup: z.string(),
  partitions: z.array(PartitionView),
});
export const TopicTiers = z.object({
  partitions: z.array(PartitionView.extend({ objects: z.array(TierObjectView), moves: z.array(TierMoveView) })),
});
export const GroupView = z.object({
  name: z.string(),
  state: z.string(),
  protocolType: z.string(),
  members: z.array(
    z.object({
      ...{ memberId: z.string(), clientId: z.string(), host: z.string(), partitions: z.int() },
      /** What it reads now. Absent from nodes that do not tell. */
      assigned: z.array(z.object({ topic: z.string(), partition: z.int() })).optional(),
      /** Records behind, over those of its partitions that have a committed offset. */
      lag: z.int().optional(),
    }),
  ),
  offsets: z.array(
    z.object({ topic: z.string(), partition: z.int(), offset: z.int(), endOffset: z.int(), lag: z.int() }),
  ),
});
export const RecordView = z.object({
  partition: z.int(),
  offset: z.int(),
  timestamp: z.iso.datetime(),
  /** base64, or null. */
  key: z.string().nullable(),
  value: z.string().nullable(),
  sizeBytes: z.int(),
  headers: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
});

const client = z.object({ clientId: z.string().min(1).max(65_535) });
const topic = z.object({ topic: z.string().min(1).max(249) });

export const NODE_VIEWS = {
  clients: { query: z.object({ ...page, prefix: z.string().optional() }), reply: listOf(ConnectedClient) },
  'kick-client': { query: client, reply: done },
  sessions: { query: z.object({ ...page, prefix: z.string().optional() }), reply: listOf(SessionView) },
  'end-session': { query: client, reply: done },
  subscriptions: { query: z.object({ ...page, clientId: z.string().optional() }), reply: listOf(SubscriptionView) },
  retained: { query: z.object({ ...page, filter: z.string().default('#') }), reply: listOf(MessageView) },
  'delete-retained': { query: z.object({ topic: z.string().min(1) }), reply: done },
  inbox: { query: client.extend(page), reply: listOf(MessageView) },
  'clear-inbox': { query: client, reply: done },
  delayed: { query: z.object(page), reply: listOf(DelayedView) },
  'cancel-delayed': { query: z.object({ id: z.string().min(1) }), reply: done },
  'slow-subscribers': { query: nothing, reply: listOf(SlowSubscriber) },
  events: { query: z.object(page), reply: listOf(ClientEventView) },
  explain: {
    query: z.object({
      protocol: Protocol.default('mqtt'),
      principal: z.string().min(1).max(1_024),
      clientId: z.string().max(65_535).default(''),
      /** Empty = not known: rules that ask for addresses do not apply. */
      remoteAddress: z.string().max(64).default(''),
      action: AclAction,
      resource: AclResource.default('topic'),
      name: z.string().min(1).max(65_535),
    }),
    /** `ruleId` null = decided by what holds where no rule matches. */
    reply: z.object({ allowed: z.boolean(), ruleId: z.string().nullable() }),
  },
  bans: { query: nothing, reply: listOf(BanView) },
  unban: { query: z.object({ kind: z.string(), value: z.string() }), reply: done },
  topics: { query: z.object(page), reply: listOf(TopicView) },
  'topic-tiers': { query: topic, reply: TopicTiers },
  groups: { query: z.object(page), reply: listOf(GroupView) },
  'reset-offsets': {
    query: topic.extend({
      group: z.string().min(1),
      to: z.union([z.literal('earliest'), z.literal('latest'), z.iso.datetime(), z.int().nonnegative()]),
    }),
    reply: z.object({ offsets: z.array(z.object({ partition: z.int(), offset: z.int() })) }),
  },
  records: {
    query: topic.extend({
      partition: z.int().nonnegative().default(0),
      /** Where to begin: an offset, an ISO time, or a record key (base64) of a compacted topic. */
      fromOffset: z.int().nonnegative().optional(),
      fromTime: z.iso.datetime().optional(),
      key: z.string().optional(),
      limit: z.int().min(1).max(500).default(50),
      valueBytesMax: z.int().min(0).max(1_048_576).default(4_096),
    }),
    reply: z.object({ items: z.array(RecordView), nextOffset: z.int() }),
  },
  /** One record, appended as a Kafka producer would; answers when it is stable. Refused above the namespace's quotas. */
  produce: {
    query: topic.extend({
      /** Absent = by the key, as Kafka's default partitioner; without a key partition 0. */
      partition: z.int().nonnegative().optional(),
      /** base64, or null. */
      key: z.base64().max(1_368).nullable(),
      value: z.base64().max(43_692).nullable(),
      headers: z.array(z.object({ name: z.string().max(255), value: z.base64().max(2_732).nullable() })).max(20),
      /** Whose ACL is asked; absent = nobody's: whoever asks may already. */
      principal: z.string().min(1).max(255).optional(),
    }),
    reply: z.object({ partition: z.int(), offset: z.int(), timestamp: z.iso.datetime() }),
  },
} as const satisfies Record<string, { query: z.ZodType; reply: z.ZodType }>;

export type NodeView = keyof typeof NODE_VIEWS;
export const NodeViewName = z.enum(Object.keys(NODE_VIEWS) as [NodeView, ...NodeView[]]);
export type NodeViewQuery<V extends NodeView> = z.output<(typeof NODE_VIEWS)[V]['query']>;
export type NodeViewReply<V extends NodeView> = z.output<(typeof NODE_VIEWS)[V]['reply']>;
