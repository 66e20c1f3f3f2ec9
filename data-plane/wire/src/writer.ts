const TWO_32 = 0x1_0000_0000;

/** Growable big-endian byte builder. Reusable: `reset()` keeps the memory. */
export class Writer {
  buffer: Buffer;
  /** Offset of the next byte = bytes written. */
  at = 0;

  constructor(sizeHint = 256) {
    this.buffer = Buffer.allocUnsafeSlow(sizeHint);
  }

  reset(): void {
    this.at = 0;
  }
  /** A copy of what was written. */
  toBuffer(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.at));
  }
  /** A view of what was written, valid until the next write or reset. */
  view(): Buffer {
    return this.buffer.subarray(0, this.at);
  }
  /** Makes room for `size` bytes, moves past them and returns where they begin. */
  reserve(size: number): number {
    const at = this.at;
    const need = at + size;
    if (need > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.at = need;
    return at;
  }

  u8(value: number): this {
    const at = this.reserve(1);
    this.buffer[at] = value;
    return this;
  }
  i8(value: number): this {
    return this.u8(value & 0xff);
  }
  u16(value: number): this {
    const at = this.reserve(2);
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    return this;
  }
  i16(value: number): this {
    return this.u16(value & 0xffff);
  }
  i32(value: number): this {
    this.patchI32(this.reserve(4), value);
    return this;
  }
  u32(value: number): this {
    return this.i32(value | 0);
  }
  /** Signed 64-bit integer from a safe number. */
  i64(value: number): this {
    const high = Math.floor(value / TWO_32);
    this.i32(high | 0);
    return this.i32((value - high * TWO_32) | 0);
  }
  i64Exact(value: bigint): this {
    const at = this.reserve(8);
    this.buffer.writeBigInt64BE(value, at);
    return this;
  }
  f64(value: number): this {
    const at = this.reserve(8);
    this.buffer.writeDoubleBE(value, at);
    return this;
  }
  bytes(source: Uint8Array): this {
    const at = this.reserve(source.length);
    this.buffer.set(source, at);
    return this;
  }
  /** UTF-8 bytes of `value` without any length. Returns their number. */
  text(value: string): number {
    const size = Buffer.byteLength(value);
    const at = this.reserve(size);
    this.buffer.write(value, at, size, 'utf8');
    return size;
  }
  uvarint(value: number): this {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    return this.u8(rest);
  }
  varint(value: number): this {
    return this.uvarint(((value << 1) ^ (value >> 31)) >>> 0);
  }
  varlong(value: number): this {
    // zigzag of a safe integer needs 54 bits: two halves of 28 and 26
    const magnitude = value < 0 ? -value - 1 : value;
    const odd = value < 0 ? 1 : 0;
    let low = (magnitude % 2 ** 27) * 2 + odd;
    let high = Math.floor(magnitude / 2 ** 27);
    for (let i = 0; i < 4; i++) {
      if (high === 0 && low < 0x80) return this.u8(low);
      this.u8((low & 0x7f) | 0x80);
      low >>>= 7;
      if (i === 3) break;
    }
    for (;;) {
      if (high < 0x80) return this.u8(high);
      this.u8((high % 128) | 0x80);
      high = Math.floor(high / 128);
    }
  }
  patchI32(at: number, value: number): void {
    this.buffer[at] = value >>> 24;
    this.buffer[at + 1] = value >>> 16;
    this.buffer[at + 2] = value >>> 8;
    this.buffer[at + 3] = value;
  }
}
