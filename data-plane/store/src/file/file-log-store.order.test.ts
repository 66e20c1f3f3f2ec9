import { describe, expect, it } from 'vitest';
import type { Log } from '../log.ts';
import { fill, readAll } from '../testing/log-store-suite.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { FileLogStore, walPath } from './file-log-store.ts';
import { FRAME_HEADER_BYTES, FRAME_KINDS, readFrameHeader, writeFrameHeader } from './frame.ts';
import { Registry } from './registry.ts';

const directory = '/data';
/** Everything that was not synced is lost when the power goes. */
const newDisk = (): SimulatedDisk => new SimulatedDisk(() => 0.99);
const open = (disk: SimulatedDisk, walBytesMax = 1_000_000, segmentBytesMax = 1_000_000) =>
  FileLogStore.open({ directory, disk, walBytesMax, segmentBytesMax });
/** Lets everything run that the disk does not hold back. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const holes = (store: FileLogStore) => store.damages.filter((damage) => damage.kind === 'hole');
const state = (log: Log) => [log.startOffset, log.stableOffset, log.endOffset];

/**
 * A store whose streams `a` and `b` hold three acknowledged chunks each in a full write-ahead log. The next flush begins a
 * new one, and the checkpoint of the full one runs to its end while that flush is still not synced.
 */
async function withCheckpointAhead(): Promise<{ disk: SimulatedDisk; store: FileLogStore; a: Log; b: Log }> {
  const disk = newDisk();
  const store = await open(disk, 1);
  const [a, b] = [await store.open('a'), await store.open('b')];
  fill(a, 3);
  fill(b, 3);
  await store.flush();
  disk.holdSyncs(/\/wal\//);
  return { disk, store, a, b };
}

describe('a checkpoint that overtakes the flush', () => {
  async function afterPowerLoss(disk: SimulatedDisk): Promise<FileLogStore> {
    await settle();
    expect(disk.paths).not.toContain(walPath(directory, 1));
    const store = await open(disk.cutPower());
    expect(holes(store)).toEqual([]);
    expect(store.list()).toEqual(['a', 'b']);
    return store;
  }

  it('copies no chunk that the log does not hold yet', async () => {
    const { disk, store, a, b } = await withCheckpointAhead();
    fill(a, 1);
    fill(b, 2);
    void store.flush();
    const again = await afterPowerLoss(disk);
    for (const name of ['a', 'b']) {
      const log = await again.open(name);
      expect(state(log)).toEqual([0, 3, 3]);
      expect(await readAll(log)).toHaveLength(3);
    }
  });
  it('keeps what it left out for the next checkpoint', async () => {
    const disk = newDisk();
    const store = await open(disk, 1);
    const log = await store.open('a');
    for (let i = 0; i < 20; i++) {
      fill(log, 1);
      const flushed = store.flush();
      fill(log, 1);
      await flushed;
    }
    await store.close();
    const again = await open(disk.cutPower());
    expect(await readAll(await again.open('a'))).toHaveLength(40);
  });
  it('that is cut short anywhere and done by the next start survives the power then', async () => {
    let died = 0;
    for (let operation = 0; operation < 40; operation++) {
      const disk = newDisk();
      const store = await open(disk, 1, 200);
      const log = await store.open('a');
      fill(log, 5);
      await store.flush();
      let isDead = false;
      void disk.stopAfter(operation).then(() => (isDead = true));
      fill(log, 1);
      void store.flush().catch(() => undefined);
      await settle();
      if (isDead) died++;
      const next = disk.kill();
      const again = await open(next, 1, 200);
      await again.close();
      const last = await open(next.cutPower());
      expect((await readAll(await last.open('a'))).length).toBeGreaterThanOrEqual(5);
      expect(holes(last)).toEqual([]);
    }
    // the checkpoint was cut short at many places, and in the end not at all
    expect(died).toBeGreaterThan(10);
    expect(died).toBeLessThan(40);
  });
  it('forgets nothing for a trim that is not stable, nor what only the same flush replaces', async () => {
    const { disk, a, b } = await withCheckpointAhead();
    fill(a, 1);
    void a.trim(3);
    fill(b, 2);
    void b.trim(4);
    const again = await afterPowerLoss(disk);
    for (const name of ['a', 'b']) {
      const log = await again.open(name);
      expect(state(log)).toEqual([0, 3, 3]);
      expect(await readAll(log)).toHaveLength(3);
    }
  });
  it('forgets nothing for a removal that is not stable', async () => {
    const { disk, store } = await withCheckpointAhead();
    void store.remove('a');
    const again = await afterPowerLoss(disk);
    expect(await readAll(await again.open('a'))).toHaveLength(3);
  });
  it('makes no stream that is not stable', async () => {
    const { disk, store } = await withCheckpointAhead();
    fill(await store.open('c'), 1);
    void store.flush();
    await afterPowerLoss(disk);
  });
  it('seeks by time above a trim that is not stable', async () => {
    const { a } = await withCheckpointAhead();
    void a.trim(2);
    expect(await a.seekTime(0)).toBe(2);
    expect(await a.seekTime(2)).toBe(2);
  });
});

describe('the registry', () => {
  it('written anew leaves out what is not stable, and takes it from the write-ahead log later', async () => {
    const disk = newDisk();
    const load = async (): Promise<Registry> => {
      const registry = new Registry(disk, directory);
      await registry.load(() => undefined);
      return registry;
    };
    const registry = await load();
    const stable = (): void => {
      registry.beginFlush();
      registry.makeStable();
    };
    const a = registry.define('a');
    const gone = registry.define('gone');
    stable();
    for (let i = 1; i <= 1200; i++) {
      registry.trim(a.id, i);
      stable();
      if (i === 1000) {
        registry.define('b');
        registry.remove(gone.id);
        registry.beginFlush();
        registry.trim(a.id, 5000);
        await registry.save();
        const other = await load();
        expect(other.names).toEqual(['a', 'gone']);
        expect(other.byName('a')!.startOffset).toBe(1000);
        other.replayDefine('b', 3);
        expect(other.names).toContain('b');
        await other.close();
        return;
      }
      await registry.save();
    }
  });
});

describe('a flush of several streams', () => {
  /** `flushes` flushes, each of one chunk of `a` and a larger one of `b`; where each begins in the file. */
  async function withFlushes(flushes: number): Promise<{ content: Buffer; starts: number[] }> {
    const disk = newDisk();
    const store = await open(disk);
    const [a, b] = [await store.open('a'), await store.open('b')];
    const starts: number[] = [];
    for (let i = 0; i < flushes; i++) {
      starts.push(disk.content(walPath(directory, 1)).length);
      fill(a, 1, 60);
      fill(b, 1, 200);
      await store.flush();
    }
    await store.close();
    return { content: disk.content(walPath(directory, 1)), starts };
  }
  async function recovered(content: Buffer): Promise<{ store: FileLogStore; ends: number[] }> {
    const disk = newDisk();
    const file = await disk.open(walPath(directory, 1), 'create');
    await file.write([content], 0);
    const store = await open(disk);
    const ends = [(await store.open('a')).endOffset, (await store.open('b')).endOffset];
    return { store, ends };
  }

  it('comes back whole or not at all, wherever it is torn', async () => {
    const { content, starts } = await withFlushes(3);
    const start = starts[2]!;
    for (let end = start + 1; end < content.length; end++) {
      const { store, ends } = await recovered(content.subarray(0, end));
      expect(ends).toEqual([2, 2]);
      expect(store.damages).toMatchObject([{ kind: 'torn-tail', position: start }]);
    }
    expect((await recovered(content)).ends).toEqual([3, 3]);
  });
  it('comes back whole or not at all, whatever part of it did not reach the disk', async () => {
    const { content, starts } = await withFlushes(3);
    const start = starts[2]!;
    for (let at = start; at < content.length; at += 7) {
      const torn = Buffer.from(content);
      torn.fill(0, at, Math.min(at + 7, torn.length));
      if (torn.equals(content)) continue;
      // Where all that is missing is one bit of a header it is turned back, and the flush is whole.
      expect([
        [2, 2],
        [3, 3],
      ]).toContainEqual((await recovered(torn)).ends);
    }
  });
  it('with another behind it was whole: a fault in it is damage, and costs no more than what is damaged', async () => {
    const { content, starts } = await withFlushes(4);
    for (let at = starts[1]!; at < starts[2]!; at += 5) {
      const harmed = Buffer.from(content);
      harmed[at]! ^= 0x55;
      const { store, ends } = await recovered(harmed);
      expect(ends).toEqual([4, 4]);
      expect(holes(store).length).toBeGreaterThan(0);
      const kept = await Promise.all(
        ['a', 'b'].map(async (name) => {
          const log = await store.open(name);
          const found = await Promise.all([0, 1, 2, 3].map((i) => log.read(i, 1).catch(() => [])));
          return found.flat().length;
        }),
      );
      expect(kept[0]! + kept[1]!).toBeGreaterThanOrEqual(7);
    }
  });
  it('is told from a payload that looks like a later flush', async () => {
    const { content, starts } = await withFlushes(9);
    const disk = newDisk();
    const store = await open(disk);
    const log = await store.open('a');
    fill(log, 1);
    await store.flush();
    const start = disk.content(walPath(directory, 1)).length;
    const bytes = Buffer.from(content.subarray(starts[8]!));
    log.append({ baseOffset: 1, nextOffset: 2, timestampMs: 0, bytes });
    await store.flush();
    await store.close();
    const whole = disk.content(walPath(directory, 1));
    const again = await recovered(whole.subarray(0, whole.length - 1));
    expect(again.ends[0]).toBe(1);
    expect(again.store.damages).toMatchObject([{ kind: 'torn-tail', position: start }]);
  });
  it('of before flushes had a size comes back frame by frame', async () => {
    const { content, starts } = await withFlushes(3);
    for (const at of starts) {
      const header = readFrameHeader(content, at)!;
      writeFrameHeader(content, at, { ...header, kind: FRAME_KINDS.batch, next: header.base });
    }
    expect((await recovered(content)).ends).toEqual([3, 3]);
    expect((await recovered(content.subarray(0, content.length - 1))).ends).toEqual([3, 2]);
  });
  it('of a layout that is not known is refused and not cut off', async () => {
    const { content } = await withFlushes(2);
    for (let at = content.indexOf('RL'); at !== -1; at = content.indexOf('RL', at + 1)) content[at + 2] = 9;
    await expect(recovered(content)).rejects.toMatchObject({ code: 'format-unknown' });
  });
  it('has one frame in front of its chunks and no more', async () => {
    const { content, starts } = await withFlushes(3);
    expect(content.length - starts[2]!).toBe(3 * FRAME_HEADER_BYTES + 260);
  });
});

describe('segments below the start that a loss of power brought back', () => {
  it('are no hole, and go', async () => {
    const disk = newDisk();
    const before = await open(disk, 1, 1);
    fill(await before.open('a'), 3);
    await before.flush();
    fill(await before.open('b'), 1);
    await before.close();
    // No checkpoint from here on: that the stream was trimmed is known from the write-ahead log alone.
    const store = await open(disk);
    const log = await store.open('a');
    await settle();
    fill(log, 1);
    await store.flush();
    const oldest = disk.paths.find((path) => path.endsWith('/1/0000000000000000.segment'))!;
    const bytes = Buffer.from(disk.content(oldest));
    await log.trim(3);
    const next = disk.kill();
    await (await next.open(oldest, 'create')).write([bytes], 0);
    const again = await open(next);
    expect(again.damages).toEqual([]);
    const found = await again.open('a');
    expect(state(found)).toEqual([3, 4, 4]);
    expect(await readAll(found)).toHaveLength(1);
    expect(next.paths).not.toContain(oldest);
  });
});
