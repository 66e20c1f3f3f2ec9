import { WireError } from './wire-error.ts';

const TWO_32 = 0x1_0000_0000;

/**
 * Bounds-checked big-endian cursor over `[start, end)` of a buffer. Every method throws `WireError` instead of reading
 * past the end. Byte fields are views, not copies. 64-bit integers are JavaScript numbers and refused beyond ±2^53.
 */
export class Reader {
  readonly buffer: Buffer;
  readonly end: number;
  /** Offset of the next byte. */
  at: number;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  /** Moves past `size` bytes and returns where they began. */
  skip(size: number): number {
    const at = this.at;
    if (size < 0 || size > this.end - at) {
      throw new WireError('truncated', at, `needs ${size} bytes at offset ${at}, ${this.end - at} are left`);
    }
    this.at = at + size;
    return at;
  }

  u8(): number {
    return this.buffer[this.skip(1)]!;
  }
  i8(): number {
    return (this.u8() << 24) >> 24;
  }
  u16(): number {
    const at = this.skip(2);
    return (this.buffer[at]! << 8) | this.buffer[at + 1]!;
  }
  i16(): number {
    return (this.u16() << 16) >> 16;
  }
  i32(): number {
    const at = this.skip(4);
    const b = this.buffer;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }
  u32(): number {
    return this.i32() >>> 0;
  }
  /** Signed 64-bit integer as a number; throws `out-of-range` beyond ±2^53. */
  i64(): number {
    const at = this.at;
    const value = this.i32() * TWO_32 + this.u32();
    if (!Number.isSafeInteger(value)) throw new WireError('out-of-range', at, `64-bit integer at ${at} exceeds 2^53`);
    return value;
  }
  /** Signed 64-bit integer with no loss, for fields that are not counted with (ids, masks). */
  i64Exact(): bigint {
    return this.buffer.readBigInt64BE(this.skip(8));
  }
  f64(): number {
    return this.buffer.readDoubleBE(this.skip(8));
  }
  /** View of the next `size` bytes. */
  bytes(size: number): Buffer {
    const at = this.skip(size);
    return this.buffer.subarray(at, at + size);
  }
  /** UTF-8 text of `size` bytes; malformed sequences become U+FFFD (protocols that forbid them check first). */
  text(size: number): string {
    const at = this.skip(size);
    return this.buffer.toString('utf8', at, at + size);
  }
  /** Unsigned LEB128, at most 5 bytes / 2^32 - 1 (Kafka UNSIGNED_VARINT). */
  uvarint(): number {
    const from = this.at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value >= TWO_32) throw new WireError('malformed-varint', from, `varint at ${from} exceeds 32 bits`);
        return value;
      }
    }
    throw new WireError('malformed-varint', from, `varint at ${from} is longer than 5 bytes`);
  }
  /** Zigzag varint, 32 bits (Kafka VARINT). */
  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }
  /** Zigzag varint, 64 bits, as a safe number (Kafka VARLONG). */
  varlong(): number {
    const from = this.at;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.u8();
      if (shift < 28) low += (byte & 0x7f) * 2 ** shift;
      else high += (byte & 0x7f) * 2 ** (shift - 28);
      if (byte < 0x80) {
        const odd = low & 1;
        const half = high * 2 ** 27 + Math.floor(low / 2);
        const value = odd ? -half - 1 : half;
        if (!Number.isSafeInteger(value)) throw new WireError('out-of-range', from, `varlong at ${from} exceeds 2^53`);
        return value;
      }
    }
    throw new WireError('malformed-varint', from, `varlong at ${from} is longer than 10 bytes`);
  }
}
