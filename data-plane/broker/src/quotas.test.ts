import { beforeEach, describe, expect, it } from 'vitest';
import { isRefusal, type Connection, type NamespaceQuotas } from './index.ts';
import { UNLIMITED_QUOTAS } from './namespace-config.ts';
import { admitRequest, config, openSession, runOf, settled, subscribeOptions, TestNode } from './testing/test-node.ts';

let node: TestNode;
let p: ReturnType<typeof openSession>;
beforeEach(async () => {
  node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 't', partitions: 1 }] }));
  p = openSession(node, 'p');
});
const set = (quotas: Partial<NamespaceQuotas>): Promise<void> =>
  node.broker.applyNamespace(config({ quotas: { ...UNLIMITED_QUOTAS, ...quotas } }));
const publish = (topic: string, payload: string, retain = false): string | undefined =>
  node.namespace().publish(runOf(topic, [payload], 1, retain), p.connection).refusal?.refused;
const admits = (): string => {
  const outcome = node.broker.admit(admitRequest());
  return isRefusal(outcome) ? outcome.refused : 'admitted';
};

describe('a quota that is lowered counts at once, and one that is raised too', () => {
  it('connections, their rate, and sessions', async () => {
    await set({ connectionsMax: 1 });
    expect(admits()).toBe('quota-connections');
    await set({ connectionRatePerSecondMax: 1 });
    node.connect('one');
    expect(admits()).toBe('quota-connection-rate');
    node.runtime.advance(1_000);
    expect(admits()).toBe('admitted');
    await set({ sessionsMax: 0 });
    node.runtime.advance(1);
    expect(() => openSession(node, 'x', { expirySeconds: 1 })).toThrow(/sessions/);
    expect(openSession(node, 'x').present).toBe(false);
  });

  it('bytes and messages per second, in and out', async () => {
    const { usage } = p.connection;
    const delays = (): [number, number] => [p.connection.ingressDelayMs(), p.connection.egressDelayMs()];
    const limits = { ingressBytesPerSecondMax: 1_000, messagesInPerSecondMax: 10, messagesOutPerSecondMax: 10 };
    await set(limits);
    delays();
    usage.messagesIn += 30;
    usage.messagesOut += 20;
    expect(delays()).toEqual([2_000, 1_000]);
    node.runtime.advance(3_000);
    usage.bytesIn += 4_000;
    expect(delays()).toEqual([3_000, 0]);
    await set({});
    expect(delays()).toEqual([0, 0]);
  });

  it('topics, partitions, subscriptions, retained messages, and the size of a message', async () => {
    const { topics } = node.namespace();
    await set({ topicsMax: 1 });
    expect(await topics.create({ name: 'x', partitions: 1 })).toMatchObject({ refused: 'quota-topics' });
    await set({ partitionsMax: 2 });
    expect(await topics.create({ name: 'x', partitions: 2 })).toMatchObject({ refused: 'quota-topics' });
    await set({ subscriptionsMax: 1, retainedMessagesMax: 1, messageSizeBytesMax: 3 });
    expect(p.session.subscribe('a', subscribeOptions).refusal).toBeNull();
    expect(p.session.subscribe('a', subscribeOptions).refusal).toBeNull();
    expect(p.session.subscribe('b', subscribeOptions).refusal?.refused).toBe('quota-subscriptions');
    p.session.unsubscribe('a');
    expect(p.session.subscribe('b', subscribeOptions).refusal).toBeNull();
    expect(publish('r', '1', true)).toBeUndefined();
    expect(publish('r', '2', true)).toBeUndefined();
    expect(publish('q', '1', true)).toBe('quota-storage');
    expect(publish('r', '', true)).toBeUndefined();
    expect(publish('q', '1', true)).toBeUndefined();
    expect(publish('r', '1234')).toBe('message-too-large');
    await set({});
    expect(publish('r', '1234')).toBeUndefined();
  });

  it('storage: writes stop, reads and deletes go on', async () => {
    expect(publish('t', 'x'.repeat(100))).toBeUndefined();
    await settled(node);
    node.broker.sweep();
    await set({ storageBytesMax: 50 });
    expect(publish('t', 'x')).toBe('quota-storage');
    const partition = node.namespace().topics.get('t')!.partitions[0]!;
    const kafka: Connection = node.connect('k', 'kafka');
    expect(partition.append(Buffer.alloc(0), kafka)).toMatchObject({ refused: 'quota-storage' });
    expect(await partition.read(0, 1_000)).toHaveLength(1);
    expect(await partition.trim(-1)).toBe(1);
    expect(publish('live', 'x')).toBeUndefined();
    await set({});
    expect(publish('t', 'x')).toBeUndefined();
  });

  it('bytes of all inboxes together', async () => {
    const sleepers = ['a', 'b'].map((id) => openSession(node, id, { expirySeconds: 60 }));
    for (const { session } of sleepers) {
      session.subscribe('i', subscribeOptions);
      session.detach(false);
    }
    await set({ inboxBytesMax: 4 });
    for (const payload of ['11', '22', '33']) publish('i', payload);
    const depths = sleepers.map(({ session }) => session.inbox!.depth);
    expect(depths[0]! + depths[1]!).toBe(2);
    expect(node.broker.clientEvents('ns').some(({ code }) => code === 'inbox-full')).toBe(true);
  });
});
