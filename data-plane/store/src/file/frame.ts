import { crc32c } from '@robustmq/wire';

/*
 * The one format of write-ahead log, segment and registry, big-endian:
 *   0 headerCrc u32 (CRC-32C of bytes 4 to 47) | 4 magic "RL" | 6 version 1 | 7 kind | 8 length u32 of the bytes behind
 *  12 bytesCrc u32 | 16 stream id u32 | 20 zero u32 | 24 base i64 | 32 next i64 | 40 timestampMs i64 | 48 bytes
 * The header has a checksum of its own, so that a frame with damaged bytes can be stepped over.
 */
export const FRAME_HEADER_BYTES = 48;

const MAGIC = 0x524c_0100;
const TWO_32 = 0x1_0000_0000;

/** What a frame is. `base` and `next` mean offsets in a chunk; elsewhere as said here. */
export const FRAME_KINDS = {
  /** A chunk of a stream. */
  chunk: 1,
  /**
   * First frame of a save of the registry; `base` is its number, above that of the one before. Also what began a flush
   * before kind 8 was: such a flush is taken frame by frame.
   */
  batch: 2,
  /** Stream `id` exists; the bytes are its name. */
  define: 3,
  /** Stream `id` begins at `base`. */
  trim: 4,
  /** Stream `id` ends at `base`. */
  truncate: 5,
  /** Stream `id` is gone. */
  remove: 6,
  /** No stream has an id of `base` or above yet. */
  nextId: 7,
  /**
   * First frame of a flush; `base` is its number, above that of the one before, and `next` the bytes of all its frames
   * with this one. A flush comes back whole or not at all.
   */
  flush: 8,
  /** What stream `id` has in shared logs numbered below `base` is void. */
  sharedFloor: 9,
  /** First frame of a shared log's index: `base` parts, layout version `id`; the bytes tell which file it is of. */
  sharedIndex: 10,
} as const;

export interface FrameHeader {
  readonly kind: number;
  readonly streamId: number;
  readonly base: number;
  readonly next: number;
  readonly timestampMs: number;
  /** Bytes behind the header, and their checksum. */
  readonly length: number;
  readonly bytesCrc: number;
}

/** Writes a header at `at`. */
export function writeFrameHeader(target: Buffer, at: number, header: FrameHeader): void {
  writeU32(target, at + 4, MAGIC | header.kind);
  writeU32(target, at + 8, header.length);
  writeU32(target, at + 12, header.bytesCrc);
  writeU32(target, at + 16, header.streamId);
  writeU32(target, at + 20, 0);
  writeI64(target, at + 24, header.base);
  writeI64(target, at + 32, header.next);
  writeI64(target, at + 40, header.timestampMs);
  writeU32(target, at, crc32c(target, at + 4, at + FRAME_HEADER_BYTES));
}

/** The header at `at`, or null when there is none that is whole. The bytes behind it are not looked at. */
export function readFrameHeader(source: Buffer, at: number): FrameHeader | null {
  if (at + FRAME_HEADER_BYTES > source.length) return null;
  const magic = readU32(source, at + 4);
  if (magic >>> 8 !== MAGIC >>> 8) return null;
  if (readU32(source, at) !== crc32c(source, at + 4, at + FRAME_HEADER_BYTES)) return null;
  return {
    kind: magic & 0xff,
    streamId: readU32(source, at + 16),
    base: readI64(source, at + 24),
    next: readI64(source, at + 32),
    timestampMs: readI64(source, at + 40),
    length: readU32(source, at + 8),
    bytesCrc: readU32(source, at + 12),
  };
}

/**
 * The header at `at` with the one bit turned back that makes it whole; null when it is whole or more than a bit is wrong.
 * A write that was torn loses sectors and not bits, so this is damage of something that was there.
 */
export function mendFrameHeader(source: Buffer, at: number): FrameHeader | null {
  if (at + FRAME_HEADER_BYTES > source.length || readFrameHeader(source, at) !== null) return null;
  const copy = Buffer.from(source.subarray(at, at + FRAME_HEADER_BYTES));
  for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit++) {
    copy[bit >> 3]! ^= 1 << (bit & 7);
    const header = readFrameHeader(copy, 0);
    if (header !== null) return header;
    copy[bit >> 3]! ^= 1 << (bit & 7);
  }
  return null;
}

/** Whether the bytes behind the header at `at` are there and have the checksum it names. */
export function frameBytesAreGood(source: Buffer, at: number, header: FrameHeader): boolean {
  const start = at + FRAME_HEADER_BYTES;
  const end = start + header.length;
  return end <= source.length && crc32c(source, start, end) === header.bytesCrc;
}

/** Version of the layout in a file that begins with a frame of another one; null when it is ours, or no frame at all. */
export function foreignVersion(source: Buffer): number | null {
  if (source.length < FRAME_HEADER_BYTES) return null;
  const magic = readU32(source, 4);
  return magic >>> 16 === MAGIC >>> 16 && magic >>> 8 !== MAGIC >>> 8 ? (magic >>> 8) & 0xff : null;
}

/**
 * Position of the next whole header at or behind `from` that `accept` takes, or −1. For finding the way behind damage.
 */
export function findFrame(source: Buffer, from: number, accept: (header: FrameHeader) => boolean): number {
  const first = MAGIC >>> 24;
  for (let at = source.indexOf(first, from + 4); at !== -1; at = source.indexOf(first, at + 1)) {
    const header = readFrameHeader(source, at - 4);
    if (header !== null && accept(header)) return at - 4;
  }
  return -1;
}

function writeU32(b: Buffer, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}
function readU32(b: Buffer, at: number): number {
  return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
}
function writeI64(b: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  writeU32(b, at, high | 0);
  writeU32(b, at + 4, (value - high * TWO_32) | 0);
}
function readI64(b: Buffer, at: number): number {
  return (readU32(b, at) | 0) * TWO_32 + readU32(b, at + 4);
}
