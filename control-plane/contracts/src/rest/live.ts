import { z } from 'zod';
import { AclRule } from '../cluster-settings.ts';
import { NODE_VIEWS, type NodeView } from '../node-views.ts';
import { pageOf } from './page.ts';

/** A page of a live view: `cursor` is the `nextCursor` of the page before. */
export const LivePageQuery = z.object({
  cursor: z.string().max(2_048).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

type ItemOf<V extends NodeView> =
  (typeof NODE_VIEWS)[V]['reply'] extends z.ZodObject<{ items: z.ZodArray<infer T> }> ? T : never;

/** The REST page of a list view. */
export const livePageOf = <T extends z.ZodType>(reply: z.ZodObject<{ items: z.ZodArray<T>; next: z.ZodType }>) =>
  pageOf(reply.shape.items.element as T);
export type LiveItem<V extends NodeView> = z.output<ItemOf<V>>;

/** `PUT …/groups/{groupName}/offsets`: the group must have no members. */
export const ResetOffsetsBody = NODE_VIEWS['reset-offsets'].query.omit({ group: true });
export const ResetOffsets = NODE_VIEWS['reset-offsets'].reply;

/** `GET …/topics/{topicName}/records`: query values are text, so numbers are read from it. */
export const RecordsQuery = z.object({
  partition: z.coerce.number().int().nonnegative().default(0),
  fromOffset: z.coerce.number().int().nonnegative().optional(),
  fromTime: z.iso.datetime().optional(),
  /** base64 */
  key: z.string().max(4_096).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  valueBytesMax: z.coerce.number().int().min(0).max(1_048_576).default(4_096),
});

/** Decoded sizes of a test record at most, in bytes. */
export const TEST_RECORD = {
  valueBytesMax: 32_768,
  keyBytesMax: 1_024,
  headerBytesMax: 2_048,
  headersMax: 20,
} as const;
const Encoding = z.enum(['text', 'hex', 'base64']);
/** `POST …/topics/{topicName}/records`: one record, for testing; clients speak MQTT, Kafka or AMQP. */
export const ProduceRecordBody = z
  .object({
    key: z.string().max(4_096).optional(),
    /** Absent = null: a tombstone in a compacted topic. */
    value: z.string().max(131_072).optional(),
    /** How `key`, `value` and the headers' values are written here; what is stored are the bytes. */
    encoding: Encoding.default('text'),
    headers: z
      .array(z.object({ name: z.string().min(1).max(255), value: z.string().max(8_192) }))
      .max(TEST_RECORD.headersMax)
      .default([]),
    /** Absent = by the key, as Kafka's default partitioner does; without a key partition 0. */
    partition: z.int().min(0).max(65_535).optional(),
    /** A credential's name: its ACL rules are asked as if it produced the record. */
    asPrincipal: z.string().min(1).max(255).optional(),
  })
  .strict();
export const ProducedRecord = z.object({
  topic: z.string(),
  partition: z.int(),
  offset: z.int(),
  timestamp: z.iso.datetime(),
});

/** `GET …/explain?principal=&action=&name=`: somebody, connected or not, and what they would do. */
export const ExplainQuery = NODE_VIEWS.explain.query;
/** `rule` null = no rule matches and `whenNoRuleMatches` decides, or the rule was removed meanwhile. */
export const Explanation = NODE_VIEWS.explain.reply.extend({
  rule: AclRule.nullable(),
  whenNoRuleMatches: z.enum(['allow', 'deny']),
});
export type Explanation = z.output<typeof Explanation>;
