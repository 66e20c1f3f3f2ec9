/** Bytes an object in object storage is filled with (`OBJECT_BYTES` of the journal). */
const OBJECT_BYTES = 16 * 1024 * 1024;
/** An object that is not full is made at most this often per partition, in seconds. */
const SMALL_OBJECT_SECONDS = 600;
/** Small neighbours that become one. */
const MERGED = 8;
/** Requests per object: its bytes, the manifest that names it, the end of the manifest before. */
const REQUESTS_PER_MOVE = 3;
/** Beside the reads of what is merged (its index, then its bytes): the new object, its manifest, the end of the old manifest and of the old objects. */
const REQUESTS_PER_MERGE = 4;
const READ_BYTES = 1024 * 1024;
/** Object storage is looked through once an hour for what nobody names: a list per question. */
const SCANS_PER_SECOND = 2 / 3600;
/** Steps of the sum over time; more would change nothing anybody sees. */
const STEPS = 2_000;

/** What is known of a topic whose bytes are to be forecast. */
export interface TierFacts {
  /** Bytes stored per second, over all partitions. */
  readonly bytesPerSecond: number;
  /** Bytes it holds now, oldest first at the same pace. */
  readonly storedBytes: number;
  readonly partitions: number;
  /** -1 = for ever. */
  readonly retentionMs: number;
  /** Per partition; -1 = no limit. */
  readonly retentionBytes: number;
}

/** When bytes leave the disk for object storage; neither = never. Per partition, as in `TierSettings`. */
export interface TierRule {
  readonly coldAfterMs?: number | undefined;
  readonly coldAfterBytes?: number | undefined;
}

/** What the meters of storage would count over the time asked for. */
export interface TierQuantities {
  readonly warmByteSeconds: bigint;
  readonly coldByteSeconds: bigint;
  readonly objectRequests: bigint;
}

export interface TierSpan {
  readonly seconds: number;
  readonly objectBytes?: number;
}

/**
 * What a topic's storage would be metered at over the next `seconds` if records go on arriving as they do: bytes are
 * spread evenly over their age, the oldest go with retention, those the rule names lie in object storage. Reads of cold
 * bytes and compaction are not foreseen. Compared with the journal itself in data-plane/node.
 */
export function forecastTiers(facts: TierFacts, rule: TierRule, span: TierSpan): TierQuantities {
  const objectBytes = span.objectBytes ?? OBJECT_BYTES;
  const partitions = Math.max(1, facts.partitions);
  const rate = facts.bytesPerSecond / partitions;
  const kept = keptMax(facts, rate);
  const warmMax = warmLimit(rule, rate, objectBytes);
  const step = span.seconds / STEPS;
  let [warm, cold] = [0, 0];
  for (let at = step / 2; at < span.seconds; at += step) {
    const stored = Math.min(facts.storedBytes / partitions + rate * at, kept);
    const onDisk = Math.min(stored, warmMax);
    warm += onDisk * step;
    cold += (stored - onDisk) * step;
  }
  // what retention removes before it is due to move is never asked of object storage
  const moves = Number.isFinite(warmMax) && kept > warmMax;
  const requests = moves ? requestsPerSecond(rate, objectBytes, kept) * span.seconds : 0;
  const whole = (value: number): bigint => BigInt(Math.round(value * partitions));
  return { warmByteSeconds: whole(warm), coldByteSeconds: whole(cold), objectRequests: whole(requests) };
}

/** Bytes a partition holds at most. */
function keptMax({ retentionMs, retentionBytes }: TierFacts, rate: number): number {
  const byAge = retentionMs < 0 ? Infinity : (rate * retentionMs) / 1000;
  return Math.min(byAge, retentionBytes < 0 ? Infinity : retentionBytes);
}

/** Bytes of a partition on disk at most: what the rule leaves there, and half of what waits to fill an object. */
function warmLimit({ coldAfterMs, coldAfterBytes }: TierRule, rate: number, objectBytes: number): number {
  const byAge = coldAfterMs === undefined ? Infinity : (rate * coldAfterMs) / 1000;
  const left = Math.min(byAge, coldAfterBytes ?? Infinity);
  return left + Math.min(objectBytes, rate * SMALL_OBJECT_SECONDS) / 2;
}

/** Requests to object storage of one partition: moves, merges of what was too small, removal, the hourly look. */
function requestsPerSecond(rate: number, objectBytes: number, kept: number): number {
  if (rate === 0) return SCANS_PER_SECOND;
  const perPeriod = rate * SMALL_OBJECT_SECONDS;
  const full = Math.floor(perPeriod / objectBytes);
  const small = perPeriod - full * objectBytes;
  const moves = (full + (small > 0 ? 1 : 0)) / SMALL_OBJECT_SECONDS;
  // between full objects a small one has no small neighbour
  const merging = full === 0 && small * 2 < objectBytes ? mergeRequests(small, objectBytes) / SMALL_OBJECT_SECONDS : 0;
  // what retention removes takes its object and its manifest along
  const removals = Number.isFinite(kept) ? (2 * rate) / objectBytes : 0;
  return moves * REQUESTS_PER_MOVE + merging + removals + SCANS_PER_SECOND;
}

/** Requests one small object causes until it is part of one that is half full. */
function mergeRequests(small: number, objectBytes: number): number {
  let requests = 0;
  let perObject = 1;
  for (let size = small; size * 2 < objectBytes;) {
    const together = Math.min(MERGED, Math.max(2, Math.ceil(objectBytes / size)));
    perObject /= together;
    requests += perObject * (REQUESTS_PER_MERGE + together * (1 + Math.ceil(size / READ_BYTES)));
    size *= together;
  }
  return requests;
}
