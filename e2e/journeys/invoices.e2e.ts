import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { consume, kafkaOf, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, portOf, unique, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));

interface Invoice {
  id: string;
  number: string | null;
  status: string;
  dueAt: string | null;
  total: { amount: string; currency: string };
  lines: { kind: string; description: string; amount: { amount: string } }[];
}
interface Usage {
  windows: { protocol: string; meter: string; start: string; quantity: string }[];
}
interface Profiles {
  profiles: Record<string, { accessToken: string }>;
}
interface Checked {
  verified: boolean;
  firstAltered: string | null;
  windows: number;
  unsigned: number;
  total: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A window closes at the end of its minute; it must be readable this much later at the latest. */
const WINDOW_AND_DELIVERY_MS = 120_000;
/** At 64 KiB/s, with a second's worth at once, 256 KiB take three; unhindered they take milliseconds. */
const SLOWED_MS = 1_800;
/** What a suspension and its end take at most from the books to the listeners. */
const SUSPENSION_MS = 60_000;

const operatorToken = (): string =>
  (JSON.parse(readFileSync(join(cloud.home, 'secrets.json'), 'utf8')) as { operatorToken: string }).operatorToken;

/** A request of whoever runs the platform. */
async function operator<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
  const reply = await fetch(`${cloud.url}/v1/operator/${path}`, {
    method,
    headers: { authorization: `Bearer ${operatorToken()}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${path}: ${reply.status}: ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as T;
}

/** The month after the one `at` lies in begins here (UTC). */
const monthEnd = (at: Date): number => Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);

/** What the server says to one MQTT 5 CONNECT: the reason code and its text. */
function connack(cluster: TestCluster): Promise<{ code: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { username, password } = cluster;
    const url = `mqtt://127.0.0.1:${portOf(cluster.endpoints.mqtt)}`;
    const client = mqtt.connect(url, { username, password, reconnectPeriod: 0, protocolVersion: 5 });
    client.on('packetreceive', (packet) => {
      if (packet.cmd !== 'connack') return;
      client.end(true);
      resolve({ code: packet.reasonCode ?? 0, text: packet.properties?.reasonString ?? '' });
    });
    client.on('error', () => undefined);
    client.on('close', () => reject(new Error('closed without an answer')));
  });
}

/** What kafkajs says of why it may not sign in; null = it may. */
async function kafkaRefusal(cluster: TestCluster): Promise<string | null> {
  const admin = kafkaOf(cluster, { retry: { retries: 0 } }).admin();
  try {
    await admin.connect();
    return null;
  } catch (error) {
    return String(error);
  } finally {
    await admin.disconnect();
  }
}

/** Whether a stock Kafka client can make a topic. */
async function makesTopic(cluster: TestCluster): Promise<boolean> {
  const admin = kafkaOf(cluster, { retry: { retries: 0 } }).admin();
  await admin.connect();
  try {
    return await admin.createTopics({ topics: [{ topic: `made-${unique()}` }] });
  } catch {
    return false;
  } finally {
    await admin.disconnect();
  }
}

/** How long a stock client takes to have 256 KiB acknowledged, in milliseconds. */
async function uploadMs(cluster: TestCluster): Promise<number> {
  const client = await mqttOf(cluster);
  const startedMs = Date.now();
  for (let n = 0; n < 16; n++) await client.publishAsync(`upload/${n}`, Buffer.alloc(16_384), { qos: 1 });
  await client.endAsync();
  return Date.now() - startedMs;
}

/** A month of one customer, fast-forwarded: clients, usage, invoice, proof, arrears, suspension, payment. */
describe('invoices', () => {
  let profile: string;
  let tenantId: string;
  let cluster: TestCluster;
  let stranger: { profile: string; cluster: TestCluster };
  let invoice: Invoice;
  let usedAt: Date;
  const sent = { mqtt: 60, kafka: 40 };

  const ctl = <T>(...args: string[]): Promise<T> => cloud.ctl<T>(...args, '--profile', profile);
  const clock = (atMs: number): Promise<unknown> =>
    operator('POST', 'billing/set-clock', { tenantId, at: new Date(atMs).toISOString() });
  const invoices = (): Promise<Invoice[]> => ctl<Invoice[]>('invoice', 'list');
  const phase = async (): Promise<string> => (await ctl<{ phase: string }>('cluster', 'get', cluster.name)).phase;
  const sum = (report: Usage, protocol: string, meter: string): number =>
    report.windows
      .filter((row) => row.protocol === protocol && row.meter === meter)
      .reduce((total, row) => total + Number(row.quantity), 0);

  beforeAll(async () => {
    profile = await newTenant(cloud, 'payer');
    cluster = await newCluster(cloud, profile);
    tenantId = (await ctl<{ tenantId: string }>('cluster', 'get', cluster.name)).tenantId;
    const other = await newTenant(cloud, 'stranger');
    stranger = { profile: other, cluster: await newCluster(cloud, other) };
    await operator('POST', 'billing/set-account', { tenantId, commitment: '250' });
    await ctl('topic', 'create', 'load', '--cluster', cluster.name);

    // whatever a client says of itself names the stranger: usage is still its own cluster's
    const publisher = await mqttOf(cluster, { clientId: `${stranger.cluster.id}/${unique()}` });
    const userProperties = { tenant: other, cluster: stranger.cluster.id, username: stranger.cluster.username };
    for (let index = 0; index < sent.mqtt; index++)
      await publisher.publishAsync(`${index % 2 ? 'load' : stranger.cluster.id}/${index}`, Buffer.alloc(100, index), {
        qos: 1,
        properties: { userProperties },
      });
    await publisher.endAsync();
    const producer = kafkaOf(cluster, { clientId: stranger.cluster.id }).producer();
    await producer.connect();
    const messages = Array.from({ length: sent.kafka }, (_, n) => ({ key: stranger.cluster.id, value: `${n}` }));
    await producer.send({ topic: 'load', messages });
    await producer.disconnect();
    await consume(cluster, 'load', sent.mqtt / 2 + sent.kafka);

    const report = await eventually('the usage is counted', WINDOW_AND_DELIVERY_MS, async () => {
      const now = await ctl<Usage>('usage', '--cluster', cluster.name);
      const whole = sum(now, 'mqtt', 'messages_in') === sent.mqtt && sum(now, 'kafka', 'messages_in') === sent.kafka;
      return whole && sum(now, 'kafka', 'messages_out') > 0 ? now : undefined;
    });
    usedAt = new Date(report.windows.map((row) => row.start).sort()[0]!);
  });

  it('15: count what a client sends for its own cluster, whoever it says it is', async () => {
    const theirs = await cloud.ctl<Usage>('usage', '--profile', stranger.profile);
    for (const protocol of ['mqtt', 'kafka'])
      for (const meter of ['messages_in', 'ingress_bytes', 'messages_out', 'connection_seconds'])
        expect(sum(theirs, protocol, meter), `${protocol} ${meter}`).toBe(0);
  });

  it('are drafted when the month is over and issued two days later', async () => {
    const end = monthEnd(usedAt);
    await clock(Math.max(Date.now(), usedAt.getTime()));
    await clock(end + DAY_MS);
    expect((await invoices()).map((one) => [one.status, one.number])).toEqual([['draft', null]]);
    await clock(end + 2 * DAY_MS + HOUR_MS);
    const [issued] = await invoices();
    expect(issued).toMatchObject({ status: 'issued', total: { currency: 'USD' } });
    invoice = await ctl<Invoice>('invoice', 'get', issued!.number!);
    const total = invoice.lines.reduce((all, line) => all + BigInt(line.amount.amount), 0n);
    expect(invoice.total.amount).toBe(total.toString());
    expect(BigInt(invoice.total.amount)).toBeGreaterThan(0n);
  });

  it('can be downloaded, made again from their signed windows, and name the first window that was altered', async () => {
    const file = (name: string): string => join(cloud.home, `${unique()}-${name}`);
    const pdf = file('invoice.pdf');
    await ctl('invoice', 'download', invoice.number!, '--file', pdf);
    expect(readFileSync(pdf).subarray(0, 5).toString()).toBe('%PDF-');
    const proof = file('proof.ndjson');
    await ctl('invoice', 'download', invoice.number!, '--format', 'proof', '--file', proof);
    const checked = await ctl<Checked>('invoice', 'verify', proof);
    expect(checked).toMatchObject({ verified: true, firstAltered: null, unsigned: 0, total: invoice.total.amount });
    expect(checked.windows).toBeGreaterThan(5);

    const [head, ...windows] = readFileSync(proof, 'utf8').trim().split('\n');
    const at = Math.floor(windows.length / 2);
    const altered = JSON.parse(windows[at]!) as { seq: number; meter: string; value: string };
    const forged = windows[at]!.replace(/"value":"(\d)/, (_, digit: string) => `"value":"${(Number(digit) % 9) + 1}`);
    writeFileSync(proof, `${[head, ...windows.slice(0, at), forged, ...windows.slice(at + 1)].join('\n')}\n`);
    const found = await cloud.tryCtl('invoice', 'verify', proof, '-o', 'json', '--profile', profile);
    expect(found.code).not.toBe(0);
    const report = JSON.parse(found.stdout) as Checked;
    expect(report.verified).toBe(false);
    expect(report.firstAltered).toContain(`${altered.meter} of cluster ${cluster.id}`);
    expect(report.firstAltered).toContain(`position ${altered.seq}`);
  });

  it('of a month over budget slow stock clients down where the tenant said so, and only there, until the budget goes', async () => {
    // a fee is spent by the second: the sandbox's own time makes the budget overspent at once
    const { accessToken } = (JSON.parse(readFileSync(cloud.env['ROBUSTMQ_CONFIG']!, 'utf8')) as Profiles).profiles[
      profile
    ]!;
    const patched = await fetch(`${cloud.url}/v1/tenants/${tenantId}/subscription`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ support: 'business' }),
    });
    expect(patched.status).toBe(200);
    await clock(monthEnd(usedAt) + 2 * DAY_MS + 3 * HOUR_MS);
    const spared = await newCluster(cloud, profile);
    const budget = await ctl<{ id: string; alerts: { action: string }[] }>(
      ...['budget', 'create', 'tight', '--amount', '0.01', '--at', '100:throttle', '--sacrifice', cluster.name],
    );
    expect(budget.alerts).toMatchObject([{ action: 'throttle' }]);
    await eventually('the client is slowed down', SUSPENSION_MS, async () => (await uploadMs(cluster)) > SLOWED_MS);
    expect(await uploadMs(spared)).toBeLessThan(SLOWED_MS);
    expect((await connack(cluster)).code).toBe(0); // slowed down, never cut
    await ctl('budget', 'delete', 'tight');
    await eventually('it is free again', SUSPENSION_MS, async () => (await uploadMs(cluster)) < SLOWED_MS);
  });

  it('left unpaid stop growth, then close the cluster to clients with the reason; paid, it is open again', async () => {
    const due = Date.parse(invoice.dueAt!);
    await clock(due + 7 * DAY_MS + HOUR_MS);
    const growth = await cloud.tryCtl('cluster', 'create', `c${unique()}`, '--profile', profile);
    expect(growth.code).not.toBe(0);
    expect(growth.stderr).toMatch(/unpaid/);
    // nor do clients get new topics, while all that is there goes on
    await eventually('clients cannot make topics', SUSPENSION_MS, async () => !(await makesTopic(cluster)));
    expect((await connack(cluster)).code).toBe(0);

    const session = await mqttOf(cluster);
    const goodbye = new Promise<string>((resolve) =>
      session.on('packetreceive', (packet) => {
        if (packet.cmd === 'disconnect') resolve(packet.properties?.reasonString ?? '');
      }),
    );
    session.on('error', () => undefined);
    await clock(due + 14 * DAY_MS + HOUR_MS);
    await eventually('the cluster is suspended', SUSPENSION_MS, async () => (await phase()) === 'Suspended');
    await goodbye;
    session.end(true);
    const refused = await connack(cluster);
    expect(refused.code).toBeGreaterThanOrEqual(0x80);
    expect(refused.text).toMatch(/invoice is unpaid/);
    expect(await kafkaRefusal(cluster)).toMatch(/invoice is unpaid/);
    await eventually('the tenant is told', SUSPENSION_MS, async () => {
      const mails = await operator<{ items: { address: string; subject: string }[] }>('GET', 'mails');
      const own = mails.items.filter((mail) => mail.address === `${profile}@example.com`).map((mail) => mail.subject);
      return own.some((subject) => subject.includes(invoice.number!) && subject.includes('suspended'));
    });

    await operator('POST', 'billing/mark-paid', { tenantId, invoiceId: invoice.id });
    await eventually('clients are let in again', SUSPENSION_MS, async () => (await connack(cluster)).code === 0);
    await eventually('Kafka as well', SUSPENSION_MS, async () => (await kafkaRefusal(cluster)) === null);
    const kept = await consume(cluster, 'load', sent.mqtt / 2 + sent.kafka);
    expect(kept.length).toBe(sent.mqtt / 2 + sent.kafka);
  });
});
