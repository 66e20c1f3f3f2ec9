import { crc32c } from '@robustmq/wire';
import { sizeOfUvarint, sizeOfVarlong, writeUvarint, writeVarlong } from '../batch-builder.ts';
import { compress } from '../compression.ts';
import { decodeRecords, type RecordView } from '../decode-records.ts';
import {
  ATTRIBUTES_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_OVERHEAD_BYTES,
  CODEC_MASK,
  CODECS,
  CRC_AT,
  DELETE_HORIZON_BIT,
  LOG_APPEND_TIME_BIT,
  MAX_TIMESTAMP_AT,
  readAttributes,
  readBaseTimestampMs,
  readMaxTimestampMs,
  readRecordCount,
  RECORD_COUNT_AT,
  writeI32,
  writeI64,
} from '../record-batch.ts';

/** What is left of a batch. */
export interface CompactedBatch {
  /** The batch itself when nothing was to be changed; null when nothing is left. */
  readonly bytes: Buffer | null;
  /** When a pass is due for its records without value; null when none is. */
  readonly horizonMs: number | null;
}

export interface CompactRules {
  /** Whether a later record has the record's key. */
  isSuperseded(record: RecordView): boolean;
  /** The batch was compacted before, so a delete horizon in it is ours and not a producer's. */
  readonly isCompacted: boolean;
  /** This record stays, with or without value: the stream's last one, so that readers can reach the end. */
  readonly keptOffset: number;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
}

/** When records without value of a batch compacted before may go; null when nothing is said. */
export function readDeleteHorizonMs(batch: Buffer): number | null {
  return (readAttributes(batch) & DELETE_HORIZON_BIT) === 0 ? null : readBaseTimestampMs(batch);
}

/**
 * Removes superseded records, and records without value whose delete horizon has passed (KIP-534). Base offset, last
 * offset delta, producer fields, codec, and the offsets and timestamps of what is kept stay as they were; the records
 * then have gaps in their offsets, as a Kafka broker's have. The argument is never written to. Throws JournalError
 * `batch-…` for a batch that cannot be decoded.
 */
export function compactBatch(batch: Buffer, rules: CompactRules): CompactedBatch {
  const known = rules.isCompacted ? readDeleteHorizonMs(batch) : null;
  const mayGo = known !== null && known <= rules.nowMs;
  const kept: Kept[] = [];
  let hasTombstone = false;
  let data = batch;
  decodeRecords(batch, (record) => {
    data = record.data;
    if (rules.isSuperseded(record)) return;
    const isTombstone = record.valueEnd < 0 && record.keyEnd >= 0;
    if (isTombstone && mayGo && record.offset !== rules.keptOffset) return;
    hasTombstone ||= isTombstone;
    kept.push({ timestampMs: record.timestampMs, bodyStart: record.bodyStart, end: record.recordEnd });
  });
  if (kept.length === 0) return { bytes: null, horizonMs: null };
  const horizonMs = hasTombstone ? (known ?? rules.nowMs + rules.deleteRetentionMs) : null;
  // A record that is due and stays goes with a later pass: no pass is made for it alone.
  const dueMs = mayGo ? null : horizonMs;
  const isSame = kept.length === readRecordCount(batch) && horizonMs === known;
  if (isSame && (known !== null || (readAttributes(batch) & DELETE_HORIZON_BIT) === 0))
    return { bytes: batch, horizonMs: dueMs };
  return { bytes: rebuild(batch, data, kept, horizonMs), horizonMs: dueMs };
}

interface Kept {
  readonly timestampMs: number;
  readonly bodyStart: number;
  readonly end: number;
}

function rebuild(batch: Buffer, data: Buffer, kept: readonly Kept[], horizonMs: number | null): Buffer {
  const attributes = readAttributes(batch);
  const isAppendTime = (attributes & LOG_APPEND_TIME_BIT) !== 0;
  const hadHorizon = (attributes & DELETE_HORIZON_BIT) !== 0;
  // Without a horizon any more, some timestamp has to be the base again.
  const base = horizonMs ?? (hadHorizon ? kept[0]!.timestampMs : readBaseTimestampMs(batch));
  const codec = CODECS[attributes & CODEC_MASK]!;
  const records = compress(codec, joinRecords(data, kept, base));
  const rebuilt = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
  batch.copy(rebuilt, 0, 0, BATCH_HEADER_BYTES);
  records.copy(rebuilt, BATCH_HEADER_BYTES);
  writeI32(rebuilt, BATCH_LENGTH_AT, rebuilt.length - BATCH_OVERHEAD_BYTES);
  const marked = horizonMs === null ? attributes & ~DELETE_HORIZON_BIT : attributes | DELETE_HORIZON_BIT;
  rebuilt[ATTRIBUTES_AT] = marked >> 8;
  rebuilt[ATTRIBUTES_AT + 1] = marked & 0xff;
  writeI64(rebuilt, BASE_TIMESTAMP_AT, base);
  let maxTimestampMs = readMaxTimestampMs(batch);
  if (!isAppendTime) {
    maxTimestampMs = kept[0]!.timestampMs;
    for (const { timestampMs } of kept) if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs;
  }
  writeI64(rebuilt, MAX_TIMESTAMP_AT, maxTimestampMs);
  writeI32(rebuilt, RECORD_COUNT_AT, kept.length);
  writeI32(rebuilt, CRC_AT, crc32c(rebuilt, ATTRIBUTES_AT, rebuilt.length));
  return rebuilt;
}

/** The kept records with their timestamps counted from `baseTimestampMs`; everything behind the timestamp is copied. */
function joinRecords(data: Buffer, kept: readonly Kept[], baseTimestampMs: number): Buffer {
  let total = 0;
  const sizes = kept.map(({ timestampMs, bodyStart, end }) => {
    const size = 1 + sizeOfVarlong(timestampMs - baseTimestampMs) + end - bodyStart;
    total += size + sizeOfUvarint(size << 1);
    return size;
  });
  const joined = Buffer.allocUnsafe(total);
  let at = 0;
  kept.forEach(({ timestampMs, bodyStart, end }, i) => {
    at = writeUvarint(joined, at, sizes[i]! << 1);
    joined[at++] = 0;
    at = writeVarlong(joined, at, timestampMs - baseTimestampMs);
    at += data.copy(joined, at, bodyStart, end);
  });
  return joined;
}
