import { FileLogStore, SimulatedDisk, type ObjectStore } from '@robustmq/store';
import { RealTimeRuntime } from '@robustmq/store/testing';
import { expect, it } from 'vitest';
import { BatchBuilder } from '../batch-builder.ts';
import { decodeRecords } from '../decode-records.ts';
import { Journal } from '../journal.ts';
import type { Stream, StreamName, StreamPolicy } from '../journal-types.ts';
import { checkBatch, readNextOffset } from '../record-batch.ts';
import { objectsOf } from '../tier/object-key.ts';

const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const OBJECT_BYTES = 64 * 1024;
const CLAIM_BYTES = 32 * 1024;
const TIMEOUT_MS = 120_000;

/** Opens the engine under test; each call over the same objects. */
export type OpenCold = () => Promise<ObjectStore>;

let names = 0;
function newName(): StreamName {
  return `ns${++names}:n:partition4:abcd:0` as StreamName;
}

interface Running {
  readonly journal: Journal;
  readonly objects: ObjectStore;
  readonly runtime: RealTimeRuntime;
}
async function start(open: OpenCold, disk: SimulatedDisk): Promise<Running> {
  const runtime = new RealTimeRuntime({ autoTurn: true, startMs: 1_700_000_000_000 });
  const store = await FileLogStore.open({ directory: '/d', disk, walBytesMax: 100_000, segmentBytesMax: 100_000 });
  const objects = await open();
  const sizes = { objectBytes: OBJECT_BYTES, tailCacheBytesMax: 8192, coldCacheBytesMax: OBJECT_BYTES };
  const more = { orphanGraceMs: 0, claimBytesMin: CLAIM_BYTES };
  return { runtime, objects, journal: new Journal({ store, runtime, objects, ...sizes, ...more }) };
}
async function stop({ journal, objects }: Running): Promise<void> {
  await journal.close();
  await objects.close?.();
}

/** Appends `count` batches; every 25th is large enough for a claim. Values say their offset. */
async function produce(stream: Stream, count: number): Promise<void> {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) {
    const offset = stream.endOffset;
    const value = Buffer.alloc(offset % 25 === 7 ? CLAIM_BYTES + 100 : 1000, offset);
    value.writeUInt32BE(offset, 0);
    builder.add(Buffer.from(`k${offset % 5}`), value, null, 1_700_000_000_000 - 1000);
    const batch = builder.build();
    await stream.append(batch, await stream.prepare(batch)).promise();
  }
}
/** Reads from offset 0 until `to`, as it becomes stable; fails at the first record that is not the next one. */
async function consume(stream: Stream, to: number): Promise<void> {
  for (let at = 0; at < to;) {
    if (at >= stream.stableOffset) {
      await new Promise<void>((resolve) => void stream.onStableBeyond(at, resolve));
      continue;
    }
    for (const batch of await stream.read(at, 20_000)) {
      expect(checkBatch(batch, 0, batch.length).fault).toBeNull();
      decodeRecords(batch, (record) => {
        expect([record.offset, record.value()!.readUInt32BE(0)]).toEqual([at, at]);
      });
      at = readNextOffset(batch);
    }
  }
}
async function listAll(objects: ObjectStore, prefix: string): Promise<string[]> {
  return (await objects.list(prefix)).map(({ key }) => key).sort();
}

/** What a journal must do on top of every cold engine. `open` is called again for a restart. */
export function coldEngineSuite(open: OpenCold): void {
  it('serves a consumer from offset 0 across all tiers while producers append', { timeout: TIMEOUT_MS }, async () => {
    const running = await start(open, new SimulatedDisk(() => 0.5));
    const name = newName();
    const tier = { coldAfterBytes: 40_000, warmAfterReads: 3, warmIdleMs: 1 };
    const stream = await running.journal.open(name, { ...KEEP, tier });
    await produce(stream, 200);
    await running.journal.runTiering(running.runtime.nowMs());
    expect(stream.tiers().objects.length).toBeGreaterThan(0);
    let producing = true;
    const moving = async (): Promise<void> => {
      while (producing) {
        await running.journal.runTiering(running.runtime.nowMs());
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const producer = produce(stream, 200).finally(() => (producing = false));
    await Promise.all([producer, moving(), consume(stream, 400), consume(stream, 400)]);
    await running.journal.runTiering(running.runtime.nowMs());
    const report = stream.tiers();
    expect(report.claims).toHaveLength(16);
    expect(report.coldBytes).toBeGreaterThan(OBJECT_BYTES);
    const named = [...report.objects.filter(({ cold }) => cold), ...report.claims].map(({ key }) => key);
    const found = await listAll(running.objects, objectsOf(name));
    expect(found.filter((key) => !key.includes('/manifest/'))).toEqual(named.sort());
    await running.journal.remove(name);
    expect(await listAll(running.objects, objectsOf(name))).toEqual([]);
    await stop(running);
  });

  it(
    'has everything after a loss of power, trims by DeleteRecords, and removes what goes',
    {
      timeout: TIMEOUT_MS,
    },
    async () => {
      const disk = new SimulatedDisk(() => 0.5);
      const before = await start(open, disk);
      const name = newName();
      const policy = { ...KEEP, tier: { coldAfterBytes: 20_000 } };
      const written = await before.journal.open(name, policy);
      await produce(written, 150);
      await before.journal.runTiering(before.runtime.nowMs());
      const running = await start(open, disk.cutPower());
      await before.objects.close?.();
      const stream = await running.journal.open(name, policy);
      await consume(stream, 150);
      await produce(stream, 20);
      await stream.trim(100);
      await running.journal.runTiering(running.runtime.nowMs() + 1);
      const { objects, claims } = stream.tiers();
      expect(claims.map(({ baseOffset }) => baseOffset)).toEqual([107, 132, 157]);
      const named = [...objects, ...claims].map(({ key }) => key);
      const found = await listAll(running.objects, objectsOf(name));
      expect(found.filter((key) => !key.includes('/manifest/'))).toEqual(named.sort());
      await running.journal.remove(name);
      expect(await listAll(running.objects, objectsOf(name))).toEqual([]);
      await stop(running);
    },
  );

  it('compacts into objects, and keeps the newest record of each key', { timeout: TIMEOUT_MS }, async () => {
    const running = await start(open, new SimulatedDisk(() => 0.5));
    const name = newName();
    const compaction = { minDirtyRatio: 0 };
    const policy: StreamPolicy = { ...KEEP, tier: { coldAfterMs: 0 }, cleanup: 'compact', compaction };
    const stream = await running.journal.open(name, policy);
    await produce(stream, 100);
    await running.journal.runTiering(running.runtime.nowMs());
    const kept: number[] = [];
    for (let at = 0; at < stream.stableOffset;) {
      for (const batch of await stream.read(at, 20_000)) {
        decodeRecords(batch, (record) => void kept.push(record.offset));
        at = readNextOffset(batch);
      }
    }
    expect(kept).toEqual([95, 96, 97, 98, 99]);
    expect(await stream.offsetOfKey(Buffer.from('k2'))).toBe(97);
    await running.journal.remove(name);
    expect(await listAll(running.objects, objectsOf(name))).toEqual([]);
    await stop(running);
  });
}
