import type { AdmitRequest } from '@robustmq/broker';
import { describe, expect, it, vi } from 'vitest';
import { ERROR, REFUSAL_ERRORS } from '../errors.ts';
import { Metadata } from '../messages/cluster.ts';
import { SaslAuthenticate, SaslHandshake } from '../messages/sasl.ts';
import { Fixture } from '../testing/fixture.ts';

vi.setConfig({ testTimeout: 60_000 });
const NO_TOPICS = {
  topics: [],
  includeClusterAuthorizedOperations: false,
  includeTopicAuthorizedOperations: false,
};
const PLAIN = Buffer.from('\0joe@red\0secret');

/** A broker that has to ask somebody about every client first. */
function asking(): { world: Fixture; asked: AdmitRequest[]; answer(): void } {
  const world = new Fixture();
  const asked: AdmitRequest[] = [];
  const waiting: (() => void)[] = [];
  Object.assign(world.broker, {
    ask: (request: AdmitRequest) => {
      asked.push(request);
      return new Promise<AdmitRequest>((resolve) =>
        waiting.push(() => resolve({ ...request, verdict: { kind: 'deny' } })),
      );
    },
  });
  return { world, asked, answer: () => waiting.shift()!() };
}

describe('a client that somebody is asked about', () => {
  it('is let in when the answer is there, and has nothing else served before', async () => {
    const { world, asked, answer } = asking();
    const admit = vi.spyOn(world.broker, 'admit');
    const client = world.client();
    await world.ask(client, SaslHandshake, 1, { mechanism: 'PLAIN' });
    client.send(SaslAuthenticate, 2, { authBytes: PLAIN });
    await world.settle();
    expect(client.next(SaslAuthenticate)).toBeNull();
    expect(asked).toMatchObject([{ username: 'joe@red', protocol: 'kafka' }]);
    answer();
    await world.settle();
    expect(client.next(SaslAuthenticate)).toMatchObject({ errorCode: 0 });
    expect(admit).toHaveBeenCalledTimes(1);
    expect(admit.mock.calls[0]![0]).toMatchObject({ username: 'joe@red', verdict: { kind: 'deny' } });
  });

  it('may not say more meanwhile, and may go', async () => {
    const { world, asked, answer } = asking();
    const client = world.client();
    await world.ask(client, SaslHandshake, 1, { mechanism: 'PLAIN' });
    client.send(SaslAuthenticate, 2, { authBytes: PLAIN });
    client.send(SaslAuthenticate, 2, { authBytes: PLAIN });
    await world.settle();
    expect(asked).toHaveLength(1);
    answer();
    await world.settle();
    const gone = world.client();
    await world.ask(gone, SaslHandshake, 1, { mechanism: 'PLAIN' });
    gone.send(SaslAuthenticate, 2, { authBytes: PLAIN });
    await world.settle();
    gone.handler.onClose(null);
    answer();
    await world.settle();
    expect([...world.red.open].length).toBeLessThanOrEqual(1);
  });
});

describe('a cluster that leaves the server', () => {
  it('tells its new address wherever the broker is named, and that it leads no partition any more', async () => {
    const world = new Fixture();
    Object.assign(world.blue, { relocation: { state: 'moved', mqtt: null, kafka: 'other.example:9093' } });
    const { brokers } = await world.ask(world.client(), Metadata, 9, NO_TOPICS);
    expect(brokers).toMatchObject([{ host: 'other.example', port: 9093 }]);
    Object.assign(world.blue, { relocation: { state: 'moved', mqtt: null, kafka: 'no address' } });
    expect((await world.ask(world.client(), Metadata, 9, NO_TOPICS)).brokers).toMatchObject([
      { host: 'blue.example', port: 9092 },
    ]);
    expect([REFUSAL_ERRORS.moved, REFUSAL_ERRORS.draining]).toEqual([
      ERROR.NOT_LEADER_OR_FOLLOWER,
      ERROR.NOT_LEADER_OR_FOLLOWER,
    ]);
  });
});
