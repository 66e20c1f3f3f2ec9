import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { compressSync, uncompressSync } from 'snappy';
import { JournalError } from './journal-error.ts';
import type { Codec } from './record-batch.ts';

/** Most bytes the records of one batch may decompress to; a batch that wants more is refused before it costs memory. */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** Magic, version and compatible version of snappy-java's stream format, which Kafka's Java clients write. */
const XERIAL_HEADER_BYTES = 16;
const LZ4_MAGIC = 0x184d2204;
/** LZ4 cannot expand a block more than this many times (one length byte stands for at most 255 bytes). */
const LZ4_RATIO_MAX = 255;

/**
 * Decompresses the records of a batch. Throws JournalError `batch-too-large` beyond `bytesMax` bytes of output and
 * `batch-compressed` for bytes the codec does not take.
 */
export function decompress(codec: Codec, bytes: Buffer, bytesMax = DECOMPRESSED_BYTES_MAX): Buffer {
  try {
    switch (codec) {
      case 'none':
        return bytes;
      case 'gzip':
        return gunzipSync(bytes, { maxOutputLength: bytesMax });
      case 'zstd':
        return zstdDecompressSync(bytes, { maxOutputLength: bytesMax });
      case 'snappy':
        return bytes.subarray(0, 8).equals(XERIAL_MAGIC) ? unsnappyXerial(bytes, bytesMax) : unsnappy(bytes, bytesMax);
      case 'lz4':
        limitLz4(bytes, bytesMax);
        return decompressFrameSync(bytes);
    }
  } catch (error) {
    if (error instanceof JournalError) throw error;
    const code = (error as { code?: unknown }).code;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(codec, bytesMax);
    throw new JournalError('batch-compressed', codec, { cause: error });
  }
}

/** Compresses the records of a batch; snappy in snappy-java's stream format, which all clients take. */
export function compress(codec: Codec, bytes: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(bytes);
    case 'zstd':
      return zstdCompressSync(bytes);
    case 'snappy': {
      const block = compressSync(bytes) as Buffer;
      const head = Buffer.alloc(XERIAL_HEADER_BYTES + 4);
      XERIAL_MAGIC.copy(head);
      head.writeInt32BE(1, 8);
      head.writeInt32BE(1, 12);
      head.writeInt32BE(block.length, XERIAL_HEADER_BYTES);
      return Buffer.concat([head, block]);
    }
    case 'lz4':
      return compressFrameSync(bytes);
  }
}

function unsnappy(bytes: Buffer, bytesMax: number): Buffer {
  if (snappySize(bytes) > bytesMax) throw tooLarge('snappy', bytesMax);
  return uncompressSync(bytes, { asBuffer: true }) as Buffer;
}

/** The size a raw snappy block says it has: the varint in front of it. */
function snappySize(bytes: Buffer): number {
  let size = 0;
  for (let i = 0; i < 5 && i < bytes.length; i++) {
    size += (bytes[i]! & 0x7f) * 2 ** (7 * i);
    if (bytes[i]! < 0x80) return size;
  }
  throw new JournalError('batch-compressed', 'snappy: no length');
}

/** snappy-java stream: header, then blocks of (i32 length, raw snappy). */
function unsnappyXerial(bytes: Buffer, bytesMax: number): Buffer {
  const blocks: Buffer[] = [];
  let total = 0;
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw new JournalError('batch-compressed', `snappy: block length at ${at}`);
    const size = bytes.readInt32BE(at);
    at += 4;
    if (size < 0 || at + size > bytes.length) throw new JournalError('batch-compressed', `snappy: block at ${at}`);
    const block = unsnappy(bytes.subarray(at, at + size), bytesMax - total);
    total += block.length;
    blocks.push(block);
    at += size;
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total);
}

/**
 * Refuses an LZ4 frame that could expand beyond `bytesMax` by walking its block headers: the native decoder has no
 * limit of its own. The bound is what the blocks could hold at most, so a frame of many half-empty 4 MiB blocks may be
 * refused.
 */
function limitLz4(bytes: Buffer, bytesMax: number): void {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== LZ4_MAGIC)
    throw new JournalError('batch-compressed', 'lz4: no frame');
  const flags = bytes[4]!;
  const blockSizeId = (bytes[5]! >> 4) & 7;
  if (blockSizeId < 4) throw new JournalError('batch-compressed', `lz4: block size ${blockSizeId}`);
  const blockBytesMax = 2 ** (8 + 2 * blockSizeId);
  const hasContentSize = (flags & 0x08) !== 0;
  let at = 7 + (hasContentSize ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0);
  const blockChecksumBytes = (flags & 0x10) !== 0 ? 4 : 0;
  if (hasContentSize && bytes.length >= 14 && bytes.readBigUInt64LE(6) > BigInt(bytesMax))
    throw tooLarge('lz4', bytesMax);
  let bound = 0;
  for (;;) {
    if (at + 4 > bytes.length) throw new JournalError('batch-compressed', `lz4: block at ${at}`);
    const word = bytes.readUInt32LE(at);
    at += 4;
    if (word === 0) break;
    const size = word & 0x7fff_ffff;
    if (size > bytes.length - at) throw new JournalError('batch-compressed', `lz4: block at ${at}`);
    bound += word >= 0x8000_0000 ? size : Math.min(blockBytesMax, size * LZ4_RATIO_MAX);
    if (bound > bytesMax) throw tooLarge('lz4', bytesMax);
    at += size + blockChecksumBytes;
  }
  // Frames behind the first would be decoded as well and were not counted.
  if (at + ((flags & 0x04) !== 0 ? 4 : 0) !== bytes.length) {
    throw new JournalError('batch-compressed', 'lz4: bytes behind the frame');
  }
}

function tooLarge(codec: Codec, bytesMax: number): JournalError {
  return new JournalError('batch-too-large', `${codec}: more than ${bytesMax} bytes`);
}
