import { z } from 'zod';
import { ClusterId } from './ids.ts';
import { Meter, UsageProtocol } from './meters.ts';

/** A non-negative integer as a decimal string: counters outgrow 2^53. */
export const CounterString = z.string().regex(/^(0|[1-9][0-9]{0,37})$/);

/** Ids that processes give themselves: printable ASCII without spaces. */
const PrintableId = z.string().regex(/^[\x21-\x7e]{1,200}$/);

/** Length of a usage window in milliseconds. Windows start at whole UTC minutes. */
export const USAGE_WINDOW_MS = 60_000;

/** By what usage is broken down beside cluster, protocol and meter. */
export const UsageDimension = z.enum(['credential', 'topic_prefix']);
export type UsageDimension = z.infer<typeof UsageDimension>;
/** Names a window tells apart at most, per dimension. */
export const SHARE_NAMES_MAX = 20;
/** Longest name of a share in bytes of UTF-8; a longer one is cut and ends in `…`. */
export const SHARE_NAME_BYTES_MAX = 48;
const Shares = z
  .array(
    z.tuple([
      z
        .string()
        .min(1)
        .max(SHARE_NAME_BYTES_MAX + 3),
      CounterString,
    ]),
  )
  .max(SHARE_NAMES_MAX);

/**
 * Who or what caused a window's value: the largest names, each with its part. The rest of the value belongs to no name.
 * For people only: no bill follows from it, and it is no part of what is hashed and signed.
 */
export const UsageShares = z.object({ credential: Shares.optional(), topic_prefix: Shares.optional() });
export type UsageShares = z.infer<typeof UsageShares>;

/**
 * One counter over one UTC minute, as closed by a node. Identity is (`nodeId`, `nodeEpoch`, `clusterId`, `protocol`,
 * `meter`, `windowStartMs`): the same window may be delivered any number of times and counts once. `cumulative` is the
 * counter's running total within the node epoch after this window, so `cumulative[n] - cumulative[n-1] = value[n]`
 * proves that no window in between is missing.
 */
export const UsageWindow = z.object({
  /** Position in the node's own usage log: 1, 2, 3 … without gaps within an epoch. */
  seq: z.int().positive(),
  nodeId: PrintableId,
  /** Random id of the node's data directory; a new directory starts a new epoch with all counters at 0. */
  nodeEpoch: PrintableId,
  clusterId: ClusterId,
  protocol: UsageProtocol,
  meter: Meter,
  windowStartMs: z.int().nonnegative(),
  value: CounterString,
  cumulative: CounterString,
  /** Ed25519 by the agent's key over `usageWindowText`, base64. Absent from agents that sign whole batches only. */
  signature: z.string().max(200).optional(),
  shares: UsageShares.optional(),
});
export type UsageWindow = z.infer<typeof UsageWindow>;

/** What a window says, in the one form that is hashed and signed. Signature and shares are no part of it. */
export const usageWindowText = (w: UsageWindow): string =>
  JSON.stringify([
    ...[w.nodeId, w.nodeEpoch, w.clusterId, w.protocol, w.meter, w.windowStartMs],
    ...[w.seq, w.value, w.cumulative],
  ]);
