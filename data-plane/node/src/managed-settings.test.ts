import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Kafka, ConfigResourceTypes, logLevel } from 'kafkajs';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { DEFAULT_QUOTAS, NamespaceObserved } from '@robustmq/contracts/data-plane';
import { freePort, Scratch, SpawnedNode, type AdminClient } from './testing/spawned-node.ts';

const CLUSTER = '01975c00-0000-7000-8000-000000000002';
const TOKEN = 'admin-secret';
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const fixture = (name: string): string => fileURLToPath(new URL(`./testing/tls/${name}`, import.meta.url));
const CA = readFileSync(fixture('authority.cert.pem'));
const client = (name: string) => ({
  cert: readFileSync(fixture(`${name}.cert.pem`)),
  key: readFileSync(fixture(`${name}.key.pem`)),
});

let scratch: Scratch;
let node: SpawnedNode;
let admin: AdminClient;
let ports: Record<'mqtt' | 'mqtts' | 'alias' | 'wss' | 'kafka' | 'kafkaTls', number>;
let generation = 0;
const clients: MqttClient[] = [];

beforeAll(async () => {
  scratch = new Scratch();
  const free = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const [mqtt, mqtts, alias, wss, kafka, kafkaTls] = free as [number, number, number, number, number, number];
  ports = { mqtt, mqtts, alias, wss, kafka, kafkaTls };
  const tls = { certFile: fixture('node.cert.pem'), keyFile: fixture('node.key.pem'), namespacesDir: fixture('') };
  const file = scratch.file('config.json', {
    nodeId: 'shared',
    dataDir: `${scratch.path}/data`,
    runDir: `${scratch.path}/run`,
    listeners: {
      mqtt: { port: mqtt },
      mqtts: [
        { port: mqtts, tls },
        { port: alias, tls },
      ],
      mqttWss: { port: wss, tls },
      kafka: { port: kafka, advertisedHost: '127.0.0.1' },
      kafkaTls: { port: kafkaTls, tls, advertisedHost: 'localhost' },
    },
    adminTokenFile: scratch.file('token', TOKEN),
  });
  node = new SpawnedNode(['--config', file]);
  admin = await node.untilManaged(`${scratch.path}/run`, TOKEN);
});
afterAll(async () => {
  for (const one of clients) one.end(true);
  await node?.kill();
  scratch.remove();
});

/** One for all: another salt is another password, whose clients are sent away. */
const salt = randomBytes(16);

/** Puts the namespace `shop` with user `u` and what `extra` says. */
async function put(extra: object): Promise<NamespaceObserved> {
  const hash = createHash('sha256').update(salt).update('p').digest('base64');
  const scram = { salt: 'AAAA', iterations: 4096, storedKey: 'AAAA', serverKey: 'AAAA' };
  const verifiers = { sha256: { salt: salt.toString('base64'), hash }, scramSha256: scram, scramSha512: scram };
  const reply = await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, {
    ...{ clusterId: CLUSTER, tenantId: '01975c00-0000-7000-8000-0000000000aa', key: 'shop' },
    ...{ generation: ++generation, plan: 'serverless', node: 'shared', quotas: DEFAULT_QUOTAS.serverless },
    credentials: [{ name: 'u', kind: 'password', verifiers }],
    topics: [],
    ...extra,
  });
  return NamespaceObserved.parse(reply);
}
async function connect(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const made = await connectAsync(url, {
    reconnectPeriod: 0,
    protocolVersion: 5,
    connectTimeout: 60_000,
    ca: CA,
    ...options,
  });
  made.on('error', () => {});
  clients.push(made);
  return made;
}
const PASSWORD = { username: 'u', password: 'p' };

it('serves a cluster on every listener, plain and secure, by the name it asks for', async () => {
  await put({});
  const sni = { ...PASSWORD, servername: 'shop.example.test' } as IClientOptions;
  const seen: string[] = [];
  const subscriber = await connect(`mqtts://127.0.0.1:${ports.mqtts}`, sni);
  subscriber.on('message', (topic) => seen.push(topic));
  await subscriber.subscribeAsync('t/#');
  const publishers = [
    await connect(`mqtts://127.0.0.1:${ports.alias}`, sni),
    await connect(`wss://127.0.0.1:${ports.wss}/mqtt`, {
      ...PASSWORD,
      wsOptions: { ca: CA, servername: 'shop.example.test' } as object,
    }),
    await connect(`mqtt://127.0.0.1:${ports.mqtt}`, { ...PASSWORD, username: 'u@shop' }),
    await connect(`mqtts://localhost:${ports.mqtts}`, { ...PASSWORD, username: 'u@shop' }),
  ];
  for (const [i, publisher] of publishers.entries()) await publisher.publishAsync(`t/${i}`, 'x', { qos: 1 });
  await vi.waitFor(() => expect(seen).toHaveLength(publishers.length), { timeout: 60_000 });
  await expect(
    connect(`mqtts://127.0.0.1:${ports.mqtts}`, {
      ...PASSWORD,
      servername: 'bank.example.test',
      rejectUnauthorized: false,
    } as IClientOptions),
  ).rejects.toThrow();
});

it('tells Kafka clients the listener they came through', async () => {
  await put({});
  const kafka = new Kafka({
    brokers: [`localhost:${ports.kafkaTls}`],
    ssl: { ca: [CA.toString()] },
    sasl: { mechanism: 'plain', username: 'u@shop', password: 'p' },
    logLevel: logLevel.NOTHING,
  });
  const client = kafka.admin();
  await client.connect();
  const { brokers } = await client.describeCluster();
  expect(brokers).toMatchObject([{ host: 'localhost', port: ports.kafkaTls }]);
  await client.createTopics({ topics: [{ topic: 'over-tls' }] });
  expect(await client.listTopics()).toContain('over-tls');
  await client.disconnect();
});

it('applies topic policy, rules and suspension while clients are connected', async () => {
  const topics = [{ name: 'table', partitions: 1, cleanup: 'compact', compaction: { minLagMs: 60_000 } }];
  const rule = { id: 'r', effect: 'deny', pattern: 'secret/#', patternType: 'filter', actions: ['write'] };
  await put({ topics, settings: { acl: { rules: [rule] } } });
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${ports.kafka}`],
    sasl: { mechanism: 'plain', username: 'u@shop', password: 'p' },
    logLevel: logLevel.NOTHING,
  }).admin();
  await kafka.connect();
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: 'table', configNames: ['cleanup.policy'] }];
  const described = await kafka.describeConfigs({ resources, includeSynonyms: false });
  expect(described.resources[0]!.configEntries).toMatchObject([
    { configName: 'cleanup.policy', configValue: 'compact' },
  ]);
  await kafka.disconnect();

  const one = await connect(`mqtt://127.0.0.1:${ports.mqtt}`, { ...PASSWORD, username: 'u@shop' });
  await expect(one.publishAsync('secret/x', 'x', { qos: 1 })).rejects.toThrow(/[Nn]ot authorized/);
  await put({ topics });
  await one.publishAsync('secret/x', 'x', { qos: 1 });
  const told = new Promise((resolve) =>
    one.once('disconnect', ({ reasonCode, properties }) => resolve([reasonCode, properties?.reasonString])),
  );
  await put({ topics, suspended: { reason: 'the invoice of May is not paid' } });
  expect(await told).toEqual([0x98, 'the invoice of May is not paid']);
  const late = connect(`mqtt://127.0.0.1:${ports.mqtt}`, { ...PASSWORD, username: 'u@shop' });
  await expect(late).rejects.toMatchObject({ code: 0x88 });
  await put({ topics });
  await connect(`mqtt://127.0.0.1:${ports.mqtt}`, { ...PASSWORD, username: 'u@shop' });
});

it('lets in who shows a certificate of one of the cluster’s authorities, and nobody else', async () => {
  await put({ settings: { authentication: { x509: { authoritiesPem: CA.toString() } } } });
  const sni = { servername: 'shop.example.test' } as IClientOptions;
  const device = await connect(`mqtts://127.0.0.1:${ports.mqtts}`, { ...sni, ...client('device') });
  await device.publishAsync('t/device', 'x', { qos: 1 });
  for (const options of [{ ...sni, ...client('stranger') }, sni])
    await expect(connect(`mqtts://127.0.0.1:${ports.mqtts}`, options)).rejects.toThrow();

  const kafkaWith = (own: object) =>
    new Kafka({
      brokers: [`127.0.0.1:${ports.kafkaTls}`],
      ssl: true,
      // brokers are told by name, which no resolver of this machine knows
      socketFactory: ({ host, port, onConnect }) => {
        const name = isIP(host) === 0 ? { servername: host } : {};
        return tlsConnect({ host: '127.0.0.1', port, ca: CA, ...sni, ...own, ...name } as ConnectionOptions, onConnect);
      },
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin();
  const admin = kafkaWith(client('device'));
  await admin.connect();
  // with another name it would be nobody's client: it has no user name
  expect((await admin.describeCluster()).brokers).toMatchObject([{ host: 'shop.example.test', port: ports.kafkaTls }]);
  await admin.createTopics({ topics: [{ topic: 'by-certificate' }] });
  expect(await admin.listTopics()).toContain('by-certificate');
  await admin.disconnect();
  const stranger = kafkaWith(client('stranger'));
  await expect(stranger.connect().then(() => stranger.listTopics())).rejects.toThrow();
  await stranger.disconnect();
});
