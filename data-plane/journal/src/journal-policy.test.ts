import { FaultyLogStore, FileLogStore, MemoryLogStore, MemoryObjectStore, SimulatedDisk } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from './batch-builder.ts';
import { Journal, type JournalOptions } from './journal.ts';
import type { Stream, StreamName, StreamPolicy } from './journal-types.ts';

const NAME = 'ns2:n19:partition4:abcd1:0' as StreamName;
const OTHER = 'ns2:n19:partition4:abcd1:1' as StreamName;
const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const START_MS = 1_700_000_000_000;

function journalOver(options: Partial<JournalOptions> = {}): Journal {
  const runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
  return new Journal({ store: new MemoryLogStore(), runtime, objectBytes: 2000, orphanGraceMs: 0, ...options });
}
function one(): Buffer {
  const builder = new BatchBuilder();
  builder.add(null, Buffer.from('x'), null, 0);
  return builder.build();
}
async function fill(stream: Stream, count: number, timestampMs = START_MS - 1000): Promise<void> {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) {
    builder.add(Buffer.from(`k${i % 3}`), Buffer.alloc(100, i), null, timestampMs);
    await stream.append(builder.build()).promise();
  }
}

describe('alterPolicy', () => {
  it('changes retention, cleanup and tier of a live stream, field by field, and answers what holds', async () => {
    const journal = journalOver({ objects: new MemoryObjectStore(), tierOf: () => ({ coldAfterIdleMs: 1e9 }) });
    const stream = await journal.open(NAME, KEEP);
    await fill(stream, 50);
    await journal.enforceRetention(START_MS);
    expect(stream.startOffset).toBe(0);
    expect(journal.alterPolicy(NAME, { retentionBytes: 1000 })).toMatchObject({ ...KEEP, retentionBytes: 1000 });
    await journal.enforceRetention(START_MS);
    expect(stream.startOffset).toBeGreaterThan(30);
    const before = stream.startOffset;
    journal.alterPolicy(NAME, { tier: { coldAfterMs: 0 } });
    await journal.runTiering(START_MS);
    expect(stream.meter.coldBytes).toBeGreaterThan(0);
    expect(journal.alterPolicy(NAME, { tier: undefined, retentionBytes: -1 })?.tier).toEqual({ coldAfterIdleMs: 1e9 });
    await fill(stream, 30);
    await journal.enforceRetention(START_MS);
    expect(stream.startOffset).toBe(before);
    expect(journal.alterPolicy(NAME, { cleanup: 'compact', compaction: { minDirtyRatio: 0 } })?.cleanup).toBe(
      'compact',
    );
    await journal.runTiering(START_MS);
    expect(stream.tiers().objects.every((object) => object.compacted)).toBe(true);
    expect(stream.policy.compaction).toEqual({ minDirtyRatio: 0 });
    expect(journal.alterPolicy(OTHER, {})).toBeNull();
  });

  it('hotBytes bounds what one stream has in memory, at once and without a hole', async () => {
    const journal = journalOver();
    const [stream, other] = await Promise.all([journal.open(NAME, KEEP), journal.open(OTHER, KEEP)]);
    await fill(stream, 20);
    await fill(other, 20);
    const all = stream.meter.hotBytes;
    journal.alterPolicy(NAME, { tier: { hotBytes: 500 } });
    expect(stream.meter.hotBytes).toBeLessThanOrEqual(500);
    expect(stream.meter.hotBytes).toBeGreaterThan(0);
    await fill(stream, 5);
    expect(stream.meter.hotBytes).toBeLessThanOrEqual(500);
    expect(other.meter.hotBytes).toBe(all);
    expect(await stream.read(0, 1e6)).toHaveLength(25);
    journal.alterPolicy(NAME, { tier: { hotBytes: 0 } });
    await fill(stream, 1);
    expect(stream.meter.hotBytes).toBe(0);
    expect(await stream.read(25, 1e6)).toHaveLength(1);
  });
});

describe('metering', () => {
  it('counts requests and bytes of each stream for itself, also while it is removed', async () => {
    const cold = new MemoryObjectStore();
    const journal = journalOver({ objects: cold, tailCacheBytesMax: 0, coldCacheBytesMax: 0 });
    const policy = { ...KEEP, tier: { coldAfterMs: 0 } };
    const [stream, other] = await Promise.all([journal.open(NAME, policy), journal.open(OTHER, policy)]);
    const heard = new Map<string, number>();
    journal.onObjectRequest((name) => heard.set(name, (heard.get(name) ?? 0) + 1));
    await fill(stream, 40);
    await journal.runTiering(START_MS);
    const { meter } = stream;
    expect(meter.objectRequests).toBeGreaterThan(2);
    expect(meter.objectBytesWritten).toBe(cold.requests.bytesWritten);
    expect(other.meter).toMatchObject({ objectRequests: 0, objectBytesWritten: 0, coldBytes: 0 });
    expect(meter.coldBytes).toBe(stream.tiers().objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    const before = meter.objectBytesRead;
    await stream.read(0, 1);
    expect(meter.objectBytesRead).toBeGreaterThan(before);
    expect(heard.get(NAME)).toBe(meter.objectRequests);
    await journal.remove(NAME);
    expect(heard.get(NAME)).toBeGreaterThan(meter.objectRequests);
    expect(heard.has(OTHER)).toBe(false);
  });
});

describe('an engine for each stream', () => {
  it('has memory beside any main medium, and knows the main one by its kind', async () => {
    const store = await FileLogStore.open({ directory: '/main', disk: new SimulatedDisk(() => 0.5) });
    const journal = journalOver({ store });
    const [here, memory] = await Promise.all([
      journal.open(NAME, { ...KEEP, engine: 'file' }),
      journal.open(OTHER, { ...KEEP, engine: 'memory' }),
    ]);
    await Promise.all([fill(here, 3), fill(memory, 4)]);
    expect(store.list()).toEqual([NAME]);
    expect(await memory.read(0, 1e6)).toHaveLength(4);
    const rocks = journal.open('ns2:n19:x' as StreamName, { ...KEEP, engine: 'rocksdb' });
    await expect(rocks).rejects.toMatchObject({ code: 'engine-unknown' });
    await journal.close();
  });

  it('makes a stream where its policy says, finds it there again, and acknowledges by its medium', async () => {
    const disks = [new SimulatedDisk(() => 0.5), new SimulatedDisk(() => 0.5)] as const;
    const start = async (): Promise<Journal> => {
      const store = await FileLogStore.open({ directory: '/main', disk: disks[0] });
      const second = await FileLogStore.open({ directory: '/second', disk: disks[1] });
      return journalOver({ store, engine: 'file', engines: { rocksdb: second, memory: new MemoryLogStore() } });
    };
    let journal = await start();
    const names = ['a', 'b', 'c'].map((name) => `ns2:n19:partition4:abcd1:${name}` as StreamName);
    const [main, second, memory] = await Promise.all([
      journal.open(names[0]!, { ...KEEP, engine: 'file' }),
      journal.open(names[1]!, { ...KEEP, engine: 'rocksdb' }),
      journal.open(names[2]!, { ...KEEP, engine: 'memory' }),
    ]);
    await Promise.all([fill(main, 10), fill(second, 20), fill(memory, 30)]);
    const volatile = memory.append(one());
    expect(volatile.settled).toBe(true);
    expect(second.append(one()).settled).toBe(false);
    await journal.current.promise();
    expect([...journal.list()].sort()).toEqual(names);
    await journal.close();
    journal = await start();
    // What the policy says now changes nothing for a stream that exists.
    const again = await Promise.all(names.map((name) => journal.open(name, { ...KEEP, engine: 'file' })));
    expect(again.map((stream) => stream.endOffset)).toEqual([10, 21, 0]);
    await journal.remove(names[1]!);
    expect([...journal.list()].sort()).toEqual([names[0], names[2]]);
    await expect(journal.open(OTHER, { ...KEEP, engine: 'tape' })).rejects.toMatchObject({ code: 'engine-unknown' });
    await journal.close();
  });
});

describe('a memory medium that fails', () => {
  it('stops its own streams and nobody else', async () => {
    const runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
    const memory = new FaultyLogStore(new MemoryLogStore(), runtime, { flushErrorChance: 1 });
    const disk = new SimulatedDisk(() => 0.5);
    const store = await FileLogStore.open({ directory: '/d', disk });
    const journal = new Journal({ store, runtime, engines: { memory } });
    const failures: Error[] = [];
    journal.onFailed((error) => failures.push(error));
    const volatile = await journal.open(OTHER, { ...KEEP, engine: 'memory' });
    const kept = await journal.open(NAME, KEEP);
    volatile.append(one());
    await kept.append(one()).promise();
    await expect(volatile.append(one()).promise()).rejects.toMatchObject({ code: 'failed' });
    await kept.append(one()).promise();
    expect([kept.stableOffset, failures]).toEqual([2, []]);
    await journal.close();
  });
});
