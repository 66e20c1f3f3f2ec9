import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { decodeRecords } from './decode-records.ts';
import { ATTRIBUTES_AT, CRC_AT, checkBatch, requireBatch, writeI32 } from './record-batch.ts';
import { crc32c } from '@robustmq/wire';

const require = createRequire(import.meta.url);

interface KafkajsEncoder {
  readonly buffer: Buffer;
}

/** Encodes with kafkajs, the stock client, for a second opinion on the layout. */
async function kafkajsBatch(compression: number, count: number): Promise<Buffer> {
  const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
    RecordBatch: (options: object) => Promise<KafkajsEncoder>;
  };
  const kafkajsRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (options: object) => KafkajsEncoder;
  const records = Array.from({ length: count }, (_, i) =>
    kafkajsRecord({
      offsetDelta: i,
      timestampDelta: i * 10,
      key: `k${i}`,
      value: `value ${i}`.repeat(10),
      headers: { trace: `t${i}` },
    }),
  );
  const encoder = await RecordBatch({
    compression,
    records,
    firstTimestamp: 1000,
    maxTimestamp: 1000 + (count - 1) * 10,
    producerId: 77,
    producerEpoch: 3,
    firstSequence: 12,
    lastOffsetDelta: count - 1,
  });
  return encoder.buffer;
}

describe('batches of kafkajs', () => {
  for (const [name, compression] of [
    ['none', 0],
    ['gzip', 1],
  ] as const) {
    it(`are accepted and decoded (${name})`, async () => {
      const batch = await kafkajsBatch(compression, 40);
      const check = requireBatch(batch);
      expect(check).toMatchObject({ recordCount: 40, lastOffsetDelta: 39, codec: name, maxTimestampMs: 1390 });
      expect(check).toMatchObject({ producerId: 77, producerEpoch: 3, baseSequence: 12 });
      let i = 0;
      decodeRecords(batch, (record) => {
        expect(record.key()?.toString()).toBe(`k${i}`);
        expect(record.value()?.toString()).toBe(`value ${i}`.repeat(10));
        expect(record.headers()).toEqual([['trace', Buffer.from(`t${i}`)]]);
        expect(record.timestampMs).toBe(1000 + i * 10);
        i++;
      });
      expect(i).toBe(40);
    });
  }

  it('are what BatchBuilder builds, byte for byte', async () => {
    const theirs = await kafkajsBatch(0, 5);
    const builder = new BatchBuilder();
    for (let i = 0; i < 5; i++) {
      const value = Buffer.from(`value ${i}`.repeat(10));
      builder.add(Buffer.from(`k${i}`), value, [['trace', Buffer.from(`t${i}`)]], 1000 + i * 10);
    }
    const ours = builder.build();
    // Producer id, epoch and sequence differ by design (and with them the CRC).
    theirs.copy(ours, 43, 43, 57);
    writeI32(ours, CRC_AT, crc32c(ours, ATTRIBUTES_AT, ours.length));
    // kafkajs writes leader epoch 0 and base offset 0, as the builder does.
    expect(ours.equals(theirs)).toBe(true);
  });
});

describe('checkBatch', () => {
  const batch = (): Buffer => {
    const builder = new BatchBuilder();
    builder.add(null, Buffer.from('a'), null, 5);
    builder.add(null, Buffer.from('b'), null, 4);
    return builder.build();
  };
  const resealed = (change: (bytes: Buffer) => void): string | null => {
    const bytes = batch();
    change(bytes);
    writeI32(bytes, CRC_AT, crc32c(bytes, ATTRIBUTES_AT, bytes.length));
    return checkBatch(bytes, 0, bytes.length).fault;
  };
  it('names what is wrong', () => {
    expect(resealed(() => {})).toBe(null);
    expect(resealed((b) => (b[16] = 1))).toBe('batch-magic');
    expect(resealed((b) => (b[22] = 5))).toBe('batch-codec');
    expect(resealed((b) => (b[22] = 0x20))).toBe('batch-control');
    expect(resealed((b) => writeI32(b, 57, 0))).toBe('batch-count');
    expect(resealed((b) => writeI32(b, 57, 3))).toBe('batch-count');
    expect(resealed((b) => writeI32(b, 23, 0x7fffffff))).toBe('batch-count');
    expect(resealed((b) => (b[35] = 0x7f))).toBe('batch-header');
    expect(resealed((b) => (b[43] = 0x7f))).toBe('batch-header');
    expect(resealed((b) => writeI32(b, 8, 3))).toBe('batch-header');
    expect(checkBatch(batch(), 0, 40).fault).toBe('batch-truncated');
    expect(checkBatch(batch(), 0, 70).fault).toBe('batch-truncated');
  });
  it('finds batches in the middle of a buffer', () => {
    const both = Buffer.concat([batch(), batch()]);
    const first = checkBatch(both, 0, both.length);
    expect(first.fault).toBe(null);
    const size = first.fault === null ? first.sizeBytes : 0;
    expect(checkBatch(both, size, both.length)).toMatchObject({ fault: null, sizeBytes: both.length - size });
  });
});
