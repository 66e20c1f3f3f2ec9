import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ManualRuntime } from '@robustmq/wire';
import { objectStoreSuite, testObject } from '../testing/object-store-suite.ts';
import { SimulatedDisk } from '../testing/simulated-disk.ts';
import { FileObjectStore } from './file-object-store.ts';

objectStoreSuite('file-objects', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'robustmq-objects-'));
  let seed = 0;
  const open = () => FileObjectStore.open({ directory, runtime: new ManualRuntime({ seed: ++seed }) });
  return { store: await open(), reopen: open, cleanup: () => rm(directory, { recursive: true }) };
});

describe('FileObjectStore: crashes', () => {
  it('keeps what was answered and nothing in part, whatever step the power goes at', async () => {
    const numRuns = 150;
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.nat({ max: 120 }), fc.boolean(), async (seed, stopAt, power) => {
        const runtime = new ManualRuntime({ seed });
        const disk = new SimulatedDisk(() => runtime.randomBytes(1)[0]! / 256);
        const store = await FileObjectStore.open({ directory: '/o', runtime, disk });
        const answered = new Map<string, Buffer | null>();
        const under = new Map<string, Buffer | null>();
        const work = async (): Promise<void> => {
          for (let i = 0; i < 8; i++) {
            const key = ['a', 'a/b', 'c/d/e'][i % 3]!;
            const bytes = i === 5 ? null : testObject(600 + i, i);
            under.set(key, bytes);
            if (bytes === null) await store.delete([key]);
            else await store.put(key, bytes, { ifAbsent: i < 3 });
            answered.set(key, bytes);
            under.delete(key);
          }
        };
        await Promise.race([disk.stopAfter(stopAt), work()]);
        const after = power ? disk.cutPower() : disk.kill();
        const again = await FileObjectStore.open({ directory: '/o', runtime, disk: after });
        for (const key of ['a', 'a/b', 'c/d/e']) {
          const found = await again.getRange(key, 0, 9_999).catch(() => null);
          const allowed = [answered.get(key) ?? null, ...(under.has(key) ? [under.get(key) ?? null] : [])];
          const one = (bytes: Buffer | null): boolean =>
            bytes === null ? found === null : found?.equals(bytes) === true;
          expect(allowed.some(one)).toBe(true);
        }
        expect(after.paths.filter((path) => path.startsWith('/o/tmp/'))).toEqual([]);
        expect(await again.put('a/b/new', testObject(1), { ifAbsent: true })).toBe(true);
      }),
      { numRuns },
    );
  });
  it('says what a disk cannot do, and goes on when it can again', async () => {
    for (const code of ['disk-full', 'io', 'read-only'] as const) {
      for (let step = 0; step < 8; step++) {
        const disk = new SimulatedDisk(() => 0.5);
        const store = await FileObjectStore.open({ directory: '/o', runtime: new ManualRuntime(), disk });
        disk.failAfter(step, code);
        const failed = await store.put('a/b', testObject(100), { ifAbsent: true }).then(
          () => null,
          (error: unknown) => (error as { code: string }).code,
        );
        expect([null, code]).toContain(failed);
        await store.put('a/b', testObject(100));
        expect((await store.getRange('a/b', 0, 200)).equals(testObject(100))).toBe(true);
      }
    }
  });
  it('lets many share a directory and come and go', { timeout: 30_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'robustmq-objects-'));
    const open = (seed: number) => FileObjectStore.open({ directory, runtime: new ManualRuntime({ seed }) });
    const [one, two] = [await open(1), await open(2)];
    const churn = async (store: FileObjectStore, seed: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await store.put(`d/e/${seed}`, testObject(100, seed));
        expect(await store.getRange(`d/e/${seed}`, 0, 200)).toHaveLength(100);
        await store.delete([`d/e/${seed}`]);
      }
    };
    await Promise.all([churn(one, 1), churn(two, 2)]);
    expect(await one.list('')).toEqual([]);
    await one.close();
    await two.close();
    await rm(directory, { recursive: true });
  });
});
