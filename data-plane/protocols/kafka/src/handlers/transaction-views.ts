import type { Call } from '../connection.ts';
import { ERROR } from '../errors.ts';
import type { DescribeProducers, DescribeTransactions, ListTransactions } from '../messages/transactions.ts';
import type { Decoded } from '../schema.ts';
import { TRANSACTION_STATES } from '../transactions/transaction.ts';

/** DescribeTransactions (KIP-664). */
export function handleDescribeTransactions(
  request: Decoded<typeof DescribeTransactions.request>,
  call: Call<typeof DescribeTransactions.response>,
): void {
  const { world, namespace } = call.session;
  const transactionStates = request.transactionalIds.map((transactionalId) => {
    if (!call.allows('describe', 'transactional-id', transactionalId)) {
      return { errorCode: ERROR.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, transactionalId };
    }
    const found = world.transactions.get(transactionalId);
    if (found === undefined) return { errorCode: ERROR.TRANSACTIONAL_ID_NOT_FOUND, transactionalId };
    const topics = new Map<string, number[]>();
    for (const { topicId, index } of found.partitions.values()) {
      const name = namespace.topics.byId(topicId)?.name;
      if (name === undefined || !call.allows('describe', 'topic', name)) continue;
      const partitions = topics.get(name);
      if (partitions === undefined) topics.set(name, [index]);
      else partitions.push(index);
    }
    return {
      errorCode: ERROR.NONE,
      transactionalId,
      transactionState: found.state,
      transactionTimeoutMs: found.timeoutMs,
      transactionStartTimeMs: found.startedMs,
      producerId: found.producerId,
      producerEpoch: found.producerEpoch,
      topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
    };
  });
  call.reply({ transactionStates });
}

/** ListTransactions (KIP-664, KIP-994). */
export function handleListTransactions(
  request: Decoded<typeof ListTransactions.request>,
  call: Call<typeof ListTransactions.response>,
): void {
  const { stateFilters, producerIdFilters, durationFilter } = request;
  const nowMs = call.server.runtime.nowMs();
  const states: readonly string[] = TRANSACTION_STATES;
  const transactionStates = call.session.world.transactions
    .list()
    .filter(({ state }) => stateFilters.length === 0 || stateFilters.includes(state))
    .filter(({ producerId }) => producerIdFilters.length === 0 || producerIdFilters.includes(producerId))
    .filter(({ startedMs }) => durationFilter < 0 || (startedMs >= 0 && nowMs - startedMs > durationFilter))
    .filter(({ id }) => call.allows('describe', 'transactional-id', id))
    .map(({ id, producerId, state }) => ({ transactionalId: id, producerId, transactionState: state }));
  const unknownStateFilters = stateFilters.filter((state) => !states.includes(state));
  call.reply({ errorCode: ERROR.NONE, unknownStateFilters, transactionStates });
}

/** DescribeProducers (KIP-664): idempotent producers remembered, with what they have open. */
export async function handleDescribeProducers(
  request: Decoded<typeof DescribeProducers.request>,
  call: Call<typeof DescribeProducers.response>,
): Promise<void> {
  const { world, namespace } = call.session;
  const topics = [];
  for (const { name, partitionIndexes } of request.topics) {
    const topic = namespace.topics.get(name);
    const allowed = call.allows('read', 'topic', name);
    const partitions = [];
    for (const partitionIndex of partitionIndexes) {
      const partition = topic?.partitions[partitionIndex];
      if (!allowed) partitions.push({ partitionIndex, errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED });
      else if (topic === undefined || partition === undefined) {
        partitions.push({ partitionIndex, errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION });
      } else {
        const states = world.producersOf(topic, partition);
        await states.loading;
        const open = new Map(partition.openTransactions().map((one) => [one.producerId, one.firstOffset]));
        const activeProducers = [...states.producers()].map((producer) => ({
          ...producer,
          currentTxnStartOffset: open.get(producer.producerId) ?? -1,
        }));
        partitions.push({ partitionIndex, errorCode: ERROR.NONE, activeProducers });
      }
    }
    topics.push({ name, partitions });
  }
  call.reply({ topics });
}
