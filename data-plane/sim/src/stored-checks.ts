import type { Namespace, Partition, Topic } from '@robustmq/broker';
import { decodeRecords, readNextOffset } from '@robustmq/journal';
import { placeOf, type Facts, type SentMessage, type StoredRecord } from './facts.ts';
import { payloadText } from './mqtt-client.ts';
import type { Process } from './simulated-node.ts';
import type { World } from './world.ts';

const AUDIT_READ_BYTES = 64 * 1024;

/** What must be true of what is stored. One method per invariant. */
export class StoredChecks {
  readonly #world: World;
  readonly #facts: Facts;
  readonly #stable = new Map<string, number>();

  constructor(world: World, facts: Facts) {
    this.#world = world;
    this.#facts = facts;
  }

  /** A place once said or seen to hold a record holds the same bytes ever after. */
  isStoredAt(place: StoredRecord, text: string): void {
    const known = this.#facts.stored.get(placeOf(place));
    if (known !== undefined && known !== text) {
      this.#world.violated('records-stay-as-they-are', `${placeOf(place)} held ${known} and now ${text}`);
    }
    const message = this.#facts.sent.get(text);
    if (message === undefined) return this.#world.violated('nothing-invented', `${placeOf(place)} holds ${text}`);
    if (message.namespace !== place.namespace) {
      this.#world.violated('never-crosses-namespaces', `${placeOf(place)} holds ${text}`);
    }
    if (this.#facts.deletedTexts.has(text)) {
      this.#world.violated('deleted-stays-deleted', `${placeOf(place)} holds ${text} of a topic that was deleted`);
    }
    this.#facts.stored.set(placeOf(place), text);
  }
  /** What anybody was told is stable by now. */
  stableOf({ namespace, topic, partition }: Omit<StoredRecord, 'offset'>): number {
    return this.#stable.get(`${namespace}/${topic}-${partition}`) ?? 0;
  }
  /**
   * What a reader is told is stable never shrinks, whatever happens to the process. `before`: what was known when it
   * asked, for an answer may be overtaken by others on its way.
   */
  stableIs(place: StoredRecord, before = this.stableOf(place)): void {
    const { namespace, topic, partition, offset } = place;
    const key = `${namespace}/${topic}-${partition}`;
    if (offset < before) this.#world.violated('stable-never-regresses', `${key} was ${before}, is ${offset}`);
    this.#stable.set(key, Math.max(offset, this.stableOf(place)));
  }
  /** A reader at or below what was stable is never out of range: nothing here lets records go. */
  outOfRange({ namespace, topic, partition, offset }: StoredRecord): void {
    const stable = this.#stable.get(`${namespace}/${topic}-${partition}`) ?? 0;
    if (offset <= stable)
      this.#world.violated('stable-never-regresses', `${topic}-${partition}: ${offset} of ${stable} is out of range`);
  }
  /** The topic is gone with its records: nothing about it is remembered but that they must not come back. */
  deleted(namespace: string, topic: string): void {
    const prefix = `${namespace}/${topic}-`;
    for (const place of [...this.#facts.stored.keys()]) if (place.startsWith(prefix)) this.#facts.stored.delete(place);
    for (const key of [...this.#stable.keys()]) if (key.startsWith(prefix)) this.#stable.delete(key);
    for (const message of this.#facts.sent.values()) {
      if (message.namespace === namespace && message.topic === topic) this.#facts.deletedTexts.add(message.text);
    }
  }

  /** Looks at the stable offsets of everything that is open now. */
  observe(process: Process, namespaces: readonly string[], topics: readonly string[]): void {
    for (const name of namespaces) {
      for (const topic of process.broker!.byId(name)!.topics.list()) {
        if (!topics.includes(topic.name)) continue;
        for (const { index, stableOffset } of topic.partitions) {
          this.stableIs({ namespace: name, topic: topic.name, partition: index, offset: stableOffset });
        }
      }
    }
  }
  /** Reads every record of a namespace and compares it with all that was ever said. Rejects only for damage. */
  async audit(namespace: Namespace, topics: readonly string[]): Promise<void> {
    const found = new Map<string, number>();
    for (const name of topics) {
      const topic = namespace.topics.get(name);
      if (topic === undefined) return this.#world.violated('topics-survive', `${namespace.id}/${name} is gone`);
      for (const partition of topic.partitions) await this.#readAll(namespace.id, topic, partition, found);
    }
    this.acknowledgedIsStored(namespace.id, topics, found);
  }
  async #readAll(namespace: string, topic: Topic, partition: Partition, found: Map<string, number>): Promise<void> {
    const end = partition.stableOffset;
    const owed = new Set<string>();
    const prefix = `${namespace}/${topic.name}-${partition.index}@`;
    for (const place of this.#facts.stored.keys()) if (place.startsWith(prefix)) owed.add(place);
    this.stableIs({ namespace, topic: topic.name, partition: partition.index, offset: end });
    for (let at = partition.startOffset; at < end;) {
      const batches = await partition.read(at, AUDIT_READ_BYTES);
      for (const batch of batches) {
        decodeRecords(batch, (record) => {
          const text = payloadText(record.value()!);
          const place = { namespace, topic: topic.name, partition: partition.index, offset: record.offset };
          this.isStoredAt(place, text);
          owed.delete(placeOf(place));
          found.set(text, (found.get(text) ?? 0) + 1);
        });
        at = readNextOffset(batch);
      }
    }
    // only what was known before this audit began is owed by it
    for (const place of owed)
      this.#world.violated('acknowledged-records-are-readable', `${place} held ${this.#facts.stored.get(place)!}`);
  }
  /** What an MQTT publisher was told is stored is in the topic that captures it, and once where that is owed. */
  acknowledgedIsStored(namespace: string, topics: readonly string[], found: ReadonlyMap<string, number>): void {
    for (const message of this.#facts.sent.values()) {
      const topic = message.topic.split('/')[0]!;
      if (message.namespace !== namespace || !topics.includes(topic)) continue;
      const times = found.get(message.text) ?? 0;
      if (times === 0 && this.#isOwed(message)) {
        return this.#world.violated('acknowledged-records-are-readable', `${message.text} is in no partition`);
      }
      if (times > 1 && !message.mayRepeat) {
        return this.#world.violated('stored-once', `${message.text} is stored ${times} times`);
      }
    }
  }
  #isOwed(message: SentMessage): boolean {
    return (
      message.ackedAt !== null &&
      !message.mayBeLost &&
      message.qos > 0 &&
      this.#owedUntil >= message.ackedAt &&
      !this.#facts.deletedTexts.has(message.text)
    );
  }
  /** An audit that reads while others write owes only what was acknowledged before it began. */
  #owedUntil = Infinity;
  beginAudit(): void {
    this.#owedUntil = this.#facts.moment();
  }
}
