import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';
import { Reader } from './reader.ts';
import { WireError } from './wire-error.ts';
import { Writer } from './writer.ts';

const safe = fc.maxSafeInteger();

describe('Reader and Writer', () => {
  it('read back what was written, for every kind', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        safe,
        fc.nat(0xffff),
        fc.uint8Array(),
        fc.string(),
        fc.nat(0xffffffff),
        (int, long, short, bytes, text, unsigned) => {
          const w = new Writer(1);
          w.i32(int)
            .i64(long)
            .u16(short)
            .i16((short << 16) >> 16)
            .varint(int)
            .varlong(long)
            .uvarint(unsigned)
            .u32(unsigned);
          w.u32(bytes.length).bytes(bytes);
          w.u32(Buffer.byteLength(text)).text(text);
          const r = new Reader(w.toBuffer());
          expect(r.i32()).toBe(int);
          expect(r.i64()).toBe(long);
          expect(r.u16()).toBe(short);
          expect(r.i16()).toBe((short << 16) >> 16);
          expect(r.varint()).toBe(int);
          expect(r.varlong()).toBe(long);
          expect(r.uvarint()).toBe(unsigned);
          expect(r.u32()).toBe(unsigned);
          expect(Buffer.compare(r.bytes(r.u32()), Buffer.from(bytes))).toBe(0);
          expect(r.text(r.u32())).toBe(Buffer.from(text).toString());
          expect(r.remaining).toBe(0);
        },
      ),
    );
  });

  it('never throws anything but WireError on random bytes and never reads past the end', () => {
    const kinds = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'i64', 'f64', 'uvarint', 'varint', 'varlong'] as const;
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 24 }),
        fc.array(fc.constantFrom(...kinds), { maxLength: 12 }),
        (bytes, calls) => {
          const r = new Reader(Buffer.from(bytes));
          for (const kind of calls) {
            try {
              r[kind]();
            } catch (error) {
              if (!(error instanceof WireError)) throw error;
              return;
            }
            expect(r.at).toBeLessThanOrEqual(bytes.length);
          }
        },
      ),
    );
  });
});

describe('crc32c', () => {
  it('matches the vectors of RFC 3720 B.4', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });
  it('gives the same answer in JavaScript and native code', () => {
    const block = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7) & 0xff));
    let crc = -1;
    for (const byte of block) {
      crc ^= byte;
      for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
    expect(crc32c(block)).toBe((crc ^ -1) >>> 0);
  });
});
