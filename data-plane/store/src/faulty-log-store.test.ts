import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { FaultyLogStore } from './faulty-log-store.ts';
import { MemoryLogStore } from './memory-log-store.ts';
import { fill, logStoreSuite, readAll } from './testing/log-store-suite.ts';

logStoreSuite('faulty, without faults', async () => ({
  store: new FaultyLogStore(new MemoryLogStore(), new ManualRuntime()),
  reopen: null,
}));

describe('FaultyLogStore', () => {
  it('delays by the clock it is given', async () => {
    const runtime = new ManualRuntime();
    const store = new FaultyLogStore(new MemoryLogStore(), runtime, { delayMsMax: 50 });
    fill(await store.open('s'), 1);
    let done = false;
    const flushed = store.flush().then(() => (done = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toBe(false);
    runtime.advance(50);
    await flushed;
  });
  it('fails for good after a failed flush', async () => {
    const store = new FaultyLogStore(new MemoryLogStore(), new ManualRuntime(), { flushErrorChance: 1 });
    const log = await store.open('s');
    fill(log, 1);
    await expect(store.flush()).rejects.toMatchObject({ code: 'io' });
    await expect(store.flush()).rejects.toMatchObject({ code: 'failed' });
    expect(() => fill(log, 1)).toThrow(expect.objectContaining({ code: 'failed' }));
    expect(log.stableOffset).toBe(0);
  });
  it('loses nothing stable in a crash, and some of the rest', async () => {
    const ends = new Set<number>();
    for (let seed = 1; seed < 30; seed++) {
      const store = new FaultyLogStore(new MemoryLogStore(), new ManualRuntime({ seed }));
      const log = await store.open('s');
      fill(log, 5);
      await store.flush();
      fill(log, 5);
      const again = await (await store.crash()).open('s');
      expect(again.endOffset).toBeGreaterThanOrEqual(5);
      await readAll(again);
      ends.add(again.endOffset);
      await expect(store.open('s')).rejects.toMatchObject({ code: 'closed' });
    }
    expect(ends.size).toBeGreaterThan(3);
  });
});
