import {
  checkBatch,
  readAttributes,
  readSizeBytes,
  TRANSACTIONAL_BIT,
  type Claim,
  type Commit,
  type Journal,
  type Stream,
  type StreamTierReport,
} from '@robustmq/journal';
import type { Meta, NamespaceRecord, TopicRecord } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import { stampAppendTime } from './append-time.ts';
import { PendingBatch, type BatchSealer } from './batch-sealer.ts';
import type {
  AbortedTransaction,
  Connection,
  KeyedStore,
  OpenTransaction,
  Partition,
  Refusal,
  Topic,
} from './broker-types.ts';
import { producerEpochOf, producerOf } from './control-batch.ts';
import { refuse } from './refusal.ts';
import { defaultBindings } from './topic-name.ts';
import { PartitionTransactions } from './transactions.ts';

/** Kinds of the namespace's keyed state; keys: `<topic id>/<partition>/<producer id | last offset>`. */
export const OPEN_TRANSACTIONS = '$transactions';
export const ABORTED_TRANSACTIONS = '$aborted';

/** What the topics of a namespace need from it. */
export interface TopicHost {
  readonly record: NamespaceRecord;
  readonly meta: Meta;
  readonly journal: Journal;
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  readonly isStorageFull: boolean;
  /** Set while the namespace is served elsewhere. */
  readonly movedRefusal: Refusal | null;
  /** Of a namespace that may not grow: why; null = it may. */
  readonly growthRefusal: string | null;
  /** Topics or their bindings changed. */
  topicsChanged(): void;
  topicRemoved(topic: StoredTopic): void;
  /** Batches were appended by a protocol that stores; `commit` settles when they are stable. */
  appended(partition: StoredPartition, batches: readonly Buffer[], commit: Commit, publisher: Connection | null): void;
  /** Whether subscribers of other protocols could want records of the topic. */
  hasSubscribers(partition: StoredPartition): boolean;
  keyed(kind: string): KeyedStore;
  transactionCut(partition: StoredPartition, firstOffset: number): void;
}

/** One partition: a stream, and the batch that messages of other protocols gather in. */
export class StoredPartition implements Partition {
  readonly index: number;
  readonly topic: StoredTopic;
  readonly stream: Stream;
  readonly pending: PendingBatch;
  readonly #host: TopicHost;
  /** null = there was none yet. */
  #transactions: PartitionTransactions | null = null;

  constructor(index: number, topic: StoredTopic, stream: Stream, host: TopicHost) {
    this.index = index;
    this.topic = topic;
    this.stream = stream;
    this.pending = new PendingBatch(stream, 0, host.sealer);
    this.#host = host;
  }

  get startOffset(): number {
    return this.stream.startOffset;
  }
  get stableOffset(): number {
    return this.stream.stableOffset;
  }
  get endOffset(): number {
    return this.stream.endOffset;
  }
  get sizeBytes(): number {
    return this.stream.sizeBytes;
  }

  takesClaim(sizeBytes: number): boolean {
    return this.stream.takesClaim(sizeBytes);
  }
  prepare(records: Buffer, publisher: Connection): Promise<Claim | null> | null {
    if (!this.stream.takesClaim(records.length)) return null;
    const host = this.#host;
    if (this.topic.isRemoved || host.isStorageFull || !publisher.allows('write', 'topic', this.topic.name)) return null;
    if (records.length > this.#batchSizeBytesMax) return null;
    const check = checkBatch(records, 0, records.length);
    // What will be refused is not stored first, and a claim stands for exactly one batch.
    if (check.fault !== null || readSizeBytes(records) !== records.length) return null;
    if (this.topic.appendTime) stampAppendTime(records, host.runtime.nowMs());
    return this.stream.prepare(records);
  }
  append(
    records: Buffer,
    publisher: Connection,
    claim: Claim | null = null,
  ): { baseOffset: number; commit: Commit } | Refusal {
    const host = this.#host;
    if (this.topic.isRemoved) return refuse('topic-unknown');
    if (host.movedRefusal !== null) return host.movedRefusal;
    if (host.isStorageFull) return refuse('quota-storage', host.growthRefusal ?? undefined);
    if (!publisher.allows('write', 'topic', this.topic.name)) return refuse('not-authorized');
    const sizeBytesMax = this.#batchSizeBytesMax;
    const batches: Buffer[] = [];
    let count = 0;
    let hasTransactional = false;
    for (let at = 0; at < records.length;) {
      const check = checkBatch(records, at, records.length);
      if (check.fault !== null) {
        const unsupported =
          check.fault === 'batch-codec' || check.fault === 'batch-magic' || check.fault === 'batch-control';
        return refuse(unsupported ? 'batch-unsupported' : 'batch-corrupt', check.detail);
      }
      if (check.sizeBytes > sizeBytesMax) return refuse('message-too-large');
      batches.push(records.subarray(at, at + check.sizeBytes));
      count += check.recordCount;
      at += check.sizeBytes;
      if ((check.attributes & TRANSACTIONAL_BIT) === 0) continue;
      if (check.producerId < 0) return refuse('batch-corrupt', 'a transactional batch without a producer');
      hasTransactional = true;
    }
    if (batches.length === 0) return refuse('batch-corrupt', 'there is no batch');
    // the body of a claim is stored already, stamped as it is
    if (this.topic.appendTime && claim === null) {
      for (const batch of batches) stampAppendTime(batch, host.runtime.nowMs());
    }
    this.#sealPending();
    const baseOffset = this.stream.endOffset;
    let commit: Commit | null = null;
    for (const batch of batches) {
      if (hasTransactional) this.#beforeAppend(batch);
      commit = this.stream.append(batch, batches.length === 1 ? claim : null);
    }
    publisher.usage.messagesIn += count;
    publisher.usage.bytesIn += records.length;
    this.#countShares(publisher, count, records.length);
    const visible = hasTransactional ? batches.filter((batch) => !isTransactional(batch)) : batches;
    if (visible.length > 0) host.appended(this, visible, commit!, publisher);
    return { baseOffset, commit: commit! };
  }
  #countShares(publisher: Connection, messages: number, bytes: number): void {
    const topicShare = publisher.namespace.topicShare?.(publisher.info.protocol, this.topic.name);
    for (const share of [publisher.share, topicShare]) {
      if (share === undefined) continue;
      share.messagesIn += messages;
      share.bytesIn += bytes;
    }
  }
  /** Messages already given an offset come first, and never without the events that belong to them. */
  #sealPending(): void {
    if (!this.pending.isEmpty) this.#host.sealer.sealAll();
  }
  get #batchSizeBytesMax(): number {
    const { messageSizeBytesMax } = this.#host.record.quotas;
    const own = this.topic.batchSizeBytesMax;
    return own > 0 && own < messageSizeBytesMax ? own : messageSizeBytesMax;
  }
  async trim(before: number): Promise<number> {
    await this.stream.trim(before < 0 ? this.stableOffset : before);
    this.#transactions?.prune();
    return this.startOffset;
  }
  tiers(): StreamTierReport {
    return this.stream.tiers();
  }

  endTransaction(producerId: number, producerEpoch: number, commit: boolean): Commit {
    return this.transactions.end(producerId, producerEpoch, commit);
  }
  get lastStableOffset(): number {
    return this.#transactions?.lastStableOffset ?? this.stableOffset;
  }
  openTransactions(): readonly OpenTransaction[] {
    return this.#transactions?.openTransactions() ?? [];
  }
  abortedTransactions(from: number, to: number): readonly AbortedTransaction[] {
    return this.#transactions?.abortedTransactions(from, to) ?? [];
  }
  get transactions(): PartitionTransactions {
    if (this.#transactions !== null) return this.#transactions;
    const { sealer, runtime } = this.#host;
    return (this.#transactions = new PartitionTransactions({
      stream: this.stream,
      sealer,
      runtime,
      keyPrefix: `${this.topic.idHex}/${this.index}/`,
      open: this.#host.keyed(OPEN_TRANSACTIONS),
      aborted: this.#host.keyed(ABORTED_TRANSACTIONS),
      append: (batch) => {
        this.#sealPending();
        return this.stream.append(batch);
      },
      committed: (batches, commit) => this.#host.appended(this, batches, commit, null),
      hasReaders: () => this.#host.hasSubscribers(this),
      cut: (firstOffset) => this.#host.transactionCut(this, firstOffset),
    }));
  }
  /** Housekeeping. */
  prune(): void {
    this.#transactions?.prune();
  }
  /** The topic goes. */
  forgetTransactions(): void {
    this.#transactions?.clear();
  }

  #beforeAppend(batch: Buffer): void {
    if (!isTransactional(batch)) return;
    this.transactions.beforeAppend(batch, producerOf(batch), producerEpochOf(batch), this.stream.endOffset);
  }
  read(offset: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]> {
    return this.stream.read(offset, bytesMax);
  }
  offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null> {
    return this.stream.offsetAtTime(timestampMs);
  }
  onStableBeyond(offset: number, callback: () => void): () => void {
    return this.stream.onStableBeyond(offset, callback);
  }
}

/** A stored topic. */
export class StoredTopic implements Topic {
  record: TopicRecord;
  partitions: readonly StoredPartition[] = [];
  isRemoved = false;

  constructor(record: TopicRecord) {
    this.record = record;
  }
  get bindings(): readonly string[] {
    return this.record.bindings ?? defaultBindings(this.record.name);
  }
  get tier(): TopicRecord['tier'] {
    return this.record.tier;
  }
  get idHex(): string {
    return this.record.id;
  }
  get name(): string {
    return this.record.name;
  }
  get durability(): TopicRecord['durability'] {
    return this.record.durability;
  }
  get retentionMs(): number {
    return this.record.retentionMs;
  }
  get retentionBytes(): number {
    return this.record.retentionBytes;
  }
  get cleanup(): TopicRecord['cleanup'] {
    return this.record.cleanup;
  }
  get compaction(): TopicRecord['compaction'] {
    return this.record.compaction;
  }
  get appendTime(): boolean {
    return this.record.appendTime === true;
  }
  get batchSizeBytesMax(): number {
    return this.record.batchSizeBytesMax ?? 0;
  }
  get compression(): NonNullable<TopicRecord['compression']> {
    return this.record.compression ?? 'producer';
  }
  get storedBytes(): number {
    let bytes = 0;
    for (const partition of this.partitions) bytes += partition.sizeBytes;
    return bytes;
  }
}

function isTransactional(batch: Buffer): boolean {
  return (readAttributes(batch) & TRANSACTIONAL_BIT) !== 0;
}
