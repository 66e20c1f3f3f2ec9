import { describe, expect, it, vi } from 'vitest';
import type { Connection, Refusal } from './broker-types.ts';
import { UNLIMITED_QUOTAS, type NamespaceConfig } from './namespace-config.ts';
import { admitRequest, config, credential, openSession, runOf, settled, TestNode } from './testing/test-node.ts';

vi.setConfig({ testTimeout: 60_000 });

const codeOf = (outcome: object): string => ('refused' in outcome ? String(outcome.refused) : 'ok');
const TOPICS = { topics: [{ name: 't', partitions: 1 }] };

async function start(change: Partial<NamespaceConfig> = {}) {
  const node = await TestNode.start();
  const apply = (more: Partial<NamespaceConfig>) =>
    node.broker.applyNamespace(config({ ...TOPICS, ...change, ...more }));
  await apply({});
  const told: string[] = [];
  const join = (clientId: string): Connection | Refusal => {
    const outcome = node.namespace().connect({
      ...{ protocol: 'mqtt', principal: 'anonymous', clientId, remoteAddress: '127.0.0.1' },
      disconnect: (reason) => void told.push(`${clientId} ${reason}`),
    });
    return outcome;
  };
  return { node, apply, told, join };
}

describe('a cluster that leaves the node', () => {
  it('lets nobody in, and leads away as many a second as may connect, the oldest first, each once', async () => {
    const quotas = { ...UNLIMITED_QUOTAS, connectionRatePerSecondMax: 3 };
    const { node, apply, told, join } = await start({ quotas });
    for (let i = 0; i < 7; i++) {
      expect(codeOf(join(`c${i}`))).toBe('ok');
      node.runtime.advance(1_000);
    }
    const relocation = { state: 'draining', mqtt: 'other.example:8883', kafka: null } as const;
    await apply({ relocation });
    expect(node.broker.admit(admitRequest())).toMatchObject({ refused: 'draining', elsewhere: relocation });
    expect(told).toEqual([]);
    const rounds: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = told.length;
      node.broker.sweep();
      rounds.push(told.length - before);
    }
    expect(rounds).toEqual([3, 3, 1, 0]);
    expect(told).toEqual(Array.from({ length: 7 }, (_, i) => `c${i} draining`));
    // what they have under way is taken until they go
    expect(node.namespace().publish(runOf('t', ['x']), node.connect('p')).refusal).toBeNull();
    await apply({ relocation: null });
    expect(codeOf(node.broker.admit(admitRequest()))).toBe('ok');
  });

  it('takes nothing any more once it is elsewhere, and says so after a restart too', async () => {
    const { node, apply } = await start();
    await apply({ relocation: { state: 'moved', mqtt: null, kafka: 'k.example:9092' } });
    const check = async (one: TestNode) => {
      const publisher = one.connect('p');
      expect(one.namespace().publish(runOf('t', ['x']), publisher).refusal?.refused).toBe('moved');
      expect(one.namespace().publish(runOf('uncaptured', ['x'], 0), publisher).refusal?.refused).toBe('moved');
      const [partition] = one.namespace().topics.get('t')!.partitions;
      expect(codeOf(partition!.append(Buffer.alloc(61), publisher))).toBe('moved');
      expect(codeOf(await one.namespace().topics.create({ name: 'new', partitions: 1 }))).toBe('moved');
      expect(one.namespace().relocation).toMatchObject({ state: 'moved', kafka: 'k.example:9092' });
    };
    await check(node);
    await settled(node);
    await check(await TestNode.start(node.store));
  });

  it('tells only who has proven themselves where it is', async () => {
    const { node, apply } = await start({ allowAnonymous: false, credentials: [credential('ann', 'pw')] });
    await apply({ relocation: { state: 'moved', mqtt: 'other.example:8883', kafka: null } });
    const admit = (password: string) =>
      node.broker.admit(admitRequest({ username: 'ann', password: Buffer.from(password) }));
    expect(admit('wrong')).toEqual({ refused: 'bad-credentials', message: expect.any(String) as string });
    expect(codeOf(admit('pw'))).toBe('moved');
  });
});

describe('a cluster that may not grow', () => {
  it('keeps what it has: no topics, partitions, sessions and stored bytes beyond it', async () => {
    const { node, apply } = await start();
    openSession(node, 'old', { expirySeconds: 3600 }).session.detach(false);
    const publish = async (topic: string) => {
      const { refusal } = node.namespace().publish(runOf(topic, ['x'.repeat(1_000)]), node.connect('p'));
      await settled(node);
      return refusal;
    };
    expect(await publish('t')).toBeNull();
    node.broker.sweep();
    const growthStopped = { reason: 'the budget of this month is used up' };
    await apply({ growthStopped });
    node.broker.sweep();
    expect(await publish('t')).toMatchObject({
      refused: 'quota-storage',
      message: expect.stringContaining('budget') as string,
    });
    expect(await publish('not/stored')).toBeNull();
    const { topics } = node.namespace();
    expect(await topics.create({ name: 'new', partitions: 1 })).toMatchObject({
      refused: 'quota-topics',
      message: expect.stringContaining('budget') as string,
    });
    expect(codeOf(await topics.alter('t', { partitions: 2 }))).toBe('quota-topics');
    expect(codeOf(await topics.alter('t', { retentionMs: 1_000 }))).toBe('ok');
    expect(() => openSession(node, 'new', { expirySeconds: 3600 })).toThrow('budget');
    expect(openSession(node, 'old', { expirySeconds: 3600 }).present).toBe(true);
    expect(openSession(node, 'passing', { expirySeconds: 0 }).present).toBe(false);
    // less than before may be filled up again, to what there was
    await topics.get('t')!.partitions[0]!.trim(-1);
    node.broker.sweep();
    expect(await publish('t')).toBeNull();
    await apply({});
    expect(await publish('t')).toBeNull();
    expect(codeOf(await topics.create({ name: 'new', partitions: 1 }))).toBe('ok');
  });
});
