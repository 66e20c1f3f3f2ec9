import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openObjectStore } from '@robustmq/store';
import { missingCephProgram, RADOSGW_CREDENTIALS, RealTimeRuntime, startRadosgw } from '@robustmq/store/testing';
import { Kafka, logLevel } from 'kafkajs';
import { connect, connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { freePort, Scratch, SpawnedNode } from './testing/spawned-node.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });
const MIB = 1024 * 1024;
const PATIENCE = { timeout: 60_000, interval: 100 };

let scratch: Scratch;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  scratch.remove();
});

async function startNode(tiering: object): Promise<{ kafka: Kafka; mqttUrl: string; restart(): Promise<void> }> {
  const ports = { mqtt: await freePort(), kafka: await freePort() };
  const file = scratch.file('node.yaml', {
    dataDir: `${scratch.path}/data-${ports.kafka}`,
    listeners: { mqtt: { port: ports.mqtt }, kafka: { port: ports.kafka } },
    namespaces: [
      { name: 'main', default: true, allowAnonymous: true, topics: [{ name: 'pictures' }, { name: 'films' }] },
    ],
    tiering,
  });
  const start = async (env: NodeJS.ProcessEnv): Promise<SpawnedNode> =>
    new SpawnedNode(['standalone', '--config', file], env).untilReady();
  const env = { KEY: RADOSGW_CREDENTIALS.accessKeyId, SECRET: RADOSGW_CREDENTIALS.secretAccessKey };
  let node = await start(env);
  ends.push(() => node.kill());
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${ports.kafka}`],
    logLevel: logLevel.NOTHING,
    requestTimeout: 60_000,
  });
  const restart = async (): Promise<void> => {
    await node.kill();
    node = await start(env);
  };
  return { kafka, mqttUrl: `mqtt://127.0.0.1:${ports.mqtt}`, restart };
}
async function produce(kafka: Kafka, topic: string, values: readonly Buffer[]): Promise<void> {
  const producer = kafka.producer();
  await producer.connect();
  for (const value of values) await producer.send({ topic, acks: -1, messages: [{ key: 'k', value }] });
  await producer.disconnect();
}
/** The first `count` records of a topic, from its beginning. */
async function consume(kafka: Kafka, topic: string, count: number): Promise<Buffer[]> {
  const consumer = kafka.consumer({ groupId: `g-${randomBytes(4).toString('hex')}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
      found.push(message.value!);
      if (found.length === count) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return found;
}

/** The same for MQTT: captured and owed, over a restart; every body goes with what it belongs to. */
async function largePublishesAreObjects(tiering: object, sizeBytes: number, bodies: () => Promise<string[]>) {
  const { kafka, mqttUrl, restart } = await startNode({ ...tiering, claimBytesMin: 4 * MIB });
  const join = async (clientId: string, clean: boolean): Promise<[MqttClient, Buffer[]]> => {
    const client = connect(mqttUrl, {
      ...{ protocolVersion: 5, clientId, clean, reconnectPeriod: 0 },
      properties: clean ? {} : { sessionExpiryInterval: 3600 },
    });
    ends.push(() => client.end(true));
    client.on('error', () => {});
    const got: Buffer[] = [];
    client.on('message', (_topic, payload) => got.push(payload));
    await new Promise<unknown>((resolve) => client.once('connect', resolve));
    return [client, got];
  };
  const [sleeper] = await join('sleeper', false);
  await sleeper.subscribeAsync({ pictures: { qos: 1 }, 'letters/#': { qos: 1 } });
  await sleeper.endAsync();
  const [reader, live] = await join('reader', true);
  await reader.subscribeAsync('pictures', { qos: 1 });
  const [writer] = await join('writer', true);
  const large = [randomBytes(sizeBytes), randomBytes(sizeBytes), randomBytes(sizeBytes)];
  const captured = [Buffer.from('before'), large[0]!, large[1]!, Buffer.from('behind')];
  await Promise.all(
    captured.map((payload, i) => writer.publishAsync('pictures', payload, { qos: i % 2 === 0 ? 1 : 2 })),
  );
  // no topic captures it: it is stored for the session that sleeps
  await writer.publishAsync('letters/1', large[2]!, { qos: 1 });
  expect(await bodies()).toHaveLength(3);
  const isWhole = (found: readonly Buffer[], wanted: readonly Buffer[]): void => {
    expect(found.map((value) => value.length)).toEqual(wanted.map((value) => value.length));
    expect(found.every((value, i) => value.equals(wanted[i]!))).toBe(true);
  };
  await vi.waitFor(() => isWhole(live, captured), PATIENCE);
  await restart();
  const [, owed] = await join('sleeper', false);
  await vi.waitFor(() => isWhole(owed, [...captured, large[2]!]), PATIENCE);
  isWhole(await consume(kafka, 'pictures', 4), captured);
  const admin = kafka.admin();
  await admin.connect();
  await vi.waitFor(async () => expect(await bodies()).toHaveLength(2), PATIENCE);
  await admin.deleteTopics({ topics: ['pictures'] });
  await vi.waitFor(async () => expect(await bodies()).toEqual([]), PATIENCE);
  await admin.disconnect();
}

/** What every kind of object storage has to show. `bodies` lists the objects that are bodies of large records. */
async function largeRecordsAreObjects(tiering: object, sizeBytes: number, bodies: () => Promise<string[]>) {
  const { kafka, mqttUrl, restart } = await startNode({ ...tiering, claimBytesMin: 4 * MIB });
  const subscriber = await connectAsync(mqttUrl, { reconnectPeriod: 0 });
  ends.push(() => subscriber.end(true));
  subscriber.on('error', () => {});
  const delivered: Buffer[] = [];
  subscriber.on('message', (_topic, payload) => delivered.push(payload));
  await subscriber.subscribeAsync('pictures', { qos: 1 });

  const large = randomBytes(sizeBytes);
  const values = [Buffer.from('before'), large, Buffer.from('behind')];
  await produce(kafka, 'pictures', values);
  await produce(kafka, 'films', [large]);
  expect(await bodies()).toHaveLength(2);
  const isWhole = (found: readonly Buffer[]): void => {
    expect(found.map((value) => value.length)).toEqual(values.map((value) => value.length));
    expect(found.every((value, i) => value.equals(values[i]!))).toBe(true);
  };
  isWhole(await consume(kafka, 'pictures', 3));
  await vi.waitFor(() => isWhole(delivered), PATIENCE);
  subscriber.end(true);
  await restart();
  // nothing of it is in memory now
  isWhole(await consume(kafka, 'pictures', 3));

  const admin = kafka.admin();
  await admin.connect();
  // the client has no other way to look a topic up
  await admin.fetchTopicOffsets('pictures');
  await admin.deleteTopicRecords({ topic: 'pictures', partitions: [{ partition: 0, offset: '2' }] });
  await vi.waitFor(async () => expect(await bodies()).toHaveLength(1), PATIENCE);
  expect((await consume(kafka, 'pictures', 1)).map(String)).toEqual(['behind']);
  await admin.deleteTopics({ topics: ['films'] });
  await vi.waitFor(async () => expect(await bodies()).toEqual([]), PATIENCE);
  await admin.disconnect();
}

const filesIn = (directory: string) => (): Promise<string[]> => {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Promise.resolve(
    files.map((file) => join(file.parentPath, file.name)).filter((key) => key.includes('/claim.d/')),
  );
};

it('a record of 40 MiB is an object of its own: on every protocol as it was sent, and gone with its offset', async () => {
  const directory = join(scratch.path, 'cold');
  await largeRecordsAreObjects({ engine: 'file-objects', directory }, 40 * MIB, filesIn(directory));
});

it('an MQTT message of 10 MiB is too: live, for a session that sleeps, for a Kafka consumer', async () => {
  const directory = join(scratch.path, 'cold');
  await largePublishesAreObjects({ engine: 'file-objects', directory }, 10 * MIB, filesIn(directory));
});

const missing = missingCephProgram();
const name = 'the same with S3: a real Ceph object gateway';
if (missing !== null) it(`${name} (not run: ${missing} is not installed)`, () => undefined);
else
  it(name, async () => {
    const gateway = await startRadosgw(2);
    ends.push(() => gateway.stop());
    await gateway.createBucket('large');
    const s3 = { endpoint: gateway.endpoint, bucket: 'large', region: 'us-east-1', credentials: RADOSGW_CREDENTIALS };
    const objects = await openObjectStore('s3', { runtime: new RealTimeRuntime({ seed: 1 }), s3 });
    ends.push(() => objects.close?.());
    const bodies = async () => (await objects.list('')).map(({ key }) => key).filter((key) => key.includes('/claim/'));
    const { credentials: _secret, ...place } = s3;
    const tiering = { engine: 's3', ...place, accessKeyIdVariable: 'KEY', secretAccessKeyVariable: 'SECRET' };
    await largeRecordsAreObjects(tiering, 20 * MIB, bodies);
    await largePublishesAreObjects(tiering, 6 * MIB, bodies);
  });
