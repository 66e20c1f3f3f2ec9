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
