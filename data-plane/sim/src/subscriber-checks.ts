import type { IPublishPacket } from 'mqtt-packet';
import { matches, type Facts, type SentMessage } from './facts.ts';
import { KNOWN_GAPS } from './known-gaps.ts';
import type { MqttClientPlan } from './mqtt-client.ts';
import type { World } from './world.ts';

/** How long after it was ordered a fault of the disk may still come, in the order of everything. */
const FAULT_MOMENTS = 200;

/** What must be true of the messages one subscriber gets. One method per invariant. */
export class SubscriberChecks {
  readonly #world: World;
  readonly #facts: Facts;
  readonly #plan: MqttClientPlan;
  /** How often each message came; of a clean session only since it connected. */
  readonly #got = new Map<string, number>();
  readonly #lastNew = new Map<string, number>();
  readonly #settled = new Set<string>();
  readonly retained = new Map<string, string>();
  #subscribedAt: number | null = null;
  #connectedAt = 0;

  constructor(world: World, facts: Facts, plan: MqttClientPlan) {
    this.#world = world;
    this.#facts = facts;
    this.#plan = plan;
  }
  connected(moment: number, isPresent: boolean): void {
    this.#connectedAt = moment;
    if (isPresent) return;
    this.#got.clear();
    this.#lastNew.clear();
    this.#settled.clear();
    this.#subscribedAt = null;
  }
  disconnected(): void {
    if (!this.#plan.isPersistent) this.#subscribedAt = null;
  }
  subscribed(moment: number): void {
    this.#subscribedAt ??= moment;
  }

  received(packet: IPublishPacket, text: string): void {
    const message = this.#facts.sent.get(text);
    if (message === undefined) return this.#world.violated('nothing-invented', `${this.#who} got ${text}`);
    this.neverCrossesNamespaces(message);
    this.arrivesUnderItsTopic(message, packet.topic);
    if (packet.retain) {
      this.retained.set(packet.topic, text);
      return;
    }
    // What a member of a shared subscription did not acknowledge goes to another one, and may come back.
    if (this.#plan.group === undefined) {
      this.exactlyOnceWhereItIsOwed(message);
      this.keepsTheOrderOfItsPublisher(message);
      this.neverComesBackOnceAcknowledged(packet, text);
    }
    this.#got.set(text, (this.#got.get(text) ?? 0) + 1);
  }
  /** `id`: of a PUBACK; null for a PUBREC. */
  acknowledgementIsStable(id: number | null, text: string): void {
    this.#settled.add(id === null ? text : `${id} ${text}`);
  }

  neverCrossesNamespaces(message: SentMessage): void {
    if (message.namespace !== this.#plan.namespace) {
      this.#world.violated('never-crosses-namespaces', `${this.#who} got ${message.text}`);
    }
  }
  arrivesUnderItsTopic(message: SentMessage, topic: string): void {
    if (message.topic !== topic) this.#world.violated('arrives-under-its-topic', `${message.text} came as ${topic}`);
  }
  /** QoS 2 end to end to a session that outlives its connections: exactly once. QoS 0: at most once. */
  exactlyOnceWhereItIsOwed({ qos, text, mayRepeat }: SentMessage): void {
    if ((this.#got.get(text) ?? 0) === 0) return;
    if (qos === 0) this.#world.violated('qos0-at-most-once', `${this.#who} got ${text} again`);
    if (qos !== 2 || mayRepeat || this.#plan.qos !== 2 || !this.#plan.isPersistent) return;
    if (KNOWN_GAPS.pubrelBeforeStable && !this.#settled.has(text)) return;
    this.#world.violated('qos2-exactly-once', `${this.#who} got ${text} again`);
  }
  /** Messages of one publisher, topic and QoS come in the order they were sent, repeats aside [MQTT-4.6.0]. */
  keepsTheOrderOfItsPublisher(message: SentMessage): void {
    // what was sent before the subscription stood, or at QoS 0 while its client was away, may come first by a repeat of its publisher, behind newer ones
    const isMissable = this.#plan.qos === 0 && message.sentAt < this.#connectedAt;
    const isOlder = isMissable || message.sentAt < (this.#subscribedAt ?? Infinity);
    if (isOlder || this.#got.has(message.text)) return;
    const key = `${message.publisher} ${message.topic} ${message.qos}`;
    const last = this.#lastNew.get(key) ?? 0;
    if (message.serial < last) {
      this.#world.violated('keeps-publisher-order', `${this.#who} got ${message.text} behind serial ${last}`);
    }
    this.#lastNew.set(key, message.serial);
  }
  /** An inbox entry whose acknowledgement was stable does not return; a publisher's repeat is another entry. */
  neverComesBackOnceAcknowledged(packet: IPublishPacket, text: string): void {
    if (packet.qos === 1 && this.#settled.has(`${packet.messageId!} ${text}`)) {
      this.#world.violated('acknowledged-stays-acknowledged', `${this.#who} got ${text} again`);
    }
  }
  /** At the end: everything acknowledged to its publisher and sent while this subscription stood has come. */
  hasEverythingAcknowledged(): void {
    const { filter, qos } = this.#plan;
    if (filter === null || qos === 0 || this.#subscribedAt === null) return;
    for (const message of this.#facts.acknowledged()) {
      if (message.namespace !== this.#plan.namespace || message.qos === 0 || message.mayBeLost) continue;
      if (message.sentAt < this.#subscribedAt || !matches(filter, message.topic)) continue;
      if (
        KNOWN_GAPS.failedReadLosesInboxEntries &&
        this.#facts.diskFaultAt > 0 &&
        message.sentAt < this.#facts.diskFaultAt + FAULT_MOMENTS
      )
        continue;
      if (this.#facts.deletedTexts.has(message.text) || this.#got.has(message.text)) continue;
      this.#world.violated('delivers-everything-acknowledged', `${this.#who} never got ${message.text}`);
      return;
    }
  }

  /** What a member of a shared subscription got, and since when it stands. */
  has(text: string): boolean {
    return this.#got.has(text);
  }
  get standsSince(): number {
    return this.#subscribedAt ?? Infinity;
  }

  get #who(): string {
    return `${this.#plan.namespace}/${this.#plan.clientId}`;
  }
}

/** At the end of a shared subscription: everything acknowledged while it stood came to one of its members. */
export function groupHasEverythingAcknowledged(
  world: World,
  facts: Facts,
  members: readonly { readonly plan: MqttClientPlan; readonly checks: SubscriberChecks }[],
): void {
  const plan = members[0]?.plan;
  if (plan === undefined || plan.filter === null) return;
  const since = Math.min(...members.map(({ checks }) => checks.standsSince));
  for (const message of facts.acknowledged()) {
    const { namespace, topic, qos, sentAt, text, mayBeLost } = message;
    if (namespace !== plan.namespace || qos === 0 || mayBeLost === true || sentAt < since) continue;
    if (!matches(plan.filter, topic) || facts.deletedTexts.has(text)) continue;
    if (members.some(({ checks }) => checks.has(text))) continue;
    world.violated('group-delivers-everything-acknowledged', `nobody of ${namespace}/${plan.group} got ${text}`);
    return;
  }
}
