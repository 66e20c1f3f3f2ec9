import type { Partition, Topic } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, REFUSAL_ERRORS, storageError } from '../errors.ts';
import type { CreatePartitions, DeleteRecords, DescribeLogDirs, DescribeTopicPartitions } from '../messages/admin.ts';
import { type Decoded, ZERO_UUID } from '../schema.ts';
import { CLUSTER } from './transactions.ts';

const LEADER_EPOCH = 0;
const EVERYTHING = -1;
/** The name of the one directory that DescribeLogDirs shows: the journal is not told about. */
const LOG_DIR = '/journal';

/** DeleteRecords: answered when the new start is stable. */
export async function handleDeleteRecords(
  request: Decoded<typeof DeleteRecords.request>,
  call: Call<typeof DeleteRecords.response>,
): Promise<void> {
  const topics = [];
  for (const { name, partitions } of request.topics) {
    const topic = call.session.namespace.topics.get(name);
    const allowed = call.allows('delete', 'topic', name);
    const rows = [];
    for (const { partitionIndex, offset } of partitions) {
      const partition = topic?.partitions[partitionIndex];
      let outcome: { errorCode: ErrorCode; lowWatermark: number } = { errorCode: ERROR.NONE, lowWatermark: -1 };
      if (!allowed) outcome = { errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED, lowWatermark: -1 };
      else if (topic === undefined || partition === undefined) {
        outcome = { errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION, lowWatermark: -1 };
      } else outcome = await trim(topic, partition, offset);
      rows.push({ partitionIndex, ...outcome });
    }
    topics.push({ name, partitions: rows });
  }
  call.reply({ topics });
}

async function trim(topic: Topic, partition: Partition, offset: number) {
  if (offset < EVERYTHING || offset > partition.stableOffset) {
    return { errorCode: ERROR.OFFSET_OUT_OF_RANGE, lowWatermark: -1 };
  }
  // Kafka refuses it for topics that are only compacted: their readers count on the last value of each key
  if (topic.cleanup === 'compact') return { errorCode: ERROR.POLICY_VIOLATION, lowWatermark: -1 };
  try {
    return { errorCode: ERROR.NONE, lowWatermark: await partition.trim(offset) };
  } catch (error) {
    return { errorCode: storageError(error), lowWatermark: -1 };
  }
}

/** CreatePartitions: partitions only grow. */
export async function handleCreatePartitions(
  request: Decoded<typeof CreatePartitions.request>,
  call: Call<typeof CreatePartitions.response>,
): Promise<void> {
  const results = [];
  for (const wanted of request.topics) {
    results.push({ name: wanted.name, ...(await growOne(wanted, request.validateOnly, call)) });
  }
  call.reply({ results });
}

async function growOne(
  wanted: Decoded<typeof CreatePartitions.request>['topics'][number],
  validateOnly: boolean,
  call: Call,
): Promise<{ errorCode: ErrorCode; errorMessage: string | null }> {
  const { limits, nodeId } = call.server;
  const { namespace } = call.session;
  const { name, count, assignments } = wanted;
  const refuse = (errorCode: ErrorCode, errorMessage: string | null) => ({ errorCode, errorMessage });
  if (!call.allows('alter', 'topic', name)) return refuse(ERROR.TOPIC_AUTHORIZATION_FAILED, null);
  const topic = namespace.topics.get(name);
  if (topic === undefined) return refuse(ERROR.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic');
  const now = topic.partitions.length;
  if (count <= now || count > limits.partitionsPerTopicMax) {
    return refuse(ERROR.INVALID_PARTITIONS, `it has ${now} partitions; ${limits.partitionsPerTopicMax} are the most`);
  }
  // an empty list, too, leaves it to the broker where they go: some clients know no null
  const placed = assignments ?? [];
  if (placed.length > 0 && placed.length !== count - now) {
    return refuse(ERROR.INVALID_REPLICA_ASSIGNMENT, 'one assignment for each new partition');
  }
  if (placed.some(({ brokerIds }) => brokerIds.length !== 1 || brokerIds[0] !== nodeId)) {
    return refuse(ERROR.INVALID_REPLICA_ASSIGNMENT, `broker ${nodeId} is the only one`);
  }
  if (validateOnly) return refuse(ERROR.NONE, null);
  const grown = await namespace.topics.alter(name, { partitions: count });
  if (!('refused' in grown)) return refuse(ERROR.NONE, null);
  if (grown.refused.startsWith('quota')) call.connection.event('protocol', grown.refused, grown.message);
  return refuse(REFUSAL_ERRORS[grown.refused], grown.message);
}

/** DescribeLogDirs: what the partitions of this cluster take. */
export function handleDescribeLogDirs(
  request: Decoded<typeof DescribeLogDirs.request>,
  call: Call<typeof DescribeLogDirs.response>,
): void {
  if (!call.allows('describe', 'cluster', CLUSTER)) {
    return call.reply({ errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED, results: [] });
  }
  const { topics } = call.session.namespace;
  const wanted = request.topics ?? topics.list().map(({ name }) => ({ topic: name, partitions: null }));
  let totalBytes = 0;
  const rows = wanted.flatMap(({ topic: name, partitions: indexes }) => {
    const topic = topics.get(name);
    if (topic === undefined || !call.allows('describe', 'topic', name)) return [];
    const partitions = topic.partitions
      .filter(({ index }) => indexes === null || indexes.includes(index))
      .map(({ index, sizeBytes }) => {
        totalBytes += sizeBytes;
        return { partitionIndex: index, partitionSize: sizeBytes, offsetLag: 0, isFutureKey: false };
      });
    return [{ name, partitions }];
  });
  call.reply({ results: [{ errorCode: ERROR.NONE, logDir: LOG_DIR, topics: rows, totalBytes }] });
}

/** DescribeTopicPartitions (KIP-966): topics in the order of their names, from the cursor on, so many partitions. */
export function handleDescribeTopicPartitions(
  request: Decoded<typeof DescribeTopicPartitions.request>,
  call: Call<typeof DescribeTopicPartitions.response>,
): void {
  const { namespace } = call.session;
  const { nodeId, limits } = call.server;
  const { cursor, responsePartitionLimit } = request;
  let left = Math.max(1, Math.min(responsePartitionLimit, limits.partitionsPerResponseMax));
  const asked = request.topics.length > 0 ? request.topics.map(({ name }) => name) : null;
  const names = (asked ?? namespace.topics.list().map(({ name }) => name))
    .filter((name) => cursor === null || name >= cursor.topicName)
    .sort();
  const topics = [];
  for (const name of new Set(names)) {
    const allowed = call.allows('describe', 'topic', name);
    const topic = namespace.topics.get(name);
    if (!allowed && asked === null) continue;
    if (!allowed || topic === undefined) {
      const errorCode = allowed ? ERROR.UNKNOWN_TOPIC_OR_PARTITION : ERROR.TOPIC_AUTHORIZATION_FAILED;
      topics.push({ errorCode, name, topicId: ZERO_UUID, partitions: [] });
      continue;
    }
    const from = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
    if (left === 0) {
      return call.reply({ topics, nextCursor: { topicName: name, partitionIndex: from } });
    }
    const shown = topic.partitions.slice(from, from + left);
    left -= shown.length;
    const partitions = shown.map(({ index }) => ({
      errorCode: ERROR.NONE,
      partitionIndex: index,
      leaderId: nodeId,
      leaderEpoch: LEADER_EPOCH,
      replicaNodes: [nodeId],
      isrNodes: [nodeId],
    }));
    topics.push({ errorCode: ERROR.NONE, name, topicId: topic.idHex, partitions });
    const next = from + shown.length;
    if (next < topic.partitions.length) {
      return call.reply({ topics, nextCursor: { topicName: name, partitionIndex: next } });
    }
  }
  call.reply({ topics, nextCursor: null });
}
