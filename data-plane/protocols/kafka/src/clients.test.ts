import { Kafka, logLevel, type EachMessagePayload } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KafkaServer } from './server.ts';
import { MemoryBroker } from './testing/memory-broker.ts';
import { listen, REAL_RUNTIME } from './testing/tcp-listener.ts';

/** The stock client against this room over a real socket; the broker below is the double of its seam. */
const broker = new MemoryBroker();
let server: KafkaServer;
let listener: Awaited<ReturnType<typeof listen>>;

beforeAll(async () => {
  broker.add('blue');
  broker.add('red');
  broker.anonymous = 'blue';
  broker.passwords.set('joe@red', 'secret');
  listener = await listen(() => server.accept);
  server = new KafkaServer({
    broker,
    runtime: REAL_RUNTIME,
    nodeId: 1,
    clusterId: 'test',
    advertised: () => ({ host: '127.0.0.1', port: listener.port }),
  });
});
afterAll(() => {
  server.close();
  listener.close();
});

function kafka(sasl?: { username: string; password: string }): Kafka {
  return new Kafka({
    clientId: 'stock',
    brokers: [`127.0.0.1:${listener.port}`],
    logLevel: logLevel.NOTHING,
    retry: { retries: 2 },
    ...(sasl === undefined ? {} : { sasl: { mechanism: 'plain', ...sasl } }),
  });
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('kafkajs', () => {
  it('administers topics', async () => {
    const admin = kafka().admin();
    await admin.connect();
    expect(await admin.createTopics({ topics: [{ topic: 'made', numPartitions: 3 }] })).toBe(true);
    expect(await admin.createTopics({ topics: [{ topic: 'made' }] })).toBe(false);
    const { topics } = await admin.fetchTopicMetadata({ topics: ['made'] });
    expect(topics[0]!.partitions).toHaveLength(3);
    expect((await admin.describeCluster()).brokers).toEqual([{ nodeId: 1, host: '127.0.0.1', port: listener.port }]);
    expect(await admin.fetchTopicOffsets('made')).toHaveLength(3);
    await admin.deleteTopics({ topics: ['made'] });
    expect(await admin.listTopics()).not.toContain('made');
    await admin.disconnect();
  });

  it('produces with and without gzip, idempotently too, and consumes in two members of a group', async () => {
    const admin = kafka().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'work', numPartitions: 4 }] });
    const seen = new Map<string, string>();
    const assigned = [0, 0];
    const consumers = [0, 1].map((i) => {
      const consumer = kafka().consumer({
        groupId: 'crew',
        sessionTimeout: 6000,
        heartbeatInterval: 100,
        maxWaitTimeInMs: 100,
      });
      consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        assigned[i] = Object.values(payload.memberAssignment).flat().length;
      });
      return consumer;
    });
    const eachMessage = ({ message }: EachMessagePayload): Promise<void> => {
      seen.set(message.value!.toString(), message.headers?.['h']?.toString() ?? '');
      return Promise.resolve();
    };
    for (const consumer of consumers) {
      await consumer.connect();
      await consumer.subscribe({ topic: 'work', fromBeginning: true });
      await consumer.run({ eachMessage });
    }
    await until(() => assigned[0] === 2 && assigned[1] === 2);
    for (const [idempotent, compression] of [
      [false, 0],
      [false, 1],
      [true, 1],
    ] as const) {
      const producer = kafka().producer({ idempotent });
      await producer.connect();
      for (let i = 0; i < 5; i++) {
        const messages = Array.from({ length: 20 }, (_, k) => ({
          key: `k${k}`,
          value: `${idempotent}/${compression}/${i}/${k}`,
          headers: { h: 'v' },
        }));
        await producer.send({ topic: 'work', messages, compression, acks: -1 });
      }
      await producer.disconnect();
    }
    await until(() => seen.size === 300);
    expect(new Set(seen.values())).toEqual(new Set(['v']));
    const { groups } = await admin.describeGroups(['crew']);
    expect(groups[0]).toMatchObject({ state: 'Stable', members: [{}, {}] });
    await consumers[1]!.disconnect();
    await until(() => assigned[0] === 4);
    await consumers[0]!.disconnect();
    const offsets = await admin.fetchOffsets({ groupId: 'crew', topics: ['work'] });
    const total = offsets[0]!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
    expect(total).toBe(300);
    expect(await admin.deleteGroups(['crew'])).toMatchObject([{ groupId: 'crew', errorCode: 0 }]);
    await admin.disconnect();
  }, 60_000);

  it('logs in with PLAIN into its own cluster, and not with a wrong password', async () => {
    const producer = kafka({ username: 'joe@red', password: 'secret' }).producer();
    await producer.connect();
    await producer.send({ topic: 'private', messages: [{ value: 'x' }] });
    await producer.disconnect();
    expect(broker.namespaces.get('red')!.topics.get('private')).toBeDefined();
    expect(broker.namespaces.get('blue')!.topics.get('private')).toBeUndefined();
    await expect(kafka({ username: 'joe@red', password: 'no' }).producer().connect()).rejects.toThrow(/password/);
  });

  it('commits and aborts transactions; readers of committed records see what was committed', async () => {
    const admin = kafka().admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'exact', numPartitions: 2 }] });
    const producer = kafka().producer({ transactionalId: 'tx', idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (const [prefix, commits] of [
      ['a', true],
      ['b', false],
      ['c', true],
    ] as const) {
      const transaction = await producer.transaction();
      const messages = Array.from({ length: 10 }, (_, i) => ({ value: `${prefix}${i}`, partition: i % 2 }));
      await transaction.send({ topic: 'exact', messages });
      const topics = [{ topic: 'exact', partitions: [{ partition: 0, offset: commits ? '7' : '9' }] }];
      await transaction.sendOffsets({ consumerGroupId: 'exact-group', topics });
      await (commits ? transaction.commit() : transaction.abort());
    }
    await producer.disconnect();
    const committed = await admin.fetchOffsets({ groupId: 'exact-group', topics: ['exact'] });
    expect(committed[0]!.partitions.find(({ partition }) => partition === 0)!.offset).toBe('7');
    await admin.disconnect();
    const consumer = kafka().consumer({ groupId: 'exact-readers', readUncommitted: false, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic: 'exact', fromBeginning: true });
    const seen: string[] = [];
    await consumer.run({
      eachMessage: ({ message }) => {
        seen.push(message.value!.toString());
        return Promise.resolve();
      },
    });
    await until(() => seen.length >= 20);
    await consumer.disconnect();
    expect(seen.toSorted()).toEqual(['a', 'c'].flatMap((p) => Array.from({ length: 10 }, (_, i) => `${p}${i}`)));
  }, 60_000);
});
