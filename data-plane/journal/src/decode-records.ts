import { decompress, DECOMPRESSED_BYTES_MAX } from './compression.ts';
import { JournalError } from './journal-error.ts';
import {
  BATCH_HEADER_BYTES,
  CODEC_MASK,
  CODECS,
  LOG_APPEND_TIME_BIT,
  readAttributes,
  readBaseOffset,
  readBaseTimestampMs,
  readLastOffsetDelta,
  readMaxTimestampMs,
  readRecordCount,
  readSizeBytes,
} from './record-batch.ts';

/** One record while it is visited. The object is reused: take what must outlive the call out of it. */
export interface RecordView {
  readonly offset: number;
  /** Milliseconds since the epoch; −1 = none. */
  readonly timestampMs: number;
  /** The buffer that the positions below point into: the batch itself, or its decompressed records. */
  readonly data: Buffer;
  readonly keyStart: number;
  /** −1 = the record has no key. */
  readonly keyEnd: number;
  readonly valueStart: number;
  /** −1 = the record has no value. */
  readonly valueEnd: number;
  readonly headerCount: number;
  /** Position of the record behind its attributes and timestamp: offset delta, key, value, headers. */
  readonly bodyStart: number;
  /** Position behind the record. */
  readonly recordEnd: number;
  /** Views, made when asked for. */
  key(): Buffer | null;
  value(): Buffer | null;
  /** Headers in order; null when there are none. Throws JournalError `batch-record` when they are malformed. */
  headers(): (readonly [string, Buffer | null])[] | null;
}

export interface DecodeOptions {
  /** Most bytes the records may decompress to; default 64 MiB. */
  readonly decompressedBytesMax?: number;
}

/**
 * Visits the records of one batch in order; `visit` returning false ends it. Synchronous, all codecs. Throws
 * JournalError with a `batch-…` code for anything malformed and nothing else; records in front of the fault were
 * visited by then. The CRC is not looked at again (`checkBatch` did).
 */
export function decodeRecords(
  batch: Buffer,
  visit: (record: RecordView) => boolean | void,
  options: DecodeOptions = {},
): void {
  if (batch.length < BATCH_HEADER_BYTES) throw new JournalError('batch-truncated', `${batch.length} bytes`);
  const end = readSizeBytes(batch);
  if (end < BATCH_HEADER_BYTES || end > batch.length) throw new JournalError('batch-truncated', `says ${end} bytes`);
  const attributes = readAttributes(batch);
  const codec = CODECS[attributes & CODEC_MASK];
  if (codec === undefined) throw new JournalError('batch-codec', `codec ${attributes & CODEC_MASK}`);
  const plain = codec === 'none';
  const data = plain
    ? batch
    : decompress(
        codec,
        batch.subarray(BATCH_HEADER_BYTES, end),
        options.decompressedBytesMax ?? DECOMPRESSED_BYTES_MAX,
      );
  const cursor = new RecordCursor(data, plain ? BATCH_HEADER_BYTES : 0, plain ? end : data.length);
  const baseOffset = readBaseOffset(batch);
  const lastOffsetDelta = readLastOffsetDelta(batch);
  const baseTimestampMs = readBaseTimestampMs(batch);
  const appendTimeMs = (attributes & LOG_APPEND_TIME_BIT) !== 0 ? readMaxTimestampMs(batch) : null;
  const count = readRecordCount(batch);
  for (let i = 0; i < count; i++) {
    cursor.next();
    if (cursor.offsetDelta < 0 || cursor.offsetDelta > lastOffsetDelta) throw cursor.fault('offset delta');
    cursor.offset = baseOffset + cursor.offsetDelta;
    cursor.timestampMs = appendTimeMs ?? baseTimestampMs + cursor.timestampDelta;
    if (visit(cursor) === false) return;
  }
}

/** Walks records `[at, end)` of `data`; every read is checked against the end of the record it belongs to. */
class RecordCursor implements RecordView {
  readonly data: Buffer;
  readonly #end: number;
  #at: number;
  /** End of the record being read: nothing of it may lie beyond. */
  #recordEnd: number;
  #headersAt = 0;
  bodyStart = 0;
  offset = 0;
  timestampMs = 0;
  offsetDelta = 0;
  timestampDelta = 0;
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  headerCount = 0;

  constructor(data: Buffer, at: number, end: number) {
    this.data = data;
    this.#at = at;
    this.#end = end;
    this.#recordEnd = end;
  }

  get recordEnd(): number {
    return this.#recordEnd;
  }
  next(): void {
    this.#recordEnd = this.#end;
    const size = this.#varint();
    if (size < 0 || size > this.#end - this.#at) throw this.fault('length');
    this.#recordEnd = this.#at + size;
    this.#skip(1);
    this.timestampDelta = this.#varlong();
    this.bodyStart = this.#at;
    this.offsetDelta = this.#varint();
    const keySize = this.#varint();
    this.keyStart = this.#at;
    this.keyEnd = keySize < 0 ? -1 : this.#skip(keySize);
    const valueSize = this.#varint();
    this.valueStart = this.#at;
    this.valueEnd = valueSize < 0 ? -1 : this.#skip(valueSize);
    this.headerCount = this.#varint();
    // A header takes at least two bytes, so a false count cannot make anybody loop.
    if (this.headerCount < 0 || this.headerCount * 2 > this.#recordEnd - this.#at) throw this.fault('header count');
    this.#headersAt = this.#at;
    this.#at = this.#recordEnd;
  }
  key(): Buffer | null {
    return this.keyEnd < 0 ? null : this.data.subarray(this.keyStart, this.keyEnd);
  }
  value(): Buffer | null {
    return this.valueEnd < 0 ? null : this.data.subarray(this.valueStart, this.valueEnd);
  }
  headers(): (readonly [string, Buffer | null])[] | null {
    if (this.headerCount === 0) return null;
    const found: (readonly [string, Buffer | null])[] = [];
    const resume = this.#at;
    this.#at = this.#headersAt;
    for (let i = 0; i < this.headerCount; i++) {
      const nameSize = this.#varint();
      if (nameSize < 0) throw this.fault('header name');
      const nameAt = this.#at;
      const name = this.data.toString('utf8', nameAt, this.#skip(nameSize));
      const valueSize = this.#varint();
      const valueAt = this.#at;
      found.push([name, valueSize < 0 ? null : this.data.subarray(valueAt, this.#skip(valueSize))]);
    }
    this.#at = resume;
    return found;
  }
  fault(what: string): JournalError {
    return new JournalError('batch-record', `${what} at byte ${this.#at}`);
  }

  #skip(size: number): number {
    if (size > this.#recordEnd - this.#at) throw this.fault(`${size} bytes`);
    this.#at += size;
    return this.#at;
  }
  /** Zigzag, 32 bits. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#at >= this.#recordEnd) throw this.fault('varint');
      const byte = this.data[this.#at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw this.fault('varint');
  }
  /** Zigzag, 64 bits, refused beyond ±2^52. */
  #varlong(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= this.#recordEnd) throw this.fault('varlong');
      const byte = this.data[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw this.fault('varlong');
        return value % 2 === 1 ? -(value - 1) / 2 - 1 : value / 2;
      }
      scale *= 128;
    }
    throw this.fault('varlong');
  }
}
