import { FaultyObjectStore, FileLogStore, MemoryObjectStore, SimulatedDisk, type ObjectFaults } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../batch-builder.ts';
import { decodeRecords } from '../decode-records.ts';
import { Journal } from '../journal.ts';
import { JournalError } from '../journal-error.ts';
import type { Stream, StreamName, StreamPolicy } from '../journal-types.ts';
import { readNextOffset } from '../record-batch.ts';
import { decodeManifest } from './manifest.ts';
import { objectsOf } from './object-key.ts';

const START_MS = 1_700_000_000_000;
const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
/** One stream of each kind. */
const POLICIES: readonly StreamPolicy[] = [
  { ...KEEP, tier: { coldAfterMs: 0, warmAfterReads: 2, warmIdleMs: 1 } },
  { ...KEEP, tier: { coldAfterBytes: 1500 }, cleanup: 'compact', compaction: { minDirtyRatio: 0.3 } },
  { ...KEEP, cleanup: 'compact', compaction: { minDirtyRatio: 0 } },
];
const NAMES = POLICIES.map((_, i) => `ns1:n1:${i}` as StreamName);
const FAULTS: Partial<ObjectFaults> = {
  errorBeforeChance: 0.05,
  errorAfterChance: 0.05,
  partialReadChance: 0.05,
  partialDeleteChance: 0.1,
  throttleChance: 0.03,
  throttledCalls: 2,
};

/** What was sent to a stream, by offset, and what of it must still be there. */
class Model {
  sent: { readonly key: string; readonly value: string }[] = [];
  acknowledged = 0;
  /** DeleteRecords that were acknowledged, and the furthest that was asked for. */
  trimmed = 0;
  trimAsked = 0;

  checkRecord(offset: number, key: string, value: string): void {
    expect({ key, value }).toEqual(this.sent[offset]);
  }
  /** Nothing may be missing from `[from, to)` but records that a later one of their key made superfluous. */
  checkMissing(found: ReadonlySet<number>, from: number, to: number, compacts: boolean): void {
    const newest = new Map<string, number>();
    for (let i = 0; i < this.sent.length; i++) newest.set(this.sent[i]!.key, i);
    for (let i = from; i < to; i++) {
      if (!found.has(i)) expect([i, compacts && newest.get(this.sent[i]!.key)! > i]).toEqual([i, true]);
    }
  }
}

/** Media that outlive processes, and the process of now. */
class Machine {
  readonly objects = new Map<string, Buffer>();
  readonly runtime = new ManualRuntime({ autoTurn: true, startMs: START_MS });
  disk = new SimulatedDisk(() => 0.4);
  faults: Partial<ObjectFaults> = FAULTS;
  cold!: FaultyObjectStore;
  journal!: Journal;
  streams: Stream[] = [];
  isDown = false;

  async start(): Promise<void> {
    const store = await FileLogStore.open({
      directory: '/d',
      disk: this.disk,
      walBytesMax: 3000,
      segmentBytesMax: 2000,
    });
    this.cold = new FaultyObjectStore(new MemoryObjectStore(this.objects), this.runtime, this.faults);
    const { runtime, cold: objects } = this;
    const sizes = {
      objectBytes: 900,
      tailCacheBytesMax: 300,
      coldCacheBytesMax: 2000,
      orphanGraceMs: 1000,
      claimBytesMin: 250,
    };
    this.journal = new Journal({ store, runtime, objects, ...sizes });
    this.streams = [];
    for (const [i, name] of NAMES.entries()) this.streams.push(await this.journal.open(name, POLICIES[i]!));
    this.isDown = false;
  }
  /** Resolves when the process dies: at a disk operation or, with `atCall`, when it asks object storage. */
  dieAfter(after: number, atCall: boolean): Promise<void> {
    if (!atCall) return this.disk.stopAfter(after);
    let left = after;
    return new Promise((resolve) => {
      this.cold.onCall = () => {
        if (left-- > 0) return;
        void this.disk.stopAfter(0);
        this.cold.crash();
        resolve();
      };
    });
  }
  next(power: boolean): void {
    this.isDown = true;
    this.cold.crash();
    this.disk = power ? this.disk.cutPower() : this.disk.kill();
  }
}

async function readAll(machine: Machine, stream: Stream, model: Model, compacts: boolean): Promise<void> {
  const isDead = (): boolean => machine.isDown || !machine.streams.includes(stream);
  const found = new Set<number>();
  const start = stream.startOffset;
  const stable = stream.stableOffset;
  for (let at = start; at < stable;) {
    let batches: readonly Buffer[];
    try {
      batches = await stream.read(at, 500);
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      if (isDead()) return;
      if (error.code === 'unavailable') continue;
      // Trimmed meanwhile.
      expect([error.code, at < stream.startOffset]).toEqual(['offset-out-of-range', true]);
      return readAll(machine, stream, model, compacts);
    }
    // The model is of the process that came after.
    if (isDead()) return;
    if (batches.length === 0) break;
    for (const batch of batches) {
      decodeRecords(batch, (record) => {
        model.checkRecord(record.offset, record.key()!.toString(), record.value()!.toString());
        found.add(record.offset);
      });
      expect(readNextOffset(batch)).toBeGreaterThan(at);
      at = readNextOffset(batch);
    }
  }
  model.checkMissing(found, Math.max(start, stream.startOffset), stable, compacts);
}

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), n: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('tier' as const), n: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), n: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('read' as const), n: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('warm' as const), n: fc.nat(60) }) },
);
const life = fc.record({
  actions: fc.array(action, { minLength: 1, maxLength: 12 }),
  dieAfter: fc.nat(150),
  atCall: fc.boolean(),
  power: fc.boolean(),
});
type Action = { readonly do: 'append' | 'tier' | 'trim' | 'read' | 'warm'; readonly n: number };
type Life = {
  readonly actions: Action[];
  readonly dieAfter: number;
  readonly atCall: boolean;
  readonly power: boolean;
};

/** Does what a process does; nothing is waited for but acknowledgements, so that all of it runs at once. */
async function live(
  machine: Machine,
  models: readonly Model[],
  actions: readonly Action[],
  wrong: unknown[],
): Promise<void> {
  const background: Promise<unknown>[] = [];
  const builder = new BatchBuilder();
  const { journal, streams, runtime } = machine;
  const isDead = (): boolean => machine.isDown || machine.journal !== journal;
  const noted = (work: Promise<unknown>): void => {
    background.push(work.catch((error: unknown) => isDead() || isFate(error) || wrong.push(error)));
  };
  for (const { do: what, n } of actions) {
    if (isDead()) return;
    if (what === 'tier') noted(journal.runTiering(runtime.nowMs() + 700_000 * n));
    for (const [i, stream] of streams.entries()) {
      const model = models[i]!;
      if (what === 'read') noted(readAll(machine, stream, model, i > 0));
      if (what === 'warm') noted(stream.warm(n, n + 20));
      if (what === 'trim' && i !== 1) {
        const before = Math.floor((stream.stableOffset * n) / 200);
        model.trimAsked = Math.max(model.trimAsked, before);
        const trimmed = (): void => {
          if (!isDead()) model.trimmed = Math.max(model.trimmed, before);
        };
        noted(stream.trim(before).then(trimmed));
      }
      if (what !== 'append') continue;
      for (let k = 0; k < n; k++) {
        const sent = { key: `k${(model.sent.length * 7) % 11}`, value: `${model.sent.length} ${'y'.repeat(60)}` };
        model.sent.push(sent);
        builder.add(Buffer.from(sent.key), Buffer.from(sent.value), null, START_MS - 10);
        if (k % 3 !== 2 && k !== n - 1) continue;
        const count = model.sent.length;
        const batch = builder.build();
        const claim = n % 3 === 0 ? await stream.prepare(batch) : null;
        if (isDead()) return;
        stream.append(batch, claim).onSettled((error) => {
          if (error === null && !isDead()) model.acknowledged = Math.max(model.acknowledged, count);
        });
      }
    }
    if (what === 'append') await journal.current.promise();
  }
  await Promise.all(background);
}
function isFate(error: unknown): boolean {
  return error instanceof JournalError
    ? error.code === 'unavailable' || error.code === 'closed'
    : error instanceof Error && error.name === 'StoreError';
}

/** A process that starts after a death finds everything acknowledged, and nothing else than what was sent. */
async function checkRestart(machine: Machine, models: readonly Model[]): Promise<void> {
  for (const [i, stream] of machine.streams.entries()) {
    const model = models[i]!;
    expect(stream.stableOffset).toBeGreaterThanOrEqual(model.acknowledged);
    expect(stream.stableOffset).toBeLessThanOrEqual(model.sent.length);
    expect(stream.startOffset).toBeGreaterThanOrEqual(model.trimmed);
    expect(stream.startOffset).toBeLessThanOrEqual(model.trimAsked);
    // What was never acknowledged and is lost: its offsets are given out again.
    model.sent = model.sent.slice(0, stream.stableOffset);
    for (const { key, sizeBytes } of stream.tiers().claims) {
      expect([key, machine.objects.get(key)?.length]).toEqual([key, sizeBytes]);
    }
    for (const { key, sizeBytes, cold } of stream.tiers().objects) {
      if (cold) expect([key, machine.objects.get(key)?.length]).toEqual([key, sizeBytes]);
    }
    await readAll(machine, stream, model, i > 0);
  }
}
/** The newest manifest in object storage of each stream names nothing that is missing. */
function checkRemote(machine: Machine): void {
  for (const name of NAMES) {
    const keys = [...machine.objects.keys()].filter(
      (key) => key.startsWith(objectsOf(name)) && key.includes('/manifest/'),
    );
    const newest = keys.sort().at(-1);
    if (newest === undefined) continue;
    for (const { key, cold } of decodeManifest(machine.objects.get(newest)!)!.parts) {
      if (cold) expect([key, machine.objects.has(key)]).toEqual([key, true]);
    }
  }
}

async function run(lives: readonly Life[]): Promise<void> {
  const machine = new Machine();
  const models = NAMES.map(() => new Model());
  const wrong: unknown[] = [];
  let running = true;
  const pump = (): void => {
    machine.runtime.advance(20);
    if (running) setImmediate(pump);
  };
  pump();
  try {
    await machine.start();
    for (const { actions, dieAfter, atCall, power } of lives) {
      const died = machine.dieAfter(dieAfter, atCall);
      await Promise.race([live(machine, models, actions, wrong).catch((error: unknown) => wrong.push(error)), died]);
      machine.next(power);
      await machine.start();
      await checkRestart(machine, models);
      checkRemote(machine);
    }
    expect(wrong).toEqual([]);
    await checkEnd(machine, models);
  } finally {
    running = false;
  }
}
/** Without faults everything comes to rest: no orphans, and after removal nothing at all. */
async function checkEnd(machine: Machine, models: readonly Model[]): Promise<void> {
  machine.cold.faults = { ...machine.cold.faults, ...Object.fromEntries(Object.keys(FAULTS).map((name) => [name, 0])) };
  const { journal, runtime } = machine;
  await journal.runTiering(runtime.nowMs());
  await journal.runTiering(runtime.nowMs() + 4_000_000);
  await journal.runTiering(runtime.nowMs() + 8_000_000);
  await checkRestart(machine, models);
  checkRemote(machine);
  const named = machine.streams.flatMap((stream) =>
    stream
      .tiers()
      .objects.filter((object) => object.cold)
      .map(({ key }) => key),
  );
  expect([...machine.objects.keys()].filter((key) => key.includes('/data/')).sort()).toEqual(named.sort());
  const claimed = machine.streams.flatMap((stream) => stream.tiers().claims.map(({ key }) => key));
  expect([...machine.objects.keys()].filter((key) => key.includes('/claim/')).sort()).toEqual(claimed.sort());
  for (const name of NAMES) await journal.remove(name);
  await journal.runTiering(runtime.nowMs() + 9_000_000);
  expect([...machine.objects.keys()]).toEqual([]);
  await journal.close();
  const store = await FileLogStore.open({ directory: '/d', disk: machine.disk });
  expect(store.list()).toEqual([]);
}

describe('tiers', () => {
  it('lose, reorder and invent nothing while records move, object storage fails, and processes die anywhere', async () => {
    await fc.assert(fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), run), { numRuns: 150 });
  }, 240_000);
});
