export * from './commit.ts';
export * from './journal-types.ts';
export * from './journal-error.ts';
export { Journal, type JournalOptions } from './journal.ts';
export type { ObjectRequestListener } from './tier/object-meter.ts';
export type { Claim } from './tier/claim.ts';
export { objectsOf } from './tier/object-key.ts';
export { KEY_INDEX_KEYS_MAX } from './compaction/key-index.ts';
export { BatchBuilder, type RecordHeaders } from './batch-builder.ts';
export { decodeRecords, type DecodeOptions, type RecordView } from './decode-records.ts';
export { compressElsewhere } from './compress-elsewhere.ts';
export { decompress, DECOMPRESSED_BYTES_MAX } from './compression.ts';
export {
  BATCH_HEADER_BYTES,
  CODECS,
  CONTROL_BIT,
  DELETE_HORIZON_BIT,
  LOG_APPEND_TIME_BIT,
  TRANSACTIONAL_BIT,
  checkBatch,
  patchBase,
  readAttributes,
  readBaseOffset,
  readBaseTimestampMs,
  readLastOffsetDelta,
  readMaxTimestampMs,
  readNextOffset,
  readRecordCount,
  readSizeBytes,
  requireBatch,
  type BatchCheck,
  type BatchFault,
  type BatchInfo,
  type Codec,
} from './record-batch.ts';
