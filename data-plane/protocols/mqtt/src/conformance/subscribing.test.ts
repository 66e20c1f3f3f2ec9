import type { IPublishPacket, Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { lasting, publish, RealWorld, subscribe, told } from '../testing/real-world.ts';

const VERSIONS = [4, 5] as const;
const unsubscribe = (...unsubscriptions: string[]): Packet => ({ cmd: 'unsubscribe', messageId: 2, unsubscriptions });
const filters = (...rows: [string, 0 | 1 | 2][]): Packet =>
  ({ cmd: 'subscribe', messageId: 3, subscriptions: rows.map(([topic, qos]) => ({ topic, qos })) }) as Packet;
const publishes = (packets: readonly Packet[]) => packets.filter((p): p is IPublishPacket => p.cmd === 'publish');

describe.each(VERSIONS)('SUBSCRIBE of level %s', (version) => {
  it(
    '[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-2.2.1-6] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] ' +
      '[MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT3-3.8.4-1] [MQTT3-3.8.4-2] [MQTT3-2.3.1-7] [MQTT3-3.8.4-4] ' +
      '[MQTT3-3.8.4-5] [MQTT3-3.9.3-1] [MQTT3-3.9.3-2] ' +
      'one SUBACK has the id and a code for every filter in order',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version });
      const got = await client.ask(filters(['a', 2], ['b/#/c', 1], ['c', 0], ['d', 1]));
      const failure = version === 5 ? 0x8f : 0x80;
      expect(got).toMatchObject([{ cmd: 'suback', messageId: 3, granted: [2, failure, 0, 1] }]);
      const topics = ['a', 'c', 'd'];
      expect(told(await client.ask(...topics.map((topic) => publish(topic, topic))))).toEqual(topics);
    },
  );

  it(
    '[MQTT-3.8.4-3] [MQTT-3.8.4-4] [MQTT3-3.8.4-3] ' +
      'the same filter again replaces the subscription, sends what is retained again and loses nothing',
    async () => {
      const world = await RealWorld.start();
      const reader = await world.join(lasting(version, 's'));
      const writer = await world.join();
      await writer.ask(publish('a', 'kept', 1, { retain: true }));
      expect(told(await reader.ask(subscribe('a', 2)))).toEqual(['suback', 'kept']);
      writer.bytes(writer.encode(publish('a', '1', 1)));
      reader.bytes(reader.encode(subscribe('a', 0)));
      writer.bytes(writer.encode(publish('a', '2', 1)));
      await world.settle();
      const got = reader.take();
      expect(told(got).sort()).toEqual(['1', '2', 'kept', 'suback']);
      expect(publishes(got).find((p) => String(p.payload) === '2')?.qos).toBe(0);
    },
  );

  it(
    '[MQTT-3.8.3-1] [MQTT3-3.8.3-1] [MQTT-3.10.3-1] [MQTT3-3.10.3-1] [MQTT-4.7.3-2] [MQTT3-4.7.3-2] ' +
      'filters are UTF-8 strings without U+0000',
    async () => {
      const world = await RealWorld.start();
      const properties = version === 5 ? '00' : '';
      const length = version === 5 ? '07' : '06';
      for (const text of ['ff', '00']) {
        const [sub, unsub] = [await world.join({ version }), await world.join({ version })];
        await sub.hex(`82 ${length} 0001 ${properties} 0001 ${text} 00`);
        await unsub.hex(`a2 ${version === 5 ? '06' : '05'} 0001 ${properties} 0001 ${text}`);
        expect([sub.closed, unsub.closed]).toEqual(['end', 'end']);
      }
    },
  );

  it('[MQTT-4.7.3-1] [MQTT3-4.7.3-1] an empty filter ends the connection', async () => {
    const client = await (await RealWorld.start()).join({ version });
    await client.hex(version === 5 ? '8206 0001 00 0000 00' : '8205 0001 0000 00');
    expect(client.closed).toBe('end');
  });
});

describe.each(VERSIONS)('UNSUBSCRIBE of level %s', (version) => {
  it(
    '[MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT-3.11.3-1] ' +
      '[MQTT-3.11.3-2] [MQTT3-3.10.4-1] [MQTT3-3.10.4-2] [MQTT3-3.10.4-4] [MQTT3-3.10.4-5] ' +
      '[MQTT3-3.10.4-6] ends exactly the equal filters, with one UNSUBACK in any case',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version });
      await client.ask(filters(['a/+', 0], ['a/b', 0], ['A/b', 0], ['c', 0]));
      const got = await client.ask(unsubscribe('a/+', 'a/#', 'c', 'A/+'));
      expect(got).toMatchObject([{ cmd: 'unsuback', messageId: 2 }]);
      if (version === 5) expect(got).toMatchObject([{ granted: [0, 0x11, 0, 0x11] }]);
      expect(told(await client.ask(publish('a/x', 'no'), publish('a/b', 'yes'), publish('c', 'no')))).toEqual(['yes']);
      expect(await client.ask(unsubscribe('never'))).toMatchObject([{ cmd: 'unsuback', messageId: 2 }]);
    },
  );

  it('[MQTT-3.10.4-3] [MQTT3-3.10.4-3] deliveries under way are completed, also over a reconnect', async () => {
    const world = await RealWorld.start();
    const reader = await world.join(lasting(version, 's'));
    await reader.ask(subscribe('a', 2));
    await (await world.join()).ask(publish('a', 'x', 2));
    const [got] = reader.take();
    await reader.ask(unsubscribe('a'));
    reader.cut();
    await world.settle();
    const again = await world.join(lasting(version, 's'));
    expect(again.take()).toMatchObject([{ cmd: 'publish', messageId: got!.messageId, dup: true }]);
    const rel = await again.ask({ cmd: 'pubrec', messageId: got!.messageId } as Packet);
    expect(rel).toMatchObject([{ cmd: 'pubrel', messageId: got!.messageId }]);
  });
});

describe('options of MQTT 5 subscriptions', () => {
  const kept = async () => {
    const world = await RealWorld.start();
    await (await world.join()).ask(publish('r', 'kept', 1, { retain: true }));
    return { world, client: await world.join() };
  };
  it('[MQTT-3.3.1-9] retain handling 0 sends retained messages every time', async () => {
    const { client } = await kept();
    for (let i = 0; i < 2; i++)
      expect(told(await client.ask(subscribe('r', 1, { rh: 0 })))).toEqual(['suback', 'kept']);
  });
  it('[MQTT-3.3.1-10] retain handling 1 only for a new subscription', async () => {
    const { client } = await kept();
    expect(told(await client.ask(subscribe('r', 1, { rh: 1 })))).toEqual(['suback', 'kept']);
    expect(told(await client.ask(subscribe('r', 1, { rh: 1 })))).toEqual(['suback']);
    await client.ask(unsubscribe('r'));
    expect(told(await client.ask(subscribe('r', 1, { rh: 1 })))).toEqual(['suback', 'kept']);
  });
  it('[MQTT-3.3.1-11] retain handling 2 never', async () => {
    const { client } = await kept();
    expect(told(await client.ask(subscribe('r', 1, { rh: 2 })))).toEqual(['suback']);
  });
  it('[MQTT-3.3.1-12] [MQTT-3.3.1-13] retain as published keeps the flag as it was sent', async () => {
    const world = await RealWorld.start();
    const client = await world.join();
    await client.ask(subscribe('a', 1, { rap: true }), subscribe('b', 1, { rap: false }));
    const got = await client.ask(
      ...['a', 'b'].flatMap((t) => [true, false].map((retain) => publish(t, 'x', 0, { retain }))),
    );
    expect(publishes(got).map((p) => p.retain)).toEqual([true, false, false, false]);
  });
  it('[MQTT-3.8.3-3] no local keeps messages from their own publisher only', async () => {
    const world = await RealWorld.start();
    const [own, other] = [await world.join(), await world.join()];
    for (const client of [own, other]) await client.ask(subscribe('a', 1, { nl: true }));
    expect(told(await own.ask(publish('a', 'x', 1)))).toEqual(['puback']);
    expect(told(other.take())).toEqual(['x']);
  });
  it('[MQTT-3.3.4-3] [MQTT-3.3.4-4] identifiers of all that match come with the one copy', async () => {
    const world = await RealWorld.start();
    for (const client of [await world.join(), await world.join(lasting(5, 's'))]) {
      await client.ask(subscribe('a/#', 0, {}, { subscriptionIdentifier: 1 }));
      await client.ask(subscribe('a/+', 1, {}, { subscriptionIdentifier: 268_435_455 }), subscribe('+/b', 2));
      await (await world.join()).ask(publish('a/b', 'x', 2));
      const [got, ...rest] = publishes(client.take());
      expect(rest).toEqual([]);
      expect([got!.properties!.subscriptionIdentifier].flat().sort()).toEqual([1, 268_435_455]);
      client.cut();
    }
  });
});

describe('shared subscriptions', () => {
  it('[MQTT-4.8.2-1] [MQTT-4.8.2-2] are told by $share, a name without wildcards and a filter', async () => {
    const world = await RealWorld.start();
    const client = await world.join();
    const bad = ['$share', '$share/', '$share/g', '$share/g/', '$share//a', '$share/g+/a', '$share/#/a'];
    const got = await client.ask(filters(...bad.map((filter): [string, 0] => [filter, 0]), ['$share/g/a', 1]));
    expect(got).toMatchObject([{ granted: [...bad.map(() => 0x8f), 1] }]);
  });
  it('[MQTT-4.8.2-3] deliver at the granted QoS, each message to one member', async () => {
    const world = await RealWorld.start();
    const members = [await world.join(), await world.join()];
    for (const member of members) await member.ask(subscribe('$share/g/a', 1));
    const writer = await world.join();
    await writer.ask(...Array.from({ length: 10 }, (_, i) => publish('a', `${i}`, 2, { messageId: i + 1 })));
    const got = members.flatMap((member) => publishes(member.take()));
    expect(got.map((p) => p.qos)).toEqual(got.map(() => 1));
    expect(
      told(got)
        .map(Number)
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
  it('[MQTT-4.8.2-6] a message that its member refuses goes to nobody else', async () => {
    const world = await RealWorld.start();
    const members = [await world.join(lasting(5, 'm1')), await world.join(lasting(5, 'm2'))];
    for (const member of members) await member.ask(subscribe('$share/g/a', 2));
    await (await world.join()).ask(publish('a', 'x', 2));
    const taker = members.find((member) => member.received.length > 0)!;
    const [got] = taker.take();
    await taker.ask({ cmd: 'pubrec', messageId: got!.messageId, reasonCode: 0x83 } as Packet);
    taker.cut();
    await world.settle();
    expect(members.flatMap((member) => member.take())).toEqual([]);
  });
  it('[MQTT-4.8.2-4] a QoS 2 delivery is completed with the member that has it when it comes back', async () => {
    const world = await RealWorld.start();
    const members = [await world.join(lasting(5, 'm0')), await world.join(lasting(5, 'm1'))];
    for (const member of members) await member.ask(subscribe('$share/g/a', 2));
    await (await world.join()).ask(publish('a', 'x', 2));
    const index = members.findIndex((member) => member.received.length > 0);
    const [got] = members[index]!.take();
    members[index]!.cut();
    await world.settle();
    expect(members[1 - index]!.take()).toEqual([]);
    const again = await world.join(lasting(5, `m${index}`));
    expect(again.take()).toMatchObject([{ cmd: 'publish', messageId: got!.messageId, dup: true }]);
  });
  it('[MQTT-4.8.2-5] and goes to nobody else when the session of that member ends', async () => {
    const world = await RealWorld.start();
    const members = [await world.join(lasting(5, 'm0', 5)), await world.join(lasting(5, 'm1', 5))];
    for (const member of members) await member.ask(subscribe('$share/g/a', 2));
    await (await world.join()).ask(publish('a', 'x', 2));
    const index = members.findIndex((member) => member.received.length > 0);
    members[index]!.take();
    members[index]!.cut();
    await world.advance(20_000);
    expect(members[1 - index]!.take()).toEqual([]);
  });
});

describe('the end of an MQTT 5 connection', () => {
  it(
    '[MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.2-1] [MQTT-3.14.2-2] [MQTT-3.14.1-1] ' +
      'nothing follows the DISCONNECT of the server, which carries no expiry',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join(lasting(5, 's'));
      await client.ask(subscribe('a', 0));
      client.bytes(Buffer.concat([Buffer.from('e100', 'hex'), client.encode({ cmd: 'pingreq' }, publish('a', 'x'))]));
      await (await world.join()).ask(publish('a', 'y'));
      const got = client.take();
      expect(got).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x81 }]);
      expect((got[0] as { properties?: object }).properties).not.toHaveProperty('sessionExpiryInterval');
      expect(client.closed).toBe('end');
    },
  );
  it(
    '[MQTT-3.14.2-3] [MQTT-3.2.2-19] ' + 'reason strings are left out where the client would not take the packet',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ properties: { maximumPacketSize: 30 } });
      const got = await client.hex('c100');
      expect(got).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x81 }]);
      expect((got[0] as { properties?: object }).properties?.hasOwnProperty('reasonString') ?? false).toBe(false);
      const refused = world.dial(5);
      const connecting = world.connectPacket({ clientId: 'x'.repeat(2_000), properties: { maximumPacketSize: 30 } });
      expect(await refused.ask(connecting)).toMatchObject([{ cmd: 'connack', reasonCode: 0x85 }]);
      expect(refused.raw.length).toBeLessThanOrEqual(30);
    },
  );
});
