import type { AdmitRequest } from '@robustmq/broker';
import type { ISubscribePacket } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { setUp } from './testing/set-up.ts';

/** A server whose broker must ask somebody else about every client; `answer` has it answered, oldest first. */
function asking() {
  const world = setUp();
  const waiting: { request: AdmitRequest; resolve: (request: AdmitRequest) => void }[] = [];
  Object.assign(world.broker, {
    ask: (request: AdmitRequest) => new Promise<AdmitRequest>((resolve) => waiting.push({ request, resolve })),
  });
  const answer = async (): Promise<void> => {
    const { request, resolve } = waiting.shift()!;
    resolve({ ...request, verdict: { kind: 'allow', expiresAtMs: Infinity, acl: null } });
    await Promise.resolve();
    await Promise.resolve();
    world.runtime.turn();
  };
  return { ...world, waiting, answer };
}

describe('a client the broker must ask about', () => {
  it('is let in by the answer, and what it sent behind its CONNECT follows then', async () => {
    const { dial, connectPacket, broker, waiting, answer } = asking();
    const client = dial();
    const subscribe: ISubscribePacket = { cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: 'a', qos: 0 }] };
    const password = Buffer.from('word');
    expect(client.send(connectPacket({ username: 'u', password }), subscribe)).toEqual([]);
    client.bytes(client.encode({ cmd: 'pingreq' }));
    expect([client.take(), client.paused, broker.admitted]).toEqual([[], true, []]);
    expect(waiting[0]!.request.password?.toString()).toBe('word');
    await answer();
    expect(client.take().map(({ cmd }) => cmd)).toEqual(['connack', 'suback', 'pingresp']);
    expect([client.paused, broker.admitted[0]!.password?.toString()]).toEqual([false, 'word']);
  });

  it('is refused by the answer', async () => {
    const { dial, connectPacket, broker, answer } = asking();
    broker.refuse.admit = { refused: 'bad-credentials', message: 'no' };
    const client = dial();
    client.send(connectPacket({}));
    await answer();
    expect(client.take()).toMatchObject([{ cmd: 'connack', returnCode: 4 }]);
    expect(client.closed).toBe('end');
  });

  it('may have gone when the answer comes', async () => {
    const { dial, connectPacket, broker, answer } = asking();
    const client = dial();
    client.send(connectPacket({}));
    client.cut();
    await answer();
    expect([broker.admitted, client.take()]).toEqual([[], []]);
  });
});
