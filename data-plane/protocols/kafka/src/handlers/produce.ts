import type { Commit, Partition, Topic } from '@robustmq/broker';
import { type Claims, mustWait, NO_CLAIMS, serveInOrder } from '../claim-queue.ts';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, REFUSAL_ERRORS } from '../errors.ts';
import { MessageSetError, upConvert } from '../old-formats.ts';
import type { Produce } from '../messages/produce.ts';
import { batchSizeAt, isControl, isTransactional, magicOf, maxTimestampOf, sequenceOf } from '../record-batch.ts';
import { codecFor, packFor, refusalOf } from '../repack.ts';
import type { RecordMemory } from '../record-memory.ts';
import type { Decoded } from '../schema.ts';
import type { ProducerClaim } from '../transactions/transaction.ts';

type ProduceRequest = Decoded<typeof Produce.request>;

/** From this version on partitions need not be added to a transaction beforehand. */
const ENLISTS_SINCE = 12;

/** What became of the records for one partition; also the row of the response. */
interface PartitionOutcome {
  index: number;
  errorCode: ErrorCode;
  baseOffset: number;
  /** -1 = the records keep the time of their producer. */
  logAppendTimeMs: number;
  logStartOffset: number;
  errorMessage: string | null;
  commit: Commit | null;
}

/** Produce: appends at once, answers when every partition's commit has settled. acks=1 waits like acks=all. */
export function handleProduce(request: ProduceRequest, call: Call<typeof Produce.response>): void | Promise<void> {
  if (request.acks === 0) call.connection.withoutReply(call);
  const loading = producersToLoad(request, call);
  const enlisting = enlist(request, call);
  if (enlisting !== null) loading.push(enlisting);
  const topicOf = (name: string): Topic | undefined => call.session.namespace.topics.get(name);
  if (mustWait(request.topicData, topicOf)) {
    const owned = call.owned ? request : copyRequest(request, call.server.recordMemory);
    // without an answer nothing would give the bytes back
    if (request.acks !== 0) call.connection.holdBytes(call, recordBytes(owned));
    let ready = owned;
    const packing = packAll(owned, call)?.then((packed) => (ready = packed).topicData) ?? null;
    return serveInOrder(owned.topicData, call, loading, packing, (claims) => serveProduce(ready, call, true, claims));
  }
  if (loading.length === 0) return serveProduce(request, call, call.owned);
  // what follows waits in the same way, so the order of the requests stays
  const own = call.owned ? request : copyRequest(request, call.server.recordMemory);
  return Promise.all(loading).then(() => serveProduce(own, call, true));
}

/** Packs what its topic wants packed otherwise (`compression.type`); null = nothing. */
function packAll(request: ProduceRequest, call: Call): Promise<ProduceRequest> | null {
  const { namespace } = call.session;
  const { limits } = call.server;
  let some = false;
  const topicData = request.topicData.map((data) => {
    const topic = call.allows('write', 'topic', data.name) ? namespace.topics.get(data.name) : undefined;
    const rows = data.partitionData.map(async (row) => {
      const codec = topic === undefined || row.records === null ? null : codecFor(topic, row.records);
      if (codec === null) return row;
      some = true;
      return { ...row, records: await packFor(row.records!, codec, limits, namespace.messageSizeBytesMax) };
    });
    return Promise.all(rows).then((partitionData) => ({ ...data, partitionData }));
  });
  return some ? Promise.all(topicData).then((packed) => ({ ...request, topicData: packed })) : null;
}

function recordBytes({ topicData }: ProduceRequest): number {
  return topicData.reduce(
    (sum, { partitionData }) => partitionData.reduce((all, { records }) => all + (records?.length ?? 0), sum),
    0,
  );
}

/** What must be known of the partitions' idempotent producers before the request can be judged. */
function producersToLoad({ topicData }: ProduceRequest, call: Call): Promise<unknown>[] {
  const { world, namespace } = call.session;
  const loading: Promise<unknown>[] = [];
  for (const { name, partitionData } of topicData) {
    for (const { index, records } of partitionData) {
      if (records === null || magicOf(records) !== 2 || batchSizeAt(records, 0) < 0) continue;
      if (sequenceOf(records).producerId < 0) continue;
      const topic = namespace.topics.get(name);
      const partition = topic?.partitions[index];
      if (topic === undefined || partition === undefined) continue;
      const states = world.producersOf(topic, partition);
      if (states.loading !== null) loading.push(states.loading);
    }
  }
  return loading;
}

/** Adds the partitions of transactional batches to their transaction (KIP-890); a promise = to be waited for. */
function enlist({ transactionalId, topicData }: ProduceRequest, call: Call): Promise<unknown> | null {
  if (call.version < ENLISTS_SINCE || transactionalId === null) return null;
  if (!call.allows('write', 'transactional-id', transactionalId)) return null;
  const wanted: { topicId: string; index: number }[] = [];
  let claim: ProducerClaim | null = null;
  for (const { name, partitionData } of topicData) {
    const topic = call.session.namespace.topics.get(name);
    if (topic === undefined || !call.allows('write', 'topic', name)) continue;
    for (const { index, records } of partitionData) {
      if (records === null || magicOf(records) !== 2 || batchSizeAt(records, 0) < 0 || !isTransactional(records))
        continue;
      if (topic.partitions[index] === undefined) continue;
      const { producerId, producerEpoch } = sequenceOf(records);
      claim ??= { transactionalId, producerId, producerEpoch };
      wanted.push({ topicId: topic.idHex, index });
    }
  }
  return claim === null ? null : call.session.world.transactions.enlist(claim, wanted);
}
/** Small requests lie in the buffer all connections share. */
function copyRequest(request: ProduceRequest, memory: RecordMemory): ProduceRequest {
  const topicData = request.topicData.map((topic) => ({
    ...topic,
    partitionData: topic.partitionData.map((row) => ({
      ...row,
      records: row.records === null ? null : memory.copy(row.records),
    })),
  }));
  return { ...request, topicData };
}

function serveProduce(
  request: ProduceRequest,
  call: Call<typeof Produce.response>,
  owned: boolean,
  claims = NO_CLAIMS,
): void {
  const { acks } = request;
  const acksLegal = acks === 0 || acks === 1 || acks === -1;
  let sizeBytes = 0;
  const responses = request.topicData.map((topicData) => {
    const topic = call.session.namespace.topics.get(topicData.name);
    const partitionResponses = topicData.partitionData.map(({ index, records }) => {
      const outcome: PartitionOutcome = emptyOutcome(index);
      if (!acksLegal) refuse(outcome, ERROR.INVALID_REQUIRED_ACKS, `acks=${acks}`);
      else if (records === null || records.length === 0) refuse(outcome, ERROR.INVALID_RECORD, 'no records');
      else {
        sizeBytes += records.length;
        produceTo(
          topic,
          outcome,
          owned ? records : call.server.recordMemory.copy(records),
          request.transactionalId,
          call,
          claims,
        );
      }
      return outcome;
    });
    return { name: topicData.name, partitionResponses };
  });
  const throttleTimeMs = call.connection.mute(call.session.ingressDelayMs(call.clientId, sizeBytes));
  if (acks === 0) {
    // KIP: without acknowledgements the end of the connection is the only way to tell an error
    const bad = responses.flatMap((r) => r.partitionResponses).find((o) => o.errorCode !== ERROR.NONE);
    if (bad !== undefined) call.connection.fail(`acks=0 produce refused: error ${bad.errorCode}`);
    return;
  }
  if (call.pendingBytes === 0) call.connection.holdBytes(call, sizeBytes);
  const outcomes =
    responses.length === 1 ? responses[0]!.partitionResponses : responses.flatMap((r) => r.partitionResponses);
  afterCommits(outcomes, () => call.reply({ responses, throttleTimeMs }));
}

const NOT_STORED = 'the records could not be stored';

function emptyOutcome(index: number): PartitionOutcome {
  return {
    index,
    errorCode: ERROR.NONE,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    errorMessage: null,
    commit: null,
  };
}

function refuse(outcome: PartitionOutcome, errorCode: ErrorCode, message: string): void {
  outcome.errorCode = errorCode;
  outcome.errorMessage = message;
}

function produceTo(
  topic: Topic | undefined,
  outcome: PartitionOutcome,
  records: Buffer,
  transactionalId: string | null,
  call: Call,
  claims: Claims,
): void {
  const partition = topic?.partitions[outcome.index];
  if (topic === undefined || partition === undefined) {
    return refuse(outcome, ERROR.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic or partition');
  }
  const unpackable = refusalOf(records);
  if (unpackable !== undefined) return refuse(outcome, unpackable.errorCode, unpackable.message);
  const magic = magicOf(records);
  if (magic === 0 || magic === 1) return produceOld(topic, partition, outcome, records, call);
  const size = batchSizeAt(records, 0);
  if (magic !== 2 || size < 0) return refuse(outcome, ERROR.CORRUPT_MESSAGE, 'not a record batch');
  if (isControl(records)) return refuse(outcome, ERROR.INVALID_RECORD, 'clients may not write control batches');
  // KIP-98: a request carries one batch per partition; sequences would not be checkable else
  if (size !== records.length) return refuse(outcome, ERROR.INVALID_RECORD, 'more than one record batch');
  if (isTransactional(records)) {
    const errorCode = checkTransaction(transactionalId, topic, partition, records, call);
    if (errorCode !== ERROR.NONE)
      return refuse(outcome, errorCode, 'the partition is not in a transaction of this producer');
  }
  append(topic, partition, outcome, records, call, claims);
}

/** Formats v0 and v1 come in Produce 0 to 2 only; they are stored as v2. */
function produceOld(topic: Topic, partition: Partition, outcome: PartitionOutcome, records: Buffer, call: Call): void {
  if (call.version >= RECORD_BATCHES_SINCE) {
    return refuse(outcome, ERROR.INVALID_RECORD, `message format v${magicOf(records)} in Produce ${call.version}`);
  }
  try {
    const batch = upConvert(records, call.session.namespace.messageSizeBytesMax);
    append(topic, partition, outcome, batch, call);
  } catch (error) {
    if (!(error instanceof MessageSetError)) throw error;
    refuse(outcome, ERROR.CORRUPT_MESSAGE, error.message);
  }
}
const RECORD_BATCHES_SINCE = 3;

/** A batch of a transaction belongs to one that is open, with its partition in it (KIP-98, KIP-890). */
function checkTransaction(
  transactionalId: string | null,
  topic: Topic,
  partition: Partition,
  batch: Buffer,
  call: Call,
): ErrorCode {
  if (transactionalId === null || !call.allows('write', 'transactional-id', transactionalId)) {
    return ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  }
  const { producerId, producerEpoch } = sequenceOf(batch);
  const claim = { transactionalId, producerId, producerEpoch };
  return call.session.world.transactions.mayProduce(claim, topic.idHex, partition.index, call.version >= ENLISTS_SINCE);
}

function append(
  topic: Topic,
  partition: Partition,
  outcome: PartitionOutcome,
  batch: Buffer,
  call: Call,
  claims: Claims = NO_CLAIMS,
): void {
  const sequence = sequenceOf(batch);
  const idempotent = sequence.producerId >= 0;
  const { session } = call;
  if (idempotent) {
    const verdict = session.world.producersOf(topic, partition).check(sequence);
    if (verdict.kind === 'refused') return refuse(outcome, verdict.errorCode, 'producer sequence');
    if (verdict.kind === 'duplicate') {
      outcome.baseOffset = verdict.batch.baseOffset;
      outcome.logStartOffset = partition.startOffset;
      outcome.commit = verdict.batch.commit;
      return;
    }
  }
  const appended = tryAppend(partition, batch, call, claims);
  if (appended === null) return refuse(outcome, ERROR.KAFKA_STORAGE_ERROR, NOT_STORED);
  if ('refused' in appended) {
    call.connection.event('publish', appended.refused, `${topic.name}/${partition.index}: ${appended.message}`);
    return refuse(outcome, REFUSAL_ERRORS[appended.refused], appended.message);
  }
  outcome.baseOffset = appended.baseOffset;
  if (topic.appendTime === true) outcome.logAppendTimeMs = maxTimestampOf(batch);
  outcome.logStartOffset = partition.startOffset;
  outcome.commit = appended.commit;
  if (!idempotent) return;
  session.world.producersOf(topic, partition).appended(sequence, appended.baseOffset, appended.commit);
}

/** null when the medium takes nothing more. */
function tryAppend(
  partition: Partition,
  batch: Buffer,
  call: Call,
  claims: Claims,
): ReturnType<Partition['append']> | null {
  try {
    return partition.append(batch, call.session.connection, claims.get(partition));
  } catch (error) {
    call.server.runtime.log.error({ error, namespace: call.session.namespace.id }, 'kafka: append failed');
    return null;
  }
}

/** Calls `done` when every commit has settled; a failed one turns its partition into KAFKA_STORAGE_ERROR. */
function afterCommits(outcomes: readonly PartitionOutcome[], done: () => void): void {
  let waiting = 1;
  const settled = (): void => {
    if (--waiting === 0) done();
  };
  for (const outcome of outcomes) {
    if (outcome.commit === null) continue;
    waiting++;
    outcome.commit.onSettled((error) => {
      if (error !== null) {
        refuse(outcome, ERROR.KAFKA_STORAGE_ERROR, NOT_STORED);
        outcome.baseOffset = -1;
      }
      settled();
    });
  }
  settled();
}
