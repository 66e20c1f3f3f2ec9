import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { lasting, publish, RealWorld, subscribe, told } from '../testing/real-world.ts';

const VERSIONS = [4, 5] as const;
type Will = NonNullable<IConnectPacket['will']>;
const will = (more: Partial<Will> = {}): Will =>
  ({ topic: 'w', payload: Buffer.from('bye'), qos: 1, retain: false, ...more }) as Will;
const ack = (cmd: 'puback' | 'pubrec' | 'pubcomp', packet: Packet, reasonCode?: number): Packet =>
  ({ cmd, messageId: packet.messageId, ...(reasonCode === undefined ? {} : { reasonCode }) }) as Packet;

describe.each(VERSIONS)('a session of level %s', (version) => {
  it(
    '[MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-23] [MQTT-3.2.2-3] [MQTT-4.5.0-1] [MQTT3-3.1.2-4] ' +
      '[MQTT3-3.1.2-5] [MQTT3-3.2.2-2] [MQTT3-3.2.2-3] [MQTT3-4.1.0-1] [MQTT3-4.5.0-1] ' +
      'outlives its connection and collects what is published',
    async () => {
      const world = await RealWorld.start();
      const first = await world.join(lasting(version, 's'));
      expect(first.connack.sessionPresent).toBe(false);
      await first.ask(subscribe('a/+', 2));
      first.cut();
      const writer = await world.join();
      await writer.ask(publish('a/1', 'one', 1), publish('b', 'no', 1), publish('a/2', 'two', 2));
      const second = await world.join(lasting(version, 's'));
      expect(second.connack.sessionPresent).toBe(true);
      expect(told(second.take())).toEqual(['one', 'two']);
    },
  );

  it(
    '[MQTT-3.1.2-4] [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT3-3.1.2-6] [MQTT3-3.1.4-3] [MQTT3-3.2.2-1] ' +
      'clean start discards subscriptions and messages',
    async () => {
      const world = await RealWorld.start();
      const first = await world.join(lasting(version, 's'));
      await first.ask(subscribe('a', 1));
      first.cut();
      const writer = await world.join();
      await writer.ask(publish('a', 'lost', 1));
      const second = await world.join({ ...lasting(version, 's'), clean: true });
      expect(second.connack.sessionPresent).toBe(false);
      await writer.ask(publish('a', 'lost too', 1));
      expect(second.take()).toEqual([]);
      second.cut();
      const third = await world.join(lasting(version, 's'));
      expect(third.take()).toEqual([]);
    },
  );

  it(
    '[MQTT3-3.1.2-7] [MQTT-4.1.0-1] ' +
      'retained messages stay when a session ends; a session stays while it is connected',
    async () => {
      const world = await RealWorld.start();
      const client = await world.join({ version, clientId: 's' });
      await client.ask(publish('r', 'kept', 1, { retain: true }), subscribe('a', 0));
      await world.advance(10_000_000);
      expect(told(await client.ask(publish('a', 'still here')))).toEqual(['still here']);
      client.cut();
      await world.join({ version, clientId: 's', clean: true });
      const other = await world.join();
      expect(told(await other.ask(subscribe('r', 0)))).toEqual(['suback', 'kept']);
    },
  );

  it(
    '[MQTT-4.4.0-1] [MQTT-3.3.1-1] [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.3.3-5] [MQTT-4.3.3-6] ' +
      '[MQTT3-4.4.0-1] [MQTT3-3.3.1-1] [MQTT3-2.3.1-3] [MQTT3-4.6.0-1] [MQTT3-4.3.3-1] ' +
      'sends again what was not acknowledged, in order, with DUP and its ids, and PUBREL where PUBREC came',
    async () => {
      const world = await RealWorld.start();
      const first = await world.join(lasting(version, 's'));
      await first.ask(subscribe('a', 2));
      const writer = await world.join();
      await writer.ask(
        publish('a', '1', 1),
        publish('a', '2', 2, { messageId: 2 }),
        publish('a', '3', 2, { messageId: 3 }),
      );
      const got = first.take() as IPublishPacket[];
      expect(told(got)).toEqual(['1', '2', '3']);
      expect(got.map(({ dup }) => dup)).toEqual([false, false, false]);
      const rel = await first.ask(ack('pubrec', got[1]!));
      expect(rel).toMatchObject([{ cmd: 'pubrel', messageId: got[1]!.messageId }]);
      first.cut();
      await world.settle();
      const second = await world.join(lasting(version, 's'));
      const again = second.take();
      expect(again.map((p) => [p.cmd, p.messageId])).toEqual([
        ['publish', got[0]!.messageId],
        ['pubrel', got[1]!.messageId],
        ['publish', got[2]!.messageId],
      ]);
      expect(again.filter((p) => p.cmd === 'publish').map((p) => p.dup)).toEqual([true, true]);
      // nothing is repeated while the connection lasts
      await world.advance(1_000_000);
      expect(second.take()).toEqual([]);
    },
  );

  it('the same over a restart of the server, also of subscriptions, wills under way and received ids', async () => {
    const world = await RealWorld.start();
    const reader = await world.join(lasting(version, 's'));
    await reader.ask(subscribe('a', 2));
    const writer = await world.join(lasting(version, 'w'));
    await writer.ask(publish('a', 'once', 2, { messageId: 9 }));
    await world.restart();
    const writerAgain = await world.join(lasting(version, 'w'));
    expect(await writerAgain.ask(publish('a', 'once', 2, { messageId: 9, dup: true }))).toMatchObject([
      { cmd: 'pubrec', messageId: 9 },
    ]);
    const readerAgain = await world.join(lasting(version, 's'));
    expect(told(readerAgain.take())).toEqual(['once']);
    await writerAgain.ask({ cmd: 'pubrel', messageId: 9 });
    await writerAgain.ask(publish('a', 'new', 2, { messageId: 9 }));
    expect(told(readerAgain.take())).toEqual(['new']);
  });
});

describe('the end of a session', () => {
  it('[MQTT-4.1.0-2] is when its expiry has passed since the disconnect', async () => {
    const world = await RealWorld.start();
    const first = await world.join(lasting(5, 's', 10));
    await first.ask(subscribe('a', 1));
    await world.advance(60_000);
    first.cut();
    await world.advance(9_000);
    const second = await world.join(lasting(5, 's', 10));
    expect(second.connack.sessionPresent).toBe(true);
    second.cut();
    await world.advance(12_000);
    expect((await world.join(lasting(5, 's', 10))).connack.sessionPresent).toBe(false);
  });
  it('of one without expiry is its connection; DISCONNECT may change the expiry', async () => {
    const world = await RealWorld.start();
    const plain = await world.join({ clientId: 'p', clean: false });
    plain.cut();
    expect((await world.join({ clientId: 'p', clean: false })).connack.sessionPresent).toBe(false);
    const lasted = await world.join(lasting(5, 's', 100));
    await lasted.ask({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
    expect((await world.join(lasting(5, 's', 100))).connack.sessionPresent).toBe(false);
  });
  it('[MQTT3-4.1.0-2] never comes for a 3.1.1 session that is not clean', async () => {
    const world = await RealWorld.start();
    (await world.join(lasting(4, 's'))).cut();
    await world.advance(100_000_000);
    expect((await world.join(lasting(4, 's'))).connack.sessionPresent).toBe(true);
  });
});

describe.each(VERSIONS)('a will of level %s', (version) => {
  const watch = async (world: RealWorld) => {
    const watcher = await world.join();
    await watcher.ask(subscribe('w', 2, { rap: true }));
    return watcher;
  };
  it(
    '[MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-12] [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT3-3.1.2-8] ' +
      '[MQTT3-3.1.2-14] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17] ' +
      'is published when the connection breaks, at its QoS, retained if it says so',
    async () => {
      for (const qos of [0, 1, 2] as const) {
        for (const retain of [false, true]) {
          const world = await RealWorld.start();
          const watcher = await watch(world);
          (await world.join({ version, will: will({ qos, retain }) })).cut();
          await world.settle();
          expect(watcher.take()).toMatchObject([{ topic: 'w', payload: Buffer.from('bye'), qos, retain }]);
          const late = await world.join();
          expect(told(await late.ask(subscribe('w', 0)))).toEqual(retain ? ['suback', 'bye'] : ['suback']);
        }
      }
    },
  );
  it(
    '[MQTT-3.14.4-3] [MQTT-3.1.2-10] [MQTT3-3.1.2-10] [MQTT3-3.1.2-12] [MQTT3-3.14.4-3] ' +
      'is gone after DISCONNECT, and after it was published once',
    async () => {
      const world = await RealWorld.start();
      const watcher = await watch(world);
      const polite = await world.join({ ...lasting(version, 'p'), will: will() });
      await polite.ask({ cmd: 'disconnect' });
      (await world.join(lasting(version, 'p'))).cut();
      await world.settle();
      expect(watcher.take()).toEqual([]);
      (await world.join({ ...lasting(version, 'q'), will: will() })).cut();
      (await world.join(lasting(version, 'q'))).cut();
      await world.advance(5_000);
      expect(told(watcher.take())).toEqual(['bye']);
    },
  );
});

describe('a will with a delay', () => {
  const delayed = (seconds: number, expiry = 1_000): object => ({
    ...lasting(5, 's', expiry),
    will: will({ properties: { willDelayInterval: seconds, userProperties: { z: ['1', '2'], a: '3' } } }),
  });
  const start = async () => {
    const world = await RealWorld.start();
    const watcher = await world.join();
    await watcher.ask(subscribe('w', 1));
    return { world, watcher };
  };
  it(
    '[MQTT-3.1.3-10] [MQTT-3.1.2-8] ' + 'is published when the delay has passed, with its user properties in order',
    async () => {
      const { world, watcher } = await start();
      (await world.join(delayed(10))).cut();
      await world.advance(9_000);
      expect(watcher.take()).toEqual([]);
      await world.advance(2_000);
      expect(watcher.take()).toMatchObject([{ properties: { userProperties: { z: ['1', '2'], a: '3' } } }]);
    },
  );
  it('[MQTT-3.1.3-9] is held back by a reconnect in time', async () => {
    const { world, watcher } = await start();
    (await world.join(delayed(10))).cut();
    await world.advance(5_000);
    await world.join(lasting(5, 's'));
    await world.advance(60_000);
    expect(watcher.take()).toEqual([]);
  });
  it('is published early when the session ends before, by its expiry or a clean start', async () => {
    const { world, watcher } = await start();
    (await world.join(delayed(1_000, 10))).cut();
    await world.advance(12_000);
    expect(told(watcher.take())).toEqual(['bye']);
    (await world.join(delayed(1_000))).cut();
    await world.join({ clientId: 's', clean: true });
    await world.settle();
    expect(told(watcher.take())).toEqual(['bye']);
  });
});
