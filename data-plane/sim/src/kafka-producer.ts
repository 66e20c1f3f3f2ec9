import { BatchBuilder } from '@robustmq/journal';
import { crc32c, type Reader } from '@robustmq/wire';
import type { Facts, SentMessage } from './facts.ts';
import { API, KafkaLink, kafkaText, readKafkaText } from './kafka-link.ts';
import { KNOWN_GAPS } from './known-gaps.ts';
import type { Latency } from './network.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { StoredChecks } from './stored-checks.ts';
import type { World } from './world.ts';

const PRODUCER_ID_AT = 43;
const PRODUCER_EPOCH_AT = 51;
const BASE_SEQUENCE_AT = 53;
const CRC_AT = 17;
const CRC_FROM = 21;
const RETRY_MS_MAX = 60;

export interface KafkaProducerPlan {
  readonly namespace: string;
  readonly name: string;
  readonly topic: string;
  readonly partitions: number;
  readonly isIdempotent: boolean;
  readonly latency: Latency;
}

interface OpenBatch {
  readonly messages: readonly SentMessage[];
  readonly partition: number;
  readonly bytes: Buffer;
}

/** A producer with acks=all that repeats a batch until it is answered. */
export class KafkaProducer {
  readonly plan: KafkaProducerPlan;
  readonly link: KafkaLink;
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #facts: Facts;
  readonly #checks: StoredChecks;
  readonly #builder = new BatchBuilder();
  #producerId = -1;
  #producerEpoch = -1;
  #sequences: number[] = [];
  #serial = 0;
  #open: OpenBatch | null = null;
  #isIdle = true;

  constructor(
    world: World,
    parts: { node: SimulatedNode; facts: Facts; checks: StoredChecks },
    plan: KafkaProducerPlan,
  ) {
    this.#world = world;
    this.#node = parts.node;
    this.#facts = parts.facts;
    this.#checks = parts.checks;
    this.plan = plan;
    this.link = new KafkaLink(world, parts.node, plan);
    this.link.onReady = () => this.#next();
  }
  get isQuiet(): boolean {
    return this.#open === null;
  }

  produce(count: number, paddingBytes: number): void {
    if (this.#open !== null) return;
    const { namespace, name, topic, partitions, isIdempotent } = this.plan;
    const messages: SentMessage[] = [];
    const partition = this.#world.chance.whole(0, partitions);
    for (let i = 0; i < count; i++) {
      const serial = ++this.#serial;
      const text = `${namespace}|${name}|${topic}|1|${serial}|`;
      messages.push(
        this.#facts.send({
          text,
          namespace,
          publisher: name,
          topic,
          serial,
          qos: 1,
          mayRepeat: !isIdempotent,
          sentToStart: this.#node.starts,
        }),
      );
      this.#builder.add(null, Buffer.from(text + 'y'.repeat(paddingBytes)), null, this.#world.nowMs | 0);
    }
    this.#open = { messages, partition, bytes: this.#builder.build() };
    this.link.say(`produce ${messages[0]!.text} × ${count} to ${partition}`);
    if (this.link.isReady) this.#next();
  }

  #next(): void {
    if (this.#open === null || !this.#isIdle) return;
    this.#isIdle = false;
    if (this.plan.isIdempotent && this.#producerId < 0) this.#initialize();
    else this.#send(this.#open);
  }
  #idle(delayMs: number): void {
    this.#world.after(delayMs, () => {
      this.#isIdle = true;
      if (this.link.isReady) this.#next();
    });
  }
  #initialize(): void {
    const body = (writer: Parameters<Parameters<KafkaLink['request']>[1]>[0]): void => {
      kafkaText(writer, null);
      writer.i32(60_000);
    };
    this.link.request(API.initProducerId, body, (answer) => {
      if (answer !== null && answer.skip(4) >= 0 && answer.i16() === 0) {
        this.#producerId = answer.i64();
        this.#producerEpoch = answer.i16();
        this.#sequences = [];
      }
      this.#idle(0);
    });
  }
  #send(open: OpenBatch): void {
    const bytes = Buffer.from(open.bytes);
    if (this.plan.isIdempotent) {
      bytes.writeBigInt64BE(BigInt(this.#producerId), PRODUCER_ID_AT);
      bytes.writeInt16BE(this.#producerEpoch, PRODUCER_EPOCH_AT);
      bytes.writeInt32BE(this.#sequences[open.partition] ?? 0, BASE_SEQUENCE_AT);
      bytes.writeUInt32BE(crc32c(bytes, CRC_FROM), CRC_AT);
    }
    this.link.request(
      API.produce,
      (writer) => {
        kafkaText(writer, null);
        writer.i16(-1).i32(30_000).i32(1);
        kafkaText(writer, this.plan.topic);
        writer.i32(1).i32(open.partition).i32(bytes.length).bytes(bytes);
      },
      (answer) => this.#answered(open, answer),
    );
  }
  #answered(open: OpenBatch, answer: Reader | null): void {
    if (answer === null) {
      // what a process knew of an idempotent producer goes with it: its repeat to the next one is stored again
      this.#mayRepeatElsewhere(open);
      return this.#idle(0);
    }
    answer.skip(4);
    readKafkaText(answer);
    answer.skip(8);
    const errorCode = answer.i16();
    const baseOffset = answer.i64();
    if (errorCode !== 0) return this.#refused(open, errorCode);
    this.#mayRepeatElsewhere(open);
    const { namespace, topic } = this.plan;
    this.link.say(`acknowledged ${open.messages[0]!.text} at ${open.partition}@${baseOffset}`);
    for (const [i, message] of open.messages.entries()) {
      this.#facts.acknowledge(message);
      this.#checks.isStoredAt({ namespace, topic, partition: open.partition, offset: baseOffset + i }, message.text);
    }
    this.#sequences[open.partition] = (this.#sequences[open.partition] ?? 0) + open.messages.length;
    this.#open = null;
    this.#idle(0);
  }
  #refused(open: OpenBatch, errorCode: number): void {
    this.link.say(`refused ${open.messages[0]!.text} with ${errorCode}`);
    for (const message of open.messages) message.mayRepeat = true;
    this.#producerId = -1;
    this.#idle(this.#world.chance.between(1, RETRY_MS_MAX));
  }
  #mayRepeatElsewhere(open: OpenBatch): void {
    if (!KNOWN_GAPS.producerStatesInMemory) return;
    for (const message of open.messages) if (message.sentToStart !== this.#node.starts) message.mayRepeat = true;
  }
}
