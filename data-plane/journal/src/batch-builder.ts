import { crc32c } from '@robustmq/wire';
import {
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_OVERHEAD_BYTES,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  writeI32,
  writeI64,
} from './record-batch.ts';

/** Headers of a record: name and value in order, repeats kept. */
export type RecordHeaders = readonly (readonly [string, Buffer | null])[];

/** Below this many bytes a loop is faster than the native copy (docs/performance.md). */
const LOOP_COPY_BYTES_MAX = 48;
/** A builder that had to grow beyond this lets the memory go again with `build`. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
/** Room for what surrounds key, value and headers: length, attributes, and four varints of at most 10 bytes. */
const RECORD_FRAME_BYTES_MAX = 48;
const EMPTY = Buffer.alloc(0);

/**
 * Builds uncompressed RecordBatches v2, one after the other, in memory that is reused. Adding a record allocates
 * nothing. Timestamps are milliseconds since the epoch; offsets inside the batch begin at 0 and are patched on append.
 */
export class BatchBuilder {
  #memory: Buffer;
  #at = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;

  constructor(sizeHintBytes = 16 * 1024) {
    this.#memory = Buffer.allocUnsafeSlow(Math.max(sizeHintBytes, BATCH_HEADER_BYTES));
  }

  /** Records added since the last `build` or `reset`. */
  get count(): number {
    return this.#count;
  }
  /** Bytes the batch would have if built now. */
  get sizeBytes(): number {
    return this.#at;
  }
  /** Forgets what was added. */
  reset(): void {
    this.#at = BATCH_HEADER_BYTES;
    this.#count = 0;
  }

  /** Adds a record; key, value and headers are copied. */
  add(key: Buffer | null, value: Buffer | null, headers: RecordHeaders | null, timestampMs: number): void {
    if (value === null) this.addRange(key, EMPTY, 0, -1, headers, timestampMs);
    else this.addRange(key, value, 0, value.length, headers, timestampMs);
  }

  /** As `add`, the value being `[start, end)` of `data`, so the caller needs no view; `end` < 0 = no value (null). */
  addRange(
    key: Buffer | null,
    data: Buffer,
    start: number,
    end: number,
    headers: RecordHeaders | null,
    timestampMs: number,
  ): void {
    const valueSize = end < 0 ? 0 : end - start;
    const keySize = key === null ? 0 : key.length;
    if (this.#count === 0) {
      this.#baseTimestampMs = timestampMs;
      this.#maxTimestampMs = timestampMs;
    } else if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const delta = timestampMs - this.#baseTimestampMs;
    const headersSize = headers === null || headers.length === 0 ? 1 : sizeOfHeaders(headers);
    const size =
      1 +
      sizeOfVarlong(delta) +
      sizeOfUvarint(this.#count << 1) +
      (key === null ? 1 : sizeOfUvarint(keySize << 1) + keySize) +
      (end < 0 ? 1 : sizeOfUvarint(valueSize << 1) + valueSize) +
      headersSize;
    if (this.#at + size + RECORD_FRAME_BYTES_MAX > this.#memory.length) this.#grow(size + RECORD_FRAME_BYTES_MAX);
    const b = this.#memory;
    let at = writeUvarint(b, this.#at, size << 1);
    b[at++] = 0;
    at = writeVarlong(b, at, delta);
    at = writeUvarint(b, at, this.#count << 1);
    if (key === null) b[at++] = 1;
    else at = copyRange(key, 0, keySize, b, writeUvarint(b, at, keySize << 1));
    if (end < 0) b[at++] = 1;
    else at = copyRange(data, start, end, b, writeUvarint(b, at, valueSize << 1));
    if (headersSize === 1) b[at++] = 0;
    else at = writeHeaders(b, at, headers!);
    this.#at = at;
    this.#count++;
  }

  /** The batch as bytes of their own, with CRC; the builder is empty again. There must be at least one record. */
  build(): Buffer {
    const memory = this.#memory;
    const batch = Buffer.allocUnsafe(this.#at);
    writeI64(memory, 0, 0);
    writeI32(memory, BATCH_LENGTH_AT, this.#at - BATCH_OVERHEAD_BYTES);
    writeI32(memory, BATCH_OVERHEAD_BYTES, 0);
    memory[MAGIC_AT] = 2;
    memory[ATTRIBUTES_AT] = 0;
    memory[ATTRIBUTES_AT + 1] = 0;
    writeI32(memory, LAST_OFFSET_DELTA_AT, this.#count - 1);
    writeI64(memory, BASE_TIMESTAMP_AT, this.#baseTimestampMs);
    writeI64(memory, MAX_TIMESTAMP_AT, this.#maxTimestampMs);
    writeI64(memory, PRODUCER_ID_AT, -1);
    memory[PRODUCER_EPOCH_AT] = 0xff;
    memory[PRODUCER_EPOCH_AT + 1] = 0xff;
    writeI32(memory, BASE_SEQUENCE_AT, -1);
    writeI32(memory, RECORD_COUNT_AT, this.#count);
    memory.copy(batch, 0, 0, this.#at);
    writeI32(batch, CRC_AT, crc32c(batch, ATTRIBUTES_AT, batch.length));
    this.reset();
    if (memory.length > KEPT_BYTES_MAX) this.#memory = Buffer.allocUnsafeSlow(64 * 1024);
    return batch;
  }

  #grow(size: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#at + size, this.#memory.length * 2));
    this.#memory.copy(grown, 0, 0, this.#at);
    this.#memory = grown;
  }
}

function copyRange(source: Buffer, start: number, end: number, target: Buffer, at: number): number {
  if (end - start > LOOP_COPY_BYTES_MAX) {
    source.copy(target, at, start, end);
    return at + end - start;
  }
  for (let i = start; i < end; i++) target[at++] = source[i]!;
  return at;
}

function sizeOfHeaders(headers: RecordHeaders): number {
  let size = sizeOfUvarint(headers.length << 1);
  for (const [name, value] of headers) {
    const nameSize = Buffer.byteLength(name);
    size += sizeOfUvarint(nameSize << 1) + nameSize;
    size += value === null ? 1 : sizeOfUvarint(value.length << 1) + value.length;
  }
  return size;
}

function writeHeaders(b: Buffer, start: number, headers: RecordHeaders): number {
  let at = writeUvarint(b, start, headers.length << 1);
  for (const [name, value] of headers) {
    const nameSize = Buffer.byteLength(name);
    at = writeUvarint(b, at, nameSize << 1);
    at += b.write(name, at, nameSize, 'utf8');
    if (value === null) b[at++] = 1;
    else at = copyRange(value, 0, value.length, b, writeUvarint(b, at, value.length << 1));
  }
  return at;
}

export function sizeOfUvarint(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

export function sizeOfVarlong(value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  let size = 1;
  for (; zigzag >= 0x80; size++) zigzag = Math.floor(zigzag / 0x80);
  return size;
}

export function writeUvarint(b: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value >>> 0;
  for (; rest >= 0x80; rest >>>= 7) b[at++] = (rest & 0x7f) | 0x80;
  b[at++] = rest;
  return at;
}

/** Zigzag varint of a difference of timestamps; exact up to ±2^52. */
export function writeVarlong(b: Buffer, start: number, value: number): number {
  let at = start;
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  for (; zigzag >= 0x80; zigzag = Math.floor(zigzag / 0x80)) b[at++] = (zigzag % 0x80) | 0x80;
  b[at++] = zigzag;
  return at;
}
