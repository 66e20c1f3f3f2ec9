import mqtt from 'mqtt';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { MosquittoSub, mosquittoPub, mqttOf } from '../../support/clients.ts';
import { CloudUnderTest, newCluster, newTenant, portOf, type TestCluster } from '../../support/cloud.ts';
import { eventually, sleep, start } from '../../support/process.ts';

const cloud = CloudUnderTest.attach(inject('sharedCloud'));
/** Long enough for a message that must not come. */
const SILENCE_MS = 300;

interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly packet: mqtt.IPublishPacket;
}
interface Listener {
  readonly client: mqtt.MqttClient;
  readonly sessionPresent: boolean;
  readonly got: Received[];
}

let cluster: TestCluster;
const open: mqtt.MqttClient[] = [];
beforeAll(async () => {
  cluster = await newCluster(cloud, await newTenant(cloud, 'mqtt-clients'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.endAsync(true).catch(() => undefined)));
});

/** A connected mqtt.js client whose messages are written down from the first one on, before CONNACK is told to anybody. */
function listen(options: Partial<mqtt.IClientOptions> = {}): Promise<Listener> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${portOf(cluster.endpoints.mqtt)}`, {
    username: cluster.username,
    password: cluster.password,
    reconnectPeriod: 0,
    protocolVersion: 5,
    ...options,
  });
  open.push(client);
  const got: Received[] = [];
  client.on('message', (topic, payload, packet) => got.push({ topic, payload: payload.toString(), packet }));
  return new Promise((resolve, reject) => {
    client.once('connect', ({ sessionPresent }) => resolve({ client, sessionPresent, got }));
    client.once('error', reject);
  });
}

function arrived(got: readonly unknown[], count: number): Promise<unknown> {
  return eventually(`${count} messages`, 60_000, () => got.length >= count);
}
const payloads = (got: readonly Received[]): string[] => got.map(({ payload }) => payload);

describe.each([
  ['3.1.1', 'mqttv311', 4],
  ['5', 'mqttv5', 5],
] as const)('MQTT %s', (_name, mosquittoVersion, protocolVersion) => {
  const own = (topic: string): string => `v${protocolVersion}/${topic}`;

  it('mosquitto clients: every QoS both ways, each message once and in order', async () => {
    for (const qos of ['0', '1', '2']) {
      const sub = await MosquittoSub.open(cluster, [
        '-V',
        mosquittoVersion,
        '-t',
        own('q/#'),
        '-q',
        qos,
        '-F',
        '%t %q %p',
      ]);
      const lines = Array.from({ length: 100 }, (_, i) => `m${i}`);
      const sent = await mosquittoPub(
        cluster,
        ['-V', mosquittoVersion, '-t', own('q/x'), '-q', qos, '-l'],
        `${lines.join('\n')}\n`,
      );
      expect(sent.code).toBe(0);
      await sub.waitFor(100);
      await sleep(SILENCE_MS);
      sub.close();
      expect(sub.lines).toEqual(lines.map((line) => `${own('q/x')} ${qos} ${line}`));
    }
  });

  it('retained: for later subscribers, flagged, replaced, cleared', async () => {
    await mosquittoPub(cluster, ['-V', mosquittoVersion, '-t', own('r/1'), '-m', 'old', '-r', '-q', '1']);
    await mosquittoPub(cluster, ['-V', mosquittoVersion, '-t', own('r/1'), '-m', 'new', '-r', '-q', '1']);
    const { client, got } = await listen({ protocolVersion });
    await client.subscribeAsync(own('r/+'), { qos: 2 });
    await arrived(got, 1);
    await client.publishAsync(own('r/1'), 'live', { qos: 1 });
    await arrived(got, 2);
    expect(got.map(({ payload, packet }) => [payload, packet.retain, packet.qos])).toEqual([
      ['new', true, 1],
      ['live', false, 1],
    ]);
    await client.publishAsync(own('r/1'), '', { qos: 1, retain: true });
    const late = await listen({ protocolVersion });
    await late.client.subscribeAsync(own('r/#'), { qos: 1 });
    await sleep(SILENCE_MS);
    expect(late.got).toEqual([]);
  });

  it('a client that is killed leaves its will, one that says goodbye does not', async () => {
    const { client, got } = await listen({ protocolVersion });
    await client.subscribeAsync(own('w/#'), { qos: 1 });
    const willTopic = own('w/gone');
    const polite = await mqttOf(cluster, {
      protocolVersion,
      will: { topic: willTopic, payload: Buffer.from('polite'), qos: 1 },
    });
    await polite.endAsync();
    await sleep(SILENCE_MS);
    expect(payloads(got)).toEqual([]);

    const will = ['--will-topic', willTopic, '--will-payload', 'killed', '--will-qos', '1'];
    const login = ['-p', String(portOf(cluster.endpoints.mqtt)), '-u', cluster.username, '-P', cluster.password];
    const args = ['-h', '127.0.0.1', ...login, '-V', mosquittoVersion, '-d', '-t', own('none'), ...will];
    const child = start('stdbuf', ['-oL', 'mosquitto_sub', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve) =>
      child.stdout!.on('data', (bytes: Buffer) => void (bytes.includes('SUBACK') && resolve())),
    );
    child.kill('SIGKILL');
    await arrived(got, 1);
    expect(payloads(got)).toEqual(['killed']);
  });

  it('a persistent session gets what came while it was away, once, in the order of each topic', async () => {
    const clientId = `sleeper-${protocolVersion}`;
    const session = {
      protocolVersion,
      clientId,
      clean: false,
      ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 600 } } : {}),
    };
    const first = await listen({ ...session, clean: protocolVersion === 5 ? true : false });
    expect(first.sessionPresent).toBe(false);
    await first.client.subscribeAsync({ [own('s/1')]: { qos: 1 }, [own('s/2')]: { qos: 2 } });
    await first.client.endAsync();
    const publisher = await mqttOf(cluster);
    open.push(publisher);
    const sent = Array.from({ length: 50 }, (_, i) => `m${i}`);
    for (const [i, payload] of sent.entries())
      await publisher.publishAsync(own(`s/${1 + (i % 2)}`), payload, { qos: 2 });
    const second = await listen(session);
    expect(second.sessionPresent).toBe(true);
    await arrived(second.got, 50);
    await publisher.publishAsync(own('s/1'), 'live', { qos: 1 });
    await arrived(second.got, 51);
    // of one QoS, so per topic: a client hands on a QoS 2 message one exchange later than a QoS 1 message beside it
    const of = (topic: string): string[] => payloads(second.got.filter((one) => one.topic === own(topic)));
    expect(of('s/1')).toEqual([...sent.filter((_, i) => i % 2 === 0), 'live']);
    expect(of('s/2')).toEqual(sent.filter((_, i) => i % 2 === 1));
    expect(second.got.map(({ packet }) => packet.dup)).not.toContain(true);
    await second.client.endAsync();
    const third = await listen(session);
    await sleep(SILENCE_MS);
    expect(third.got).toEqual([]);
    const fresh = await listen({ ...session, clean: true });
    expect(fresh.sessionPresent).toBe(false);
  });
});

it('$share: three members of both versions share the messages, others get all, a member that goes is not missed', async () => {
  const members = await Promise.all(([4, 5, 5] as const).map((protocolVersion) => listen({ protocolVersion })));
  for (const [i, { client }] of members.entries()) {
    await client.subscribeAsync('$share/group/shared/#', { qos: i as 0 | 1 | 2 });
  }
  const all = await listen();
  await all.client.subscribeAsync('shared/+', { qos: 1 });
  const publish = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from }, (_, i) => all.client.publishAsync('shared/x', `m${from + i}`, { qos: 2 })),
    );
  await publish(0, 90);
  await arrived(all.got, 90);
  const taken = (): string[] => members.flatMap(({ got }) => payloads(got));
  await eventually('90 messages at the members', 60_000, () => taken().length >= 90);
  expect(new Set(taken()).size).toBe(90);
  for (const { got } of members) expect(got.length).toBeGreaterThan(10);
  expect(members.map(({ got }) => new Set(got.map(({ packet }) => packet.qos)))).toEqual(
    [0, 1, 2].map((qos) => new Set([qos])),
  );
  await members[1]!.client.endAsync();
  await publish(90, 120);
  await eventually('the other members get them', 60_000, () => taken().length >= 120);
  await sleep(SILENCE_MS);
  expect(taken().sort()).toEqual(Array.from({ length: 120 }, (_, i) => `m${i}`).sort());
});

it('MQTT 5: properties arrive as sent, overlapping subscriptions deliver once with all identifiers', async () => {
  const { client, got } = await listen();
  await client.subscribeAsync('p/#', { qos: 0, properties: { subscriptionIdentifier: 7 } });
  await client.subscribeAsync('p/+', { qos: 2, properties: { subscriptionIdentifier: 9 } });
  const properties = {
    contentType: 'text/plain',
    responseTopic: 'answers/1',
    correlationData: Buffer.from([0, 1, 255]),
    userProperties: { a: ['1', '2'], b: 'c' },
    payloadFormatIndicator: true,
    messageExpiryInterval: 60,
  };
  const publisher = await listen();
  await publisher.client.publishAsync('p/x', 'payload', { qos: 2, properties });
  await arrived(got, 1);
  await sleep(SILENCE_MS);
  expect(got).toHaveLength(1);
  const { subscriptionIdentifier, ...rest } = got[0]!.packet.properties!;
  expect([subscriptionIdentifier].flat().sort()).toEqual([7, 9]);
  expect({ ...rest, userProperties: { ...rest.userProperties } }).toEqual(properties);
  expect(got[0]!.packet.qos).toBe(2);
});

it('WebSocket: the same messages as over TCP, large ones too', async () => {
  const overWebSocket = await mqttOf(cluster, { webSocket: true });
  open.push(overWebSocket);
  const got: number[] = [];
  overWebSocket.on('message', (_topic, payload) => got.push(payload.length));
  await overWebSocket.subscribeAsync('ws/#', { qos: 2 });
  const { client, got: gotByTcp } = await listen();
  await client.subscribeAsync('ws/#', { qos: 1 });
  const sizes = [0, 1, 127, 16_384, 200_000];
  for (const size of sizes) await overWebSocket.publishAsync('ws/x', Buffer.alloc(size, 'x'), { qos: 2 });
  await arrived(got, sizes.length);
  await arrived(gotByTcp, sizes.length);
  expect(got).toEqual(sizes);
  expect(gotByTcp.map(({ payload }) => payload.length)).toEqual(sizes);
});

it('wrong logins are refused in the words of each version', async () => {
  for (const [protocolVersion, code] of [
    [4, 4],
    [5, 0x86],
  ] as const) {
    await expect(mqttOf(cluster, { protocolVersion, password: 'wrong' })).rejects.toMatchObject({ code });
  }
});
