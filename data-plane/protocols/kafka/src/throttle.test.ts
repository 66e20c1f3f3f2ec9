import { beforeEach, describe, expect, it } from 'vitest';
import { ApiVersions } from './messages/cluster.ts';
import { Fetch } from './messages/fetch.ts';
import { Produce } from './messages/produce.ts';
import { batchOf } from './testing/batch.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { Fixture } from './testing/fixture.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture({ throttleMsMax: 5000 });
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 1 });
});

const produce = (acks = -1) => ({
  transactionalId: null,
  acks,
  timeoutMs: 1000,
  topicData: [{ name: 't', partitionData: [{ index: 0, records: [batchOf(['a'])] }] }],
});
const fetch = {
  clusterId: null,
  replicaState: null,
  maxWaitMs: 0,
  minBytes: 1,
  maxBytes: 1e6,
  isolationLevel: 0,
  sessionId: 0,
  topics: [
    { topic: 't', topicId: '0'.repeat(32), partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6 }] },
  ],
  forgottenTopicsData: [],
};

const VERSIONS = { clientSoftwareName: '', clientSoftwareVersion: '' };

/** How long the connection is not served from now on. */
async function silenceMs(stepMs: number): Promise<number> {
  client.send(ApiVersions, 0, VERSIONS);
  for (let waited = 0; ; waited += stepMs) {
    await world.settle();
    if (client.next(ApiVersions) !== null) return waited;
    world.runtime.advance(stepMs);
  }
}

describe('byte rate quotas', () => {
  it('Produce is answered at once with the time to wait, and nothing is served until then', async () => {
    world.blue.delays.ingressMs = 1200.5;
    expect((await world.ask(client, Produce, 7, produce())).throttleTimeMs).toBe(1201);
    expect(client.paused).toBe(true);
    expect(await silenceMs(400)).toBe(1600);
    expect(client.paused).toBe(false);
  });

  it('acks=0 is held back without being told, and no wait is longer than the limit', async () => {
    await world.ask(client, ApiVersions, 0, VERSIONS);
    await world.ask(client, Produce, 7, produce());
    world.blue.delays.ingressMs = 1e9;
    client.send(Produce, 7, produce(0), false);
    await world.settle();
    expect(await silenceMs(1000)).toBe(5000);
  });

  it('Fetch gets its records and waits for what they cost; one that comes too early gets none', async () => {
    await world.ask(client, Produce, 7, produce());
    world.blue.delays.msPerByteOut = 10;
    const first = await world.ask(client, Fetch, 11, fetch);
    const [records] = first.responses[0]!.partitions.map((row) => row.records);
    expect(records).not.toBeNull();
    const size = Buffer.concat([records as unknown as Buffer].flat()).length;
    expect(first.throttleTimeMs).toBe(size * 10);
    world.runtime.advance(size * 10);
    await world.settle();
    world.blue.delays.egressMs = 300;
    expect(await world.ask(client, Fetch, 11, fetch)).toMatchObject({
      throttleTimeMs: 300,
      errorCode: 0,
      responses: [],
    });
    expect(world.blue.usage.bytesOut).toBe(size);
  });

  it('a connection that ends while it waits leaves nothing behind', async () => {
    world.blue.delays.ingressMs = 1000;
    client.send(Produce, 7, produce());
    client.handler.onClose(null);
    world.runtime.advance(2000);
    await world.settle();
    expect(client.ended).toBe(false);
  });
});
