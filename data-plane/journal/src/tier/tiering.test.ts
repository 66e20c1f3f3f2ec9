import {
  FileLogStore,
  MemoryLogStore,
  MemoryObjectStore,
  SimulatedDisk,
  StoreError,
  type LogStore,
} from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../batch-builder.ts';
import { decodeRecords } from '../decode-records.ts';
import { Journal, type JournalOptions } from '../journal.ts';
import type { Stream, StreamName, StreamPolicy } from '../journal-types.ts';
import { ManifestLog } from './manifest.ts';
import { objectsOf } from './object-key.ts';

const NAME = 'ns2:n19:partition4:abcd1:0' as StreamName;
const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const COLD: StreamPolicy = { ...KEEP, tier: { coldAfterMs: 0 } };
const START_MS = 1_700_000_000_000;

interface World {
  readonly store: LogStore;
  readonly objects: Map<string, Buffer>;
  readonly cold: MemoryObjectStore;
  readonly runtime: ManualRuntime;
  journal: Journal;
  stream: Stream;
}

async function world(policy = COLD, options: Partial<JournalOptions> = {}): Promise<World> {
  const objects = new Map<string, Buffer>();
  const cold = new MemoryObjectStore(objects);
  const store = options.store ?? new MemoryLogStore();
  const runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
  const journal = new Journal({
    store,
    runtime,
    objects: cold,
    objectBytes: 2000,
    tailCacheBytesMax: 0,
    orphanGraceMs: 0,
    ...options,
  });
  return { store, objects, cold, runtime, journal, stream: await journal.open(NAME, policy) };
}
/** A journal over the same media, as after a restart. */
async function again({ store, cold, runtime }: World, policy = COLD): Promise<{ journal: Journal; stream: Stream }> {
  const journal = new Journal({
    store,
    runtime,
    objects: cold,
    objectBytes: 2000,
    tailCacheBytesMax: 0,
    orphanGraceMs: 0,
  });
  return { journal, stream: await journal.open(NAME, policy) };
}

async function fill(stream: Stream, from: number, to: number, timestampMs = START_MS - 1000): Promise<void> {
  const builder = new BatchBuilder();
  for (let i = from; i < to; i++) {
    builder.add(Buffer.from(`k${i % 7}`), Buffer.from(`value ${i} ${'x'.repeat(80)}`), null, timestampMs + i);
    await stream.append(builder.build()).promise();
  }
}
async function offsets(stream: Stream, from = stream.startOffset): Promise<number[]> {
  const found: number[] = [];
  for (let at = from; at < stream.stableOffset;) {
    const batches = await stream.read(at, 700);
    if (batches.length === 0) break;
    for (const batch of batches) {
      decodeRecords(batch, (record) => {
        expect(record.value()!.toString().startsWith(`value ${record.offset} `)).toBe(true);
        found.push(record.offset);
        at = record.offset + 1;
      });
    }
  }
  return found;
}
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const objectKeys = (world: World): string[] => [...world.objects.keys()].filter((key) => key.includes('/data/'));

describe('moves to object storage', () => {
  it('serves every record from objects, at its offset and time, after the log let it go', async () => {
    const w = await world();
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    const report = w.stream.tiers();
    expect(report.objects.length).toBeGreaterThan(3);
    expect(report.coldBytes).toBe(objectKeys(w).reduce((sum, key) => sum + w.objects.get(key)!.length, 0));
    expect(report.warmBytes).toBe(0);
    expect(report.moves.every((move) => move.kind === 'to-cold' && move.reason === 'older than 0 ms')).toBe(true);
    expect([w.stream.startOffset, w.stream.stableOffset]).toEqual([0, 100]);
    await fill(w.stream, 100, 130);
    expect(await offsets(w.stream)).toEqual(range(0, 130));
    expect(await offsets(w.stream, 57)).toEqual(range(57, 130));
    for (const i of [0, 20, 63, 101, 129]) {
      const at = { offset: i, timestampMs: START_MS - 1000 + i };
      expect(await w.stream.offsetAtTime(at.timestampMs)).toEqual(at);
    }
    expect(await w.stream.offsetAtTime(START_MS)).toBeNull();
    const reopened = await again(w);
    expect(await offsets(reopened.stream)).toEqual(range(0, 130));
    expect(w.journal.list()).toEqual([NAME]);
  });

  it('keeps as many bytes on the medium as the policy says, and moves all when nobody reads', async () => {
    const w = await world({ ...KEEP, tier: { coldAfterBytes: 4000, coldAfterIdleMs: 5000 } });
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    const kept = w.stream.tiers().warmBytes;
    expect(kept).toBeGreaterThan(2000);
    expect(kept).toBeLessThan(6000);
    w.runtime.advance(6000);
    await w.journal.runTiering(w.runtime.nowMs() + 600_000);
    expect(w.stream.tiers().warmBytes).toBe(0);
    expect(await offsets(w.stream)).toEqual(range(0, 100));
  });

  it('does nothing without a policy or without object storage', async () => {
    const w = await world(KEEP);
    await fill(w.stream, 0, 50);
    await w.journal.runTiering(START_MS);
    expect(w.objects.size).toBe(0);
    const store = new MemoryLogStore();
    const journal = new Journal({ store, runtime: w.runtime });
    await fill(await journal.open(NAME, COLD), 0, 5);
    await journal.runTiering(START_MS);
    expect(store.list()).toEqual([NAME]);
  });

  it('brings back what is read often, prefers the copy, and lets it go when it is idle', async () => {
    const w = await world(
      { ...KEEP, tier: { coldAfterMs: 0, warmAfterReads: 3, warmIdleMs: 1000 } },
      { coldCacheBytesMax: 0 },
    );
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    for (let i = 0; i < 3; i++) await w.stream.read(1, 1);
    await w.journal.runTiering(w.runtime.nowMs());
    const [first, second] = w.stream.tiers().objects;
    expect([first!.warm, first!.cold, second!.warm]).toEqual([true, true, false]);
    const { gets } = w.cold.requests;
    await w.stream.read(1, 1);
    expect(w.cold.requests.gets).toBe(gets);
    expect(await offsets((await again(w)).stream)).toEqual(range(0, 100));
    w.runtime.advance(2000);
    await w.journal.runTiering(w.runtime.nowMs());
    expect(w.stream.tiers().objects.some((object) => object.warm)).toBe(false);
    await w.stream.warm(0, 100);
    expect(w.stream.tiers().objects.every((object) => object.warm)).toBe(true);
    expect(await offsets(w.stream)).toEqual(range(0, 100));
  });
});

describe('damage and faults of object storage', () => {
  it('names the damaged record and serves all others, wherever a byte of an object is flipped', async () => {
    const w = await world(COLD, { coldCacheBytesMax: 0 });
    await fill(w.stream, 0, 60);
    await w.journal.runTiering(START_MS);
    const key = objectKeys(w).sort()[1]!;
    const part = w.stream.tiers().objects[1]!;
    const bytes = w.objects.get(key)!;
    for (let at = 0; at < bytes.length; at += 7) {
      bytes[at]! ^= 0x10;
      const { stream } = await again(w);
      const found: number[] = [];
      const lost: number[] = [];
      for (let next = 0; next < stream.stableOffset;) {
        try {
          for (const batch of await stream.read(next, 300))
            decodeRecords(batch, (record) => void found.push(record.offset));
          next = found.at(-1)! + 1;
        } catch (error) {
          expect(error).toMatchObject({ code: 'corrupt', resumeAt: next + 1 });
          expect(String(error)).toContain(`${NAME} at ${next}, object ${key}`);
          lost.push(next++);
        }
      }
      expect(lost.length).toBeLessThanOrEqual(1);
      expect([...found, ...lost].sort((a, b) => a - b)).toEqual(range(0, 60));
      for (const offset of lost) expect(offset >= part.baseOffset && offset < part.nextOffset).toBe(true);
      bytes[at]! ^= 0x10;
    }
  });

  it('reports an object that is missing as lost offsets and goes on behind it', async () => {
    const w = await world(COLD, { coldCacheBytesMax: 0 });
    await fill(w.stream, 0, 60);
    await w.journal.runTiering(START_MS);
    const part = w.stream.tiers().objects[1]!;
    w.objects.delete(part.key);
    await expect(w.stream.read(part.baseOffset + 2, 100)).rejects.toMatchObject({
      code: 'corrupt',
      resumeAt: part.nextOffset,
    });
    expect(await offsets(w.stream, part.nextOffset)).toEqual(range(part.nextOffset, 60));
    expect((await w.stream.offsetAtTime(START_MS - 1000 + part.baseOffset))!.offset).toBe(part.nextOffset);
  });

  it('backs off when asked to, reads each block once for all readers, and says when it gives up', async () => {
    const w = await world();
    await fill(w.stream, 0, 60);
    await w.journal.runTiering(START_MS);
    let refusals = 3;
    const getRange = w.cold.getRange.bind(w.cold);
    w.cold.getRange = async (...args) => {
      if (refusals-- > 0) throw new StoreError('object-throttled', args[0]);
      return getRange(...args);
    };
    const before = w.cold.requests.gets;
    const reads = Promise.all(Array.from({ length: 20 }, () => w.stream.read(3, 10)));
    let done = false;
    void reads.then(() => (done = true));
    let waitedMs = 0;
    for (; !done; waitedMs += 50) {
      await new Promise((resolve) => setImmediate(resolve));
      w.runtime.advance(50);
    }
    expect(waitedMs).toBeGreaterThan(100);
    expect(w.cold.requests.gets - before).toBeLessThanOrEqual(3);
    refusals = Infinity;
    const failing = expect(w.stream.read(40, 10)).rejects.toMatchObject({ code: 'unavailable' });
    let failed = false;
    void failing.then(() => (failed = true));
    while (!failed) {
      await new Promise((resolve) => setImmediate(resolve));
      w.runtime.advance(500);
    }
    refusals = 0;
    expect(await offsets(w.stream)).toEqual(range(0, 60));
  });
});

describe('retention and removal', () => {
  it('lets objects go by time, by size, and by DeleteRecords, and deletes them', async () => {
    const w = await world();
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    await w.stream.trim(30);
    expect(w.stream.startOffset).toBe(30);
    await w.journal.runTiering(START_MS);
    expect(objectKeys(w).length).toBe(w.stream.tiers().objects.length);
    expect(await offsets(w.stream)).toEqual(range(30, 100));
    expect(() => w.stream.read(29, 1)).toThrow('not in the stream');
    w.journal.setPolicy(NAME, { ...COLD, retentionBytes: 5000 });
    await w.journal.enforceRetention(START_MS);
    expect(w.stream.sizeBytes).toBeLessThanOrEqual(7000);
    w.journal.setPolicy(NAME, { ...COLD, retentionMs: 900 - 80 });
    await w.journal.enforceRetention(START_MS - 100);
    const start = w.stream.startOffset;
    expect(start).toBeGreaterThan(30);
    expect((await offsets((await again(w)).stream)).length).toBe(100 - start);
    await w.stream.trim(100);
    await w.journal.runTiering(START_MS);
    expect(objectKeys(w)).toEqual([]);
    await fill(w.stream, 100, 105);
    expect(await offsets((await again(w)).stream)).toEqual(range(100, 105));
  });

  it('removes all objects of a stream, verifiably, and a new one of the name meets none of them', async () => {
    const w = await world();
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    expect(await w.cold.list(objectsOf('ns2:n1'))).not.toEqual([]);
    await w.journal.remove(NAME);
    expect(await w.cold.list(objectsOf('ns2:n1'))).toEqual([]);
    expect(w.store.list()).toEqual([]);
    const stream = await w.journal.open(NAME, COLD);
    expect([stream.startOffset, stream.endOffset]).toEqual([0, 0]);
  });

  it('goes on with a removal that object storage did not take', async () => {
    const w = await world();
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    const deleteKeys = w.cold.delete.bind(w.cold);
    w.cold.delete = async (keys) => {
      throw new StoreError('object-unavailable', keys[0]!);
    };
    await w.journal.remove(NAME);
    expect(w.journal.list()).toEqual([]);
    expect(w.objects.size).toBeGreaterThan(0);
    const next = await again(w);
    await fill(next.stream, 0, 10);
    expect(await offsets(next.stream)).toEqual(range(0, 10));
    w.cold.delete = deleteKeys;
    await next.journal.runTiering(START_MS);
    expect(await offsets(next.stream)).toEqual(range(0, 10));
    await next.journal.remove(NAME);
    expect(w.objects.size).toBe(0);
    expect(w.store.list()).toEqual([]);
  });

  it('only says so in its log when the medium fails while a removal is finished', async () => {
    const w = await world();
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    w.cold.delete = async (keys) => {
      throw new StoreError('object-unavailable', keys[0]!);
    };
    await w.journal.remove(NAME);
    const next = new Journal({ store: w.store, runtime: w.runtime, objects: w.cold, tailCacheBytesMax: 0 });
    w.store.open = async (stream) => {
      throw new StoreError('failed', stream);
    };
    await expect(next.runTiering(START_MS)).resolves.toBeUndefined();
  });

  it('removes orphans after the grace, and nothing else', async () => {
    const w = await world();
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    const [key] = objectKeys(w);
    w.objects.set(`${key}0`, Buffer.from('left by a crash'));
    await w.journal.runTiering(START_MS + 7_200_000);
    expect(w.objects.has(`${key}0`)).toBe(false);
    expect(await offsets(w.stream)).toEqual(range(0, 100));
    expect([...w.objects.keys()].filter((name) => name.includes('/manifest/'))).toHaveLength(1);
  });
});

describe('on files', () => {
  it('survives damage of its newest manifest: object storage has it too', async () => {
    const disk = new SimulatedDisk(() => 0.5);
    const open = () => FileLogStore.open({ directory: '/d', disk, walBytesMax: 2000, segmentBytesMax: 3000 });
    const w = await world(COLD, { store: await open() });
    await fill(w.stream, 0, 100);
    await w.journal.runTiering(START_MS);
    await w.journal.close();
    const { generation } = await new ManifestLog(await open(), NAME).load().then(({ manifest }) => manifest!);
    const needle = Buffer.from(`"generation":${generation},`);
    let damaged = 0;
    const platter = disk.kill();
    for (const path of platter.paths) {
      const content = platter.content(path);
      for (let at = content.indexOf(needle); at >= 0; at = content.indexOf(needle, at + 1), damaged++)
        content[at]! ^= 1;
    }
    expect(damaged).toBeGreaterThan(0);
    const store = await FileLogStore.open({ directory: '/d', disk: platter, walBytesMax: 2000, segmentBytesMax: 3000 });
    const { stream, journal } = await again({ ...w, store });
    expect(await offsets(stream)).toEqual(range(0, 100));
    await journal.runTiering(START_MS + 7_200_000);
    expect(await offsets(stream)).toEqual(range(0, 100));
    await journal.close();
  });
});
