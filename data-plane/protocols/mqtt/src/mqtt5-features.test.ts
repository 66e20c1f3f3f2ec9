import type { IPublishPacket, Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { connackReason, disconnectReason, FAULTS, REFUSAL_REASONS } from './reason-codes.ts';
import type { FaultCode } from './reason-codes.ts';
import { lasting, publish, RealWorld, settingsWith, subscribe, told } from './testing/real-world.ts';
import { setUp } from './testing/set-up.ts';

const publishes = (packets: readonly Packet[]) => packets.filter((p): p is IPublishPacket => p.cmd === 'publish');
const propertiesOf = (packet: Packet | undefined) =>
  (packet as { properties?: Record<string, unknown> }).properties ?? {};

describe('topic aliases towards a client', () => {
  const LONG = ['devices/one/temperature', 'devices/two/temperature', 'devices/three/temperature'];
  it(
    '[MQTT-3.1.2-26] [MQTT-3.3.2-11] ' + 'are set once per topic and then stand for it, as many as the client allows',
    async () => {
      const world = await RealWorld.start();
      const reader = await world.join({ properties: { topicAliasMaximum: 2 } });
      await reader.ask(subscribe('#', 1));
      const writer = await world.join({ version: 4 });
      const got: [string, unknown][] = [];
      for (const topic of [...LONG, ...LONG]) {
        await writer.ask(publish(topic, topic, 1));
        const [packet] = publishes(reader.take());
        got.push([packet!.topic, propertiesOf(packet)['topicAlias']]);
        expect(String(packet!.payload)).toBe(topic);
      }
      expect(got).toEqual([
        [LONG[0], 1],
        [LONG[1], 2],
        [LONG[2], undefined],
        ['', 1],
        ['', 2],
        [LONG[2], undefined],
      ]);
    },
  );
  it('[MQTT-3.1.2-27] are never used with a client that allows none, of any version', async () => {
    const world = await RealWorld.start();
    for (const options of [{}, { properties: { topicAliasMaximum: 0 } }, { version: 4 as const }]) {
      const reader = await world.join(options);
      await reader.ask(subscribe('#', 1));
      const writer = await world.join();
      await writer.ask(publish(LONG[0]!, 'x', 0), publish(LONG[0]!, 'y', 1));
      const got = publishes(reader.take());
      expect(got.map((p) => [p.topic, propertiesOf(p)['topicAlias']])).toEqual([1, 2].map(() => [LONG[0], undefined]));
      reader.cut();
    }
  });
  it('end with the connection and go together with properties, QoS 2, inboxes and expiry', async () => {
    const world = await RealWorld.start();
    const options = { ...lasting(5, 's'), properties: { sessionExpiryInterval: 100, topicAliasMaximum: 9 } };
    const reader = await world.join(options);
    await reader.ask(subscribe('#', 2, {}, { subscriptionIdentifier: 4 }));
    const writer = await world.join();
    const properties = { contentType: 'c', messageExpiryInterval: 60 };
    await writer.ask(
      publish(LONG[0]!, '1', 2, { properties }),
      publish(LONG[0]!, '2', 2, { messageId: 9, properties }),
    );
    const aliased = publishes(reader.take());
    expect(aliased.map((p) => [p.topic, propertiesOf(p)])).toEqual([
      [LONG[0], { ...properties, topicAlias: 1, subscriptionIdentifier: 4 }],
      ['', { ...properties, topicAlias: 1, subscriptionIdentifier: 4 }],
    ]);
    reader.cut();
    const again = publishes((await world.join(options)).take());
    expect(again.map((p) => [p.topic, p.dup])).toEqual([
      [LONG[0], true],
      ['', true],
    ]);
  });
  it('are left to messages that are written at once: what waits carries its topic', () => {
    const { join } = setUp();
    const reader = join({ version: 5, properties: { topicAliasMaximum: 9, receiveMaximum: 1 } });
    reader.send(subscribe('#', 1));
    const writer = join({ version: 5 });
    for (const i of [1, 2, 3]) writer.send(publish(LONG[0]!, `${i}`, 1, { messageId: i }));
    const seen: [string, unknown][] = [];
    for (
      let got = reader.take();
      got.length > 0;
      got = reader.send({ cmd: 'puback', messageId: got[0]!.messageId } as Packet)
    ) {
      for (const packet of publishes(got)) seen.push([packet.topic, propertiesOf(packet)['topicAlias']]);
    }
    expect(seen).toEqual([
      [LONG[0], 1],
      [LONG[0], undefined],
      [LONG[0], undefined],
    ]);
  });
});

describe('what CONNACK tells', () => {
  it('[MQTT-3.1.2-28] Response Information, to those who ask', async () => {
    const world = await RealWorld.start();
    const told = async (options: object) => propertiesOf((await world.join(options)).connack)['responseInformation'];
    expect(await told({ clientId: 'c', properties: { requestResponseInformation: true } })).toBe('responses/c');
    expect(await told({ clientId: 'd', properties: { requestResponseInformation: false } })).toBeUndefined();
    expect(await told({ clientId: 'e' })).toBeUndefined();
    expect(await told({ clientId: 'f/#', properties: { requestResponseInformation: true } })).toBeUndefined();
  });
  it('the keep-alive and session expiry that the cluster grants, which then hold', async () => {
    const mqtt = { keepAliveSecondsMax: 30, sessionExpirySecondsMax: 50 };
    const world = await RealWorld.start(await settingsWith({ mqtt }));
    const { connack } = await world.join({
      keepalive: 600,
      clientId: 's',
      properties: { sessionExpiryInterval: 1_000 },
    });
    expect(connack.properties).toMatchObject({ serverKeepAlive: 30, sessionExpiryInterval: 50 });
    const granted = await world.join({ keepalive: 20, properties: { sessionExpiryInterval: 10 } });
    expect(granted.connack.properties).not.toHaveProperty('serverKeepAlive');
    expect(granted.connack.properties).not.toHaveProperty('sessionExpiryInterval');
    await world.advance(47_000);
    await world.advance(60_000);
    expect((await world.join(lasting(5, 's'))).connack.sessionPresent).toBe(false);
  });
  it('[MQTT-3.1.2-24] no more than the client can take, and nothing at all when even the least is too much', async () => {
    const world = await RealWorld.start();
    const small = await world.join({ properties: { maximumPacketSize: 24 } });
    expect(small.raw.length).toBeLessThanOrEqual(24);
    const tiny = world.dial(5);
    const got = await tiny.ask(world.connectPacket({ clientId: '', properties: { maximumPacketSize: 20 } }));
    expect(got).toMatchObject([{ cmd: 'connack', reasonCode: 0x95 }]);
    expect(tiny.raw.length).toBeLessThanOrEqual(20);
    const wide = await world.join({ properties: { maximumPacketSize: 40 } });
    const subscriptions = Array.from({ length: 60 }, (_, i) => ({ topic: `t${i}`, qos: 0 as const }));
    expect(await wide.ask({ cmd: 'subscribe', messageId: 1, subscriptions })).toMatchObject([{ reasonCode: 0x95 }]);
  });
});

describe('sending clients elsewhere', () => {
  it.each([
    [false, 0x9c],
    [true, 0x9d],
  ] as const)('permanent %s: reason 0x%x and the Server Reference', async (permanent, reasonCode) => {
    const world = await RealWorld.start();
    const [v5, v4] = [await world.join(lasting(5, 's')), await world.join({ version: 4 })];
    await v5.ask(subscribe('a', 1));
    const reference = 'node2.example:1883 node3.example';
    world.server.redirect({ reference, permanent });
    await world.settle();
    expect(v5.take()).toMatchObject([{ cmd: 'disconnect', reasonCode, properties: { serverReference: reference } }]);
    expect([v5.closed, v4.closed, v4.take()]).toEqual(['end', 'end', []]);
    expect(await world.dial(5).ask(world.connectPacket())).toMatchObject([
      { cmd: 'connack', reasonCode, properties: { serverReference: reference } },
    ]);
    expect(await world.dial(4).ask(world.connectPacket({ version: 4 }))).toMatchObject([
      { cmd: 'connack', returnCode: 3 },
    ]);
    world.server.redirect(null);
    expect((await world.join(lasting(5, 's'))).connack.sessionPresent).toBe(true);
  });
});

describe('answers to publishes', () => {
  it('say 0x10 to MQTT 5 when nobody is there, and nothing of it to 3.1.1', async () => {
    const world = await RealWorld.start();
    const writer = await world.join();
    const reasons = async () => {
      const got = await writer.ask(publish('a', 'x', 1), publish('a', 'y', 2, { messageId: 51 }));
      return got.map((p) => (p as { reasonCode?: number }).reasonCode ?? 0);
    };
    expect(await reasons()).toEqual([0x10, 0x10]);
    expect(told(await writer.ask({ cmd: 'pubrel', messageId: 51 }))).toEqual(['pubcomp']);
    const reader = await world.join();
    await reader.ask(subscribe('a', 0));
    expect(await reasons()).toEqual([0, 0]);
    const old = await world.join({ version: 4 });
    expect(old.raw.length).toBe(4);
    await old.ask(publish('nobody', 'x', 1));
    expect(old.raw.length).toBe(8);
  });

  it('[MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.1.2-29] say why in words where that is wanted and fits', async () => {
    const world = await RealWorld.start(await settingsWith({ acl: { whenNoRuleMatches: 'deny', rules: [] } }));
    const refused = async (properties: object) => {
      const writer = await world.join({ properties });
      const got = await writer.ask(publish('a', 'x', 1), publish('a', 'y', 2, { messageId: 51 }));
      expect(got).toMatchObject([
        { cmd: 'puback', reasonCode: 0x87 },
        { cmd: 'pubrec', reasonCode: 0x87 },
      ]);
      return got.map((p) => typeof propertiesOf(p)['reasonString']);
    };
    expect(await refused({})).toEqual(['string', 'string']);
    expect(await refused({ requestProblemInformation: false })).toEqual(['undefined', 'undefined']);
    expect(await refused({ maximumPacketSize: 50 })).toEqual(['undefined', 'undefined']);
  });

  it('refuse text that is no UTF-8 with 0x99, drop it at QoS 0, and leave everything else alone', async () => {
    const world = await RealWorld.start();
    const client = await world.join();
    await client.ask(subscribe('a', 2));
    const text = { properties: { payloadFormatIndicator: true } };
    const bad = Buffer.from([0x61, 0xff]);
    const send = (payload: Buffer | string, qos: 0 | 1 | 2, messageId: number, more: object = text) =>
      publish('a', payload as string, qos, { ...more, ...(qos === 0 ? {} : { messageId }) });
    const got = await client.ask(
      send('ok', 1, 1),
      send(bad, 1, 2),
      send(bad, 2, 3),
      send(bad, 0, 0),
      send(bad, 0, 0, {}),
      send('\0', 0, 0),
    );
    expect(got.filter((p) => p.cmd !== 'publish')).toMatchObject([
      { cmd: 'puback', messageId: 1 },
      { cmd: 'puback', messageId: 2, reasonCode: 0x99 },
      { cmd: 'pubrec', messageId: 3, reasonCode: 0x99 },
    ]);
    expect(publishes(got).map((p) => p.payload)).toEqual(
      expect.arrayContaining([Buffer.from('ok'), bad, Buffer.of(0)]),
    );
    expect(publishes(got)).toHaveLength(3);
    const will = { topic: 'w', payload: bad, qos: 0 as const, retain: false, ...text };
    expect(await world.dial(5).ask(world.connectPacket({ will }))).toMatchObject([
      { cmd: 'connack', reasonCode: 0x99 },
    ]);
  });
});

describe('a certificate of the client', () => {
  it('is its proof when there is no password', () => {
    const { broker, dial, connectPacket } = setUp();
    const certificate = Buffer.from('der');
    for (const login of [{}, { username: 'u' }, { username: 'u', password: Buffer.from('p') }]) {
      const client = dial(5);
      client.clientCertificate = certificate;
      client.send(connectPacket({ version: 5, ...login }));
    }
    const proof = { kind: 'x509', certificate };
    expect(broker.admitted.map((request) => request.proof)).toEqual([proof, proof, undefined]);
  });
});

describe('reason codes', () => {
  const codes = Object.keys(FAULTS) as FaultCode[];
  it('[MQTT-3.2.2-8] of CONNACK are of its table', () => {
    const table = [
      0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c,
      0x9d, 0x9f,
    ];
    expect(codes.filter((code) => !table.includes(connackReason(code)))).toEqual([]);
  });
  it('[MQTT-3.14.2-1] of DISCONNECT are of its table', () => {
    const table = [
      0x80,
      0x81,
      0x82,
      0x83,
      0x87,
      0x89,
      0x8b,
      0x8d,
      0x8e,
      0x8f,
      0x90,
      ...Array.from({ length: 16 }, (_, i) => 0x93 + i),
    ];
    expect(codes.filter((code) => !table.includes(disconnectReason(code)))).toEqual([]);
  });
  it('[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.9.3-2] of PUBACK, PUBREC and SUBACK are of theirs', () => {
    const reasons = Object.values(REFUSAL_REASONS);
    const publishing = [null, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    const subscribing = [0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
    expect(reasons.filter(({ publish: code }) => !publishing.includes(code))).toEqual([]);
    expect(reasons.filter(({ subscribe: code }) => !subscribing.includes(code))).toEqual([]);
  });
});
