import { createHash, randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { Kafka, logLevel } from 'kafkajs';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  DEFAULT_QUOTAS,
  NamespaceObserved,
  NodeHealth,
  OpenUsageReply,
  UsageBatchReply,
  type UsageWindow,
} from '@robustmq/contracts/data-plane';
import { AdminClient, freePort, Scratch, SpawnedNode } from './testing/spawned-node.ts';

const CLUSTER = '01975c00-0000-7000-8000-000000000001';
const TENANT = '01975c00-0000-7000-8000-0000000000aa';
const TOKEN = 'admin-secret';
const WINDOW_MS = 500;

// Processes start and die here, on machines that do other things too.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let scratch: Scratch;
let nodes: SpawnedNode[];
let clients: MqttClient[];
let ports: { mqtt: number; kafka: number };
beforeEach(async () => {
  scratch = new Scratch();
  nodes = [];
  clients = [];
  ports = { mqtt: await freePort(), kafka: await freePort() };
});
afterEach(async () => {
  for (const client of clients) client.end(true);
  for (const node of nodes) await node.kill();
  scratch.remove();
});

function spec(generation: number, extra: object = {}): object {
  const salt = randomBytes(16);
  const hash = createHash('sha256').update(salt).update('p').digest('base64');
  const scram = { salt: 'AAAA', iterations: 4096, storedKey: 'AAAA', serverKey: 'AAAA' };
  return {
    clusterId: CLUSTER,
    tenantId: TENANT,
    key: 'demo-abcdef',
    generation,
    plan: 'serverless',
    node: 'shared',
    quotas: DEFAULT_QUOTAS.serverless,
    credentials: [
      {
        name: 'u',
        kind: 'password',
        verifiers: { sha256: { salt: salt.toString('base64'), hash }, scramSha256: scram, scramSha512: scram },
      },
    ],
    topics: [{ name: 'sensors', partitions: 2 }],
    ...extra,
  };
}
async function boot(extra: object = {}): Promise<{ node: SpawnedNode; admin: AdminClient }> {
  const file = scratch.file('config.json', {
    nodeId: 'shared',
    dataDir: `${scratch.path}/data`,
    runDir: `${scratch.path}/run`,
    listeners: { mqtt: { port: ports.mqtt }, kafka: { port: ports.kafka } },
    adminTokenFile: scratch.file('token', `${TOKEN}\n`),
    usageWindowMs: WINDOW_MS,
    ...extra,
  });
  const node = new SpawnedNode(['--config', file]);
  nodes.push(node);
  return { node, admin: await node.untilManaged(`${scratch.path}/run`, TOKEN) };
}
async function mqtt(username = 'u@demo-abcdef'): Promise<MqttClient> {
  const options = { username, password: 'p', reconnectPeriod: 0, protocolVersion: 5 } as const;
  const client = await connectAsync(`mqtt://127.0.0.1:${ports.mqtt}`, options);
  client.on('error', () => {});
  clients.push(client);
  return client;
}
function kafka(): Kafka {
  return new Kafka({
    brokers: [`127.0.0.1:${ports.kafka}`],
    sasl: { mechanism: 'plain', username: 'u@demo-abcdef', password: 'p' },
    logLevel: logLevel.NOTHING,
    retry: { retries: 2 },
  });
}
async function readTopic(topic: string): Promise<Set<string>> {
  const admin = kafka().admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  let left = offsets.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0);
  const found = new Set<string>();
  const consumer = kafka().consumer({ groupId: 'reader' });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }) => {
      found.add(String(message.value));
      if (--left === 0) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return found;
}
/** All windows so far, without forgetting them. */
async function windows(admin: AdminClient): Promise<UsageWindow[]> {
  const found: UsageWindow[] = [];
  for (;;) {
    const reply = UsageBatchReply.parse(await admin.json('GET', `/v1/usage?afterSeq=${found.length}&limit=7`));
    if (reply.windows.length === 0) return found;
    found.push(...reply.windows);
  }
}
async function untilClosed(admin: AdminClient): Promise<UsageWindow[]> {
  for (let quiet = 0; quiet < 2;) {
    const { usage } = OpenUsageReply.parse(await admin.json('GET', '/v1/usage/open'));
    quiet = usage.every(({ meter }) => meter.endsWith('_seconds')) ? quiet + 1 : 0;
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
  }
  return windows(admin);
}
/** Checks the chain of every counter and returns its sum. */
function totals(all: readonly UsageWindow[]): Record<string, number> {
  const sums: Record<string, number> = {};
  const seen = new Set<string>();
  all.forEach((window, i) => {
    const key = `${window.protocol} ${window.meter}`;
    const identity = `${key} ${window.windowStartMs}`;
    sums[key] = (sums[key] ?? 0) + Number(window.value);
    expect(window.seq).toBe(i + 1);
    expect(window.cumulative).toBe(String(sums[key]));
    expect(window.windowStartMs % WINDOW_MS).toBe(0);
    expect(seen.has(identity)).toBe(false);
    seen.add(identity);
  });
  return sums;
}

it('serves a namespace from the moment it was applied until it is removed', async () => {
  const { node, admin } = await boot();
  const health = NodeHealth.parse(await admin.json('GET', '/v1/health'));
  expect(health).toMatchObject({ nodeId: 'shared', ready: true, pid: node.pid });
  expect(health.listeners.map(({ protocol, port }) => [protocol, port])).toEqual([
    ['mqtt', ports.mqtt],
    ['kafka', ports.kafka],
  ]);
  expect(statSync(`${scratch.path}/run/admin.sock`).mode & 0o777).toBe(0o600);
  expect((await new AdminClient(`${scratch.path}/run/admin.sock`, 'wrong').call('GET', '/v1/health')).status).toBe(401);
  await expect(mqtt()).rejects.toThrow();
  const applied = NamespaceObserved.parse(await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1)));
  expect(applied).toMatchObject({
    clusterId: CLUSTER,
    phase: 'ready',
    observedGeneration: 1,
    topics: [{ name: 'sensors' }],
  });
  const client = await mqtt();
  await client.publishAsync('sensors/1', 'x', { qos: 1 });
  expect(await admin.json('GET', '/v1/namespaces')).toMatchObject([{ connections: 1, observedGeneration: 1 }]);
  const { text } = await admin.call('GET', '/metrics');
  expect(text).toContain('robustmq_messages_in_total{namespace="demo-abcdef",protocol="mqtt"} 1');
  expect(text).toContain('robustmq_connections{namespace="demo-abcdef",protocol="mqtt"} 1');
  expect(text).toMatch(/robustmq_journal_flushes_total [1-9]/);
  expect(text).toMatch(/robustmq_event_loop_delay_p999_seconds 0\.\d/);
  for (const name of ['refused_connections', 'refused_messages', 'dropped_messages'])
    expect(text).toContain(`robustmq_mqtt_${name}_total 0`);
  const refused = await admin.json(
    'PUT',
    `/v1/namespaces/${CLUSTER}`,
    spec(2, { topics: [{ name: 't', partitions: 99_999 }] }),
  );
  expect(refused).toMatchObject({ phase: 'failed', error: expect.stringContaining('t: ') as string });
  const gone = new Promise((resolve) => client.once('close', () => resolve(null)));
  expect((await admin.call('DELETE', `/v1/namespaces/${CLUSTER}`)).status).toBe(204);
  await gone;
  expect(await admin.json('GET', '/v1/namespaces')).toEqual([]);
  await expect(mqtt()).rejects.toThrow();
  expect(totals(await untilClosed(admin))).toMatchObject({ 'mqtt messages_in': 1, 'mqtt ingress_bytes': 10 });
  expect(await node.stop()).toBe(0);
});

it('counts exactly what clients count, and forgets windows when it is told to', async () => {
  const { admin } = await boot();
  await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1));
  const subscriber = await mqtt();
  let received = 0;
  subscriber.on('message', () => received++);
  await subscriber.subscribeAsync('sensors/#', { qos: 0 });
  const publisher = await mqtt();
  const payload = 'x'.repeat(100);
  for (let i = 0; i < 300; i++) await publisher.publishAsync('sensors/1', payload, { qos: i % 3 === 0 ? 1 : 0 });
  const producer = kafka().producer();
  await producer.connect();
  for (let i = 0; i < 20; i++)
    await producer.send({ topic: 'sensors', messages: [{ key: 'sensors/k', value: payload }] });
  while (received < 320) await new Promise((resolve) => setTimeout(resolve, 5));
  await producer.disconnect();
  const all = await untilClosed(admin);
  const sums = totals(all);
  expect(sums).toMatchObject({
    'mqtt messages_in': 300,
    'mqtt messages_out': 320,
    'mqtt ingress_bytes': 300 * 109,
    'mqtt egress_bytes': 320 * 109,
    'kafka messages_in': 20,
  });
  expect(sums['storage stored_byte_seconds']).toBeGreaterThan(0);
  expect(all.every((w) => w.nodeId === 'shared' && w.clusterId === CLUSTER)).toBe(true);
  await admin.json('DELETE', `/v1/usage?throughSeq=${all.length}`);
  const left = UsageBatchReply.parse(await admin.json('GET', '/v1/usage?afterSeq=0&limit=9'));
  expect(left.windows.every(({ seq }) => seq > all.length)).toBe(true);
});

/** What every window that began after `atMs` counts, as `protocol meter`. */
const metersAfter = (all: readonly UsageWindow[], atMs: number): string[] =>
  [...new Set(all.filter((w) => w.windowStartMs >= atMs).map((w) => `${w.protocol} ${w.meter}`))].sort();
/** Hot bytes lie on the disk as well, and are only shown. */
const BYTES_KEPT = ['storage hot_byte_seconds', 'storage stored_byte_seconds', 'storage warm_byte_seconds'];
const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

it.each(['serverless', 'dedicated'] as const)(
  '18: a paused cluster (%s) is counted for its stored bytes and nothing else, and for all again when it is resumed',
  async (plan) => {
    const dedicated = plan === 'dedicated';
    const own = { plan, node: dedicated ? CLUSTER : 'shared' };
    const { admin } = await boot(dedicated ? { nodeId: CLUSTER, namespace: CLUSTER } : {});
    await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1, own));
    const client = await mqtt();
    for (let n = 0; n < 20; n++) await client.publishAsync('sensors/1', 'x'.repeat(50_000), { qos: 1 });
    const gone = new Promise((resolve) => client.once('close', () => resolve(null)));
    await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(2, { ...own, suspended: { reason: 'paused' } }));
    await gone;
    // windows that began later hold nothing from before
    const pausedMs = Date.now() + WINDOW_MS;
    await pauseMs(5 * WINDOW_MS);
    const paused = await windows(admin);
    expect(metersAfter(paused, pausedMs)).toEqual(BYTES_KEPT);
    expect(totals(paused)).toMatchObject({ 'mqtt messages_in': 20, 'mqtt ingress_bytes': 20 * 50_009 });
    await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(3, own));
    await mqtt();
    const resumedMs = Date.now();
    await vi.waitFor(
      async () => {
        const meters = metersAfter(await windows(admin), resumedMs);
        expect(meters).toEqual(expect.arrayContaining(['mqtt connection_seconds', 'storage partition_seconds']));
        expect(meters.includes('storage node_seconds')).toBe(dedicated);
      },
      { timeout: 60_000, interval: WINDOW_MS },
    );
  },
);

it('19: a cluster is counted until the instant it is deleted and not after, also while it can still be restored', async () => {
  const { admin } = await boot();
  await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1));
  const client = await mqtt();
  let sent = 0;
  let closed = false;
  const ended = new Promise<boolean>((resolve) => {
    client.once('close', () => {
      closed = true;
      resolve(false);
    });
  });
  // messages go on to the last moment: what was acknowledged is counted
  const publishing = (async () => {
    while (!closed) {
      const published = client.publishAsync('sensors/1', 'x'.repeat(1_000), { qos: 1 });
      if (!(await Promise.race([published.then(() => true), ended]))) return;
      sent++;
    }
  })().catch(() => undefined);
  await vi.waitFor(() => expect(sent).toBeGreaterThan(100), { timeout: 60_000 });
  const deleted = { suspended: { reason: 'The cluster was deleted.', metered: 'none' } };
  await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(2, deleted));
  await publishing;
  const deletedMs = Date.now() + WINDOW_MS;
  await pauseMs(4 * WINDOW_MS);
  const counted = await windows(admin);
  expect(metersAfter(counted, deletedMs)).toEqual([]);
  const sums = totals(counted);
  // one message may have been taken whose acknowledgement met a closed connection
  expect(sums['mqtt messages_in']! - sent).toBeGreaterThanOrEqual(0);
  expect(sums['mqtt messages_in']! - sent).toBeLessThanOrEqual(1);
  expect(sums['mqtt ingress_bytes']).toBe(sums['mqtt messages_in']! * 1_009);
  expect((await admin.call('DELETE', `/v1/namespaces/${CLUSTER}`)).status).toBe(204);
  await pauseMs(3 * WINDOW_MS);
  expect(await windows(admin)).toEqual(counted);
});

it('loses no acknowledged message and no count when it is killed again and again', async () => {
  let acknowledged = 0;
  let sent = 0;
  let epoch = '';
  const served = new Map<string, UsageWindow>();
  for (let round = 0; round < 3; round++) {
    const { node, admin } = await boot();
    const health = NodeHealth.parse(await admin.json('GET', '/v1/health'));
    epoch ||= health.nodeEpoch;
    expect(health.nodeEpoch).toBe(epoch);
    if (round === 0) await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1));
    const client = await mqtt();
    const goal = acknowledged + 1_500;
    for (let i = 0; i < 4_000; i++) {
      sent++;
      client.publish('sensors/1', 'payload', { qos: 1 }, (error) => {
        if (!error) acknowledged++;
      });
    }
    while (acknowledged < goal) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, round * 300));
    for (const window of await windows(admin)) served.set(String(window.seq), window);
    await node.kill();
  }
  const { admin } = await boot();
  const all = await untilClosed(admin);
  const sums = totals(all);
  expect(sums['mqtt messages_in']).toBeGreaterThanOrEqual(acknowledged);
  expect(sums['mqtt messages_in']).toBeLessThanOrEqual(sent);
  for (const window of served.values()) expect(all[window.seq - 1]).toEqual(window);
});

it('keeps and counts every batch Kafka was told is safe when it is killed again and again', async () => {
  const acknowledged = new Set<string>();
  let sent = 0;
  for (let round = 0; round < 3; round++) {
    const { node, admin } = await boot();
    if (round === 0) await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1));
    const producer = kafka().producer({ retry: { retries: 0 } });
    await producer.connect();
    const goal = acknowledged.size + 200;
    const lanes = [0, 1, 2, 3].map(async (lane) => {
      for (;;) {
        const values = [0, 1, 2].map(() => `${round}.${lane}.${sent++}`);
        const messages = values.map((value) => ({ key: `sensors/${value}`, value }));
        await producer.send({ topic: 'sensors', acks: -1, messages });
        for (const value of values) acknowledged.add(value);
      }
    });
    const ended = Promise.allSettled(lanes);
    while (acknowledged.size < goal) await new Promise((resolve) => setImmediate(resolve));
    await node.kill();
    await ended;
    await producer.disconnect().catch(() => undefined);
  }
  const { admin } = await boot();
  const stored = await readTopic('sensors');
  for (const value of acknowledged) expect(stored.has(value)).toBe(true);
  const sums = totals(await untilClosed(admin));
  expect(sums['kafka messages_in']).toBeGreaterThanOrEqual(acknowledged.size);
  expect(sums['kafka messages_in']).toBeLessThanOrEqual(sent);
});

it('lets bare user names in on a dedicated node and counts its time', async () => {
  const { admin } = await boot({ nodeId: CLUSTER, namespace: CLUSTER });
  await admin.json('PUT', `/v1/namespaces/${CLUSTER}`, spec(1, { plan: 'dedicated', node: CLUSTER }));
  const client = await mqtt('u');
  await client.publishAsync('a', 'b', { qos: 1 });
  for (;;) {
    const sums = totals(await windows(admin));
    if ((sums['storage node_seconds'] ?? 0) >= 1 && (sums['mqtt connection_seconds'] ?? 0) >= 1) break;
    await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
  }
});

it('needs a token', async () => {
  const file = scratch.file('config.json', {
    nodeId: 'n',
    dataDir: `${scratch.path}/data`,
    runDir: `${scratch.path}/run`,
    listeners: { mqtt: { port: ports.mqtt } },
  });
  const node = new SpawnedNode(['--config', file]);
  expect(await node.exit()).toBe(1);
  expect(node.stderr).toBe('there is no admin token: set adminTokenFile or ROBUSTMQ_ADMIN_TOKEN\n');
  const second = new SpawnedNode(['--config', file], { ROBUSTMQ_ADMIN_TOKEN: TOKEN });
  nodes.push(second);
  await second.untilManaged(`${scratch.path}/run`, TOKEN);
});
