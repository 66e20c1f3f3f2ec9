import { decodeRecords, readSizeBytes } from '@robustmq/journal';
import type { Reader } from '@robustmq/wire';
import type { Facts } from './facts.ts';
import { API, KafkaLink, kafkaText, readKafkaText } from './kafka-link.ts';
import { payloadText } from './mqtt-client.ts';
import type { Latency } from './network.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { StoredChecks } from './stored-checks.ts';
import type { World } from './world.ts';

const POLL_MS_MAX = 80;
const FETCH_BYTES = 4_096;
/** How often a reader that has reached the end begins again, to see that nothing changed. */
const AGAIN_FROM_START_SHARE = 0.3;
const COMMIT_SHARE = 0.5;
const BATCH_LENGTH_AT = 8;

export interface KafkaConsumerPlan {
  readonly namespace: string;
  readonly name: string;
  readonly topic: string;
  readonly partitions: number;
  readonly latency: Latency;
}

/** Reads every partition from offset 0, over and over, and commits how far it came in a group of its own. */
export class KafkaConsumer {
  readonly plan: KafkaConsumerPlan;
  readonly link: KafkaLink;
  readonly #world: World;
  readonly #facts: Facts;
  readonly #checks: StoredChecks;
  readonly #positions: number[];
  readonly #committing: number[];
  #partition = 0;
  #isIdle = true;

  constructor(
    world: World,
    parts: { node: SimulatedNode; facts: Facts; checks: StoredChecks },
    plan: KafkaConsumerPlan,
  ) {
    this.#world = world;
    this.#facts = parts.facts;
    this.#checks = parts.checks;
    this.plan = plan;
    this.#positions = Array.from({ length: plan.partitions }, () => 0);
    this.#committing = [...this.#positions];
    this.link = new KafkaLink(world, parts.node, plan);
    this.link.onReady = () => this.#next();
  }

  #next(): void {
    if (!this.#isIdle) return;
    this.#isIdle = false;
    this.#partition = (this.#partition + 1) % this.plan.partitions;
    if (this.#world.chance.is(0.2)) this.#fetchCommitted(this.#partition);
    else this.#fetch(this.#partition);
  }
  #idle(delayMs: number): void {
    this.#world.after(delayMs, () => {
      this.#isIdle = true;
      if (this.link.isReady) this.#next();
    });
  }
  #fetch(partition: number): void {
    const { namespace, topic } = this.plan;
    const asked = {
      partition,
      offset: this.#positions[partition]!,
      stable: this.#checks.stableOf({ namespace, topic, partition }),
    };
    const { offset } = asked;
    this.link.request(
      API.fetch,
      (writer) => {
        writer.i32(-1).i32(20).i32(1).i32(FETCH_BYTES).i8(0).i32(1);
        kafkaText(writer, this.plan.topic);
        writer.i32(1).i32(partition).i64(offset).i32(FETCH_BYTES);
      },
      (answer) => {
        if (answer !== null) this.#fetched(asked, answer);
        this.#afterFetch(partition, answer !== null);
      },
    );
  }
  #fetched(asked: { partition: number; offset: number; stable: number }, answer: Reader): void {
    const { partition, offset } = asked;
    const { namespace, topic } = this.plan;
    answer.skip(8);
    readKafkaText(answer);
    answer.skip(8);
    const errorCode = answer.i16();
    const stable = answer.i64();
    answer.skip(8);
    const aborted = answer.i32();
    answer.skip(Math.max(0, aborted) * 16);
    const size = answer.i32();
    if (errorCode === 1) return this.#checks.outOfRange({ namespace, topic, partition, offset });
    if (errorCode !== 0) return this.link.say(`fetch of ${partition}@${offset} refused with ${errorCode}`);
    this.#checks.stableIs({ namespace, topic, partition, offset: stable }, asked.stable);
    const bytes = size > 0 ? answer.bytes(size) : Buffer.alloc(0);
    let at = 0;
    // the last batch may be cut short
    while (at + 12 <= bytes.length && at + 12 + bytes.readInt32BE(at + BATCH_LENGTH_AT) <= bytes.length) {
      const batch = bytes.subarray(at, at + readSizeBytes(bytes.subarray(at)));
      at += batch.length;
      decodeRecords(batch, (record) => {
        const text = payloadText(record.value()!);
        this.#checks.isStoredAt({ namespace, topic, partition, offset: record.offset }, text);
        if (record.offset === this.#positions[partition]) this.#positions[partition]!++;
        else if (record.offset > this.#positions[partition]!) {
          this.#world.violated(
            'offsets-have-no-holes',
            `${topic}-${partition}: ${record.offset} came at ${this.#positions[partition]!}`,
          );
        }
      });
    }
    if (at === 0 && offset >= stable && this.#world.chance.is(AGAIN_FROM_START_SHARE)) this.#positions[partition] = 0;
  }
  #afterFetch(partition: number, isAlive: boolean): void {
    const position = this.#positions[partition]!;
    if (
      !isAlive ||
      !this.link.isReady ||
      position <= this.#committing[partition]! ||
      !this.#world.chance.is(COMMIT_SHARE)
    ) {
      return this.#idle(this.#world.chance.between(0, POLL_MS_MAX));
    }
    this.#committing[partition] = position;
    this.link.request(
      API.offsetCommit,
      (writer) => {
        kafkaText(writer, this.#group);
        writer.i32(-1);
        kafkaText(writer, '');
        writer.i64(-1).i32(1);
        kafkaText(writer, this.plan.topic);
        writer.i32(1).i32(partition).i64(position);
        kafkaText(writer, null);
      },
      (answer) => {
        if (answer !== null) {
          answer.skip(4);
          readKafkaText(answer);
          answer.skip(8);
          const errorCode = answer.i16();
          this.link.say(`committed ${partition}@${position}: ${errorCode}`);
          if (errorCode === 0) this.#facts.committed.set(this.#commitKey(partition), position);
        }
        this.#idle(this.#world.chance.between(0, POLL_MS_MAX));
      },
    );
  }
  #fetchCommitted(partition: number): void {
    this.link.request(
      API.offsetFetch,
      (writer) => {
        kafkaText(writer, this.#group);
        writer.i32(1);
        kafkaText(writer, this.plan.topic);
        writer.i32(1).i32(partition);
      },
      (answer) => {
        if (answer !== null) {
          answer.skip(4);
          readKafkaText(answer);
          answer.skip(8);
          this.committedNeverGoesBack(partition, answer.i64());
        }
        this.#idle(this.#world.chance.between(0, POLL_MS_MAX));
      },
    );
  }
  /** A position that was acknowledged to the group is the least that it is told later; what it never sent, never. */
  committedNeverGoesBack(partition: number, offset: number): void {
    const acknowledged = this.#facts.committed.get(this.#commitKey(partition)) ?? -1;
    if (offset < acknowledged || offset > this.#committing[partition]!) {
      const detail = `${this.#commitKey(partition)} is ${offset}, was ${acknowledged}, sent ${this.#committing[partition]!}`;
      this.#world.violated('group-offsets-never-go-back', detail);
    }
  }

  get #group(): string {
    return `group-${this.plan.name}`;
  }
  #commitKey(partition: number): string {
    return `${this.plan.namespace}/${this.#group}/${this.plan.topic}-${partition}`;
  }
}
