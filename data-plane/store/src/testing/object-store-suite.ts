import { describe, expect, it } from 'vitest';
import type { ObjectStore } from '../object-store.ts';

/** How the suite gets at one object store. */
export interface ObjectMedium {
  readonly store: ObjectStore;
  /** Opens the same objects again, after `close` or beside it; null for a store whose objects live as long as it does. */
  readonly reopen: (() => Promise<ObjectStore>) | null;
  /** Put before every key, so that a shared bucket can serve many tests; empty or ends with a slash. */
  readonly prefix?: string;
  readonly cleanup?: () => Promise<void>;
}

/** What the suite runs with. */
export interface ObjectSuiteSettings {
  /** Bytes of the large object: choose it above the size at which the engine uploads in parts. */
  readonly largeBytes?: number;
  /** False for an engine that cannot decide a race of conditional puts (its README says so). */
  readonly atomicIfAbsent?: boolean;
  readonly timeoutMs?: number;
}

/** Bytes that tell their position, so that a wrong range is seen. */
export function testObject(sizeBytes: number, seed = 0): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + (i >>> 16) + seed) & 0xff;
  return bytes;
}

type On = (what: string, run: (store: ObjectStore, medium: ObjectMedium, at: string) => Promise<void>) => void;

/** What every cold engine must do. Run it on a new engine before anything else. */
export function objectStoreSuite(
  name: string,
  make: () => Promise<ObjectMedium>,
  settings: ObjectSuiteSettings = {},
): void {
  const on: On = (what, run) => {
    it(what, { timeout: settings.timeoutMs ?? 20_000 }, async () => {
      const medium = await make();
      try {
        await run(medium.store, medium, medium.prefix ?? '');
      } finally {
        await medium.store.close?.().catch(() => undefined);
        await medium.cleanup?.();
      }
    });
  };
  describe(`${name}: objects`, () => objectTests(on, settings));
  describe(`${name}: lists`, () => listTests(on));
  describe(`${name}: refusals and restarts`, () => edgeTests(on));
}

function objectTests(on: On, settings: ObjectSuiteSettings): void {
  on('gives back what was put, whole and in ranges', async (store, _, at) => {
    const bytes = testObject(10_000);
    expect(await store.put(`${at}a/b/c.segment`, bytes)).toBe(true);
    expect((await store.getRange(`${at}a/b/c.segment`, 0, 10_000)).equals(bytes)).toBe(true);
    for (const [start, end] of [
      [0, 1],
      [9_999, 10_000],
      [5_000, 5_001],
      [17, 4_096],
      [9_000, 99_000],
    ] as const) {
      const got = await store.getRange(`${at}a/b/c.segment`, start, end);
      expect(got.equals(bytes.subarray(start, end))).toBe(true);
    }
    expect((await store.getRange(`${at}a/b/c.segment`, 10_000, 10_100)).length).toBe(0);
    expect((await store.getRange(`${at}a/b/c.segment`, 20_000, 20_100)).length).toBe(0);
    expect((await store.getRange(`${at}a/b/c.segment`, 5, 5)).length).toBe(0);
  });
  on('takes gathered buffers, empty ones and empty objects', async (store, _, at) => {
    const bytes = testObject(3_000);
    const parts = [bytes.subarray(0, 1), Buffer.alloc(0), bytes.subarray(1, 2_000), bytes.subarray(2_000)];
    await store.put(`${at}gathered`, parts);
    expect((await store.getRange(`${at}gathered`, 0, 9_000)).equals(bytes)).toBe(true);
    await store.put(`${at}empty`, Buffer.alloc(0));
    await store.put(`${at}empty-list`, []);
    expect(await store.getRange(`${at}empty`, 0, 10)).toHaveLength(0);
    expect(await store.getRange(`${at}empty-list`, 0, 10)).toHaveLength(0);
    expect((await store.list(`${at}empty`)).map((entry) => entry.sizeBytes)).toEqual([0, 0]);
  });
  on('does not keep the buffer it was given', async (store, _, at) => {
    const bytes = testObject(100);
    await store.put(`${at}k`, bytes);
    bytes.fill(0);
    const got = await store.getRange(`${at}k`, 0, 100);
    expect(got.equals(testObject(100))).toBe(true);
    got.fill(1);
    expect((await store.getRange(`${at}k`, 0, 100)).equals(testObject(100))).toBe(true);
  });
  on('replaces an object whole', async (store, _, at) => {
    await store.put(`${at}k`, testObject(5_000, 1));
    expect(await store.put(`${at}k`, testObject(100, 2))).toBe(true);
    expect((await store.getRange(`${at}k`, 0, 9_000)).equals(testObject(100, 2))).toBe(true);
  });
  on('puts an absent object once, and changes nothing the second time', async (store, _, at) => {
    expect(await store.put(`${at}k`, testObject(10, 1), { ifAbsent: true })).toBe(true);
    expect(await store.put(`${at}k`, testObject(20, 2), { ifAbsent: true })).toBe(false);
    expect((await store.getRange(`${at}k`, 0, 99)).equals(testObject(10, 1))).toBe(true);
    await store.delete([`${at}k`]);
    expect(await store.put(`${at}k`, testObject(20, 2), { ifAbsent: true })).toBe(true);
  });
  on('lets one of many conditional puts win', async (store, _, at) => {
    if (settings.atomicIfAbsent === false) return;
    const puts = Array.from({ length: 10 }, (_, i) => store.put(`${at}race`, testObject(50, i), { ifAbsent: true }));
    const won = await Promise.all(puts);
    expect(won.filter(Boolean)).toHaveLength(1);
    expect((await store.getRange(`${at}race`, 0, 99)).equals(testObject(50, won.indexOf(true)))).toBe(true);
  });
  on('is never seen in part while it is replaced', async (store, _, at) => {
    await store.put(`${at}k`, testObject(40_000, 0));
    const writes = (async () => {
      for (let i = 1; i < 6; i++) await store.put(`${at}k`, testObject(40_000, i));
    })();
    for (let i = 0; i < 10; i++) {
      const got = await store.getRange(`${at}k`, 0, 50_000);
      expect(got.equals(testObject(40_000, got[0]!))).toBe(true);
    }
    await writes;
  });
  on('takes large objects', async (store, _, at) => {
    const sizeBytes = settings.largeBytes ?? 9_000_000;
    const bytes = testObject(sizeBytes);
    const cut = Math.floor(sizeBytes / 3) + 1;
    expect(await store.put(`${at}large`, [bytes.subarray(0, cut), bytes.subarray(cut)], { ifAbsent: true })).toBe(true);
    expect(await store.put(`${at}large`, bytes, { ifAbsent: true })).toBe(false);
    expect((await store.getRange(`${at}large`, 0, sizeBytes)).equals(bytes)).toBe(true);
    const middle = await store.getRange(`${at}large`, cut - 10, cut + 10);
    expect(middle.equals(bytes.subarray(cut - 10, cut + 10))).toBe(true);
    expect(await store.list(`${at}large`)).toEqual([{ key: `${at}large`, sizeBytes }]);
  });
  on('deletes, and absent keys are fine', async (store, _, at) => {
    for (const key of ['a', 'a/b', 'a/c', 'd']) await store.put(`${at}${key}`, testObject(5));
    await store.delete([`${at}a`, `${at}a/b`, `${at}never`, `${at}no/such/place`]);
    await store.delete([]);
    expect((await store.list(at)).map((entry) => entry.key)).toEqual([`${at}a/c`, `${at}d`]);
    await expect(store.getRange(`${at}a`, 0, 1)).rejects.toMatchObject({ code: 'object-missing' });
    await store.delete([`${at}a/c`, `${at}d`]);
    expect(await store.list(at)).toEqual([]);
    await store.put(`${at}a/b`, testObject(6));
    expect(await store.list(at)).toEqual([{ key: `${at}a/b`, sizeBytes: 6 }]);
  });
}

function listTests(on: On): void {
  const keys = [
    'a',
    'a!',
    'a-b',
    'a.b',
    'a/0',
    'a/b',
    'a/b/c',
    'a0',
    'ab',
    'a~',
    'B',
    'b/a',
    'b/b',
    '%2E%2E/x',
    'a,b@=+',
  ];
  on('lists keys in the order of their bytes, with sizes', async (store, _, at) => {
    for (const [i, key] of keys.entries()) await store.put(at + key, testObject(i));
    const all = await store.list(at);
    expect(all).toEqual([...keys].sort().map((key) => ({ key: at + key, sizeBytes: keys.indexOf(key) })));
    for (const prefix of ['a', 'a/', 'a/b', 'a/b/', 'b', 'none', 'a-', 'b/a']) {
      const found = (await store.list(at + prefix)).map((entry) => entry.key.slice(at.length));
      expect([prefix, found]).toEqual([prefix, keys.filter((key) => key.startsWith(prefix)).sort()]);
    }
  });
  on('pages from any key, there or not', async (store, _, at) => {
    for (const key of keys) await store.put(at + key, testObject(1));
    for (const limit of [1, 2, 7]) {
      const found: string[] = [];
      for (let after = ''; ;) {
        const page = await store.list(at, after, limit);
        expect(page.length).toBeLessThanOrEqual(limit);
        if (page.length === 0) break;
        found.push(...page.map((entry) => entry.key.slice(at.length)));
        after = page.at(-1)!.key;
      }
      expect(found).toEqual([...keys].sort());
    }
    const after = async (key: string) => (await store.list(`${at}a/`, at + key)).map((entry) => entry.key);
    expect(await after('a/b')).toEqual([`${at}a/b/c`]);
    expect(await after('a/9')).toEqual([`${at}a/b`, `${at}a/b/c`]);
    expect(await after('a/b/c')).toEqual([]);
    expect(await after('a')).toHaveLength(3);
    expect(await store.list(at, '', 0)).toEqual([]);
  });
  on('keeps keys that file systems and addresses would change', async (store, _, at) => {
    const odd = ['%2F', 'a%20b', '...', '..a', "x'(y)*", 'a+b', 'A', 'b.o', 'b.o/c', 'b.d', 'b', 'x'.repeat(250)];
    for (const [i, key] of odd.entries()) await store.put(at + key, testObject(i + 1));
    expect((await store.list(at)).map((entry) => entry.key)).toEqual(odd.map((key) => at + key).sort());
    for (const [i, key] of odd.entries()) expect(await store.getRange(at + key, 0, 99)).toHaveLength(i + 1);
    await store.delete(odd.map((key) => at + key));
    expect(await store.list(at)).toEqual([]);
  });
}

function edgeTests(on: On): void {
  on('says what is missing', async (store, _, at) => {
    await store.put(`${at}a/b`, testObject(3));
    for (const key of ['a', 'a/c', 'a/b/c', 'b/c/d']) {
      await expect(store.getRange(at + key, 0, 1)).rejects.toMatchObject({ code: 'object-missing' });
    }
    expect(await store.list(`${at}none/`)).toEqual([]);
  });
  on('refuses keys that are none', async (store) => {
    const bad = [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      './a',
      'a/.',
      '../../etc/passwd',
      'a b',
      'ü',
      'a\0',
      'a\\b',
    ];
    for (const key of [...bad, 'x'.repeat(251), 'x/'.repeat(450) + 'x', 'a?b', 'a#b', 'a:b', 'a&b']) {
      await expect(store.put(key, Buffer.alloc(1))).rejects.toMatchObject({ code: 'bad-key' });
      await expect(store.getRange(key, 0, 1)).rejects.toMatchObject({ code: 'bad-key' });
      await expect(store.delete([key])).rejects.toMatchObject({ code: 'bad-key' });
    }
    await expect(store.list('../')).rejects.toMatchObject({ code: 'bad-key' });
    await expect(store.list('/etc')).rejects.toMatchObject({ code: 'bad-key' });
  });
  on('refuses ranges that are none', async (store, _, at) => {
    await store.put(`${at}k`, testObject(5));
    for (const [start, end] of [
      [-1, 2],
      [3, 2],
      [0.5, 2],
      [0, Infinity],
      [NaN, 1],
    ] as const) {
      const read = store.getRange(`${at}k`, start, end);
      await expect(read).rejects.toMatchObject({ code: 'offset-out-of-range' });
    }
  });
  on('gives up when it is told to', async (store, _, at) => {
    await store.put(`${at}k`, testObject(5));
    const signal = AbortSignal.abort();
    await expect(store.put(`${at}l`, testObject(5), { signal })).rejects.toMatchObject({ code: 'aborted' });
    await expect(store.getRange(`${at}k`, 0, 5, { signal })).rejects.toMatchObject({ code: 'aborted' });
    expect((await store.list(at)).map((entry) => entry.key)).toEqual([`${at}k`]);
  });
  on('counts requests and bytes', async (store, _, at) => {
    const before = { ...store.requests };
    await store.put(`${at}k`, testObject(1_000));
    await store.getRange(`${at}k`, 100, 300);
    await store.list(at);
    await store.delete([`${at}k`]);
    const now = store.requests;
    expect(now.puts).toBeGreaterThan(before.puts);
    expect(now.gets).toBeGreaterThan(before.gets);
    expect(now.lists).toBeGreaterThan(before.lists);
    expect(now.deletes).toBeGreaterThan(before.deletes);
    expect(now.bytesWritten - before.bytesWritten).toBeGreaterThanOrEqual(1_000);
    expect(now.bytesRead - before.bytesRead).toBeGreaterThanOrEqual(200);
  });
  on('finds everything again, and refuses after close', async (store, { reopen }, at) => {
    await store.put(`${at}a/b`, testObject(1_000));
    await store.put(`${at}c`, testObject(10));
    await store.delete([`${at}c`]);
    await store.close?.();
    await store.close?.();
    if (store.close !== undefined) {
      await expect(store.put(`${at}d`, testObject(1))).rejects.toMatchObject({ code: 'closed' });
      await expect(store.getRange(`${at}a/b`, 0, 1)).rejects.toMatchObject({ code: 'closed' });
      await expect(store.list(at)).rejects.toMatchObject({ code: 'closed' });
      await expect(store.delete([`${at}a/b`])).rejects.toMatchObject({ code: 'closed' });
    }
    if (reopen === null) return;
    const [one, two] = [await reopen(), await reopen()];
    expect(await one.list(at)).toEqual([{ key: `${at}a/b`, sizeBytes: 1_000 }]);
    expect(await one.put(`${at}e`, testObject(2), { ifAbsent: true })).toBe(true);
    expect(await two.put(`${at}e`, testObject(3), { ifAbsent: true })).toBe(false);
    expect((await two.getRange(`${at}a/b`, 0, 2_000)).equals(testObject(1_000))).toBe(true);
    await one.close?.();
    await two.close?.();
  });
}
