import { FaultyObjectStore, MemoryLogStore, MemoryObjectStore } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../batch-builder.ts';
import { Journal } from '../journal.ts';
import { JournalError } from '../journal-error.ts';
import type { Stream, StreamName, StreamPolicy } from '../journal-types.ts';
import { readBaseOffset } from '../record-batch.ts';
import { COLD_READS_MAX } from './cold-gate.ts';
import { MERGE_OBJECTS_MIN, SMALL_OBJECT_PERIOD_MS } from './tier-mover.ts';

const NAME = 'ns2:n19:partition4:abcd1:0' as StreamName;
const COLD: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1, tier: { coldAfterMs: 0 } };
const START_MS = 1_700_000_000_000;

function world(store = new MemoryLogStore(), objects = new Map<string, Buffer>()) {
  const runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
  const cold = new FaultyObjectStore(new MemoryObjectStore(objects), runtime);
  const sizes = { objectBytes: 20_000, tailCacheBytesMax: 0, coldCacheBytesMax: 0, orphanGraceMs: 0 };
  return { store, objects, runtime, cold, journal: new Journal({ store, runtime, objects: cold, ...sizes }) };
}
async function fill(stream: Stream, count: number): Promise<void> {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) {
    builder.add(null, Buffer.alloc(100, stream.endOffset), null, START_MS - 1000);
    await stream.append(builder.build()).promise();
  }
}
async function offsets(stream: Stream): Promise<number[]> {
  const found: number[] = [];
  while (found.length < stream.stableOffset - stream.startOffset) {
    for (const batch of await stream.read(stream.startOffset + found.length, 3000)) found.push(readBaseOffset(batch));
  }
  return found;
}
const dataKeys = (objects: Map<string, Buffer>): string[] =>
  [...objects.keys()].filter((key) => key.includes('/data/'));
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('many small objects', () => {
  it('become few, and every record stays where it was', async () => {
    const w = world();
    const stream = await w.journal.open(NAME, COLD);
    let most = 0;
    for (let pass = 0; pass < 60; pass++) {
      await fill(stream, 5);
      w.runtime.advance(SMALL_OBJECT_PERIOD_MS + 1);
      await w.journal.runTiering(w.runtime.nowMs());
      most = Math.max(most, stream.tiers().objects.length);
    }
    expect(most).toBeLessThan(MERGE_OBJECTS_MIN + 6);
    expect(stream.tiers().moves.some(({ kind }) => kind === 'merge')).toBe(true);
    const named = stream.tiers().objects.map(({ key }) => key);
    expect(dataKeys(w.objects).sort()).toEqual(named.sort());
    expect(await offsets(stream)).toEqual(range(0, 300));
    const later = await world(w.store, w.objects).journal.open(NAME, COLD);
    expect(await offsets(later)).toEqual(range(0, 300));
  });

  it('are merged while readers read them and the stream is trimmed', async () => {
    const w = world();
    const stream = await w.journal.open(NAME, COLD);
    for (let pass = 0; pass < 40; pass++) {
      await fill(stream, 5);
      w.runtime.advance(SMALL_OBJECT_PERIOD_MS + 1);
      const reading = offsets(stream).catch((error: unknown) => {
        if (error instanceof JournalError && error.code === 'offset-out-of-range') return null;
        throw error;
      });
      await Promise.all([
        w.journal.runTiering(w.runtime.nowMs()),
        pass % 7 === 6 ? stream.trim(stream.startOffset + 11) : null,
        reading,
      ]);
    }
    await w.journal.runTiering(w.runtime.nowMs() + 7_200_000);
    expect(await offsets(stream)).toEqual(range(stream.startOffset, 200));
    expect(dataKeys(w.objects).sort()).toEqual(
      stream
        .tiers()
        .objects.map(({ key }) => key)
        .sort(),
    );
  });
});

describe('object storage out of reach', () => {
  it('a start serves what is local, takes appends, and names what it cannot read', async () => {
    const before = world();
    const written = await before.journal.open(NAME, COLD);
    await fill(written, 300);
    await before.journal.runTiering(START_MS);
    await fill(written, 20);
    const w = world(before.store, before.objects);
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 1 };
    const stream = await w.journal.open(NAME, COLD);
    expect([stream.startOffset, stream.stableOffset]).toEqual([0, 320]);
    await fill(stream, 5);
    expect(await stream.read(310, 1e6)).toHaveLength(15);
    const { key } = stream.tiers().objects[0]!;
    const failing = Promise.resolve(stream.read(0, 1)).catch((error: unknown) => error);
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      w.runtime.advance(5000);
    }
    expect(await failing).toMatchObject({ code: 'unavailable', where: `${NAME}, object ${key}` });
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 0 };
    expect(await offsets(stream)).toEqual(range(0, 325));
  });

  it('cold reads that hang hold back no append, no read of what is local, and no move', async () => {
    const w = world();
    const stream = await w.journal.open(NAME, COLD);
    await fill(stream, 300);
    await w.journal.runTiering(START_MS);
    let hanging = 0;
    const release = Promise.withResolvers<void>();
    const getRange = w.cold.getRange.bind(w.cold);
    w.cold.getRange = async (...args) => {
      hanging++;
      await release.promise;
      return getRange(...args);
    };
    const objects = stream.tiers().objects.length;
    const reads = Promise.all(
      Array.from({ length: 60 }, async (_, i) => stream.read(stream.tiers().objects[i % objects]!.baseOffset, 1)),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(hanging).toBeLessThanOrEqual(COLD_READS_MAX);
    await fill(stream, 50);
    expect(await stream.read(349, 1)).toHaveLength(1);
    w.runtime.advance(SMALL_OBJECT_PERIOD_MS + 1);
    const { puts } = w.cold.requests;
    void w.journal.runTiering(w.runtime.nowMs());
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(w.cold.requests.puts).toBeGreaterThan(puts);
    release.resolve();
    expect((await reads).every((found) => found.length === 1)).toBe(true);
    await w.journal.close();
  });
});
