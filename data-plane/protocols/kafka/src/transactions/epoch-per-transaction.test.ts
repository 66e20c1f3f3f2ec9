import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { ApiVersions } from '../messages/cluster.ts';
import { OffsetFetch } from '../messages/offsets.ts';
import { InitProducerId, Produce } from '../messages/produce.ts';
import { EndTxn, TxnOffsetCommit } from '../messages/transactions.ts';
import { batchOf } from '../testing/batch.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';
import type { MemoryPartition } from '../testing/memory-broker.ts';
import { PRODUCER_EPOCH_MAX } from './transaction.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture();
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 2 });
});
const partition = (index = 0) => world.blue.topics.get('t')!.partitions[index] as MemoryPartition;

/** A producer of transactions version 2 (KIP-890), as Apache Kafka's clients from 4.0 on behave. */
class Producer {
  readonly transactionalId = 'tx';
  producerId = -1;
  producerEpoch = -1;
  sequence = 0;

  get claim() {
    const { transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }
  async init(): Promise<number> {
    const request = { transactionalId: 'tx', transactionTimeoutMs: 10_000, producerId: -1, producerEpoch: -1 };
    const { errorCode, producerId, producerEpoch } = await world.ask(client, InitProducerId, 5, request);
    if (errorCode === ERROR.NONE) Object.assign(this, { producerId, producerEpoch, sequence: 0 });
    return errorCode;
  }
  produce(value: string, index = 0, by = client): Promise<number> {
    const { producerId, producerEpoch } = this;
    const options = { producerId, producerEpoch, baseSequence: index === 0 ? this.sequence++ : 0, attributes: 0x10 };
    const partitionData = [{ index, records: [batchOf([value], options)] }];
    const request = { transactionalId: 'tx', acks: -1, timeoutMs: 0, topicData: [{ name: 't', partitionData }] };
    return world
      .ask(by, Produce, 12, request)
      .then((answer) => answer.responses[0]!.partitionResponses[0]!.errorCode as number);
  }
  end(committed: boolean, claim = this.claim) {
    return world.ask(client, EndTxn, 5, { ...claim, committed });
  }
  /** As a client takes the answer up. */
  async done(committed: boolean): Promise<number> {
    const { errorCode, producerId, producerEpoch } = await this.end(committed);
    if (errorCode === ERROR.NONE) Object.assign(this, { producerId, producerEpoch, sequence: 0 });
    return errorCode;
  }
}

describe('transactions version 2 (KIP-890)', () => {
  it('are told to clients as a feature, in the versions that can carry it', async () => {
    const request = { clientSoftwareName: 'c', clientSoftwareVersion: '1' };
    const newest = await world.ask(client, ApiVersions, 4, request);
    expect(newest.finalizedFeatures).toContainEqual({
      name: 'transaction.version',
      maxVersionLevel: 2,
      minVersionLevel: 2,
    });
    expect(newest.supportedFeatures).toContainEqual({ name: 'transaction.version', minVersion: 0, maxVersion: 2 });
    const older = await world.ask(client, ApiVersions, 3, request);
    expect(older.supportedFeatures.every(({ minVersion }) => minVersion > 0)).toBe(true);
  });

  it('need no AddPartitionsToTxn, and give an epoch per transaction', async () => {
    const producer = new Producer();
    await producer.init();
    expect(await producer.produce('a')).toBe(0);
    expect(await producer.produce('b', 1)).toBe(0);
    expect(partition(0).openTransactions()).toHaveLength(1);
    expect(partition(1).openTransactions()).toHaveLength(1);
    const before = producer.claim;
    expect(await producer.done(true)).toBe(0);
    expect(producer.producerId).toBe(before.producerId);
    expect(producer.producerEpoch).toBe(before.producerEpoch + 1);
    expect(partition(0).openTransactions()).toEqual([]);
    expect(partition(1).lastStableOffset).toBe(partition(1).endOffset);
    // the next one with the new epoch; who still has the old one is fenced
    expect(await producer.produce('c')).toBe(0);
    const zombie = Object.assign(new Producer(), before, { sequence: 1 });
    expect(await zombie.produce('late')).toBe(ERROR.INVALID_PRODUCER_EPOCH);
    expect((await zombie.end(true)).errorCode).toBe(ERROR.PRODUCER_FENCED);
    expect(await producer.done(false)).toBe(0);
    expect(producer.producerEpoch).toBe(before.producerEpoch + 2);
  });

  it('a repeated EndTxn is answered as the first was, and only with the same outcome', async () => {
    const producer = new Producer();
    await producer.init();
    await producer.produce('a');
    const before = producer.claim;
    const first = await producer.end(true);
    expect(first.errorCode).toBe(0);
    expect(await producer.end(true, before)).toEqual(first);
    expect((await producer.end(false, before)).errorCode).toBe(ERROR.INVALID_TXN_STATE);
    const unknown = { ...before, producerId: before.producerId + 1 };
    expect((await producer.end(true, unknown)).errorCode).toBe(ERROR.INVALID_PRODUCER_ID_MAPPING);
  });

  it('what nothing was added to can be aborted, not committed', async () => {
    const producer = new Producer();
    await producer.init();
    expect((await producer.end(true)).errorCode).toBe(ERROR.INVALID_TXN_STATE);
    const epoch = producer.producerEpoch;
    expect(await producer.done(false)).toBe(0);
    expect(producer.producerEpoch).toBe(epoch + 1);
  });

  it('a producer whose epochs are used up goes on under another id', async () => {
    const producer = new Producer();
    await producer.init();
    const transaction = world.server.worldOf(world.blue).transactions.get('tx')!;
    transaction.producerEpoch = producer.producerEpoch = PRODUCER_EPOCH_MAX;
    await producer.produce('a');
    const before = producer.claim;
    const first = await producer.end(true);
    expect(first).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    expect(first.producerId).not.toBe(before.producerId);
    expect(partition().openTransactions()).toEqual([]);
    expect(await producer.end(true, before)).toEqual(first);
  });

  it('requests of one connection keep their order while the first is being added', async () => {
    const producer = new Producer();
    await producer.init();
    const codes = await Promise.all([producer.produce('a'), producer.produce('b'), producer.produce('c')]);
    expect(codes).toEqual([0, 0, 0]);
  });

  it('TxnOffsetCommit adds its group', async () => {
    const producer = new Producer();
    await producer.init();
    const row = { partitionIndex: 0, committedOffset: 7, committedMetadata: null };
    const topics = [{ name: 't', partitions: [row] }];
    const request = { ...producer.claim, groupId: 'g', groupInstanceId: null, topics };
    const older = await world.ask(client, TxnOffsetCommit, 4, request);
    expect(older.topics[0]!.partitions[0]!.errorCode).toBe(ERROR.INVALID_TXN_STATE);
    const answer = await world.ask(client, TxnOffsetCommit, 5, request);
    expect(answer.topics[0]!.partitions[0]!.errorCode).toBe(0);
    expect(await producer.done(true)).toBe(0);
    const groups = [{ groupId: 'g', memberId: null, memberEpoch: -1, topics: [{ name: 't', partitionIndexes: [0] }] }];
    const fetched = await world.ask(client, OffsetFetch, 9, { groups, groupId: '', topics: null, requireStable: true });
    expect(fetched.groups[0]!.topics[0]!.partitions[0]!.committedOffset).toBe(7);
  });

  it.each([true, false])(
    'an end that a crash interrupted is made whole, and its repeat answered: last epoch %s',
    async (isLast) => {
      const producer = new Producer();
      await producer.init();
      if (isLast) {
        const transaction = world.server.worldOf(world.blue).transactions.get('tx')!;
        transaction.producerEpoch = producer.producerEpoch = PRODUCER_EPOCH_MAX;
      }
      await producer.produce('a');
      partition().markersFail = true;
      expect((await producer.end(true)).errorCode).toBe(ERROR.COORDINATOR_NOT_AVAILABLE);
      expect((await producer.end(true)).errorCode).toBe(ERROR.CONCURRENT_TRANSACTIONS);
      partition().markersFail = false;
      world.restart();
      client = world.client();
      world.server.resume(world.blue);
      await world.settle();
      expect(partition().openTransactions()).toEqual([]);
      const { errorCode, producerId, producerEpoch } = await producer.end(true);
      expect(errorCode).toBe(0);
      expect(producerId === producer.producerId).toBe(!isLast);
      expect(producerEpoch).toBe(isLast ? 0 : producer.producerEpoch + 1);
      Object.assign(producer, { producerId, producerEpoch, sequence: 0 });
      expect(await producer.produce('b')).toBe(0);
      expect(await producer.done(true)).toBe(0);
    },
  );
});
