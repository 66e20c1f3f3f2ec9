import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from './errors.ts';
import { Fetch, ListOffsets, OffsetForLeaderEpoch } from './messages/fetch.ts';
import { InitProducerId, Produce } from './messages/produce.ts';
import { type BatchOptions, batchOf } from './testing/batch.ts';
import type { FakeClient } from './testing/fake-client.ts';
import { Fixture } from './testing/fixture.ts';
import type { MemoryPartition } from './testing/memory-broker.ts';

let world: Fixture;
let client: FakeClient;
let partition: MemoryPartition;
beforeEach(async () => {
  world = new Fixture();
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 2 });
  partition = world.blue.topics.get('t')!.partitions[0] as MemoryPartition;
});

function produceRequest(records: Buffer | null, acks = -1, name = 't', index = 0) {
  const partitionData = [{ index, records: records === null ? null : [records] }];
  return { transactionalId: null, acks, timeoutMs: 1000, topicData: [{ name, partitionData }] };
}

async function produce(records: Buffer | null, version = 7, acks = -1, name = 't', index = 0) {
  const response = await world.ask(client, Produce, version, produceRequest(records, acks, name, index));
  return response.responses[0]!.partitionResponses[0]!;
}

const idempotent = (baseSequence: number, options: BatchOptions = {}): Buffer =>
  batchOf(['x', 'y'], { producerId: 9, producerEpoch: 0, baseSequence, ...options });

function fetchRequest(
  offset: number,
  extra: {
    maxWaitMs?: number;
    minBytes?: number;
    maxBytes?: number;
    sessionId?: number;
    sessionEpoch?: number;
    partitionMaxBytes?: number;
    topic?: string;
    topicId?: string;
    isolationLevel?: number;
  } = {},
) {
  const { topic = 't', topicId = '0'.repeat(32), partitionMaxBytes = 1e6, ...rest } = extra;
  return {
    clusterId: null,
    replicaState: null,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1e6,
    isolationLevel: 0,
    ...rest,
    topics: [{ topic, topicId, partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes }] }],
    forgottenTopicsData: [],
  };
}

describe('Produce', () => {
  it('keeps the batch as sent but for offset and epoch, in every version', async () => {
    for (let version = 3; version <= 11; version++) {
      expect(await produce(batchOf(['a', 'b']), version)).toMatchObject({
        errorCode: 0,
        baseOffset: (version - 3) * 2,
      });
    }
    const sent = batchOf(['a', 'b']);
    const stored = (partition.read(4, 1) as Buffer[])[0]!;
    expect(stored.subarray(16)).toEqual(sent.subarray(16));
    expect(stored.readBigInt64BE(0)).toBe(4n);
  });
  it('owns what it appends: the read buffer is used again at once', async () => {
    await produce(batchOf(['first']));
    world.server.sharedReadBuffer.fill(0xee);
    expect((partition.read(0, 1) as Buffer[])[0]!.subarray(16)).toEqual(batchOf(['first']).subarray(16));
  });
  it('takes large batches as they lie, and refuses their size before authentication', async () => {
    const sent = batchOf(['v'.repeat(900_000)]);
    const early = world.client();
    early.write(Buffer.from('00200000', 'hex'));
    expect(early.closed).toBe(true);
    expect((await produce(Buffer.from(sent), 9)).errorCode).toBe(0);
    client.write(client.frame(Produce, 9, produceRequest(Buffer.alloc(2_000_000), 0)));
    expect((partition.read(0, 1) as Buffer[])[0]!.subarray(16)).toEqual(sent.subarray(16));
    expect(client.closed).toBe(true);
  });
  it('answers only when the commit has settled, in order', async () => {
    world.blue.manual = true;
    client.send(Produce, 7, produceRequest(batchOf(['a']), 1));
    client.send(Fetch, 11, fetchRequest(99));
    await world.settle();
    expect(client.received).toHaveLength(0);
    world.blue.settle();
    await world.settle();
    expect(client.next(Produce)!.responses[0]!.partitionResponses[0]!.errorCode).toBe(0);
    expect(client.next(Fetch)!.responses[0]!.partitions[0]!.errorCode).toBe(1);
  });
  it('acks=0 has no response; a refusal ends the connection', async () => {
    client.send(Produce, 7, produceRequest(batchOf(['a']), 0), false);
    await world.settle();
    expect(client.received).toHaveLength(0);
    expect(partition.endOffset).toBe(1);
    client.send(Produce, 7, produceRequest(batchOf(['a']), 0, 'nope'), false);
    expect(client.closed).toBe(true);
  });
  it('a failed commit is KAFKA_STORAGE_ERROR', async () => {
    world.blue.storageFails = new Error('disk');
    expect(await produce(batchOf(['a']))).toMatchObject({ errorCode: ERROR.KAFKA_STORAGE_ERROR, baseOffset: -1 });
  });
  it('a medium that failed is KAFKA_STORAGE_ERROR too, and refusals of the broker are client events', async () => {
    partition.broken = true;
    expect((await produce(batchOf(['a']))).errorCode).toBe(ERROR.KAFKA_STORAGE_ERROR);
    partition.broken = false;
    await produce(batchOf(['x'.repeat(1024 * 1024)]));
    expect(world.broker.events).toMatchObject([{ stage: 'publish', code: 'message-too-large', namespace: 'ns-blue' }]);
  });
  it('refuses what it must, each partition alone', async () => {
    const corrupt = batchOf(['a']);
    corrupt[corrupt.length - 2]! ^= 1;
    expect((await produce(corrupt)).errorCode).toBe(ERROR.CORRUPT_MESSAGE);
    expect((await produce(null)).errorCode).toBe(ERROR.INVALID_RECORD);
    expect((await produce(Buffer.alloc(0))).errorCode).toBe(ERROR.INVALID_RECORD);
    expect((await produce(Buffer.alloc(40, 2))).errorCode).toBe(ERROR.CORRUPT_MESSAGE);
    expect((await produce(batchOf(['a']), 7, 2)).errorCode).toBe(ERROR.INVALID_REQUIRED_ACKS);
    expect((await produce(batchOf(['a']), 7, -1, 'nope')).errorCode).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    expect((await produce(batchOf(['a']), 7, -1, 't', 5)).errorCode).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    expect((await produce(batchOf(['a']), 7, -1, 't', -1)).errorCode).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    expect((await produce(batchOf(['a'], { attributes: 0x10 }))).errorCode).toBe(
      ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    );
    expect((await produce(batchOf(['a'], { attributes: 0x20 }))).errorCode).toBe(ERROR.INVALID_RECORD);
    expect((await produce(Buffer.concat([batchOf(['a']), batchOf(['b'])]))).errorCode).toBe(ERROR.INVALID_RECORD);
    const large = batchOf(['x'.repeat(1024 * 1024)]);
    expect((await produce(large)).errorCode).toBe(ERROR.MESSAGE_TOO_LARGE);
    const messageSet = Buffer.alloc(40);
    expect((await produce(messageSet, 2)).errorCode).toBe(ERROR.CORRUPT_MESSAGE);
    expect((await produce(messageSet, 3)).errorCode).toBe(ERROR.INVALID_RECORD);
    expect(partition.endOffset).toBe(0);
  });
});

describe('idempotent producers', () => {
  it('are given ids', async () => {
    const one = await world.ask(client, InitProducerId, 0, { transactionalId: null, transactionTimeoutMs: 0 });
    const two = await world.ask(client, InitProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 });
    expect(one).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    expect(one.producerId).not.toBe(two.producerId);
  });
  it('a repeat is answered with its first offset, a gap is refused', async () => {
    for (let i = 0; i < 6; i++)
      expect(await produce(idempotent(i * 2))).toMatchObject({ errorCode: 0, baseOffset: i * 2 });
    expect(await produce(idempotent(10))).toMatchObject({ errorCode: 0, baseOffset: 10 });
    expect(await produce(idempotent(2))).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect(partition.endOffset).toBe(12);
    expect((await produce(idempotent(14))).errorCode).toBe(ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect((await produce(idempotent(0))).errorCode).toBe(ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });
  it('a repeat waits for the commit of the first', async () => {
    world.blue.manual = true;
    client.send(Produce, 7, produceRequest(idempotent(0)));
    client.send(Produce, 7, produceRequest(idempotent(0)));
    await world.settle();
    expect(client.received).toHaveLength(0);
    world.blue.settle();
    await world.settle();
    expect(client.next(Produce)!.responses[0]!.partitionResponses[0]!.baseOffset).toBe(0);
    expect(client.next(Produce)!.responses[0]!.partitionResponses[0]!.baseOffset).toBe(0);
  });
  it('are found again in what is stored, so that a repeat after a restart is known', async () => {
    for (const readsLater of [false, true]) {
      const producerId = readsLater ? 11 : 12;
      const base = partition.endOffset;
      for (let i = 0; i < 7; i++) await produce(idempotent(i * 2, { producerId }));
      await produce(batchOf(['plain']));
      client.handler.onClose(null);
      // nobody is connected for so long that the namespace is forgotten, as by a restart
      world.runtime.advance(1_200_000);
      partition.slow = readsLater;
      client = world.client();
      for (const first of [12, 4, 14, 14, 18])
        client.send(Produce, 7, produceRequest(idempotent(first, { producerId })));
      await world.settle();
      const answers = [1, 2, 3, 4, 5].map(() => client.next(Produce)!.responses[0]!.partitionResponses[0]!);
      expect(answers.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual([
        [0, base + 12],
        [0, base + 4],
        [0, base + 15],
        [0, base + 15],
        [ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER, -1],
      ]);
    }
  });
  it('a newer epoch begins at 0 and fences the older; the sequence wraps', async () => {
    await produce(idempotent(0));
    expect((await produce(idempotent(2, { producerEpoch: 1 }))).errorCode).toBe(ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect((await produce(idempotent(0, { producerEpoch: 1 }))).errorCode).toBe(0);
    expect((await produce(idempotent(2))).errorCode).toBe(ERROR.INVALID_PRODUCER_EPOCH);
    await produce(idempotent(2 ** 31 - 2, { producerId: 10 }));
    expect((await produce(idempotent(0, { producerId: 10 }))).errorCode).toBe(0);
  });
});

describe('Fetch', () => {
  it('hands back stable batches whole and counts what it sent', async () => {
    await produce(batchOf(['a', 'b', 'c']));
    await produce(batchOf(['d']));
    for (let version = 4; version <= 16; version++) {
      const topicId = world.blue.topics.get('t')!.idHex;
      const { responses, sessionId } = await world.ask(client, Fetch, version, fetchRequest(1, { topicId }));
      const row = responses[0]!.partitions[0]!;
      expect(sessionId).toBe(0);
      expect(row).toMatchObject({ errorCode: 0, highWatermark: 4, lastStableOffset: 4 });
      expect(row.records!.length).toBe(partition.sizeBytes);
    }
    expect(world.blue.usage.messagesOut).toBe(13 * 3);
    expect(world.blue.usage.bytesOut).toBe(13 * partition.sizeBytes);
  });
  it('sends large batches as slices with the right sizes around them', async () => {
    const value = 'v'.repeat(60_000);
    for (let i = 0; i < 3; i++) await produce(batchOf([value + i]));
    const { responses } = await world.ask(client, Fetch, 12, fetchRequest(0));
    expect(responses[0]!.partitions[0]!.records!.length).toBe(partition.sizeBytes);
  });
  it('respects sizes but gives at least one batch', async () => {
    for (const value of ['a', 'b', 'c']) await produce(batchOf([value.repeat(100)]));
    const one = await world.ask(client, Fetch, 11, fetchRequest(0, { maxBytes: 1 }));
    expect(one.responses[0]!.partitions[0]!.records!.length).toBe(partition.sizeBytes / 3);
    const two = await world.ask(
      client,
      Fetch,
      11,
      fetchRequest(0, { partitionMaxBytes: (partition.sizeBytes / 3) * 2 }),
    );
    expect(two.responses[0]!.partitions[0]!.records!.length).toBe((partition.sizeBytes / 3) * 2);
  });
  it('waits for the first record, asynchronous reads included', async () => {
    for (const slow of [false, true]) {
      partition.slow = slow;
      client.send(Fetch, 11, fetchRequest(partition.endOffset, { maxWaitMs: 5000 }));
      await world.settle();
      expect(client.received).toHaveLength(0);
      partition.append(batchOf(['late']));
      await world.settle();
      expect(client.next(Fetch)!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0);
      expect(partition.waiting).toBe(0);
    }
  });
  it('does not show what is not stable', async () => {
    world.blue.manual = true;
    partition.append(batchOf(['dark']));
    client.send(Fetch, 11, fetchRequest(0, { maxWaitMs: 5000 }));
    await world.settle();
    expect(client.received).toHaveLength(0);
    world.blue.settle();
    await world.settle();
    expect(client.next(Fetch)!.responses[0]!.partitions[0]!.highWatermark).toBe(1);
  });
  it('gives up waiting after max wait, and for min bytes it waits on', async () => {
    await produce(batchOf(['a']));
    client.send(Fetch, 11, fetchRequest(0, { maxWaitMs: 500, minBytes: 1000 }));
    await world.settle();
    partition.append(batchOf(['b']));
    await world.settle();
    expect(client.received).toHaveLength(0);
    world.runtime.advance(501);
    await world.settle();
    expect(client.next(Fetch)!.responses[0]!.partitions[0]!.records!.length).toBe(partition.sizeBytes);
  });
  it('tells that the topic was removed while it waited', async () => {
    client.send(Fetch, 11, fetchRequest(0, { maxWaitMs: 500 }));
    await world.settle();
    await world.blue.topics.remove('t');
    world.runtime.advance(501);
    await world.settle();
    expect(client.next(Fetch)!.responses[0]!.partitions[0]!.errorCode).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
  });
  it('forgets its waiters when the client goes', async () => {
    client.send(Fetch, 11, fetchRequest(0, { maxWaitMs: 500 }));
    await world.settle();
    expect(partition.waiting).toBe(1);
    client.handler.onClose(null);
    expect(partition.waiting).toBe(0);
  });
  it('refuses what it must', async () => {
    const rowOf = async (version: number, extra: Parameters<typeof fetchRequest>[1], offset = 0) =>
      (await world.ask(client, Fetch, version, fetchRequest(offset, extra))).responses[0]!.partitions[0]!.errorCode;
    expect(await rowOf(11, {}, 5)).toBe(ERROR.OFFSET_OUT_OF_RANGE);
    expect(await rowOf(11, { topic: 'nope' })).toBe(ERROR.UNKNOWN_TOPIC_OR_PARTITION);
    expect(await rowOf(13, { topicId: 'ab'.repeat(16) })).toBe(ERROR.UNKNOWN_TOPIC_ID);
    const session = { sessionId: 5, sessionEpoch: 1 };
    expect((await world.ask(client, Fetch, 7, fetchRequest(0, session))).errorCode).toBe(
      ERROR.FETCH_SESSION_ID_NOT_FOUND,
    );
    const committed = await world.ask(client, Fetch, 11, fetchRequest(0, { isolationLevel: 1 }));
    expect(committed.responses[0]!.partitions[0]!.abortedTransactions).toEqual([]);
  });
});

describe('offsets of partitions', () => {
  const listRequest = (timestamp: number, name = 't') => ({
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
  });
  it('ListOffsets: latest, earliest, largest timestamp, by time', async () => {
    await produce(batchOf(['a'], { timestampMs: 1000 }));
    await produce(batchOf(['b'], { timestampMs: 9000 }));
    await produce(batchOf(['c'], { timestampMs: 5000 }));
    const list = async (timestamp: number, name = 't') =>
      (await world.ask(client, ListOffsets, 7, listRequest(timestamp, name))).topics[0]!.partitions[0]!;
    expect(await list(-1)).toMatchObject({ errorCode: 0, offset: 3, leaderEpoch: 0 });
    expect(await list(-2)).toMatchObject({ offset: 0 });
    expect(await list(-3)).toMatchObject({ offset: 1, timestamp: 9000 });
    expect(await list(2000)).toMatchObject({ offset: 1, timestamp: 9000 });
    expect(await list(10_000)).toMatchObject({ offset: -1, timestamp: -1 });
    expect(await list(-9)).toMatchObject({ errorCode: ERROR.UNSUPPORTED_VERSION });
    expect(await list(-1, 'nope')).toMatchObject({ errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION });
  });
  it('OffsetForLeaderEpoch: one epoch that ends at the end', async () => {
    await produce(batchOf(['a']));
    const ask = async (leaderEpoch: number, currentLeaderEpoch = 0) =>
      (
        await world.ask(client, OffsetForLeaderEpoch, 4, {
          topics: [{ topic: 't', partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] }],
        })
      ).topics[0]!.partitions[0]!;
    expect(await ask(0)).toMatchObject({ errorCode: 0, leaderEpoch: 0, endOffset: 1 });
    expect(await ask(3)).toMatchObject({ errorCode: 0, leaderEpoch: -1, endOffset: -1 });
    expect(await ask(0, 2)).toMatchObject({ errorCode: ERROR.UNKNOWN_LEADER_EPOCH });
  });
});
