import { createHash } from 'node:crypto';
import type { Chunk } from '@robustmq/store';
import { crc32c } from '@robustmq/wire';
import { checkBatch, readBaseOffset, readMaxTimestampMs, readNextOffset } from '../record-batch.ts';

/*
 * One object: the chunks as they are, one behind the other, then the footer, big-endian:
 *   0 chunk count u32 | 4 base offset f64 | then of each chunk: next offset f64, timestamp f64, bytes u32, CRC-32C u32
 * then the trailer: magic u32 | version u32 | footer bytes u32 | CRC-32C of the footer u32
 * The footer holds the CRC of every chunk, so the footer's CRC covers the whole object.
 */
const MAGIC = 0x524d5154;
const VERSION = 1;
const FOOTER_HEAD_BYTES = 12;
const ENTRY_BYTES = 24;
const TRAILER_BYTES = 16;
/** Chunks are read and cached in blocks of at least this many bytes; a larger chunk is a block of its own. */
export const BLOCK_BYTES = 256 * 1024;

/** An object about to be stored. */
export interface EncodedObject {
  readonly buffers: readonly Buffer[];
  readonly sizeBytes: number;
  /** Bytes of chunks; the footer begins there. */
  readonly dataBytes: number;
  /** First 16 hex digits of the SHA-256 over all bytes. */
  readonly hash: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly maxTimestampMs: number;
}

/** Which chunk lies where in an object. Chunk `i` covers offsets `[offsets[i], offsets[i + 1])`. */
export class ObjectIndex {
  readonly count: number;
  readonly offsets: Float64Array;
  readonly timestamps: Float64Array;
  /** Chunk `i` is at bytes `[positions[i], positions[i + 1])`. */
  readonly positions: Float64Array;
  readonly crcs: Uint32Array;
  /** First chunk of each block, and `count` at the end. */
  readonly blocks: number[] = [0];

  constructor(
    chunks: readonly { nextOffset: number; timestampMs: number; sizeBytes: number; crc: number }[],
    base: number,
  ) {
    this.count = chunks.length;
    this.offsets = new Float64Array(this.count + 1);
    this.timestamps = new Float64Array(this.count);
    this.positions = new Float64Array(this.count + 1);
    this.crcs = new Uint32Array(this.count);
    this.offsets[0] = base;
    let blockAt = 0;
    chunks.forEach((chunk, i) => {
      const at = this.positions[i]!;
      if (at - blockAt >= BLOCK_BYTES) {
        this.blocks.push(i);
        blockAt = at;
      }
      this.offsets[i + 1] = chunk.nextOffset;
      this.timestamps[i] = chunk.timestampMs;
      this.positions[i + 1] = at + chunk.sizeBytes;
      this.crcs[i] = chunk.crc;
    });
    this.blocks.push(this.count);
  }
  /** What it takes in memory, roughly. */
  get sizeBytes(): number {
    return this.count * 28 + this.blocks.length * 8 + 200;
  }
  /** The chunk that holds `offset`; `count` when it lies behind all. */
  chunkAt(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.offsets[middle + 1]! > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
  blockOf(chunk: number): number {
    let low = 0;
    let high = this.blocks.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.blocks[middle]! <= chunk) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Lays contiguous chunks out as an object; there must be at least one. The same chunks give the same object. */
export function encodeObject(chunks: readonly Chunk[]): EncodedObject {
  const baseOffset = chunks[0]!.baseOffset;
  const footer = Buffer.alloc(FOOTER_HEAD_BYTES + chunks.length * ENTRY_BYTES + TRAILER_BYTES);
  footer.writeUInt32BE(chunks.length, 0);
  footer.writeDoubleBE(baseOffset, 4);
  let dataBytes = 0;
  let maxTimestampMs = -1;
  let at = FOOTER_HEAD_BYTES;
  for (const { nextOffset, timestampMs, bytes } of chunks) {
    footer.writeDoubleBE(nextOffset, at);
    footer.writeDoubleBE(timestampMs, at + 8);
    footer.writeUInt32BE(bytes.length, at + 16);
    footer.writeUInt32BE(crc32c(bytes), at + 20);
    at += ENTRY_BYTES;
    dataBytes += bytes.length;
    maxTimestampMs = Math.max(maxTimestampMs, timestampMs);
  }
  footer.writeUInt32BE(MAGIC, at);
  footer.writeUInt32BE(VERSION, at + 4);
  footer.writeUInt32BE(at, at + 8);
  footer.writeUInt32BE(crc32c(footer, 0, at), at + 12);
  const nextOffset = chunks.at(-1)!.nextOffset;
  const buffers = [...chunks.map((chunk) => chunk.bytes), footer];
  return {
    buffers,
    sizeBytes: dataBytes + footer.length,
    dataBytes,
    hash: contentHash(buffers),
    baseOffset,
    nextOffset,
    maxTimestampMs,
  };
}

/** First 16 hex digits of the SHA-256 over all bytes of an object. */
export function contentHash(buffers: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const buffer of buffers) hash.update(buffer);
  return hash.digest('hex').slice(0, 16);
}

/** The index in the bytes behind an object's chunks; null when they are damaged or do not belong to `[base, next)`. */
export function decodeFooter(
  bytes: Buffer,
  baseOffset: number,
  nextOffset: number,
  dataBytes: number,
): ObjectIndex | null {
  const at = bytes.length - TRAILER_BYTES;
  if (at < FOOTER_HEAD_BYTES + ENTRY_BYTES || bytes.readUInt32BE(at) !== MAGIC) return null;
  if (bytes.readUInt32BE(at + 4) !== VERSION || bytes.readUInt32BE(at + 8) !== at) return null;
  if (crc32c(bytes, 0, at) !== bytes.readUInt32BE(at + 12)) return null;
  const count = bytes.readUInt32BE(0);
  if (count * ENTRY_BYTES + FOOTER_HEAD_BYTES !== at || bytes.readDoubleBE(4) !== baseOffset) return null;
  const chunks = [];
  for (let i = FOOTER_HEAD_BYTES; i < at; i += ENTRY_BYTES) {
    chunks.push({
      nextOffset: bytes.readDoubleBE(i),
      timestampMs: bytes.readDoubleBE(i + 8),
      sizeBytes: bytes.readUInt32BE(i + 16),
      crc: bytes.readUInt32BE(i + 20),
    });
  }
  const index = new ObjectIndex(chunks, baseOffset);
  return index.offsets[count] === nextOffset && index.positions[count] === dataBytes ? index : null;
}

/**
 * The index of an object whose footer is lost, from the batches themselves as far as they can be followed. What lies
 * behind the first one that cannot is one chunk that fails its check. Only of objects without empty chunks in the
 * middle, which is all that are written.
 */
export function rebuildIndex(data: Buffer, baseOffset: number, nextOffset: number): ObjectIndex {
  const chunks = [];
  let expected = baseOffset;
  let at = 0;
  while (at < data.length) {
    const check = checkBatch(data, at, data.length);
    // Compacted batches have fewer records than offsets: their own CRC and place in the order must do.
    const size = check.fault === null ? check.sizeBytes : compactedSize(data, at);
    if (size === 0 || readBaseOffset(data, at) < expected || readNextOffset(data, at) > nextOffset) break;
    const end = readNextOffset(data, at);
    const crc = crc32c(data, at, at + size);
    chunks.push({ nextOffset: end, timestampMs: readMaxTimestampMs(data, at), sizeBytes: size, crc });
    expected = end;
    at += size;
  }
  if (at < data.length || expected < nextOffset) {
    const sizeBytes = data.length - at;
    const rest = crc32c(data, at);
    // Nothing is left: the empty end of a compacted range. Something is: it cannot be told apart, so it must not pass.
    chunks.push({ nextOffset, timestampMs: -1, sizeBytes, crc: sizeBytes === 0 ? rest : (rest ^ 1) >>> 0 });
  }
  return new ObjectIndex(chunks, baseOffset);
}

function compactedSize(data: Buffer, at: number): number {
  if (data.length - at < 61 || data[at + 16] !== 2) return 0;
  const size = data.readInt32BE(at + 8) + 12;
  if (size < 61 || size > data.length - at) return 0;
  return crc32c(data, at + 21, at + size) === data.readUInt32BE(at + 17) ? size : 0;
}
