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

/** `GET …/explain?principal=&action=&name=`: somebody, connected or not, and what they would do. */
export const ExplainQuery = NODE_VIEWS.explain.query;
/** `rule` null = no rule matches and `whenNoRuleMatches` decides, or the rule was removed meanwhile. */
export const Explanation = NODE_VIEWS.explain.reply.extend({
  rule: AclRule.nullable(),
  whenNoRuleMatches: z.enum(['allow', 'deny']),
});
export type Explanation = z.output<typeof Explanation>;
