import { beforeEach, describe, expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import {
  DeleteGroups,
  DescribeGroups,
  FindCoordinator,
  Heartbeat,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  SyncGroup,
} from '../messages/groups.ts';
import { OffsetCommit, OffsetFetch } from '../messages/offsets.ts';
import type { Decoded } from '../schema.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';

type Joined = Decoded<typeof JoinGroup.response>;

let world: Fixture;
beforeEach(() => {
  world = new Fixture();
});

interface JoinOptions {
  memberId?: string;
  instance?: string | null;
  protocols?: string[];
  metadata?: string;
  version?: number;
  sessionTimeoutMs?: number;
  type?: string;
  group?: string;
}

function joinRequest(options: JoinOptions) {
  return {
    groupId: options.group ?? 'g',
    sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
    rebalanceTimeoutMs: 30_000,
    memberId: options.memberId ?? '',
    groupInstanceId: options.instance ?? null,
    protocolType: options.type ?? 'consumer',
    protocols: (options.protocols ?? ['range']).map((name) => ({
      name,
      metadata: Buffer.from(options.metadata ?? 'subscription'),
    })),
    reason: null,
  };
}

/** A member as a client library behaves: one connection, joins, syncs, beats. */
class Member {
  readonly client: FakeClient = world.client();
  readonly options: JoinOptions;
  id = '';
  generation = -1;
  joined: Joined | null = null;

  constructor(options: JoinOptions = {}) {
    this.options = options;
  }
  get version(): number {
    return this.options.version ?? 9;
  }
  /** Sends JoinGroup, with the id that MEMBER_ID_REQUIRED gave where there is one. */
  async join(): Promise<Joined | null> {
    this.client.send(JoinGroup, this.version, joinRequest({ ...this.options, memberId: this.id }));
    await world.settle();
    const answer = this.take();
    if (answer?.errorCode !== ERROR.MEMBER_ID_REQUIRED) return answer;
    this.id = answer.memberId;
    return this.join();
  }
  take(): Joined | null {
    const answer = this.client.next(JoinGroup);
    if (answer === null) return null;
    this.joined = answer;
    if (answer.errorCode === 0) {
      this.id = answer.memberId;
      this.generation = answer.generationId;
    }
    return answer;
  }
  sendSync(assignments: { memberId: string; assignment: Buffer }[] = []): void {
    this.client.send(SyncGroup, 5, {
      groupId: 'g',
      generationId: this.generation,
      memberId: this.id,
      groupInstanceId: this.options.instance ?? null,
      protocolType: 'consumer',
      protocolName: null,
      assignments,
    });
  }
  async synced() {
    await world.settle();
    return this.client.next(SyncGroup);
  }
  async beat(): Promise<number> {
    const claim = { groupId: 'g', generationId: this.generation, memberId: this.id };
    const request = { ...claim, groupInstanceId: this.options.instance ?? null };
    return (await world.ask(this.client, Heartbeat, 4, request)).errorCode;
  }
  async commit(offset: number, generation = this.generation, id = this.id): Promise<number> {
    const response = await world.ask(this.client, OffsetCommit, 9, {
      groupId: 'g',
      generationIdOrMemberEpoch: generation,
      memberId: id,
      groupInstanceId: null,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: 'm' }] }],
    });
    return response.topics[0]!.partitions[0]!.errorCode;
  }
}

/** A stable group of `count` members; the first leads. */
async function stableGroup(count: number, options: (i: number) => JoinOptions = () => ({})): Promise<Member[]> {
  const members = Array.from({ length: count }, (_, i) => new Member(options(i)));
  for (const member of members) await member.join();
  world.runtime.advance(200);
  await world.settle();
  for (const member of members) if (member.generation < 0) member.take();
  await syncAll(members);
  return members;
}

async function syncAll(members: Member[]): Promise<string[]> {
  const leader = members.find((member) => member.joined!.leader === member.id)!;
  for (const member of members) if (member !== leader) member.sendSync();
  leader.sendSync(
    leader.joined!.members.map(({ memberId }, i) => ({ memberId, assignment: Buffer.from(`part-${i}`) })),
  );
  const given = [];
  for (const member of members) {
    const answer = (await member.synced())!;
    expect(answer.errorCode).toBe(0);
    given.push(answer.assignment.toString());
  }
  return given;
}

describe('joining', () => {
  it('asks for a member id from version 4 on and gathers one generation', async () => {
    const old = new Member({ version: 2 });
    const modern = new Member();
    expect(await old.join()).toBeNull();
    expect(await modern.join()).toBeNull();
    expect(modern.id).toMatch(/^tester-/);
    world.runtime.advance(200);
    await world.settle();
    const first = old.take()!;
    const second = modern.take()!;
    expect(first).toMatchObject({ errorCode: 0, generationId: 1, leader: first.memberId, protocolName: 'range' });
    expect(first.members).toHaveLength(2);
    expect(second.members).toHaveLength(0);
    expect(first.members[0]!.metadata.toString()).toBe('subscription');
    expect((await syncAll([old, modern])).sort()).toEqual(['part-0', 'part-1']);
    expect(await modern.beat()).toBe(0);
  });
  it('elects the protocol all support and most prefer', async () => {
    const members = await stableGroup(3, (i) => ({
      protocols: [
        ['range', 'sticky'],
        ['sticky', 'range'],
        ['rr', 'sticky', 'range'],
      ][i]!,
    }));
    expect(members[0]!.joined!.protocolName).toBe('sticky');
  });
  it('refuses what it must', async () => {
    await stableGroup(1);
    const refused = async (options: JoinOptions) => (await new Member({ version: 3, ...options }).join())!.errorCode;
    expect(await refused({ group: '' })).toBe(ERROR.INVALID_GROUP_ID);
    expect(await refused({ sessionTimeoutMs: 1 })).toBe(ERROR.INVALID_SESSION_TIMEOUT);
    expect(await refused({ protocols: ['other'] })).toBe(ERROR.INCONSISTENT_GROUP_PROTOCOL);
    expect(await refused({ type: 'connect' })).toBe(ERROR.INCONSISTENT_GROUP_PROTOCOL);
    expect(await refused({ protocols: [] })).toBe(ERROR.INCONSISTENT_GROUP_PROTOCOL);
    const stranger = new Member();
    stranger.id = 'nobody';
    expect((await stranger.join())!.errorCode).toBe(ERROR.UNKNOWN_MEMBER_ID);
    expect(await stranger.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
  });
  it('keeps metadata when the read buffer is used again', async () => {
    const [leader] = await stableGroup(1, () => ({ metadata: 'mine' }));
    world.server.sharedReadBuffer.fill(0);
    const described = await world.ask(leader!.client, DescribeGroups, 5, {
      groups: ['g'],
      includeAuthorizedOperations: false,
    });
    const member = described.groups[0]!.members[0]!;
    expect(member.memberMetadata.toString()).toBe('mine');
    expect(member.memberAssignment.toString()).toBe('part-0');
    expect(member).toMatchObject({ clientId: 'tester', clientHost: '/192.0.2.1' });
  });
});

describe('rebalancing', () => {
  it('a newcomer makes the others rejoin; who does not is out after the rebalance time-out', async () => {
    const [a, b] = (await stableGroup(2)) as [Member, Member];
    const c = new Member();
    expect(await c.join()).toBeNull();
    expect(await a.beat()).toBe(ERROR.REBALANCE_IN_PROGRESS);
    expect(await a.join()).toBeNull();
    for (let i = 0; i < 4; i++) {
      world.runtime.advance(8_000);
      await b.beat();
    }
    await world.settle();
    expect(a.take()).toMatchObject({ errorCode: 0, generationId: 2 });
    expect(c.take()).toMatchObject({ errorCode: 0, generationId: 2 });
    expect(a.joined!.members.map(({ memberId }) => memberId).sort()).toEqual([a.id, c.id].sort());
    expect(await b.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
    await syncAll([a, c]);
  });
  it('completes as soon as all have rejoined, and fences the old generation', async () => {
    const [a, b] = (await stableGroup(2)) as [Member, Member];
    expect(await a.join()).toBeNull();
    b.sendSync();
    expect((await b.synced())!.errorCode).toBe(ERROR.REBALANCE_IN_PROGRESS);
    await b.join();
    await world.settle();
    a.take();
    expect([a.generation, b.generation]).toEqual([2, 2]);
    b.generation = 1;
    expect(await b.beat()).toBe(ERROR.ILLEGAL_GENERATION);
    b.generation = 2;
    await syncAll([a, b]);
  });
  it('a member that falls silent is out after its session time-out', async () => {
    const [a, b] = (await stableGroup(2)) as [Member, Member];
    world.runtime.advance(6_000);
    expect(await a.beat()).toBe(0);
    world.runtime.advance(6_000);
    expect(await a.beat()).toBe(ERROR.REBALANCE_IN_PROGRESS);
    expect(await a.join()).toMatchObject({ generationId: 2 });
    expect(await b.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
  });
  it('leaving rebalances at once; the last one to leave ends the group', async () => {
    const [a, b] = (await stableGroup(2)) as [Member, Member];
    const leave = { groupId: 'g', memberId: b.id, members: [] };
    expect((await world.ask(b.client, LeaveGroup, 1, leave)).errorCode).toBe(0);
    expect(await a.beat()).toBe(ERROR.REBALANCE_IN_PROGRESS);
    expect(await a.join()).toMatchObject({ generationId: 2 });
    const members = [
      { memberId: a.id, groupInstanceId: null, reason: null },
      { memberId: 'nobody', groupInstanceId: null, reason: null },
    ];
    const answer = await world.ask(a.client, LeaveGroup, 5, { groupId: 'g', memberId: '', members });
    expect(answer.members.map(({ errorCode }) => errorCode)).toEqual([0, ERROR.UNKNOWN_MEMBER_ID]);
    expect((await world.ask(a.client, ListGroups, 5, { statesFilter: [], typesFilter: [] })).groups).toEqual([]);
  });
  it('a leader that never assigns is removed', async () => {
    const [a, b] = (await stableGroup(2)) as [Member, Member];
    await a.join();
    await b.join();
    await world.settle();
    a.take();
    b.sendSync();
    await world.settle();
    world.runtime.advance(31_000);
    expect((await b.synced())!.errorCode).toBe(ERROR.REBALANCE_IN_PROGRESS);
    expect(await a.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
  });
  it('a client that dies while it waits does not hold the others', async () => {
    const [a] = (await stableGroup(1)) as [Member];
    const dead = new Member();
    await dead.join();
    dead.client.handler.onClose(null);
    expect(await a.join()).toBeNull();
    world.runtime.advance(11_000);
    await world.settle();
    expect(a.take()).toMatchObject({ errorCode: 0 });
    expect(a.joined!.members).toHaveLength(1);
  });
});

describe('static members (KIP-345)', () => {
  it('come back without a rebalance and fence their old selves', async () => {
    const [a, b] = (await stableGroup(2, (i) => ({ instance: `node-${i}` }))) as [Member, Member];
    const back = new Member({ instance: 'node-1' });
    expect(await back.join()).toMatchObject({ errorCode: 0, generationId: 1, leader: a.id });
    expect(back.id).not.toBe(b.id);
    expect(await a.beat()).toBe(0);
    expect(await b.beat()).toBe(ERROR.FENCED_INSTANCE_ID);
    back.sendSync();
    expect((await back.synced())!.assignment.toString()).toBe('part-1');
  });
  it('a leader that comes back is told to skip the assignment, or that somebody else leads', async () => {
    await stableGroup(2, (i) => ({ instance: `node-${i}` }));
    const modern = await new Member({ instance: 'node-0' }).join();
    expect(modern).toMatchObject({ skipAssignment: true, leader: modern!.memberId });
    expect(modern!.members).toHaveLength(2);
    const old = await new Member({ instance: 'node-0', version: 5 }).join();
    expect(old!.leader).not.toBe(old!.memberId);
    expect(old!.members).toHaveLength(0);
  });
  it('leave by instance id', async () => {
    const [a] = (await stableGroup(2, (i) => ({ instance: `node-${i}` }))) as [Member];
    const members = [{ memberId: '', groupInstanceId: 'node-1', reason: null }];
    const answer = await world.ask(a.client, LeaveGroup, 4, { groupId: 'g', memberId: '', members });
    expect(answer.members[0]!.errorCode).toBe(0);
    expect(await a.beat()).toBe(ERROR.REBALANCE_IN_PROGRESS);
  });
});

describe('offsets', () => {
  beforeEach(async () => {
    await world.blue.topics.create({ name: 't', partitions: 1 });
  });
  const wanted = [{ name: 't', partitionIndexes: [0, 3] }];

  it('are committed by members of the generation and by nobody else', async () => {
    const [a] = (await stableGroup(1)) as [Member];
    expect(await a.commit(5)).toBe(0);
    expect(await a.commit(6, 9)).toBe(ERROR.ILLEGAL_GENERATION);
    expect(await a.commit(6, 1, 'nobody')).toBe(ERROR.UNKNOWN_MEMBER_ID);
    expect(await a.commit(6, -1, '')).toBe(ERROR.UNKNOWN_MEMBER_ID);
    for (const version of [1, 5, 7]) {
      const request = { groupId: 'g', topics: wanted, groups: [], requireStable: false };
      const [topic] = (await world.ask(a.client, OffsetFetch, version, request)).topics;
      expect(topic!.partitions.map(({ committedOffset, metadata }) => [committedOffset, metadata])).toEqual([
        [5, 'm'],
        [-1, ''],
      ]);
    }
  });
  it('are fetched for several groups, for all topics, and are −1 for unknown groups', async () => {
    const [a] = (await stableGroup(1)) as [Member];
    await a.commit(5);
    const group = (groupId: string, topics: typeof wanted | null) => ({ groupId, memberId: null, topics });
    const groups = [group('g', null), group('nope', wanted)];
    const answer = await world.ask(a.client, OffsetFetch, 9, {
      groupId: '',
      topics: null,
      groups,
      requireStable: true,
    });
    expect(answer.groups[0]!.topics).toMatchObject([{ name: 't', partitions: [{ committedOffset: 5 }] }]);
    expect(answer.groups[1]!.topics[0]!.partitions[0]).toMatchObject({ committedOffset: -1, errorCode: 0 });
  });
  it('survive the members; the group is then Empty and can be deleted', async () => {
    const [a] = (await stableGroup(1)) as [Member];
    await a.commit(5);
    const remove = async () => (await world.ask(a.client, DeleteGroups, 2, { groupsNames: ['g', 'nope'] })).results;
    expect((await remove()).map(({ errorCode }) => errorCode)).toEqual([
      ERROR.NON_EMPTY_GROUP,
      ERROR.GROUP_ID_NOT_FOUND,
    ]);
    await world.ask(a.client, LeaveGroup, 0, { groupId: 'g', memberId: a.id, members: [] });
    const listed = await world.ask(a.client, ListGroups, 4, { statesFilter: ['empty'], typesFilter: [] });
    expect(listed.groups).toMatchObject([{ groupId: 'g', protocolType: 'consumer', groupState: 'Empty' }]);
    const described = await world.ask(a.client, DescribeGroups, 0, {
      groups: ['g', 'nope'],
      includeAuthorizedOperations: false,
    });
    expect(described.groups.map(({ groupState }) => groupState)).toEqual(['Empty', 'Dead']);
    expect((await remove())[0]!.errorCode).toBe(0);
    expect(world.blue.offsets.groups()).toEqual([]);
  });
  it('without a group are taken from consumers that have none', async () => {
    expect(await new Member().commit(3, -1, '')).toBe(0);
    expect(await new Member().commit(3, 4, 'x')).toBe(ERROR.ILLEGAL_GENERATION);
  });
});

it('FindCoordinator: this node for groups and transactions, nobody for anything else', async () => {
  const client = world.client();
  const one = await world.ask(client, FindCoordinator, 2, { key: 'g', keyType: 0, coordinatorKeys: [] });
  expect(one).toMatchObject({ errorCode: 0, nodeId: 7, host: 'blue.example' });
  const many = await world.ask(client, FindCoordinator, 6, { key: '', keyType: 0, coordinatorKeys: ['g', 'h'] });
  expect(many.coordinators.map(({ key, nodeId }) => [key, nodeId])).toEqual([
    ['g', 7],
    ['h', 7],
  ]);
  const txn = await world.ask(client, FindCoordinator, 1, { key: 'x', keyType: 1, coordinatorKeys: [] });
  expect(txn).toMatchObject({ errorCode: 0, nodeId: 7 });
  const share = await world.ask(client, FindCoordinator, 6, { key: '', keyType: 2, coordinatorKeys: ['x'] });
  expect(share.coordinators[0]).toMatchObject({ errorCode: ERROR.INVALID_REQUEST, nodeId: -1 });
});

it('groups of the same name in two clusters never meet', async () => {
  const [a] = (await stableGroup(1)) as [Member];
  world.broker.anonymous = 'red';
  const red = new Member();
  await red.join();
  world.runtime.advance(200);
  await world.settle();
  expect(red.take()).toMatchObject({ errorCode: 0, generationId: 1, leader: red.id });
  expect(await a.beat()).toBe(0);
});

it('a stable generation goes on after a restart: members beat, commit and sync without a rebalance', async () => {
  const [a, b] = (await stableGroup(2)) as [Member, Member];
  world.restart();
  const clients = [world.client(), world.client()];
  for (const [i, member] of [a, b].entries()) Object.assign(member, { client: clients[i] });
  expect([await a.beat(), await b.beat()]).toEqual([0, 0]);
  expect(
    (await world.ask(clients[0]!, DescribeGroups, 5, { groups: ['g'], includeAuthorizedOperations: false })).groups[0],
  ).toMatchObject({
    groupState: 'Stable',
    members: [{ memberId: a.id }, { memberId: b.id }],
  });
  world.runtime.advance(60_000);
  await world.settle();
  expect(await a.beat()).toBe(ERROR.UNKNOWN_MEMBER_ID);
});
