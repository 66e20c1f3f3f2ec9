import { BatchBuilder, CONTROL_BIT, TRANSACTIONAL_BIT } from '@robustmq/journal';
import { crc32c } from '@robustmq/wire';

/** Where the fields of a RecordBatch v2 lie that a marker sets (KIP-98; see the journal's record-batch.ts). */
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
/** Control record: key = version i16, type i16 (0 abort, 1 commit); value = version i16, coordinator epoch i32. */
const VALUE = Buffer.alloc(6);
const ABORT_KEY = Buffer.from([0, 0, 0, 0]);
const COMMIT_KEY = Buffer.from([0, 0, 0, 1]);

/** The batch that ends a producer's transaction in one partition. */
export function controlBatch(producerId: number, producerEpoch: number, commit: boolean, timestampMs: number): Buffer {
  const builder = new BatchBuilder(128);
  builder.add(commit ? COMMIT_KEY : ABORT_KEY, VALUE, null, timestampMs);
  const batch = builder.build();
  batch.writeInt16BE(TRANSACTIONAL_BIT | CONTROL_BIT, ATTRIBUTES_AT);
  batch.writeBigInt64BE(BigInt(producerId), PRODUCER_ID_AT);
  batch.writeInt16BE(producerEpoch, PRODUCER_EPOCH_AT);
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT, batch.length), CRC_AT);
  return batch;
}

/** Which producer sent a batch; −1 = not an idempotent one. */
export function producerOf(batch: Buffer): number {
  return Number(batch.readBigInt64BE(PRODUCER_ID_AT));
}
export function producerEpochOf(batch: Buffer): number {
  return batch.readInt16BE(PRODUCER_EPOCH_AT);
}
