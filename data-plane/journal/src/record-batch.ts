import { crc32c } from '@robustmq/wire';
import { JournalError, type JournalErrorCode } from './journal-error.ts';

/*
 * RecordBatch v2 (KIP-98, big-endian), the only stored message format:
 *   0 baseOffset i64 | 8 batchLength i32 (bytes behind it) | 12 partitionLeaderEpoch i32 | 16 magic i8 = 2
 *  17 crc u32 (CRC-32C of 21 to the end) | 21 attributes i16 | 23 lastOffsetDelta i32 | 27 baseTimestamp i64
 *  35 maxTimestamp i64 | 43 producerId i64 | 51 producerEpoch i16 | 53 baseSequence i32
 *  57 recordCount i32 | 61 records
 * The CRC begins behind base offset and leader epoch, so the broker patches both without touching it.
 */
/** Bytes in front of the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes in front of what `batchLength` counts. */
export const BATCH_OVERHEAD_BYTES = 12;
export const BATCH_LENGTH_AT = 8;
export const LEADER_EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
export const ATTRIBUTES_AT = 21;
export const LAST_OFFSET_DELTA_AT = 23;
export const BASE_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const BASE_SEQUENCE_AT = 53;
export const RECORD_COUNT_AT = 57;

export const CODEC_MASK = 0x07;
/** Attribute bit 3: record timestamps are the broker's append time (`maxTimestamp` is the time of every record). */
export const LOG_APPEND_TIME_BIT = 0x08;
/** Attribute bit 4: the batch belongs to a transaction. */
export const TRANSACTIONAL_BIT = 0x10;
/** Attribute bit 5: the batch holds commit or abort markers, which only a broker writes. */
export const CONTROL_BIT = 0x20;
/** Attribute bit 6 (KIP-534): the base timestamp says when the batch's records without value may go. */
export const DELETE_HORIZON_BIT = 0x40;
/** Attribute bit 15: ours alone; the body is in object storage (`tier/claim.ts`). Refused from clients. */
export const CLAIM_BIT = 0x8000;

/** Compression codecs by their number in the attributes. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Codec = (typeof CODECS)[number];

const TWO_32 = 0x1_0000_0000;

/** What `checkBatch` found in a batch it accepts. */
export interface BatchInfo {
  readonly fault: null;
  /** Bytes of the whole batch; the next one begins at `at + sizeBytes`. */
  readonly sizeBytes: number;
  readonly recordCount: number;
  /** Offsets the batch takes = this + 1. */
  readonly lastOffsetDelta: number;
  readonly codec: Codec;
  readonly attributes: number;
  /** −1 when the producer gave none. */
  readonly maxTimestampMs: number;
  /** −1 = not an idempotent producer. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}
/** Why a batch is refused. */
export interface BatchFault {
  readonly fault: JournalErrorCode;
  /** A sentence that says what was seen. */
  readonly detail: string;
}
export type BatchCheck = BatchInfo | BatchFault;

/**
 * Checks one batch at `[at, end)` as a client sent it: layout, magic, CRC, codec, counts. Throws nothing. Records
 * inside are not decoded (they may be compressed and are kept as sent).
 */
export function checkBatch(bytes: Buffer, at: number, end: number): BatchCheck {
  const left = Math.min(end, bytes.length) - at;
  if (left < BATCH_HEADER_BYTES) return fault('batch-truncated', `${left} bytes are no batch header`);
  // The magic byte lies at the same place in the older formats, so it is looked at before anything is believed.
  if (bytes[at + MAGIC_AT] !== 2) return fault('batch-magic', `magic ${bytes[at + MAGIC_AT]}, only 2 is supported`);
  const sizeBytes = i32(bytes, at + BATCH_LENGTH_AT) + BATCH_OVERHEAD_BYTES;
  if (sizeBytes < BATCH_HEADER_BYTES) return fault('batch-header', `batch length ${sizeBytes - BATCH_OVERHEAD_BYTES}`);
  if (sizeBytes > left) return fault('batch-truncated', `the batch has ${sizeBytes} bytes, ${left} are there`);
  if (crc32c(bytes, at + ATTRIBUTES_AT, at + sizeBytes) !== i32(bytes, at + CRC_AT) >>> 0) {
    return fault('batch-crc', 'the CRC-32C of the batch does not match');
  }
  const attributes = (bytes[at + ATTRIBUTES_AT]! << 8) | bytes[at + ATTRIBUTES_AT + 1]!;
  const codec = CODECS[attributes & CODEC_MASK];
  if (codec === undefined) return fault('batch-codec', `codec ${attributes & CODEC_MASK}`);
  if ((attributes & CONTROL_BIT) !== 0) return fault('batch-control', 'the batch is a control batch');
  if ((attributes & CLAIM_BIT) !== 0) return fault('batch-header', 'attribute bit 15 is set');
  const recordCount = i32(bytes, at + RECORD_COUNT_AT);
  const lastOffsetDelta = i32(bytes, at + LAST_OFFSET_DELTA_AT);
  if (recordCount < 1 || lastOffsetDelta !== recordCount - 1) {
    return fault('batch-count', `${recordCount} records with last offset delta ${lastOffsetDelta}`);
  }
  // A record takes at least 7 bytes (length, attributes, four varints, header count); fewer means a false count.
  if (codec === 'none' && recordCount * 7 > sizeBytes - BATCH_HEADER_BYTES) {
    return fault('batch-count', `${recordCount} records in ${sizeBytes - BATCH_HEADER_BYTES} bytes`);
  }
  const maxTimestampMs = i64(bytes, at + MAX_TIMESTAMP_AT);
  const producerId = i64(bytes, at + PRODUCER_ID_AT);
  if (!Number.isSafeInteger(maxTimestampMs) || !Number.isSafeInteger(i64(bytes, at + BASE_TIMESTAMP_AT))) {
    return fault('batch-header', 'a timestamp exceeds 2^53');
  }
  if (!Number.isSafeInteger(producerId) || producerId < -1)
    return fault('batch-header', 'the producer id is not valid');
  return {
    fault: null,
    sizeBytes,
    recordCount,
    lastOffsetDelta,
    codec,
    attributes,
    maxTimestampMs,
    producerId,
    producerEpoch: (((bytes[at + PRODUCER_EPOCH_AT]! << 8) | bytes[at + PRODUCER_EPOCH_AT + 1]!) << 16) >> 16,
    baseSequence: i32(bytes, at + BASE_SEQUENCE_AT),
  };
}

/** `checkBatch` over a buffer that must hold exactly one batch; throws JournalError with the fault's code. */
export function requireBatch(batch: Buffer): BatchInfo {
  const check = checkBatch(batch, 0, batch.length);
  if (check.fault !== null) throw new JournalError(check.fault, check.detail);
  if (check.sizeBytes !== batch.length) {
    throw new JournalError('batch-truncated', `${batch.length - check.sizeBytes} bytes behind the batch`);
  }
  return check;
}

function fault(code: JournalErrorCode, detail: string): BatchFault {
  return { fault: code, detail };
}

/** Writes base offset and leader epoch in place; the CRC stays right. */
export function patchBase(batch: Buffer, baseOffset: number, leaderEpoch: number): void {
  writeI64(batch, 0, baseOffset);
  writeI32(batch, LEADER_EPOCH_AT, leaderEpoch);
}

/** Offset of the batch's first record. */
export function readBaseOffset(batch: Buffer, at = 0): number {
  return i64(batch, at);
}
/** Bytes of the whole batch. */
export function readSizeBytes(batch: Buffer, at = 0): number {
  return i32(batch, at + BATCH_LENGTH_AT) + BATCH_OVERHEAD_BYTES;
}
/** Offset after the batch's last record, by its header. */
export function readNextOffset(batch: Buffer, at = 0): number {
  return i64(batch, at) + i32(batch, at + LAST_OFFSET_DELTA_AT) + 1;
}
export function readLastOffsetDelta(batch: Buffer, at = 0): number {
  return i32(batch, at + LAST_OFFSET_DELTA_AT);
}
export function readRecordCount(batch: Buffer, at = 0): number {
  return i32(batch, at + RECORD_COUNT_AT);
}
export function readAttributes(batch: Buffer, at = 0): number {
  return (batch[at + ATTRIBUTES_AT]! << 8) | batch[at + ATTRIBUTES_AT + 1]!;
}
/** Largest record timestamp, milliseconds since the epoch; −1 = none. */
export function readMaxTimestampMs(batch: Buffer, at = 0): number {
  return i64(batch, at + MAX_TIMESTAMP_AT);
}
export function readBaseTimestampMs(batch: Buffer, at = 0): number {
  return i64(batch, at + BASE_TIMESTAMP_AT);
}

export function i32(b: Buffer, at: number): number {
  return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
}
export function i64(b: Buffer, at: number): number {
  return i32(b, at) * TWO_32 + (i32(b, at + 4) >>> 0);
}
export function writeI32(b: Buffer, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}
export function writeI64(b: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  writeI32(b, at, high | 0);
  writeI32(b, at + 4, (value - high * TWO_32) | 0);
}
