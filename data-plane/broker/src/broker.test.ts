import { decodeRecords } from '@robustmq/journal';
import { beforeEach, describe, expect, it } from 'vitest';
import { UNLIMITED_QUOTAS } from './namespace-config.ts';
import {
  admitRequest,
  config,
  credential,
  openSession,
  runOf,
  settled,
  subscribeOptions,
  TestNode,
  takeAll,
} from './testing/test-node.ts';

let node: TestNode;
beforeEach(async () => {
  node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 2 }] }));
});

describe('routing', () => {
  it('delivers live, merges overlapping subscriptions, honours noLocal and retain-as-published', () => {
    const a = openSession(node, 'a');
    const b = openSession(node, 'b');
    a.session.subscribe('x/#', { ...subscribeOptions, qos: 0, subscriptionId: 7 });
    a.session.subscribe('x/+', {
      ...subscribeOptions,
      qos: 2,
      subscriptionId: 8,
      noLocal: true,
      retainAsPublished: true,
    });
    b.session.subscribe('x/y', { ...subscribeOptions, noLocal: true });
    const outcome = node.namespace().publish(runOf('x/y', ['1', '2'], 2), b.connection);
    expect(outcome).toEqual({ refusal: null, commit: null, takers: 1 });
    expect(a.subscriber.got.map((d) => [d.payload, d.qos, d.ids])).toEqual([
      ['1', 2, [7, 8]],
      ['2', 2, [7, 8]],
    ]);
    expect(b.subscriber.got).toEqual([]);
    node.namespace().publish(runOf('x/y', ['3']), a.connection);
    expect(a.subscriber.got.at(-1)).toMatchObject({ payload: '3', qos: 0, ids: [7] });
    expect(b.subscriber.payloads).toEqual(['3']);
    b.session.unsubscribe('x/y');
    node.namespace().publish(runOf('x/y', ['4']), a.connection);
    expect(b.subscriber.payloads).toEqual(['3']);
  });

  it('refuses what is no topic name, and messages over the quota', async () => {
    const a = openSession(node, 'a');
    for (const bad of ['', 'a/+', 'a\0']) {
      expect(node.namespace().publish(runOf(bad, ['1']), a.connection).refusal?.refused).toBe('topic-invalid');
    }
    await node.broker.applyNamespace(config({ quotas: { ...UNLIMITED_QUOTAS, messageSizeBytesMax: 3 } }));
    expect(node.namespace().publish(runOf('a', ['1234']), a.connection).refusal?.refused).toBe('message-too-large');
  });

  it('splits runs over a shared group and goes on when a member leaves', () => {
    const members = ['a', 'b', 'c'].map((id) => openSession(node, id));
    for (const { session } of members) session.subscribe('$share/g/s/#', subscribeOptions);
    const publisher = openSession(node, 'p');
    node.namespace().publish(runOf('s/1', ['1', '2', '3', '4', '5', '6']), publisher.connection);
    expect(members.map((m) => m.subscriber.got.length)).toEqual([2, 2, 2]);
    members[0]!.session.detach(false);
    node.namespace().publish(runOf('s/1', ['7', '8']), publisher.connection);
    expect(members.flatMap((m) => m.subscriber.payloads).sort()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });
});

describe('topics', () => {
  it('captures into one batch per turn and partition, and acknowledges when stable', async () => {
    const { connection } = openSession(node, 'a');
    const namespace = node.namespace();
    const first = namespace.publish(runOf('sensors/1/temp', ['20', '21']), connection).commit;
    const second = namespace.publish(runOf('sensors/1/temp', ['22'], 0), connection).commit;
    expect(first).not.toBeNull();
    expect(second).toBe(first);
    const partition = namespace.topics.get('sensors')!.partitions.find((p) => p.endOffset >= 0)!;
    expect(partition.stableOffset).toBe(0);
    await first!.promise();
    const found: string[] = [];
    let batches = 0;
    for (const p of namespace.topics.get('sensors')!.partitions) {
      for (const batch of await p.read(0, 1e6)) {
        batches++;
        decodeRecords(batch, (r) => void found.push(`${String(r.key())}=${String(r.value())}`));
      }
    }
    expect(batches).toBe(1);
    expect(found).toEqual(['sensors/1/temp=20', 'sensors/1/temp=21', 'sensors/1/temp=22']);
    expect(connection.usage).toMatchObject({ messagesIn: 3, bytesIn: 3 * 14 + 6 });
  });

  it('are kept over a restart with their records, and go with their bytes', async () => {
    const { connection } = openSession(node, 'a');
    await node
      .namespace()
      .publish(runOf('sensors', ['x']), connection)
      .commit!.promise();
    const again = await TestNode.start(node.store);
    const topic = again.namespace().topics.get('sensors')!;
    expect(topic.partitions.map((p) => p.endOffset).sort()).toEqual([0, 1]);
    expect(await again.namespace().topics.remove('sensors')).toBeNull();
    expect((await again.namespace().topics.remove('sensors'))?.refused).toBe('topic-unknown');
    expect(again.journal.list().filter((name) => name.includes('partition'))).toEqual([]);
    const third = await TestNode.start(node.store);
    expect(third.namespace().topics.list()).toEqual([]);
  });

  it('are refused by name, by existence and by quota', async () => {
    const { topics } = node.namespace();
    expect(topics.validate({ name: 'a/b', partitions: 1 })?.refused).toBe('topic-invalid');
    expect(topics.validate({ name: 'a', partitions: 1, bindings: ['a#'] })?.refused).toBe('topic-invalid');
    const both = await Promise.all([
      topics.create({ name: 't', partitions: 1 }),
      topics.create({ name: 't', partitions: 1 }),
    ]);
    expect(both.filter((one) => 'refused' in one)).toMatchObject([{ refused: 'topic-exists' }]);
    await node.broker.applyNamespace(config({ quotas: { ...UNLIMITED_QUOTAS, partitionsMax: 4 } }));
    expect((await topics.create({ name: 'u', partitions: 2 })) as object).toMatchObject({ refused: 'quota-topics' });
  });
});

describe('retained messages', () => {
  it('reach new subscribers, once, and survive a restart', async () => {
    const a = openSession(node, 'a');
    await node
      .namespace()
      .publish(runOf('r/1', ['old', 'new'], 1, true), a.connection)
      .commit!.promise();
    node.namespace().publish(runOf('r/2', ['gone'], 1, true), a.connection);
    node.namespace().publish(runOf('r/2', [''], 1, true), a.connection);
    await settled(node);
    const again = await TestNode.start(node.store);
    const b = openSession(again, 'b');
    b.session.subscribe('r/+', { ...subscribeOptions, subscriptionId: 3 });
    b.session.subscribe('r/+', { ...subscribeOptions, retainHandling: 1 });
    await settled(again);
    expect(b.subscriber.got).toEqual([]);
    b.session.subscribe('r/#', { ...subscribeOptions, subscriptionId: 3 });
    await settled(again);
    expect(b.subscriber.got).toMatchObject([{ topic: 'r/1', payload: 'new', qos: 1, retain: true, ids: [3] }]);
  });
});

describe('wills and take-over', () => {
  const will = {
    topic: 'w',
    payload: Buffer.from('bye'),
    qos: 1,
    retain: false,
    properties: null,
    timestampMs: 0,
  } as const;
  it('a will is sent when the connection is lost, not on a clean end, and late when it has a delay', () => {
    const watcher = openSession(node, 'watcher');
    watcher.session.subscribe('w', subscribeOptions);
    openSession(node, 'a', { will: { message: will, delaySeconds: 0 } }).session.detach(false);
    expect(watcher.subscriber.got).toEqual([]);
    openSession(node, 'a', { will: { message: will, delaySeconds: 0 } }).session.detach(true);
    expect(watcher.subscriber.payloads).toEqual(['bye']);
    openSession(node, 'b', { expirySeconds: 60, will: { message: will, delaySeconds: 10 } }).session.detach(true);
    openSession(node, 'c', { expirySeconds: 5, will: { message: will, delaySeconds: 10 } }).session.detach(true);
    node.runtime.advance(5_000);
    node.broker.sweep();
    expect(watcher.subscriber.payloads).toEqual(['bye', 'bye']);
    const back = openSession(node, 'b', { expirySeconds: 60 });
    expect(back.present).toBe(true);
    node.runtime.advance(60_000);
    node.broker.sweep();
    expect(watcher.subscriber.payloads).toEqual(['bye', 'bye']);
  });

  it('a process that dies owes the wills of its connections, a connection that ended well none', async () => {
    const persistent = { expirySeconds: 3600 };
    openSession(node, 'watcher', persistent).session.subscribe('w/#', subscribeOptions);
    const named = (name: string, more = {}) => {
      const message = {
        ...will,
        topic: `w/${name}`,
        properties: { contentType: 'x', headers: [['a', name]] as const },
      };
      return { will: { message, delaySeconds: 0 }, ...more };
    };
    const late = { will: { ...named('late').will, delaySeconds: 30 }, ...persistent };
    openSession(node, 'clean-session', named('clean-session'));
    openSession(node, 'persistent', named('persistent', persistent));
    openSession(node, 'late', late);
    openSession(node, 'left', { ...late, will: { ...named('left').will, delaySeconds: 30 } }).session.detach(true);
    openSession(node, 'back', { ...late, will: { ...named('back').will, delaySeconds: 30 } });
    openSession(node, 'polite', named('polite')).session.detach(false);
    openSession(node, 'changed', named('first'));
    openSession(node, 'changed', { ...named('second') });
    openSession(node, 'empty', {
      will: { message: { ...will, topic: 'w/empty', payload: Buffer.alloc(0) }, delaySeconds: 0 },
    });
    await settled(node);
    // nothing is told to stop: the process is gone
    const again = await TestNode.start(node.store, node.runtime);
    const { session } = openSession(again, 'watcher', persistent);
    await settled(again);
    session.inbox!.rewind();
    const consume = async () => {
      const entries = await takeAll(session);
      for (const { sequence } of entries) session.inbox!.acknowledge(sequence);
      return entries.map((entry) => entry.message!);
    };
    const due = (await consume()).map(({ topic }) => topic).sort();
    expect(due).toEqual(['w/clean-session', 'w/empty', 'w/first', 'w/persistent', 'w/second']);
    openSession(again, 'back', persistent);
    again.runtime.advance(31_000);
    again.broker.sweep();
    await settled(again);
    const later = await consume();
    expect(later.map(({ topic }) => topic).sort()).toEqual(['w/late', 'w/left']);
    expect(later[0]!.properties).toMatchObject({ contentType: 'x', headers: [['a', expect.any(String)]] });
    await settled(again);
    const third = await TestNode.start(node.store, node.runtime);
    expect(third.broker.byId('ns')!.wills.count).toBe(0);
  });

  it('the newer connection has the session', () => {
    const first = openSession(node, 'a');
    const second = openSession(node, 'a');
    expect(first.subscriber.lost).toBe('taken-over');
    expect(second.present).toBe(false);
    first.session.detach(true);
    expect(second.subscriber.lost).toBeNull();
  });
});

describe('group offsets', () => {
  it('survive a restart, and go with group and topic', async () => {
    const { offsets } = node.namespace();
    const entry = { topic: 'sensors', partition: 1, offset: 5, leaderEpoch: 0, metadata: 'm' };
    await offsets.commit('g', [entry]).promise();
    await offsets.commit('h', [entry, { ...entry, topic: 'other' }]).promise();
    await offsets.commit('i', [entry]).promise();
    await offsets.remove('i').promise();
    const again = await TestNode.start(node.store);
    expect(again.namespace().offsets.all('g')).toEqual([entry]);
    expect([...again.namespace().offsets.groups()].sort()).toEqual(['g', 'h']);
    await again.namespace().topics.remove('sensors');
    await settled(again);
    expect((await TestNode.start(node.store)).namespace().offsets.groups()).toEqual(['h']);
  });
});

describe('admission', () => {
  const request = (username: string | null, password: string | null, rest = {}): ReturnType<typeof admitRequest> =>
    admitRequest({ username, password: password === null ? null : Buffer.from(password), ...rest });
  beforeEach(async () => {
    const credentials = [credential('ann', 'secret')];
    await node.broker.applyNamespace(config({ allowAnonymous: false, isDefault: false, credentials }));
    await node.broker.applyNamespace(config({ id: 'other', name: 'other', isDefault: false, allowAnonymous: false }));
  });
  const code = (r: ReturnType<typeof admitRequest>): string => {
    const outcome = node.broker.admit(r);
    return 'refused' in outcome ? outcome.refused : `${outcome.principal} in ${outcome.namespace.id}`;
  };
  it('finds the namespace by user name, listener and server name, which must agree', () => {
    const listener = { name: 'l', tls: true, namespace: 'ns' };
    expect(code(request('ann@name', 'secret'))).toBe('ann in ns');
    expect(code(request('ann', 'secret', { listener }))).toBe('ann in ns');
    expect(code(request('ann', 'secret', { serverName: 'name.example.com' }))).toBe('ann in ns');
    expect(code(request('ann@other', 'secret', { listener }))).toBe('namespace-mismatch');
    expect(code(request('ann@nowhere', 'secret', { listener }))).toBe('namespace-mismatch');
    expect(code(request('ann', 'secret', { listener, serverName: 'other.example.com' }))).toBe('namespace-mismatch');
    expect(node.broker.clientEvents('ns').map((e) => e.code)).toContain('namespace-mismatch');
  });
  it('gives one answer to the absent and the wrong', () => {
    for (const r of [
      request('ann@name', 'no'),
      request('ann@name', null),
      request('bob@name', 'x'),
      request('ann@gone', 'x'),
    ]) {
      expect(code(r)).toBe('bad-credentials');
    }
    expect(code(request('ann', 'secret'))).toBe('namespace-unknown');
    expect(code(request(null, null))).toBe('namespace-unknown');
  });
  it('limits connections and their rate', async () => {
    const credentials = [credential('ann', 'secret')];
    const quotas = { ...UNLIMITED_QUOTAS, connectionsMax: 1 };
    await node.broker.applyNamespace(config({ credentials, quotas }));
    const connection = node.connect('a');
    expect(code(request('ann@name', 'secret'))).toBe('quota-connections');
    connection.close();
    expect(code(request('ann@name', 'secret'))).toBe('ann in ns');
    await node.broker.applyNamespace(
      config({ credentials, quotas: { ...UNLIMITED_QUOTAS, connectionRatePerSecondMax: 1 } }),
    );
    node.runtime.advance(5_000);
    node.connect('b');
    expect(code(request('ann@name', 'secret'))).toBe('quota-connection-rate');
    node.runtime.advance(1_000);
    expect(code(request('ann@name', 'secret'))).toBe('ann in ns');
  });
});
