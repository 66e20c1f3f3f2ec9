import { crc32, gzipSync } from 'node:zlib';
import { Writer } from '@robustmq/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageSetError, upConvert } from './old-formats.ts';
import { batchSizeAt, magicOf } from './record-batch.ts';

interface Old {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
}
const MAX = 1 << 20;

function message({ key, value, timestampMs }: Old, magic: number, attributes = 0): Buffer {
  const w = new Writer();
  w.i8(magic).i8(attributes);
  if (magic === 1) w.i64(timestampMs);
  for (const part of [key, value]) {
    w.i32(part === null ? -1 : part.length);
    if (part !== null) w.bytes(part);
  }
  const body = w.toBuffer();
  return new Writer()
    .i64(0)
    .i32(body.length + 4)
    .u32(crc32(body))
    .bytes(body)
    .toBuffer();
}
/** key, value and timestamp of each record of an uncompressed batch. */
function recordsOf(batch: Buffer): Old[] {
  const base = Number(batch.readBigInt64BE(27));
  let at = 61;
  const varint = (): number => {
    let raw = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = batch[at++]!;
      raw += (byte & 0x7f) * scale;
      if (byte < 0x80) return raw % 2 === 1 ? -(raw + 1) / 2 : raw / 2;
    }
  };
  const bytes = (): Buffer | null => {
    const size = varint();
    if (size < 0) return null;
    at += size;
    return batch.subarray(at - size, at);
  };
  return Array.from({ length: batch.readInt32BE(57) }, () => {
    varint();
    at++;
    const timestampMs = base + varint();
    varint();
    const record = { key: bytes(), value: bytes(), timestampMs };
    varint();
    return record;
  });
}

const part = fc.option(
  fc.uint8Array({ maxLength: 50 }).map((b) => Buffer.from(b)),
  { nil: null },
);
const old = fc.record({ key: part, value: part, timestampMs: fc.integer({ min: 0, max: 2 ** 41 }) });
const olds = fc.array(old, { minLength: 1, maxLength: 10 });

describe('message sets of format v0 and v1', () => {
  it('become one batch with the same records in order', () => {
    fc.assert(
      fc.property(olds, fc.constantFrom(0, 1), fc.boolean(), (messages, magic, compressed) => {
        let set: Buffer = Buffer.concat(messages.map((one) => message(one, magic)));
        if (compressed) set = message({ key: null, value: gzipSync(set), timestampMs: 5 }, magic, 1);
        const batch = upConvert(set, MAX);
        expect([magicOf(batch), batchSizeAt(batch, 0)]).toEqual([2, batch.length]);
        expect(recordsOf(batch)).toEqual(messages.map((one) => (magic === 1 ? one : { ...one, timestampMs: -1 })));
      }),
    );
  });
  it('end in a batch or a MessageSetError, whatever the bytes', () => {
    fc.assert(
      fc.property(
        olds,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(400),
        (messages, mutations, length) => {
          const set = Buffer.concat(messages.map((one) => message(one, 1)));
          for (const [at, byte] of mutations) set[at % set.length] = byte;
          try {
            upConvert(set.subarray(0, length), MAX);
          } catch (error) {
            if (!(error instanceof MessageSetError)) throw error;
          }
        },
      ),
    );
  });
  it('are refused when they unpack to too much, or one inside the other', () => {
    const bomb = message({ key: null, value: gzipSync(Buffer.alloc(64 * MAX)), timestampMs: 0 }, 1, 1);
    expect(bomb.length).toBeLessThan(MAX);
    expect(() => upConvert(bomb, MAX)).toThrow(MessageSetError);
    let nested: Buffer = message({ key: null, value: Buffer.from('x'), timestampMs: 0 }, 1);
    for (let depth = 0; depth < 3; depth++)
      nested = message({ key: null, value: gzipSync(nested), timestampMs: 0 }, 1, 1);
    expect(() => upConvert(nested, MAX)).toThrow(MessageSetError);
    expect(() => upConvert(Buffer.alloc(0), MAX)).toThrow(MessageSetError);
  });
});
