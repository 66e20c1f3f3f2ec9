import type { CommittedOffset, Namespace } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { OffsetCommit, OffsetFetch } from '../messages/offsets.ts';
import type { Decoded, Encodable } from '../schema.ts';

type CommittedPartition = CommittedOffset & { topic: string; partition: number };
type CommittedTopics = Encodable<typeof OffsetFetch.response>['topics'];

/** OffsetCommit: fenced by the group's membership; acknowledged when the offsets are stable. */
export function handleOffsetCommit(
  request: Decoded<typeof OffsetCommit.request>,
  call: Call<typeof OffsetCommit.response>,
): void {
  const { namespace, world } = call.session;
  const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch } = request;
  const fenced = world.groups.mayCommit(groupId, memberId, groupInstanceId, generationIdOrMemberEpoch);
  const accepted: CommittedPartition[] = [];
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((row) => {
      const errorCode = fenced === ERROR.NONE ? checkCommit(namespace, name, row, call) : fenced;
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
  }));
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

function checkCommit(
  namespace: Namespace,
  name: string,
  row: { partitionIndex: number; committedOffset: number; committedMetadata: string | null },
  call: Call,
): ErrorCode {
  if (namespace.topics.get(name)?.partitions[row.partitionIndex] === undefined) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
  const { offsetMetadataSizeBytesMax } = call.server.limits;
  if (row.committedMetadata !== null && Buffer.byteLength(row.committedMetadata) > offsetMetadataSizeBytesMax) {
    return ERROR.OFFSET_METADATA_TOO_LARGE;
  }
  return ERROR.NONE;
}

/** OffsetFetch: unknown groups and partitions are offset −1 without an error. */
export function handleOffsetFetch(
  request: Decoded<typeof OffsetFetch.request>,
  call: Call<typeof OffsetFetch.response>,
): void {
  const { namespace } = call.session;
  if (call.version < 8) return call.reply({ topics: fetchOffsets(namespace, request.groupId, request.topics) });
  call.reply({
    groups: request.groups.map(({ groupId, topics }) => ({
      groupId,
      topics: fetchOffsets(namespace, groupId, topics),
      errorCode: ERROR.NONE,
    })),
  });
}

function fetchOffsets(
  namespace: Namespace,
  groupId: string,
  asked: readonly { name: string; partitionIndexes: readonly number[] }[] | null,
): NonNullable<CommittedTopics> {
  if (asked !== null) {
    return asked.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((index) => row(index, namespace.offsets.get(groupId, name, index))),
    }));
  }
  const byTopic = new Map<string, ReturnType<typeof row>[]>();
  for (const committed of namespace.offsets.all(groupId)) {
    const rows = byTopic.get(committed.topic);
    if (rows === undefined) byTopic.set(committed.topic, [row(committed.partition, committed)]);
    else rows.push(row(committed.partition, committed));
  }
  return [...byTopic].map(([name, partitions]) => ({ name, partitions }));
}

const NO_OFFSET = -1;

function row(partitionIndex: number, committed: CommittedOffset | undefined) {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? NO_OFFSET,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? '',
    errorCode: ERROR.NONE,
  };
}
