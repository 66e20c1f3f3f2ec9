import type { IPublishPacket, ISubscribePacket, Packet, QoS } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import type { MqttLimits } from './limits.ts';
import type { Join } from './testing/set-up.ts';
import { FakeCommit, type FakeBroker } from './testing/fake-broker.ts';
import { setUp } from './testing/set-up.ts';

const publish = (topic: string, payload: string, options: Partial<IPublishPacket> = {}): IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload,
  qos: 0,
  dup: false,
  retain: false,
  ...options,
});
const burst = (count: number, qos: QoS, options: Partial<IPublishPacket> = {}): IPublishPacket[] =>
  Array.from({ length: count }, (_, i) => publish('t', `${i}`, { qos, messageId: i + 1, ...options }));
const subscribe = (topic: string, qos: QoS, more: object = {}): ISubscribePacket =>
  ({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos, ...more }] }) as ISubscribePacket;

function pair(subscriber: Join & { qos?: QoS; subscription?: object } = {}, limits: Partial<MqttLimits> = {}) {
  const world = setUp(limits);
  const { qos = 2, subscription, ...join } = subscriber;
  const reader = world.join(join);
  const suback = reader.send(subscribe('#', qos, subscription));
  return { ...world, reader, suback, writer: world.join({ version: 5 }), v4writer: world.join({ version: 4 }) };
}
const payloads = (packets: Packet[]) => packets.map((p) => (p.cmd === 'publish' ? String(p.payload) : p.cmd));
const idsOf = (packets: Packet[]) => packets.map((p) => p.messageId);

describe('forwarded messages', () => {
  for (const from of [4, 5] as const) {
    for (const to of [4, 5] as const) {
      for (const granted of [0, 1, 2] as const) {
        it(`from level ${from} to level ${to} at granted QoS ${granted}: topic, payload, order, the lower QoS, no DUP, no retain`, () => {
          const world = pair({ version: to, qos: granted });
          const writer = from === 4 ? world.v4writer : world.writer;
          for (const qos of [0, 1, 2] as const) {
            writer.send(...burst(3, qos, { retain: qos === 1, dup: qos === 2 }));
            const got = world.reader.take();
            const lower = Math.min(qos, granted);
            expect(got.map((p) => (p as IPublishPacket).qos)).toEqual([lower, lower, lower]);
            expect(got.every((p) => !(p as IPublishPacket).retain && !(p as IPublishPacket).dup)).toBe(true);
            expect(got.map((p) => (p as IPublishPacket).topic)).toEqual(['t', 't', 't']);
            expect(payloads(got)).toEqual(['0', '1', '2']);
            if (lower > 0) expect(new Set(idsOf(got)).size).toBe(3);
          }
        });
      }
    }
  }

  it('[MQTT-3.3.2-17] properties pass unchanged between MQTT 5 clients, at any QoS', () => {
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 60,
      contentType: 'c',
      responseTopic: 'r',
      correlationData: Buffer.from('cd'),
      userProperties: { z: ['1', '2'], a: '3' },
    };
    const { reader, writer } = pair({ version: 5, qos: 1 });
    writer.send(publish('t', 'x', { properties }), publish('t', 'y', { qos: 2, messageId: 1, properties }));
    expect(reader.take()).toMatchObject([
      { qos: 0, properties },
      { qos: 1, properties },
    ]);
  });

  it('[MQTT-3.3.1-13] retain as published keeps the flag', () => {
    const { reader, writer } = pair({ version: 5, qos: 1, subscription: { rap: true } });
    writer.send(...burst(2, 1, { retain: true }), publish('t', 'x'));
    expect(reader.take().map((p) => (p as IPublishPacket).retain)).toEqual([true, true, false]);
  });

  it('[MQTT-3.3.4-3] carry the subscription identifiers, all of them', () => {
    const { join, writer } = pair();
    const reader = join({ version: 5 });
    reader.send({ ...subscribe('t', 1), properties: { subscriptionIdentifier: 7 } });
    reader.send({ ...subscribe('+', 1), properties: { subscriptionIdentifier: 300 } });
    writer.send(...burst(2, 1, { properties: { contentType: 'c' } }));
    const properties = { subscriptionIdentifier: [7, 300], contentType: 'c' };
    expect(reader.take()).toMatchObject([{ properties }, { properties }]);
  });

  it('[MQTT-3.1.2-25] larger than the client takes are dropped, also inside a run, and the session goes on', () => {
    const { reader, writer } = pair({ version: 5, qos: 1, properties: { maximumPacketSize: 40 } });
    expect(
      writer.send(
        publish('t', '1', { qos: 1, messageId: 1 }),
        publish('t', 'x'.repeat(50), { qos: 1, messageId: 2 }),
        publish('t', '3', { qos: 1, messageId: 3 }),
      ),
    ).toHaveLength(3);
    expect(payloads(reader.take())).toEqual(['1', '3']);
  });

  it('of long runs are shared between receivers and still right after more is appended', () => {
    const { join, writer } = pair();
    const readers = Array.from({ length: 4 }, () => join({ version: 5 }));
    for (const reader of readers) reader.send(subscribe('#', 0));
    const long = burst(300, 0);
    writer.bytes(writer.encode(...long), false);
    for (const reader of readers.slice(2)) reader.bytes(reader.encode({ cmd: 'pingreq' }), false);
    writer.bytes(writer.encode(publish('u', 'last')));
    const expected = [...long.map((p) => p.payload), 'last'];
    for (const [i, reader] of readers.entries()) {
      expect(payloads(reader.take())).toEqual(i < 2 ? expected : [...expected.slice(0, 300), 'pingresp', 'last']);
    }
  });
});

describe('the in-flight window', () => {
  it('[MQTT-3.3.4-9] never exceeds Receive Maximum; the rest waits in order; QoS 0 passes', () => {
    for (const qos of [1, 2] as const) {
      const { reader, writer } = pair({ version: 5, qos, properties: { receiveMaximum: 2 } });
      writer.send(...burst(5, qos), publish('t', 'now'));
      const seen: string[] = [];
      let got = reader.take();
      expect(payloads(got)).toEqual(['now', '0', '1']);
      got = got.slice(1);
      while (got.length > 0) {
        seen.push(...payloads(got));
        expect(got.length).toBeLessThanOrEqual(2);
        if (qos === 1) got = reader.send(...idsOf(got).map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
        else {
          const ids = idsOf(got);
          const rels = reader.send(...ids.map((messageId) => ({ cmd: 'pubrec', messageId }) as Packet));
          expect(rels.map((p) => [p.cmd, p.messageId])).toEqual(ids.map((id) => ['pubrel', id]));
          got = reader.send(...ids.map((messageId) => ({ cmd: 'pubcomp', messageId }) as Packet));
        }
      }
      expect(seen).toEqual(['0', '1', '2', '3', '4']);
    }
  });

  it('keeps QoS, retain flag and properties of what waits, counts it when it is sent, and lets it expire', () => {
    const { broker, reader, writer, v4writer, runtime } = pair({
      version: 5,
      qos: 2,
      subscription: { rap: true },
      properties: { receiveMaximum: 1 },
    });
    v4writer.send(publish('t', 'first', { qos: 1, messageId: 1 }));
    const before = broker.usage.messagesOut;
    writer.send(
      publish('t', 'dies', { qos: 1, messageId: 1, properties: { messageExpiryInterval: 5 } }),
      publish('t', 'lives', {
        qos: 2,
        messageId: 2,
        retain: true,
        properties: { messageExpiryInterval: 60, contentType: 'c' },
      }),
    );
    expect(broker.usage.messagesOut).toBe(before);
    runtime.advance(10_000);
    reader.take();
    expect(reader.send({ cmd: 'puback', messageId: 1 })).toMatchObject([
      {
        payload: Buffer.from('lives'),
        qos: 2,
        retain: true,
        properties: { messageExpiryInterval: 50, contentType: 'c' },
      },
    ]);
    expect(broker.usage.messagesOut).toBe(before + 1);
  });

  it('ids go around after 65535 without a clash', () => {
    const { reader, v4writer } = pair({ qos: 1 });
    for (let round = 0; round < 70; round++) {
      v4writer.send(...burst(1000, 1));
      const ids = idsOf(reader.take());
      expect(new Set(ids).size).toBe(1000);
      expect(ids.every((id) => id! >= 1 && id! <= 65_535)).toBe(true);
      reader.send(...ids.map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
    }
  });

  it('what waits is bounded: the newest are dropped, counted, and the tenant is told once', () => {
    const { broker, server, reader, v4writer } = pair({ qos: 1 }, { inFlightMax: 2, pendingMessagesMax: 3 });
    for (const message of burst(8, 1)) v4writer.send(message);
    expect(server.droppedMessages).toBe(3);
    expect(broker.events.filter((e) => e.code === 'pending-full')).toHaveLength(1);
    const first = reader.take();
    const rest = reader.send(...idsOf(first).map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
    const last = reader.send(...idsOf(rest).map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
    expect(payloads([...first, ...rest, ...last])).toEqual(['0', '1', '2', '3', '4']);
  });

  it('unsolicited acknowledgements hurt nobody', () => {
    const { reader } = pair({ version: 5 });
    const acks: Packet[] = [
      { cmd: 'puback', messageId: 5 },
      { cmd: 'pubcomp', messageId: 5 },
    ];
    expect(reader.send(...acks)).toEqual([]);
    expect(reader.send({ cmd: 'pubrec', messageId: 5 })).toMatchObject([
      { cmd: 'pubrel', messageId: 5, reasonCode: 0x92 },
    ]);
    expect(reader.closed).toBeNull();
  });

  it('[MQTT-4.4.0-2] PUBREC with an error ends the exchange', () => {
    const { reader, writer } = pair({ version: 5, properties: { receiveMaximum: 1 } });
    writer.send(...burst(2, 2));
    expect(payloads(reader.take())).toEqual(['0']);
    expect(payloads(reader.send({ cmd: 'pubrec', messageId: 1, reasonCode: 0x80 } as Packet))).toEqual(['1']);
  });
});

describe('a slow reader', () => {
  it('misses QoS 0, keeps QoS 1 waiting, and goes on when it has read', () => {
    const { broker, server, reader, v4writer } = pair({ qos: 1 }, { writableBytesMax: 1000 });
    reader.writableLength = 1001;
    v4writer.send(...burst(2, 1), publish('t', 'lost'), publish('t', 'lost'));
    expect(reader.take()).toEqual([]);
    expect(server.droppedMessages).toBe(2);
    expect(broker.events.filter((e) => e.code === 'slow-reader')).toHaveLength(1);
    reader.drain();
    expect(payloads(reader.take())).toEqual(['0', '1']);
  });
});

describe('a reader that gets messages late', () => {
  const late = (broker: FakeBroker, thresholdMs = 500) => {
    const told: string[] = [];
    Object.assign(broker.namespace, {
      slowDelivery: (clientId: string, topic: string, latencyMs: number) =>
        void told.push(`${clientId} ${topic} ${latencyMs}`),
    });
    Object.assign(broker.namespace.settings.mqtt, { slowSubscriber: { enabled: true, thresholdMs } });
    return told;
  };

  it('is told of once the kernel has taken the sample, and not while it keeps up', () => {
    const { broker, reader, v4writer, runtime } = pair({ qos: 0, clientId: 'slow' });
    const told = late(broker);
    v4writer.send(publish('t', 'a'));
    runtime.advance(900);
    reader.writableLength = 100;
    v4writer.send(publish('t', 'b')); // the kernel is behind from here on
    v4writer.send(publish('t/é', 'c'));
    runtime.advance(400);
    v4writer.send(publish('t', 'd'));
    expect(told).toEqual([]);
    runtime.advance(300);
    reader.drain();
    expect(told).toEqual(['slow t/é 700']);
    v4writer.send(publish('t', 'e'));
    runtime.advance(900);
    v4writer.send(publish('t', 'f'));
    reader.drain();
    expect(told).toHaveLength(1);
  });

  it('is told of when messages waited for its acknowledgements', () => {
    const { broker, reader, v4writer, runtime } = pair({ qos: 1, clientId: 'slow' }, { inFlightMax: 1 });
    const told = late(broker);
    v4writer.send(...burst(2, 1));
    runtime.advance(800);
    expect(told).toEqual([]);
    reader.send({ cmd: 'puback', messageId: idsOf(reader.take())[0]! } as Packet);
    expect(told).toEqual(['slow t 800']);
  });
});

describe('a publisher whose reader is behind', () => {
  it('waits until it has caught up, or for a bounded time, and not at all for one that is stuck', () => {
    const { reader, v4writer, runtime } = pair(
      { qos: 0 },
      { readerSlowBytes: 500, writableBytesMax: 1000, readerWaitMs: 50 },
    );
    reader.writableLength = 501;
    v4writer.send(...burst(2, 0));
    expect(v4writer.paused).toBe(true);
    reader.drain();
    expect(v4writer.paused).toBe(false);
    reader.writableLength = 501;
    v4writer.send(...burst(2, 0));
    runtime.advance(49);
    expect(v4writer.paused).toBe(true);
    runtime.advance(1);
    expect(v4writer.paused).toBe(false);
    reader.writableLength = 1001;
    v4writer.send(...burst(2, 0));
    expect(v4writer.paused).toBe(false);
  });
  it('does not wait for one that reads nothing at all for long, and again when it reads', () => {
    const { reader, v4writer, runtime } = pair(
      { qos: 0 },
      { readerSlowBytes: 500, readerWaitMs: 50, readerStuckMs: 1000 },
    );
    const isSlowed = (): boolean => {
      v4writer.send(publish('t', 'x'));
      const { paused } = v4writer;
      runtime.advance(50);
      return paused;
    };
    const publishSize = v4writer.encode(publish('t', 'x')).length;
    /** The kernel takes nothing of what was written. */
    const nothingIsTaken = (): void => void (reader.writableLength += publishSize);
    reader.writableLength = 501;
    let slowed = 0;
    for (let i = 0; i < 100; i++) {
      if (isSlowed()) slowed++;
      nothingIsTaken();
    }
    expect(slowed).toBe(20);
    reader.writableLength -= 10;
    expect(isSlowed()).toBe(true);
  });
  it('the same for what waits for acknowledgements', () => {
    const { reader, v4writer } = pair({ qos: 1 }, { inFlightMax: 2, pendingMessagesMax: 8 });
    v4writer.send(...burst(2, 1));
    v4writer.send(...burst(5, 1));
    expect(v4writer.paused).toBe(true);
    for (let got = reader.take(); got.length > 0;) {
      got = reader.send(...idsOf(got).map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
    }
    expect(v4writer.paused).toBe(false);
  });
});

describe('a client that sends and never reads', () => {
  it('is not read from any more until it has read; its keep-alive runs on', () => {
    const { join, runtime } = setUp({ writableBytesMax: 1000 });
    const client = join({ keepalive: 10 });
    client.writableLength = 1001;
    client.send({ cmd: 'pingreq' });
    expect(client.paused).toBe(true);
    client.drain();
    expect(client.paused).toBe(false);
    client.writableLength = 1001;
    client.send({ cmd: 'pingreq' });
    runtime.advance(20_000);
    expect(client.closed).not.toBeNull();
  });
});

describe('an inbox', () => {
  const persistent = { version: 5, clientId: 'p', clean: false, properties: { sessionExpiryInterval: 1000 } } as const;
  it('[MQTT-4.4.0-1] is sent in order, and again after a reconnect with DUP and the same ids', () => {
    const { join, reader, writer } = pair({ ...persistent, qos: 1 });
    writer.send(...burst(4, 1));
    const first = reader.take();
    expect(payloads(first)).toEqual(['0', '1', '2', '3']);
    reader.send({ cmd: 'puback', messageId: first[1]!.messageId! });
    reader.cut();
    writer.send(publish('t', 'offline', { qos: 1, messageId: 9 }));
    const again = join({ ...persistent });
    expect(again.connack.sessionPresent).toBe(true);
    const got = again.take() as IPublishPacket[];
    expect(payloads(got)).toEqual(['0', '2', '3', 'offline']);
    expect(got.map((p) => p.dup)).toEqual([true, true, true, false]);
    expect(idsOf(got).slice(0, 3)).toEqual([0, 2, 3].map((i) => first[i]!.messageId));
    again.send(...idsOf(got).map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
    again.cut();
    expect(join({ ...persistent }).take()).toEqual([]);
  });

  it('[MQTT-4.3.3-6] resends PUBREL for what the client has received, PUBLISH for what it has not', () => {
    const { join, reader, writer } = pair({ ...persistent, qos: 2 });
    writer.send(...burst(2, 2));
    const [one, two] = idsOf(reader.take());
    reader.send({ cmd: 'pubrec', messageId: one! });
    reader.cut();
    const again = join({ ...persistent });
    expect(again.take()).toMatchObject([
      { cmd: 'pubrel', messageId: one },
      { cmd: 'publish', messageId: two, dup: true },
    ]);
    expect(again.send({ cmd: 'pubcomp', messageId: one! }, { cmd: 'pubrec', messageId: two! })).toMatchObject([
      { cmd: 'pubrel', messageId: two },
    ]);
    again.send({ cmd: 'pubcomp', messageId: two! });
    again.cut();
    expect(join({ ...persistent }).take()).toEqual([]);
  });

  it('[MQTT-4.3.3-4] sends PUBREL when it is stable that the client has the message, in the order of the PUBRECs', () => {
    const { broker, runtime, reader, writer } = pair({ ...persistent, clientId: 'waits', qos: 2 });
    writer.send(...burst(3, 2));
    const [one, two, three] = idsOf(reader.take());
    const inbox = broker.sessions.get('waits')!.inbox!;
    const [first, second] = [new FakeCommit(1), new FakeCommit(2)];
    inbox.receivedCommit = first.commit;
    expect(reader.send({ cmd: 'pubrec', messageId: one! })).toEqual([]);
    inbox.receivedCommit = second.commit;
    expect(reader.send({ cmd: 'pubrec', messageId: two! })).toEqual([]);
    inbox.receivedCommit = null;
    expect(reader.send({ cmd: 'pubrec', messageId: three! })).toEqual([]);
    first.settle();
    runtime.turn();
    expect(reader.take()).toMatchObject([{ cmd: 'pubrel', messageId: one }]);
    second.settle(new Error('the disk is gone'));
    runtime.turn();
    expect(reader.take()).toEqual([]);
  });

  it('[MQTT-4.3.3-4] sends no PUBREL when the medium has failed already', () => {
    const { broker, reader, writer } = pair({ ...persistent, clientId: 'fails', qos: 2 });
    writer.send(...burst(1, 2));
    const [one] = idsOf(reader.take());
    const failed = new FakeCommit(1);
    failed.settle(new Error('the disk is gone'));
    broker.sessions.get('fails')!.inbox!.receivedCommit = failed.commit;
    expect(reader.send({ cmd: 'pubrec', messageId: one! })).toEqual([]);
  });

  it('is read as far as Receive Maximum allows, and further with each acknowledgement', () => {
    const { reader, writer } = pair({
      ...persistent,
      qos: 1,
      properties: { sessionExpiryInterval: 1000, receiveMaximum: 3 },
    });
    writer.send(...burst(700, 1));
    const seen: string[] = [];
    for (let got = reader.take(); got.length > 0;) {
      expect(got.length).toBeLessThanOrEqual(3);
      seen.push(...payloads(got));
      got = reader.send(...idsOf(got).map((messageId) => ({ cmd: 'puback', messageId }) as Packet));
    }
    expect(seen).toEqual(Array.from({ length: 700 }, (_, i) => `${i}`));
  });

  it('skips what the client would not take as a packet', () => {
    const { broker, reader, writer } = pair({
      ...persistent,
      qos: 1,
      properties: { sessionExpiryInterval: 1000, maximumPacketSize: 40 },
    });
    writer.send(publish('t', 'x'.repeat(60), { qos: 1, messageId: 1 }), publish('t', 'ok', { qos: 1, messageId: 2 }));
    expect(payloads(reader.take())).toEqual(['ok']);
    expect(broker.sessions.get('p')!.inbox!.depth).toBe(1);
  });
});

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  it('[MQTT-3.9.3-1] answers every filter with its own code', () => {
    const { join } = setUp();
    const subscriptions = (['ok', 'a/#/b', '$share/g/x', '$share//x', '#'] as const).map((topic, i) => ({
      topic,
      qos: (i % 3) as QoS,
    }));
    const packet: Packet = { cmd: 'subscribe', messageId: 3, subscriptions };
    expect(join({ version: 5 }).send(packet)).toMatchObject([{ granted: [0, 0x8f, 2, 0x8f, 1] }]);
    expect(join({ version: 4 }).send(packet)).toMatchObject([{ granted: [0, 0x80, 2, 0x80, 1] }]);
  });

  it('passes the options of MQTT 5 to the broker', () => {
    const { broker, join } = setUp();
    join({ version: 5, clientId: 'x' }).send({
      ...subscribe('a', 1, { nl: true, rap: true, rh: 2 }),
      properties: { subscriptionIdentifier: 9 },
    });
    expect(broker.sessions.get('x')!.subscriptions.get('a')).toEqual({
      qos: 1,
      noLocal: true,
      retainAsPublished: true,
      retainHandling: 2,
      subscriptionId: 9,
    });
  });

  it('tells a refusal per filter and to the tenant', () => {
    const { broker, join } = setUp();
    broker.refuse.subscribe = { refused: 'not-authorized', message: 'no' };
    expect(join({ version: 5 }).send(subscribe('a', 1))).toMatchObject([{ granted: [0x87] }]);
    expect(join({ version: 4 }).send(subscribe('a', 1))).toMatchObject([{ granted: [0x80] }]);
    expect(broker.events).toMatchObject([{ stage: 'subscribe', code: 'not-authorized', detail: 'a: no' }, {}]);
  });

  it('bounds the filters of one packet', () => {
    const { join } = setUp({ filtersPerPacketMax: 2 });
    const subscriptions = ['a', 'b', 'c'].map((topic) => ({ topic, qos: 0 as const }));
    expect(join({ version: 5 }).send({ cmd: 'subscribe', messageId: 3, subscriptions })).toMatchObject([
      { granted: [0, 0, 0x97] },
    ]);
    const [end] = join({ version: 5 }).send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['a', 'b', 'c'] });
    expect(end).toMatchObject({ cmd: 'disconnect', reasonCode: 0x97 });
  });

  it('[MQTT-3.10.4-4] UNSUBACK tells 5.0 which subscriptions existed', () => {
    const { join } = setUp();
    const client = join({ version: 5 });
    client.send(subscribe('a', 1));
    expect(client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a', 'b', 'c#'] })).toMatchObject([
      { cmd: 'unsuback', messageId: 4, granted: [0, 0x11, 0x8f] },
    ]);
  });

  it('SUBACK comes first, then retained messages with the flag, each once; both wait for the commit', () => {
    for (const delayed of [false, true]) {
      const { broker, join, runtime } = setUp();
      const old = {
        topic: 'a',
        payload: Buffer.from('old'),
        qos: 1,
        retain: true,
        properties: { expirySeconds: 100 },
        timestampMs: runtime.nowMs() - 30_500,
      } as const;
      broker.retained.set('a', old);
      broker.retained.set('b', { ...old, topic: 'b', properties: { expirySeconds: 20 } });
      const client = join({ version: 5 });
      const commit = delayed ? broker.openCommit() : null;
      let got = client.send(subscribe('#', 1));
      if (commit !== null) {
        expect(got).toEqual([]);
        commit.settle();
        runtime.turn();
        got = client.take();
      }
      expect(got).toMatchObject([
        { cmd: 'suback' },
        { cmd: 'publish', topic: 'a', retain: true, qos: 1, properties: { messageExpiryInterval: 70 } },
      ]);
    }
  });
});

describe('usage', () => {
  it('counts messages and topic, payload and user property bytes as they leave, however they are encoded', () => {
    const sizes = [];
    for (const [version, qos] of [
      [5, 1],
      [5, 0],
      [4, 1],
    ] as const) {
      const { broker, writer, v4writer } = pair({ version, qos });
      writer.send(...burst(3, 1, { properties: { userProperties: { key: 'value' } } }));
      v4writer.send(...burst(2, 1));
      sizes.push([broker.usage.messagesOut, broker.usage.bytesOut]);
    }
    expect(sizes).toEqual(Array.from({ length: 3 }, () => [5, 3 * (1 + 1 + 8) + 2 * 2]));
  });
});
