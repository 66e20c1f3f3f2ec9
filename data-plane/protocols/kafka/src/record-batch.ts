/**
 * Fields of a RecordBatch v2 header, read in place:
 * baseOffset int64 · batchLength int32 · partitionLeaderEpoch int32 · magic int8 · crc uint32 · attributes int16 ·
 * lastOffsetDelta int32 · baseTimestamp int64 · maxTimestamp int64 · producerId int64 · producerEpoch int16 ·
 * baseSequence int32 · records int32.
 */
export const BATCH_HEADER_BYTES = 61;
const MAGIC_AT = 16;
export const LAST_OFFSET_DELTA_AT = 23;
const ATTRIBUTES_AT = 21;
const MAX_TIMESTAMP_AT = 35;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** Message format of the first entry: 0, 1 (message sets) or 2; −1 when there is not even that much. */
export function magicOf(records: Buffer): number {
  return records.length > MAGIC_AT ? records[MAGIC_AT]! : -1;
}

/** Whether the batch belongs to a transaction or is a control batch. */
export function isTransactional(batch: Buffer): boolean {
  return (batch.readInt16BE(ATTRIBUTES_AT) & TRANSACTIONAL) !== 0;
}
export function isControl(batch: Buffer): boolean {
  return (batch.readInt16BE(ATTRIBUTES_AT) & CONTROL) !== 0;
}

/** The latest time of its records, milliseconds. */
export function maxTimestampOf(batch: Buffer): number {
  return Number(batch.readBigInt64BE(MAX_TIMESTAMP_AT));
}

/** Size of the batch that begins at `at`, −1 when its length is beyond the buffer or too small for a header. */
export function batchSizeAt(records: Buffer, at: number): number {
  if (records.length - at < BATCH_HEADER_BYTES) return -1;
  const size = 12 + records.readInt32BE(at + 8);
  return size < BATCH_HEADER_BYTES || size > records.length - at ? -1 : size;
}

/** Offset of the first record of a stored batch. */
export function baseOffsetOf(batch: Buffer): number {
  return batch.readInt32BE(0) * 2 ** 32 + batch.readUInt32BE(4);
}

/** Who produced a batch and where it stands in that producer's order (KIP-98). */
export interface BatchSequence {
  /** −1 = not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

const TWO_31 = 2 ** 31;

export function sequenceOf(batch: Buffer): BatchSequence {
  const firstSequence = batch.readInt32BE(53);
  const lastOffsetDelta = batch.readInt32BE(23);
  return {
    producerId: batch.readInt32BE(43) * 2 ** 32 + batch.readUInt32BE(47),
    producerEpoch: batch.readInt16BE(51),
    firstSequence,
    lastSequence: (firstSequence + lastOffsetDelta) % TWO_31,
  };
}

/** Records at or above `offset` in stored batches: what a Fetch from `offset` delivers. */
export function recordsFrom(slices: readonly Buffer[], offset: number): number {
  let total = 0;
  for (const slice of slices) {
    for (let at = 0; ;) {
      const size = batchSizeAt(slice, at);
      if (size < 0) break;
      const base = slice.readInt32BE(at) * 2 ** 32 + slice.readUInt32BE(at + 4);
      const next = base + slice.readInt32BE(at + 23) + 1;
      total += Math.max(0, Math.min(slice.readInt32BE(at + 57), next - offset));
      at += size;
    }
  }
  return total;
}

/** Offset behind the last batch of `slices`, -1 when there is none. */
export function nextOffsetOf(slices: readonly Buffer[]): number {
  const slice = slices.at(-1);
  if (slice === undefined) return -1;
  let next = -1;
  for (let at = 0, size = batchSizeAt(slice, 0); size > 0; size = batchSizeAt(slice, (at += size))) {
    next = baseOffsetOf(slice.subarray(at)) + slice.readInt32BE(at + LAST_OFFSET_DELTA_AT) + 1;
  }
  return next;
}

/** The batches of `slices` that begin below `offset`: views, in order. */
export function batchesBelow(slices: readonly Buffer[], offset: number): readonly Buffer[] {
  for (let i = 0; i < slices.length; i++) {
    const slice = slices[i]!;
    for (let at = 0, size = batchSizeAt(slice, 0); size > 0; size = batchSizeAt(slice, (at += size))) {
      if (baseOffsetOf(slice.subarray(at)) < offset) continue;
      return at === 0 ? slices.slice(0, i) : [...slices.slice(0, i), slice.subarray(0, at)];
    }
  }
  return slices;
}
