import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { ConsumerGroupHeartbeat } from '../messages/consumer-groups.ts';
import { DeleteGroups, ListGroups } from '../messages/groups.ts';
import { ShareAcknowledge, ShareFetch, ShareGroupDescribe, ShareGroupHeartbeat } from '../messages/share-groups.ts';
import { batchOf } from '../testing/batch.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';
import { LOCK_MS } from './share-groups.ts';
import { DELIVERIES_MAX, IN_FLIGHT_MAX } from './share-partition.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture();
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 2 });
});
const topicId = () => world.blue.topics.get('t')!.idHex;
const append = (count: number, index = 0) =>
  world.blue.topics
    .get('t')!
    .partitions[index]!.append(batchOf(Array.from({ length: count }, (_, i) => `v${i}`)), null as never);
type Batch = { firstOffset: number; lastOffset: number; acknowledgeTypes: number[] };
const done = (firstOffset: number, lastOffset = firstOffset, type = 1): Batch => ({
  ...{ firstOffset, lastOffset, acknowledgeTypes: [type] },
});

/** A share consumer as a client library behaves. */
class Member {
  readonly id: string;
  epoch = 0;
  sessionEpoch = 0;
  constructor(id: string) {
    this.id = id;
  }
  async beat(names: string[] | null = this.epoch === 0 ? ['t'] : null, memberEpoch = this.epoch) {
    const request = { groupId: 'g', memberId: this.id, memberEpoch, rackId: null, subscribedTopicNames: names };
    const answer = await world.ask(client, ShareGroupHeartbeat, 1, request);
    if (answer.errorCode === 0) this.epoch = answer.memberEpoch;
    return answer;
  }
  async fetch(batches: Batch[] = [], change: { maxRecords?: number; epoch?: number; maxWaitMs?: number } = {}) {
    const epoch = change.epoch ?? this.sessionEpoch;
    const answer = await world.ask(client, ShareFetch, 1, {
      ...{ groupId: 'g', memberId: this.id, shareSessionEpoch: epoch, maxWaitMs: change.maxWaitMs ?? 0, minBytes: 1 },
      ...{ maxBytes: 1 << 20, maxRecords: change.maxRecords ?? 500, batchSize: 500, forgottenTopicsData: [] },
      topics:
        epoch === 0 || batches.length > 0
          ? [{ topicId: topicId(), partitions: [{ partitionIndex: 0, acknowledgementBatches: batches }] }]
          : [],
    });
    if (answer.errorCode === 0) this.sessionEpoch = epoch + 1;
    return answer;
  }
  /** What it got, as `first-last×deliveries`, and the code of what it acknowledged. */
  async take(batches: Batch[] = [], change = {}): Promise<[string, number]> {
    const answer = await this.fetch(batches, change);
    expect(answer.errorCode).toBe(0);
    const row = answer.responses[0]?.partitions[0];
    if (row === undefined) return ['', 0];
    expect(row.errorCode).toBe(0);
    const got = row.acquiredRecords.map((one) => `${one.firstOffset}-${one.lastOffset}×${one.deliveryCount}`);
    return [got.join(' '), row.acknowledgeErrorCode];
  }
  async acknowledge(...acknowledgementBatches: Batch[]) {
    const answer = await world.ask(client, ShareAcknowledge, 1, {
      ...{ groupId: 'g', memberId: this.id, shareSessionEpoch: this.sessionEpoch },
      topics: [{ topicId: topicId(), partitions: [{ partitionIndex: 0, acknowledgementBatches }] }],
    });
    if (answer.errorCode === 0) this.sessionEpoch++;
    return answer.errorCode !== 0 ? answer.errorCode : answer.responses[0]!.partitions[0]!.errorCode;
  }
}
async function joined(id: string): Promise<Member> {
  const member = new Member(id);
  expect((await member.beat()).errorCode).toBe(0);
  return member;
}

describe('a share group (KIP-932)', () => {
  it('has all members read the same partition, each record with one of them', async () => {
    append(3);
    const [a, b] = [await joined('a'), await joined('b')];
    expect(await a.take()).toEqual(['', 0]);
    append(2);
    append(3);
    expect(await a.take([], { maxRecords: 2 })).toEqual(['3-4×1', 0]);
    expect(await b.take()).toEqual(['5-7×1', 0]);
    expect(await a.take([done(3, 4)])).toEqual(['', 0]);
    expect(await b.acknowledge(done(5), done(6, 7, 2))).toBe(0);
    // what one released another one gets
    expect(await a.take()).toEqual(['6-7×2', 0]);
  });

  it('goes on after a restart with what was not acknowledged, and what was stays done', async () => {
    const before = await joined('a');
    append(5);
    await before.take();
    expect(await before.acknowledge(done(0, 1), done(3))).toBe(0);
    world.restart();
    client = world.client();
    expect((await before.beat()).errorCode).toBe(ERROR.UNKNOWN_MEMBER_ID);
    const after = await joined('b');
    expect(await after.take()).toEqual(['2-2×2 4-4×2', 0]);
    expect(await after.acknowledge(done(2), done(4))).toBe(0);
    append(1);
    expect(await after.take()).toEqual(['5-5×1', 0]);
  });

  it('takes records back whose lock ended, whose reader left, vanished or closed its session', async () => {
    const [a, b] = [await joined('a'), await joined('b')];
    append(1);
    expect(await a.take()).toEqual(['0-0×1', 0]);
    world.runtime.advance(LOCK_MS + 1_000);
    expect(await a.take([done(0)])).toEqual(['0-0×2', ERROR.INVALID_RECORD_STATE]);
    expect((await a.fetch([], { epoch: -1 })).errorCode).toBe(0);
    expect(await b.take()).toEqual(['0-0×3', 0]);
    await b.beat(null, -1);
    a.sessionEpoch = 0;
    expect(await a.take()).toEqual(['0-0×4', 0]);
    world.runtime.advance(46_000);
    const c = await joined('c');
    expect(await c.take()).toEqual(['0-0×5', 0]);
    expect(await c.acknowledge(done(0, 0, 2))).toBe(0);
    // given up after so many deliveries
    expect(DELIVERIES_MAX).toBe(5);
    expect(await c.take()).toEqual(['', 0]);
    append(1);
    expect(await c.take()).toEqual(['1-1×1', 0]);
  });

  it('rejects and gaps are done; what is not the member’s is INVALID_RECORD_STATE, all or nothing', async () => {
    const [a, b] = [await joined('a'), await joined('b')];
    append(4);
    await a.take();
    await b.take();
    expect(await b.acknowledge(done(0))).toBe(ERROR.INVALID_RECORD_STATE);
    expect(await a.acknowledge(done(0), done(7))).toBe(ERROR.INVALID_RECORD_STATE);
    expect(await a.acknowledge({ firstOffset: 0, lastOffset: 3, acknowledgeTypes: [1, 3, 0, 2] })).toBe(0);
    expect(await b.take()).toEqual(['3-3×2', 0]);
    expect(await b.acknowledge({ firstOffset: 3, lastOffset: 3, acknowledgeTypes: [1, 1] })).toBe(
      ERROR.INVALID_REQUEST,
    );
    expect(await b.acknowledge(done(3, 2))).toBe(ERROR.INVALID_REQUEST);
    expect(await b.acknowledge(done(3, 3, 9))).toBe(ERROR.INVALID_REQUEST);
    expect(await b.acknowledge(done(3, 3 + 2 ** 40))).toBe(ERROR.INVALID_REQUEST);
  });

  it('stops at so many records under way, and goes on when they are done', async () => {
    const a = await joined('a');
    append(IN_FLIGHT_MAX + 10);
    expect(await a.take([], { maxRecords: 1_000_000 })).toEqual([`0-${IN_FLIGHT_MAX - 1}×1`, 0]);
    expect(await a.take()).toEqual(['', 0]);
    await a.acknowledge(done(0, 4));
    expect(await a.take()).toEqual([`${IN_FLIGHT_MAX}-${IN_FLIGHT_MAX + 4}×1`, 0]);
  });

  it('wakes a reader that waits, for new records and for released ones', async () => {
    const [a, b] = [await joined('a'), await joined('b')];
    await a.take();
    const request = (member: Member) => ({
      ...{ groupId: 'g', memberId: member.id, shareSessionEpoch: member.sessionEpoch++, maxWaitMs: 5_000 },
      ...{ minBytes: 1, maxBytes: 1 << 20, maxRecords: 10, batchSize: 10, topics: [], forgottenTopicsData: [] },
    });
    const second = world.client();
    await b.take();
    second.send(ShareFetch, 1, request(b));
    await world.settle();
    expect(second.next(ShareFetch)).toBeNull();
    append(1);
    await world.settle();
    expect(second.next(ShareFetch)!.responses[0]!.partitions[0]!.acquiredRecords).toHaveLength(1);
    const third = world.client();
    third.send(ShareFetch, 1, request(a));
    await world.settle();
    expect(third.next(ShareFetch)).toBeNull();
    await b.acknowledge(done(0, 0, 2));
    await world.settle();
    expect(third.next(ShareFetch)!.responses[0]!.partitions[0]!.acquiredRecords[0]!.deliveryCount).toBe(2);
  });

  it('sessions and members are checked', async () => {
    expect((await new Member('nobody').fetch()).errorCode).toBe(ERROR.SHARE_SESSION_NOT_FOUND);
    const a = await joined('a');
    expect(await a.acknowledge(done(0))).toBe(ERROR.INVALID_SHARE_SESSION_EPOCH);
    a.sessionEpoch = 3;
    expect((await a.fetch()).errorCode).toBe(ERROR.SHARE_SESSION_NOT_FOUND);
    a.sessionEpoch = 0;
    expect((await a.fetch([done(0)])).errorCode).toBe(ERROR.INVALID_REQUEST);
    await a.fetch();
    expect((await a.fetch([], { epoch: 7 })).errorCode).toBe(ERROR.INVALID_SHARE_SESSION_EPOCH);
    expect((await a.beat(null, 99)).errorCode).toBe(ERROR.FENCED_MEMBER_EPOCH);
    expect((await a.beat(null, -3)).errorCode).toBe(ERROR.INVALID_REQUEST);
    world.blue.denied.add('read group g');
    expect((await a.beat()).errorCode).toBe(ERROR.GROUP_AUTHORIZATION_FAILED);
    expect((await a.fetch()).errorCode).toBe(ERROR.GROUP_AUTHORIZATION_FAILED);
    world.blue.denied.clear();
    world.blue.denied.add('read topic t');
    expect((await a.fetch()).responses[0]!.partitions[0]!.errorCode).toBe(ERROR.TOPIC_AUTHORIZATION_FAILED);
  });

  it('is listed, described, and deleted when nobody is in it', async () => {
    const [a] = [await joined('a'), await joined('b')];
    const listed = await world.ask(client, ListGroups, 5, { statesFilter: [], typesFilter: ['share'] });
    expect(listed.groups).toMatchObject([{ groupId: 'g', groupType: 'share', groupState: 'Stable' }]);
    const { groups } = await world.ask(client, ShareGroupDescribe, 1, {
      ...{ groupIds: ['g', 'other'], includeAuthorizedOperations: false },
    });
    expect(groups.map(({ errorCode }) => errorCode)).toEqual([0, ERROR.GROUP_ID_NOT_FOUND]);
    const assigned = groups[0]!.members.flatMap(({ assignment }) => assignment.topicPartitions);
    expect(assigned.flatMap(({ partitions }) => partitions).toSorted()).toEqual([0, 1]);
    const remove = async () => (await world.ask(client, DeleteGroups, 2, { groupsNames: ['g'] })).results[0]!.errorCode;
    expect(await remove()).toBe(ERROR.NON_EMPTY_GROUP);
    await a.beat(null, -1);
    await new Member('b').beat(null, -1);
    expect(await remove()).toBe(0);
    expect([...world.blue.keyed('kafka-share-partitions').entries()]).toEqual([]);
  });

  it('a name is of one kind of group', async () => {
    await world.ask(client, ConsumerGroupHeartbeat, 1, {
      ...{ groupId: 'g', memberId: 'm', memberEpoch: 0, instanceId: null, rackId: null, rebalanceTimeoutMs: 10_000 },
      ...{ subscribedTopicNames: ['t'], subscribedTopicRegex: null, serverAssignor: null, topicPartitions: [] },
    });
    expect((await new Member('a').beat()).errorCode).toBe(ERROR.GROUP_ID_NOT_FOUND);
  });
});
