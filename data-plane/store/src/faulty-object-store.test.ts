import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ManualRuntime } from '@robustmq/wire';
import { FaultyObjectStore, type ObjectFaults } from './faulty-object-store.ts';
import { FileObjectStore } from './objects/file-object-store.ts';
import { MemoryObjectStore } from './objects/memory-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { objectStoreSuite, testObject } from './testing/object-store-suite.ts';
import { RealTimeRuntime } from './testing/real-time.ts';
import { SimulatedDisk } from './testing/simulated-disk.ts';

objectStoreSuite('memory, slow and in any order', async () => {
  const objects = new Map<string, Buffer>();
  const runtime = new RealTimeRuntime({ seed: 5 });
  const store = () => new FaultyObjectStore(new MemoryObjectStore(objects), runtime, { delayMsMax: 2 });
  return { store: store(), reopen: async () => store() };
});

/** Does it again until it works, as the journal does; how often it failed is not limited here. */
async function insist<T>(run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      expect(['object-unavailable', 'object-throttled']).toContain((error as { code?: string }).code);
    }
  }
}

const FAULTS: Partial<ObjectFaults> = {
  errorBeforeChance: 0.2,
  errorAfterChance: 0.2,
  partialDeleteChance: 0.2,
  partialReadChance: 0.2,
  throttleChance: 0.1,
};
const engines: Record<string, (seed: number) => Promise<ObjectStore>> = {
  memory: async () => new MemoryObjectStore(),
  'file-objects': (seed) => {
    const runtime = new ManualRuntime({ seed });
    const disk = new SimulatedDisk(() => runtime.randomBytes(1)[0]! / 256);
    return FileObjectStore.open({ directory: '/objects', runtime, disk });
  },
};

describe('FaultyObjectStore', () => {
  for (const [name, make] of Object.entries(engines)) {
    it(`${name}: a caller that insists gets to the same world as without faults`, async () => {
      const key = fc.constantFrom('a', 'a/b', 'a/c', 'b');
      const step = fc.oneof(
        fc.record({ what: fc.constant('put' as const), key, size: fc.integer({ min: 0, max: 50 }) }),
        fc.record({ what: fc.constant('delete' as const), keys: fc.array(key, { maxLength: 3 }) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.integer(), async (steps, seed) => {
          const store = new FaultyObjectStore(await make(seed), new ManualRuntime({ seed }), FAULTS);
          const model = new Map<string, Buffer>();
          for (const [i, one] of steps.entries()) {
            if (one.what === 'delete') {
              await insist(() => store.delete(one.keys));
              for (const gone of one.keys) model.delete(gone);
            } else {
              await insist(() => store.put(one.key, testObject(one.size, i)));
              model.set(one.key, testObject(one.size, i));
            }
          }
          const entries = await insist(() => store.list(''));
          expect(entries.map((entry) => entry.key)).toEqual([...model.keys()].sort());
          for (const [held, bytes] of model) {
            expect((await insist(() => store.getRange(held, 0, 99))).equals(bytes)).toBe(true);
          }
        }),
        { numRuns: 60 },
      );
    });
  }
  it('throttles several calls in a row', async () => {
    const store = new FaultyObjectStore(new MemoryObjectStore(), new ManualRuntime(), { throttleChance: 1 });
    await expect(store.list('')).rejects.toMatchObject({ code: 'object-throttled' });
    store.faults = { ...store.faults, throttleChance: 0 };
    for (let i = 0; i < 3; i++) await expect(store.list('')).rejects.toMatchObject({ code: 'object-throttled' });
    expect(await store.list('')).toEqual([]);
  });
  it('gives nothing after a crash, and what was done stays', async () => {
    const store = new FaultyObjectStore(new MemoryObjectStore(), new ManualRuntime());
    await store.put('k', testObject(3));
    const next = store.crash();
    await expect(store.put('l', testObject(3))).rejects.toMatchObject({ code: 'closed' });
    await store.close();
    expect((await next.list('')).map((entry) => entry.key)).toEqual(['k']);
  });
});
