import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openLogStore } from '@robustmq/store';
import { ManualRuntime } from '@robustmq/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StandaloneConfig, standaloneNode, type NodeConfig } from './config.ts';
import { openMedia } from './media.ts';
import { Scratch } from './testing/spawned-node.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.remove());

function config(journal: object): NodeConfig {
  const parsed = StandaloneConfig.parse({
    dataDir: 'data',
    listeners: { mqtt: { port: 1883 } },
    namespaces: [{ name: 'main', allowAnonymous: true }],
    journal,
  });
  return standaloneNode(parsed, scratch.path);
}
/** Whether the optional package is there is for each machine to say. */
async function hasRocksDb(): Promise<boolean> {
  try {
    await (await openLogStore('rocksdb', { directory: join(scratch.path, 'probe') })).close();
    return true;
  } catch {
    return false;
  }
}

describe('the media of a node', () => {
  it('are the main one alone unless the file names more', async () => {
    const { store, engines } = await openMedia(config({}), new ManualRuntime());
    expect(engines).toEqual({});
    await store.close();
    expect(existsSync(join(scratch.path, 'data/engines'))).toBe(false);
    expect(() => config({ engines: ['tape'] })).toThrow('write file or rocksdb');
  });

  it('have a directory each, and one that is there is opened without being named', async () => {
    const named = await openMedia(config({ engine: 'memory', engines: ['file'] }), new ManualRuntime());
    const log = await named.engines['file']!.open('ns1:n1:x');
    log.append({ baseOffset: 0, nextOffset: 1, timestampMs: 1, bytes: Buffer.from('kept') });
    await named.engines['file']!.close();
    const later = await openMedia(config({ engine: 'memory' }), new ManualRuntime());
    expect(later.engines['file']!.list()).toEqual(['ns1:n1:x']);
    await later.engines['file']!.close();
  });

  it('rocksdb stands beside file where it is installed, and is refused with a sentence where it is not', async () => {
    const wanted = config({ engines: ['rocksdb'] });
    if (await hasRocksDb()) {
      const { store, engines } = await openMedia(wanted, new ManualRuntime());
      const log = await engines['rocksdb']!.open('ns1:n1:x');
      log.append({ baseOffset: 0, nextOffset: 1, timestampMs: 1, bytes: Buffer.from('kept') });
      await Promise.all([engines['rocksdb']!.flush(), store.flush()]);
      expect(log.stableOffset).toBe(1);
      await Promise.all([engines['rocksdb']!.close(), store.close()]);
      return;
    }
    const refused = {
      code: 'engine-missing',
      message: expect.stringContaining('npm install rocksdb-native@') as string,
    };
    await expect(openMedia(wanted, new ManualRuntime())).rejects.toMatchObject(refused);
    expect(existsSync(join(scratch.path, 'data/engines/rocksdb'))).toBe(false);
    // topics lie there: the node must not go on as if they had never been
    mkdirSync(join(scratch.path, 'data/engines/rocksdb'), { recursive: true });
    await expect(openMedia(config({}), new ManualRuntime())).rejects.toMatchObject(refused);
    // and the main medium was let go
    await (await openLogStore('file', { directory: join(scratch.path, 'data') })).close();
  });
});
