import { BatchBuilder } from '@robustmq/journal';
import type { Facts } from './facts.ts';
import { API, KafkaLink, kafkaText, readKafkaText } from './kafka-link.ts';
import type { Latency } from './network.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { StoredChecks } from './stored-checks.ts';
import type { World } from './world.ts';

const TOPIC = 'churn';
const TOPIC_EXISTS = 36;
const UNKNOWN_TOPIC = 3;
const PAUSE_MS_MAX = 150;

type Stage = 'absent' | 'creating' | 'present' | 'deleting';

/** A client that makes a topic, writes to it, deletes it, and begins again; every step is repeated until answered. */
export class TopicChurn {
  readonly link: KafkaLink;
  readonly namespace: string;
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #facts: Facts;
  readonly #checks: StoredChecks;
  #stage: Stage = 'absent';
  #serial = 0;
  #writes = 0;
  #isIdle = true;
  #isStopped = false;

  constructor(
    world: World,
    parts: { node: SimulatedNode; facts: Facts; checks: StoredChecks },
    plan: { name: string; namespace: string; latency: Latency },
  ) {
    this.#world = world;
    this.#node = parts.node;
    this.#facts = parts.facts;
    this.#checks = parts.checks;
    this.namespace = plan.namespace;
    this.link = new KafkaLink(world, parts.node, plan);
    this.link.onReady = () => this.#next();
  }
  /** Created and deleted topics stay so across restarts. */
  topicsStayAsAcknowledged(): void {
    const namespace = this.#node.up?.broker?.byId(this.namespace);
    if (namespace === undefined) return;
    const exists = namespace.topics.get(TOPIC) !== undefined;
    if ((this.#stage === 'present' && !exists) || (this.#stage === 'absent' && exists)) {
      this.#world.violated('topics-survive', `${TOPIC} is ${this.#stage} and ${exists ? 'is' : 'is not'} there`);
    }
  }
  /** Begins nothing new. */
  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    if (!this.#isIdle || this.#isStopped) return;
    this.#isIdle = false;
    this.#world.after(this.#world.chance.between(0, PAUSE_MS_MAX), () => {
      if (!this.link.isReady) this.#isIdle = true;
      else if (this.#stage === 'absent' || this.#stage === 'creating') this.#create();
      else if (this.#stage === 'deleting' || this.#writes > 3) this.#delete();
      else this.#write();
    });
  }
  #done(): void {
    this.#isIdle = true;
    if (this.link.isReady) this.#next();
  }
  #create(): void {
    this.#stage = 'creating';
    this.link.request(
      API.createTopics,
      (writer) => {
        writer.i32(1);
        kafkaText(writer, TOPIC);
        writer.i32(1).i16(1).i32(0).i32(0).i32(10_000).i8(0);
      },
      (answer) => {
        if (answer !== null) {
          answer.skip(4);
          readKafkaText(answer);
          const errorCode = answer.i16();
          this.link.say(`create: ${errorCode}`);
          if (errorCode === 0 || errorCode === TOPIC_EXISTS) {
            this.#stage = 'present';
            this.#writes = 0;
          }
        }
        this.#done();
      },
    );
  }
  #write(): void {
    const { namespace } = this;
    const serial = ++this.#serial;
    const text = `${namespace}|churn|${TOPIC}|1|${serial}|`;
    const sent = { namespace, publisher: 'churn', topic: TOPIC, serial, qos: 1 as const, mayRepeat: true };
    const message = this.#facts.send({ ...sent, text, sentToStart: this.#node.starts });
    const builder = new BatchBuilder();
    builder.add(null, Buffer.from(text), null, 1);
    const bytes = builder.build();
    this.link.request(
      API.produce,
      (writer) => {
        kafkaText(writer, null);
        writer.i16(-1).i32(30_000).i32(1);
        kafkaText(writer, TOPIC);
        writer.i32(1).i32(0).i32(bytes.length).bytes(bytes);
      },
      (answer) => {
        this.#writes++;
        if (answer !== null) {
          answer.skip(4);
          readKafkaText(answer);
          answer.skip(8);
          const errorCode = answer.i16();
          const offset = answer.i64();
          this.link.say(`write ${text}: ${errorCode} at ${offset}`);
          if (errorCode === UNKNOWN_TOPIC) this.#world.violated('topics-survive', `${TOPIC} is unknown to Produce`);
          if (errorCode === 0) {
            this.#facts.acknowledge(message);
            this.#checks.isStoredAt({ namespace, topic: TOPIC, partition: 0, offset }, text);
          }
        }
        this.#done();
      },
    );
  }
  #delete(): void {
    if (this.#stage === 'present') this.#checks.deleted(this.namespace, TOPIC);
    this.#stage = 'deleting';
    this.link.request(
      API.deleteTopics,
      (writer) => {
        writer.i32(1);
        kafkaText(writer, TOPIC);
        writer.i32(10_000);
      },
      (answer) => {
        if (answer !== null) {
          answer.skip(8);
          readKafkaText(answer);
          const errorCode = answer.i16();
          this.link.say(`delete: ${errorCode}`);
          if (errorCode === 0 || errorCode === UNKNOWN_TOPIC) {
            this.#stage = 'absent';
          }
        }
        this.#done();
      },
    );
  }
}
