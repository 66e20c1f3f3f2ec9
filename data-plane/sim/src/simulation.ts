import type { Chance } from './chance.ts';
import { Facts } from './facts.ts';
import { KafkaConsumer } from './kafka-consumer.ts';
import { KafkaProducer } from './kafka-producer.ts';
import { MqttClient } from './mqtt-client.ts';
import { NAMESPACES, scenarioOf, STORED_TOPICS, type Scenario } from './scenario.ts';
import { SimulatedNode } from './simulated-node.ts';
import { NamespaceChurn } from './namespace-churn.ts';
import { groupHasEverythingAcknowledged } from './subscriber-checks.ts';
import { StoredChecks } from './stored-checks.ts';
import { TopicChurn } from './topic-churn.ts';
import { UsageChecks } from './usage-checks.ts';
import { World, type Violation } from './world.ts';

/** When the faults are over everybody must be content within this time. */
const QUIET_MS_MAX = 120_000;
/** What is under way when everybody is content has this long to arrive. */
const SETTLE_MS = 4_000;
const AUDIT_MS_MAX = 60_000;
const DOWN_MS_MAX = 400;
const DISK_FAULT_OPERATIONS_MAX = 40;
const PADDING_BYTES = [0, 0, 20, 700, 3_000] as const;
const AUDIT_ON_START_SHARE = 0.4;

export interface RunResult {
  readonly seed: number;
  readonly steps: number;
  readonly violation: Violation | null;
  readonly traceHash: string;
  readonly events: number;
  readonly starts: number;
  readonly acknowledged: number;
}

/**
 * One run: a node, its clients and what befalls them, all of it from one seed. `steps` actions happen; then the faults
 * stop, everybody finishes, and what is left to be checked is checked.
 */
export class Simulation {
  readonly #seed: number;
  readonly #steps: number;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #scenario: Scenario;
  readonly #node: SimulatedNode;
  readonly #facts = new Facts();
  readonly #stored: StoredChecks;
  readonly #usage: UsageChecks;
  readonly #publishers: readonly (readonly [MqttClient, readonly string[]])[];
  readonly #subscribers: readonly MqttClient[];
  readonly #members: readonly MqttClient[];
  readonly #namespaceChurn: NamespaceChurn | null;
  readonly #producers: readonly KafkaProducer[];
  readonly #consumers: readonly KafkaConsumer[];
  readonly #churners: readonly TopicChurn[];

  constructor(seed: number, steps: number, onTrace: ((line: string) => void) | null = null) {
    this.#seed = seed;
    this.#steps = steps;
    this.#world = new World(seed, onTrace);
    this.#chance = this.#world.chance.fork();
    this.#scenario = scenarioOf(this.#world.chance.fork());
    this.#node = new SimulatedNode(this.#world, this.#scenario.node);
    this.#stored = new StoredChecks(this.#world, this.#facts);
    this.#usage = new UsageChecks(this.#world, this.#facts);
    const { publishers, subscribers, producers, consumers, churners } = this.#scenario;
    const parts = { node: this.#node, facts: this.#facts, checks: this.#stored };
    const mqtt = (plan: Scenario['subscribers'][number]): MqttClient =>
      new MqttClient(this.#world, this.#node, this.#facts, plan);
    this.#publishers = publishers.map((plan) => [mqtt(plan), plan.topics] as const);
    this.#subscribers = subscribers.map(mqtt);
    this.#members = this.#scenario.members.map(mqtt);
    this.#namespaceChurn = this.#scenario.churnsNamespace ? new NamespaceChurn(this.#world, this.#node) : null;
    this.#producers = producers.map((plan) => new KafkaProducer(this.#world, parts, plan));
    this.#consumers = consumers.map((plan) => new KafkaConsumer(this.#world, parts, plan));
    this.#churners = churners.map((plan) => new TopicChurn(this.#world, parts, plan));
  }

  async run(): Promise<RunResult> {
    this.#node.onUp = () => this.#onUp();
    this.#node.start();
    this.#namespaceChurn?.start();
    for (const client of this.#mqttClients) this.#world.after(this.#chance.between(0, 50), () => client.start());
    for (const { link } of this.#kafkaClients) this.#world.after(this.#chance.between(0, 50), () => link.connect());
    for (let step = 0; step < this.#steps && this.#world.violation === null; step++) {
      await this.#world.run(this.#world.nowMs + this.#chance.between(0, this.#scenario.pace.stepMsMax));
      this.#observe();
      await this.#act();
    }
    await this.#becomesQuiet();
    await this.#finalAudit();
    await this.#retainedAreServed();
    for (const subscriber of this.#subscribers) subscriber.checks.hasEverythingAcknowledged();
    groupHasEverythingAcknowledged(this.#world, this.#facts, this.#members);
    await this.#namespaceChurn?.leavesNoObject();
    return this.#result();
  }
  #result(): RunResult {
    return {
      seed: this.#seed,
      steps: this.#steps,
      violation: this.#world.violation,
      traceHash: this.#world.traceHash(),
      events: this.#world.events,
      starts: this.#node.starts,
      acknowledged: this.#facts.acknowledged().length,
    };
  }
  get #mqttClients(): readonly MqttClient[] {
    return [...this.#publishers.map(([client]) => client), ...this.#subscribers, ...this.#members];
  }
  get #kafkaClients(): readonly (KafkaProducer | KafkaConsumer | TopicChurn)[] {
    return [...this.#producers, ...this.#consumers, ...this.#churners];
  }

  /** One thing happens. */
  async #act(): Promise<void> {
    const { kill, power, diskFault, cut, leave, policy } = this.#scenario.pace;
    const chance = this.#chance;
    let dice = chance.next();
    if ((dice -= kill) < 0) return this.#node.crash('kill', chance.between(0, DOWN_MS_MAX));
    if ((dice -= power) < 0) return this.#node.crash('power', chance.between(0, DOWN_MS_MAX));
    if ((dice -= diskFault) < 0) {
      this.#facts.diskFaultAt = this.#facts.moment();
      return this.#node.breakDisk(
        chance.whole(0, DISK_FAULT_OPERATIONS_MAX),
        chance.pick(['io', 'disk-full', 'read-only']),
      );
    }
    if ((dice -= cut) < 0) {
      if (chance.is(0.7) || this.#kafkaClients.length === 0) chance.pick(this.#mqttClients).cut();
      else chance.pick(this.#kafkaClients).link.cut();
      return;
    }
    if ((dice -= leave) < 0) return chance.pick(this.#mqttClients).leave();
    if ((dice -= policy) < 0) return this.#node.alterPolicy(chance);
    if (this.#producers.length > 0 && chance.is(0.3)) {
      chance.pick(this.#producers).produce(chance.whole(1, 5), chance.pick(PADDING_BYTES));
    } else this.#publish();
  }
  #publish(): void {
    const chance = this.#chance;
    const [publisher, topics] = chance.pick(this.#publishers);
    const count = chance.pick([1, 1, 1, 3, 6]);
    const topic = chance.pick(topics);
    for (let i = 0; i < count && publisher.canPublish; i++) {
      publisher.publish(topic, publisher.plan.qos, {
        retain: topic.startsWith('r/'),
        padding: chance.pick(PADDING_BYTES),
      });
    }
  }
  #onUp(): void {
    this.#observe();
    if (this.#chance.is(AUDIT_ON_START_SHARE)) void this.#audit();
  }
  /** What is checked at every step. */
  #observe(): void {
    const process = this.#node.up;
    if (process === null) return;
    this.#stored.observe(process, NAMESPACES, STORED_TOPICS);
    this.#usage.observe(process, this.#node.starts);
    for (const churner of this.#churners) churner.topicsStayAsAcknowledged();
    this.#namespaceChurn?.namespacesStayAsAcknowledged();
  }

  /** True when the audit came to its end. */
  async #audit(): Promise<boolean> {
    const process = this.#node.up;
    if (process === null) return false;
    this.#stored.beginAudit();
    for (const id of NAMESPACES) {
      try {
        await this.#stored.audit(process.broker!.byId(id)!, STORED_TOPICS);
        await this.#node.manifestNamesOnlyWhatIsThere(process);
      } catch (error) {
        if (process === this.#node.up && !this.#node.isMediumFaulty)
          this.#world.violated('stored-records-are-intact', String(error));
      }
    }
    return process === this.#node.up;
  }
  async #finalAudit(): Promise<void> {
    let isDone = false;
    void this.#audit().then((done) => (isDone = done));
    await this.#world.run(this.#world.nowMs + AUDIT_MS_MAX, () => isDone);
    if (!isDone) this.#world.violated('becomes-quiet', 'the records could not be read to their end');
  }
  /** After the faults everybody gets what is owed to them. */
  async #becomesQuiet(): Promise<void> {
    this.#world.trace('no more faults');
    for (const churner of this.#churners) churner.stop();
    this.#namespaceChurn?.stop();
    const isQuiet = (): boolean =>
      this.#node.up !== null &&
      this.#mqttClients.every((client) => client.isQuiet) &&
      this.#producers.every((producer) => producer.isQuiet);
    await this.#world.run(this.#world.nowMs + QUIET_MS_MAX, isQuiet);
    if (!isQuiet()) {
      const loud = this.#mqttClients.filter((client) => !client.isQuiet).map(({ plan }) => plan.clientId);
      this.#world.violated(
        'becomes-quiet',
        `still waiting: ${loud.join(', ')}${this.#node.up === null ? ' node' : ''}`,
      );
    }
    await this.#world.run(this.#world.nowMs + SETTLE_MS);
    this.#observe();
  }
  /** A new subscriber gets the last retained message of every topic. */
  async #retainedAreServed(): Promise<void> {
    for (const namespace of NAMESPACES) {
      const latency = { msMax: 1, readerMsMax: 0 };
      const reader = new MqttClient(this.#world, this.#node, this.#facts, {
        namespace,
        clientId: 'retained-reader',
        version: 4,
        isPersistent: false,
        usesOwnPort: true,
        filter: 'r/#',
        qos: 1,
        willTopic: null,
        latency,
        ackMsMax: 0,
      });
      reader.start();
      await this.#world.run(this.#world.nowMs + SETTLE_MS / 2);
      for (const [key, message] of this.#facts.retained) {
        if (!key.startsWith(`${namespace}/`) || message.ackedAt === null || message.mayBeLost) continue;
        const got = reader.checks.retained.get(message.topic);
        if (got !== message.text) this.#world.violated('retained-survive', `${key} is ${got}, not ${message.text}`);
      }
    }
  }
}
