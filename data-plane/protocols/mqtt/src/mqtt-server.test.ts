import { describe, expect, it } from 'vitest';
import type { Packet } from 'mqtt-packet';
import { setUp } from './testing/set-up.ts';

describe('a first conversation', () => {
  for (const version of [3, 4, 5] as const) {
    it(`connects, subscribes, publishes and hears itself over MQTT level ${version}`, () => {
      const { broker, join } = setUp();
      const client = join({ version });
      const subscribe: Packet = { cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'a/+', qos: 2 }] };
      expect(client.send(subscribe)).toMatchObject([{ cmd: 'suback', messageId: 7, granted: [2] }]);
      const [echo0] = client.send({ cmd: 'publish', topic: 'a/b', payload: 'zero', qos: 0, dup: false, retain: false });
      expect(echo0).toMatchObject({ cmd: 'publish', topic: 'a/b', qos: 0, payload: Buffer.from('zero') });
      const one = client.send({
        cmd: 'publish',
        topic: 'a/b',
        payload: 'x',
        qos: 1,
        messageId: 9,
        dup: false,
        retain: false,
      });
      expect(one).toMatchObject([
        { cmd: 'publish', qos: 1, messageId: 1 },
        { cmd: 'puback', messageId: 9 },
      ]);
      expect(client.send({ cmd: 'puback', messageId: 1 })).toEqual([]);
      const two = client.send({
        cmd: 'publish',
        topic: 'a/b',
        payload: 'y',
        qos: 2,
        messageId: 9,
        dup: false,
        retain: false,
      });
      expect(two).toMatchObject([
        { cmd: 'publish', qos: 2, messageId: 2 },
        { cmd: 'pubrec', messageId: 9 },
      ]);
      expect(client.send({ cmd: 'pubrel', messageId: 9 })).toMatchObject([{ cmd: 'pubcomp', messageId: 9 }]);
      expect(client.send({ cmd: 'pubrec', messageId: 2 })).toMatchObject([{ cmd: 'pubrel', messageId: 2 }]);
      expect(client.send({ cmd: 'pubcomp', messageId: 2 })).toEqual([]);
      expect(client.send({ cmd: 'pingreq' })).toMatchObject([{ cmd: 'pingresp' }]);
      expect(client.send({ cmd: 'unsubscribe', messageId: 8, unsubscriptions: ['a/+'] })).toMatchObject([
        { cmd: 'unsuback', messageId: 8 },
      ]);
      client.send({ cmd: 'disconnect' });
      expect(client.closed).toBe('end');
      expect(broker.wills).toEqual([]);
      expect(broker.usage).toMatchObject({ messagesOut: 3, bytesOut: 7 + 4 + 4 });
    });
  }
});
