import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { Fetch, ListOffsets } from '../messages/fetch.ts';
import { OffsetFetch } from '../messages/offsets.ts';
import { InitProducerId, Produce } from '../messages/produce.ts';
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  DescribeProducers,
  DescribeTransactions,
  EndTxn,
  ListTransactions,
  TxnOffsetCommit,
  WriteTxnMarkers,
} from '../messages/transactions.ts';
import { batchOf } from '../testing/batch.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';
import { PRODUCER_EPOCH_MAX } from './transaction.ts';
import type { MemoryPartition } from '../testing/memory-broker.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture();
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 2 });
});
const partition = (index = 0) => world.blue.topics.get('t')!.partitions[index] as MemoryPartition;

/** A transactional producer as a client library behaves. */
class Producer {
  readonly transactionalId: string;
  producerId = -1;
  producerEpoch = -1;
  sequence = 0;

  constructor(transactionalId = 'tx') {
    this.transactionalId = transactionalId;
  }
  get claim() {
    const { transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }
  async init(version = 4, given = { producerId: -1, producerEpoch: -1 }): Promise<number> {
    const { transactionalId } = this;
    const request = { transactionalId, transactionTimeoutMs: 10_000, ...given };
    const answer = await world.ask(client, InitProducerId, version, request);
    if (answer.errorCode !== ERROR.NONE) return answer.errorCode;
    this.producerId = answer.producerId;
    this.producerEpoch = answer.producerEpoch;
    this.sequence = 0;
    return ERROR.NONE;
  }
  async add(...indexes: number[]): Promise<number> {
    const topics = [{ name: 't', partitions: indexes }];
    const answer = await world.ask(client, AddPartitionsToTxn, 3, { ...this.claim, transactions: [], topics });
    return answer.resultsByTopic[0]!.resultsByPartition[0]!.partitionErrorCode;
  }
  async produce(value: string, index = 0): Promise<number> {
    const { producerId, producerEpoch, transactionalId } = this;
    const options = { producerId, producerEpoch, baseSequence: this.sequence, attributes: 0x10 };
    const partitionData = [{ index, records: [batchOf([value], options)] }];
    const request = { transactionalId, acks: -1, timeoutMs: 0, topicData: [{ name: 't', partitionData }] };
    const answer = await world.ask(client, Produce, 9, request);
    const { errorCode } = answer.responses[0]!.partitionResponses[0]!;
    if (errorCode === ERROR.NONE) this.sequence++;
    return errorCode;
  }
  async end(committed: boolean, version = 3): Promise<number> {
    return (await world.ask(client, EndTxn, version, { ...this.claim, committed })).errorCode;
  }
  async offsets(offset: number, groupId = 'g'): Promise<number> {
    const added = await world.ask(client, AddOffsetsToTxn, 3, { ...this.claim, groupId });
    if (added.errorCode !== ERROR.NONE) return added.errorCode;
    const row = { partitionIndex: 0, committedOffset: offset, committedMetadata: null };
    const answer = await world.ask(client, TxnOffsetCommit, 3, {
      ...this.claim,
      groupId,
      groupInstanceId: null,
      topics: [{ name: 't', partitions: [row] }],
    });
    return answer.topics[0]!.partitions[0]!.errorCode;
  }
}

async function read(isolationLevel: number, fetchOffset = 0, index = 0) {
  const partitions = [{ partition: index, fetchOffset, partitionMaxBytes: 1e6 }];
  const answer = await world.ask(client, Fetch, 12, {
    clusterId: null,
    replicaState: null,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1e6,
    isolationLevel,
    topics: [{ topic: 't', topicId: '', partitions }],
    forgottenTopicsData: [],
  });
  return answer.responses[0]!.partitions[0]!;
}
async function committedOffset(requireStable: boolean) {
  const groups = [{ groupId: 'g', memberId: null, topics: [{ name: 't', partitionIndexes: [0] }] }];
  const answer = await world.ask(client, OffsetFetch, 9, { groupId: '', topics: null, groups, requireStable });
  const { committedOffset: offset, errorCode } = answer.groups[0]!.topics[0]!.partitions[0]!;
  return { offset, errorCode };
}
/** What a crash leaves: the namespace's stored state, under a server that knows nothing. */
async function restart(): Promise<void> {
  world.restart();
  client = world.client();
  await world.settle();
}

describe('a transaction', () => {
  it('holds readers of committed records back until it is committed', async () => {
    const producer = new Producer();
    expect(await producer.init()).toBe(0);
    expect(await producer.add(0, 1)).toBe(0);
    expect(await producer.produce('a')).toBe(0);
    const open = await read(1);
    expect(open).toMatchObject({ highWatermark: 1, lastStableOffset: 0, abortedTransactions: [] });
    expect(open.records).toHaveLength(0);
    expect((await read(0)).records!.length).toBeGreaterThan(0);
    const latest = {
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    };
    const listed = async () => (await world.ask(client, ListOffsets, 7, latest)).topics[0]!.partitions[0]!.offset;
    expect(await listed()).toBe(0);
    expect(await producer.end(true)).toBe(0);
    const after = await read(1);
    expect(after).toMatchObject({ highWatermark: 2, lastStableOffset: 2, abortedTransactions: [] });
    expect(after.records!.length).toBeGreaterThan(0);
    expect(await listed()).toBe(2);
    expect(await producer.end(true)).toBe(0);
    expect(await producer.end(false)).toBe(ERROR.INVALID_TXN_STATE);
  });
  it('wakes a reader of committed records that waits', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0);
    await producer.produce('a');
    const reader = world.client();
    reader.send(Fetch, 11, {
      clusterId: null,
      replicaState: null,
      maxWaitMs: 30_000,
      minBytes: 1,
      maxBytes: 1e6,
      isolationLevel: 1,
      topics: [{ topic: 't', topicId: '', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6 }] }],
      forgottenTopicsData: [],
    });
    await world.settle();
    expect(reader.next(Fetch)).toBeNull();
    await producer.end(true);
    await world.settle();
    expect(reader.next(Fetch)!.responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0);
  });
  it('is told to readers when it was aborted', async () => {
    const producer = new Producer();
    await producer.init();
    for (const committed of [true, false, true]) {
      await producer.add(0);
      await producer.produce('x');
      expect(await producer.end(committed)).toBe(0);
    }
    const { producerId } = producer;
    expect((await read(1)).abortedTransactions).toEqual([{ producerId, firstOffset: 2 }]);
    expect((await read(1, 4)).abortedTransactions).toEqual([]);
    expect((await read(0)).abortedTransactions).toBeNull();
  });
  it('takes only what was added to it, from whom it belongs to', async () => {
    const producer = new Producer();
    await producer.init();
    expect(await producer.produce('a')).toBe(ERROR.INVALID_TXN_STATE);
    expect(await producer.end(true)).toBe(ERROR.INVALID_TXN_STATE);
    await producer.add(0);
    expect(await producer.produce('a', 1)).toBe(ERROR.INVALID_TXN_STATE);
    const stranger = new Producer('other');
    expect(await stranger.add(0)).toBe(ERROR.INVALID_PRODUCER_ID_MAPPING);
    expect(await producer.add(0, 9)).toBe(ERROR.OPERATION_NOT_ATTEMPTED);
  });
  it('carries the offsets of a group, all or nothing', async () => {
    const producer = new Producer();
    await producer.init();
    expect(await producer.offsets(5)).toBe(0);
    expect(await committedOffset(true)).toEqual({ offset: -1, errorCode: ERROR.UNSTABLE_OFFSET_COMMIT });
    expect(await committedOffset(false)).toEqual({ offset: -1, errorCode: 0 });
    await producer.end(false);
    expect(await committedOffset(true)).toEqual({ offset: -1, errorCode: 0 });
    await producer.offsets(6);
    await producer.end(true);
    expect(await committedOffset(true)).toEqual({ offset: 6, errorCode: 0 });
  });
});

describe('fencing', () => {
  it('a second producer of the id aborts what the first has open and fences it', async () => {
    const zombie = new Producer();
    await zombie.init();
    await zombie.add(0);
    await zombie.produce('lost');
    const next = new Producer();
    expect(await next.init()).toBe(0);
    expect(next.producerId).toBe(zombie.producerId);
    expect(next.producerEpoch).toBeGreaterThan(zombie.producerEpoch);
    expect((await read(1)).abortedTransactions).toHaveLength(1);
    expect(await zombie.produce('more')).toBe(ERROR.INVALID_PRODUCER_EPOCH);
    expect(await zombie.end(true)).toBe(ERROR.PRODUCER_FENCED);
    expect(await zombie.end(true, 1)).toBe(ERROR.INVALID_PRODUCER_EPOCH);
    expect(await zombie.init(4, zombie.claim)).toBe(ERROR.PRODUCER_FENCED);
    expect(await zombie.init(3, zombie.claim)).toBe(ERROR.INVALID_PRODUCER_EPOCH);
    await next.add(0);
    expect(await next.produce('kept')).toBe(0);
    expect(await next.end(true)).toBe(0);
  });
  it('a producer may bump its own epoch, and repeat that when the answer was lost (KIP-360)', async () => {
    const producer = new Producer();
    await producer.init();
    const before = { producerId: producer.producerId, producerEpoch: producer.producerEpoch };
    expect(await producer.init(4, before)).toBe(0);
    expect(producer.producerEpoch).toBe(before.producerEpoch + 1);
    expect(await producer.init(4, before)).toBe(0);
    expect(producer.producerEpoch).toBe(before.producerEpoch + 1);
  });
  it('a transaction that takes too long is aborted, and its producer fenced', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0);
    await producer.produce('slow');
    world.runtime.advance(12_000);
    await world.settle();
    expect((await read(1)).abortedTransactions).toHaveLength(1);
    expect(await producer.end(true)).toBe(ERROR.PRODUCER_FENCED);
    expect(await producer.init()).toBe(0);
  });
  it('when the epochs are used up the producer gets another id', async () => {
    const producer = new Producer();
    await producer.init();
    const store = world.blue.keyed('kafka-transactions');
    const stored = JSON.parse(store.get('tx')!.toString()) as object;
    store.set('tx', Buffer.from(JSON.stringify({ ...stored, e: PRODUCER_EPOCH_MAX })));
    await restart();
    const old = { ...producer.claim, producerEpoch: PRODUCER_EPOCH_MAX };
    Object.assign(producer, { producerEpoch: PRODUCER_EPOCH_MAX });
    await producer.add(0);
    await producer.produce('open');
    const next = new Producer();
    expect(await next.init()).toBe(0);
    expect(next.producerId).not.toBe(old.producerId);
    expect(next.producerEpoch).toBe(0);
    expect((await read(1)).abortedTransactions).toEqual([{ producerId: old.producerId, firstOffset: 0 }]);
    expect(await producer.produce('more')).toBe(ERROR.INVALID_PRODUCER_ID_MAPPING);
  });
  it('time-outs beyond the limit are refused', async () => {
    const request = { transactionalId: 'x', transactionTimeoutMs: 900_001 };
    const answer = await world.ask(client, InitProducerId, 4, request);
    expect(answer.errorCode).toBe(ERROR.INVALID_TRANSACTION_TIMEOUT);
  });
});

describe('after a crash', () => {
  it('an open transaction goes on', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0);
    await producer.produce('a');
    await producer.offsets(9);
    await restart();
    expect((await read(1)).lastStableOffset).toBe(0);
    expect(await producer.end(true)).toBe(0);
    expect((await read(1)).lastStableOffset).toBe(2);
    expect(await committedOffset(true)).toEqual({ offset: 9, errorCode: 0 });
  });
  it.each([true, false])('one whose outcome was stored is ended: commit %s', async (commits) => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0, 1);
    await producer.produce('a', 0);
    await producer.produce('b', 1).catch(() => undefined);
    await producer.offsets(4);
    // the marker cannot be written, so the transaction stays decided and not ended
    partition(0).markersFail = true;
    expect(await producer.end(commits)).toBe(ERROR.COORDINATOR_NOT_AVAILABLE);
    expect((await read(1)).lastStableOffset).toBe(0);
    partition(0).markersFail = false;
    await restart();
    await world.settle();
    await world.ask(client, ListTransactions, 0, { stateFilters: [], producerIdFilters: [] });
    await world.settle();
    const after = await read(1);
    expect(after.lastStableOffset).toBe(2);
    expect(after.abortedTransactions).toHaveLength(commits ? 0 : 1);
    expect(await committedOffset(true)).toEqual({ offset: commits ? 4 : -1, errorCode: 0 });
    expect(await producer.end(commits)).toBe(0);
  });
  it('one that could not be ended is tried again without a restart', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0);
    await producer.produce('a');
    partition(0).markersFail = true;
    expect(await producer.end(true)).toBe(ERROR.COORDINATOR_NOT_AVAILABLE);
    expect(await producer.end(true)).toBe(ERROR.CONCURRENT_TRANSACTIONS);
    partition(0).markersFail = false;
    world.runtime.advance(1_000);
    await world.settle();
    expect(await producer.end(true)).toBe(0);
  });
  it('epochs go on, so a producer of before stays fenced', async () => {
    const zombie = new Producer();
    await zombie.init();
    const next = new Producer();
    await next.init();
    await restart();
    expect(await zombie.add(0)).toBe(ERROR.PRODUCER_FENCED);
    expect(await next.add(0)).toBe(0);
  });
});

describe('looking at transactions', () => {
  it('lists, describes, and shows who produces', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0);
    await producer.produce('a');
    const listed = await world.ask(client, ListTransactions, 1, {
      stateFilters: ['Ongoing', 'Nope'],
      producerIdFilters: [],
    });
    expect(listed.unknownStateFilters).toEqual(['Nope']);
    expect(listed.transactionStates).toMatchObject([{ transactionalId: 'tx', transactionState: 'Ongoing' }]);
    const described = await world.ask(client, DescribeTransactions, 0, { transactionalIds: ['tx', 'none'] });
    expect(described.transactionStates).toMatchObject([
      { errorCode: 0, transactionState: 'Ongoing', topics: [{ topic: 't', partitions: [0] }] },
      { errorCode: ERROR.TRANSACTIONAL_ID_NOT_FOUND },
    ]);
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const producers = await world.ask(client, DescribeProducers, 0, { topics });
    expect(producers.topics[0]!.partitions[0]!.activeProducers).toMatchObject([
      { producerId: producer.producerId, lastSequence: 0, currentTxnStartOffset: 0 },
    ]);
  });
  it('an administrator may end what hangs; nobody else', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.add(0);
    await producer.produce('a');
    const { producerId, producerEpoch } = producer;
    const markers = [
      {
        producerId,
        producerEpoch,
        transactionResult: false,
        topics: [{ name: 't', partitionIndexes: [0, 7] }],
        coordinatorEpoch: 0,
      },
    ];
    const write = async () =>
      (await world.ask(client, WriteTxnMarkers, 1, { markers })).markers[0]!.topics[0]!.partitions.map(
        (p) => p.errorCode,
      );
    world.blue.denied.add('alter cluster kafka-cluster');
    expect(await write()).toEqual([ERROR.CLUSTER_AUTHORIZATION_FAILED, ERROR.CLUSTER_AUTHORIZATION_FAILED]);
    world.blue.denied.clear();
    expect(await write()).toEqual([0, ERROR.UNKNOWN_TOPIC_OR_PARTITION]);
    expect((await read(1)).lastStableOffset).toBe(2);
  });
  it('what the ACL forbids has the right error', async () => {
    world.blue.denied.add('write transactional-id tx');
    expect(await new Producer().init()).toBe(ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    world.blue.denied.clear();
    const producer = new Producer();
    await producer.init();
    world.blue.denied.add('write topic t');
    expect(await producer.add(0)).toBe(ERROR.TOPIC_AUTHORIZATION_FAILED);
    world.blue.denied.add('read group g');
    expect(await producer.offsets(1)).toBe(ERROR.GROUP_AUTHORIZATION_FAILED);
  });
});
