import { randomBytes } from 'node:crypto';
import { CompressionTypes } from 'kafkajs';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { consume, kafkaOf, kcat } from '../../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, portOf, type TestCluster } from '../../support/cloud.ts';
import { eventually, run } from '../../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));

describe('stock Kafka clients with their default settings', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await newCluster(cloud, await newTenant(cloud));
    const admin = kafkaOf(cluster).admin();
    await admin.connect();
    await admin.createTopics({
      topics: ['python', 'codecs', 'groups', 'gone'].map((topic) => ({
        topic,
        numPartitions: topic === 'groups' ? 4 : 1,
      })),
    });
    await admin.disconnect();
  });

  it('kafka-python produces, consumes and goes on where its group stopped', async () => {
    const broker = `127.0.0.1:${portOf(cluster.endpoints.kafka)}`;
    const finished = await run('/usr/bin/python3', [
      'e2e/conformance/kafka/kafka_python.py',
      broker,
      cluster.username,
      cluster.password,
      'python',
    ]);
    expect(finished.code, finished.stderr).toBe(0);
    expect(JSON.parse(finished.stdout)).toEqual({
      offsets: Array.from({ length: 50 }, (_, index) => index),
      read: 30,
      first: ['k0', 'v0', { n: '0' }],
      position: 30,
      rest: 20,
    });
  });

  it('kcat (librdkafka) produces every codec; kcat and kafkajs read what they can decode', async () => {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      const lines = Array.from({ length: 200 }, (_, index) => `${codec} ${index} ${'x'.repeat(50)}`).join('\n');
      const produced = await kcat(cluster, ['-P', '-t', 'codecs', '-z', codec], `${lines}\n`);
      expect(produced.code, produced.stderr).toBe(0);
    }
    const read = await kcat(cluster, ['-C', '-t', 'codecs', '-o', 'beginning', '-e', '-q', '-f', '%s\n']);
    const lines = read.stdout.trim().split('\n');
    expect(lines).toHaveLength(1000);
    expect(lines.filter((line) => line.startsWith('zstd '))).toHaveLength(200);
  });

  it('kafkajs sends gzip and large records, and reads them back as sent', async () => {
    const producer = kafkaOf(cluster).producer();
    await producer.connect();
    const big = randomBytes(700_000).toString('base64');
    await producer.send({
      topic: 'big',
      compression: CompressionTypes.GZIP,
      messages: [{ key: 'b', value: big, headers: { h: 'é' } }],
    });
    await producer.disconnect();
    const [record] = await consume(cluster, 'big', 1);
    expect(record!.value === big).toBe(true);
    expect(record!.headers).toEqual({ h: 'é' });
  });

  it('an idempotent producer works', async () => {
    const producer = kafkaOf(cluster).producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let index = 0; index < 10; index++)
      await producer.send({ topic: 'idempotent', messages: [{ value: String(index) }] });
    await producer.disconnect();
    expect((await consume(cluster, 'idempotent', 10)).map(({ value }) => Number(value))).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });

  it('a group of two shares four partitions, and one takes over all when the other leaves', async () => {
    const seen = new Map<string, string>();
    const member = async (name: string) => {
      const consumer = kafkaOf(cluster).consumer({
        groupId: 'pair',
        maxWaitTimeInMs: 200,
        sessionTimeout: 10_000,
        heartbeatInterval: 500,
      });
      const assigned: { partitions: number[] } = { partitions: [] };
      consumer.on(
        consumer.events.GROUP_JOIN,
        ({ payload }) => (assigned.partitions = payload.memberAssignment['groups'] ?? []),
      );
      await consumer.connect();
      await consumer.subscribe({ topic: 'groups', fromBeginning: true });
      await consumer.run({ eachMessage: async ({ message }) => void seen.set(message.value!.toString(), name) });
      return { consumer, assigned };
    };
    const one = await member('one');
    const two = await member('two');
    await eventually(
      'each has two partitions',
      60_000,
      () => one.assigned.partitions.length === 2 && two.assigned.partitions.length === 2,
    );
    const producer = kafkaOf(cluster).producer();
    await producer.connect();
    const send = (prefix: string) =>
      producer.send({
        topic: 'groups',
        messages: Array.from({ length: 40 }, (_, index) => ({ value: `${prefix}${index}`, partition: index % 4 })),
      });
    await send('a');
    await eventually('all forty arrive', 60_000, () => seen.size === 40);
    expect(new Set(seen.values())).toEqual(new Set(['one', 'two']));
    await one.consumer.disconnect();
    await eventually('two has all four', 60_000, () => two.assigned.partitions.length === 4);
    await send('b');
    await eventually('the second forty arrive', 60_000, () => seen.size === 80);
    expect([...seen].filter(([value]) => value.startsWith('b')).every(([, name]) => name === 'two')).toBe(true);
    await producer.disconnect();
    await two.consumer.disconnect();
  });

  it('topics and offsets are listed, and a deleted topic is gone', async () => {
    const admin = kafkaOf(cluster).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: ['gone'] });
    expect(await admin.listTopics()).not.toContain('gone');
    const [offsets] = await admin.fetchTopicOffsets('codecs');
    expect(offsets).toMatchObject({ low: '0', high: '1000' });
    const [middle] = await admin.fetchTopicOffsetsByTimestamp('codecs', Date.now() + 1_000_000);
    expect(middle!.offset).toBe('1000');
    await admin.disconnect();
  });
});
