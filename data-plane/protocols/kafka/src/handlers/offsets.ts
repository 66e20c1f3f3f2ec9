import type { CommittedOffset } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { OffsetCommit, OffsetDelete, OffsetFetch } from '../messages/offsets.ts';
import { type Decoded, type Encodable, ZERO_UUID } from '../schema.ts';

type CommittedPartition = CommittedOffset & { topic: string; partition: number };
type CommittedTopics = Encodable<typeof OffsetFetch.response>['topics'];

const TOPIC_IDS_SINCE = 10;

/** OffsetCommit: fenced by the group's membership; acknowledged when the offsets are stable. */
export function handleOffsetCommit(
  request: Decoded<typeof OffsetCommit.request>,
  call: Call<typeof OffsetCommit.response>,
): void {
  const { namespace, world } = call.session;
  const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch } = request;
  const fenced = call.allows('read', 'group', groupId)
    ? world.mayCommit(groupId, memberId, groupInstanceId, generationIdOrMemberEpoch, call.version)
    : ERROR.GROUP_AUTHORIZATION_FAILED;
  const accepted: CommittedPartition[] = [];
  const topics = request.topics.map(({ name: given, topicId, partitions }) => {
    const byId = call.version >= TOPIC_IDS_SINCE;
    const name = byId ? (namespace.topics.byId(topicId)?.name ?? '') : given;
    return {
      name,
      topicId,
      partitions: partitions.map((row) => {
        const errorCode = fenced === ERROR.NONE ? checkCommit(name, byId, row, call) : fenced;
        if (errorCode === ERROR.NONE) {
          const { partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata } = row;
          accepted.push({
            topic: name,
            partition: partitionIndex,
            offset: committedOffset,
            leaderEpoch: committedLeaderEpoch,
            metadata: committedMetadata ?? '',
          });
        }
        return { partitionIndex: row.partitionIndex, errorCode };
      }),
    };
  });
  if (accepted.length === 0) return call.reply({ topics });
  const answer = (error: unknown): void => {
    if (error !== null) {
      for (const { partitions } of topics) {
        for (const row of partitions) if (row.errorCode === ERROR.NONE) row.errorCode = ERROR.KAFKA_STORAGE_ERROR;
      }
    }
    call.reply({ topics });
  };
  try {
    namespace.offsets.commit(groupId, accepted).onSettled(answer);
  } catch (error) {
    call.server.runtime.log.error({ error, namespace: namespace.id }, 'kafka: offset commit failed');
    answer(error);
  }
}

/** Why an offset cannot be committed: no such partition, not allowed, or too much metadata. */
export function checkCommit(
  name: string,
  byId: boolean,
  row: { partitionIndex: number; committedMetadata: string | null },
  call: Call,
): ErrorCode {
  const topic = call.session.namespace.topics.get(name);
  if (topic === undefined && byId) return ERROR.UNKNOWN_TOPIC_ID;
  if (!call.allows('read', 'topic', name)) return ERROR.TOPIC_AUTHORIZATION_FAILED;
  if (topic?.partitions[row.partitionIndex] === undefined) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
  const { offsetMetadataSizeBytesMax } = call.server.limits;
  if (row.committedMetadata !== null && Buffer.byteLength(row.committedMetadata) > offsetMetadataSizeBytesMax) {
    return ERROR.OFFSET_METADATA_TOO_LARGE;
  }
  return ERROR.NONE;
}

/** OffsetFetch: unknown groups and partitions are offset -1 without an error. */
export function handleOffsetFetch(
  request: Decoded<typeof OffsetFetch.request>,
  call: Call<typeof OffsetFetch.response>,
): void {
  const { requireStable } = request;
  if (call.version < 8) {
    const { groupId } = request;
    if (!call.allows('describe', 'group', groupId)) {
      const topics = refusedTopics(request.topics ?? [], ERROR.GROUP_AUTHORIZATION_FAILED);
      return call.reply({ errorCode: ERROR.GROUP_AUTHORIZATION_FAILED, topics: call.version < 2 ? topics : [] });
    }
    return call.reply({ topics: fetchOffsets(groupId, request.topics, requireStable, call) });
  }
  call.reply({
    groups: request.groups.map(({ groupId, memberId, memberEpoch, topics }) => {
      const errorCode = call.allows('describe', 'group', groupId)
        ? call.session.world.consumerGroups.mayFetch(groupId, memberId, memberEpoch)
        : ERROR.GROUP_AUTHORIZATION_FAILED;
      if (errorCode !== ERROR.NONE) return { groupId, topics: [], errorCode };
      return { groupId, topics: fetchOffsets(groupId, topics, requireStable, call), errorCode };
    }),
  });
}

type AskedTopic = { readonly name: string; readonly topicId?: string; readonly partitionIndexes: readonly number[] };

function fetchOffsets(
  groupId: string,
  asked: readonly AskedTopic[] | null,
  requireStable: boolean,
  call: Call,
): NonNullable<CommittedTopics> {
  const { namespace, world } = call.session;
  const stable = (name: string, index: number): ErrorCode =>
    requireStable && world.transactions.hasPendingOffset(groupId, name, index)
      ? ERROR.UNSTABLE_OFFSET_COMMIT
      : ERROR.NONE;
  if (asked !== null) {
    return asked.map(({ name: given, topicId = ZERO_UUID, partitionIndexes }) => {
      const byId = call.version >= TOPIC_IDS_SINCE;
      const name = byId ? (namespace.topics.byId(topicId)?.name ?? '') : given;
      let refused: ErrorCode = ERROR.NONE;
      if (byId && name === '') refused = ERROR.UNKNOWN_TOPIC_ID;
      else if (!call.allows('describe', 'topic', name)) refused = ERROR.TOPIC_AUTHORIZATION_FAILED;
      const partitions = partitionIndexes.map((index) =>
        refused === ERROR.NONE
          ? row(index, namespace.offsets.get(groupId, name, index), stable(name, index))
          : row(index, undefined, refused),
      );
      return { name, topicId, partitions };
    });
  }
  const byTopic = new Map<string, ReturnType<typeof row>[]>();
  for (const committed of namespace.offsets.all(groupId)) {
    const { topic, partition } = committed;
    if (!call.allows('describe', 'topic', topic)) continue;
    const fetched = row(partition, committed, stable(topic, partition));
    const rows = byTopic.get(topic);
    if (rows === undefined) byTopic.set(topic, [fetched]);
    else rows.push(fetched);
  }
  return [...byTopic].map(([name, partitions]) => ({
    name,
    topicId: namespace.topics.get(name)?.idHex ?? ZERO_UUID,
    partitions,
  }));
}

function refusedTopics(asked: readonly AskedTopic[], errorCode: ErrorCode): NonNullable<CommittedTopics> {
  return asked.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((index) => row(index, undefined, errorCode)),
  }));
}

const NO_OFFSET = -1;

function row(partitionIndex: number, committed: CommittedOffset | undefined, errorCode: ErrorCode) {
  const known = errorCode === ERROR.NONE ? committed : undefined;
  return {
    partitionIndex,
    committedOffset: known?.offset ?? NO_OFFSET,
    committedLeaderEpoch: known?.leaderEpoch ?? -1,
    metadata: known?.metadata ?? '',
    errorCode,
  };
}

/** OffsetDelete (KIP-496): offsets of partitions nobody in the group is subscribed to. */
export function handleOffsetDelete(
  request: Decoded<typeof OffsetDelete.request>,
  call: Call<typeof OffsetDelete.response>,
): void {
  const { namespace, world } = call.session;
  const { groupId } = request;
  if (!call.allows('delete', 'group', groupId)) return call.reply({ errorCode: ERROR.GROUP_AUTHORIZATION_FAILED });
  const refused = world.mayDeleteOffsets(groupId);
  if (refused !== ERROR.NONE) return call.reply({ errorCode: refused });
  const gone = new Set<string>();
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => {
      let errorCode: ErrorCode = ERROR.NONE;
      if (!call.allows('read', 'topic', name)) errorCode = ERROR.TOPIC_AUTHORIZATION_FAILED;
      else if (world.groups.subscribes(groupId, name)) errorCode = ERROR.GROUP_SUBSCRIBED_TO_TOPIC;
      else gone.add(`${name}/${partitionIndex}`);
      return { partitionIndex, errorCode };
    }),
  }));
  const kept = namespace.offsets.all(groupId).filter(({ topic, partition }) => !gone.has(`${topic}/${partition}`));
  // both in one turn, so both are stable with the same flush
  let commit = namespace.offsets.remove(groupId);
  if (kept.length > 0) commit = namespace.offsets.commit(groupId, kept);
  commit.onSettled((error) =>
    call.reply({ errorCode: error === null ? ERROR.NONE : ERROR.COORDINATOR_NOT_AVAILABLE, topics }),
  );
}
