import { beforeAll, describe, expect, inject, it } from 'vitest';
import { consume, kafkaOf, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, type TestCluster } from '../support/cloud.ts';
import { eventually, sleep } from '../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));

interface Usage {
  windows: { clusterId: string; protocol: string; meter: string; start: string; quantity: string }[];
  totals: Record<string, string>;
}
interface Breakdown {
  items: { protocol: string; meter: string; name: string | null; quantity: string }[];
  totals: Record<string, string>;
}
interface Preview {
  lines: { meter: string; quantity: string; amount: { amount: string; currency: string } }[];
  total: { amount: string; currency: string };
}

/** A window closes at the end of its minute; it must be readable this much later at the latest. */
const WINDOW_AND_DELIVERY_MS = 75_000;

describe('usage', () => {
  let profile: string;
  let cluster: TestCluster;
  const sent = { mqtt: { messages: 0, bytes: 0 }, kafka: { messages: 0 } };
  const received = { mqtt: { messages: 0, bytes: 0 }, kafka: { messages: 0 } };

  const usage = (): Promise<Usage> => cloud.ctl<Usage>('usage', '--cluster', cluster.name, '--profile', profile);
  const sum = (report: Usage, protocol: string, meter: string): number =>
    report.windows
      .filter((row) => row.protocol === protocol && row.meter === meter)
      .reduce((total, row) => total + Number(row.quantity), 0);

  beforeAll(async () => {
    profile = await newTenant(cloud);
    cluster = await newCluster(cloud, profile);
    await cloud.ctl('topic', 'create', 'load', '--cluster', cluster.name, '--profile', profile);

    const [publisher, subscriber] = [await mqttOf(cluster), await mqttOf(cluster)];
    subscriber.on('message', (topic, payload, packet) => {
      received.mqtt.messages++;
      received.mqtt.bytes +=
        Buffer.byteLength(topic) + payload.length + userPropertyBytes(packet.properties?.userProperties);
    });
    await subscriber.subscribeAsync('#', { qos: 1 });
    for (let index = 0; index < 300; index++) {
      const topic = index % 2 ? `load/${index % 7}` : `elsewhere/${index % 5}`;
      const payload = Buffer.alloc(1 + ((index * 31) % 2000), index & 0xff);
      const userProperties = index % 3 ? undefined : { colour: 'blue', n: String(index) };
      await publisher.publishAsync(topic, payload, {
        qos: (index % 3) as 0 | 1 | 2,
        ...(userProperties ? { properties: { userProperties } } : {}),
      });
      sent.mqtt.messages++;
      sent.mqtt.bytes += Buffer.byteLength(topic) + payload.length + userPropertyBytes(userProperties);
    }
    await eventually('every MQTT message was delivered', 60_000, () => received.mqtt.messages >= sent.mqtt.messages);

    const producer = kafkaOf(cluster).producer();
    await producer.connect();
    for (let batch = 0; batch < 5; batch++) {
      await producer.send({
        topic: 'load',
        messages: Array.from({ length: 40 }, (_, index) => ({ key: `k${index}`, value: `v${batch}-${index}` })),
      });
      sent.kafka.messages += 40;
    }
    await producer.disconnect();
    received.kafka.messages = (await consume(cluster, 'load', 150 + sent.kafka.messages)).length;
    await eventually(
      'the Kafka records reached the MQTT subscriber',
      60_000,
      () => received.mqtt.messages >= sent.mqtt.messages + sent.kafka.messages,
    );
    await publisher.endAsync();
    await subscriber.endAsync();
  });

  it('totals equal the clients’ own counts exactly', async () => {
    const wanted = {
      mqttIn: sent.mqtt.messages,
      mqttInBytes: sent.mqtt.bytes,
      mqttOut: received.mqtt.messages,
      mqttOutBytes: received.mqtt.bytes,
      kafkaIn: sent.kafka.messages,
      kafkaOut: received.kafka.messages,
    };
    const counted = (report: Usage) => ({
      mqttIn: sum(report, 'mqtt', 'messages_in'),
      mqttInBytes: sum(report, 'mqtt', 'ingress_bytes'),
      mqttOut: sum(report, 'mqtt', 'messages_out'),
      mqttOutBytes: sum(report, 'mqtt', 'egress_bytes'),
      kafkaIn: sum(report, 'kafka', 'messages_in'),
      kafkaOut: sum(report, 'kafka', 'messages_out'),
    });
    await eventually('the windows arrive', WINDOW_AND_DELIVERY_MS, async () => {
      const now = counted(await usage());
      return now.mqttIn >= wanted.mqttIn && now.kafkaOut >= wanted.kafkaOut;
    });
    await sleep(3_000); // anything counted twice would show by now
    const report = await usage();
    expect(counted(report)).toEqual(wanted);
    expect(report.totals['messages_in']).toBe(String(wanted.mqttIn + wanted.kafkaIn));
    expect(Number(report.totals['connection_seconds'])).toBeGreaterThan(0);
    expect(Number(report.totals['stored_byte_seconds'])).toBeGreaterThan(0);
  });

  it('is told by credential and by topic prefix, to the last byte, and by month', async () => {
    const whole = await usage();
    const hourly = await cloud.ctl<Usage>(
      'usage',
      '--cluster',
      cluster.name,
      '--granularity',
      'month',
      '--profile',
      profile,
    );
    for (const meter of ['messages_in', 'messages_out', 'ingress_bytes', 'egress_bytes'])
      expect(hourly.totals[meter], meter).toBe(whole.totals[meter]);
    const by = (what: string) =>
      cloud.ctl<Breakdown>('usage', '--cluster', cluster.name, '--by', what, '--profile', profile);
    const sumOf = (rows: Breakdown['items'], meter: string) =>
      rows.filter((row) => row.meter === meter).reduce((total, row) => total + Number(row.quantity), 0);
    const credentials = await by('credential');
    const topics = await by('topic-prefix');
    for (const meter of ['messages_in', 'messages_out', 'ingress_bytes', 'egress_bytes'])
      for (const { items, totals } of [credentials, topics]) {
        expect(String(sumOf(items, meter)), meter).toBe(whole.totals[meter]);
        expect(totals[meter]).toBe(whole.totals[meter]);
      }
    // one credential did it all, over both protocols: nothing is left without a name
    const name = cluster.username.split('@')[0];
    for (const row of credentials.items.filter(({ meter }) => meter !== 'connection_seconds'))
      expect(row.name, row.meter).toBe(name);
    expect(topics.items.every((row) => row.meter === 'connection_seconds' || row.name !== null)).toBe(true);
    const inOf = (prefix: string) =>
      topics.items.find((row) => row.protocol === 'mqtt' && row.meter === 'messages_in' && row.name === prefix)
        ?.quantity;
    expect([inOf('load'), inOf('elsewhere')]).toEqual(['150', '150']);
    const wrong = await cloud.tryCtl('usage', '--by', 'credential', '--meter', 'bytes', '--profile', profile);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no meter "bytes"') as string });
  });

  it('makes a bill preview whose lines add up to its total', async () => {
    const preview = await cloud.ctl<Preview>('invoice', 'preview', '--profile', profile);
    expect(preview.lines.map((line) => line.meter)).toContain('ingress_bytes');
    const total = preview.lines.reduce((sum_, line) => sum_ + BigInt(line.amount.amount), 0n);
    expect(preview.total.amount).toBe(total.toString());
    expect(preview.total.currency).toBe('USD');
  });
});

function userPropertyBytes(properties: Record<string, string | string[]> | undefined): number {
  return Object.entries(properties ?? {}).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(String(value)),
    0,
  );
}
