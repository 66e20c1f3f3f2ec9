import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { ConsumerGroupDescribe, ConsumerGroupHeartbeat } from '../messages/consumer-groups.ts';
import { JoinGroup, ListGroups } from '../messages/groups.ts';
import { OffsetCommit } from '../messages/offsets.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';

let world: Fixture;
let client: FakeClient;
beforeEach(async () => {
  world = new Fixture();
  client = world.client();
  await world.blue.topics.create({ name: 't', partitions: 4 });
});
const topicId = () => world.blue.topics.get('t')!.idHex;

/** A member as a client library behaves: it owns what it was told, and lets go when told less. */
class Member {
  readonly id: string;
  readonly instanceId: string | null;
  epoch = 0;
  owned: number[] = [];
  /** Keeps what it should give back. */
  stubborn = false;

  constructor(id: string, instanceId: string | null = null) {
    this.id = id;
    this.instanceId = instanceId;
  }
  async beat(
    extra: { memberEpoch?: number; names?: string[] | null; assignor?: string; pattern?: string } = {},
  ): Promise<number> {
    const joins = this.epoch === 0;
    const answer = await world.ask(client, ConsumerGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: this.id,
      memberEpoch: extra.memberEpoch ?? this.epoch,
      instanceId: this.instanceId,
      rackId: null,
      rebalanceTimeoutMs: joins ? 10_000 : -1,
      subscribedTopicNames: extra.names === undefined && joins ? ['t'] : (extra.names ?? null),
      subscribedTopicRegex: extra.pattern ?? null,
      serverAssignor: extra.assignor ?? null,
      topicPartitions: joins ? [] : [{ topicId: topicId(), partitions: this.owned }],
    });
    if (answer.errorCode !== ERROR.NONE) return answer.errorCode;
    this.epoch = answer.memberEpoch;
    if (answer.assignment !== null && !this.stubborn) {
      this.owned = answer.assignment.topicPartitions.flatMap(({ partitions }) => partitions);
    }
    return ERROR.NONE;
  }
}
async function settle(...members: Member[]): Promise<void> {
  for (let i = 0; i < 6; i++) for (const member of members) expect(await member.beat()).toBe(0);
}
const all = (...members: Member[]) => members.flatMap(({ owned }) => owned).sort();

describe('a group of the new protocol (KIP-848)', () => {
  it('gives all to the first, shares with the second only what the first let go of', async () => {
    const a = new Member('a');
    await settle(a);
    expect(a.owned).toEqual([0, 1, 2, 3]);
    const b = new Member('b');
    expect(await b.beat()).toBe(0);
    expect(b.owned).toEqual([]);
    a.stubborn = true;
    expect(await a.beat()).toBe(0);
    await b.beat();
    expect(b.owned).toEqual([]);
    a.stubborn = false;
    await settle(a, b);
    expect([a.owned.length, b.owned.length]).toEqual([2, 2]);
    expect(all(a, b)).toEqual([0, 1, 2, 3]);
    expect(a.epoch).toBe(b.epoch);
  });
  it('gives on what a member leaves, loses, or does not give back in time', async () => {
    const [a, b] = [new Member('a'), new Member('b')];
    await settle(a, b);
    expect(await b.beat({ memberEpoch: -1 })).toBe(0);
    await settle(a);
    expect(a.owned).toHaveLength(4);
    const c = new Member('c');
    a.stubborn = true;
    for (let i = 0; i < 4; i++) {
      await a.beat();
      await c.beat();
    }
    expect(c.owned).toEqual([]);
    world.runtime.advance(11_000);
    expect(await a.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
    await settle(c);
    expect(c.owned).toHaveLength(4);
    world.runtime.advance(46_000);
    expect(await c.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
  });
  it('follows topics that grow and subscriptions that change', async () => {
    const a = new Member('a');
    await settle(a);
    await world.blue.topics.alter('t', { partitions: 6 });
    await settle(a);
    expect(a.owned).toHaveLength(6);
    expect(await a.beat({ names: ['other'] })).toBe(0);
    await settle(a);
    expect(a.owned).toEqual([]);
  });
  it('fences epochs that cannot be, and takes a heartbeat whose answer was lost', async () => {
    const a = new Member('a');
    await settle(a);
    expect(await a.beat({ memberEpoch: a.epoch + 1 })).toBe(ERROR.FENCED_MEMBER_EPOCH);
    const b = new Member('b');
    await b.beat();
    a.owned = a.owned.slice(0, 2);
    await settle(a, b);
    expect(await a.beat({ memberEpoch: a.epoch - 1 })).toBe(0);
    expect(await a.beat({ assignor: 'magic' })).toBe(ERROR.UNSUPPORTED_ASSIGNOR);
    expect(await a.beat({ assignor: 'range' })).toBe(0);
  });
  it('keeps the partitions of a static member that is away for a while', async () => {
    const a = new Member('a', 'one');
    const b = new Member('b');
    await settle(a, b);
    const before = a.owned;
    expect(await a.beat({ memberEpoch: -2 })).toBe(0);
    await settle(b);
    expect(b.owned).toHaveLength(2);
    const back = new Member('a2', 'one');
    expect(await back.beat()).toBe(0);
    expect(back.owned).toEqual(before);
    expect(await new Member('a3', 'one').beat()).toBe(ERROR.UNRELEASED_INSTANCE_ID);
  });
  it('commits at its epoch only', async () => {
    const a = new Member('a');
    await settle(a);
    const commit = async (memberId: string, generationIdOrMemberEpoch: number) => {
      const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
      const claim = { groupId: 'g', memberId, generationIdOrMemberEpoch, groupInstanceId: null };
      const answer = await world.ask(client, OffsetCommit, 9, { ...claim, topics: [{ name: 't', partitions }] });
      return answer.topics[0]!.partitions[0]!.errorCode;
    };
    expect(await commit('a', a.epoch)).toBe(0);
    expect(await commit('a', a.epoch + 1)).toBe(ERROR.STALE_MEMBER_EPOCH);
    expect(await commit('z', a.epoch)).toBe(ERROR.UNKNOWN_MEMBER_ID);
  });
  it('is described and listed, and is not to be mixed with the classic protocol', async () => {
    const a = new Member('a');
    await settle(a);
    const { groups } = await world.ask(client, ConsumerGroupDescribe, 1, {
      groupIds: ['g', 'x'],
      includeAuthorizedOperations: false,
    });
    expect(groups).toMatchObject([
      {
        errorCode: 0,
        groupState: 'Stable',
        assignorName: 'uniform',
        members: [{ memberId: 'a', subscribedTopicNames: ['t'] }],
      },
      { errorCode: ERROR.GROUP_ID_NOT_FOUND },
    ]);
    const listed = await world.ask(client, ListGroups, 5, { statesFilter: [], typesFilter: ['consumer'] });
    expect(listed.groups).toMatchObject([{ groupId: 'g', groupType: 'consumer' }]);
    const joined = await world.ask(client, JoinGroup, 9, {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId: '',
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
      reason: null,
    });
    expect(joined.errorCode).toBe(ERROR.INCONSISTENT_GROUP_PROTOCOL);
  });
  it('survives a restart with its members and what they own', async () => {
    const [a, b] = [new Member('a'), new Member('b')];
    await settle(a, b);
    const before = [a.epoch, [...a.owned], [...b.owned]];
    world.restart();
    client = world.client();
    await settle(a, b);
    expect(all(a, b)).toEqual([0, 1, 2, 3]);
    expect([a.owned, b.owned]).toEqual([before[1], before[2]]);
  });
  it('a stored group or quota that cannot be read keeps nobody out', async () => {
    const groups = world.blue.keyed('kafka-consumer-groups');
    for (const text of ['{', '{}', '{"epoch":1,"members":[{"id":"x"}]}']) groups.set(text, Buffer.from(text));
    const quotas = world.blue.keyed('kafka-quotas');
    quotas.set('{', Buffer.from('{}'));
    quotas.set('{"user":"u"}', Buffer.from('{"producer_byte_rate":"much"}'));
    world.restart();
    client = world.client();
    const a = new Member('a');
    await settle(a);
    expect(all(a)).toEqual([0, 1, 2, 3]);
  });
});

describe('a subscription by regular expression (KIP-848)', () => {
  const topicsOf = async (groupId = 'g') => {
    const described = await world.ask(client, ConsumerGroupDescribe, 1, {
      groupIds: [groupId],
      includeAuthorizedOperations: false,
    });
    return described.groups[0]!.members.map((member) => ({
      pattern: member.subscribedTopicRegex,
      topics: member.assignment.topicPartitions.map(({ topicName }) => topicName).toSorted(),
    }));
  };
  beforeEach(async () => {
    for (const name of ['orders-eu', 'orders-us', 'my-orders-eu', 'orders-secret']) {
      await world.blue.topics.create({ name, partitions: 1 });
    }
    world.blue.denied.add('describe topic orders-secret');
  });

  it('reads the topics whose whole name matches and that it may see, and those it names', async () => {
    const a = new Member('a');
    expect(await a.beat({ names: null, pattern: 'orders-.*' })).toBe(0);
    expect(await topicsOf()).toEqual([{ pattern: 'orders-.*', topics: ['orders-eu', 'orders-us'] }]);
    expect(await a.beat({ names: ['t'] })).toBe(0);
    await a.beat();
    expect(await topicsOf()).toEqual([{ pattern: 'orders-.*', topics: ['orders-eu', 'orders-us', 't'] }]);
    expect(await a.beat({ pattern: '' })).toBe(0);
    await a.beat();
    expect((await topicsOf())[0]!.pattern).toBeNull();
    expect((await topicsOf())[0]!.topics).toEqual(['t']);
  });
  it('takes up topics that are made later, lets go of removed ones, and goes on after a restart', async () => {
    const a = new Member('a');
    await a.beat({ names: null, pattern: 'orders-..' });
    await world.blue.topics.create({ name: 'orders-jp', partitions: 1 });
    world.runtime.advance(10_001);
    await a.beat();
    await a.beat();
    expect((await topicsOf())[0]!.topics).toEqual(['orders-eu', 'orders-jp', 'orders-us']);
    await world.blue.topics.remove('orders-eu');
    world.restart();
    client = world.client();
    await settle(a);
    expect(await topicsOf()).toEqual([{ pattern: 'orders-..', topics: ['orders-jp', 'orders-us'] }]);
  });
  it('is refused with a sentence when it is none, or would be one too many', async () => {
    expect(await new Member('a').beat({ names: null, pattern: '(' })).toBe(ERROR.INVALID_REGULAR_EXPRESSION);
    expect(await new Member('a').beat({ names: null, pattern: '(a)\\1' })).toBe(ERROR.INVALID_REGULAR_EXPRESSION);
    expect(await new Member('a').beat({ names: null, pattern: '' })).toBe(ERROR.INVALID_REQUEST);
    for (let i = 0; i < 100; i++) expect(await new Member(`m${i}`).beat({ names: null, pattern: `p${i}` })).toBe(0);
    expect(await new Member('last').beat({ names: null, pattern: 'one more' })).toBe(ERROR.INVALID_REGULAR_EXPRESSION);
  });
});
