import { CODECS, type Codec, compressElsewhere, decompress, type Topic } from '@robustmq/broker';
import { crc32c } from '@robustmq/wire';
import { ERROR, type ErrorCode } from './errors.ts';
import { MessageSetError, upConvert } from './old-formats.ts';
import { BATCH_HEADER_BYTES, batchSizeAt, isControl, magicOf } from './record-batch.ts';

const LENGTH_AT = 8;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const CODEC_MASK = 0x07;
/** Bytes in front of what a batch's length counts. */
const OVERHEAD_BYTES = 12;
/** The codec of a RecordBatch v2, undefined for a number nobody knows. */
export function codecOfBatch(batch: Buffer): Codec | undefined {
  return CODECS[batch.readInt16BE(ATTRIBUTES_AT) & CODEC_MASK];
}

/**
 * The same batch with its records packed by `codec`: header and records stay as they are, attributes, length and CRC become
 * right. The batch's own CRC must have been checked. Throws JournalError `batch-too-large` for more than `sizeBytesMax`
 * unpacked bytes and `batch-compressed` for bytes that their codec does not take.
 */
export async function repack(batch: Buffer, codec: Codec, sizeBytesMax: number): Promise<Buffer> {
  const before = codecOfBatch(batch)!;
  const records = decompress(before, batch.subarray(BATCH_HEADER_BYTES), sizeBytesMax);
  // off the event loop: a shared node goes on meanwhile
  const packed = await compressElsewhere(codec, records);
  const repacked = Buffer.allocUnsafeSlow(BATCH_HEADER_BYTES + packed.length);
  batch.copy(repacked, 0, 0, BATCH_HEADER_BYTES);
  packed.copy(repacked, BATCH_HEADER_BYTES);
  repacked.writeInt32BE(repacked.length - OVERHEAD_BYTES, LENGTH_AT);
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  repacked.writeInt16BE((attributes & ~CODEC_MASK) | CODECS.indexOf(codec), ATTRIBUTES_AT);
  repacked.writeUInt32BE(crc32c(repacked, ATTRIBUTES_AT, repacked.length), CRC_AT);
  return repacked;
}

/** Whether the batch's CRC-32C is that of its bytes. */
export function isWhole(batch: Buffer): boolean {
  return crc32c(batch, ATTRIBUTES_AT, batch.length) === batch.readUInt32BE(CRC_AT);
}

/** Why records could not be packed anew. */
export interface Unpackable {
  readonly errorCode: ErrorCode;
  readonly message: string;
}
/** Found out while packing, told when the records' turn comes. */
const unpackable = new WeakMap<Buffer, Unpackable>();

/** Why `records`, which `packFor` gave, may not be appended; undefined = they may. */
export function refusalOf(records: Buffer): Unpackable | undefined {
  return unpackable.get(records);
}

/** The codec that `records` must be packed with for the topic (`compression.type`), null = they may stay as they are. */
export function codecFor({ compression }: Topic, records: Buffer): Codec | null {
  if (compression === undefined || compression === 'producer') return null;
  const magic = magicOf(records);
  if (magic === 0 || magic === 1) return compression;
  // what is no single batch of records is refused later
  if (magic !== 2 || batchSizeAt(records, 0) !== records.length || isControl(records)) return null;
  return codecOfBatch(records) === compression ? null : compression;
}

/** `records` packed with `codec`, message sets of formats v0 and v1 as a batch; as they were where `refusalOf` says why. */
export async function packFor(
  records: Buffer,
  codec: Codec,
  limits: { readonly repackSizeBytesMax: number },
  messageSizeBytesMax: number,
): Promise<Buffer> {
  try {
    const batch = magicOf(records) === 2 ? records : upConvert(records, messageSizeBytesMax);
    // a wrong CRC must not become a right one: the append refuses it
    if (codecOfBatch(batch) === undefined || !isWhole(batch)) return records;
    return await repack(batch, codec, limits.repackSizeBytesMax);
  } catch (error) {
    const tooLarge = (error as { code?: unknown }).code === 'batch-too-large';
    const errorCode = tooLarge ? ERROR.MESSAGE_TOO_LARGE : ERROR.CORRUPT_MESSAGE;
    const message =
      error instanceof MessageSetError
        ? error.message
        : tooLarge
          ? `the records unpack to more than ${limits.repackSizeBytesMax} bytes`
          : 'the records cannot be unpacked';
    unpackable.set(records, { errorCode, message });
    return records;
  }
}
