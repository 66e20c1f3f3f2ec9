import { checkBatch, type Commit, type Journal, type Stream, type StreamPolicy } from '@robustmq/journal';
import { MetaError, type Meta, type NamespaceRecord, type TopicRecord } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import { PendingBatch, type BatchSealer } from './batch-sealer.ts';
import { BindingTable } from './binding-table.ts';
import type { Connection, CreateTopic, Partition, Refusal, Topic, Topics } from './broker-types.ts';
import { partitionOf } from './murmur2.ts';
import { refuse } from './refusal.ts';
import { partitionStream } from './stream-name.ts';
import { defaultBindings, isFilter, isStoredTopicName } from './topic-name.ts';

const RETENTION_MS_DEFAULT = 604_800_000;
/** Most bindings of one topic. */
const BINDINGS_MAX = 100;

/** What the topics of a namespace need from it. */
export interface TopicHost {
  readonly record: NamespaceRecord;
  readonly meta: Meta;
  readonly journal: Journal;
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  readonly isStorageFull: boolean;
  /** Topics or their bindings changed. */
  topicsChanged(): void;
  topicRemoved(topic: StoredTopic): void;
  /** Batches were appended by a protocol that stores; `commit` settles when they are stable. */
  appended(partition: StoredPartition, batches: readonly Buffer[], commit: Commit, publisher: Connection): void;
}

/** One partition: a stream, and the batch that messages of other protocols gather in. */
export class StoredPartition implements Partition {
  readonly index: number;
  readonly topic: StoredTopic;
  readonly stream: Stream;
  readonly pending: PendingBatch;
  readonly #host: TopicHost;

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

  append(records: Buffer, publisher: Connection): { baseOffset: number; commit: Commit } | Refusal {
    const host = this.#host;
    if (this.topic.isRemoved) return refuse('topic-unknown');
    if (host.isStorageFull) return refuse('quota-storage');
    const batches: Buffer[] = [];
    let count = 0;
    for (let at = 0; at < records.length;) {
      const check = checkBatch(records, at, records.length);
      if (check.fault !== null) {
        const unsupported =
          check.fault === 'batch-codec' || check.fault === 'batch-magic' || check.fault === 'batch-control';
        return refuse(unsupported ? 'batch-unsupported' : 'batch-corrupt', check.detail);
      }
      if (check.sizeBytes > host.record.quotas.messageSizeBytesMax) return refuse('message-too-large');
      batches.push(records.subarray(at, at + check.sizeBytes));
      count += check.recordCount;
      at += check.sizeBytes;
    }
    if (batches.length === 0) return refuse('batch-corrupt', 'there is no batch');
    // messages already given an offset come first
    this.pending.seal();
    const baseOffset = this.stream.endOffset;
    let commit: Commit | null = null;
    for (const batch of batches) commit = this.stream.append(batch);
    publisher.usage.messagesIn += count;
    publisher.usage.bytesIn += records.length;
    host.appended(this, batches, commit!, publisher);
    return { baseOffset, commit: commit! };
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
  readonly record: TopicRecord;
  readonly bindings: readonly string[];
  partitions: readonly StoredPartition[] = [];
  isRemoved = false;

  constructor(record: TopicRecord) {
    this.record = record;
    this.bindings = record.bindings ?? defaultBindings(record.name);
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
  get storedBytes(): number {
    let bytes = 0;
    for (const partition of this.partitions) bytes += partition.sizeBytes;
    return bytes;
  }
}

/** The stored topics of one namespace: meta says which exist, this serves them. */
export class NamespaceTopics implements Topics {
  readonly #host: TopicHost;
  readonly #byName = new Map<string, StoredTopic>();
  readonly #byId = new Map<string, StoredTopic>();
  readonly #bindings = new BindingTable<StoredTopic>();
  /** Creations and removals under way by name; the newest of each name. */
  readonly #changes = new Map<string, Promise<unknown>>();

  constructor(host: TopicHost) {
    this.#host = host;
  }

  /** Opens the topics that meta has. */
  async recover(): Promise<void> {
    for (const record of [...this.#records().values()]) await this.#serve(record);
  }

  get(name: string): StoredTopic | undefined {
    return this.#byName.get(name);
  }
  byId(idHex: string): StoredTopic | undefined {
    return this.#byId.get(idHex);
  }
  list(): readonly StoredTopic[] {
    return [...this.#byName.values()];
  }

  validate(spec: CreateTopic): Refusal | null {
    if (!isStoredTopicName(spec.name)) return refuse('topic-invalid', 'use 1 to 249 letters, digits, ".", "_", "-"');
    if (!Number.isSafeInteger(spec.partitions) || spec.partitions < 1) return refuse('topic-invalid', 'no partitions');
    const bindings = spec.bindings ?? [];
    if (bindings.length > BINDINGS_MAX || !bindings.every(isFilter))
      return refuse('topic-invalid', 'a binding is not valid');
    const records = this.#records();
    if (records.has(spec.name)) return refuse('topic-exists');
    const { topicsMax, partitionsMax } = this.#host.record.quotas;
    let partitions = spec.partitions;
    for (const record of records.values()) partitions += record.partitions;
    return records.size >= topicsMax || partitions > partitionsMax ? refuse('quota-topics') : null;
  }

  async create(spec: CreateTopic): Promise<StoredTopic | Refusal> {
    const refusal = this.validate(spec);
    if (refusal === null) return this.#changing(spec.name, this.#create(spec));
    // What is not stable yet nobody is told of: a crash may take it back.
    if (refusal.refused === 'topic-exists') await this.#changes.get(spec.name);
    return refusal;
  }
  async #create(spec: CreateTopic): Promise<StoredTopic | Refusal> {
    const record: TopicRecord = {
      id: this.#host.runtime.randomBytes(16).toString('hex'),
      name: spec.name,
      partitions: spec.partitions,
      bindings: spec.bindings ?? null,
      durability: spec.durability ?? 'flushed',
      retentionMs: spec.retentionMs ?? RETENTION_MS_DEFAULT,
      retentionBytes: spec.retentionBytes ?? -1,
      ...(spec.cleanup === undefined ? {} : { cleanup: spec.cleanup }),
      ...(spec.compaction === undefined ? {} : { compaction: spec.compaction }),
      ...(spec.tier === undefined ? {} : { tier: spec.tier }),
    };
    try {
      await this.#host.meta.propose({ kind: 'create-topic', namespaceId: this.#host.record.id, topic: record });
    } catch (error) {
      if (error instanceof MetaError) return refuse(error.code === 'topic-exists' ? 'topic-exists' : 'topic-invalid');
      throw error;
    }
    return this.#serve(record);
  }

  async remove(name: string): Promise<Refusal | null> {
    for (;;) {
      const topic = this.#byName.get(name);
      if (topic !== undefined) return this.#changing(name, this.#remove(topic));
      // Not there yet, or not gone for good yet: a crash may take either back.
      const change = this.#changes.get(name);
      if (change === undefined) return refuse('topic-unknown');
      await change;
    }
  }
  async #remove(topic: StoredTopic): Promise<null> {
    const { name } = topic;
    topic.isRemoved = true;
    this.#byName.delete(name);
    this.#byId.delete(topic.idHex);
    this.#bindings.remove(topic);
    this.#host.topicsChanged();
    this.#host.topicRemoved(topic);
    await this.#host.meta.propose({ kind: 'remove-topic', namespaceId: this.#host.record.id, name });
    for (const partition of topic.partitions) await this.#host.journal.remove(partition.stream.name);
    return null;
  }

  /** The partition that captures messages of this topic name, if any does. */
  capture(topicName: string, key: Buffer): StoredPartition | null {
    const topic = this.#bindings.capture(topicName);
    if (topic === null || topic.partitions.length === 0) return null;
    return topic.partitions[partitionOf(key, topic.partitions.length)]!;
  }
  /** Whether the topic's bindings match the topic name. */
  isBound(topic: StoredTopic, topicName: string): boolean {
    return this.#bindings.matches(topic, topicName);
  }

  /** Lets others wait for a change that is under way. */
  async #changing<T>(name: string, change: Promise<T>): Promise<T> {
    this.#changes.set(name, change);
    try {
      return await change;
    } finally {
      if (this.#changes.get(name) === change) this.#changes.delete(name);
    }
  }
  async #serve(record: TopicRecord): Promise<StoredTopic> {
    const host = this.#host;
    const topic = new StoredTopic(record);
    const { durability, retentionMs, retentionBytes, cleanup, compaction, tier } = record;
    const policy: StreamPolicy = {
      durability,
      retentionMs,
      retentionBytes,
      ...(cleanup === undefined ? {} : { cleanup }),
      ...(compaction === undefined ? {} : { compaction }),
      ...(tier === undefined ? {} : { tier }),
    };
    const partitions: StoredPartition[] = [];
    for (let index = 0; index < record.partitions; index++) {
      const name = partitionStream(host.record.id, record.id, index);
      const stream = await host.journal.open(name, policy);
      partitions.push(new StoredPartition(index, topic, stream, host));
    }
    topic.partitions = partitions;
    this.#byName.set(record.name, topic);
    this.#byId.set(record.id, topic);
    this.#bindings.add(topic, topic.bindings);
    host.topicsChanged();
    return topic;
  }

  #records(): ReadonlyMap<string, TopicRecord> {
    return this.#host.meta.namespaces.get(this.#host.record.id)?.topics ?? new Map();
  }
}
