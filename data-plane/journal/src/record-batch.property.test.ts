import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { crc32c } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BatchBuilder, type RecordHeaders } from './batch-builder.ts';
import { decodeRecords } from './decode-records.ts';
import { JournalError } from './journal-error.ts';
import {
  ATTRIBUTES_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_OVERHEAD_BYTES,
  CODECS,
  CRC_AT,
  checkBatch,
  patchBase,
  readBaseOffset,
  readNextOffset,
  requireBatch,
  writeI32,
  type Codec,
} from './record-batch.ts';

interface Written {
  key: Buffer | null;
  value: Buffer | null;
  headers: RecordHeaders | null;
  timestampMs: number;
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const nullable = fc.option(bytes, { nil: null });
const headers = fc.option(
  fc.array(
    fc.tuple(
      fc.string().map((text) => Buffer.from(text).toString()),
      nullable,
    ),
    { maxLength: 5 },
  ),
  { nil: null },
);
const record = fc.record({ key: nullable, value: nullable, headers, timestampMs: fc.nat(2 ** 31 - 1) });
const records = fc.array(record, { minLength: 1, maxLength: 30 });

function build(list: readonly Written[], builder = new BatchBuilder(64)): Buffer {
  for (const { key, value, headers, timestampMs } of list) builder.add(key, value, headers, timestampMs);
  return builder.build();
}

function decode(batch: Buffer): (Written & { offset: number })[] {
  const found: (Written & { offset: number })[] = [];
  decodeRecords(batch, (view) => {
    found.push({
      offset: view.offset,
      timestampMs: view.timestampMs,
      key: view.key(),
      value: view.value(),
      headers: view.headers(),
    });
  });
  return found;
}

/** The batch with its records compressed, as a producer would send it. */
function compressed(batch: Buffer, codec: Codec, xerial = false): Buffer {
  const plain = batch.subarray(BATCH_HEADER_BYTES);
  const records = compressRecords(plain, codec, xerial);
  const out = Buffer.concat([batch.subarray(0, BATCH_HEADER_BYTES), records]);
  out[ATTRIBUTES_AT + 1] = CODECS.indexOf(codec);
  writeI32(out, BATCH_LENGTH_AT, out.length - BATCH_OVERHEAD_BYTES);
  writeI32(out, CRC_AT, crc32c(out, ATTRIBUTES_AT, out.length));
  return out;
}

function compressRecords(plain: Buffer, codec: Codec, xerial: boolean): Buffer {
  switch (codec) {
    case 'none':
      return plain;
    case 'gzip':
      return gzipSync(plain);
    case 'zstd':
      return zstdCompressSync(plain);
    case 'lz4':
      return compressFrameSync(plain);
    case 'snappy': {
      if (!xerial) return compressSync(plain);
      const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])];
      for (let at = 0; at < plain.length; at += 100) {
        const block = compressSync(plain.subarray(at, at + 100));
        const size = Buffer.alloc(4);
        size.writeInt32BE(block.length);
        parts.push(size, block);
      }
      return Buffer.concat(parts);
    }
  }
}

describe('BatchBuilder, checkBatch and decodeRecords', () => {
  it('give back what was added, under every codec', () => {
    const builder = new BatchBuilder(64);
    fc.assert(
      fc.property(records, fc.constantFrom(...CODECS), fc.boolean(), fc.nat(2 ** 40), (list, codec, xerial, base) => {
        const batch = compressed(build(list, builder), codec, xerial);
        const check = requireBatch(batch);
        expect(check).toMatchObject({ recordCount: list.length, lastOffsetDelta: list.length - 1, codec });
        expect(check).toMatchObject({ producerId: -1, producerEpoch: -1, baseSequence: -1 });
        expect(check.maxTimestampMs).toBe(Math.max(...list.map((r) => r.timestampMs)));
        patchBase(batch, base, 3);
        expect(requireBatch(batch).sizeBytes).toBe(batch.length);
        expect(readBaseOffset(batch)).toBe(base);
        expect(readNextOffset(batch)).toBe(base + list.length);
        expect(decode(batch)).toEqual(
          list.map((r, i) => ({ ...r, headers: r.headers?.length ? r.headers : null, offset: base + i })),
        );
      }),
    );
  });

  it('see every flipped bit behind the epoch', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.nat(7), (list, where, bit) => {
        const batch = build(list);
        const at = CRC_AT + (where % (batch.length - CRC_AT));
        batch[at]! ^= 1 << bit;
        expect(checkBatch(batch, 0, batch.length)).toMatchObject({ fault: 'batch-crc' });
      }),
    );
  });

  it('throw nothing but the coded error on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (array) => {
        const random = Buffer.from(array);
        checkBatch(random, 0, random.length);
        checkBatch(random, 5, random.length + 10);
        expectCoded(() => decode(random));
      }),
    );
  });

  it('throw nothing but the coded error on random records behind a good header, under every codec', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(...CODECS),
        fc.nat(50),
        fc.boolean(),
        (array, codec, count, compress) => {
          const header = build([{ key: null, value: null, headers: null, timestampMs: 1 }]).subarray(
            0,
            BATCH_HEADER_BYTES,
          );
          let batch: Buffer = Buffer.concat([header, Buffer.from(array)]);
          writeI32(batch, 57, count);
          writeI32(batch, 23, count - 1);
          if (compress) batch = compressed(batch, codec);
          else {
            batch[ATTRIBUTES_AT + 1] = CODECS.indexOf(codec);
            writeI32(batch, BATCH_LENGTH_AT, batch.length - BATCH_OVERHEAD_BYTES);
            writeI32(batch, CRC_AT, crc32c(batch, ATTRIBUTES_AT, batch.length));
          }
          expectCoded(() => decode(batch));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('refuse bombs under every codec', () => {
    const big = [{ key: null, value: Buffer.alloc(3_000_000), headers: null, timestampMs: 1 }];
    for (const codec of CODECS.slice(1)) {
      const batch = compressed(build(big), codec);
      expect(() => decodeRecords(batch, () => {}, { decompressedBytesMax: 1_000_000 })).toThrow(
        expect.objectContaining({ code: 'batch-too-large' }),
      );
      decodeRecords(batch, (view) => expect(view.value()?.length).toBe(3_000_000));
    }
  });
});

function expectCoded(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(JournalError);
  }
}
