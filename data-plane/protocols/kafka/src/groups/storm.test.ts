import { expect, it } from 'vitest';
import { ERROR } from '../errors.ts';
import { Heartbeat, JoinGroup, SyncGroup } from '../messages/groups.ts';
import type { FakeClient } from '../testing/fake-client.ts';
import { Fixture } from '../testing/fixture.ts';

const MEMBERS = 500;

it('a storm of 500 members settles in one generation, and in one more when half of them leave at once', async () => {
  const world = new Fixture();
  const joinAs = (client: FakeClient, memberId: string): void =>
    client.send(JoinGroup, 5, {
      groupId: 'storm',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      memberId,
      groupInstanceId: null,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('subscription') }],
      reason: null,
    });
  const members = Array.from({ length: MEMBERS }, () => ({ client: world.client(), id: '', generation: 0 }));
  for (const { client } of members) joinAs(client, '');
  await world.settle();
  for (const member of members) {
    const answer = member.client.next(JoinGroup)!;
    expect(answer.errorCode).toBe(ERROR.MEMBER_ID_REQUIRED);
    member.id = answer.memberId;
    joinAs(member.client, member.id);
  }
  await world.settle();
  world.runtime.advance(200);
  await world.settle();
  const settleAll = async (present: typeof members): Promise<Set<number>> => {
    for (const member of present) {
      const joined = member.client.next(JoinGroup)!;
      expect(joined.errorCode).toBe(0);
      member.generation = joined.generationId;
      const assignments = joined.members.map(({ memberId }) => ({ memberId, assignment: Buffer.from(memberId) }));
      expect([0, present.length]).toContain(assignments.length);
      member.client.send(SyncGroup, 3, {
        groupId: 'storm',
        generationId: member.generation,
        memberId: member.id,
        groupInstanceId: null,
        protocolType: null,
        protocolName: null,
        assignments,
      });
    }
    await world.settle();
    for (const { client, id } of present) expect(client.next(SyncGroup)!.assignment.toString()).toBe(id);
    return new Set(present.map(({ generation }) => generation));
  };
  expect((await settleAll(members)).size).toBe(1);
  expect(world.server.liveGroups('ns-blue')).toMatchObject([{ name: 'storm', state: 'Stable' }]);

  const staying = members.slice(0, MEMBERS / 2);
  // the rest is gone without a word, and their sessions run out
  for (let i = 0; i < 5; i++) {
    world.runtime.advance(9_000);
    for (const { client, id, generation } of staying) {
      client.send(Heartbeat, 3, { groupId: 'storm', generationId: generation, memberId: id, groupInstanceId: null });
    }
    await world.settle();
    const codes = new Set(staying.map(({ client }) => client.next(Heartbeat)!.errorCode));
    if (codes.has(ERROR.REBALANCE_IN_PROGRESS)) break;
  }
  for (const { client, id } of staying) joinAs(client, id);
  await world.settle();
  expect((await settleAll(staying)).size).toBe(1);
});
