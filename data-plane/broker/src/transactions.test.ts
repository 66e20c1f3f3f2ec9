import { BatchBuilder, checkBatch, decodeRecords, readAttributes } from '@robustmq/journal';
import { crc32c } from '@robustmq/wire';
import { describe, expect, it } from 'vitest';
import { isRefusal, type Connection, type Partition } from './index.ts';
import { UNLIMITED_QUOTAS } from './namespace-config.ts';
import { config, openSession, runOf, settled, subscribeOptions, takeAll, TestNode } from './testing/test-node.ts';

/** A batch of an idempotent producer, in a transaction unless said. */
function batchOf(producerId: number, values: readonly string[], transactional = true): Buffer {
  const builder = new BatchBuilder();
  for (const value of values) builder.add(null, Buffer.from(value), null, 1_000);
  const batch = builder.build();
  batch.writeInt16BE(transactional ? 0x10 : 0, 21);
  batch.writeBigInt64BE(BigInt(producerId), 43);
  batch.writeInt16BE(0, 51);
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17);
  return batch;
}
function append(partition: Partition, batch: Buffer, connection: Connection): number {
  const outcome = partition.append(batch, connection);
  if (isRefusal(outcome)) throw new Error(outcome.message);
  return outcome.baseOffset;
}
async function start() {
  const node = await TestNode.start();
  await node.broker.applyNamespace(config({ topics: [{ name: 't', partitions: 1 }] }));
  const away = openSession(node, 'away', { expirySeconds: 3600 });
  away.session.subscribe('t', subscribeOptions);
  away.session.detach(false);
  const live = openSession(node, 'live');
  live.session.subscribe('t', { ...subscribeOptions, qos: 0 });
  const partition = node.namespace().topics.get('t')!.partitions[0]!;
  return { node, live, partition, kafka: node.connect('k', 'kafka') };
}

describe('transactions', () => {
  it('are seen by others when they are committed, whole, and never when aborted', async () => {
    const { node, live, partition, kafka } = await start();
    append(partition, batchOf(1, ['a1', 'a2']), kafka);
    append(partition, batchOf(2, ['b1']), kafka);
    append(partition, batchOf(3, ['plain'], false), kafka);
    append(partition, batchOf(1, ['a3']), kafka);
    await settled(node);
    expect(live.subscriber.payloads).toEqual(['plain']);
    expect(partition.lastStableOffset).toBe(0);
    expect(partition.openTransactions()).toEqual([
      { producerId: 1, producerEpoch: 0, firstOffset: 0 },
      { producerId: 2, producerEpoch: 0, firstOffset: 2 },
    ]);
    await partition.endTransaction(1, 0, true).promise();
    expect(live.subscriber.payloads).toEqual(['plain', 'a1', 'a2', 'a3']);
    expect(partition.lastStableOffset).toBe(2);
    await partition.endTransaction(2, 0, false).promise();
    expect(live.subscriber.payloads).toHaveLength(4);
    expect(partition.lastStableOffset).toBe(partition.stableOffset);
    expect(partition.abortedTransactions(0, 100)).toEqual([{ producerId: 2, firstOffset: 2, lastOffset: 6 }]);
    expect(partition.abortedTransactions(7, 100)).toEqual([]);
    const back = openSession(node, 'away', { expirySeconds: 3600 });
    const owed = (await takeAll(back.session)).map(({ message }) => message!.payload.toString());
    expect(owed).toEqual(['plain', 'a1', 'a2', 'a3']);
  });

  it('ends with a control batch as Kafka writes it', async () => {
    const { partition, kafka } = await start();
    append(partition, batchOf(7, ['x']), kafka);
    await partition.endTransaction(7, 0, true).promise();
    const [, marker] = await partition.read(0, 10_000);
    expect(readAttributes(marker!)).toBe(0x30);
    expect([Number(marker!.readBigInt64BE(43)), marker!.readInt16BE(51), marker!.readInt32BE(53)]).toEqual([7, 0, -1]);
    expect(marker!.readUInt32BE(17)).toBe(crc32c(marker!, 21, marker!.length));
    const found: string[] = [];
    decodeRecords(marker!, (record) => void found.push(record.key()!.toString('hex'), record.value()!.toString('hex')));
    expect(found).toEqual(['00000001', '000000000000']);
    // a client may not write one
    expect(checkBatch(marker!, 0, marker!.length).fault).toBe('batch-control');
  });

  it('stay open over a restart, and are delivered when they are committed then', async () => {
    const { node, partition, kafka } = await start();
    append(partition, batchOf(1, ['a1']), kafka);
    append(partition, batchOf(2, ['b1']), kafka);
    await partition.endTransaction(2, 0, false).promise();
    await settled(node);
    const again = await TestNode.start(node.store);
    const now = again.namespace().topics.get('t')!.partitions[0]!;
    expect(now.lastStableOffset).toBe(0);
    expect(now.abortedTransactions(0, 9)).toHaveLength(1);
    append(now, batchOf(1, ['a2']), again.connect('k', 'kafka'));
    await settled(again);
    await now.endTransaction(1, 0, true).promise();
    expect(now.lastStableOffset).toBe(now.stableOffset);
    await settled(again);
    const back = openSession(again, 'away', { expirySeconds: 3600 });
    const owed = (await takeAll(back.session)).map(({ message }) => message!.payload.toString());
    expect(owed).toEqual(['a1', 'a2']);
    expect(await now.trim(-1)).toBe(now.endOffset);
    expect(now.abortedTransactions(0, 9)).toEqual([]);
    await again.namespace().topics.remove('t');
    await settled(again);
    expect([...again.namespace().keyed('$transactions').entries()]).toEqual([]);
  });
});

describe('topics', () => {
  it('are altered: more partitions, other policies and bindings, over a restart; and trimmed', async () => {
    const { node, live, partition, kafka } = await start();
    const { topics } = node.namespace();
    expect(await topics.alter('none', {})).toMatchObject({ refused: 'topic-unknown' });
    expect(await topics.alter('t', { partitions: 0 })).toMatchObject({ refused: 'topic-invalid' });
    const topic = await topics.alter('t', {
      partitions: 3,
      retentionMs: 60_000,
      cleanup: 'compact',
      bindings: ['x/#'],
    });
    if (isRefusal(topic)) throw new Error(topic.message);
    expect(topic).toMatchObject({ retentionMs: 60_000, cleanup: 'compact' });
    expect(topic.partitions).toHaveLength(3);
    expect(topic.partitions[0]).toBe(partition);
    expect(node.namespace().publish(runOf('x/1', ['m']), live.connection).commit).not.toBeNull();
    expect(node.namespace().publish(runOf('t', ['m'], 0), live.connection).commit).toBeNull();
    await settled(node);
    const again = await TestNode.start(node.store, node.runtime);
    const found = again.namespace().topics.get('t')!;
    expect(found).toMatchObject({ idHex: topic.idHex, retentionMs: 60_000, cleanup: 'compact' });
    expect(found.partitions.map(({ endOffset }) => endOffset).sort()).toEqual([0, 0, 1]);
    // an engine the node has not: nothing is left of the topic
    const strange = { name: 'e', partitions: 1, engine: 'rocksdb' } as const;
    expect(await again.namespace().topics.create(strange)).toMatchObject({ refused: 'topic-invalid' });
    expect(isRefusal((await again.namespace().topics.create({ ...strange, engine: 'memory' })) as object)).toBe(false);
    await again.namespace().topics.remove('e');
    const quotas = { ...UNLIMITED_QUOTAS, partitionsMax: 3 };
    const desired = { name: 't', partitions: 1, retentionMs: 5_000, bindings: ['y'] };
    await again.broker.applyNamespace(config({ quotas, topics: [desired] }));
    expect(again.namespace().topics.get('t')!).toMatchObject({ retentionMs: 5_000, bindings: ['y'] });
    expect(await again.namespace().topics.alter('t', { partitions: 4 })).toMatchObject({ refused: 'quota-topics' });
    append(partition, batchOf(-1, ['1', '2', '3'], false), kafka);
    await settled(node);
    expect(await partition.trim(partition.stableOffset - 1)).toBeGreaterThanOrEqual(0);
    expect(partition.tiers()).toMatchObject({ coldBytes: 0 });
  });
});

describe('keyed state', () => {
  it('is durable per kind, and keeps empty values', async () => {
    const { node } = await start();
    const store = node.namespace().keyed('groups');
    void store.set('a', Buffer.from('1'));
    void store.set('empty', Buffer.alloc(0));
    void store.set('gone', Buffer.from('x'));
    await store.delete('gone').promise();
    expect(node.namespace().keyed('groups')).toBe(store);
    expect(() => node.namespace().keyed('No!')).toThrow(RangeError);
    const again = await TestNode.start(node.store);
    const found = [...again.namespace().keyed('groups').entries()].map(([key, value]) => [key, value.toString()]);
    expect(found).toEqual([
      ['a', '1'],
      ['empty', ''],
    ]);
    expect([...again.namespace().keyed('other').entries()]).toEqual([]);
  });
});
