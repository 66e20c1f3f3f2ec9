import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consume, kafkaOf, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { eventually, sleep } from '../support/process.ts';

/** Publishes numbered QoS 1 messages until told to stop, over however many connections it takes; remembers what was acknowledged. */
class MqttLoad {
  readonly acknowledged = new Set<string>();
  #next = 0;
  #running = true;
  readonly #done: Promise<void>;

  constructor(cluster: TestCluster, topic: string) {
    this.#done = this.#run(cluster, topic);
  }

  async #run(cluster: TestCluster, topic: string): Promise<void> {
    while (this.#running) {
      try {
        const client = await mqttOf(cluster, { connectTimeout: 2_000 });
        client.setMaxListeners(100);
        client.on('error', () => {});
        let open = true;
        client.on('close', () => (open = false));
        while (this.#running && open) {
          const batch = Array.from({ length: 20 }, () => `m${this.#next++}`);
          const publish = async (text: string): Promise<void> => {
            await client.publishAsync(topic, text, { qos: 1 });
            this.acknowledged.add(text);
          };
          await Promise.race([
            Promise.allSettled(batch.map(publish)),
            new Promise<void>((resolve) => client.once('close', () => resolve())),
          ]);
        }
        client.end(true);
      } catch {
        await sleep(100);
      }
    }
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }
}

/** The same for acks=all produce requests. */
class KafkaLoad {
  readonly acknowledged = new Set<string>();
  #running = true;
  readonly #done: Promise<void>;

  constructor(cluster: TestCluster, topic: string) {
    this.#done = this.#run(cluster, topic);
  }

  async #run(cluster: TestCluster, topic: string): Promise<void> {
    let next = 0;
    const producer = kafkaOf(cluster).producer({ retry: { initialRetryTime: 50, retries: 0 } });
    while (this.#running) {
      try {
        await producer.connect();
        while (this.#running) {
          const values = Array.from({ length: 20 }, () => `k${next++}`);
          await producer.send({ topic, acks: -1, timeout: 2_000, messages: values.map((value) => ({ value })) });
          for (const value of values) this.acknowledged.add(value);
        }
      } catch {
        await sleep(100);
      }
    }
    await producer.disconnect().catch(() => {});
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }
}

describe('kill -9', () => {
  let cloud: CloudUnderTest;
  let profile: string;
  let cluster: TestCluster;

  beforeAll(async () => {
    cloud = await CloudUnderTest.make();
    await cloud.start();
    profile = await newTenant(cloud);
    cluster = await newCluster(cloud, profile);
    await cloud.ctl('topic', 'create', 'load', '--cluster', cluster.name, '--profile', profile);
  });
  afterAll(() => cloud.dispose());

  const answers = (): Promise<boolean> =>
    mqttOf(cluster, { connectTimeout: 1_000 }).then(
      async (client) => {
        await client.endAsync();
        return true;
      },
      () => false,
    );

  it('of the node during QoS 1 and acks=all load: nothing acknowledged is lost, the agent starts it again', async () => {
    const loads = [new MqttLoad(cluster, 'load/mqtt'), new KafkaLoad(cluster, 'load')] as const;
    for (let round = 0; round < 4; round++) {
      const before = [loads[0].acknowledged.size, loads[1].acknowledged.size] as const;
      await eventually(
        'both loads make progress',
        60_000,
        () => loads[0].acknowledged.size > before[0] + 100 && loads[1].acknowledged.size > before[1] + 100,
      );
      process.kill(await cloud.pidOf('data-plane/node'), 'SIGKILL');
      await eventually('the node answers again', 60_000, answers);
    }
    await Promise.all(loads.map((load) => load.stop()));
    const wanted = new Set([...loads[0].acknowledged, ...loads[1].acknowledged]);
    expect(wanted.size).toBeGreaterThan(800);
    const found = new Set<string>();
    // acknowledged records are few against duplicates of re-sent batches: read until the end is reached
    for (const record of await readAll(cluster, 'load')) found.add(record);
    expect([...wanted].filter((value) => !found.has(value))).toEqual([]);
  });

  it('of every other process, one after the other: clients go on, nothing needs a hand', async () => {
    const client = await mqttOf(cluster);
    const got: string[] = [];
    client.on('message', (_topic, payload) => got.push(payload.toString()));
    await client.subscribeAsync('still/#', { qos: 1 });
    for (const words of [['control-plane/api'], ['billing/app'], ['data-plane/agent'], ['postgres', '-D']]) {
      process.kill(await cloud.pidOf(...words), 'SIGKILL');
      const text = words.join(' ');
      await client.publishAsync('still/here', text, { qos: 1 });
      await eventually(`the message after the death of ${text}`, 60_000, () => got.includes(text));
      await eventually(
        'the control plane is ready again',
        60_000,
        async () => (await fetch(`${cloud.url}/health/ready`).catch(() => null))?.status === 200,
      );
    }
    await client.endAsync();
    const list = await eventually('the CLI works again', 60_000, () =>
      cloud.ctl('cluster', 'get', cluster.name, '--profile', profile).catch(() => null),
    );
    expect(list).toMatchObject({ phase: 'Ready' });
    await eventually('the agent is connected: a new credential reaches the node', 60_000, async () => {
      const made = await cloud.ctl<{ username: string; password: string }>(
        'credential',
        'create',
        `late${Date.now()}`,
        '--cluster',
        cluster.name,
        '--profile',
        profile,
      );
      await sleep(1_000);
      const late = await mqttOf({ ...cluster, ...made }, { connectTimeout: 2_000 });
      await late.endAsync();
      return true;
    });
  });

  it('of the launcher: its children leave, and a new npm start has everything', async () => {
    await mqttOf(cluster).then(async (client) => {
      await client.publishAsync('load/last', 'before the launcher died', { qos: 1 });
      await client.endAsync();
    });
    process.kill(await cloud.pidOf('infra/server/src/main.ts'), 'SIGKILL');
    await cloud.stop('SIGKILL');
    await cloud.start();
    const records = await readAll(cluster, 'load');
    expect(records).toContain('before the launcher died');
    expect(await answers()).toBe(true);
  });
});

/** Every value of the topic, up to its end as it is now. */
async function readAll(cluster: TestCluster, topic: string): Promise<string[]> {
  const admin = kafkaOf(cluster).admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  const count = offsets.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
  return (await consume(cluster, topic, count, 60_000)).map(({ value }) => value);
}
