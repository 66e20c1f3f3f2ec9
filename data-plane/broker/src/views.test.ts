import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { isRefusal } from './index.ts';
import { pageOf } from './page.ts';
import { config, openSession, runOf, settled, subscribeOptions, TestNode } from './testing/test-node.ts';

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 2 }] }));
});
const views = () => node.broker.views('ns')!;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a page', () => {
  it('after page, everything comes once and in order, however the list is ordered', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ maxLength: 4 })), fc.integer({ min: 1, max: 7 }), (all, limit) => {
        const got: string[] = [];
        let after: string | undefined;
        for (let pages = 0; pages <= all.length; pages++) {
          const { items, next } = pageOf(all, (one) => one, { after, limit });
          expect(items.length).toBeLessThanOrEqual(limit);
          got.push(...items);
          if (next === null) break;
          after = next;
        }
        expect(got).toEqual([...all].sort());
      }),
    );
  });
});

describe('views', () => {
  it('clients and sessions: paged, by prefix, kicked and ended', () => {
    const opened = ['b', 'a', 'c'].map((id) => openSession(node, id, { expirySeconds: id === 'b' ? Infinity : 0 }));
    node.connect('a', 'kafka');
    const first = views().clients({ limit: 2 });
    expect(first.items.map(({ clientId, protocol }) => `${clientId} ${protocol}`)).toEqual(['a mqtt', 'a kafka']);
    const second = views().clients({ limit: 2, after: first.next! });
    expect(second).toMatchObject({ items: [{ clientId: 'b' }, { clientId: 'c' }], next: null });
    expect(first.items[0]!.connectedAt).toBe(new Date(node.runtime.nowMs()).toISOString());
    expect(views().sessions({ limit: 10, prefix: 'b' }).items).toEqual([
      { clientId: 'b', connected: true, expirySeconds: 0xffffffff, subscriptions: 0, inboxMessages: 0, inboxBytes: 0 },
    ]);
    expect(views().kickClient({ clientId: 'a' })).toEqual({ done: true });
    expect(views().kickClient({ clientId: 'z' })).toEqual({ done: false });
    expect(views().endSession({ clientId: 'b' })).toEqual({ done: true });
    expect(opened[0]!.subscriber.lost).toBe('ended');
    expect(views().endSession({ clientId: 'b' })).toEqual({ done: false });
  });

  it('subscriptions over page ends', () => {
    for (const id of ['b', 'a', 'c']) {
      const { session } = openSession(node, id);
      for (const filter of ['z', 'y/#', '$share/g/x']) session.subscribe(filter, subscribeOptions);
    }
    const got: string[] = [];
    for (let after: string | undefined, page = 0; page < 9; page++) {
      const { items, next } = views().subscriptions({ limit: 2, after });
      got.push(...items.map(({ clientId, filter }) => `${clientId} ${filter}`));
      if (next === null) break;
      after = next;
    }
    expect(got).toEqual(['a', 'b', 'c'].flatMap((id) => [`${id} $share/g/x`, `${id} y/#`, `${id} z`]));
    expect(views().subscriptions({ limit: 9, clientId: 'b' }).items).toHaveLength(3);
  });

  it('retained messages and inboxes, with properties; deleted and cleared', async () => {
    const { session, connection } = openSession(node, 'p', { expirySeconds: 100 });
    session.subscribe('#', subscribeOptions);
    const run = runOf('r/1', ['hello'], 1, true);
    run.properties = [{ contentType: 'text/plain', headers: [['__proto__', 'x']] }];
    node.namespace().publish(run, connection);
    node.namespace().publish(runOf('r/2', ['x'.repeat(5_000)], 2, true), connection);
    await settled(node);
    const { items, next } = views().retained({ limit: 1 });
    expect(items[0]).toMatchObject({ topic: 'r/1', qos: 1, retain: true, sizeBytes: 5, value: base64('hello') });
    expect(Object.entries(items[0]!.properties)).toEqual([
      ['content-type', 'text/plain'],
      ['__proto__', 'x'],
    ]);
    expect(views().retained({ limit: 1, after: next! }).items[0]!.value).toHaveLength(5464);
    expect(views().deleteRetained({ topic: 'r/1' })).toEqual({ done: true });
    expect(views().deleteRetained({ topic: 'r/1' })).toEqual({ done: false });
    const page = await views().inbox({ clientId: 'p', limit: 1 });
    if (isRefusal(page)) throw new Error(page.message);
    expect(page.items).toMatchObject([{ topic: 'r/1', value: base64('hello') }]);
    const rest = await views().inbox({ clientId: 'p', limit: 5, after: page.next! });
    expect(rest).toMatchObject({ items: [{ topic: 'r/2', qos: 1 }], next: null });
    expect(views().sessions({ limit: 1 }).items[0]).toMatchObject({ inboxMessages: 2, inboxBytes: 5_005 });
    expect(views().clearInbox({ clientId: 'p' })).toEqual({ done: true });
    expect(session.inbox!.depth).toBe(0);
    expect(await views().inbox({ clientId: 'nobody', limit: 1 })).toMatchObject({ refused: 'topic-unknown' });
  });

  it('delayed messages, events, bans, slow subscribers', async () => {
    const { connection } = openSession(node, 'p');
    for (const seconds of [5, 4]) node.namespace().publish(runOf(`$delayed/${seconds}/t`, ['12']), connection);
    const { items } = views().delayed({ limit: 5 });
    expect(items).toMatchObject([
      { id: '1', topic: 't', sizeBytes: 2, dueAt: new Date(node.runtime.nowMs() + 5_000).toISOString() },
      { id: '2' },
    ]);
    expect(views().cancelDelayed({ id: '1' })).toEqual({ done: true });
    expect(views().cancelDelayed({ id: '1' })).toEqual({ done: false });
    for (let i = 0; i < 1_005; i++) {
      node.broker.clientEvent({
        namespace: 'ns',
        protocol: 'mqtt',
        remoteAddress: '',
        clientId: null,
        stage: 'connect',
        code: `c${i}`,
        detail: '',
      });
    }
    const first = views().events({ limit: 700 });
    expect([first.items[0]!.code, first.items.at(-1)!.code]).toEqual(['c1004', 'c305']);
    const second = views().events({ limit: 700, after: first.next! });
    expect([second.items[0]!.code, second.items.at(-1)!.code, second.next]).toEqual(['c304', 'c5', null]);
    expect(views().bans()).toEqual({ items: [], next: null });
    expect(views().unban({ kind: 'address', value: 'x' })).toEqual({ done: false });
    node.namespace().slowDelivery!('a', 't', 900.25);
    expect(views().slowSubscribers().items).toMatchObject([{ clientId: 'a', topic: 't', latencyMs: 900.25 }]);
    await settled(node);
  });

  it('topics, tiers, and records by offset, time and key', async () => {
    const { connection } = openSession(node, 'p');
    await node.broker.applyNamespace(config({ topics: [{ name: 'log', partitions: 1, cleanup: 'compact' }] }));
    const publishAt = async (name: string, text: string): Promise<void> => {
      const run = runOf(name, [text]);
      run.properties = [{ headers: [['h', 'v']] }];
      await node.namespace().publish(run, connection).commit!.promise();
      node.runtime.advance(1_000);
    };
    const beginMs = node.runtime.nowMs();
    for (const [key, text] of [
      ['log/a', 'one'],
      ['log/b', 'two'],
      ['log/a', 'three'],
    ] as const)
      await publishAt(key, text);
    const list = views().topics({ limit: 1 });
    expect(list.items).toMatchObject([
      { name: 'log', cleanup: 'compact', bindings: ['log', 'log/#'], partitions: [{ partition: 0, endOffset: 3 }] },
    ]);
    expect(views().topics({ limit: 1, after: list.next! }).items[0]!.name).toBe('sensors');
    expect(views().topicTiers({ topic: 'log' })).toMatchObject({ partitions: [{ objects: [], moves: [] }] });
    expect(views().topicTiers({ topic: 'no' })).toMatchObject({ refused: 'topic-unknown' });
    const browse = async (from: object) => {
      const found = await views().records({ topic: 'log', partition: 0, limit: 2, valueBytesMax: 4, ...from });
      if (isRefusal(found)) throw new Error(found.message);
      return found;
    };
    const first = await browse({});
    expect(first.nextOffset).toBe(2);
    expect(first.items[0]).toEqual({
      partition: 0,
      offset: 0,
      timestamp: new Date(beginMs).toISOString(),
      key: base64('log/'),
      value: base64('one'),
      sizeBytes: 8,
      headers: [{ name: 'h', value: base64('v') }],
    });
    expect((await browse({ fromOffset: 2 })).items.map(({ offset }) => offset)).toEqual([2]);
    expect((await browse({ fromTime: new Date(beginMs + 500).toISOString() })).items[0]!.offset).toBe(1);
    expect((await browse({ key: base64('log/a') })).items).toMatchObject([{ offset: 2, value: base64('thre') }]);
    expect(await browse({ fromOffset: 99 })).toEqual({ items: [], nextOffset: 99 });
    expect(await views().records({ topic: 'log', partition: 7, limit: 1, valueBytesMax: 1 })).toMatchObject({
      refused: 'partition-unknown',
    });
  });

  it('explains a decision, and says what is stored', async () => {
    const subject = { protocol: 'mqtt', principal: 'p', clientId: 'c', remoteAddress: '' } as const;
    expect(views().explain(subject, 'write', 'topic', 'x')).toEqual({ allowed: true, ruleId: null });
    expect(node.broker.storageUsage()).toMatchObject([
      { namespaceId: 'ns', tenantId: 'tenant', partitions: 2, coldBytes: 0, objectRequests: 0 },
    ]);
    expect(node.broker.views('nowhere')).toBeUndefined();
    await node.broker.removeNamespace('ns');
    expect(node.broker.storageUsage()).toMatchObject([{ namespaceId: 'ns', partitions: 0, warmBytes: 0 }]);
  });
});
