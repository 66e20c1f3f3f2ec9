import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import { HEARTBEAT_INTERVAL_MS } from '../groups/consumer-groups.ts';
import type { ConsumerMember } from '../groups/consumer-group.ts';
import type { ConsumerGroupDescribe, ConsumerGroupHeartbeat } from '../messages/consumer-groups.ts';
import type { Decoded, Encodable } from '../schema.ts';

const CONSUMER_MEMBER = 1;

/** ConsumerGroupHeartbeat (KIP-848). What changed is stable before it is told. */
export function handleConsumerGroupHeartbeat(
  request: Decoded<typeof ConsumerGroupHeartbeat.request>,
  call: Call<typeof ConsumerGroupHeartbeat.response>,
): void {
  const { world } = call.session;
  const refuse = (errorCode: ErrorCode, errorMessage: string): void =>
    call.reply({ errorCode, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0, assignment: null });
  if (!call.allows('read', 'group', request.groupId)) {
    return refuse(ERROR.GROUP_AUTHORIZATION_FAILED, 'the group may not be used');
  }
  if (request.subscribedTopicNames?.some((name) => !call.allows('describe', 'topic', name)) === true) {
    return refuse(ERROR.TOPIC_AUTHORIZATION_FAILED, 'a topic may not be read');
  }
  if (call.version > 0 && request.memberId === '') return refuse(ERROR.INVALID_REQUEST, 'a member names itself');
  const owned = request.topicPartitions?.flatMap(({ topicId, partitions }) => partitions.map((i) => `${topicId}/${i}`));
  const outcome = world.consumerGroups.heartbeat(
    {
      ...request,
      owned: owned ?? null,
      maySee: (topic) => call.allows('describe', 'topic', topic),
      clientId: call.clientId,
      clientHost: `/${call.connection.transport.remoteAddress}`,
    },
    world.groups.hasMembersIn(request.groupId),
  );
  const { commit, assignment, ...told } = outcome;
  const answer = (error: unknown): void => {
    if (error !== null) return refuse(ERROR.COORDINATOR_NOT_AVAILABLE, 'the group could not be stored');
    call.reply({
      ...told,
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
      assignment: assignment === null ? null : { topicPartitions: byTopic(assignment) },
    });
  };
  if (commit === null) answer(null);
  else commit.onSettled(answer);
}

function byTopic(partitions: Iterable<string>): { topicId: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const partition of partitions) {
    const [topicId = '', index] = partition.split('/');
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, [Number(index)]);
    else known.push(Number(index));
  }
  return [...topics].map(([topicId, indexes]) => ({ topicId, partitions: indexes.sort((a, b) => a - b) }));
}

type DescribedGroup = Encodable<typeof ConsumerGroupDescribe.response>['groups'][number];

/** ConsumerGroupDescribe (KIP-848): groups of the new protocol only. */
export function handleConsumerGroupDescribe(
  request: Decoded<typeof ConsumerGroupDescribe.request>,
  call: Call<typeof ConsumerGroupDescribe.response>,
): void {
  call.reply({ groups: request.groupIds.map((groupId) => describe(groupId, call)) });
}

function describe(groupId: string, call: Call): DescribedGroup {
  const empty = { groupId, groupState: '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] };
  if (!call.allows('describe', 'group', groupId)) return { ...empty, errorCode: ERROR.GROUP_AUTHORIZATION_FAILED };
  const group = call.session.world.consumerGroups.get(groupId);
  if (group === undefined) {
    const errorMessage = 'there is no such group of the consumer protocol';
    return { ...empty, errorCode: ERROR.GROUP_ID_NOT_FOUND, errorMessage };
  }
  return {
    errorCode: ERROR.NONE,
    groupId,
    groupState: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.epoch,
    assignorName: group.assignorName,
    members: [...group.members.values()].map((member) =>
      describeMember(member, group.target.get(member.memberId) ?? new Set(), call),
    ),
  };
}

function describeMember(member: ConsumerMember, target: ReadonlySet<string>, call: Call) {
  const named = (partitions: Iterable<string>) => ({
    topicPartitions: byTopic(partitions).map((one) => ({
      ...one,
      topicName: call.session.namespace.topics.byId(one.topicId)?.name ?? '',
    })),
  });
  const { memberId, instanceId, rackId, clientId, clientHost } = member;
  return {
    memberId,
    instanceId,
    rackId,
    memberEpoch: member.epoch,
    clientId,
    clientHost,
    subscribedTopicNames: member.subscribed,
    subscribedTopicRegex: member.pattern,
    assignment: named(member.assigned),
    targetAssignment: named(target),
    memberType: CONSUMER_MEMBER,
  };
}
