import { z } from 'zod';
import { ClusterId } from './ids.ts';
import { Meter, UsageProtocol } from './meters.ts';

/** A non-negative integer as a decimal string: counters outgrow 2^53. */
export const CounterString = z.string().regex(/^(0|[1-9][0-9]{0,37})$/);

/** Ids that processes give themselves: printable ASCII without spaces. */
const PrintableId = z.string().regex(/^[\x21-\x7e]{1,200}$/);

/** Length of a usage window in milliseconds. Windows start at whole UTC minutes. */
export const USAGE_WINDOW_MS = 60_000;

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
});
export type UsageWindow = z.infer<typeof UsageWindow>;

/** What a window says, in the one form that is hashed and signed. The signature itself is no part of it. */
export const usageWindowText = (w: UsageWindow): string =>
  JSON.stringify([
    ...[w.nodeId, w.nodeEpoch, w.clusterId, w.protocol, w.meter, w.windowStartMs],
    ...[w.seq, w.value, w.cumulative],
  ]);
