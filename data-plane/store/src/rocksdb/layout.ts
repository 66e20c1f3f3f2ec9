import { crc32c } from '@robustmq/wire';
import type { Chunk } from '../log.ts';
import { StoreError } from '../store-error.ts';

/*
 * What is under which key; numbers are big endian, so that keys order as streams and offsets do.
 *   's' stream:u32               JSON {name, startOffset}
 *   'c' stream:u32 base:u64      chunk: crc32c:u32 of all that follows, nextOffset:u64, timestampMs:f64, bytes
 *   'i' stream:u32 base:u64      block of chunks: endOffset:u64, sizeBytes:u64, timestampMsMax:f64
 */
const CHUNK_HEADER_BYTES = 20;

/** A run of chunks that follow each other: what is known without reading them. */
export interface Block {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly sizeBytes: number;
  readonly timestampMsMax: number;
}

export interface StreamRecord {
  readonly name: string;
  readonly startOffset: number;
}

export function streamKey(stream: number): Buffer {
  return key('s', stream);
}
export function chunkKey(stream: number, baseOffset: number): Buffer {
  return key('c', stream, baseOffset);
}
export function blockKey(stream: number, baseOffset: number): Buffer {
  return key('i', stream, baseOffset);
}
/** The first key behind all of a stream's of one kind. */
export function endKey(kind: 'c' | 'i', stream: number): Buffer {
  return key(kind, stream + 1, 0);
}
/** Bounds of all stream records. */
export const STREAM_KEYS = { gte: Buffer.from('s'), lt: Buffer.from('t') };

export function streamOf(recordKey: Buffer): number {
  return recordKey.readUInt32BE(1);
}
export function offsetOf(recordKey: Buffer): number {
  return Number(recordKey.readBigUInt64BE(5));
}

export function encodeStream(record: StreamRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}
export function decodeStream(value: Buffer): StreamRecord {
  return JSON.parse(value.toString()) as StreamRecord;
}

export function encodeChunk({ nextOffset, timestampMs, bytes }: Chunk): Buffer {
  const value = Buffer.allocUnsafe(CHUNK_HEADER_BYTES + bytes.length);
  value.writeBigUInt64BE(BigInt(nextOffset), 4);
  value.writeDoubleBE(timestampMs, 12);
  bytes.copy(value, CHUNK_HEADER_BYTES);
  value.writeUInt32BE(crc32c(value, 4), 0);
  return value;
}
/** Throws `corrupt` when the bytes are not those that were written. */
export function decodeChunk(where: string, recordKey: Buffer, value: Buffer): Chunk {
  const baseOffset = offsetOf(recordKey);
  if (value.length < CHUNK_HEADER_BYTES || value.readUInt32BE(0) !== crc32c(value, 4)) {
    throw new StoreError('corrupt', `${where} at ${baseOffset}`);
  }
  const nextOffset = Number(value.readBigUInt64BE(4));
  return { baseOffset, nextOffset, timestampMs: value.readDoubleBE(12), bytes: value.subarray(CHUNK_HEADER_BYTES) };
}

/** What is known of a chunk without looking at its bytes, which may be damaged; null when not even that is there. */
export function peekChunk(recordKey: Buffer, value: Buffer): Block | null {
  const baseOffset = offsetOf(recordKey);
  if (value.length < CHUNK_HEADER_BYTES) return null;
  const endOffset = Number(value.readBigUInt64BE(4));
  return {
    baseOffset,
    endOffset,
    sizeBytes: value.length - CHUNK_HEADER_BYTES,
    timestampMsMax: value.readDoubleBE(12),
  };
}

export function encodeBlock(block: Block): Buffer {
  const value = Buffer.allocUnsafe(24);
  value.writeBigUInt64BE(BigInt(block.endOffset), 0);
  value.writeBigUInt64BE(BigInt(block.sizeBytes), 8);
  value.writeDoubleBE(block.timestampMsMax, 16);
  return value;
}
export function decodeBlock(recordKey: Buffer, value: Buffer): Block {
  return {
    baseOffset: offsetOf(recordKey),
    endOffset: Number(value.readBigUInt64BE(0)),
    sizeBytes: Number(value.readBigUInt64BE(8)),
    timestampMsMax: value.readDoubleBE(16),
  };
}

/** The block that is exactly this chunk. */
export function blockOfChunk(chunk: Chunk): Block {
  const { baseOffset, nextOffset: endOffset, timestampMs: timestampMsMax } = chunk;
  return { baseOffset, endOffset, sizeBytes: chunk.bytes.length, timestampMsMax };
}
/** Blocks that follow each other as one; there must be one. */
export function joinBlocks(blocks: readonly Block[]): Block {
  return {
    baseOffset: blocks[0]!.baseOffset,
    endOffset: blocks.at(-1)!.endOffset,
    sizeBytes: blocks.reduce((sum, block) => sum + block.sizeBytes, 0),
    timestampMsMax: Math.max(...blocks.map((block) => block.timestampMsMax)),
  };
}

function key(kind: 's' | 'c' | 'i', stream: number, offset?: number): Buffer {
  const bytes = Buffer.allocUnsafe(offset === undefined ? 5 : 13);
  bytes.write(kind, 0, 'latin1');
  bytes.writeUInt32BE(stream, 1);
  if (offset !== undefined) bytes.writeBigUInt64BE(BigInt(offset), 5);
  return bytes;
}
