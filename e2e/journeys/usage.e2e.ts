import { connect, type Socket } from 'node:net';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { consume, kafkaOf, mqttOf } from '../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, portOf, type TestCluster } from '../support/cloud.ts';
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
  let odd: Odd;
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
    odd = await oddEnds(await newCluster(cloud, profile));
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

  it('counts retained messages, fan-out, wills, repetitions and packets that break off as clients do', async () => {
    const report = await eventually('the windows arrive', WINDOW_AND_DELIVERY_MS, async () => {
      const now = await cloud.ctl<Usage>('usage', '--cluster', odd.cluster.name, '--profile', profile);
      return sum(now, 'mqtt', 'messages_out') >= odd.out.messages ? now : undefined;
    });
    expect({
      in: { messages: sum(report, 'mqtt', 'messages_in'), bytes: sum(report, 'mqtt', 'ingress_bytes') },
      out: { messages: sum(report, 'mqtt', 'messages_out'), bytes: sum(report, 'mqtt', 'egress_bytes') },
    }).toEqual({ in: odd.in, out: odd.out });
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

interface Odd {
  readonly cluster: TestCluster;
  readonly in: { messages: number; bytes: number };
  readonly out: { messages: number; bytes: number };
}

/** What is easy to count wrongly, each once, with the counts of the clients themselves. */
async function oddEnds(cluster: TestCluster): Promise<Odd> {
  const counts: Odd = { cluster, in: { messages: 0, bytes: 0 }, out: { messages: 0, bytes: 0 } };
  const count = (way: 'in' | 'out', topic: string, size: number): void => {
    counts[way].messages++;
    counts[way].bytes += Buffer.byteLength(topic) + size;
  };
  const publisher = await mqttOf(cluster);
  const send = async (topic: string, size: number, retain = false): Promise<void> => {
    await publisher.publishAsync(topic, Buffer.alloc(size, 'x'), { qos: 1, retain });
    count('in', topic, size);
  };
  await send('odd/kept', 10, true);
  const readers = [await mqttOf(cluster), await mqttOf(cluster), await mqttOf(cluster)];
  let got = 0;
  for (const reader of readers) {
    reader.on('message', (topic, payload) => (got++, count('out', topic, payload.length)));
    await reader.subscribeAsync('odd/#', { qos: 1 });
  }
  const heard = (many: number) => eventually(`${many} deliveries`, 60_000, () => got >= many || undefined);
  await heard(3);
  for (let i = 0; i < 5; i++) await send('odd/fan', 20);
  await heard(18);

  // a will of somebody whose line is cut: it came with CONNECT, which counts nothing; out it is a message like any
  const dying = await mqttOf(cluster, {
    will: { topic: 'odd/will', payload: Buffer.from('gone'), qos: 1, retain: false },
  });
  dying.options.reconnectPeriod = 0;
  dying.stream.destroy();
  await heard(21);

  // a PUBLISH that breaks off half-way never was one
  const broken = await Raw.open(cluster, 'broken');
  broken.send(Buffer.concat([Buffer.from([0x30, 100]), Buffer.from('\0\x08odd/half', 'latin1'), Buffer.alloc(40)]));
  broken.socket.destroy();

  // QoS 1 sent twice is two messages, QoS 2 sent twice is one (MQTT 3.1.1, 4.3.2 and 4.3.3)
  const twice = await Raw.open(cluster, 'twice');
  const packet = (first: number, id: number) => [
    first,
    15,
    0,
    8,
    ...Buffer.from('odd/dup'.padEnd(8, '1')),
    0,
    id,
    1,
    2,
    3,
  ];
  for (const first of [0x32, 0x3a]) twice.send(Buffer.from(packet(first, 5)));
  for (const first of [0x34, 0x3c]) twice.send(Buffer.from(packet(first, 6)));
  await twice.packets([0x40, 0x40, 0x50, 0x50]);
  twice.send(Buffer.from([0x62, 2, 0, 6]));
  await twice.packets([0x70]);
  for (let i = 0; i < 3; i++) count('in', 'odd/dup1', 3);
  await heard(30);
  twice.socket.destroy();

  // what was not acknowledged is sent again, and is on the line twice
  const forgetful = await Raw.open(cluster, 'forgetful', false);
  forgetful.send(Buffer.from([0x82, 12, 0, 1, 0, 7, ...Buffer.from('odd/one'), 1]));
  await forgetful.packets([0x90]);
  await send('odd/one', 8);
  await forgetful.packets([0x32]);
  forgetful.socket.destroy();
  const again = await Raw.open(cluster, 'forgetful', false);
  await again.packets([0x3a]);
  again.send(Buffer.from([0x40, 2, ...again.last.subarray(11, 13)]));
  for (let i = 0; i < 2; i++) count('out', 'odd/one', 8);
  await heard(33);
  again.socket.end(Buffer.from([0xe0, 0]));
  for (const client of [publisher, ...readers]) await client.endAsync();
  return counts;
}

/** MQTT 3.1.1 by the byte, for what client libraries do not do; every packet fits one length byte. */
class Raw {
  readonly socket: Socket;
  last: Buffer = Buffer.alloc(0);
  #input: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => (this.#input = Buffer.concat([this.#input, bytes])));
  }
  static async open(cluster: TestCluster, clientId: string, clean = true): Promise<Raw> {
    const raw = new Raw(connect(portOf(cluster.endpoints.mqtt), '127.0.0.1'));
    const texts = [clientId, cluster.username, cluster.password].map((text) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(Buffer.byteLength(text));
      return Buffer.concat([length, Buffer.from(text)]);
    });
    const body = Buffer.concat([Buffer.from([0, 4, ...Buffer.from('MQTT'), 4, clean ? 0xc2 : 0xc0, 0, 60]), ...texts]);
    raw.send(Buffer.concat([Buffer.from([0x10, body.length]), body]));
    await raw.packets([0x20]);
    expect(raw.last[3]).toBe(0);
    return raw;
  }
  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }
  /** Waits for packets with these first bytes, in this order; `last` is the last of them. */
  async packets(firsts: readonly number[]): Promise<void> {
    for (const first of firsts) {
      await eventually(`packet 0x${first.toString(16)}`, 60_000, () => {
        const size = 2 + (this.#input[1] ?? 0);
        return (this.#input.length >= 2 && this.#input.length >= size) || undefined;
      });
      const size = 2 + this.#input[1]!;
      this.last = this.#input.subarray(0, size);
      this.#input = this.#input.subarray(size);
      expect(this.last[0]).toBe(first);
    }
  }
}
