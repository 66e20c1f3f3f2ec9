import { MemoryLogStore, MemoryObjectStore } from '@robustmq/store';
import { crc32c, ManualRuntime } from '@robustmq/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../batch-builder.ts';
import { compress } from '../compression.ts';
import { decodeRecords } from '../decode-records.ts';
import { Journal } from '../journal.ts';
import type { Stream, StreamName, StreamPolicy } from '../journal-types.ts';
import { BATCH_HEADER_BYTES, CODECS, readAttributes, readLastOffsetDelta, type Codec } from '../record-batch.ts';
import { KeyIndex } from './key-index.ts';

const NAME = 'ns1:n1:k' as StreamName;
const START_MS = 1_700_000_000_000;
const COMPACT: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1, cleanup: 'compact' };

interface Sent {
  readonly key: string | null;
  readonly value: string | null;
}

function batchOf(records: readonly Sent[], timestampMs: number, codec: Codec = 'none'): Buffer {
  const builder = new BatchBuilder();
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  records.forEach(({ key, value }, i) => {
    builder.add(bytes(key), bytes(value), [['h', Buffer.from('1')]], timestampMs + (i % 3));
  });
  const plain = builder.build();
  if (codec === 'none') return plain;
  const batch = Buffer.concat([
    plain.subarray(0, BATCH_HEADER_BYTES),
    compress(codec, plain.subarray(BATCH_HEADER_BYTES)),
  ]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(CODECS.indexOf(codec), 21);
  batch.writeUInt32BE(crc32c(batch, 21), 17);
  return batch;
}
async function all(stream: Stream): Promise<Map<number, Sent & { timestampMs: number }>> {
  const found = new Map<number, Sent & { timestampMs: number }>();
  for (let at = stream.startOffset; at < stream.stableOffset;) {
    const batches = await stream.read(at, 400);
    if (batches.length === 0) break;
    for (const batch of batches) {
      expect(crc32c(batch, 21)).toBe(batch.readUInt32BE(17));
      const base = Number(batch.readBigInt64BE(0));
      expect(base + readLastOffsetDelta(batch)).toBeGreaterThanOrEqual(at);
      decodeRecords(batch, (record) => {
        expect(record.headers()).toEqual([['h', Buffer.from('1')]]);
        const { offset, timestampMs } = record;
        const text = (bytes: Buffer | null) => bytes?.toString() ?? null;
        found.set(offset, { key: text(record.key()), value: text(record.value()), timestampMs });
      });
      at = base + readLastOffsetDelta(batch) + 1;
    }
  }
  return found;
}
async function world(policy: StreamPolicy, objects: MemoryObjectStore | null, tailCacheBytesMax = 0) {
  const runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
  const store = new MemoryLogStore();
  const options = { store, runtime, objectBytes: 1000, tailCacheBytesMax, orphanGraceMs: 0 };
  const open = () => new Journal(objects === null ? options : { ...options, objects });
  const journal = open();
  return { runtime, store, journal, open, stream: await journal.open(NAME, policy) };
}

const record = fc.record({
  key: fc.option(fc.constantFrom('a', 'b', 'c', 'd', ''), { freq: 8 }),
  value: fc.option(fc.string({ maxLength: 60 }), { freq: 4 }),
});
const batch = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 6 }),
  codec: fc.constantFrom(...CODECS),
});

describe('compaction', () => {
  it('keeps the newest record of each key at its offset, whatever the codec, and appends go on', async () => {
    const run = async (rounds: readonly { records: Sent[]; codec: Codec }[][], tiered: boolean) => {
      const policy: StreamPolicy = { ...COMPACT, compaction: { minDirtyRatio: 0 }, ...(tiered ? { tier: {} } : {}) };
      const w = await world(policy, tiered ? new MemoryObjectStore() : null);
      const sent: (Sent & { timestampMs: number })[] = [];
      const newest = new Map<string, number>();
      for (const round of rounds) {
        for (const { records, codec } of round) {
          const timestampMs = START_MS - 1000 + sent.length;
          records.forEach((one, i) => sent.push({ ...one, timestampMs: timestampMs + (i % 3) }));
          await w.stream.append(batchOf(records, timestampMs, codec)).promise();
        }
        sent.forEach(({ key }, offset) => key !== null && newest.set(key, offset));
        await w.journal.runTiering(START_MS + 10_000);
        const kept = sent.flatMap((one, offset) =>
          one.key === null || newest.get(one.key) === offset ? [[offset, one] as const] : [],
        );
        expect(await all(w.stream)).toEqual(new Map(kept));
        expect([w.stream.startOffset, w.stream.endOffset]).toEqual([0, sent.length]);
        for (const key of ['a', 'b', '', 'none']) {
          expect(await w.stream.offsetOfKey(Buffer.from(key))).toBe(newest.get(key) ?? null);
        }
        expect(await all(await w.open().open(NAME, policy))).toEqual(new Map(kept));
      }
    };
    const rounds = fc.array(fc.array(batch, { maxLength: 8 }), { minLength: 1, maxLength: 4 });
    await fc.assert(fc.asyncProperty(rounds, fc.boolean(), run), { numRuns: 150 });
  }, 60_000);

  it('keeps a record without value for as long as the policy says, counted from its first compaction', async () => {
    const policy = { ...COMPACT, compaction: { minDirtyRatio: 0.5, deleteRetentionMs: 5000 } };
    const w = await world(policy, null);
    await w.stream.append(batchOf([{ key: 'a', value: '1' }], START_MS)).promise();
    await w.stream
      .append(
        batchOf(
          [
            { key: 'a', value: null },
            { key: 'b', value: '1' },
          ],
          START_MS,
        ),
      )
      .promise();
    await w.journal.runTiering(START_MS + 10);
    expect([...(await all(w.stream)).keys()]).toEqual([1, 2]);
    expect((await all(w.stream)).get(1)).toEqual({ key: 'a', value: null, timestampMs: START_MS });
    const [bytes] = await w.stream.read(0, 1);
    expect(readAttributes(bytes!)).toBe(0x40);
    await w.journal.runTiering(START_MS + 5009);
    expect([...(await all(w.stream)).keys()]).toEqual([1, 2]);
    await w.journal.runTiering(START_MS + 5010);
    expect([...(await all(w.stream)).keys()]).toEqual([2]);
    expect(readAttributes((await w.stream.read(0, 1))[0]!)).toBe(0);
    expect(w.stream.tiers().objects.map(({ compacted, warm, cold }) => [compacted, warm, cold])).toEqual([
      [true, true, false],
    ]);
  });

  it('keeps the last record of the stream even without value, until there is a later one', async () => {
    const w = await world({ ...COMPACT, compaction: { minDirtyRatio: 0, deleteRetentionMs: 0 } }, null);
    await w.stream
      .append(
        batchOf(
          [
            { key: 'a', value: '1' },
            { key: 'a', value: null },
          ],
          START_MS,
        ),
      )
      .promise();
    for (let i = 1; i < 5; i++) await w.journal.runTiering(START_MS + i);
    expect([...(await all(w.stream)).keys()]).toEqual([1]);
    const passes = w.stream.tiers().moves.length;
    await w.journal.runTiering(START_MS + 10);
    expect(w.stream.tiers().moves).toHaveLength(passes);
    await w.stream.append(batchOf([{ key: 'b', value: '1' }], START_MS)).promise();
    await w.journal.runTiering(START_MS + 20);
    expect([...(await all(w.stream)).keys()]).toEqual([2]);
  });

  it('leaves young records alone, waits until it is worth it, and drops what the old objects held', async () => {
    const policy = { ...COMPACT, compaction: { minLagMs: 1000, minDirtyRatio: 0.5 } };
    const w = await world(policy, null, 1_000_000);
    for (let i = 0; i < 100; i++) {
      await w.stream.append(batchOf([{ key: `k${i % 5}`, value: `${i}` }], START_MS + i * 100)).promise();
    }
    await w.journal.runTiering(START_MS + 6000);
    expect([...(await all(w.stream)).keys()]).toEqual(
      [45, 46, 47, 48, 49, ...Array.from({ length: 50 }, (_, i) => 50 + i)].map((n) => n + 1).slice(0, -1),
    );
    expect(w.stream.tiers().moves.filter(({ kind }) => kind === 'compact')).toHaveLength(1);
    await w.journal.runTiering(START_MS + 6050);
    expect(w.stream.tiers().moves.filter(({ kind }) => kind === 'compact')).toHaveLength(1);
    await w.journal.runTiering(START_MS + 600_000);
    expect([...(await all(w.stream)).keys()]).toEqual([95, 96, 97, 98, 99]);
    const { objects } = w.stream.tiers();
    expect(w.store.list().filter((name) => name.startsWith('tier!object!'))).toHaveLength(objects.length);
  });

  it('compact,delete also lets whole objects go by age', async () => {
    const w = await world({ ...COMPACT, cleanup: 'compact,delete', compaction: { minDirtyRatio: 0 } }, null);
    await w.stream.append(batchOf([{ key: 'a', value: '1' }], START_MS)).promise();
    await w.journal.runTiering(START_MS + 10);
    w.journal.setPolicy(NAME, { ...COMPACT, retentionMs: 1000 });
    await w.journal.enforceRetention(START_MS + 100_000);
    expect(w.stream.startOffset).toBe(0);
    w.journal.setPolicy(NAME, { ...COMPACT, cleanup: 'compact,delete', retentionMs: 1000 });
    await w.journal.enforceRetention(START_MS + 100_000);
    expect([w.stream.startOffset, w.stream.endOffset]).toEqual([1, 1]);
  });
});

describe('KeyIndex', () => {
  it('is right when it has no room for the key', async () => {
    const w = await world(COMPACT, null);
    for (let i = 0; i < 40; i++)
      await w.stream.append(batchOf([{ key: `k${i % 8}`, value: `${i}` }], START_MS)).promise();
    const index = new KeyIndex(w.stream, 3);
    for (let i = 0; i < 9; i++) expect(await index.find(Buffer.from(`k${i}`))).toBe(i < 8 ? 32 + i : null);
    await w.stream.trim(35);
    expect(await index.find(Buffer.from('k1'))).toBeNull();
    expect(await index.find(Buffer.from('k7'))).toBe(39);
  });
});
