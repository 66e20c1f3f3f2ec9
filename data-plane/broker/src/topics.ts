import { JournalError, type StreamPolicy } from '@robustmq/journal';
import { MetaError, type TopicRecord } from '@robustmq/meta';
import { BindingTable } from './binding-table.ts';
import type { CreateTopic, Refusal, TopicChange, Topics } from './broker-types.ts';
import { partitionOf } from './murmur2.ts';
import { refuse } from './refusal.ts';
import { partitionStream } from './stream-name.ts';
import {
  ABORTED_TRANSACTIONS,
  OPEN_TRANSACTIONS,
  StoredPartition,
  StoredTopic,
  type TopicHost,
} from './stored-topic.ts';
import { isFilter, isStoredTopicName } from './topic-name.ts';

const RETENTION_MS_DEFAULT = 604_800_000;
/** Most bindings of one topic. */
const BINDINGS_MAX = 100;

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
    this.#restoreTransactions();
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
    return (
      this.#growthRefusal ?? (records.size >= topicsMax || partitions > partitionsMax ? refuse('quota-topics') : null)
    );
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
      ...(spec.engine === undefined ? {} : { engine: spec.engine }),
      ...(spec.appendTime === undefined ? {} : { appendTime: spec.appendTime }),
      ...(spec.batchSizeBytesMax === undefined ? {} : { batchSizeBytesMax: spec.batchSizeBytesMax }),
      ...(spec.compression === undefined ? {} : { compression: spec.compression }),
    };
    try {
      await this.#host.meta.propose({ kind: 'create-topic', namespaceId: this.#host.record.id, topic: record });
    } catch (error) {
      if (error instanceof MetaError) return refuse(error.code === 'topic-exists' ? 'topic-exists' : 'topic-invalid');
      throw error;
    }
    try {
      return await this.#serve(record);
    } catch (error) {
      if (!(error instanceof JournalError) || error.code !== 'engine-unknown') throw error;
      // no stream of it exists: it is taken back, or the next start would miss them
      const { name } = record;
      await this.#host.meta.propose({ kind: 'remove-topic', namespaceId: this.#host.record.id, name });
      return refuse('topic-invalid', error.message);
    }
  }

  /** Makes the topic, or gives an existing one what is different in `spec`. Fewer partitions than there are do not count. */
  async apply(spec: CreateTopic): Promise<StoredTopic | Refusal> {
    const topic = this.#byName.get(spec.name);
    if (topic === undefined) return this.create(spec);
    const { record } = topic;
    const {
      bindings,
      retentionMs,
      retentionBytes,
      cleanup,
      compaction,
      tier,
      appendTime,
      batchSizeBytesMax,
      compression,
    } = spec;
    const partitions = Math.max(spec.partitions, record.partitions);
    const change: TopicChange = defined({
      partitions,
      bindings,
      retentionMs,
      retentionBytes,
      cleanup,
      compaction,
      tier,
      appendTime,
      batchSizeBytesMax,
      compression,
    });
    const isSame = Object.entries(change).every(
      ([field, value]) => JSON.stringify(value) === JSON.stringify(record[field as keyof TopicChange]),
    );
    return isSame ? topic : this.alter(spec.name, change);
  }

  async alter(name: string, change: TopicChange): Promise<StoredTopic | Refusal> {
    for (;;) {
      const under = this.#changes.get(name);
      if (under !== undefined) await under;
      else break;
    }
    const topic = this.#byName.get(name);
    if (topic === undefined) return refuse('topic-unknown');
    const refusal = this.#validateChange(topic, change);
    return refusal ?? this.#changing(name, this.#alter(topic, change));
  }
  #validateChange(topic: StoredTopic, { partitions, bindings }: TopicChange): Refusal | null {
    const now = topic.partitions.length;
    if (partitions !== undefined && (!Number.isSafeInteger(partitions) || partitions < now)) {
      return refuse('topic-invalid', `it has ${now} partitions, and they only grow`);
    }
    if (bindings !== undefined && (bindings.length > BINDINGS_MAX || !bindings.every(isFilter))) {
      return refuse('topic-invalid', 'a binding is not valid');
    }
    if (partitions === undefined || partitions === now) return null;
    if (this.#growthRefusal !== null) return this.#growthRefusal;
    let total = partitions - now;
    for (const record of this.#records().values()) total += record.partitions;
    return total > this.#host.record.quotas.partitionsMax ? refuse('quota-topics') : null;
  }
  get #growthRefusal(): Refusal | null {
    const { movedRefusal, growthRefusal } = this.#host;
    return movedRefusal ?? (growthRefusal === null ? null : refuse('quota-topics', growthRefusal));
  }
  async #alter(topic: StoredTopic, change: TopicChange): Promise<StoredTopic> {
    const record = { ...topic.record, ...defined(change) } as TopicRecord;
    await this.#host.meta.propose({ kind: 'alter-topic', namespaceId: this.#host.record.id, topic: record });
    const partitions = [...topic.partitions];
    for (const { stream } of partitions) this.#host.journal.setPolicy(stream.name, policyOf(record));
    for (let index = partitions.length; index < record.partitions; index++) {
      partitions.push(await this.#openPartition(topic, index, record));
    }
    this.#bindings.remove(topic);
    topic.record = record;
    topic.partitions = partitions;
    this.#bindings.add(topic, topic.bindings);
    this.#host.topicsChanged();
    return topic;
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
    for (const partition of topic.partitions) partition.forgetTransactions();
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
    const topic = new StoredTopic(record);
    const partitions: StoredPartition[] = [];
    for (let index = 0; index < record.partitions; index++) {
      partitions.push(await this.#openPartition(topic, index, record));
    }
    topic.partitions = partitions;
    this.#byName.set(record.name, topic);
    this.#byId.set(record.id, topic);
    this.#bindings.add(topic, topic.bindings);
    this.#host.topicsChanged();
    return topic;
  }
  async #openPartition(topic: StoredTopic, index: number, record: TopicRecord): Promise<StoredPartition> {
    const host = this.#host;
    const name = partitionStream(host.record.id, record.id, index);
    return new StoredPartition(index, topic, await host.journal.open(name, policyOf(record)), host);
  }
  #restoreTransactions(): void {
    const each = (kind: string, restore: (partition: StoredPartition, last: number, value: Buffer) => void): void => {
      const store = this.#host.keyed(kind);
      for (const [key, value] of store.entries()) {
        const [topicId = '', index = '', last = ''] = key.split('/');
        const partition = this.#byId.get(topicId)?.partitions[Number(index)];
        if (partition === undefined) void store.delete(key);
        else restore(partition, Number(last), value);
      }
    };
    each(OPEN_TRANSACTIONS, (partition, producer, value) => partition.transactions.restoreOpen(producer, value));
    each(ABORTED_TRANSACTIONS, (partition, last, value) => partition.transactions.restoreAborted(last, value));
  }

  #records(): ReadonlyMap<string, TopicRecord> {
    return this.#host.meta.namespaces.get(this.#host.record.id)?.topics ?? new Map();
  }
}

function policyOf({ durability, retentionMs, retentionBytes, ...rest }: TopicRecord): StreamPolicy {
  const { cleanup, compaction, tier, engine } = rest;
  return {
    durability,
    retentionMs,
    retentionBytes,
    ...(cleanup === undefined ? {} : { cleanup }),
    ...(compaction === undefined ? {} : { compaction }),
    ...(tier === undefined ? {} : { tier }),
    ...(engine === undefined ? {} : { engine }),
  };
}

/** Without the fields that are there and undefined. */
function defined(change: { readonly [K in keyof TopicChange]: TopicChange[K] | undefined }): TopicChange {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
