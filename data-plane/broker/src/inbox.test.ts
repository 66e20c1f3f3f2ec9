import { BatchBuilder } from '@robustmq/journal';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InboxEntry, Session } from './broker-types.ts';
import { UNLIMITED_QUOTAS } from './namespace-config.ts';
import { namespaceStream } from './stream-name.ts';
import { config, openSession, runOf, settled, subscribeOptions, takeAll, TestNode } from './testing/test-node.ts';

let node: TestNode;
const persistent = { expirySeconds: 3600 };
beforeEach(async () => {
  node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 'sensors', partitions: 1 }] }));
});

function taken(session: Session, max = 1000): string[] {
  return session.inbox!.take(max).map(show);
}
function show(entry: InboxEntry): string {
  return `${entry.sequence}:${entry.message?.topic ?? ''}=${entry.message?.payload.toString() ?? ''}`;
}

describe('an inbox', () => {
  it('is filled while the session is away, once per message, in order, from topic and store alike', async () => {
    const a = openSession(node, 'a', persistent);
    const { commit } = a.session.subscribe('#', { ...subscribeOptions, subscriptionId: 5 }) as {
      commit: { promise(): Promise<void> };
    };
    await commit.promise();
    a.session.detach(false);
    const p = openSession(node, 'p');
    const first = node.namespace().publish(runOf('sensors/1', ['s1', 's2']), p.connection);
    expect(first.takers).toBe(2);
    node.namespace().publish(runOf('other', ['o1']), p.connection);
    node.namespace().publish(runOf('other', ['q0'], 0), p.connection);
    const last = node.namespace().publish(runOf('sensors/1', ['s3'], 2), p.connection);
    await last.commit!.promise();
    const b = openSession(node, 'a', persistent);
    expect(b.present).toBe(true);
    expect(b.session.inbox!.depth).toBe(4);
    b.session.inbox!.rewind();
    expect(taken(b.session, 3)).toEqual(['1:sensors/1=s1', '2:sensors/1=s2', '3:other=o1']);
    const [entry] = b.session.inbox!.take(9);
    expect(entry).toMatchObject({ sequence: 4, qos: 1, redelivery: false, received: false, subscriptionIds: [5] });
    b.session.inbox!.acknowledge(2);
    b.session.inbox!.rewind();
    expect(b.session.inbox!.take(9).map((e) => [e.sequence, e.redelivery])).toEqual([
      [1, true],
      [3, true],
      [4, true],
    ]);
  });

  it('says of everything a reader may have had that it is a redelivery, over restarts too', async () => {
    const names = ['detached', 'attached', 'away'];
    const sessions = names.map((name) => openSession(node, name, persistent));
    for (const { session } of sessions) session.subscribe('x', subscribeOptions);
    sessions[2]!.session.detach(false);
    const publisher = openSession(node, 'p').connection;
    await node
      .namespace()
      .publish(runOf('x', ['1', '2', '3']), publisher)
      .commit!.promise();
    for (const { session } of sessions.slice(0, 2)) expect(taken(session, 2)).toHaveLength(2);
    sessions[0]!.session.detach(false);
    await settled(node);
    const again = await TestNode.start(node.store, node.runtime);
    const flags = async (name: string) => {
      const { session } = openSession(again, name, persistent);
      session.inbox!.rewind();
      return (await takeAll(session)).map((entry) => entry.redelivery);
    };
    expect(await flags('detached')).toEqual([true, true, false]);
    // nobody knows how far it was when the process died
    expect(await flags('attached')).toEqual([true, true, true]);
    expect(await flags('away')).toEqual([false, false, false]);
  });

  it('gives nothing before it is stable, then says so', async () => {
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('x', subscribeOptions);
    const outcome = node.namespace().publish(runOf('x', ['1']), a.connection);
    expect(a.session.inbox!.take(1)).toEqual([]);
    expect(a.subscriber.got).toEqual([]);
    await outcome.commit!.promise();
    expect(a.subscriber.readyCount).toBe(1);
    expect(taken(a.session)).toEqual(['1:x=1']);
  });

  it('survives restarts with acknowledgements, receptions, held ids, subscriptions and sequence numbers', async () => {
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('x', { ...subscribeOptions, qos: 2 });
    await node
      .namespace()
      .publish(runOf('x', ['1', '2', '3', '4'], 2), a.connection)
      .commit!.promise();
    const inbox = a.session.inbox!;
    inbox.take(3);
    inbox.acknowledge(1);
    inbox.markReceived(2);
    await a.session.holdPacketId(77)!.promise();
    await a.session.holdPacketId(78)!.promise();
    await a.session.releasePacketId(78)!.promise();
    for (let round = 0; round < 3; round++) {
      const again = await TestNode.start(node.store);
      const b = openSession(again, 'a', persistent);
      expect(b.present).toBe(true);
      expect([b.session.holdsPacketId(77), b.session.holdsPacketId(78)]).toEqual([true, false]);
      b.session.inbox!.rewind();
      expect((await takeAll(b.session)).map((e) => [e.sequence, e.received, e.message?.payload.toString()])).toEqual([
        [2, true, undefined],
        [3, false, '3'],
        [4, false, '4'],
      ]);
      b.session.detach(false);
      if (round === 1) again.broker.byId('ns')!.inboxes.compact(true);
      await settled(again);
    }
    const last = await TestNode.start(node.store);
    const p = openSession(last, 'p');
    await last
      .namespace()
      .publish(runOf('x', ['5'], 2), p.connection)
      .commit!.promise();
    const b = openSession(last, 'a', persistent);
    expect((await takeAll(b.session)).map((e) => e.sequence)).toEqual([2, 3, 4, 5]);
  });

  it('ends with a clean start, with its expiry, and over a restart too', async () => {
    const a = openSession(node, 'a', { expirySeconds: 10 });
    a.session.subscribe('x', subscribeOptions);
    a.session.detach(false);
    openSession(node, 'b', { expirySeconds: Infinity }).session.detach(false);
    await settled(node);
    node.runtime.advance(9_000);
    const again = await TestNode.start(node.store, node.runtime);
    again.broker.sweep();
    expect(again.broker.namespaces()[0]!.sessions).toBe(2);
    node.runtime.advance(1_000);
    again.broker.sweep();
    expect(again.broker.namespaces()[0]!.sessions).toBe(1);
    expect(openSession(again, 'b', { ...persistent, cleanStart: true }).present).toBe(false);
    await settled(again);
    const third = await TestNode.start(node.store, node.runtime);
    expect(third.broker.namespaces()[0]!.sessions).toBe(1);
  });

  it('drops the oldest untaken entries over its limit, with one client event', async () => {
    const quotas = { ...UNLIMITED_QUOTAS, inboxBytesMax: 10 };
    await node.broker.applyNamespace(config({ quotas }));
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('x', subscribeOptions);
    await node
      .namespace()
      .publish(runOf('x', ['aaaa', 'bbbb']), a.connection)
      .commit!.promise();
    expect(taken(a.session, 1)).toEqual(['1:x=aaaa']);
    await node
      .namespace()
      .publish(runOf('x', ['cccc', 'dddd']), a.connection)
      .commit!.promise();
    expect(taken(a.session)).toEqual(['4:x=dddd']);
    expect(a.session.inbox!.depth).toBe(2);
    expect(node.broker.clientEvents('ns').filter((e) => e.code === 'inbox-full')).toMatchObject([{ clientId: 'a' }]);
    await settled(node);
    const b = openSession(await TestNode.start(node.store), 'a', persistent);
    expect((await takeAll(b.session)).map(show)).toEqual(['1:x=aaaa', '4:x=dddd']);
  });

  it('drops what has expired', async () => {
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('x', subscribeOptions);
    const run = runOf('x', ['1', '2']);
    run.properties = [{ expirySeconds: 5 }, null];
    await node.namespace().publish(run, a.connection).commit!.promise();
    node.runtime.advance(5_000);
    expect(taken(a.session)).toEqual(['2:x=2']);
    expect(a.session.inbox!.depth).toBe(1);
  });

  it('gets retained messages, and shares of a group while everybody is away', async () => {
    const p = openSession(node, 'p');
    await node
      .namespace()
      .publish(runOf('r', ['kept'], 1, true), p.connection)
      .commit!.promise();
    const a = openSession(node, 'a', persistent);
    const b = openSession(node, 'b', persistent);
    a.session.subscribe('r', subscribeOptions);
    a.session.subscribe('$share/g/s', subscribeOptions);
    b.session.subscribe('$share/g/s', subscribeOptions);
    await settled(node);
    await settled(node);
    const [retained] = a.session.inbox!.take(9);
    expect(retained).toMatchObject({ retain: true, qos: 1 });
    a.session.detach(false);
    b.session.detach(false);
    await node
      .namespace()
      .publish(runOf('s', ['1', '2', '3', '4']), p.connection)
      .commit!.promise();
    const again = await TestNode.start(node.store);
    const shares: string[] = [];
    for (const id of ['a', 'b']) {
      const { session } = openSession(again, id, persistent);
      await settled(again);
      await settled(again);
      const entries = await takeAll(session);
      shares.push(...entries.filter(({ message }) => message?.topic === 's').map((e) => e.message!.payload.toString()));
    }
    // whoever is back first gets what the group's own inbox kept
    expect(shares).toEqual(['1', '2', '3', '4']);
  });

  it('lets the store go when nobody needs it', async () => {
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('x', subscribeOptions);
    const big = 'x'.repeat(100_000);
    for (let i = 0; i < 30; i++)
      await node
        .namespace()
        .publish(runOf('x', [big]), a.connection)
        .commit!.promise();
    expect(node.broker.namespaces()[0]!.storedBytes).toBeGreaterThan(3_000_000);
    for (const entry of a.session.inbox!.take(100)) a.session.inbox!.acknowledge(entry.sequence);
    node.broker.sweep();
    await settled(node);
    expect(node.broker.namespaces()[0]!.storedBytes).toBeLessThan(200_000);
  });
});

describe('records from Kafka', () => {
  function batch(records: readonly (readonly [string | null, string])[]): Buffer {
    const builder = new BatchBuilder();
    const header = ['h', Buffer.from('v')] as const;
    for (const [key, value] of records) {
      builder.add(key === null ? null : Buffer.from(key), Buffer.from(value), [header], 1_700_000_000_000);
    }
    return builder.build();
  }
  it('reach live subscribers when stable and inboxes durably, under key or topic name', async () => {
    const live = openSession(node, 'live');
    live.session.subscribe('sensors/#', { ...subscribeOptions, qos: 2, subscriptionId: 4 });
    const a = openSession(node, 'a', persistent);
    a.session.subscribe('sensors/+', subscribeOptions);
    const kafka = node.connect('k', 'kafka');
    const partition = node.namespace().topics.get('sensors')!.partitions[0]!;
    const bytes = Buffer.concat([
      batch([['sensors/7', 'one']]),
      batch([
        ['doors/1', 'two'],
        [null, 'three'],
      ]),
    ]);
    const appended = partition.append(Buffer.from(bytes), kafka);
    if ('refused' in appended) throw new Error(appended.message);
    expect(appended.baseOffset).toBe(0);
    expect(live.subscriber.got).toEqual([]);
    await appended.commit.promise();
    expect(live.subscriber.got.map((d) => [d.topic, d.payload, d.qos, d.ids])).toEqual([
      ['sensors/7', 'one', 1, [4]],
      ['sensors', 'two', 1, [4]],
      ['sensors', 'three', 1, [4]],
    ]);
    expect(live.subscriber.got[0]!.message!.properties).toEqual({ headers: [['h', 'v']] });
    const again = await TestNode.start(node.store);
    expect((await takeAll(openSession(again, 'a', persistent).session)).map(show)).toEqual(['1:sensors/7=one']);
    expect(kafka.usage).toMatchObject({ messagesIn: 3, bytesIn: bytes.length });
  });
  it('never reach the medium without what inboxes are owed of them, whoever flushes it', async () => {
    openSession(node, 'a', persistent).session.subscribe('sensors/+', subscribeOptions);
    await settled(node);
    const events = await node.store.open(namespaceStream('ns', 'inbox-events'));
    const before = events.endOffset;
    const partition = node.namespace().topics.get('sensors')!.partitions[0]!;
    partition.append(batch([['sensors/7', 'one']]), node.connect('k', 'kafka'));
    // in the same step: a flush that metadata asks for would carry the record now
    expect(events.endOffset).toBe(before + 1);
  });
  it('are refused when they are damaged or too large', async () => {
    const kafka = node.connect('k', 'kafka');
    const partition = node.namespace().topics.get('sensors')!.partitions[0]!;
    const bytes = batch([['k', 'v']]);
    bytes[bytes.length - 1]! ^= 1;
    expect(partition.append(bytes, kafka)).toMatchObject({ refused: 'batch-corrupt' });
    expect(partition.append(Buffer.alloc(0), kafka)).toMatchObject({ refused: 'batch-corrupt' });
    await node.broker.applyNamespace(config({ quotas: { ...UNLIMITED_QUOTAS, messageSizeBytesMax: 100 } }));
    expect(partition.append(batch([['k', 'v'.repeat(100)]]), kafka)).toMatchObject({ refused: 'message-too-large' });
    await node.broker.applyNamespace(config({ quotas: { ...UNLIMITED_QUOTAS, storageBytesMax: 0 } }));
    node.broker.sweep();
    expect(partition.append(batch([['k', 'v']]), kafka)).toMatchObject({ refused: 'quota-storage' });
    expect(partition.endOffset).toBe(0);
  });
});
