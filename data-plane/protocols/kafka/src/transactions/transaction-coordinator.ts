import type { Commit, KeyedStore, Namespace, Partition, Topic } from '@robustmq/broker';
import type { Cancel, Runtime } from '@robustmq/wire';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { KafkaLimits } from '../limits.ts';
import {
  fromStored,
  partitionKey,
  type PendingOffset,
  type ProducerClaim,
  storedForm,
  Transaction,
} from './transaction.ts';

const KIND = 'kafka-transactions';
/** Timeouts are looked for, and ends that failed are tried again, this often. */
const SWEEP_PERIOD_MS = 1_000;

/** What InitProducerId gives, and EndTxn from version 5 on. */
export interface InitOutcome {
  readonly errorCode: ErrorCode;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/**
 * The transactions of one namespace (KIP-98). Every step is stored before it is told; the outcome is stored before the
 * first marker is written, and the transaction is complete once all markers and offsets are stable. A coordinator made
 * anew ends what it finds decided. Steps of one transactional id do not interleave: who comes in between is told
 * CONCURRENT_TRANSACTIONS, which every client repeats.
 */
export class TransactionCoordinator {
  readonly #namespace: Namespace;
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  readonly #newProducerId: () => number;
  readonly #store: KeyedStore;
  readonly #transactions = new Map<string, Transaction>();
  /** Open transactions with offsets, by group. */
  readonly #byGroup = new Map<string, Set<Transaction>>();
  #cancelSweep: Cancel | null = null;

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits, newProducerId: () => number) {
    this.#namespace = namespace;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#newProducerId = newProducerId;
    this.#store = namespace.keyed(KIND);
    for (const [id, bytes] of [...this.#store.entries()]) this.#recover(id, bytes);
    if (this.#transactions.size > 0) this.#watch();
  }

  /** Whether something is open or undecided, so that the namespace's state must stay in memory. */
  get isActive(): boolean {
    for (const transaction of this.#transactions.values()) if (transaction.isOpen || transaction.isEnding) return true;
    return false;
  }

  /** InitProducerId: fences whoever had the id before, and ends what it left open. */
  async init(id: string, timeoutMs: number, expected: { producerId: number; epoch: number }): Promise<InitOutcome> {
    if (id === '' || id.length > this.#limits.transactionalIdLengthMax) return failed(ERROR.INVALID_REQUEST);
    if (timeoutMs <= 0 || timeoutMs > this.#limits.transactionTimeoutMsMax) {
      return failed(ERROR.INVALID_TRANSACTION_TIMEOUT);
    }
    const known = this.#transactions.get(id);
    if (known === undefined) return this.#create(id, timeoutMs);
    if (known.busy || known.isEnding) return failed(ERROR.CONCURRENT_TRANSACTIONS);
    const given = expected.producerId >= 0 && expected.epoch >= 0;
    if (given && expected.producerId !== known.producerId) return failed(ERROR.PRODUCER_FENCED);
    const repeated = given && expected.epoch === known.lastProducerEpoch && known.state !== 'Ongoing';
    if (given && !repeated && expected.epoch !== known.producerEpoch) return failed(ERROR.PRODUCER_FENCED);
    if (known.state === 'Ongoing') {
      const ended = await this.#fence(known);
      if (ended !== ERROR.NONE) return failed(ended);
    }
    if (!repeated) known.bump(this.#newProducerId, given ? expected.epoch : -1);
    known.timeoutMs = timeoutMs;
    known.state = 'Empty';
    known.partitions.clear();
    known.groups.clear();
    known.startedMs = -1;
    const stored = await this.#stored(known);
    if (stored !== ERROR.NONE) return failed(stored);
    return { errorCode: ERROR.NONE, producerId: known.producerId, producerEpoch: known.producerEpoch };
  }

  /** AddPartitionsToTxn. With `verifyOnly` nothing is added and partitions outside are refused (KIP-890). */
  async addPartitions(
    claim: ProducerClaim,
    partitions: readonly { readonly topic: Topic; readonly partition: Partition }[],
    verifyOnly: boolean,
  ): Promise<ErrorCode> {
    const transaction = this.#claimed(claim);
    if (typeof transaction === 'number') return transaction;
    const isIn = ({ topic, partition }: (typeof partitions)[number]): boolean =>
      transaction.isOpen && transaction.partitions.has(partitionKey(topic.idHex, partition.index));
    if (verifyOnly) return partitions.every(isIn) ? ERROR.NONE : ERROR.INVALID_TXN_STATE;
    const added = partitions.filter((one) => !isIn(one));
    if (added.length === 0) return ERROR.NONE;
    this.#begin(transaction);
    for (const { topic, partition } of added) {
      const one = { topicId: topic.idHex, index: partition.index };
      transaction.partitions.set(partitionKey(one.topicId, one.index), one);
    }
    return this.#stored(transaction);
  }

  /** AddOffsetsToTxn. */
  addGroup(claim: ProducerClaim, groupId: string): Promise<ErrorCode> | ErrorCode {
    const transaction = this.#claimed(claim);
    if (typeof transaction === 'number') return transaction;
    if (transaction.isOpen && transaction.groups.has(groupId)) return ERROR.NONE;
    this.#begin(transaction);
    transaction.groups.set(groupId, new Map());
    this.#enlistGroup(groupId, transaction);
    return this.#stored(transaction);
  }

  /** TxnOffsetCommit: kept until the transaction ends. `enlists` adds a group that is not in it yet (KIP-890). */
  commitOffsets(
    claim: ProducerClaim,
    groupId: string,
    offsets: readonly PendingOffset[],
    enlists = false,
  ): Promise<ErrorCode> | ErrorCode {
    const transaction = this.#claimed(claim);
    if (typeof transaction === 'number') return transaction;
    let pending = transaction.isOpen ? transaction.groups.get(groupId) : undefined;
    if (pending === undefined) {
      if (!enlists) return ERROR.INVALID_TXN_STATE;
      this.#begin(transaction);
      transaction.groups.set(groupId, (pending = new Map()));
      this.#enlistGroup(groupId, transaction);
    }
    for (const row of offsets) pending.set(partitionKey(row.topic, row.partition), row);
    return this.#stored(transaction);
  }

  /**
   * What a Produce with batches of a transaction adds to it (KIP-890): null = nothing is to wait for, be it that all is
   * in or that `mayProduce` will refuse. What is to be appended waits for the promise, so that no partition holds records of
   * a transaction that after a crash nobody would end.
   */
  enlist(
    claim: ProducerClaim,
    partitions: readonly { readonly topicId: string; readonly index: number }[],
  ): Promise<unknown> | null {
    const transaction = this.#claimed(claim);
    if (typeof transaction === 'number') return null;
    const added = partitions.filter(
      ({ topicId, index }) => !transaction.isOpen || !transaction.partitions.has(partitionKey(topicId, index)),
    );
    if (added.length === 0) return transaction.enlisting;
    this.#begin(transaction);
    for (const one of added) transaction.partitions.set(partitionKey(one.topicId, one.index), one);
    const stored = this.#stored(transaction);
    transaction.enlisting = stored;
    void stored.then(() => {
      if (transaction.enlisting === stored) transaction.enlisting = null;
    });
    return stored;
  }

  /**
   * EndTxn from version 5 on (KIP-890): the producer goes on with the epoch it is given, and a repeat of the request is
   * known by the epoch before. Also ends what nothing was added to, but only by aborting it.
   */
  async endAndBump(claim: ProducerClaim, commits: boolean): Promise<InitOutcome> {
    const transaction = this.#transactions.get(claim.transactionalId);
    if (transaction === undefined) return failed(ERROR.INVALID_PRODUCER_ID_MAPPING);
    const { state, producerId, producerEpoch, lastProducerEpoch, lastProducerId } = transaction;
    const isOver = state === 'CompleteCommit' || state === 'CompleteAbort';
    const repeated =
      (isOver || transaction.isEnding) &&
      lastProducerEpoch >= 0 &&
      claim.producerEpoch === lastProducerEpoch &&
      claim.producerId === lastProducerId;
    if (!repeated && claim.producerId !== producerId) return failed(ERROR.INVALID_PRODUCER_ID_MAPPING);
    if (!repeated && claim.producerEpoch !== producerEpoch) return failed(ERROR.PRODUCER_FENCED);
    if (transaction.busy) return failed(ERROR.CONCURRENT_TRANSACTIONS);
    if (repeated) {
      const decided = state === 'CompleteCommit' || state === 'PrepareCommit';
      if (decided !== commits) return failed(ERROR.INVALID_TXN_STATE);
      return isOver ? { errorCode: ERROR.NONE, producerId, producerEpoch } : failed(ERROR.CONCURRENT_TRANSACTIONS);
    }
    if (transaction.isEnding) return failed(ERROR.CONCURRENT_TRANSACTIONS);
    if (state !== 'Ongoing' && commits) return failed(ERROR.INVALID_TXN_STATE);
    // what is being added is stored first: the outcome must not be overtaken
    if (transaction.enlisting !== null) return failed(ERROR.CONCURRENT_TRANSACTIONS);
    transaction.bumpAtEnd(this.#newProducerId);
    const errorCode = await this.#decide(transaction, commits);
    if (errorCode !== ERROR.NONE) {
      if (!transaction.isEnding) transaction.unbump();
      return failed(errorCode);
    }
    return { errorCode, producerId: transaction.producerId, producerEpoch: transaction.producerEpoch };
  }

  /** EndTxn: answered when the outcome is everywhere. */
  async end(claim: ProducerClaim, commits: boolean): Promise<ErrorCode> {
    const transaction = this.#transactions.get(claim.transactionalId);
    if (transaction === undefined || transaction.producerId !== claim.producerId) {
      return ERROR.INVALID_PRODUCER_ID_MAPPING;
    }
    if (transaction.producerEpoch !== claim.producerEpoch) return ERROR.PRODUCER_FENCED;
    if (transaction.busy) return ERROR.CONCURRENT_TRANSACTIONS;
    const { state } = transaction;
    if (state === (commits ? 'CompleteCommit' : 'CompleteAbort')) return ERROR.NONE;
    if (state === (commits ? 'PrepareCommit' : 'PrepareAbort')) return ERROR.CONCURRENT_TRANSACTIONS;
    if (state !== 'Ongoing') return ERROR.INVALID_TXN_STATE;
    return this.#decide(transaction, commits);
  }

  /** Whether a batch of a transaction may be appended: its producer is the current one and the partition is in it. */
  mayProduce(claim: ProducerClaim, topicId: string, index: number, enlists = false): ErrorCode {
    const transaction = this.#transactions.get(claim.transactionalId);
    if (transaction === undefined || transaction.producerId !== claim.producerId) {
      return ERROR.INVALID_PRODUCER_ID_MAPPING;
    }
    if (transaction.producerEpoch !== claim.producerEpoch) return ERROR.INVALID_PRODUCER_EPOCH;
    const isIn = transaction.isOpen && transaction.partitions.has(partitionKey(topicId, index));
    if (isIn) return ERROR.NONE;
    // a client that has its partitions added comes again (KIP-890)
    return enlists && (transaction.busy || transaction.isEnding)
      ? ERROR.CONCURRENT_TRANSACTIONS
      : ERROR.INVALID_TXN_STATE;
  }

  /** Whether a transaction that is not over has an offset for this partition (KIP-447). */
  hasPendingOffset(groupId: string, topic: string, index: number): boolean {
    for (const { groups } of this.#byGroup.get(groupId) ?? []) {
      if (groups.get(groupId)?.has(partitionKey(topic, index)) === true) return true;
    }
    return false;
  }

  get(id: string): Transaction | undefined {
    return this.#transactions.get(id);
  }
  list(): readonly Transaction[] {
    return [...this.#transactions.values()];
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  async #create(id: string, timeoutMs: number): Promise<InitOutcome> {
    if (this.#transactions.size >= this.#limits.transactionalIdsMax && !this.#makeRoom()) {
      return failed(ERROR.COORDINATOR_NOT_AVAILABLE);
    }
    const made = new Transaction(id, this.#newProducerId(), timeoutMs, this.#runtime.nowMs());
    this.#transactions.set(id, made);
    this.#watch();
    const stored = await this.#stored(made);
    return stored === ERROR.NONE
      ? { errorCode: stored, producerId: made.producerId, producerEpoch: 0 }
      : failed(stored);
  }

  #makeRoom(): boolean {
    for (const [id, transaction] of this.#transactions) {
      if (transaction.isOpen || transaction.isEnding || transaction.busy) continue;
      this.#transactions.delete(id);
      this.#store.delete(id);
      return true;
    }
    return false;
  }

  /** The transaction a request may add to, or why not. */
  #claimed(claim: ProducerClaim): Transaction | ErrorCode {
    const transaction = this.#transactions.get(claim.transactionalId);
    if (transaction === undefined || transaction.producerId !== claim.producerId) {
      return ERROR.INVALID_PRODUCER_ID_MAPPING;
    }
    if (transaction.producerEpoch !== claim.producerEpoch) return ERROR.PRODUCER_FENCED;
    return transaction.busy || transaction.isEnding ? ERROR.CONCURRENT_TRANSACTIONS : transaction;
  }

  #enlistGroup(groupId: string, transaction: Transaction): void {
    const known = this.#byGroup.get(groupId);
    if (known === undefined) this.#byGroup.set(groupId, new Set([transaction]));
    else known.add(transaction);
  }
  #delistGroup(groupId: string, transaction: Transaction): void {
    const known = this.#byGroup.get(groupId);
    known?.delete(transaction);
    if (known?.size === 0) this.#byGroup.delete(groupId);
  }

  #begin(transaction: Transaction): void {
    transaction.begin(this.#runtime.nowMs());
    // the longest unused comes first
    this.#transactions.delete(transaction.id);
    this.#transactions.set(transaction.id, transaction);
  }

  /** Ends what is open under a new epoch, so that its producer can add nothing more (KIP-98 fencing). */
  #fence(transaction: Transaction): Promise<ErrorCode> {
    transaction.fence();
    return this.#decide(transaction, false);
  }

  /** Stores the outcome, then makes it so. */
  async #decide(transaction: Transaction, commits: boolean): Promise<ErrorCode> {
    const before = transaction.state;
    transaction.busy = true;
    transaction.state = commits ? 'PrepareCommit' : 'PrepareAbort';
    const stored = await this.#stored(transaction);
    if (stored !== ERROR.NONE) {
      transaction.busy = false;
      transaction.state = before;
      return stored;
    }
    return this.#complete(transaction);
  }

  /** Markers into every partition and offsets into every group; may be repeated after a fault or a crash. */
  async #complete(transaction: Transaction): Promise<ErrorCode> {
    transaction.busy = true;
    const commits = transaction.state === 'PrepareCommit';
    try {
      const settled: Commit[] = [];
      for (const { topicId, index } of transaction.partitions.values()) {
        const partition = this.#namespace.topics.byId(topicId)?.partitions[index];
        if (partition === undefined) continue;
        const { producerId, producerEpoch } = transaction;
        settled.push(partition.endTransaction(producerId, producerEpoch, commits));
      }
      for (const [groupId, offsets] of transaction.groups) {
        if (commits && offsets.size > 0) settled.push(this.#namespace.offsets.commit(groupId, [...offsets.values()]));
      }
      await Promise.all(settled.map((commit) => commit.promise()));
    } catch (error) {
      this.#runtime.log.error({ error, namespace: this.#namespace.id }, 'kafka: a transaction could not be ended yet');
      return ERROR.COORDINATOR_NOT_AVAILABLE;
    } finally {
      transaction.busy = false;
    }
    transaction.state = commits ? 'CompleteCommit' : 'CompleteAbort';
    transaction.ended();
    for (const groupId of transaction.groups.keys()) this.#delistGroup(groupId, transaction);
    transaction.partitions.clear();
    transaction.groups.clear();
    transaction.startedMs = -1;
    // nobody waits for this one: after a crash the same markers and offsets are written again
    void this.#stored(transaction);
    return ERROR.NONE;
  }

  async #stored(transaction: Transaction): Promise<ErrorCode> {
    transaction.updatedMs = this.#runtime.nowMs();
    try {
      await this.#store.set(transaction.id, storedForm(transaction)).promise();
      return ERROR.NONE;
    } catch (error) {
      this.#runtime.log.error({ error, namespace: this.#namespace.id }, 'kafka: a transaction could not be stored');
      return ERROR.COORDINATOR_NOT_AVAILABLE;
    }
  }

  /** Takes up a transaction of before: what is decided is completed, what is open goes on until its timeout. */
  #recover(id: string, bytes: Buffer): void {
    let transaction: Transaction;
    try {
      transaction = fromStored(id, bytes);
    } catch (error) {
      this.#runtime.log.error({ error, namespace: this.#namespace.id }, 'kafka: a stored transaction is damaged');
      return;
    }
    this.#transactions.set(id, transaction);
    if (!transaction.isOpen && !transaction.isEnding) return;
    for (const groupId of transaction.groups.keys()) this.#enlistGroup(groupId, transaction);
    if (transaction.isEnding) void this.#complete(transaction);
  }

  #watch(): void {
    this.#cancelSweep ??= this.#runtime.every(SWEEP_PERIOD_MS, () => this.#sweep());
  }

  #sweep(): void {
    const nowMs = this.#runtime.nowMs();
    for (const transaction of this.#transactions.values()) {
      if (transaction.busy) continue;
      if (transaction.isEnding) void this.#complete(transaction);
      else if (transaction.isOpen) {
        if (nowMs - transaction.startedMs > transaction.timeoutMs) void this.#fence(transaction);
      } else if (nowMs - transaction.updatedMs > this.#limits.transactionalIdExpiryMs) {
        this.#transactions.delete(transaction.id);
        this.#store.delete(transaction.id);
      }
    }
    if (this.#transactions.size === 0) this.close();
  }
}

function failed(errorCode: ErrorCode): InitOutcome {
  return { errorCode, producerId: -1, producerEpoch: -1 };
}
