import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Log } from '../log.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { FileLogStore } from './file-log-store.ts';

/** Worlds of one run; more by hand: `ROBUSTMQ_PROPERTY_RUNS=100000`. */
const RUNS = Number(process.env['ROBUSTMQ_PROPERTY_RUNS'] ?? 1500);

type Step =
  | { do: 'append'; stream: number; count: number; records: number; sizeBytes: number }
  | { do: 'flush' }
  | { do: 'flush later' }
  | { do: 'trim'; stream: number; part: number }
  | { do: 'truncate'; stream: number; part: number }
  | { do: 'remove'; stream: number }
  | { do: 'reopen' }
  | { do: 'crash'; after: number; power: boolean; again: number };

const stream = fc.nat(3);
const part = fc.double({ min: 0, max: 1, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      stream,
      count: fc.integer({ min: 1, max: 4 }),
      records: fc.integer({ min: 1, max: 3 }),
      sizeBytes: fc.oneof(fc.constant(20), fc.constant(700), fc.constant(5000)),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'flush' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'flush later' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), stream, part }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), stream, part }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), stream }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash' as const),
      after: fc.nat(40),
      power: fc.boolean(),
      again: fc.nat(30),
    }),
  },
);

/** What one stream must and may hold, kept naively. */
interface Model {
  /** All chunks appended since the stream was made or last recovered: base, next, tag in the bytes. */
  chunks: { base: number; next: number; tag: number }[];
  start: number;
  end: number;
  /** Acknowledged; `pending…` are asked for and not acknowledged. */
  stableEnd: number;
  pendingStart: number;
  pendingEnd: number | null;
}
const NEW: Omit<Model, 'chunks'> = { start: 0, end: 0, stableEnd: 0, pendingStart: 0, pendingEnd: null };

interface Sizes {
  readonly walBytesMax: number;
  readonly segmentBytesMax: number;
  /** What stays in full write-ahead logs, what shares a file, and when parts of those are copied. */
  readonly keptRunBytesMin: number;
  readonly ownStreamsMax: number;
  readonly sharedPartsMax: number;
}

class World {
  disk: SimulatedDisk;
  readonly sizes: Sizes;
  readonly streams = new Map<string, Model>();
  store: FileLogStore | null = null;
  tag = 0;
  /** A stream whose removal was asked for and not acknowledged. */
  removing: string | null = null;

  constructor(seed: number, sizes: Sizes) {
    let state = seed | 0;
    this.disk = new SimulatedDisk(() => {
      state = (Math.imul(state, 1103515245) + 12345) | 0;
      return ((state >>> 8) & 0xffff) / 0x10000;
    });
    this.sizes = sizes;
  }
  async open(): Promise<void> {
    this.store = await FileLogStore.open({ directory: '/data', disk: this.disk, ...this.sizes });
    expect(this.store.damages.filter((damage) => damage.kind === 'hole' || damage.kind === 'orphan')).toEqual([]);
    await this.verify();
  }

  async run(step: Step): Promise<void> {
    const store = this.store!;
    if (step.do === 'flush' || step.do === 'flush later') {
      const ends = [...this.streams.values()].map((model) => [model, model.end] as const);
      const flushed = store.flush().then(() => {
        if (store !== this.store) return;
        for (const [model, end] of ends) model.stableEnd = Math.max(model.stableEnd, end);
      });
      if (step.do === 'flush') await flushed;
      else flushed.catch(() => undefined);
    } else if (step.do === 'reopen') {
      await store.close();
      for (const model of this.streams.values()) model.stableEnd = model.end;
      await this.open();
    } else if (step.do !== 'crash') await this.change(step, `s${step.stream}`);
  }
  async change(step: Extract<Step, { stream: number }>, name: string): Promise<void> {
    const log = await this.store!.open(name);
    const model = this.streams.get(name) ?? { ...NEW, chunks: [] };
    this.streams.set(name, model);
    if (step.do === 'append') {
      for (let i = 0; i < step.count; i++) {
        const bytes = Buffer.alloc(step.sizeBytes, this.tag & 0xff);
        bytes.writeUInt32BE(++this.tag, 0);
        const chunk = { base: model.end, next: model.end + step.records, tag: this.tag };
        log.append({ baseOffset: chunk.base, nextOffset: chunk.next, timestampMs: this.tag, bytes });
        model.chunks.push(chunk);
        model.end = chunk.next;
      }
    } else if (step.do === 'trim') {
      const before = model.start + Math.floor(step.part * (model.end - model.start));
      model.pendingStart = before;
      await log.trim(before);
      model.start = before;
    } else if (step.do === 'truncate') {
      const to = model.start + Math.floor(step.part * (model.end - model.start));
      const straddling = model.chunks.find((chunk) => chunk.base < to && chunk.next > to);
      const end = Math.max(model.start, straddling?.base ?? to);
      model.pendingEnd = Math.min(end, model.stableEnd);
      await log.truncate(to);
      model.pendingEnd = null;
      model.chunks = model.chunks.filter((chunk) => chunk.next <= to);
      model.end = end;
      model.stableEnd = Math.min(model.stableEnd, end);
      expect(log.endOffset).toBe(end);
    } else {
      this.removing = name;
      await this.store!.remove(name);
      this.removing = null;
      this.streams.delete(name);
    }
  }

  /**
   * Everything acknowledged is there, nothing else but what was appended, and what is there is the model from now on.
   */
  async verify(): Promise<void> {
    const store = this.store!;
    const names = new Set(store.list());
    for (const [name, model] of this.streams) {
      if (!names.has(name)) {
        // Made and never flushed, or its removal was under way.
        expect(name === this.removing || (model.stableEnd === 0 && model.start === 0)).toBe(true);
        this.streams.delete(name);
        continue;
      }
      const log = await store.open(name);
      expect(log.endOffset).toBeGreaterThanOrEqual(model.pendingEnd ?? model.stableEnd);
      expect(log.endOffset).toBeLessThanOrEqual(model.end);
      expect([model.start, model.pendingStart]).toContain(log.startOffset);
      expect(log.stableOffset).toBe(log.endOffset);
      await this.compare(log, model);
      Object.assign(model, { start: log.startOffset, pendingStart: log.startOffset, end: log.endOffset });
      Object.assign(model, { stableEnd: log.endOffset, pendingEnd: null });
      model.chunks = model.chunks.filter((chunk) => chunk.next <= log.endOffset);
      names.delete(name);
    }
    this.removing = null;
    expect([...names]).toEqual([]);
  }
  async compare(log: Log, model: Model): Promise<void> {
    const expected = model.chunks.filter((chunk) => chunk.next > log.startOffset && chunk.next <= log.endOffset);
    const found: typeof expected = [];
    for (let at = log.startOffset; at < log.endOffset;) {
      for (const chunk of await log.read(at, 3000)) {
        found.push({ base: chunk.baseOffset, next: chunk.nextOffset, tag: chunk.bytes.readUInt32BE(0) });
        at = chunk.nextOffset;
      }
    }
    expect(found).toEqual(expected);
  }
}

describe('FileLogStore against a naive model', () => {
  it(
    'keeps what it acknowledged whatever happens at whatever moment',
    async () => {
      const sizes = fc.record({
        walBytesMax: fc.constantFrom(1, 3000, 20_000),
        segmentBytesMax: fc.constantFrom(1, 4000, 100_000),
        keptRunBytesMin: fc.constantFrom(1, 800, 100_000),
        ownStreamsMax: fc.constantFrom(0, 1, 8),
        sharedPartsMax: fc.constantFrom(0, 3, 1000),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer(), sizes, async (steps, seed, sizes) => {
          const world = new World(seed, sizes);
          await world.open();
          let stopped: Promise<void> | null = null;
          let power = false;
          let again = 0;
          const restart = async (): Promise<void> => {
            world.disk = power ? world.disk.cutPower() : world.disk.kill();
            // The recovery is cut short as well, and the one after that is not.
            stopped = world.disk.stopAfter(again);
            await Promise.race([world.open(), stopped]);
            world.disk = power ? world.disk.kill() : world.disk.cutPower();
            stopped = null;
            await world.open();
          };
          for (const step of steps) {
            if (step.do === 'crash') {
              ({ power, again } = step);
              stopped ??= world.disk.stopAfter(step.after);
              continue;
            }
            if (stopped === null) await world.run(step);
            else if (await Promise.race([world.run(step).then(() => false), stopped.then(() => true)])) await restart();
          }
          if (stopped !== null) await restart();
          for (const [name, model] of world.streams) await world.compare(await world.store!.open(name), model);
        }),
        { numRuns: RUNS },
      );
    },
    60_000 + 20 * RUNS,
  );
});
