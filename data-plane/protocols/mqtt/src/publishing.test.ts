import type { IPublishPacket, Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
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
const at = (qos: 1 | 2, messageId: number, payload = `${messageId}`, topic = 'a'): IPublishPacket =>
  publish(topic, payload, { qos, messageId });

describe('runs', () => {
  it('hold consecutive publishes of one topic, QoS and retain flag, in order', () => {
    const { broker, join } = setUp();
    const client = join();
    client.send(
      publish('a', '1'),
      publish('a', '2'),
      publish('b', '3'),
      publish('b', '4', { retain: true }),
      at(1, 1, '5', 'b'),
      at(1, 2, '6', 'b'),
      at(2, 3, '7', 'b'),
      publish('a', '8'),
      { cmd: 'pingreq' },
      publish('a', '9'),
    );
    expect(broker.published.map(({ topic, qos, retain, payloads }) => [topic, qos, retain, payloads.join()])).toEqual([
      ['a', 0, false, '1,2'],
      ['b', 0, false, '3'],
      ['b', 0, true, '4'],
      ['b', 1, false, '5,6'],
      ['b', 2, false, '7'],
      ['a', 0, false, '8'],
      ['a', 0, false, '9'],
    ]);
  });

  it('come out the same wherever the bytes are cut', () => {
    const packets: Packet[] = [
      publish('a/b', 'x'.repeat(200)),
      publish('a/b', ''),
      at(1, 77, 'q1', 'a/b'),
      { cmd: 'pingreq' },
      at(2, 78, 'q2', 'a/b'),
      { cmd: 'pubrel', messageId: 78 },
      { cmd: 'subscribe', messageId: 5, subscriptions: [{ topic: 'z', qos: 1 }] },
    ];
    for (const version of [4, 5] as const) {
      const whole = setUp().join({ version });
      const bytes = whole.encode(...packets);
      whole.bytes(bytes);
      const expected = whole.take();
      expect(expected).toHaveLength(5);
      for (let cut = 1; cut < bytes.length; cut++) {
        const { broker, join } = setUp();
        const client = join({ version });
        client.bytes(bytes.subarray(0, cut));
        client.bytes(bytes.subarray(cut));
        expect(client.take()).toEqual(expected);
        expect(broker.published.flatMap((run) => run.payloads)).toEqual(['x'.repeat(200), '', 'q1', 'q2']);
      }
      const { broker, join } = setUp();
      const client = join({ version });
      for (const byte of bytes) client.bytes(Buffer.from([byte]));
      expect(client.take()).toEqual(expected);
      expect(broker.published).toHaveLength(4);
    }
  });

  it('one write per connection and turn', () => {
    const { join } = setUp();
    const client = join();
    client.writes = 0;
    client.send(at(1, 1), at(1, 2), { cmd: 'pingreq' }, at(2, 3), {
      cmd: 'subscribe',
      messageId: 5,
      subscriptions: [{ topic: 'z', qos: 1 }],
    });
    expect(client.writes).toBe(1);
  });

  it('[MQTT-3.3.2-15] [MQTT-3.3.2-20] properties reach the broker in its words and in order', () => {
    const { broker, join } = setUp();
    const properties = {
      payloadFormatIndicator: true,
      messageExpiryInterval: 9,
      contentType: 'text/plain',
      responseTopic: 'r/t',
      correlationData: Buffer.from([1, 2]),
      userProperties: { b: ['1', '2'], a: '3' },
    };
    join({ version: 5 }).send(publish('a', 'x'), publish('a', 'y', { properties }));
    expect(broker.published).toMatchObject([
      {
        payloads: ['x', 'y'],
        properties: [
          null,
          {
            payloadIsText: true,
            expirySeconds: 9,
            contentType: 'text/plain',
            responseTopic: 'r/t',
            correlationData: Buffer.from([1, 2]),
            headers: [
              ['b', '1'],
              ['b', '2'],
              ['a', '3'],
            ],
          },
        ],
      },
    ]);
  });
});

describe('topic aliases (§3.3.2.3.4)', () => {
  it('stand for the topic they were last set to, in one run, with or without properties', () => {
    const { broker, join } = setUp();
    const alias = (topicAlias: number, topic: string, payload: string) =>
      publish(topic, payload, { properties: { topicAlias } });
    join({ version: 5 }).send(
      alias(1, 'one', '1'),
      alias(1, '', '2'),
      alias(32, 'two', '3'),
      alias(1, '', '4'),
      alias(1, 'three', '5'),
      alias(1, '', '6'),
      publish('', '7', { qos: 1, messageId: 3, properties: { topicAlias: 32, contentType: 'c' } }),
    );
    expect(broker.published.map(({ topic, payloads }) => [topic, payloads.join()])).toEqual([
      ['one', '1,2'],
      ['two', '3'],
      ['one', '4'],
      ['three', '5,6'],
      ['two', '7'],
    ]);
    expect(broker.published.at(-1)).toMatchObject({ qos: 1, properties: [{ contentType: 'c' }] });
  });
  it('larger than the scratch buffer and many in a chunk', () => {
    const { broker, join } = setUp();
    const client = join({ version: 5 });
    const big = 'x'.repeat(100_000);
    client.send(publish('t', big, { properties: { topicAlias: 1 } }));
    const many = Array.from({ length: 3000 }, (_, i) =>
      publish('', `${i}`.padStart(40), { properties: { topicAlias: 1 } }),
    );
    client.send(...many);
    const payloads = broker.published.flatMap((run) => run.payloads);
    expect(payloads).toEqual([big, ...many.map((packet) => packet.payload)]);
    expect(broker.published.every((run) => run.topic === 't')).toBe(true);
  });
  it('reach subscribers of every version as plain topics', () => {
    const { join } = setUp();
    const subscribers = ([4, 5] as const).map((version) => {
      const client = join({ version });
      client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 't', qos: 1 }] });
      return client;
    });
    const properties = { topicAlias: 4, userProperties: { k: 'v' } };
    join({ version: 5 }).send(
      publish('t', 'x', { qos: 1, messageId: 9, properties }),
      publish('', 'y', { qos: 1, messageId: 10, properties }),
    );
    const [v4, v5] = subscribers.map((client) => client.take());
    expect(v4).toMatchObject([
      { topic: 't', payload: Buffer.from('x'), messageId: 1 },
      { topic: 't', payload: Buffer.from('y'), messageId: 2 },
    ]);
    expect(v5).toMatchObject([
      { topic: 't', messageId: 1 },
      { topic: 't', messageId: 2 },
    ]);
    expect(v5![1]).toMatchObject({ properties: { userProperties: { k: 'v' } } });
    expect(v5![1]).not.toHaveProperty('properties.topicAlias');
  });
});

describe('acknowledgements', () => {
  it('[MQTT-4.6.0-2] leave after their commits and in the order of their packets', () => {
    const { broker, join, runtime } = setUp();
    const client = join();
    const first = broker.openCommit();
    expect(client.send(at(1, 10), at(1, 11))).toEqual([]);
    expect(client.send(at(2, 12))).toEqual([]);
    const second = broker.openCommit();
    expect(client.send(at(1, 13))).toEqual([]);
    broker.manual = false;
    expect(client.send(at(1, 14), { cmd: 'pingreq' })).toMatchObject([{ cmd: 'pingresp' }]); // stored nowhere, still behind 13
    second.settle();
    runtime.turn();
    expect(client.take()).toEqual([]);
    first.settle();
    runtime.turn();
    expect(client.take().map((p) => [p.cmd, p.messageId])).toEqual([
      ['puback', 10],
      ['puback', 11],
      ['pubrec', 12],
      ['puback', 13],
      ['puback', 14],
    ]);
    expect([first.registrations, second.registrations]).toEqual([1, 1]);
  });

  it('[MQTT3-4.8.0-2] of a commit that fails say so (5.0) or end the connection (3.1.1)', () => {
    for (const version of [4, 5] as const) {
      const { broker, join, runtime } = setUp();
      const client = join({ version, clientId: 'x' });
      const commit = broker.openCommit();
      client.send(at(1, 10), at(2, 11));
      expect(broker.sessions.get('x')!.held.has(11)).toBe(true);
      commit.settle(new Error('disk'));
      runtime.turn();
      if (version === 4) expect([client.take(), client.closed]).toEqual([[], 'end']);
      else {
        expect(client.take()).toMatchObject([
          { cmd: 'puback', reasonCode: 0x80 },
          { cmd: 'pubrec', reasonCode: 0x80 },
        ]);
        expect(broker.sessions.get('x')!.held.size).toBe(0);
      }
    }
  });

  it('are not sent once the connection has ended', () => {
    const { broker, join, runtime } = setUp();
    const client = join();
    const commit = broker.openCommit();
    client.send(at(1, 10));
    client.cut();
    commit.settle();
    runtime.turn();
    expect(client.take()).toEqual([]);
  });

  it('stop the reading of a publisher that has too many waiting, and start it again', () => {
    const { broker, join, runtime } = setUp({ ackPendingMax: 10 });
    const client = join();
    const commit = broker.openCommit();
    client.send(...Array.from({ length: 11 }, (_, i) => at(1, i + 1)));
    expect(client.paused).toBe(true);
    runtime.advance(10_000);
    commit.settle();
    runtime.turn();
    expect(client.paused).toBe(false);
    expect(client.take()).toHaveLength(11);
  });

  it.each([
    ['not-authorized', 0x87],
    ['quota-storage', 0x97],
    ['topic-invalid', 0x90],
    ['message-too-large', null],
  ] as const)(
    '[MQTT3-3.3.5-2] [MQTT-4.3.3-9] [MQTT-3.4.2-1] [MQTT-3.5.2-1] ' +
      'a refusal %s: 5.0 says 0x%x, 3.1.1 drops it or closes, QoS 0 is dropped',
    (refused, code) => {
      const { broker, join, server } = setUp();
      broker.refuse.publish = { refused, message: 'no' };
      const v5 = join({ version: 5, clientId: 'x' });
      if (code === null) expect(v5.send(at(1, 1))).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x95 }]);
      else {
        expect(v5.send(at(1, 1), at(2, 2), publish('a', '0'))).toMatchObject([
          { cmd: 'puback', messageId: 1, reasonCode: code },
          { cmd: 'pubrec', messageId: 2, reasonCode: code },
        ]);
        expect(broker.sessions.get('x')!.held.size).toBe(0);
        expect(broker.events).toMatchObject([{ stage: 'publish', code: refused }]); // one for the turn
        const v4 = join({ version: 4 });
        expect([v4.send(publish('a', '0')), v4.closed]).toEqual([[], null]);
      }
      const v4 = join({ version: 4 });
      if (refused === 'not-authorized') {
        // acknowledged and dropped: 3.1.1 has no way to say it
        expect(v4.send(at(1, 1), at(2, 2))).toMatchObject([{ cmd: 'puback' }, { cmd: 'pubrec' }]);
        expect([server.refusedMessages, v4.closed]).toEqual([6, null]);
      } else expect([v4.send(at(1, 1)), v4.closed]).toEqual([[], 'end']);
    },
  );
});

describe('QoS 2, receiving side', () => {
  it('[MQTT-4.3.3-10] an id sent again before PUBREL is acknowledged again and not published again', () => {
    const { broker, join } = setUp();
    const client = join();
    client.send(at(2, 5, 'once'));
    const again = client.send(
      { ...at(2, 5, 'once'), dup: true },
      at(2, 6),
      { ...at(2, 6), dup: true },
      at(2, 7),
      at(2, 7),
    );
    expect(again.map((p) => [p.cmd, p.messageId])).toEqual([5, 6, 6, 7, 7].map((id) => ['pubrec', id]));
    expect(broker.published.flatMap((run) => run.payloads)).toEqual(['once', '6', '7']);
    client.send({ cmd: 'pubrel', messageId: 5 });
    client.send(at(2, 5, 'new'));
    expect(broker.published.at(-1)!.payloads).toEqual(['new']);
  });

  it('[MQTT-4.3.3-10] an id sent again is acknowledged when what it repeats is stored, not before', () => {
    const { broker, join, runtime } = setUp();
    const client = join();
    client.send(at(2, 5));
    // As after a reconnection while the medium is slow: the acknowledgement of the first is still owed.
    const commit = broker.openCommit();
    expect(client.send({ ...at(2, 5), dup: true })).toEqual([]);
    commit.settle();
    runtime.turn();
    expect(client.take()).toMatchObject([{ cmd: 'pubrec', messageId: 5 }]);
  });

  it('[MQTT-4.3.3-11] PUBCOMP follows PUBREL, and waits for the release to be stored', () => {
    const { broker, join, runtime } = setUp();
    const client = join();
    client.send(at(2, 5));
    const commit = broker.openCommit();
    expect(client.send({ cmd: 'pubrel', messageId: 5 })).toEqual([]);
    commit.settle();
    runtime.turn();
    expect(client.take()).toMatchObject([{ cmd: 'pubcomp', messageId: 5 }]);
  });

  it('a PUBREL in the chunk of its PUBLISH completes it', () => {
    const { join } = setUp();
    expect(
      join()
        .send(at(2, 5), { cmd: 'pubrel', messageId: 5 }, at(2, 5))
        .map((p) => p.cmd),
    ).toEqual(['pubrec', 'pubcomp', 'pubrec']);
  });

  it('an unknown PUBREL gets PUBCOMP 0x92, plain in 3.1.1', () => {
    const { join } = setUp();
    expect(join({ version: 5 }).send({ cmd: 'pubrel', messageId: 9 })).toMatchObject([
      { cmd: 'pubcomp', reasonCode: 0x92 },
    ]);
    expect(join({ version: 4 }).send({ cmd: 'pubrel', messageId: 9 })).toMatchObject([
      { cmd: 'pubcomp', messageId: 9 },
    ]);
  });
});

describe('[MQTT-3.3.4-7] Receive Maximum of the server', () => {
  it('ends the connection with 0x93 when more exchanges are open, counting QoS 2 until PUBCOMP', () => {
    const { broker, join, runtime } = setUp({ receiveMax: 3 });
    const client = join({ version: 5 });
    client.send(at(2, 1), at(2, 2), at(1, 3));
    client.send(at(1, 4));
    client.send(at(1, 5));
    client.send({ cmd: 'pubrel', messageId: 1 });
    const commit = broker.openCommit();
    client.send(at(1, 6), at(1, 7));
    expect(client.closed).toBeNull();
    commit.settle();
    runtime.turn();
    client.take();
    broker.openCommit();
    const end = client.send(at(1, 8), at(1, 9), at(1, 10));
    expect(end).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x93 }]);
  });
});
