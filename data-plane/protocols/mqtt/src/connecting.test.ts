import type { IConnectPacket } from 'mqtt-packet';
import type { RefusalCode } from '@robustmq/broker';
import { describe, expect, it } from 'vitest';
import { setUp } from './testing/set-up.ts';

describe('CONNECT and CONNACK', () => {
  it('hands user name and password to the broker as they are, nothing as anonymous', () => {
    const { broker, join } = setUp();
    join({ username: 'ann@c1', password: Buffer.from([0, 1, 255]) });
    join({ version: 5 });
    expect(broker.admitted).toMatchObject([
      { protocol: 'mqtt', username: 'ann@c1', password: Buffer.from([0, 1, 255]) },
      { protocol: 'mqtt', username: null, password: null },
    ]);
  });

  it('announces its limits to MQTT 5', () => {
    const { connack } = setUp({ receiveMax: 100, topicAliasMax: 7 }).join({ version: 5 });
    expect(connack.properties).toMatchObject({
      receiveMaximum: 100,
      topicAliasMaximum: 7,
      wildcardSubscriptionAvailable: true,
      subscriptionIdentifiersAvailable: true,
      sharedSubscriptionAvailable: true,
      maximumPacketSize: 1024 * 1024 + 256 * 1024,
    });
    expect(connack.properties).not.toHaveProperty('assignedClientIdentifier');
    expect(connack.properties).not.toHaveProperty('serverKeepAlive');
  });

  it('[MQTT-3.1.3-6] [MQTT-3.1.3-7] gives an id to a client without one and tells it', () => {
    const { broker, join } = setUp();
    const { connack } = join({ version: 5, clientId: '' });
    expect(connack.properties?.assignedClientIdentifier).toMatch(/^auto-[0-9a-f]{24}$/);
    expect([...broker.sessions.keys()]).toEqual([connack.properties?.assignedClientIdentifier]);
    join({ version: 4, clientId: '' });
    expect(broker.sessions.size).toBe(2);
  });

  it('[MQTT-3.1.3-8] refuses an id longer than the limit', () => {
    const { dial, connectPacket } = setUp({ clientIdBytesMax: 10 });
    const answer = (version: 4 | 5) => dial(version).send(connectPacket({ version, clientId: 'x'.repeat(11) }));
    expect(answer(5)).toMatchObject([{ cmd: 'connack', reasonCode: 0x85 }]);
    expect(answer(4)).toMatchObject([{ cmd: 'connack', returnCode: 2 }]);
  });

  it('grants at most the longest keep-alive, and says so (Server Keep Alive)', () => {
    const { join } = setUp({ keepAliveSecondsMax: 60 });
    expect(join({ version: 5, keepalive: 61 }).connack.properties?.serverKeepAlive).toBe(60);
    expect(join({ version: 5, keepalive: 0 }).connack.properties?.serverKeepAlive).toBe(60);
    expect(join({ version: 5, keepalive: 60 }).connack.properties).not.toHaveProperty('serverKeepAlive');
  });

  it('maps clean session and session expiry', () => {
    const { broker, join } = setUp();
    const expiry = (options: Partial<IConnectPacket> & { version: 4 | 5 }) => {
      const { connack } = join({ ...options, clientId: 'same' });
      const { cleanStart, expirySeconds } = broker.sessions.get('same')!.open!;
      return [cleanStart, expirySeconds, connack.sessionPresent];
    };
    expect(expiry({ version: 4, clean: true })).toEqual([true, 0, false]);
    expect(expiry({ version: 4, clean: false })).toEqual([false, Infinity, true]);
    expect(expiry({ version: 5, clean: true })).toEqual([true, 0, false]);
    expect(expiry({ version: 5, clean: false, properties: { sessionExpiryInterval: 7 } })).toEqual([false, 7, true]);
    expect(expiry({ version: 5, clean: true, properties: { sessionExpiryInterval: 0xffffffff } })).toEqual([
      true,
      Infinity,
      false,
    ]);
  });

  it('hands the will over with delay, properties and time', () => {
    const { broker, join, runtime } = setUp();
    join({
      version: 5,
      clientId: 'w',
      will: {
        topic: 'w/t',
        payload: Buffer.from('bye'),
        qos: 1,
        retain: true,
        properties: { willDelayInterval: 9, contentType: 'x', messageExpiryInterval: 5 },
      },
    });
    expect(broker.sessions.get('w')!.open!.will).toEqual({
      delaySeconds: 9,
      message: {
        topic: 'w/t',
        payload: Buffer.from('bye'),
        qos: 1,
        retain: true,
        properties: { contentType: 'x', expirySeconds: 5 },
        timestampMs: runtime.nowMs(),
      },
    });
  });

  const refusals: [RefusalCode, number, number | null][] = [
    ['bad-credentials', 0x86, 4],
    ['namespace-unknown', 0x86, 4],
    ['namespace-mismatch', 0x87, 5],
    ['not-authorized', 0x87, 5],
    ['suspended', 0x88, 3],
    ['quota-connections', 0x97, 3],
    ['quota-connection-rate', 0x9f, null],
    ['quota-sessions', 0x97, 3],
    ['unavailable', 0x88, 3],
  ];
  for (const stage of ['admit', 'connect', 'open'] as const) {
    it.each(refusals)(`a refusal %s from ${stage} is CONNACK 0x%x or return code %s`, (code, v5, v3) => {
      for (const version of [4, 5] as const) {
        const { broker, dial, connectPacket } = setUp();
        broker.refuse[stage] = { refused: code, message: 'because' };
        const client = dial(version);
        const answer = client.send(connectPacket({ version }));
        if (version === 5) expect(answer).toMatchObject([{ reasonCode: v5, properties: { reasonString: 'because' } }]);
        else expect(answer).toMatchObject(v3 === null ? [] : [{ returnCode: v3, sessionPresent: false }]);
        expect(client.closed).toBe('end');
        const event = { stage: 'connect', code, detail: 'because' };
        expect(broker.events).toMatchObject(stage === 'admit' ? [] : [event]); // admit writes its own
        expect(broker.events).toHaveLength(stage === 'admit' ? 0 : 1);
        expect(broker.links.every((link) => link.closed === 1)).toBe(true);
      }
    });
  }

  it('[MQTT-3.2.2-19] leaves the reason string out when the client would not take the packet', () => {
    const { broker, dial, connectPacket } = setUp();
    broker.refuse.admit = { refused: 'not-authorized', message: 'because' };
    const [connack] = dial(5).send(connectPacket({ version: 5, properties: { maximumPacketSize: 20 } }));
    expect(connack).not.toHaveProperty('properties.reasonString');
  });
});

describe('the end of a connection', () => {
  const will = { topic: 'w', payload: Buffer.from('bye'), qos: 0, retain: false } as const;
  it('[MQTT-3.14.4-3] DISCONNECT forgets the will, DISCONNECT 0x04, a lost network and a fault publish it', () => {
    const { broker, join } = setUp();
    join({ version: 5, will }).send({ cmd: 'disconnect', reasonCode: 0 });
    join({ version: 4, will }).send({ cmd: 'disconnect' });
    expect(broker.wills).toHaveLength(0);
    join({ version: 5, will }).send({ cmd: 'disconnect', reasonCode: 4 });
    expect(broker.wills).toHaveLength(1);
    join({ version: 4, will }).cut();
    expect(broker.wills).toHaveLength(2);
    join({ version: 4, will }).bytes(Buffer.from([0, 0]));
    expect(broker.wills).toHaveLength(3);
    expect(broker.links.map((link) => link.closed)).toEqual([1, 1, 1, 1, 1]);
  });

  it('§3.14.2.2.2 DISCONNECT changes the session expiry', () => {
    const { broker, join } = setUp();
    const client = join({ version: 5, clientId: 'x', properties: { sessionExpiryInterval: 100 } });
    client.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 5 } });
    expect(broker.sessions.get('x')!.expirySeconds).toBe(5);
  });

  it('[MQTT-3.1.4-3] a second connection with the id takes over: 0x8E, and the session is left alone', () => {
    const { broker, join } = setUp();
    const first = join({ version: 5, clientId: 'x', clean: false, properties: { sessionExpiryInterval: 100 } });
    const session = broker.sessions.get('x')!;
    const second = join({ version: 5, clientId: 'x', clean: false, properties: { sessionExpiryInterval: 100 } });
    expect(second.connack.sessionPresent).toBe(true);
    expect(first.take()).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x8e }]);
    first.cut();
    expect(session.detached).toBeNull();
    expect(broker.links.map((link) => link.closed)).toEqual([1, 0]);
  });

  it.each([
    ['credential-revoked', 0x87],
    ['namespace-deleted', 0x98],
    ['kicked', 0x98],
    ['shutdown', 0x8b],
  ] as const)('the broker ends it: %s, after the call', (reason, code) => {
    const { broker, join, runtime } = setUp();
    const client = join({ version: 5 });
    broker.links[0]!.info.disconnect(reason);
    expect(broker.links[0]!.closed).toBe(0); // not from inside the call
    runtime.turn();
    expect(client.take()).toMatchObject([{ cmd: 'disconnect', reasonCode: code }]);
    expect(broker.links[0]!.closed).toBe(1);
  });

  it('closing the server tells MQTT 5 clients 0x8B, ends all and stops its timer', () => {
    const { server, join, dial } = setUp();
    const clients = [join({ version: 5 }), join({ version: 4 }), dial()];
    server.close();
    expect(clients.map((client) => client.take())).toMatchObject([[{ cmd: 'disconnect', reasonCode: 0x8b }], [], []]);
    expect(clients.map((client) => client.closed)).toEqual(['end', 'end', 'end']);
    for (const client of clients) client.cut();
    expect(server.connectionCount).toBe(0);
  });

  it('[MQTT-3.1.2-22] silence of 1.5 keep-alives ends it with 0x8D; any packet counts; 0 turns it off', () => {
    const { join, runtime } = setUp();
    const [quiet, busy, free] = [join({ version: 5, keepalive: 10 }), join({ keepalive: 10 }), join({ keepalive: 0 })];
    for (let i = 0; i < 4; i++) {
      runtime.advance(4_000);
      expect(busy.send({ cmd: 'pingreq' })).toHaveLength(1);
    }
    expect(quiet.closed).toBeNull();
    runtime.advance(2_000);
    expect(quiet.take()).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x8d }]);
    expect(busy.closed).toBeNull();
    runtime.advance(1_000_000);
    expect(busy.closed).toBe('destroy'); // silent too, and its peer never took the end
    expect(free.closed).toBeNull();
  });

  it('a transport that never sends CONNECT is ended, and cut when it does not go', () => {
    const { dial, runtime, server } = setUp({ connectTimeoutMs: 3000, closeTimeoutMs: 2000 });
    const client = dial();
    runtime.advance(4_000);
    expect(client.closed).toBe('end');
    client.closed = null;
    runtime.advance(4_000);
    expect(client.closed).toBe('destroy');
    expect(server.connectionCount).toBe(0);
  });
});
