import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort, Scratch, SpawnedNode } from './testing/spawned-node.ts';

const CERT = fileURLToPath(new URL('./testing/localhost.cert.pem', import.meta.url));
const KEY = fileURLToPath(new URL('./testing/localhost.key.pem', import.meta.url));
const run = promisify(execFile);

// Processes start and die here, on machines that do other things too.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let scratch: Scratch;
let nodes: SpawnedNode[];
let clients: MqttClient[];
let ports: { mqtt: number; mqttWs: number; kafka: number };
beforeEach(async () => {
  scratch = new Scratch();
  nodes = [];
  clients = [];
  ports = { mqtt: await freePort(), mqttWs: await freePort(), kafka: await freePort() };
});
afterEach(async () => {
  for (const client of clients) client.end(true);
  for (const node of nodes) await node.kill();
  scratch.remove();
});

function config(extra: object = {}): string {
  return scratch.file('node.yaml', {
    dataDir: `${scratch.path}/data`,
    listeners: { mqtt: { port: ports.mqtt }, mqttWs: { port: ports.mqttWs }, kafka: { port: ports.kafka } },
    namespaces: [
      { name: 'main', default: true, allowAnonymous: true, topics: [{ name: 'sensors', partitions: 2 }] },
      { name: 'other', credentials: [{ username: 'u', password: 'p' }], topics: [{ name: 'sensors' }] },
    ],
    ...extra,
  });
}
function start(file: string): SpawnedNode {
  const node = new SpawnedNode(['standalone', '--config', file]);
  nodes.push(node);
  return node;
}
async function connect(url: string, options: Parameters<typeof connectAsync>[1] = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options });
  clients.push(client);
  client.on('error', () => {});
  return client;
}
function nextMessage(client: MqttClient): Promise<[string, Buffer]> {
  return new Promise((resolve) => client.once('message', (topic, payload) => resolve([topic, payload])));
}
async function consumeAll(
  username?: string,
): Promise<{ key: string; value: string; headers: Record<string, string> }[]> {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${ports.kafka}`],
    logLevel: logLevel.NOTHING,
    ...(username === undefined ? {} : { sasl: { mechanism: 'plain', username, password: 'p' } }),
  });
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets('sensors');
  await admin.disconnect();
  const expected = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const found: { key: string; value: string; headers: Record<string, string> }[] = [];
  if (expected === 0) return found;
  const consumer = kafka.consumer({ groupId: `reader-${Math.random()}` });
  await consumer.connect();
  await consumer.subscribe({ topic: 'sensors', fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({
      message,
    }: {
      message: { key: Buffer | null; value: Buffer | null; headers?: object };
    }) => {
      const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([k, v]) => [k, String(v)]));
      found.push({ key: String(message.key), value: String(message.value), headers });
      if (found.length === expected) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return found;
}

describe('standalone', () => {
  it('serves MQTT over TCP and WebSocket, and Kafka reads what was captured', async () => {
    await start(config()).untilReady();
    const publisher = await connect(`mqtt://127.0.0.1:${ports.mqtt}`, { protocolVersion: 5 });
    const subscriber = await connect(`ws://127.0.0.1:${ports.mqttWs}/mqtt`, { protocolVersion: 4 });
    await subscriber.subscribeAsync('sensors/#', { qos: 1 });
    const message = nextMessage(subscriber);
    await publisher.publishAsync('sensors/1/temp', '21.5', { qos: 1, properties: { userProperties: { unit: 'C' } } });
    const [topic, payload] = await message;
    expect([topic, payload.toString()]).toEqual(['sensors/1/temp', '21.5']);
    expect(await consumeAll()).toEqual([{ key: 'sensors/1/temp', value: '21.5', headers: { unit: 'C' } }]);
  });

  it('owes the wills of its connections when it is killed, and pays them after the next start', async () => {
    const node = await start(config()).untilReady();
    const url = `mqtt://127.0.0.1:${ports.mqtt}`;
    const persistent = { protocolVersion: 5, properties: { sessionExpiryInterval: 600 } } as const;
    const watcher = await connect(url, { ...persistent, clientId: 'watcher' });
    await watcher.subscribeAsync('wills/#', { qos: 1 });
    const will = (name: string) => ({
      topic: `wills/${name}`,
      payload: Buffer.from(name),
      qos: 1 as const,
      retain: true,
    });
    await connect(url, { ...persistent, clientId: 'a', will: will('persistent') });
    await connect(url, { protocolVersion: 4, clientId: 'b', will: will('clean') });
    const polite = await connect(url, { clientId: 'c', will: will('polite') });
    await polite.endAsync();
    // behind this commit the wills are on the medium
    await watcher.publishAsync('sensors/1', 'x', { qos: 1 });
    await node.kill();
    await start(config()).untilReady();
    const late = await connect(url);
    const got: string[] = [];
    late.on('message', (_topic, payload) => got.push(payload.toString()));
    await late.subscribeAsync('wills/#', { qos: 1 });
    await vi.waitFor(() => expect(got.sort()).toEqual(['clean', 'persistent']), { timeout: 60_000 });
  });

  it('keeps namespaces apart, and asks for passwords', async () => {
    await start(config()).untilReady();
    const url = `mqtt://127.0.0.1:${ports.mqtt}`;
    const main = await connect(url);
    const other = await connect(url, { username: 'u@other', password: 'p' });
    await other.subscribeAsync('#');
    other.on('message', (topic) => expect(topic).toBe('sensors/theirs'));
    await main.publishAsync('sensors/mine', 'x', { qos: 1 });
    const message = nextMessage(other);
    await other.publishAsync('sensors/theirs', 'y', { qos: 1 });
    await message;
    expect((await consumeAll('u@other')).map(({ key }) => key)).toEqual(['sensors/theirs']);
    await expect(connect(url, { username: 'u@other', password: 'wrong' })).rejects.toThrow(/refused/i);
    await expect(connect(url, { username: 'u@nowhere', password: 'p' })).rejects.toThrow(/refused/i);
  });

  it('loses nothing that was acknowledged when it is killed', async () => {
    const file = config();
    const node = await start(file).untilReady();
    const client = await connect(`mqtt://127.0.0.1:${ports.mqtt}`);
    const acknowledged = new Set<string>();
    for (let i = 0; i < 5_000; i++) {
      client.publish(`sensors/${i % 7}`, String(i), { qos: 1 }, (error) => {
        if (!error) acknowledged.add(String(i));
      });
    }
    while (acknowledged.size < 1_000) await new Promise((resolve) => setImmediate(resolve));
    await node.kill();
    await start(file).untilReady();
    const stored = new Set((await consumeAll()).map(({ value }) => value));
    expect(acknowledged.size).toBeGreaterThanOrEqual(1_000);
    for (const value of acknowledged) expect(stored.has(value)).toBe(true);
  });

  it('stops on SIGTERM: tells clients, ends with 0, and has everything at the next start', async () => {
    const file = config();
    const node = await start(file).untilReady();
    const client = await connect(`mqtt://127.0.0.1:${ports.mqtt}`, { protocolVersion: 5 });
    await client.publishAsync('sensors/1', 'kept', { qos: 1 });
    const told = new Promise((resolve) => client.once('disconnect', ({ reasonCode }) => resolve(reasonCode)));
    const exit = node.stop();
    expect(await told).toBe(0x8b);
    expect(await exit).toBe(0);
    await start(file).untilReady();
    expect((await consumeAll()).map(({ value }) => value)).toEqual(['kept']);
  });

  it('closes, but keeps, a namespace that left the file', async () => {
    const node = await start(config()).untilReady();
    const client = await connect(`mqtt://127.0.0.1:${ports.mqtt}`, { username: 'u@other', password: 'p' });
    await client.publishAsync('sensors/1', 'kept', { qos: 1 });
    await node.stop();
    const second = await start(
      config({ namespaces: [{ name: 'main', allowAnonymous: true, default: true }] }),
    ).untilReady();
    await expect(connect(`mqtt://127.0.0.1:${ports.mqtt}`, { username: 'u@other', password: 'p' })).rejects.toThrow(
      /refused/i,
    );
    expect(second.stderr).toContain('it is kept, but closed');
    await second.stop();
    await start(config()).untilReady();
    expect((await consumeAll('u@other')).map(({ value }) => value)).toEqual(['kept']);
  });

  it('serves TLS, and takes the namespace from the server name', async () => {
    const tls = { certFile: CERT, keyFile: KEY };
    await start(
      config({ listeners: { mqtt: { port: ports.mqtt, tls }, mqttWs: { port: ports.mqttWs, tls } } }),
    ).untilReady();
    const options = { rejectUnauthorized: false, servername: 'other.robustmq.test', password: 'p' };
    for (const url of [`mqtts://127.0.0.1:${ports.mqtt}`, `wss://127.0.0.1:${ports.mqttWs}/mqtt`]) {
      const client = await connect(url, { ...options, username: 'u' });
      await client.subscribeAsync('a');
      const message = nextMessage(client);
      await client.publishAsync('a', 'b'.repeat(200_000), { qos: 1 });
      expect((await message)[1].length).toBe(200_000);
    }
    await expect(connect(`mqtts://127.0.0.1:${ports.mqtt}`, { ...options, username: 'u@main' })).rejects.toThrow();
  });

  it('works with mosquitto_pub and mosquitto_sub', async (context) => {
    const found = await run('mosquitto_pub', ['--help']).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
    if (!found) return context.skip('mosquitto-clients is not installed');
    await start(config()).untilReady();
    const args = ['-h', '127.0.0.1', '-p', String(ports.mqtt), '-t', 'sensors/m', '-q', '2'];
    await run('mosquitto_pub', [...args, '-r', '-m', 'hello']);
    const { stdout } = await run('mosquitto_sub', [...args, '-C', '1', '-W', '5', '-v']);
    expect(stdout).toBe('sensors/m hello\n');
  });
});

describe('one sentence and a code that is not 0', () => {
  it('for a port in use', async () => {
    const server = createServer().listen(ports.kafka, '127.0.0.1');
    await once(server, 'listening');
    const node = start(config());
    expect(await node.exit()).toBe(1);
    expect(node.stderr).toMatch(
      new RegExp(`^port ${ports.kafka} is in use \\(kafka listener on 127.0.0.1\\): [^\\n]*\\n$`),
    );
    server.close();
  });

  it('for a data directory another node has', async () => {
    await start(config()).untilReady();
    const node = start(config({ listeners: { mqtt: { port: await freePort() } } }));
    expect(await node.exit()).toBe(1);
    expect(node.stderr).toBe(`another node uses ${scratch.path}/data: stop it or choose another dataDir\n`);
  });

  it('for a data directory that is a file', async () => {
    scratch.file('data', 'x');
    const node = start(config());
    expect(await node.exit()).toBe(1);
    expect(node.stderr).toMatch(/^[^\n]*data cannot be written: [^\n]*\n$/);
  });

  it.each([
    ['a wrong key', { datadir: 'x' }, 'datadir is not a known key'],
    ['AMQP', { listeners: { amqp: { port: 5672 } } }, 'this version has no AMQP listener: remove listeners.amqp'],
    [
      'a certificate that is not there',
      { listeners: { mqtt: { port: 1883, tls: { certFile: '/nope.pem', keyFile: '/nope.pem' } } } },
      'listeners.mqtt.tls.certFile: /nope.pem cannot be read',
    ],
  ])('for %s', async (_name, extra, sentence) => {
    const node = start(config(extra));
    expect(await node.exit()).toBe(1);
    expect(node.stderr).toContain(sentence);
    expect(node.stderr).not.toContain('    at ');
  });

  it('for arguments it does not know', async () => {
    for (const args of [[], ['serve'], ['--nope']]) {
      const node = new SpawnedNode(args);
      expect(await node.exit()).toBe(2);
      expect(node.stderr).toContain('usage:');
    }
  });
});
