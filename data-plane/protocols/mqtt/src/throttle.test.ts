import type { IPublishPacket } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { setUp } from './testing/set-up.ts';

const publish = (payload: string): IPublishPacket => ({
  cmd: 'publish',
  topic: 'a',
  payload,
  qos: 0,
  dup: false,
  retain: false,
});

describe('the ingress quota', () => {
  it('delays reads until the cluster owes nothing, without a keep-alive running out', () => {
    const { broker, runtime, join } = setUp({ throttlePatienceMs: 10_000 });
    const client = join({ version: 5, keepalive: 1 });
    broker.delays.ingressMs = 3000;
    client.send(publish('1'));
    expect(client.paused).toBe(true);
    runtime.advance(2999);
    expect(client.paused).toBe(true);
    broker.delays.ingressMs = 500;
    runtime.advance(1);
    expect(client.paused).toBe(true);
    broker.delays.ingressMs = 0;
    runtime.advance(500);
    expect([client.paused, client.closed]).toEqual([false, null]);
    expect(broker.events.map((event) => event.code)).toEqual(['throttled']);
    expect(broker.published.map((run) => run.payloads)).toEqual([['1']]);
  });

  it('ends the connection with 0x96 when patience runs out, MQTT 3 without a word', () => {
    for (const version of [4, 5] as const) {
      const { broker, runtime, join } = setUp({ throttlePatienceMs: 10_000 });
      const client = join({ version });
      broker.delays.ingressMs = 4000;
      client.send(publish('1'));
      runtime.advance(7999);
      expect(client.closed).toBeNull();
      runtime.advance(1);
      expect(client.closed).toBe('end');
      const end = version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x96 }] : [];
      expect(client.take()).toMatchObject(end);
      expect(broker.events.map((event) => event.code)).toEqual(['throttled', 'message-rate-too-high']);
    }
  });

  it('a connection that went while it waited is left alone', () => {
    const { broker, runtime, join } = setUp();
    const client = join();
    broker.delays.ingressMs = 100;
    client.send(publish('1'));
    client.cut();
    runtime.advance(60_000);
    expect(client.closed).toBeNull();
  });
});

describe('the egress quota', () => {
  it('delays publishers in short steps and disconnects nobody', () => {
    const { broker, runtime, join } = setUp({ egressPauseMsMax: 1000 });
    const client = join({ version: 5 });
    broker.delays.egressMs = 60_000;
    client.send(publish('1'));
    expect(client.paused).toBe(true);
    runtime.advance(1000);
    expect([client.paused, client.closed]).toEqual([false, null]);
  });

  it('lets an inbox wait', () => {
    const { broker, runtime, join } = setUp({ egressPauseMsMax: 1000 });
    const client = join({ version: 4, clean: false });
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 1 }] });
    broker.delays.egressMs = 1500;
    join().send({ ...publish('1'), qos: 1, messageId: 1 });
    expect(client.take()).toEqual([]);
    runtime.advance(1000);
    expect(client.take()).toEqual([]);
    broker.delays.egressMs = 0;
    runtime.advance(1000);
    expect(client.take()).toMatchObject([{ cmd: 'publish', topic: 'a' }]);
  });
});
