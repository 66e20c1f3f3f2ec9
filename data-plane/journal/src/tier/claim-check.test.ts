import { FaultyObjectStore, FileLogStore, MemoryLogStore, MemoryObjectStore, SimulatedDisk } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../batch-builder.ts';
import { decodeRecords } from '../decode-records.ts';
import { Journal, type JournalOptions } from '../journal.ts';
import type { Stream, StreamName, StreamPolicy } from '../journal-types.ts';
import { CLAIM_BIT, checkBatch } from '../record-batch.ts';

const NAME = 'ns2:n19:partition4:abcd1:0' as StreamName;
const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const START_MS = 1_700_000_000_000;
const BIG_BYTES = 5000;

interface World {
  readonly disk: SimulatedDisk;
  readonly objects: Map<string, Buffer>;
  readonly runtime: ManualRuntime;
  readonly cold: FaultyObjectStore;
  readonly journal: Journal;
  readonly stream: Stream;
}
async function world(
  policy = KEEP,
  before: Partial<Pick<World, 'disk' | 'objects' | 'runtime'>> = {},
  options: Partial<JournalOptions> = {},
): Promise<World> {
  const disk = before.disk ?? new SimulatedDisk(() => 0.3);
  const objects = before.objects ?? new Map<string, Buffer>();
  const runtime = before.runtime ?? new ManualRuntime({ autoTurn: true, startMs: START_MS });
  const store = await FileLogStore.open({ directory: '/data', disk, walBytesMax: 20_000, segmentBytesMax: 20_000 });
  const cold = new FaultyObjectStore(new MemoryObjectStore(objects), runtime);
  const journal = new Journal({
    ...{ store, runtime, objects: cold, objectBytes: 2000, tailCacheBytesMax: 0, coldCacheBytesMax: 0 },
    ...{ orphanGraceMs: 0, claimBytesMin: BIG_BYTES },
    ...options,
  });
  return { disk, objects, runtime, cold, journal, stream: await journal.open(NAME, policy) };
}
function batch(text: string, sizeBytes: number, timestampMs = START_MS - 1000, key = text): Buffer {
  const builder = new BatchBuilder();
  builder.add(Buffer.from(key), Buffer.from(text.padEnd(sizeBytes, '.')), null, timestampMs);
  return builder.build();
}
/** Appends small and large ones in turn, as the broker does; answers how many bodies were stored apart. */
async function fill(stream: Stream, from: number, to: number): Promise<number> {
  let claims = 0;
  for (let i = from; i < to; i++) {
    const bytes = batch(`value ${i} `, i % 3 === 0 ? BIG_BYTES * 2 : 50);
    const claim = await stream.prepare(bytes);
    if (claim !== null) claims++;
    await stream.append(bytes, claim).promise();
  }
  return claims;
}
async function values(stream: Stream, from = stream.startOffset, bytesMax = 30_000): Promise<string[]> {
  const found: string[] = [];
  for (let at = from; at < stream.stableOffset;) {
    const batches = await stream.read(at, bytesMax);
    if (batches.length === 0) break;
    for (const one of batches) {
      expect(checkBatch(one, 0, one.length).fault).toBeNull();
      decodeRecords(one, (record) => {
        found.push(record.value()!.toString().trimEnd().replace(/\.+$/, '').trim());
        expect(record.offset).toBeGreaterThanOrEqual(at);
        at = record.offset + 1;
      });
    }
  }
  return found;
}
const named = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `value ${i + from}`);
const bodies = (objects: Map<string, Buffer>): string[] => [...objects.keys()].filter((key) => key.includes('/claim/'));

describe('claim check', () => {
  it('puts the body of a large batch into object storage first, and gives the whole batch back', async () => {
    const w = await world();
    expect(await fill(w.stream, 0, 30)).toBe(10);
    expect(bodies(w.objects)).toHaveLength(10);
    expect(w.stream.tiers().warmBytes).toBeLessThan(10_000);
    expect(w.stream.meter.coldBytes).toBeGreaterThan(10 * BIG_BYTES * 2);
    expect(
      w.stream
        .tiers()
        .claims.map(({ key }) => key)
        .sort(),
    ).toEqual(bodies(w.objects).sort());
    expect(await values(w.stream)).toEqual(named(0, 30));
    expect(await values(w.stream, 15, 1)).toEqual(named(15, 30));
    // a read ends where the next body would be too much
    expect(await w.stream.read(0, 15_000)).toHaveLength(3);
    expect(await w.stream.offsetAtTime(START_MS - 1000)).toEqual({ offset: 0, timestampMs: START_MS - 1000 });
    const later = await world(KEEP, { ...w, disk: w.disk.cutPower() });
    expect(await values(later.stream)).toEqual(named(0, 30));
    expect(later.stream.tiers().claims).toHaveLength(10);
  });

  it('is served at once from memory, and answers synchronously for what is small', async () => {
    const w = await world(KEEP, {}, { tailCacheBytesMax: 1e6, coldCacheBytesMax: 1e6 });
    await fill(w.stream, 0, 6);
    const { gets } = w.cold.requests;
    expect(await values(w.stream)).toEqual(named(0, 6));
    expect(w.cold.requests.gets).toBe(gets);
    expect(w.stream.read(1, 1e6)).toHaveLength(2);
    expect(w.stream.prepare(batch('small', 10))).toBeNull();
  });

  it('a body that is trimmed while it is read is out of range, not damaged', async () => {
    const w = await world();
    await fill(w.stream, 0, 6);
    const slowly = { ...w.cold.faults, delayMsMax: 1000 };
    w.cold.onCall = (call) => (w.cold.faults = call === 'getRange' ? slowly : { ...slowly, delayMsMax: 0 });
    const reading = expect(w.stream.read(0, 100)).rejects.toMatchObject({ code: 'offset-out-of-range' });
    const [first] = bodies(w.objects);
    await w.stream.trim(3);
    while (w.objects.has(first!)) await new Promise(setImmediate);
    for (let i = 0; i < 20; i++) {
      w.runtime.advance(1000);
      await new Promise(setImmediate);
    }
    await reading;
  });

  it('a batch goes through the log when object storage refuses, is slow, or there is none', async () => {
    const w = await world();
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 1 };
    expect(await fill(w.stream, 0, 6)).toBe(0);
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 0 };
    // not asked again for a while
    expect(w.stream.prepare(batch('x', BIG_BYTES))).toBeNull();
    w.runtime.advance(30_000);
    expect(await fill(w.stream, 6, 9)).toBe(1);
    w.cold.faults = { ...w.cold.faults, delayMsMax: 1e9 };
    const slow = batch('value 9', BIG_BYTES);
    const prepared = w.stream.prepare(slow)!;
    await new Promise((resolve) => setImmediate(resolve));
    w.runtime.advance(10_000);
    const claim = await prepared;
    expect(claim).toBeNull();
    await w.stream.append(slow, claim).promise();
    w.cold.faults = { ...w.cold.faults, delayMsMax: 0 };
    expect(await values(w.stream)).toEqual(named(0, 10));
    const runtime = new ManualRuntime({ autoTurn: true });
    const alone = await new Journal({ store: new MemoryLogStore(), runtime }).open(NAME, KEEP);
    expect(alone.prepare(batch('x', 2_000_000))).toBeNull();
    const volatile = await w.journal.open('ns2:n19:other' as StreamName, { ...KEEP, durability: 'memory' });
    expect(volatile.prepare(batch('x', BIG_BYTES))).toBeNull();
  });

  it('leaves no body behind: trim, retention by size, compaction, removal', async () => {
    const w = await world({ ...KEEP, tier: { coldAfterMs: 0 } });
    await fill(w.stream, 0, 30);
    await w.journal.runTiering(START_MS);
    expect(await values(w.stream)).toEqual(named(0, 30));
    await w.stream.trim(10);
    await w.journal.runTiering(START_MS);
    expect(bodies(w.objects)).toHaveLength(6);
    w.journal.alterPolicy(NAME, { retentionBytes: 3 * BIG_BYTES * 2 });
    await w.journal.enforceRetention(START_MS);
    await w.journal.runTiering(START_MS);
    expect(bodies(w.objects).length).toBeLessThanOrEqual(3);
    expect(bodies(w.objects).length).toBeGreaterThanOrEqual(2);
    expect(await values(w.stream)).toEqual(named(w.stream.startOffset, 30));
    await w.journal.remove(NAME);
    expect([...w.objects.keys()]).toEqual([]);
    // A stream made anew under the name has none of them.
    const anew = await w.journal.open(NAME, KEEP);
    expect(anew.tiers().claims).toEqual([]);
    await fill(anew, 0, 4);
    expect(await values(anew)).toEqual(named(0, 4));
  });

  it('compaction keeps claims whose batch stays whole and removes those of batches that went', async () => {
    const w = await world({ ...KEEP, cleanup: 'compact', compaction: { minDirtyRatio: 0 } });
    for (const text of ['a 1', 'b 1', 'a 2', 'c 1', 'b 2', 'end']) {
      const bytes = batch(text, BIG_BYTES, START_MS - 1000, text[0]);
      await w.stream.append(bytes, await w.stream.prepare(bytes)).promise();
    }
    expect(bodies(w.objects)).toHaveLength(6);
    await w.journal.runTiering(START_MS);
    expect(await values(w.stream)).toEqual(['a 2', 'c 1', 'b 2', 'end']);
    expect(bodies(w.objects)).toHaveLength(4);
    const later = await world(KEEP, { ...w, disk: w.disk.cutPower() });
    expect(await values(later.stream)).toEqual(['a 2', 'c 1', 'b 2', 'end']);
    expect(later.stream.tiers().claims).toHaveLength(4);
    expect(Number(await later.stream.offsetOfKey(Buffer.from('b')))).toBe(4);
  });

  it('names a lost or damaged body with stream, offset and object, and serves all others', async () => {
    const w = await world();
    await fill(w.stream, 0, 12);
    const { claims } = w.stream.tiers();
    w.objects.delete(claims[1]!.key);
    w.objects.get(claims[2]!.key)![3000]! ^= 1;
    for (const offset of [3, 6]) {
      const error: unknown = await Promise.resolve(w.stream.read(offset, 1)).catch((thrown: unknown) => thrown);
      const where = `${NAME} at ${offset}, object ${claims[offset / 3]!.key}`;
      expect(error).toMatchObject({ code: 'corrupt', where, resumeAt: offset + 1 });
    }
    expect(await values(w.stream, 7)).toEqual(named(7, 12));
    expect(await w.stream.read(0, 1e6)).toHaveLength(3);
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 1 };
    const away = Promise.resolve(w.stream.read(9, 1)).catch((thrown: unknown) => thrown);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      w.runtime.advance(10_000);
    }
    expect(await away).toMatchObject({ code: 'unavailable' });
  });

  it('finds the body of a batch that was never appended, and no other', async () => {
    const w = await world();
    await fill(w.stream, 0, 6);
    const given = batch('given up', BIG_BYTES);
    expect(await w.stream.prepare(given)).not.toBeNull();
    await w.journal.runTiering(START_MS);
    expect(bodies(w.objects)).toHaveLength(3);
    const later = await world(KEEP, { ...w, disk: w.disk.cutPower() });
    await later.journal.runTiering(START_MS);
    expect(bodies(later.objects)).toHaveLength(2);
    expect(await values(later.stream)).toEqual(named(0, 6));
  });

  it('refuses a batch that pretends to be a claim', () => {
    const bytes = batch('x', 10);
    bytes[21]! |= CLAIM_BIT >> 8;
    expect(checkBatch(bytes, 0, bytes.length).fault).not.toBeNull();
  });
});

describe('claim check and crashes', () => {
  it('after a loss of power at any operation has every acknowledged batch whole, and no orphan stays', async () => {
    for (let after = 0; after < 70; after++) {
      const w = await world({ ...KEEP, tier: { coldAfterMs: 0 } });
      const stopped = w.disk.stopAfter(after);
      let acknowledged = 0;
      const work = async (): Promise<void> => {
        for (let i = 0; i < 9; i++) {
          const bytes = batch(`value ${i} `, i % 3 === 0 ? BIG_BYTES * 2 : 50);
          const claim = await w.stream.prepare(bytes);
          await w.stream.append(bytes, claim).promise();
          acknowledged = i + 1;
          if (i === 5) await w.journal.runTiering(START_MS);
        }
        await w.stream.trim(4);
      };
      await Promise.race([work().catch(() => undefined), stopped]);
      const known = acknowledged;
      const disk = w.disk.cutPower();
      const later = await world({ ...KEEP, tier: { coldAfterMs: 0 } }, { ...w, disk });
      expect(later.stream.stableOffset).toBeGreaterThanOrEqual(known);
      const { startOffset, stableOffset } = later.stream;
      expect(await values(later.stream)).toEqual(named(startOffset, stableOffset));
      await later.journal.runTiering(START_MS);
      const keys = later.stream.tiers().claims.map(({ key }) => key);
      expect(bodies(later.objects).sort()).toEqual(keys.sort());
      expect(await values(later.stream)).toEqual(named(startOffset, stableOffset));
    }
  });

  it('survives lost answers and errors of object storage at random', async () => {
    let seed = 7;
    const w = await world({ ...KEEP, tier: { coldAfterMs: 0 } });
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 0.1, errorAfterChance: 0.1, partialDeleteChance: 0.1 };
    for (let i = 0; i < 60; i += 3) {
      await fill(w.stream, i, i + 3);
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      if (seed % 3 === 0) await w.journal.runTiering(w.runtime.nowMs());
      w.runtime.advance(31_000);
    }
    w.cold.faults = { ...w.cold.faults, errorBeforeChance: 0, errorAfterChance: 0, partialDeleteChance: 0 };
    expect(await values(w.stream)).toEqual(named(0, 60));
    for (let i = 0; i < 3; i++) {
      w.runtime.advance(3_600_000);
      await w.journal.runTiering(w.runtime.nowMs());
    }
    expect(bodies(w.objects).sort()).toEqual(
      w.stream
        .tiers()
        .claims.map(({ key }) => key)
        .sort(),
    );
  });
});
