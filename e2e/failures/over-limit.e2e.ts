import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { kafkaOf, kcat, mosquittoPub, MosquittoSub, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, portOf, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
const KIB = 1024;

interface Problem {
  readonly code?: number;
}
/** The reason code a connect was refused with; 0 when it was not, −1 when the connection just ended. */
function refusal(cluster: TestCluster, options: Partial<IClientOptions> = {}): Promise<number> {
  const { username, password } = cluster;
  const client = mqtt.connect(`mqtt://127.0.0.1:${portOf(cluster.endpoints.mqtt)}`, {
    ...{ username, password, reconnectPeriod: 0, protocolVersion: 5, connectTimeout: 20_000 },
    ...options,
  });
  return new Promise<number>((resolve) => {
    client.once('connect', () => resolve(0));
    client.on('error', (error) => resolve((error as Problem).code ?? -1));
    client.once('close', () => resolve(-1));
  }).finally(() => client.end(true));
}
/** The reason code of a QoS 1 publish. */
async function published(client: MqttClient, topic: string, payload: string | Buffer): Promise<number> {
  return client.publishAsync(topic, payload, { qos: 1 }).then(
    (packet) => (packet as { reasonCode?: number } | undefined)?.reasonCode ?? 0,
    (error: Problem) => error.code ?? -1,
  );
}
/** The broker's word for what kafkajs rejects with, however deep it lies. */
async function kafkaRefusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return '';
  } catch (error) {
    const text = JSON.stringify(error, Object.getOwnPropertyNames(error));
    const seen = /"type":"([A-Z_]+)"/.exec(text)?.[1];
    const inner = (error as { errors?: { type?: string }[] }).errors?.[0]?.type;
    return inner ?? seen ?? String(error);
  }
}

/**
 * docs/limits.md, "What a client sees", line by line, with clients that we did not write. Every line sets one quota on a
 * cluster that is in use: the limiter that is already running has to take it.
 */
describe('over the limit', () => {
  let profile: string;
  let tenantId: string;
  let cluster: TestCluster;
  let plain: Partial<IClientOptions>;
  const operatorToken = (
    JSON.parse(readFileSync(join(cloud.home, 'secrets.json'), 'utf8')) as { operatorToken: string }
  ).operatorToken;

  beforeAll(async () => {
    profile = await newTenant(cloud);
    cluster = await newCluster(cloud, profile);
    plain = { protocolVersion: 4, connectTimeout: 20_000 };
    const shown = await cloud.ctl<{ tenantId: string }>('cluster', 'get', cluster.name, '--profile', profile);
    tenantId = shown.tenantId;
    await cloud.ctl('topic', 'create', 'kept', '--cluster', cluster.name, '--profile', profile);
  });
  afterAll(() => limits({}));

  /** Replaces all overrides; `{}` = the plan's. Resolves when the node has applied them. */
  async function limits(quotas: Record<string, number>, on: TestCluster = cluster): Promise<void> {
    const path = `/v1/operator/tenants/${tenantId}/clusters/${on.id}/quota-overrides`;
    const response = await fetch(cloud.url + path, {
      method: 'PUT',
      headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ quotas, reason: 'over-limit test' }),
    });
    expect(response.status, await response.text()).toBeLessThan(300);
    await eventually('the node has them', 60_000, async () => {
      const shown = await cloud.ctl<{ conditions: { type: string; status: string }[] }>(
        ...['cluster', 'get', on.name, '--profile', profile],
      );
      return shown.conditions.find(({ type }) => type === 'CredentialsPropagated')?.status === 'True';
    });
  }
  const admin = async <T>(work: (one: Admin) => Promise<T>): Promise<T> => {
    const one = kafkaOf(cluster, { retry: { retries: 0 } }).admin();
    await one.connect();
    return work(one).finally(() => one.disconnect());
  };

  it('wrong password: 0x86, 4, SASL authentication failed', async () => {
    const wrong = { ...cluster, password: 'wrong' };
    expect(await refusal(wrong)).toBe(0x86);
    expect(await refusal(wrong, plain)).toBe(4);
    expect((await kcat(wrong, ['-L', '-m', '5'])).stderr).toMatch(/authentication/i);
  });

  it('connections: 0x97, 3, refused at login', async () => {
    await limits({ connectionsMax: 1 });
    const holder = await mqttOf(cluster);
    expect(await refusal(cluster)).toBe(0x97);
    expect(await refusal(cluster, plain)).toBe(3);
    expect((await kcat(cluster, ['-L', '-m', '5'])).code).not.toBe(0);
    await holder.endAsync();
    await eventually('there is room again', 60_000, async () => (await refusal(cluster)) === 0);
  });

  it('connection rate: 0x9F, the connection ends; whoever comes later is let in', async () => {
    await limits({ connectionRatePerSecondMax: 1 });
    const codes = await Promise.all(Array.from({ length: 12 }, () => refusal(cluster)));
    expect(codes).toContain(0x9f);
    expect(codes.filter((code) => ![0, 0x9f].includes(code))).toEqual([]);
    expect(await Promise.all(Array.from({ length: 8 }, () => refusal(cluster, plain)))).toContain(-1);
    await eventually('later', 60_000, async () => (await refusal(cluster)) === 0);
    // a Kafka client waits and comes in
    expect((await kcat(cluster, ['-L', '-m', '30'])).code).toBe(0);
  });

  it('sessions: the one too many is refused, one without a session is not', async () => {
    await limits({ sessionsMax: 1 });
    const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
    const first = await mqttOf(cluster, { ...kept, clientId: 'kept-1' });
    expect(await refusal(cluster, { ...kept, clientId: 'kept-2' })).toBe(0x97);
    expect(await refusal(cluster)).not.toBe(0x86);
    await first.endAsync();
  });

  it('message size: MESSAGE_TOO_LARGE; MQTT refuses it too, and takes a small one after it', async () => {
    await limits({ messageSizeBytesMax: 4 * KIB });
    const produced = await kcat(cluster, ['-P', '-t', 'kept', '-X', 'message.max.bytes=20000000'], 'x'.repeat(8 * KIB));
    expect(produced.stderr + produced.stdout).toMatch(/too large/i);
    const client = await mqttOf(cluster);
    const ended = new Promise<number>((resolve) => {
      client.on('disconnect', (packet) => resolve(packet.reasonCode ?? 0));
      client.on('error', (error) => resolve((error as Problem).code ?? 0));
    });
    const code = await Promise.race([published(client, 'kept/a', Buffer.alloc(300 * KIB)), ended]);
    expect(code).not.toBe(0);
    client.end(true);
    const small = await mqttOf(cluster);
    expect(await published(small, 'kept/a', 'small')).toBe(0);
    await small.endAsync();
  });

  it('topics and partitions: POLICY_VIOLATION', async () => {
    await limits({ topicsMax: 1 });
    const create = (topic: string, numPartitions = 1) =>
      admin((one) => one.createTopics({ topics: [{ topic, numPartitions }], validateOnly: false }));
    expect(await kafkaRefusal(create('second'))).toBe('POLICY_VIOLATION');
    await limits({ topicsMax: 5, partitionsMax: 3 });
    expect(await kafkaRefusal(create('many', 3))).toBe('POLICY_VIOLATION');
    expect(await kafkaRefusal(create('few', 1))).toBe('');
  });

  /** Events of the cluster that clients caused, by code. */
  const eventCodes = async (): Promise<string[]> => {
    const events = await cloud.ctl<{ code: string }[]>('events', '--cluster', cluster.name, '--profile', profile);
    return events.map(({ code }) => code);
  };

  it('ingress bytes: reads are slowed to the quota and nobody is told; what would take more than 10 s: 0x96', async () => {
    const [chunks, chunkBytes, perSecond] = [12, 32 * KIB, 64 * KIB];
    await limits({ ingressBytesPerSecondMax: perSecond });
    const client = await mqttOf(cluster);
    const startedAt = performance.now();
    const sent = Array.from({ length: chunks }, () => published(client, 'in/a', Buffer.alloc(chunkBytes)));
    expect(new Set(await Promise.all(sent))).toEqual(new Set([0]));
    // one second's worth is a burst and the last chunk is paid for afterwards; half of the rest is margin
    const owedMs = ((chunks * chunkBytes - perSecond - 64 * KIB) / perSecond) * 1_000;
    expect(performance.now() - startedAt).toBeGreaterThan(owedMs / 2);
    await client.endAsync();
    await limits({ ingressBytesPerSecondMax: 4 * KIB });
    const flood = await mqttOf(cluster);
    const told = new Promise<number>((resolve) => flood.on('disconnect', (packet) => resolve(packet.reasonCode ?? 0)));
    flood.publish('in/a', Buffer.alloc(64 * KIB), { qos: 0 });
    expect(await told).toBe(0x96);
    flood.end(true);
    // whoever comes while the cluster owes is let in, and slowed when it publishes
    await limits({});
    const later = await mqttOf(cluster);
    expect(await published(later, 'in/a', 'small')).toBe(0);
    await later.endAsync();
  });

  it('egress bytes, fan-out: readers get everything, no faster than the quota; kcat is slowed too', async () => {
    const [readers, messages, bytes, perSecond] = [4, 12, 32 * KIB, 256 * KIB];
    await limits({});
    const subscribers = await Promise.all(Array.from({ length: readers }, () => mqttOf(cluster)));
    let received = 0;
    for (const one of subscribers) {
      one.on('message', () => (received += 1));
      await one.subscribeAsync('out/#', { qos: 1 });
    }
    await limits({ egressBytesPerSecondMax: perSecond });
    const publisher = await mqttOf(cluster);
    const startedAt = performance.now();
    const sent = Array.from({ length: messages }, () => published(publisher, 'out/a', Buffer.alloc(bytes)));
    expect(new Set(await Promise.all(sent))).toEqual(new Set([0]));
    await eventually('all of it', 60_000, () => received === readers * messages);
    // each copy counts; a publisher waits at most a second at a time for readers, so a part of the debt is a promise
    expect(performance.now() - startedAt).toBeGreaterThan(1_000);
    for (const one of [publisher, ...subscribers]) await one.endAsync();
    await limits({});
    await kcat(cluster, ['-P', '-t', 'kept'], `${'x'.repeat(bytes)}\n`.repeat(messages));
    await limits({ egressBytesPerSecondMax: 32 * KIB });
    const kafkaStartedAt = performance.now();
    const read = ['-C', '-t', 'kept', '-o', 'beginning', '-e', '-q', '-X', 'fetch.message.max.bytes=65536'];
    const { code, stdout } = await kcat(cluster, read);
    expect([code, stdout.split('\n').filter((line) => line.startsWith('xxx')).length]).toEqual([0, messages]);
    expect(performance.now() - kafkaStartedAt).toBeGreaterThan(2_000);
  });

  it('inbox bytes: the oldest go while nobody reads, the newest are delivered, and an event says so', async () => {
    await limits({});
    const open = ['-i', 'away', '-c', '-q', '1', '-t', 'inbox/#', '-F', '%t'];
    const before = await MosquittoSub.open(cluster, open);
    before.close();
    await limits({ inboxBytesMax: 128 * KIB });
    const count = 24;
    for (let n = 0; n < count; n += 1)
      await mosquittoPub(cluster, ['-q', '1', '-t', `inbox/${n}`, '-s'], 'x'.repeat(16 * KIB));
    const after = await MosquittoSub.open(cluster, open);
    await eventually('the newest', 60_000, () => after.lines.includes(`inbox/${count - 1}`));
    after.close();
    expect(after.lines.length).toBeLessThanOrEqual(8);
    expect(after.lines).toEqual(Array.from({ length: count }, (_, n) => `inbox/${n}`).slice(-after.lines.length));
    expect(await eventCodes()).toContain('inbox-full');
  });

  it('storage: PUBACK 0x97, POLICY_VIOLATION; reading goes on', async () => {
    await limits({});
    const client = await mqttOf(cluster);
    expect(await published(client, 'kept/a', Buffer.alloc(64 * KIB))).toBe(0);
    await limits({ storageBytesMax: 1_000 });
    await eventually('full', 60_000, async () => (await published(client, 'kept/a', 'more')) === 0x97);
    const produced = await kcat(cluster, ['-P', '-t', 'kept'], 'more\n');
    expect(produced.stderr + produced.stdout).toMatch(/policy/i);
    const old = await mqttOf(cluster, plain);
    const closed = new Promise<string>((resolve) => old.once('close', () => resolve('closed')));
    const sent = old.publishAsync('kept/a', 'more', { qos: 1 }).then(
      () => 'acknowledged',
      () => 'closed',
    );
    expect(await Promise.race([closed, sent])).toBe('closed');
    old.end(true);
    expect((await kcat(cluster, ['-C', '-t', 'kept', '-o', 'beginning', '-c', '1', '-q'])).code).toBe(0);
    await client.endAsync();
  });

  it('client id in use: the older connection is told 0x8E', async () => {
    await limits({});
    const older = await mqttOf(cluster, { clientId: 'twin' });
    const told = new Promise<number>((resolve) => older.on('disconnect', (packet) => resolve(packet.reasonCode ?? 0)));
    const newer = await mqttOf(cluster, { clientId: 'twin' });
    expect(await told).toBe(0x8e);
    older.end(true);
    await newer.endAsync();
  });

  it('a quota reaches a running limiter, and a revoked credential its connections (goals: 2 s and 5 s)', async () => {
    const open = await Promise.all([mqttOf(cluster), mqttOf(cluster)]);
    const startedAt = Date.now();
    await limits({ connectionsMax: 2 });
    await eventually('the limit holds', 20_000, async () => (await refusal(cluster)) === 0x97);
    const quotaMs = Date.now() - startedAt;
    const list = await cloud.ctl<{ id: string; username: string }[]>(
      ...['credential', 'list', '--cluster', cluster.name, '--profile', profile],
    );
    const cut = Promise.all(
      open.map((client) => new Promise<void>((resolve) => client.once('close', () => resolve()))),
    );
    const revokedAt = Date.now();
    const { id } = list.find(({ username }) => username === cluster.username)!;
    await cloud.ctl('credential', 'delete', id, '--cluster', cluster.name, '--profile', profile);
    await cut;
    const cutMs = Date.now() - revokedAt;
    process.stdout.write(`quota in force after ${quotaMs} ms, connections cut ${cutMs} ms after the revocation\n`);
    for (const client of open) client.end(true);
  });
});
