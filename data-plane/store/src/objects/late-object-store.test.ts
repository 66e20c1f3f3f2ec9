import { ManualRuntime } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { openObjectStore } from '../object-engines.ts';
import { StoreError } from '../store-error.ts';
import { RealTimeRuntime } from '../testing/real-time.ts';
import { WebHdfsDouble } from '../testing/web-hdfs-double.ts';
import { LateObjectStore } from './late-object-store.ts';
import { MemoryObjectStore } from './memory-object-store.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const away = new StoreError('object-unavailable', 'nobody there');

describe('an object store that does not answer yet', () => {
  it('refuses calls, is tried ever more rarely, and serves as soon as it answers', async () => {
    const runtime = new ManualRuntime();
    let isThere = false;
    let tries = 0;
    const open = async () => {
      tries++;
      if (!isThere) throw away;
      return new MemoryObjectStore();
    };
    const store = new LateObjectStore('s3', open, runtime, away);
    await expect(store.put('k', Buffer.alloc(1))).rejects.toMatchObject({ code: 'object-unavailable' });
    await expect(store.list('')).rejects.toMatchObject({ code: 'object-unavailable' });
    await store.delete([]);
    for (let i = 0; i < 40; i++) {
      runtime.advance(1000);
      await turn();
    }
    expect(tries).toBe(5);
    isThere = true;
    for (let i = 0; i < 60; i++) {
      runtime.advance(1000);
      await turn();
    }
    expect(await store.put('k', Buffer.from('abc'))).toBe(true);
    expect((await store.getRange('k', 0, 3)).toString()).toBe('abc');
    expect(store.requests.puts).toBe(1);
    await store.close();
    await expect(store.list('')).rejects.toMatchObject({ code: 'closed' });
  });

  it('ends its tries when it is closed', async () => {
    const runtime = new ManualRuntime();
    let tries = 0;
    const open = async () => {
      tries++;
      throw away;
    };
    const store = new LateObjectStore('s3', open, runtime, away);
    await store.close();
    runtime.advance(1e6);
    await turn();
    expect(tries).toBe(0);
    await expect(store.list('')).rejects.toMatchObject({ code: 'closed' });
  });

  it('openObjectStore does not wait for a server that is away', { timeout: 60_000 }, async () => {
    const double = await WebHdfsDouble.start();
    const { endpoint } = double;
    await double.stop();
    const runtime = new RealTimeRuntime({ seed: 1 });
    const retry = { triesMax: 2, firstDelayMs: 1, delayMsMax: 1 };
    for (const config of [
      { hdfs: { endpoint, directory: '/robustmq', user: 'robustmq', retry } },
      { s3: { endpoint, bucket: 'b', region: 'r', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, retry } },
    ]) {
      const store = await openObjectStore(Object.keys(config)[0]!, { runtime, ...config });
      await expect(store.getRange('k', 0, 1)).rejects.toMatchObject({ code: 'object-unavailable' });
      await store.close?.();
    }
  });
});
