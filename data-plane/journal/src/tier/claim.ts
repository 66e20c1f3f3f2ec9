import { crc32c } from '@robustmq/wire';
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_OVERHEAD_BYTES,
  CLAIM_BIT,
  CRC_AT,
  i32,
  patchBase,
  readAttributes,
  readBaseOffset,
  readSizeBytes,
  writeI32,
} from '../record-batch.ts';

/*
 * What the log holds of a batch whose body lies in object storage: the batch's header with CLAIM_BIT set, and behind it,
 * big-endian: magic u32 | version u32 | bytes of the body u32 | CRC of the body u32 (its header's) | id, 16 bytes.
 * Offsets, timestamps, producer and counts are read from it like from any batch; only its records are elsewhere.
 */
const MAGIC = 0x524d5143;
const VERSION = 1;
const ID_BYTES = 16;
const CLAIM_BYTES = BATCH_HEADER_BYTES + 16 + ID_BYTES;

/** A batch whose body is in object storage. */
export interface Claim {
  /** 32 hex digits, random: the last part of the object's key. */
  readonly id: string;
  /** Bytes of the whole batch. */
  readonly sizeBytes: number;
  /** The CRC-32C in the batch's header. */
  readonly crc: number;
}

export function claimOf(batch: Buffer, id: string): Claim {
  return { id, sizeBytes: batch.length, crc: i32(batch, CRC_AT) >>> 0 };
}
/** What the log holds instead of `batch`. */
export function encodeClaim(batch: Buffer, { id, sizeBytes, crc }: Claim): Buffer {
  const bytes = Buffer.alloc(CLAIM_BYTES);
  batch.copy(bytes, 0, 0, BATCH_HEADER_BYTES);
  writeI32(bytes, BATCH_LENGTH_AT, CLAIM_BYTES - BATCH_OVERHEAD_BYTES);
  bytes[ATTRIBUTES_AT]! |= CLAIM_BIT >> 8;
  bytes.writeUInt32BE(MAGIC, BATCH_HEADER_BYTES);
  bytes.writeUInt32BE(VERSION, BATCH_HEADER_BYTES + 4);
  bytes.writeUInt32BE(sizeBytes, BATCH_HEADER_BYTES + 8);
  bytes.writeUInt32BE(crc, BATCH_HEADER_BYTES + 12);
  bytes.write(id, BATCH_HEADER_BYTES + 16, 'hex');
  writeI32(bytes, CRC_AT, crc32c(bytes, ATTRIBUTES_AT, CLAIM_BYTES));
  return bytes;
}
/** The claim in what the log holds; null for a batch that is there itself. No client can send one: see `checkBatch`. */
export function readClaim(bytes: Buffer): Claim | null {
  if (bytes.length !== CLAIM_BYTES || (readAttributes(bytes) & CLAIM_BIT) === 0) return null;
  if (bytes.readUInt32BE(BATCH_HEADER_BYTES) !== MAGIC) return null;
  return {
    id: bytes.toString('hex', BATCH_HEADER_BYTES + 16),
    sizeBytes: bytes.readUInt32BE(BATCH_HEADER_BYTES + 8),
    crc: bytes.readUInt32BE(BATCH_HEADER_BYTES + 12),
  };
}
/** Gives the body the offsets of its claim. False when it is not the batch that was stored. `body` is written to. */
export function settleBody(body: Buffer, claimed: Buffer, { sizeBytes, crc }: Claim): boolean {
  if (body.length !== sizeBytes || readSizeBytes(body) !== sizeBytes || i32(body, CRC_AT) >>> 0 !== crc) return false;
  if (crc32c(body, ATTRIBUTES_AT, sizeBytes) !== crc) return false;
  patchBase(body, readBaseOffset(claimed), 0);
  return true;
}
