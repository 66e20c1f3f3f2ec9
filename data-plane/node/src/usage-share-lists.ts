import type { ShareDelta } from '@robustmq/broker';
import { SHARE_NAMES_MAX, UsageDimension, type Meter, type UsageShares } from '@robustmq/contracts/data-plane';

/** Who and what caused the counts of one cluster and protocol, per dimension and in no order. */
export type ShareDeltas = Record<UsageDimension, ShareDelta[]>;

/** Names all windows of one minute tell together at most: a node of many clusters tells fewer of each. */
const NAMES_PER_MINUTE_MAX = 20_000;
const NAMES_MIN = 3;
/** Lists of names per counter set: its meters times the dimensions. */
const LISTS_PER_SET = 10;

/** Names one list may hold on a node with so many counter sets. */
export function namesPerList(sets: number): number {
  const fair = Math.floor(NAMES_PER_MINUTE_MAX / Math.max(1, sets * LISTS_PER_SET));
  return Math.min(SHARE_NAMES_MAX, Math.max(NAMES_MIN, fair));
}

type Counter = 'messagesIn' | 'messagesOut' | 'bytesIn' | 'bytesOut' | 'connectionMs';
const COUNTERS: Partial<Record<Meter, Counter>> = {
  messages_in: 'messagesIn',
  messages_out: 'messagesOut',
  ingress_bytes: 'bytesIn',
  egress_bytes: 'bytesOut',
  connection_seconds: 'connectionMs',
};

/**
 * The largest names of a window's value with what each caused, never more than the value in all; undefined = none is
 * known. What a crash forgot, and what is beyond `namesMax`, is the rest of the value.
 */
export function sharesOf(meter: Meter, value: bigint, deltas: ShareDeltas, namesMax: number): UsageShares | undefined {
  const counter = COUNTERS[meter];
  if (counter === undefined) return undefined;
  const shares: UsageShares = {};
  for (const dimension of UsageDimension.options) {
    const own = deltas[dimension].filter((one) => one[counter] > 0);
    const parts = counter === 'connectionMs' ? secondsOf(own, value) : own.map((one) => BigInt(one[counter]));
    const rows = own.map(({ name }, i) => ({ name, part: parts[i]! })).filter(({ part }) => part > 0n);
    rows.sort((a, b) => (a.part > b.part ? -1 : a.part < b.part ? 1 : a.name < b.name ? -1 : 1));
    let left = value;
    const told: [string, string][] = [];
    for (const { name, part } of rows.slice(0, namesMax)) {
      const counted = part < left ? part : left;
      if (counted > 0n) told.push([name, String(counted)]);
      left -= counted;
    }
    if (told.length > 0) shares[dimension] = told;
  }
  return Object.keys(shares).length === 0 ? undefined : shares;
}

/**
 * Whole seconds for times in milliseconds. The window carries its own fractions from minute to minute, so the seconds
 * that rounding left over go to whoever lost most, up to the window's value.
 */
function secondsOf(own: readonly ShareDelta[], value: bigint): bigint[] {
  const seconds = own.map(({ connectionMs }) => BigInt(Math.floor(connectionMs / 1000)));
  let over = value - seconds.reduce((sum, one) => sum + one, 0n);
  const order = own.map((_, i) => i).sort((a, b) => (own[b]!.connectionMs % 1000) - (own[a]!.connectionMs % 1000));
  for (const i of order) {
    // a name that was there for less than half a second more is not told a whole one
    if (over <= 0n || own[i]!.connectionMs % 1000 < 500) break;
    seconds[i]! += 1n;
    over -= 1n;
  }
  return seconds;
}
