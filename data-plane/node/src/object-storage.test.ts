import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ManualRuntime } from '@robustmq/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StandaloneConfig, standaloneNode } from './config.ts';
import { fromStandalone } from './namespace-translation.ts';
import { openObjectStorage } from './object-storage.ts';
import { freePort, Scratch, SpawnedNode } from './testing/spawned-node.ts';

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.remove());

function config(tiering: object, topic: object = {}) {
  return StandaloneConfig.safeParse({
    listeners: { mqtt: { port: 1883 } },
    namespaces: [{ name: 'main', allowAnonymous: true, topics: [{ name: 't', ...topic }] }],
    tiering,
  });
}

describe('object storage of a node', () => {
  it('is opened as the file says, with a policy for topics and for nothing else', async () => {
    const parsed = config({
      engine: 'file-objects',
      directory: 'cold',
      topics: { coldAfterBytes: 5 },
      claimBytesMin: 65_536,
    }).data!;
    const { tiering } = standaloneNode(parsed, scratch.path);
    const storage = await openObjectStorage(tiering!, new ManualRuntime());
    expect(await storage.objects.put('a/b', Buffer.from('x'))).toBe(true);
    expect(storage.claimBytesMin).toBe(65_536);
    expect(storage.tierOf('ns4:main9:partition2:ab1:0')).toEqual({ coldAfterBytes: 5 });
    expect(storage.tierOf('ns4:main11:inbox-store')).toBeUndefined();
    await storage.objects.close?.();
  });
  it('says which variable is missing, and what an engine needs', async () => {
    const parsed = config({ engine: 's3', bucket: 'b', accessKeyIdVariable: 'ROBUSTMQ_TEST_NOT_SET' }).data!;
    await expect(openObjectStorage(parsed.tiering!, new ManualRuntime())).rejects.toThrow('ROBUSTMQ_TEST_NOT_SET');
    expect(config({ engine: 'tape' }).success).toBe(false);
    expect(config({ engine: 'file-objects' }).success).toBe(false);
    expect(config({ engine: 'file-objects', directory: 'cold', claimBytesMin: 1000 }).success).toBe(false);
  });
  it('is waited for by a start only so long, when it answers that it cannot now', { timeout: 120_000 }, async () => {
    const server = createServer((_request, response) => response.writeHead(503).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const file = scratch.file('config.json', {
      dataDir: `${scratch.path}/data`,
      listeners: { mqtt: { port: await freePort() } },
      namespaces: [{ name: 'main', allowAnonymous: true }],
      tiering: {
        engine: 's3',
        bucket: 'away',
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        accessKeyIdVariable: 'STORAGE_ID',
        secretAccessKeyVariable: 'STORAGE_SECRET',
      },
    });
    const node = new SpawnedNode(['standalone', '--config', file], { STORAGE_ID: 'a', STORAGE_SECRET: 'b' });
    try {
      await node.untilReady();
    } finally {
      await node.kill();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
  it('hands the policy of a topic on', () => {
    const parsed = config(
      { engine: 'file-objects', directory: 'cold' },
      { cleanup: 'compact,delete', compaction: { minLagMs: 5 }, tier: { coldAfterMs: 7 } },
    ).data!;
    expect(fromStandalone(parsed.namespaces[0]!, 'flushed').topics[0]).toEqual({
      name: 't',
      partitions: 1,
      durability: 'flushed',
      retentionMs: 604_800_000,
      retentionBytes: -1,
      cleanup: 'compact,delete',
      compaction: { minLagMs: 5 },
      tier: { coldAfterMs: 7 },
    });
  });
});
