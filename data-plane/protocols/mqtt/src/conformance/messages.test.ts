import type { IPublishPacket, Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { lasting, publish, RealWorld, subscribe, told } from '../testing/real-world.ts';

const VERSIONS = [4, 5] as const;
const many = (qos: 0 | 1 | 2, count: number, topic = 'a'): IPublishPacket[] =>
  Array.from({ length: count }, (_, i) => publish(topic, `${i}`, qos, qos === 0 ? {} : { messageId: i + 1 }));
const answer = (cmd: 'puback' | 'pubrec' | 'pubcomp', packets: readonly Packet[], reasonCode?: number): Packet[] =>
  packets.map(({ messageId }) => ({ cmd, messageId, ...(reasonCode === undefined ? {} : { reasonCode }) }) as Packet);
const publishes = (packets: readonly Packet[]) => packets.filter((p): p is IPublishPacket => p.cmd === 'publish');

describe.each(VERSIONS)('what a client of level %s publishes', (version) => {
  it(
    '[MQTT-3.3.4-1] [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] ' +
      '[MQTT-3.7.2-1] [MQTT3-3.3.4-1] [MQTT3-2.3.1-6] [MQTT3-2.3.1-1] ' +
      'is answered as its QoS says, with its id',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version });
      expect(await client.ask(publish('a', 'x', 0))).toEqual([]);
      expect(await client.ask(publish('a', 'x', 1, { messageId: 7 }))).toMatchObject([{ cmd: 'puback', messageId: 7 }]);
      expect(await client.ask(publish('a', 'x', 2, { messageId: 8 }))).toMatchObject([{ cmd: 'pubrec', messageId: 8 }]);
      expect(await client.ask({ cmd: 'pubrel', messageId: 8 })).toMatchObject([{ cmd: 'pubcomp', messageId: 8 }]);
      const [unknown] = await client.ask({ cmd: 'pubrel', messageId: 9 });
      expect(unknown).toMatchObject({ cmd: 'pubcomp', messageId: 9, ...(version === 5 ? { reasonCode: 0x92 } : {}) });
    },
  );

  it('[MQTT-4.3.2-5] [MQTT3-4.3.2-2] an acknowledged QoS 1 id means a new message, whatever DUP says', async () => {
    const world = await RealWorld.start();
    const client = await world.join({ version });
    await client.ask(subscribe('a', 0));
    await client.ask(publish('a', '1', 1));
    const again = await client.ask(publish('a', '2', 1, { dup: true }));
    expect(told(again).sort()).toEqual(['2', 'puback']);
  });

  it(
    '[MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT-4.3.3-12] [MQTT3-4.3.3-2] ' +
      'a QoS 2 id is one message until PUBREL and a new one after PUBCOMP',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version });
      await client.ask(subscribe('a', 0));
      await client.ask(publish('a', 'once', 2));
      expect(told(await client.ask(publish('a', 'once', 2, { dup: true })))).toEqual(['pubrec']);
      expect(told(await client.ask({ cmd: 'pubrel', messageId: 50 }))).toEqual(['pubcomp']);
      expect(told(await client.ask(publish('a', 'next', 2))).sort()).toEqual(['next', 'pubrec']);
    },
  );

  it(
    '[MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT-4.6.0-4] [MQTT3-4.6.0-2] [MQTT3-4.6.0-3] [MQTT3-4.6.0-4] ' +
      'is acknowledged in its order, and PUBRELs follow the order of PUBRECs',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version });
      await client.ask(subscribe('b', 2));
      for (const [qos, cmd] of [
        [1, 'puback'],
        [2, 'pubrec'],
      ] as const) {
        const ids = [5, 3, 9, 1, 7];
        const got = await client.ask(...ids.map((messageId, i) => publish(i % 2 ? 'a' : 'c', 'x', qos, { messageId })));
        expect(got.map((p) => [p.cmd, p.messageId])).toEqual(ids.map((id) => [cmd, id]));
      }
      const writer = await world.join();
      await writer.ask(...many(2, 3, 'b'));
      const got = client.take();
      const rels = await client.ask(...answer('pubrec', [got[2]!, got[0]!, got[1]!]));
      expect(rels.map((p) => p.messageId)).toEqual([got[2]!, got[0]!, got[1]!].map((p) => p.messageId));
    },
  );

  it('[MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT3-4.6.0-5] [MQTT3-4.6.0-6] arrives in its order per topic and QoS', async () => {
    const world = await RealWorld.start();
    for (const reader of [await world.join({ version }), await world.join(lasting(version, 's'))]) {
      const topic = reader.connack.sessionPresent ? 'p' : 'q';
      await reader.ask(subscribe(topic, 2));
      const writer = await world.join({ version });
      for (const qos of [0, 1, 2] as const) {
        await writer.ask(...many(qos, 100, topic));
        let got = publishes(reader.take());
        const seen = told(got);
        for (; got.length > 0; seen.push(...told(got))) {
          if (qos === 0) break;
          const next = await reader.ask(...answer(qos === 1 ? 'puback' : 'pubrec', got));
          got = publishes(next);
        }
        expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `${i}`));
      }
    }
  });

  it(
    '[MQTT-3.3.1-5] [MQTT-3.3.1-8] [MQTT-3.3.1-9] [MQTT3-3.3.1-5] [MQTT3-3.3.1-6] [MQTT3-3.3.1-7] ' +
      '[MQTT3-3.3.1-8] [MQTT3-3.3.1-12] ' +
      'is retained with the flag, replaced by the next one, untouched by others',
    async () => {
      const world = await RealWorld.start();
      const writer = await world.join({ version });
      const retained = async () => publishes(await (await world.join({ version })).ask(subscribe('r/#', 2)));
      await writer.ask(publish('r/1', 'old', 1, { retain: true }));
      await writer.ask(publish('r/1', 'live', 1));
      expect(await retained()).toMatchObject([{ topic: 'r/1', payload: Buffer.from('old'), qos: 1, retain: true }]);
      await writer.ask(publish('r/1', 'new', 0, { retain: true }), publish('r/2', 'two', 2, { retain: true }));
      expect((await retained()).map((p) => [String(p.payload), p.qos]).sort()).toEqual([
        ['new', 0],
        ['two', 2],
      ]);
    },
  );

  it(
    '[MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT3-3.3.1-10] [MQTT3-3.3.1-11] ' +
      'an empty retained message is delivered, removes what was retained and is not kept',
    async () => {
      const world = await RealWorld.start();
      const writer = await world.join({ version });
      await writer.ask(publish('r', 'kept', 1, { retain: true }), subscribe('r', 0));
      writer.take();
      expect(told(await writer.ask(publish('r', '', 0, { retain: true })))).toEqual(['']);
      expect(told(await (await world.join({ version })).ask(subscribe('r', 0)))).toEqual(['suback']);
      await world.restart();
      expect(told(await (await world.join({ version })).ask(subscribe('r', 0)))).toEqual(['suback']);
    },
  );

  it(
    '[MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT3-3.3.2-2] [MQTT3-4.7.1-1] [MQTT-3.3.2-1] [MQTT3-3.3.2-1] ' +
      'has a name without wildcards, in UTF-8',
    async () => {
      const world = await RealWorld.start();
      for (const topic of ['01 2b', '01 23', '03 612f2b', '01 ff', '01 00', '00']) {
        const client = await world.join({ version });
        const body = `00 ${topic} ${version === 5 ? '00' : ''}`.replaceAll(' ', '');
        await client.hex(`30 ${(body.length / 2).toString(16).padStart(2, '0')} ${body}`);
        expect(client.closed).toBe('end');
      }
    },
  );
  it('[MQTT-4.7.3-3] [MQTT3-4.7.3-3] may have names of 65535 bytes', async () => {
    const world = await RealWorld.start();
    const client = await world.join({ version });
    const topic = 'x'.repeat(65_535);
    expect(await client.ask(subscribe(topic, 0))).toMatchObject([{ cmd: 'suback', granted: [0] }]);
    expect(await client.ask(publish(topic, 'long'))).toMatchObject([{ cmd: 'publish', topic }]);
  });
});

describe.each(VERSIONS)('what a client of level %s receives', (version) => {
  it(
    '[MQTT-4.3.1-1] [MQTT-3.3.1-2] [MQTT-3.3.1-3] [MQTT-2.2.1-2] [MQTT-4.3.2-2] [MQTT-4.3.3-2] ' +
      '[MQTT3-4.3.1-1] [MQTT3-3.3.1-2] [MQTT3-3.3.1-3] [MQTT3-2.3.1-5] ' +
      'comes first without DUP, whatever its publisher set, and QoS 0 without an id',
    async () => {
      const world = await RealWorld.start();
      const reader = await world.join({ version });
      await reader.ask(subscribe('a', 2));
      const writer = await world.join();
      await writer.ask(
        publish('a', '0', 0),
        publish('a', '1', 1, { dup: true }),
        publish('a', '2', 2, { dup: true, messageId: 3 }),
      );
      const got = publishes(reader.take());
      expect(got.map((p) => [p.qos, p.dup, p.messageId !== undefined])).toEqual([
        [0, false, false],
        [1, false, true],
        [2, false, true],
      ]);
    },
  );

  it(
    '[MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT3-2.3.1-4] [MQTT3-4.3.2-1] ' +
      'has ids that are not in use and not 0',
    async () => {
      const world = await RealWorld.start();
      const reader = await world.join({ version });
      await reader.ask(subscribe('a', 2));
      const writer = await world.join({ version: 4 });
      await writer.ask(...many(1, 50));
      const open = publishes(reader.take());
      await reader.ask(...answer('puback', open.slice(0, 25)));
      await writer.ask(...many(2, 50));
      const ids = [...open.slice(25), ...publishes(reader.take())].map((p) => p.messageId!);
      expect(new Set(ids).size).toBe(75);
      expect(ids).not.toContain(0);
    },
  );

  it('[MQTT-4.3.3-4] [MQTT-3.6.2-1] QoS 2 goes on with PUBREL of the same id', async () => {
    const world = await RealWorld.start();
    const reader = await world.join({ version });
    await reader.ask(subscribe('a', 2));
    await (await world.join()).ask(publish('a', 'x', 2));
    const got = reader.take();
    expect(await reader.ask(...answer('pubrec', got))).toMatchObject([{ cmd: 'pubrel', messageId: got[0]!.messageId }]);
    expect(await reader.ask(...answer('pubcomp', got))).toEqual([]);
    const [unknown] = await reader.ask({ cmd: 'pubrec', messageId: 999 } as Packet);
    expect(unknown).toMatchObject({ cmd: 'pubrel', messageId: 999, ...(version === 5 ? { reasonCode: 0x92 } : {}) });
  });

  it(
    '[MQTT-3.3.4-2] [MQTT-3.3.4-4] [MQTT-3.8.4-8] [MQTT3-3.3.5-1] [MQTT3-3.8.4-6] [MQTT-3.3.2-3] ' +
      '[MQTT3-3.3.2-3] is one copy at the highest QoS of what matches, never above its own',
    async () => {
      const world = await RealWorld.start();
      const reader = await world.join({ version });
      for (const [filter, qos] of [
        ['a/#', 0],
        ['a/+', 2],
        ['+/b', 1],
      ] as const)
        await reader.ask(subscribe(filter, qos));
      const writer = await world.join();
      await writer.ask(...([0, 1, 2] as const).map((qos) => publish('a/b', `${qos}`, qos, { messageId: qos + 1 })));
      await writer.ask(publish('a/b/c', 'low', 2, { messageId: 9 }), publish('x/c', 'no', 1, { messageId: 10 }));
      expect(publishes(reader.take()).map((p) => [String(p.payload), p.qos])).toEqual([
        ['0', 0],
        ['1', 1],
        ['2', 2],
        ['low', 0],
      ]);
    },
  );

  it(
    '[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT3-4.7.1-2] [MQTT3-4.7.1-3] [MQTT3-4.7.2-1] ' +
      '[MQTT3-3.8.3-2] matches its filters; names with $ only filters that spell it',
    async () => {
      const world = await RealWorld.start();
      const topics = ['a', 'a/b', 'a/b/c', '/a', '$x/a', '$x', 'b'];
      const expected: Record<string, string[]> = {
        '#': ['a', 'a/b', 'a/b/c', '/a', 'b'],
        '+': ['a', 'b'],
        '+/+': ['a/b', '/a'],
        'a/#': ['a', 'a/b', 'a/b/c'],
        'a/+': ['a/b'],
        '+/b/#': ['a/b', 'a/b/c'],
        '/+': ['/a'],
        '$x/#': ['$x/a', '$x'],
        '$x/+': ['$x/a'],
        '+/a': ['/a'],
      };
      for (const [filter, names] of Object.entries(expected)) {
        const reader = await world.join({ version });
        await reader.ask(subscribe(filter, 0));
        expect(told(await reader.ask(...topics.map((topic) => publish(topic, topic))))).toEqual(names);
        reader.cut();
      }
    },
  );

  it('[MQTT-3.3.1-12] [MQTT3-3.3.1-9] has retain 0 for an established subscription', async () => {
    const world = await RealWorld.start();
    const reader = await world.join({ version });
    await reader.ask(subscribe('a', 1));
    await (await world.join()).ask(publish('a', 'x', 1, { retain: true }), publish('a', 'y', 0, { retain: true }));
    expect(publishes(reader.take()).map((p) => p.retain)).toEqual([false, false]);
  });
});

describe('what MQTT 5 adds to a message', () => {
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'text/plain',
    responseTopic: 'r/1',
    correlationData: Buffer.from([0, 255]),
    userProperties: { z: ['1', '2'], a: '3' },
  };
  it(
    '[MQTT-3.3.2-4] [MQTT-3.3.2-13] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] ' +
      '[MQTT-3.3.2-19] [MQTT-3.3.2-20] passes live, stored, retained and to later readers as it was',
    async () => {
      const world = await RealWorld.start();
      const live = await world.join();
      await live.ask(subscribe('a', 2));
      const sleeper = await world.join(lasting(5, 's'));
      await sleeper.ask(subscribe('a', 2));
      sleeper.cut();
      const writer = await world.join();
      await writer.ask(publish('a', 'x', 2, { retain: true, properties }));
      await world.restart();
      const late = await world.join();
      const got = [
        ...live.take(),
        ...(await world.join(lasting(5, 's'))).take(),
        ...(await late.ask(subscribe('a', 0))).slice(1),
      ];
      expect(publishes(got)).toHaveLength(3);
      for (const packet of publishes(got)) expect(packet.properties).toEqual(properties);
    },
  );

  it('[MQTT-3.3.2-13] [MQTT-3.3.2-19] response topics and content types are UTF-8 strings', async () => {
    const world = await RealWorld.start();
    for (const id of ['08', '03']) {
      const client = await world.join();
      expect(await client.hex(`3008 0001 61 04 ${id} 0001 ff`)).toMatchObject([
        { cmd: 'disconnect', reasonCode: 0x81 },
      ]);
    }
  });

  it('[MQTT-3.3.2-5] [MQTT-3.3.2-6] expiry is counted down while a message waits, and ends it', async () => {
    const world = await RealWorld.start();
    for (const clientId of ['s1', 's2']) {
      const sleeper = await world.join(lasting(5, clientId));
      await sleeper.ask(subscribe('a', 1));
      sleeper.cut();
    }
    const expiring = { properties: { messageExpiryInterval: 10 } };
    const writer = await world.join();
    await writer.ask(publish('a', 'x', 1, { ...expiring, retain: true }));
    await world.advance(4_000);
    const left = (packets: Packet[]) => publishes(packets).map((p) => p.properties?.messageExpiryInterval);
    expect(left((await world.join(lasting(5, 's1'))).take())).toEqual([6]);
    expect(left(await (await world.join()).ask(subscribe('a', 1)))).toEqual([6]);
    await world.advance(7_000);
    expect((await world.join(lasting(5, 's2'))).take()).toEqual([]);
    expect(told(await (await world.join()).ask(subscribe('a', 1)))).toEqual(['suback']);
  });

  it('[MQTT-4.3.3-7] [MQTT-4.3.3-13] a QoS 2 exchange goes on although its message has expired', async () => {
    const world = await RealWorld.start();
    const reader = await world.join(lasting(5, 's'));
    await reader.ask(subscribe('a', 2));
    const writer = await world.join();
    await writer.ask(publish('a', 'x', 2, { properties: { messageExpiryInterval: 1 } }));
    const got = reader.take();
    await world.advance(10_000);
    expect(told(await reader.ask(...answer('pubrec', got)))).toEqual(['pubrel']);
    expect(told(await writer.ask({ cmd: 'pubrel', messageId: 50 }))).toEqual(['pubcomp']);
    expect(await reader.ask(...answer('pubcomp', got))).toEqual([]);
  });

  it('[MQTT-4.4.0-2] what the client refuses is not sent again', async () => {
    const world = await RealWorld.start();
    const reader = await world.join(lasting(5, 's'));
    await reader.ask(subscribe('a', 2));
    await (await world.join()).ask(publish('a', '1', 1), publish('a', '2', 2, { messageId: 2 }));
    const got = reader.take();
    expect(await reader.ask(...answer('puback', [got[0]!], 0x80), ...answer('pubrec', [got[1]!], 0x97))).toEqual([]);
    reader.cut();
    await world.settle();
    expect((await world.join(lasting(5, 's'))).take()).toEqual([]);
  });

  it(
    '[MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-1] [MQTT-4.9.0-2] [MQTT-4.9.0-3] ' +
      'Receive Maximum holds back publishes above QoS 0 and nothing else',
    async () => {
      for (const expiry of [0, 1_000]) {
        const world = await RealWorld.start();
        const reader = await world.join({ properties: { receiveMaximum: 2, sessionExpiryInterval: expiry } });
        await reader.ask(subscribe('a', 2));
        const writer = await world.join();
        await writer.ask(...many(1, 5));
        const got = publishes(reader.take());
        expect(told(got)).toEqual(['0', '1']);
        await writer.ask(publish('a', 'now', 0));
        expect(told(reader.take())).toEqual(['now']);
        const others = await reader.ask({ cmd: 'pingreq' }, subscribe('b', 0), publish('b', 'own', 1));
        expect(told(others).sort()).toEqual(['own', 'pingresp', 'puback', 'suback']);
        expect(told(await reader.ask(...answer('puback', got)))).toEqual(['2', '3']);
      }
    },
  );

  it('[MQTT-3.3.4-7] a client above the Receive Maximum of the server is told 0x93', async () => {
    const world = await RealWorld.start({}, { receiveMax: 2 });
    const writer = await world.join();
    expect(writer.connack.properties?.receiveMaximum).toBe(2);
    const got = await writer.ask(...many(2, 3));
    expect(got.at(-1)).toMatchObject({ cmd: 'disconnect', reasonCode: 0x93 });
    expect(writer.closed).toBe('end');
  });

  it(
    '[MQTT-3.1.2-24] [MQTT-3.1.2-25] ' +
      'what is larger than the client takes is dropped as delivered, live and from its inbox',
    async () => {
      const world = await RealWorld.start();
      for (const expiry of [0, 1_000]) {
        const reader = await world.join({ properties: { maximumPacketSize: 60, sessionExpiryInterval: expiry } });
        await reader.ask(subscribe('a', 1));
        const writer = await world.join();
        await writer.ask(publish('a', 'x'.repeat(200), 1), publish('a', 'fits', 1), publish('a', 'y'.repeat(200), 0));
        expect(told(reader.take())).toEqual(['fits']);
      }
    },
  );

  it(
    '[MQTT-3.3.2-7] [MQTT-3.3.2-12] [MQTT-3.2.2-17] ' +
      'aliases up to the maximum are taken, and end with their connection',
    async () => {
      const world = await RealWorld.start({}, { topicAliasMax: 3 });
      const client = await world.join(lasting(5, 's'));
      expect(client.connack.properties?.topicAliasMaximum).toBe(3);
      await client.ask(subscribe('#', 0));
      const alias = (topic: string, topicAlias: number, payload: string) =>
        publish(topic, payload, 0, { properties: { topicAlias } });
      const got = await client.ask(...[1, 2, 3].flatMap((n) => [alias(`t/${n}`, n, 'set'), alias('', n, 'used')]));
      expect(publishes(got).map((p) => p.topic)).toEqual(['t/1', 't/1', 't/2', 't/2', 't/3', 't/3']);
      client.cut();
      const again = await world.join(lasting(5, 's'));
      expect(await again.ask(alias('', 1, 'x'))).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x82 }]);
      const above = await world.join();
      expect(await above.ask(alias('x', 4, 'x'))).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x94 }]);
    },
  );
});
