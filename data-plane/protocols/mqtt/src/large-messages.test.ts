import {
  config,
  CrashingStore,
  FaultyObjectStore,
  MemoryObjectStore,
  settled,
  TestNode,
} from '@robustmq/broker/testing';
import type { IConnectPacket, IPublishPacket, Packet, QoS } from 'mqtt-packet';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MqttServer } from './mqtt-server.ts';
import { FakeClient } from './testing/fake-client.ts';

vi.setConfig({ testTimeout: 60_000 });
/** Claim check: bodies of large messages lie in object storage, and no client can tell. */
const LARGE_BYTES = 1100 * 1024;
const large = (text: string): string => text.padEnd(LARGE_BYTES, '.');

let medium: CrashingStore;
let objects: Map<string, Buffer>;
let cold: FaultyObjectStore;
let node: TestNode;
let server: MqttServer;
/** Begins, or goes on after a loss of power that took what was not flushed. */
async function start(): Promise<void> {
  const runtime = node?.runtime;
  cold = new FaultyObjectStore(new MemoryObjectStore(objects), runtime ?? (await TestNode.start()).runtime);
  node = await TestNode.start(medium, runtime, {
    ...{ objects: cold, claimBytesMin: 1024 * 1024, orphanGraceMs: 0, tailCacheBytesMax: 0 },
  });
  server = new MqttServer({ broker: node.broker, runtime: node.runtime });
}
beforeEach(async () => {
  medium = new CrashingStore();
  objects = new Map();
  await start();
  await node.broker.applyNamespace(config({ topics: [{ name: 'films', partitions: 1 }] }));
});

const bodies = (): string[] => [...objects.keys()].filter((key) => key.includes('/claim/'));
async function turns(): Promise<void> {
  for (let i = 0; i < 12; i++) await settled(node);
}
async function join(
  options: Partial<IConnectPacket> = {},
): Promise<FakeClient & { ask(...p: Packet[]): Promise<Packet[]> }> {
  const client = new FakeClient(server, { turn: () => undefined }, 5);
  const ask = async (...packets: Packet[]): Promise<Packet[]> => {
    client.bytes(client.encode(...packets));
    await turns();
    return client.take();
  };
  const fixed = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clientId: 'c',
    clean: true,
    keepalive: 0,
  } as const;
  client.bytes(client.encode({ ...fixed, ...options }));
  await turns();
  return Object.assign(client, { ask });
}
const publish = (
  topic: string,
  payload: string,
  qos: QoS = 0,
  messageId = 50,
  more: Partial<IPublishPacket> = {},
): Packet => ({ cmd: 'publish', topic, payload, qos, messageId, dup: false, retain: false, ...more }) as IPublishPacket;
const subscribe = (topic: string, qos: QoS): Packet =>
  ({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] }) as Packet;
const short = (packets: Packet[]): string[] =>
  packets.map((p) =>
    p.cmd === 'publish' ? String(p.payload).replace(/\.+$/, '') : `${p.cmd} ${p.messageId ?? ''}`.trim(),
  );
const persistent = { clean: false, properties: { sessionExpiryInterval: 3600 } };

describe('large MQTT messages', () => {
  it('go to object storage first, in the order of the client, whatever comes in the same chunk', async () => {
    const reader = await join({ clientId: 'reader' });
    reader.take();
    await reader.ask(subscribe('films/#', 1));
    const writer = await join({ clientId: 'writer' });
    writer.take();
    const said = await writer.ask(
      publish('films/1', 'a', 1, 1),
      publish('films/1', large('b'), 1, 2),
      publish('films/1', 'c', 1, 3),
      publish('films/1', large('d'), 0),
      publish('films/2', large('e'), 2, 4),
      { cmd: 'pingreq' },
    );
    expect(short(said).filter((one) => one !== 'pingresp')).toEqual(['puback 1', 'puback 2', 'puback 3', 'pubrec 4']);
    expect(short(said)).toContain('pingresp');
    expect(writer.paused).toBe(false);
    expect(bodies()).toHaveLength(3);
    expect(short(reader.take())).toEqual(['a', 'b', 'c', 'd', 'e']);
    const [partition] = node.namespace().topics.get('films')!.partitions;
    expect(partition!.stableOffset).toBe(5);
    expect(partition!.tiers().claims).toHaveLength(3);
    expect(partition!.tiers().warmBytes).toBeLessThan(LARGE_BYTES);
  });

  it('keep all properties, an alias for the topic too, and are refused as any other', async () => {
    const reader = await join({ clientId: 'reader' });
    reader.take();
    await reader.ask(subscribe('#', 1));
    const writer = await join({ clientId: 'writer' });
    writer.take();
    const properties = {
      ...{ topicAlias: 3, contentType: 'film', correlationData: Buffer.from('correlated') },
      userProperties: { one: 'two' },
    };
    await writer.ask(publish('films/1', large('b'), 1, 2, { properties }));
    await writer.ask(publish('', large('c'), 1, 3, { properties: { topicAlias: 3 } }));
    const [first, second] = reader.take() as IPublishPacket[];
    expect(first!.properties).toMatchObject({ contentType: 'film', correlationData: Buffer.from('correlated') });
    expect({ ...first!.properties!.userProperties }).toEqual({ one: 'two' });
    expect([first!.topic, second!.topic]).toEqual(['films/1', 'films/1']);
    expect(bodies()).toHaveLength(2);
    await node.broker.applyNamespace(
      config({ quotas: { ...node.broker.byId('ns')!.record.quotas, messageSizeBytesMax: 1024 * 1024 } }),
    );
    expect(await writer.ask(publish('films/1', large('x'), 1, 4))).toMatchObject([
      { cmd: 'disconnect', reasonCode: 0x95 },
    ]);
    expect(bodies()).toHaveLength(2);
  });

  it('are owed to sleeping sessions, over a restart, and their bodies go when nobody needs them any more', async () => {
    const sleeper = await join({ clientId: 'sleeper', ...persistent });
    await sleeper.ask(subscribe('news/#', 1));
    sleeper.destroy();
    const writer = await join({ clientId: 'writer' });
    writer.take();
    expect(short(await writer.ask(publish('news/1', large('n'), 1, 7), publish('news/1', 'm', 1, 8)))).toEqual([
      'puback 7',
      'puback 8',
    ]);
    // nobody is owed this one: it is not stored at all
    await writer.ask(publish('unheard/1', large('u'), 1, 9));
    expect(bodies()).toHaveLength(1);
    medium = await medium.crash(() => 0);
    await start();
    const back = await join({ clientId: 'sleeper', ...persistent });
    await turns();
    const got = back.take().filter((one) => one.cmd === 'publish');
    expect(short(got)).toEqual(['n', 'm']);
    // a look at the store while both are owed must not be the last one
    node.broker.sweep();
    await turns();
    for (const { messageId } of got) if (messageId !== undefined) await back.ask({ cmd: 'puback', messageId });
    node.broker.sweep();
    await turns();
    await node.journal.runTiering(node.runtime.nowMs());
    expect(bodies()).toEqual([]);
  });

  it('wait for object storage in bounded memory: more of them go through the log', async () => {
    cold.faults = { ...cold.faults, delayMsMax: 1e9 };
    const writers: FakeClient[] = [];
    for (let i = 0; i < 12; i++) writers.push(await join({ clientId: `w${i}` }));
    const packet = writers[0]!.encode(publish('films/1', 'x'.repeat(15 * 1024 * 1024), 1, 1));
    for (const writer of writers) {
      writer.take();
      writer.bytes(packet);
    }
    for (let i = 0; i < 3; i++) await settled(node);
    // 256 MiB, two copies of each
    expect(writers.map(({ paused }) => paused)).toEqual(writers.map((_, i) => i < 8));
    expect(writers.map((writer) => short(writer.take()).length)).toEqual(writers.map((_, i) => (i < 8 ? 0 : 1)));
  });

  it('go through the log when object storage does not answer', async () => {
    cold.faults = { ...cold.faults, errorBeforeChance: 1 };
    const reader = await join({ clientId: 'reader' });
    reader.take();
    await reader.ask(subscribe('films/#', 1));
    const writer = await join({ clientId: 'writer' });
    writer.take();
    expect(short(await writer.ask(publish('films/1', large('a'), 1, 1), publish('films/1', 'b', 1, 2)))).toEqual([
      'puback 1',
      'puback 2',
    ]);
    expect(short(reader.take())).toEqual(['a', 'b']);
    expect(bodies()).toEqual([]);
  });

  it('killed between the upload and the log: nothing was acknowledged, nothing is there, no body stays', async () => {
    const writer = await join({ clientId: 'writer', ...persistent });
    writer.take();
    writer.bytes(writer.encode(publish('films/1', large('a'), 2, 1)));
    while (bodies().length === 0) await new Promise(setImmediate);
    medium = await medium.crash(() => 0);
    expect(writer.take()).toEqual([]);
    await start();
    expect(node.namespace().topics.get('films')!.partitions[0]!.endOffset).toBe(0);
    const again = await join({ clientId: 'writer', ...persistent });
    again.take();
    expect(short(await again.ask(publish('films/1', large('a'), 2, 1, { dup: true })))).toEqual(['pubrec 1']);
    await node.journal.runTiering(node.runtime.nowMs());
    const [partition] = node.namespace().topics.get('films')!.partitions;
    expect(partition!.endOffset).toBe(1);
    expect(bodies()).toEqual(partition!.tiers().claims.map(({ key }) => key));
    await node.namespace().topics.remove('films');
    expect(bodies()).toEqual([]);
  });
});
