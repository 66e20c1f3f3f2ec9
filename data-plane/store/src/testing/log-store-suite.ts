import { describe, expect, it } from 'vitest';
import type { Chunk, Log, LogStore } from '../log.ts';

/** How a suite gets at one medium. `reopen` closes nothing: it is called after `close`. */
export interface Medium {
  readonly store: LogStore;
  /** Opens the same bytes again, or null for a medium that has none (memory). */
  readonly reopen: (() => Promise<LogStore>) | null;
  readonly cleanup?: () => Promise<void>;
}

/** A chunk of `count` records whose bytes tell its base, so that a wrong one is seen. */
export function testChunk(baseOffset: number, count = 1, sizeBytes = 20, timestampMs = baseOffset): Chunk {
  const bytes = Buffer.alloc(Math.max(sizeBytes, 8), baseOffset & 0xff);
  bytes.writeDoubleBE(baseOffset, 0);
  return { baseOffset, nextOffset: baseOffset + count, timestampMs, bytes };
}

/** Appends `count` chunks of one record each. */
export function fill(log: Log, count: number, sizeBytes = 20): void {
  for (let i = 0; i < count; i++) log.append(testChunk(log.endOffset, 1, sizeBytes));
}

/** Reads everything from `from` on, checking that chunks follow each other and hold what they should. */
export async function readAll(log: Log, from = log.startOffset, bytesMax = 100): Promise<Chunk[]> {
  const found: Chunk[] = [];
  for (let at = from; at < log.endOffset;) {
    const chunks = await log.read(at, bytesMax);
    expect(chunks.length).toBeGreaterThan(0);
    for (const chunk of chunks) {
      if (found.length > 0) expect(chunk.baseOffset).toBe(at);
      expect(chunk.bytes.readDoubleBE(0)).toBe(chunk.baseOffset);
      at = chunk.nextOffset;
      found.push(chunk);
    }
  }
  return found;
}

/** What every engine must do. Run it on a new engine before anything else. */
export function logStoreSuite(name: string, make: () => Promise<Medium>): void {
  const on = (what: string, run: (store: LogStore, medium: Medium) => Promise<void>): void => {
    it(what, async () => {
      const medium = await make();
      try {
        await run(medium.store, medium);
      } finally {
        await medium.store.close().catch(() => undefined);
        await medium.cleanup?.();
      }
    });
  };
  describe(`${name}: one log`, () => {
    on('is empty at first', async (store) => {
      const log = await store.open('s');
      expect([log.startOffset, log.stableOffset, log.endOffset, log.sizeBytes]).toEqual([0, 0, 0, 0]);
      expect(await log.read(0, 100)).toEqual([]);
      expect(await log.seekTime(0)).toBe(0);
      expect(log.seekSize(100)).toBe(0);
    });
    on('is readable at once and stable after a flush', async (store) => {
      const log = await store.open('s');
      log.append(testChunk(0, 5));
      expect([log.stableOffset, log.endOffset]).toEqual([0, 5]);
      expect(await log.read(3, 1)).toHaveLength(1);
      await store.flush();
      expect(log.stableOffset).toBe(5);
      await store.flush();
    });
    on('reads whole chunks from the one that holds the offset, up to the limit, at least one', async (store) => {
      const log = await store.open('s');
      for (let i = 0; i < 10; i++) log.append(testChunk(log.endOffset, 3, 100));
      await store.flush();
      const bases = async (from: number, max: number) => (await log.read(from, max)).map((chunk) => chunk.baseOffset);
      expect(await bases(4, 1)).toEqual([3]);
      expect(await bases(4, 0)).toEqual([3]);
      expect(await bases(5, 300)).toEqual([3, 6, 9]);
      expect(await bases(6, 299)).toEqual([6, 9]);
      expect(await bases(29, 1000)).toEqual([27]);
      expect(await bases(30, 1000)).toEqual([]);
      expect(await readAll(log)).toHaveLength(10);
    });
    on('refuses offsets outside and chunks that do not follow', async (store) => {
      const log = await store.open('s');
      fill(log, 3);
      await expect(log.read(4, 1)).rejects.toMatchObject({ code: 'offset-out-of-range' });
      await expect(log.read(-1, 1)).rejects.toMatchObject({ code: 'offset-out-of-range' });
      expect(() => log.append(testChunk(4))).toThrow(expect.objectContaining({ code: 'not-contiguous' }));
      expect(() => log.append(testChunk(2))).toThrow(expect.objectContaining({ code: 'not-contiguous' }));
      expect(() => log.append(testChunk(3, 0))).toThrow(expect.objectContaining({ code: 'not-contiguous' }));
      await expect(log.trim(4)).rejects.toMatchObject({ code: 'offset-out-of-range' });
    });
    on('finds chunks by time, though timestamps go back', async (store) => {
      const log = await store.open('s');
      for (const timestampMs of [10, 30, 20, 40]) log.append(testChunk(log.endOffset, 2, 20, timestampMs));
      const found = await Promise.all([0, 10, 11, 30, 31, 41].map((time) => log.seekTime(time)));
      expect(found).toEqual([0, 0, 2, 2, 6, 8]);
      await log.trim(3);
      expect(await log.seekTime(0)).toBe(3);
    });
    on('trims to the exact offset', async (store) => {
      const log = await store.open('s');
      for (let i = 0; i < 5; i++) log.append(testChunk(log.endOffset, 2));
      await log.trim(3);
      await log.trim(2);
      expect([log.startOffset, log.endOffset]).toEqual([3, 10]);
      expect((await log.read(3, 1))[0]!.baseOffset).toBe(2);
      await expect(log.read(2, 1)).rejects.toMatchObject({ code: 'offset-out-of-range' });
      await log.trim(10);
      expect(await log.read(10, 1)).toEqual([]);
      fill(log, 1);
      expect((await log.read(10, 1))[0]!.baseOffset).toBe(10);
    });
    on('truncates at chunk boundaries and takes appends there', async (store) => {
      const log = await store.open('s');
      for (let i = 0; i < 5; i++) log.append(testChunk(log.endOffset, 2));
      await store.flush();
      await log.truncate(100);
      expect(log.endOffset).toBe(10);
      await log.truncate(6);
      expect([log.endOffset, log.stableOffset]).toEqual([6, 6]);
      await log.truncate(5);
      expect([log.endOffset, log.stableOffset]).toEqual([4, 4]);
      log.append(testChunk(4, 3, 20, 7));
      await store.flush();
      expect((await readAll(log)).map((chunk) => chunk.timestampMs)).toEqual([0, 2, 7]);
      await log.truncate(0);
      expect([log.endOffset, log.sizeBytes]).toEqual([0, 0]);
    });
    on('says which offset leaves at most so many bytes', async (store) => {
      const log = await store.open('s');
      fill(log, 10, 100);
      expect(log.sizeBytes).toBeGreaterThanOrEqual(1000);
      expect(log.seekSize(log.sizeBytes)).toBe(0);
      const offset = log.seekSize(500);
      expect(offset).toBeGreaterThan(0);
      await log.trim(offset);
      expect(log.sizeBytes).toBeLessThanOrEqual(500);
      expect(log.seekSize(0)).toBe(10);
    });
  });
  describe(`${name}: many logs`, () => {
    on('keeps them apart, by any name', async (store) => {
      const names = ['a', 'A', '../../etc/passwd', 'a/b', '.', '..', 'con\0', 'ü'.repeat(256), 'x'.repeat(512), ' '];
      for (const [i, name] of names.entries()) fill(await store.open(name), i + 1);
      await store.flush();
      expect(new Set(store.list())).toEqual(new Set(names));
      for (const [i, name] of names.entries()) expect(await readAll(await store.open(name))).toHaveLength(i + 1);
    });
    on('refuses names that are none', async (store) => {
      for (const name of ['', 'x'.repeat(513), 'ü'.repeat(257), '\ud800']) {
        await expect(store.open(name)).rejects.toMatchObject({ code: 'bad-name' });
      }
    });
    on('opens one object per stream', async (store) => {
      const [a, b] = await Promise.all([store.open('s'), store.open('s')]);
      expect(a).toBe(b);
      expect(await store.open('s')).toBe(a);
    });
    on('removes a stream for good and makes it anew', async (store) => {
      const log = await store.open('s');
      fill(log, 3);
      await store.flush();
      await store.remove('s');
      await store.remove('absent');
      expect(store.list()).toEqual([]);
      await expect(log.read(0, 1)).rejects.toMatchObject({ code: 'closed' });
      expect(() => log.append(testChunk(3))).toThrow(expect.objectContaining({ code: 'closed' }));
      const again = await store.open('s');
      expect(again.endOffset).toBe(0);
      fill(again, 1);
      await store.flush();
      expect(await readAll(again)).toHaveLength(1);
    });
    on('flushes everything appended before the call, whoever calls', async (store) => {
      const logs = await Promise.all(Array.from({ length: 20 }, (_, i) => store.open(`s${i}`)));
      const checks = logs.map(async (log, i) => {
        fill(log, i + 1);
        await store.flush();
        expect(log.stableOffset).toBeGreaterThanOrEqual(i + 1);
      });
      await Promise.all(checks);
    });
    on('refuses everything after close', async (store) => {
      const log = await store.open('s');
      fill(log, 1);
      await store.close();
      await store.close();
      expect(() => log.append(testChunk(1))).toThrow(expect.objectContaining({ code: 'closed' }));
      await expect(log.read(0, 1)).rejects.toMatchObject({ code: 'closed' });
      await expect(store.flush()).rejects.toMatchObject({ code: 'closed' });
      await expect(store.open('t')).rejects.toMatchObject({ code: 'closed' });
    });
    on('finds everything again', async (store, { reopen }) => {
      if (reopen === null) return;
      const kept = await store.open('kept');
      fill(kept, 50, 300);
      fill(await store.open('gone'), 5);
      const trimmed = await store.open('trimmed');
      for (let i = 0; i < 5; i++) trimmed.append(testChunk(trimmed.endOffset, 4));
      await trimmed.trim(10);
      const empty = await store.open('trimmed to the end');
      fill(empty, 7);
      await empty.trim(7);
      const cut = await store.open('truncated');
      fill(cut, 10);
      await cut.truncate(4);
      await store.remove('gone');
      await store.close();
      const again = await reopen();
      expect([...again.list()].sort()).toEqual(['kept', 'trimmed', 'trimmed to the end', 'truncated']);
      const state = async (name: string) => {
        const log = await again.open(name);
        return [log.startOffset, log.stableOffset, log.endOffset];
      };
      expect(await state('kept')).toEqual([0, 50, 50]);
      expect(await state('trimmed')).toEqual([10, 20, 20]);
      expect(await state('trimmed to the end')).toEqual([7, 7, 7]);
      expect(await state('truncated')).toEqual([0, 4, 4]);
      expect(await readAll(await again.open('kept'), 0, 1000)).toHaveLength(50);
      expect((await (await again.open('trimmed')).read(10, 1))[0]!.baseOffset).toBe(8);
      await again.close();
    });
  });
}
