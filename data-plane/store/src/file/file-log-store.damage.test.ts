import { describe, expect, it } from 'vitest';
import type { StoreErrorCode } from '../store-error.ts';
import { fill, readAll, testChunk } from '../testing/log-store-suite.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { FileLogStore, walPath } from './file-log-store.ts';
import { FRAME_HEADER_BYTES } from './frame.ts';

const directory = '/data';
const newDisk = (): SimulatedDisk => new SimulatedDisk(() => 0.5);
const open = (disk: SimulatedDisk, walBytesMax = 1_000_000, segmentBytesMax = 1_000_000) =>
  FileLogStore.open({ directory, disk, walBytesMax, segmentBytesMax, keptRunBytesMin: Infinity });

/** A disk whose stream `s` has `count` chunks of 100 bytes in one segment, and nothing in the write-ahead log. */
async function withSegment(count: number): Promise<{ disk: SimulatedDisk; segment: string; index: string }> {
  const disk = newDisk();
  const store = await open(disk, 1);
  fill(await store.open('s'), count, 100);
  await store.flush();
  // The next flush finds the log full and seals it; `close` waits for the checkpoint.
  fill(await store.open('other'), 1);
  await store.close();
  const segment = disk.paths.find((path) => path.includes('/streams/1/') && path.endsWith('.segment'))!;
  return { disk, segment, index: segment.replace('.segment', '.index') };
}
const FRAME = FRAME_HEADER_BYTES + 100;

describe('damage in a segment', () => {
  it('is reported when it is read, and does not hide what lies behind', async () => {
    for (const [at, what] of [
      [60, 'bytes'],
      [10, 'header'],
    ] as const) {
      const { disk, segment } = await withSegment(10);
      disk.content(segment)[4 * FRAME + at]! ^= 1;
      const store = await open(disk);
      const log = await store.open('s');
      expect(log.endOffset, what).toBe(10);
      expect((await log.read(0, 10_000)).map((chunk) => chunk.baseOffset)).toEqual([0, 1, 2, 3]);
      const error = await log.read(4, 10_000).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'corrupt', resumeAt: 5 });
      expect(String(error)).toContain(segment);
      expect(await readAll(log, 5)).toHaveLength(5);
      await store.close();
    }
  });
  it('takes a lost index for what it is: rebuilt', async () => {
    for (const harm of ['lost', 'torn', 'flipped'] as const) {
      const { disk, index } = await withSegment(2000);
      if (harm === 'lost') await disk.unlink(index);
      else if (harm === 'flipped') disk.content(index)[7]! ^= 1;
      else disk.content(index).fill(0, 50);
      const store = await open(disk);
      const log = await store.open('s');
      expect(await readAll(log, 0, 50_000)).toHaveLength(2000);
      expect(await log.seekTime(1234)).toBe(1234);
      expect(store.damages.every((damage) => damage.kind === 'index')).toBe(true);
      await store.close();
    }
  });
  it('without an index keeps what lies behind a damaged chunk', async () => {
    const { disk, segment, index } = await withSegment(10);
    await disk.unlink(index);
    disk.content(segment)[4 * FRAME + 60]! ^= 1;
    const store = await open(disk);
    const log = await store.open('s');
    expect(store.damages).toMatchObject([{ kind: 'hole', file: segment, position: 4 * FRAME }]);
    expect(log.endOffset).toBe(10);
    await expect(log.read(4, 1)).rejects.toMatchObject({ code: 'corrupt', resumeAt: 5 });
    expect(await readAll(log, 5)).toHaveLength(5);
  });
});

describe('damage in the write-ahead log', () => {
  async function withLog(flushes: number): Promise<{ disk: SimulatedDisk; wal: string }> {
    const disk = newDisk();
    const store = await open(disk);
    const log = await store.open('s');
    for (let i = 0; i < flushes; i++) {
      log.append(testChunk(i, 1, 100));
      await store.flush();
    }
    await store.close();
    return { disk: disk.kill(), wal: walPath(directory, 1) };
  }

  it('at its end is an unfinished flush, and cut off: torn, zeroed, or flipped', async () => {
    for (const harm of ['torn', 'zeroed', 'flipped', 'header']) {
      const { disk, wal } = await withLog(5);
      const content = disk.content(wal);
      const size = content.length;
      if (harm === 'torn') await (await disk.open(wal, 'write')).truncate(size - 30);
      else if (harm === 'zeroed') content.fill(0, size - FRAME);
      else if (harm === 'flipped') content[size - 3]! ^= 1;
      else content.fill(0xff, size - FRAME, size - FRAME + 20);
      const store = await open(disk);
      expect(store.damages, harm).toMatchObject([{ kind: 'torn-tail', file: wal }]);
      const log = await store.open('s');
      expect(await readAll(log)).toHaveLength(4);
      fill(log, 3);
      await store.close();
      const again = await open(disk);
      expect(again.damages).toEqual([]);
      expect(await readAll(await again.open('s'))).toHaveLength(7);
      await again.close();
    }
  });
  it('with a later flush behind it is a hole, reported and stepped over', async () => {
    for (const at of [FRAME_HEADER_BYTES + 5, 2]) {
      const { disk, wal } = await withLog(5);
      // Every flush but the first (which defines the stream) is a batch frame and a chunk frame.
      const flush = FRAME_HEADER_BYTES + FRAME;
      const chunk = disk.content(wal).length - 2 * flush + FRAME_HEADER_BYTES;
      disk.content(wal)[chunk + at]! ^= 3;
      for (let start = 0; start < 2; start++) {
        const store = await open(disk);
        if (start === 0) expect(store.damages[0]).toMatchObject({ kind: 'hole', file: wal, position: chunk });
        const log = await store.open('s');
        expect(log.endOffset).toBe(5);
        expect((await log.read(0, 10_000)).map((c) => c.baseOffset)).toEqual([0, 1, 2]);
        await expect(log.read(3, 1)).rejects.toMatchObject({ code: 'corrupt', resumeAt: 4 });
        expect(await log.read(4, 1)).toHaveLength(1);
        await store.close();
      }
    }
  });
});

describe('a flipped bit in a header of the write-ahead log', () => {
  it('is turned back and reported, and hides nothing: in the first frame of a flush, the last one too', async () => {
    for (const frame of [0, 1]) {
      for (let bit = 0; bit < FRAME_HEADER_BYTES * 8; bit += 5) {
        const disk = newDisk();
        const store = await open(disk);
        const log = await store.open('s');
        for (let i = 0; i < 3; i++) {
          fill(log, 1, 100);
          await store.flush();
        }
        await store.close();
        const later = disk.kill();
        const wal = walPath(directory, 1);
        const at = later.content(wal).length - (2 - frame) * FRAME_HEADER_BYTES - 100;
        later.content(wal)[at + (bit >> 3)]! ^= 1 << (bit & 7);
        const again = await open(later);
        expect(again.damages).toMatchObject([{ kind: 'hole', file: wal, position: at }]);
        expect(await readAll(await again.open('s'))).toHaveLength(3);
        await again.close();
        expect(await readAll(await (await open(later)).open('s'))).toHaveLength(3);
      }
    }
  });
  it('a stream whose name is lost is named by its number', async () => {
    const disk = newDisk();
    const store = await open(disk);
    const log = await store.open('s');
    for (let i = 0; i < 3; i++) {
      fill(log, 1, 100);
      await store.flush();
    }
    await store.close();
    const later = disk.kill();
    const wal = walPath(directory, 1);
    // The name lies behind the header of the second frame.
    later.content(wal)[2 * FRAME_HEADER_BYTES]! ^= 1;
    const again = await open(later);
    expect(again.damages.map(({ detail }) => detail)).toContain('stream 1: its name is lost, and 3 chunks with it');
    await again.close();
  });
});

describe('a failing disk', () => {
  it('fails the flush with its code, and takes no more', async () => {
    for (const code of ['disk-full', 'io', 'read-only'] as const satisfies StoreErrorCode[]) {
      const disk = newDisk();
      const store = await open(disk);
      const log = await store.open('s');
      fill(log, 1);
      await store.flush();
      fill(log, 1);
      disk.failAfter(1, code);
      const [first, second] = await Promise.allSettled([store.flush(), store.flush()]);
      expect([first, second]).toMatchObject([{ reason: { code } }, { reason: { code } }]);
      expect(log.stableOffset).toBe(1);
      expect(() => fill(log, 1)).toThrow(expect.objectContaining({ code: 'failed' }));
      await expect(store.flush()).rejects.toMatchObject({ code });
      await expect(store.open('t')).rejects.toMatchObject({ code: 'failed' });
      expect(await log.read(0, 1)).toHaveLength(1);
      await store.close();
      const again = await open(disk.kill());
      expect((await again.open('s')).endOffset).toBeGreaterThanOrEqual(1);
    }
  });
  it('in a checkpoint fails the store and loses nothing', async () => {
    for (let after = 2; after < 16; after++) {
      const disk = newDisk();
      const store = await open(disk, 1);
      const log = await store.open('s');
      disk.failAfter(after, 'disk-full');
      let stable = 0;
      for (let i = 0; i < 4; i++) {
        try {
          fill(log, 1);
          await store.flush();
          stable = log.stableOffset;
        } catch (error) {
          expect(['disk-full', 'failed']).toContain((error as { code: string }).code);
        }
      }
      await store.close();
      const again = await open(disk.kill());
      const found = await again.open('s');
      expect(found.endOffset).toBeGreaterThanOrEqual(stable);
      expect(await readAll(found)).toHaveLength(found.endOffset);
      expect(again.damages.filter((damage) => damage.kind === 'hole')).toEqual([]);
    }
  });
});
