import { describe, expect, it } from 'vitest';
import type { StoreError } from '../store-error.ts';
import { fill, readAll, testChunk } from '../testing/log-store-suite.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { FileLogStore, type FileLogStoreOptions } from './file-log-store.ts';
import { FRAME_HEADER_BYTES } from './frame.ts';

const newDisk = (): SimulatedDisk => new SimulatedDisk(() => 0.5);
const open = (disk: SimulatedDisk, options: Partial<FileLogStoreOptions> = {}) =>
  FileLogStore.open({ directory: '/data', disk, walBytesMax: 1, ...options });
const KEEPING = { keptRunBytesMin: 1 };
const SORTING = { keptRunBytesMin: Infinity, ownStreamsMax: 0 };
const pathsOf = (disk: SimulatedDisk, part: string) => disk.paths.filter((path) => path.includes(part));
const FRAME = FRAME_HEADER_BYTES + 100;

/** Streams with ten chunks of 100 bytes each in one shared log, and a write-ahead log with something else in it. */
async function withShared(
  options: Partial<FileLogStoreOptions>,
  names = ['s', 't'],
): Promise<{ disk: SimulatedDisk; log: string; index: string }> {
  const disk = newDisk();
  const store = await open(disk, options);
  for (const name of names) fill(await store.open(name), 10, 100);
  await store.flush();
  fill(await store.open('other'), 1);
  await store.close();
  const [log, index] = [pathsOf(disk, '/shared/')[0]!, pathsOf(disk, '/shared/')[1]!];
  return { disk, log: log.endsWith('.log') ? log : index, index: index.endsWith('.index') ? index : log };
}

describe('a full write-ahead log', () => {
  it('stays where its bytes are when its streams have long runs in it', async () => {
    const { disk, log } = await withShared(KEEPING);
    expect(pathsOf(disk, '/streams/')).toEqual([]);
    expect(log).toBe('/data/shared/0000000001.log');
    const store = await open(disk.cutPower(), KEEPING);
    for (const name of ['s', 't']) {
      const stream = await store.open(name);
      expect((await readAll(stream)).map((chunk) => chunk.baseOffset)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(await stream.seekTime(7)).toBe(7);
      expect(stream.sizeBytes).toBe(10 * FRAME);
    }
    await store.close();
  });
  it('is copied, stream by stream into one file, when the streams have little in it', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `s${i}`);
    const { disk } = await withShared(SORTING, names);
    expect(pathsOf(disk, '/streams/')).toEqual([]);
    const store = await open(disk.cutPower(), SORTING);
    for (const name of names) expect(await readAll(await store.open(name))).toHaveLength(10);
    expect(store.damages.filter((damage) => damage.kind !== 'index')).toEqual([]);
    await store.close();
  });
  it('is copied where the file system has no second names', async () => {
    const disk = newDisk();
    disk.link = async () => Promise.reject(new Error('EPERM'));
    const store = await open(disk, KEEPING);
    for (let i = 0; i < 5; i++) {
      fill(await store.open('s'), 10, 100);
      await store.flush();
    }
    await store.close();
    expect(pathsOf(disk, '/shared/')).toEqual([]);
    const again = await open(disk.cutPower(), KEEPING);
    expect(await readAll(await again.open('s'))).toHaveLength(50);
    await again.close();
  });
});

describe('a shared log', () => {
  for (const [how, options] of [['kept', KEEPING] as const, ['sorted', SORTING] as const]) {
    it(`${how}: damage is reported with its file, is never served, and hides nothing`, async () => {
      for (const at of [60, 10]) {
        const { disk, log } = await withShared(options);
        const first = disk.content(log).length - 20 * FRAME;
        disk.content(log)[first + 4 * FRAME + at]! ^= 1;
        const store = await open(disk, options);
        const stream = await store.open('s');
        expect((await stream.read(0, 10_000)).map((chunk) => chunk.baseOffset)).toEqual([0, 1, 2, 3]);
        const error = (await stream.read(4, 10_000).catch((thrown: unknown) => thrown)) as StoreError;
        expect(error).toMatchObject({ code: 'corrupt', resumeAt: 5 });
        expect(error.where).toContain(log);
        expect(await readAll(stream, 5)).toHaveLength(5);
        expect(await readAll(await store.open('t'))).toHaveLength(10);
        await store.close();
      }
    });
    it(`${how}: an index that is lost, torn, flipped or another file's is made anew`, async () => {
      for (const harm of ['lost', 'torn', 'flipped', 'foreign'] as const) {
        const { disk, index } = await withShared(options);
        if (harm === 'lost') await disk.unlink(index);
        else if (harm === 'torn') disk.content(index).fill(0, 120);
        else if (harm === 'flipped') disk.content(index)[200]! ^= 1;
        else disk.content(index)[FRAME_HEADER_BYTES + 3]! ^= 1;
        const store = await open(disk, options);
        expect(store.damages.map((damage) => damage.kind)).toEqual(['index']);
        for (const name of ['s', 't']) expect(await readAll(await store.open(name))).toHaveLength(10);
        await store.close();
        const again = await open(disk, options);
        expect(again.damages).toEqual([]);
        await again.close();
      }
    });
    it(`${how}: an index that is harmed while it is in use is stepped around`, async () => {
      const { disk, index } = await withShared(options);
      const store = await open(disk, options);
      disk.content(index).fill(0);
      expect(await readAll(await store.open('t'))).toHaveLength(10);
      await store.close();
    });
    it(`${how}: goes when no stream holds a part of it, and only then`, async () => {
      const { disk, log } = await withShared(options);
      const store = await open(disk, options);
      await store.remove('s');
      expect(disk.paths).toContain(log);
      await (await store.open('t')).trim(10);
      expect(disk.paths).not.toContain(log);
      await store.close();
      const again = await open(disk.cutPower(), options);
      expect((await again.open('t')).startOffset).toBe(10);
      expect(again.list()).not.toContain('s');
      await again.close();
    });
    it(`${how}: nothing that was truncated comes back with a lost index`, async () => {
      const { disk } = await withShared(options);
      let store = await open(disk, options);
      await (await store.open('s')).truncate(4);
      fill(await store.open('t'), 3);
      await store.flush();
      fill(await store.open('t'), 3);
      await store.close();
      for (const path of pathsOf(disk, '.index')) await disk.unlink(path);
      store = await open(disk, options);
      const stream = await store.open('s');
      expect([stream.startOffset, stream.endOffset]).toEqual([0, 4]);
      expect(await readAll(stream)).toHaveLength(4);
      expect(await readAll(await store.open('t'))).toHaveLength(16);
      stream.append(testChunk(4));
      await store.close();
    });
  }

  it('is emptied when most of it is dead', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `s${i}`);
    const { disk, log } = await withShared(KEEPING, names);
    const store = await open(disk, KEEPING);
    for (const name of names.slice(1)) await store.remove(name);
    for (let i = 0; i < 3; i++) {
      fill(await store.open('other'), 1);
      await store.flush();
    }
    await store.close();
    expect(disk.paths).not.toContain(log);
    const again = await open(disk.cutPower(), KEEPING);
    expect(await readAll(await again.open('s0'))).toHaveLength(10);
    await again.close();
  });
  it('is emptied, oldest streams first, when there are too many parts; reads that are under way go on', async () => {
    const disk = newDisk();
    const options = { ...KEEPING, sharedPartsMax: 4 };
    const store = await open(disk, options);
    const stream = await store.open('s');
    for (let i = 0; i < 20; i++) {
      fill(stream, 10, 100);
      fill(await store.open('t'), 1, 100);
      const read = readAll(stream);
      await store.flush();
      expect((await read).length).toBeGreaterThanOrEqual(10 * i);
    }
    expect(await readAll(stream)).toHaveLength(200);
    await store.close();
    expect(pathsOf(disk, '.log').length).toBeLessThan(6);
    const again = await open(disk.cutPower(), options);
    expect(await readAll(await again.open('s'))).toHaveLength(200);
    expect(await readAll(await again.open('t'))).toHaveLength(20);
    await again.close();
  });
});

describe('reading on', () => {
  it('reads ahead what the next read asks for, and never what was cut or written since', async () => {
    const disk = newDisk();
    const store = await open(disk, { keptRunBytesMin: Infinity, ownStreamsMax: 8 });
    const stream = await store.open('s');
    fill(stream, 400, 1000);
    await store.flush();
    fill(await store.open('other'), 1);
    await store.flush();
    const basesFrom = async (at: number): Promise<number[]> =>
      (await stream.read(at, 70_000)).map((chunk) => chunk.baseOffset);
    let at = 0;
    for (let i = 0; i < 3; i++) at = (await basesFrom(at)).at(-1)! + 1;
    await new Promise((resolve) => setImmediate(resolve));
    const operations = disk.operations;
    expect(await basesFrom(at)).toHaveLength(70);
    // One read of the disk under way: the one for the read after.
    expect(disk.operations - operations).toBeLessThan(2);
    await stream.truncate(300);
    for (let i = 300; i < 400; i++) stream.append(testChunk(i, 1, 1000, 7));
    await store.flush();
    fill(await store.open('other'), 1);
    await store.flush();
    const chunks = await readAll(stream, 0, 70_000);
    expect(chunks.slice(300).every((chunk) => chunk.timestampMs === 7)).toBe(true);
    expect(chunks).toHaveLength(400);
    await store.close();
  });
});

describe('a process that is killed in any step, and a loss of power after the next one', () => {
  for (const [how, options] of [
    ['kept', { ...KEEPING, sharedPartsMax: 0 }] as const,
    ['sorted', { ...SORTING, sharedPartsMax: 0 }] as const,
    ['both', { keptRunBytesMin: 500, ownStreamsMax: 0, sharedPartsMax: 2 }] as const,
  ]) {
    it(`${how}: loses nothing that was acknowledged`, async () => {
      for (let step = 0, isDone = false; !isDone; step++) {
        // What is not synced is all lost.
        const disk = new SimulatedDisk(() => 0.99);
        const stable = [0, 0, 0];
        const work = async (store: FileLogStore, rounds: number): Promise<void> => {
          for (let round = 0; round < rounds; round++) {
            for (const [i, count] of [6, 1, round % 2].entries()) fill(await store.open(`s${i}`), count, 100);
            await store.flush();
            for (const i of stable.keys()) stable[i] = (await store.open(`s${i}`)).stableOffset;
          }
        };
        const stopped = disk.stopAfter(step);
        const working = open(disk, options).then((store) => work(store, 5).then(() => store.close()));
        isDone = await Promise.race([working.then(() => true), stopped.then(() => false)]);
        // The next process does little or nothing, so that nothing but its start syncs what the one before left.
        const second = disk.kill();
        const again = await open(second, options);
        await work(again, step % 2);
        await again.close();
        const third = second.cutPower();
        const store = await open(third, options);
        expect(store.damages.filter((damage) => damage.kind === 'hole')).toEqual([]);
        for (const [i, end] of stable.entries()) {
          const log = await store.open(`s${i}`);
          expect(log.endOffset, `killed at step ${step}`).toBeGreaterThanOrEqual(end);
          expect(await readAll(log)).toHaveLength(log.endOffset);
        }
        await store.close();
      }
    });
  }
});
