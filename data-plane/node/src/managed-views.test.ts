import { Kafka, logLevel } from 'kafkajs';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import {
  ClusterSettings,
  DEFAULT_QUOTAS,
  NODE_VIEWS,
  type NodeView,
  type NodeViewReply,
} from '@robustmq/contracts/data-plane';
import { freePort, Scratch, SpawnedNode, type AdminClient } from './testing/spawned-node.ts';

const CLUSTER = '01975c00-0000-7000-8000-000000000003';
const OTHER = '01975c00-0000-7000-8000-000000000004';
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let scratch: Scratch;
let node: SpawnedNode;
let admin: AdminClient;
let client: MqttClient;
let kafkaPort: number;

beforeAll(async () => {
  scratch = new Scratch();
  const mqttPort = await freePort();
  kafkaPort = await freePort();
  const file = scratch.file('config.json', {
    nodeId: 'shared',
    dataDir: `${scratch.path}/data`,
    runDir: `${scratch.path}/run`,
    listeners: { mqtt: { port: mqttPort }, kafka: { port: kafkaPort, advertisedHost: '127.0.0.1' } },
    adminTokenFile: scratch.file('token', 'secret'),
  });
  node = new SpawnedNode(['--config', file]);
  admin = await node.untilManaged(`${scratch.path}/run`, 'secret');
  for (const [clusterId, key] of [
    [CLUSTER, 'shop'],
    [OTHER, 'bank'],
  ])
    await admin.json('PUT', `/v1/namespaces/${clusterId}`, {
      ...{ clusterId, tenantId: CLUSTER, key, generation: 1, plan: 'serverless', node: 'shared' },
      ...{ quotas: DEFAULT_QUOTAS.serverless, credentials: [], topics: [{ name: 'sensors', partitions: 2 }] },
      settings: ClusterSettings.parse({ authentication: { anonymous: true } }),
    });
  client = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
    ...{ username: 'x@shop', clientId: 'reader', clean: false, protocolVersion: 5, reconnectPeriod: 0 },
    properties: { sessionExpiryInterval: 3_600 },
  });
  client.on('error', () => {});
  await client.subscribeAsync({ 'sensors/#': { qos: 1 }, 'state/+': { qos: 0 } });
  await client.publishAsync('state/door', 'open', { qos: 1, retain: true, properties: { contentType: 'text/plain' } });
  for (let i = 0; i < 5; i++) await client.publishAsync(`sensors/${i}`, `value ${i}`, { qos: 1 });
});
afterAll(async () => {
  client?.end(true);
  await node?.kill();
  scratch.remove();
});

async function view<V extends NodeView>(name: V, query: object = {}, clusterId = CLUSTER): Promise<NodeViewReply<V>> {
  const reply = await admin.json('POST', `/v1/namespaces/${clusterId}/views/${name}`, query);
  return NODE_VIEWS[name].reply.parse(reply) as NodeViewReply<V>;
}

it('explains what the ACL says, by default and for somebody who was never there', async () => {
  const asked = { principal: 'nobody', action: 'write', name: 'sensors/1' } as const;
  expect(await view('explain', asked)).toEqual({ allowed: true, ruleId: null });
});

it('shows who is connected, what they hold, and nothing of another cluster', async () => {
  expect(await view('clients')).toMatchObject({ items: [{ clientId: 'reader', protocol: 'mqtt' }], next: null });
  expect((await view('clients', { prefix: 'other' })).items).toEqual([]);
  expect((await view('sessions')).items).toMatchObject([
    { clientId: 'reader', connected: true, expirySeconds: 3_600, subscriptions: 2 },
  ]);
  const first = await view('subscriptions', { limit: 1 });
  const second = await view('subscriptions', { limit: 1, after: first.next });
  expect([...first.items, ...second.items].map(({ filter, qos }) => [filter, qos])).toEqual([
    ['sensors/#', 1],
    ['state/+', 0],
  ]);
  expect(second.next).toBeNull();
  for (const name of ['clients', 'sessions', 'subscriptions', 'retained'] as const)
    expect((await view(name, {}, OTHER)).items).toEqual([]);
});

it('shows retained messages and deletes them', async () => {
  const { items } = await view('retained', { filter: 'state/#' });
  expect(items).toMatchObject([{ topic: 'state/door', sizeBytes: 4, properties: { 'content-type': 'text/plain' } }]);
  expect(Buffer.from(items[0]!.value, 'base64').toString()).toBe('open');
  expect(await view('delete-retained', { topic: 'state/door' })).toEqual({ done: true });
  expect(await view('delete-retained', { topic: 'state/door' })).toEqual({ done: false });
  expect((await view('retained')).items).toEqual([]);
});

it('shows topics, their tiers and their records', async () => {
  const { items } = await view('topics');
  expect(items).toMatchObject([{ name: 'sensors', durability: 'flushed', partitions: [{}, {}] }]);
  const total = items[0]!.partitions.reduce((sum, { endOffset }) => sum + endOffset, 0);
  expect(total).toBe(5);
  expect((await view('topic-tiers', { topic: 'sensors' })).partitions).toMatchObject([
    { objects: [] },
    { objects: [] },
  ]);
  const found: string[] = [];
  for (const partition of [0, 1])
    for (let fromOffset = 0; ;) {
      const page = await view('records', { topic: 'sensors', partition, fromOffset, limit: 2, valueBytesMax: 9 });
      if (page.items.length === 0) break;
      found.push(
        ...page.items.map(({ key, value }) => [key!, value!].map((text) => Buffer.from(text, 'base64')).join()),
      );
      fromOffset = page.nextOffset;
    }
  expect(found.sort()).toEqual([0, 1, 2, 3, 4].map((i) => `sensors/${i},value ${i}`));
  const key = Buffer.from('sensors/3').toString('base64');
  const keyed = await Promise.all([0, 1].map((partition) => view('records', { topic: 'sensors', partition, key })));
  expect(keyed.flatMap((page) => page.items)).toHaveLength(1);
});

it('shows groups with their lag, and resets those nobody is in', async () => {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${kafkaPort}`],
    sasl: { mechanism: 'plain', username: 'x@shop', password: 'p' },
    logLevel: logLevel.NOTHING,
  }).admin();
  await kafka.connect();
  await kafka.setOffsets({ groupId: 'g', topic: 'sensors', partitions: [{ partition: 0, offset: '0' }] });
  await kafka.disconnect();
  const group = async () => (await view('groups')).items.find(({ name }) => name === 'g');
  const before = (await group())!.offsets.find(({ partition }) => partition === 0)!;
  expect(before).toMatchObject({ offset: 0, lag: before.endOffset });
  const { offsets } = await view('reset-offsets', { topic: 'sensors', group: 'g', to: 'latest' });
  expect(offsets).toHaveLength(2);
  expect((await group())!.offsets.map(({ lag }) => lag)).toEqual([0, 0]);
});

it('shows which member is how far behind', async () => {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${kafkaPort}`],
    sasl: { mechanism: 'plain', username: 'x@shop', password: 'p' },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.setOffsets({
    groupId: 'live',
    topic: 'sensors',
    partitions: [0, 1].map((partition) => ({ partition, offset: '0' })),
  });
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: 'live' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'sensors' });
  await consumer.run({ autoCommit: false, eachMessage: async () => undefined });
  const one = async () => (await view('groups')).items.find(({ name }) => name === 'live')?.members[0];
  await expect.poll(async () => (await one())?.partitions, { timeout: 60_000 }).toBe(2);
  const { offsets } = (await view('groups')).items.find(({ name }) => name === 'live')!;
  const member = (await one())!;
  expect(member.assigned).toEqual([0, 1].map((partition) => ({ topic: 'sensors', partition })));
  expect(member.lag).toBe(offsets.reduce((sum, { lag }) => sum + lag, 0));
  expect(member.lag).toBeGreaterThan(0);
  await consumer.disconnect();
});

it('refuses what it does not know, with a code', async () => {
  const refused = async (name: string, query: object, clusterId = CLUSTER) => {
    const { status, text } = await admin.call('POST', `/v1/namespaces/${clusterId}/views/${name}`, query);
    return [status, (JSON.parse(text) as { code: string }).code];
  };
  expect(await refused('nothing', {})).toEqual([404, 'not-found']);
  expect(await refused('topics', {}, '01975c00-0000-7000-8000-00000000dead')).toEqual([404, 'not-found']);
  expect(await refused('topic-tiers', { topic: 'absent' })).toEqual([404, 'not-found']);
  expect(await refused('records', { topic: 'sensors', partition: 9 })).toEqual([404, 'not-found']);
  expect(await refused('clients', { limit: 0 })).toEqual([400, 'validation-failed']);
  expect(await refused('retained', { filter: 'a/#/b' })).toEqual([400, 'validation-failed']);
  expect(await refused('reset-offsets', { topic: 'sensors', group: 'absent', to: 'latest' })).toEqual([
    404,
    'not-found',
  ]);
});

it('refuses an answer that is too large, and gives it in smaller pages', async () => {
  for (let i = 0; i < 5; i++) await client.publishAsync('sensors/0', Buffer.alloc(250_000, 'x'), { qos: 1 });
  const all = { topic: 'sensors', valueBytesMax: 1_048_576 };
  const replies = await Promise.all(
    [0, 1].map((partition) =>
      admin.call('POST', `/v1/namespaces/${CLUSTER}/views/records`, { ...all, partition, limit: 100 }),
    ),
  );
  expect(replies.every(({ text }) => text.length < 1_100_000)).toBe(true);
  const partition = (await view('topics')).items[0]!.partitions.find(({ endOffset }) => endOffset >= 5)!.partition;
  let count = 0;
  for (let fromOffset = 0; ;) {
    const page = await view('records', { ...all, partition, fromOffset, limit: 2 });
    if (page.items.length === 0) break;
    count += page.items.length;
    fromOffset = page.nextOffset;
  }
  expect(count).toBeGreaterThanOrEqual(5);
});

it('kicks a client', async () => {
  const closed = new Promise((resolve) => client.once('close', () => resolve(true)));
  expect(await view('kick-client', { clientId: 'reader' })).toEqual({ done: true });
  await closed;
  expect(await view('kick-client', { clientId: 'nobody' })).toEqual({ done: false });
});

it('produces one record as a Kafka producer would, and refuses what one would be refused', async () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const record = { topic: 'sensors', key: base64('k'), value: base64('by hand'), headers: [] };
  const made = await view('produce', { ...record, headers: [{ name: 'h', value: base64('1') }] });
  const found = await view('records', { topic: 'sensors', partition: made.partition, fromOffset: made.offset });
  expect(found.items).toMatchObject([{ key: base64('k'), value: base64('by hand'), offset: made.offset }]);
  expect(found.items[0]!.headers).toEqual([{ name: 'h', value: base64('1') }]);
  expect((await view('produce', record)).partition).toBe(made.partition);
  expect(await view('produce', { ...record, value: null, partition: 1 })).toMatchObject({ partition: 1 });
  const refusals = [
    [{ ...record, topic: 'nothing' }, CLUSTER, 404],
    [{ ...record, partition: 9 }, CLUSTER, 404],
    [{ ...record, value: 'not base64!' }, CLUSTER, 400],
  ] as const;
  for (const [query, clusterId, status] of refusals)
    await expect(view('produce', query, clusterId)).rejects.toThrow(String(status));
  const [rule] = [{ id: 'no', effect: 'deny', principal: 'sensor', pattern: 'sensors', actions: ['write'] }];
  await admin.json('PUT', `/v1/namespaces/${OTHER}`, {
    ...{ clusterId: OTHER, tenantId: CLUSTER, key: 'bank', generation: 2, plan: 'serverless', node: 'shared' },
    ...{ quotas: { ...DEFAULT_QUOTAS.serverless, messageSizeBytesMax: 200 }, credentials: [] },
    ...{ topics: [{ name: 'sensors', partitions: 2 }], settings: ClusterSettings.parse({ acl: { rules: [rule] } }) },
  });
  await expect(view('produce', { ...record, principal: 'sensor' }, OTHER)).rejects.toThrow('403');
  await expect(view('produce', { ...record, value: base64('x'.repeat(300)) }, OTHER)).rejects.toThrow('413');
  expect(await view('produce', { ...record, principal: 'another' }, OTHER)).toMatchObject({ offset: 0 });
});
