import { LOG_APPEND_TIME_BIT } from '@robustmq/journal';
import { crc32c } from '@robustmq/wire';

/* Where a RecordBatch v2 has what is written here (journal/src/record-batch.ts). */
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAX_TIMESTAMP_AT = 35;

/**
 * Makes `nowMs` the time of every record of a checked batch, in place: attribute bit 3, maximum timestamp and CRC. The
 * records are left as they are: readers of such a batch take its maximum timestamp (KIP-32).
 */
export function stampAppendTime(batch: Buffer, nowMs: number): void {
  batch.writeInt16BE(batch.readInt16BE(ATTRIBUTES_AT) | LOG_APPEND_TIME_BIT, ATTRIBUTES_AT);
  batch.writeBigInt64BE(BigInt(Math.trunc(nowMs)), MAX_TIMESTAMP_AT);
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT, batch.length), CRC_AT);
}
