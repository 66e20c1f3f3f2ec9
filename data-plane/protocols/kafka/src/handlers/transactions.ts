import type { Partition, Topic } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode } from '../errors.ts';
import type {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  EndTxn,
  TxnOffsetCommit,
  WriteTxnMarkers,
} from '../messages/transactions.ts';
import type { InitProducerId } from '../messages/produce.ts';
import type { Decoded } from '../schema.ts';
import type { PendingOffset, ProducerClaim } from '../transactions/transaction.ts';
import { checkCommit } from './offsets.ts';

const PRODUCER_FENCED_SINCE = 4;
/** The version of OffsetCommit whose fencing is meant. */
const OFFSET_COMMIT_VERSION = 9;

/** InitProducerId: an id of its own without a transactional id, else the one that goes with it. */
export async function handleInitProducerId(
  request: Decoded<typeof InitProducerId.request>,
  call: Call<typeof InitProducerId.response>,
): Promise<void> {
  const { world } = call.session;
  const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request;
  // an id alone lets nobody write anywhere, so nothing is asked for it (KIP-679 asks for any topic)
  if (transactionalId === null) {
    return call.reply({ errorCode: ERROR.NONE, producerId: world.newProducerId(), producerEpoch: 0 });
  }
  if (!call.allows('write', 'transactional-id', transactionalId)) {
    return call.reply({ errorCode: ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED });
  }
  const expected = { producerId, epoch: producerEpoch };
  const outcome = await world.transactions.init(transactionalId, transactionTimeoutMs, expected);
  call.reply({ ...outcome, errorCode: fencedAs(outcome.errorCode, call.version >= PRODUCER_FENCED_SINCE) });
}

/** Name of the one cluster resource, as Kafka's ACLs have it. */
export const CLUSTER = 'kafka-cluster';

/** Clients that do not know PRODUCER_FENCED are told INVALID_PRODUCER_EPOCH (KIP-588). */
function fencedAs(errorCode: ErrorCode, known: boolean): ErrorCode {
  return errorCode === ERROR.PRODUCER_FENCED && !known ? ERROR.INVALID_PRODUCER_EPOCH : errorCode;
}

type TopicResult = { name: string; resultsByPartition: { partitionIndex: number; partitionErrorCode: ErrorCode }[] };
type WantedTopics = readonly { readonly name: string; readonly partitions: readonly number[] }[];

/** AddPartitionsToTxn: all of a transaction's partitions or none. */
export async function handleAddPartitionsToTxn(
  request: Decoded<typeof AddPartitionsToTxn.request>,
  call: Call<typeof AddPartitionsToTxn.response>,
): Promise<void> {
  if (call.version < 4) {
    const resultsByTopic = await addPartitions(request, request.topics, false, call);
    return call.reply({ resultsByTopic });
  }
  const resultsByTransaction = [];
  for (const one of request.transactions) {
    const topicResults = await addPartitions(one, one.topics, one.verifyOnly, call);
    resultsByTransaction.push({ transactionalId: one.transactionalId, topicResults });
  }
  call.reply({ resultsByTransaction });
}

async function addPartitions(
  claim: ProducerClaim,
  wanted: WantedTopics,
  verifyOnly: boolean,
  call: Call,
): Promise<TopicResult[]> {
  const { namespace, world } = call.session;
  const found: { topic: Topic; partition: Partition }[] = [];
  const failures = new Map<string, ErrorCode>();
  const allowed = call.allows('write', 'transactional-id', claim.transactionalId);
  for (const { name, partitions } of wanted) {
    const topic = namespace.topics.get(name);
    const mayWrite = call.allows('write', 'topic', name);
    for (const index of partitions) {
      const partition = topic?.partitions[index];
      if (!allowed) failures.set(`${name}/${index}`, ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
      else if (!mayWrite) failures.set(`${name}/${index}`, ERROR.TOPIC_AUTHORIZATION_FAILED);
      else if (topic === undefined || partition === undefined) {
        failures.set(`${name}/${index}`, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
      } else found.push({ topic, partition });
    }
  }
  const rest =
    failures.size > 0
      ? ERROR.OPERATION_NOT_ATTEMPTED
      : fencedAs(await world.transactions.addPartitions(claim, found, verifyOnly), call.version >= 2);
  return wanted.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: failures.get(`${name}/${partitionIndex}`) ?? rest,
    })),
  }));
}

/** AddOffsetsToTxn. */
export async function handleAddOffsetsToTxn(
  request: Decoded<typeof AddOffsetsToTxn.request>,
  call: Call<typeof AddOffsetsToTxn.response>,
): Promise<void> {
  const { transactionalId, groupId } = request;
  if (!call.allows('write', 'transactional-id', transactionalId)) {
    return call.reply({ errorCode: ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED });
  }
  if (!call.allows('read', 'group', groupId)) return call.reply({ errorCode: ERROR.GROUP_AUTHORIZATION_FAILED });
  const errorCode = await call.session.world.transactions.addGroup(request, groupId);
  call.reply({ errorCode: fencedAs(errorCode, call.version >= 2) });
}

/** TxnOffsetCommit: fenced by the transaction and, from version 3 on, by the group (KIP-447). */
export async function handleTxnOffsetCommit(
  request: Decoded<typeof TxnOffsetCommit.request>,
  call: Call<typeof TxnOffsetCommit.response>,
): Promise<void> {
  const { world } = call.session;
  const { groupId, memberId, groupInstanceId, generationId } = request;
  const outside = generationId < 0 && memberId === '';
  let refused: ErrorCode = ERROR.NONE;
  if (!call.allows('write', 'transactional-id', request.transactionalId)) {
    refused = ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  } else if (!call.allows('read', 'group', groupId)) refused = ERROR.GROUP_AUTHORIZATION_FAILED;
  else if (!outside) refused = world.mayCommit(groupId, memberId, groupInstanceId, generationId, OFFSET_COMMIT_VERSION);
  const accepted: PendingOffset[] = [];
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((row) => {
      const errorCode = refused === ERROR.NONE ? checkCommit(name, false, row, call) : refused;
      if (errorCode === ERROR.NONE) {
        accepted.push({
          topic: name,
          partition: row.partitionIndex,
          offset: row.committedOffset,
          leaderEpoch: row.committedLeaderEpoch,
          metadata: row.committedMetadata ?? '',
        });
      }
      return { partitionIndex: row.partitionIndex, errorCode };
    }),
  }));
  if (accepted.length > 0) {
    const errorCode = fencedAs(
      await world.transactions.commitOffsets(request, groupId, accepted, call.version >= ENLISTS_SINCE),
      call.version >= 3,
    );
    if (errorCode !== ERROR.NONE) {
      for (const { partitions } of topics) {
        for (const row of partitions) if (row.errorCode === ERROR.NONE) row.errorCode = errorCode;
      }
    }
  }
  call.reply({ topics });
}

/** From here on TxnOffsetCommit and EndTxn are of transactions version 2 (KIP-890). */
const ENLISTS_SINCE = 5;

/** EndTxn. */
export async function handleEndTxn(
  request: Decoded<typeof EndTxn.request>,
  call: Call<typeof EndTxn.response>,
): Promise<void> {
  if (!call.allows('write', 'transactional-id', request.transactionalId)) {
    return call.reply({ errorCode: ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED });
  }
  const { transactions } = call.session.world;
  if (call.version >= ENLISTS_SINCE) return call.reply(await transactions.endAndBump(request, request.committed));
  const errorCode = await transactions.end(request, request.committed);
  call.reply({ errorCode: fencedAs(errorCode, call.version >= 2) });
}

/** WriteTxnMarkers: an administrator ends what hangs (KIP-664). */
export async function handleWriteTxnMarkers(
  request: Decoded<typeof WriteTxnMarkers.request>,
  call: Call<typeof WriteTxnMarkers.response>,
): Promise<void> {
  const { namespace } = call.session;
  const allowed = call.allows('alter', 'cluster', CLUSTER);
  const markers = [];
  for (const { producerId, producerEpoch, transactionResult, topics } of request.markers) {
    const rows = [];
    for (const { name, partitionIndexes } of topics) {
      const topic = namespace.topics.get(name);
      const partitions = [];
      for (const partitionIndex of partitionIndexes) {
        const partition = topic?.partitions[partitionIndex];
        let errorCode: ErrorCode = ERROR.NONE;
        if (!allowed) errorCode = ERROR.CLUSTER_AUTHORIZATION_FAILED;
        else if (topic === undefined || partition === undefined) errorCode = ERROR.UNKNOWN_TOPIC_OR_PARTITION;
        else {
          try {
            await partition.endTransaction(producerId, producerEpoch, transactionResult).promise();
          } catch {
            errorCode = ERROR.KAFKA_STORAGE_ERROR;
          }
        }
        partitions.push({ partitionIndex, errorCode });
      }
      rows.push({ name, partitions });
    }
    markers.push({ producerId, topics: rows });
  }
  call.reply({ markers });
}
