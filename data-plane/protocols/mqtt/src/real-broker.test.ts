import { config, credential, settled, TestNode } from '@robustmq/broker/testing';
import type { IConnectPacket, IPublishPacket, Packet, QoS } from 'mqtt-packet';
import { beforeEach, describe, expect, it } from 'vitest';
import { MqttServer } from './mqtt-server.ts';
import { FakeClient } from './testing/fake-client.ts';

/** The same conversations with the broker itself: journal, meta and inboxes over a store in memory. */
let node: TestNode;
let server: MqttServer;
async function start(store?: TestNode['store']): Promise<void> {
  node = await TestNode.start(store);
  server = new MqttServer({ broker: node.broker, runtime: node.runtime });
}
beforeEach(async () => {
  await start();
  const topics = [{ name: 'sensors', partitions: 1 }];
  await node.broker.applyNamespace(config({ topics, credentials: [credential('ann', 'secret')] }));
});

const turns = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await settled(node);
};
type Client = FakeClient & { ask(...packets: Packet[]): Promise<Packet[]> };
async function join(options: Partial<IConnectPacket> & { version?: 4 | 5 } = {}): Promise<[Client, Packet[]]> {
  const { version = 5, ...rest } = options;
  const client = new FakeClient(server, { turn: () => undefined }, version);
  const ask = async (...packets: Packet[]): Promise<Packet[]> => {
    client.bytes(client.encode(...packets));
    await turns();
    return client.take();
  };
  const connect: IConnectPacket = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: version,
    clientId: 'c',
    clean: true,
    keepalive: 0,
    ...rest,
  };
  return [Object.assign(client, { ask }), await ask(connect)];
}
const publish = (topic: string, payload: string, qos: QoS = 0, more: Partial<IPublishPacket> = {}): IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload,
  qos,
  messageId: 50,
  dup: false,
  retain: false,
  ...more,
});
const subscribe = (topic: string, qos: QoS, more: object = {}): Packet =>
  ({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos, ...more }] }) as Packet;
const payloads = (packets: Packet[]) => packets.map((p) => (p.cmd === 'publish' ? String(p.payload) : p.cmd));

describe('with the real broker', () => {
  it('lets in by password, with the right code when not', async () => {
    const [, yes] = await join({ username: 'ann', password: Buffer.from('secret') });
    expect(yes).toMatchObject([{ cmd: 'connack', reasonCode: 0 }]);
    for (const [version, code] of [
      [5, { reasonCode: 0x86 }],
      [4, { returnCode: 4 }],
    ] as const) {
      const [client, no] = await join({ version, username: 'ann', password: Buffer.from('wrong') });
      expect(no).toMatchObject([code]);
      expect(client.closed).toBe('end');
    }
  });

  it('captures a QoS 1 publish, acknowledges it when stable, and counts both ways', async () => {
    const [client] = await join();
    await client.ask(subscribe('sensors/+/temp', 1));
    const got = await client.ask(publish('sensors/1/temp', '21', 1));
    expect(payloads(got).sort()).toEqual(['21', 'puback']);
    const topic = node.namespace().topics.get('sensors')!;
    expect(topic.partitions[0]!.stableOffset).toBe(1);
  });

  it('QoS 2 both ways, exactly once', async () => {
    const [client] = await join();
    await client.ask(subscribe('#', 2));
    const got = await client.ask(publish('x', 'once', 2), publish('x', 'once', 2, { dup: true }));
    expect(payloads(got).sort()).toEqual(['once', 'pubrec', 'pubrec']);
    expect(payloads(await client.ask({ cmd: 'pubrel', messageId: 50 }))).toEqual(['pubcomp']);
    const id = got.find((p) => p.cmd === 'publish')!.messageId!;
    expect(payloads(await client.ask({ cmd: 'pubrec', messageId: id }))).toEqual(['pubrel']);
    expect(await client.ask({ cmd: 'pubcomp', messageId: id })).toEqual([]);
  });

  it('retained messages follow the SUBACK; an empty one clears', async () => {
    const [client] = await join();
    await client.ask(publish('r/1', 'kept', 1, { retain: true }));
    const got = await client.ask(subscribe('r/#', 1));
    expect(payloads(got)).toEqual(['suback', 'kept']);
    expect(got[1]).toMatchObject({ retain: true, qos: 1 });
    await client.ask(publish('r/1', '', 1, { retain: true }));
    expect(payloads(await client.ask(subscribe('r/#', 1)))).toEqual(['suback']);
  });

  it('shares runs over a group, each message once', async () => {
    const members: Client[] = [];
    for (const version of [4, 5] as const) {
      const [client] = await join({ version, clientId: `m${version}` });
      await client.ask(subscribe('$share/g/s', 1));
      members.push(client);
    }
    const [writer] = await join({ clientId: 'w' });
    await writer.ask(...Array.from({ length: 10 }, (_, i) => publish('s', `${i}`, 1, { messageId: i + 1 })));
    const got = members.map((client) => payloads(client.take()));
    expect(got.every((list) => list.length > 0)).toBe(true);
    expect(got.flat().sort()).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
  });

  it('no-local, subscription identifiers and the will', async () => {
    const will = { topic: 'w', payload: Buffer.from('bye'), qos: 1 as const, retain: false };
    const [dying] = await join({ clientId: 'dying', will });
    await dying.ask(subscribe('#', 1, { nl: true }));
    expect(payloads(await dying.ask(publish('own', 'x', 1)))).toEqual(['puback']);
    const [other] = await join({ clientId: 'other' });
    await other.ask({ ...subscribe('w', 1), properties: { subscriptionIdentifier: 5 } } as Packet);
    dying.cut();
    await turns();
    expect(other.take()).toMatchObject([
      { topic: 'w', payload: Buffer.from('bye'), properties: { subscriptionIdentifier: 5 } },
    ]);
  });

  it('a take-over ends the older connection and keeps the session', async () => {
    const options = { clientId: 'same', clean: false, properties: { sessionExpiryInterval: 100 } };
    const [first] = await join(options);
    const [, connack] = await join(options);
    expect(connack).toMatchObject([{ sessionPresent: true }]);
    expect(first.take()).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x8e }]);
  });
});

describe('a persistent session of the real broker', () => {
  const options = { clientId: 'p', clean: false, properties: { sessionExpiryInterval: 1000 } };
  it('gets what it missed in order, and what it did not acknowledge again, with DUP and the same id', async () => {
    const [reader] = await join(options);
    await reader.ask(subscribe('in/#', 1));
    reader.cut();
    const [writer] = await join({ clientId: 'w' });
    const acks = await writer.ask(
      ...Array.from({ length: 5 }, (_, i) => publish('in/x', `${i}`, 1, { messageId: i + 1 })),
    );
    expect(payloads(acks)).toEqual(Array.from({ length: 5 }, () => 'puback'));
    const [again, first] = await join(options);
    expect(first[0]).toMatchObject({ cmd: 'connack', sessionPresent: true });
    expect(payloads(first.slice(1))).toEqual(['0', '1', '2', '3', '4']);
    await again.ask({ cmd: 'puback', messageId: first[2]!.messageId! });
    again.cut();
    const [, second] = await join(options);
    expect(payloads(second.slice(1))).toEqual(['0', '2', '3', '4']);
    expect(second.slice(1).every((p) => (p as IPublishPacket).dup)).toBe(true);
    expect(second[1]!.messageId).toBe(first[1]!.messageId);
  });

  it('survives a restart of the node: subscriptions, messages, and QoS 2 state both ways', async () => {
    const [reader] = await join(options);
    await reader.ask(subscribe('in/#', 2));
    const [writer] = await join({ ...options, clientId: 'w' });
    await writer.ask(publish('in/x', 'one', 2, { messageId: 1 }), publish('in/x', 'two', 2, { messageId: 2 }));
    const [one] = reader.take();
    await reader.ask({ cmd: 'pubrec', messageId: one!.messageId! });
    server.close();
    await turns();
    await start(node.store);
    const [writerAgain] = await join({ ...options, clientId: 'w' });
    await writerAgain.ask(publish('in/x', 'one', 2, { messageId: 1, dup: true })); // stored before, PUBREC lost
    const [, owed] = await join(options);
    expect(owed.slice(1).map((p) => [p.cmd, p.cmd === 'publish' ? String(p.payload) : p.messageId])).toEqual([
      ['pubrel', one!.messageId],
      ['publish', 'two'],
    ]);
  });
});
