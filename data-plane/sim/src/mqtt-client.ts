import type { Message } from '@robustmq/broker';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { matches, type Facts, type SentMessage } from './facts.ts';
import { KNOWN_GAPS } from './known-gaps.ts';
import type { Link, Latency } from './network.ts';
import { SubscriberChecks } from './subscriber-checks.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

/** Publishes a client has open at most. */
const IN_FLIGHT_MAX = 10;
const RECONNECT_MS_MAX = 120;
/** Answers and acknowledgements that do not come for so long make a client give its connection up. */
const PATIENCE_MS = 8_000;
/** Acknowledgements are stable at the latest so long after they arrived at a healthy node, plus one flush. */
const ACK_STABLE_MS = 100;
/** Nobody waits for a will or a session to be stable; they are so long after their CONNACK. */
const STABLE_MS = 1_000;
const FOR_EVER_SECONDS = 0xffff_fffe;

export interface MqttClientPlan {
  readonly namespace: string;
  readonly clientId: string;
  readonly version: 4 | 5;
  readonly isPersistent: boolean;
  /** Comes in through the port of its namespace, or through the common one as `name@namespace`. */
  readonly usesOwnPort: boolean;
  readonly filter: string | null;
  /** Name of the shared subscription that `filter` belongs to. */
  readonly group?: string;
  readonly qos: 0 | 1 | 2;
  readonly willTopic: string | null;
  readonly latency: Latency;
  /** Longest wait before a message is acknowledged. */
  readonly ackMsMax: number;
}

interface OpenPublish {
  readonly message: SentMessage;
  readonly retain: boolean;
  readonly payload: Buffer;
  released: boolean;
  wasSent: boolean;
}

/** What a client owes or is owed; all of it outlives its connections, as the specification wants of a client. */
export class MqttClient {
  readonly plan: MqttClientPlan;
  readonly checks: SubscriberChecks;
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #facts: Facts;
  readonly #open = new Map<number, OpenPublish>();
  readonly #inbound = new Set<number>();
  #link: Link | null = null;
  #parser = mqttPacket.parser();
  #nextId = 1;
  #serial = 0;
  #connections = 0;
  #isConnected = false;
  #hadSession = false;
  /** Nobody waits for a new session to be stable; it is when something in it was acknowledged, or a while later. */
  #isSessionStable = false;
  #isSubscribed = false;
  #ackAtMs = 0;
  #heardMs = 0;
  #connectedMs = 0;
  #isStopped = false;
  #will: SentMessage | null = null;

  constructor(world: World, node: SimulatedNode, facts: Facts, plan: MqttClientPlan) {
    this.#world = world;
    this.#node = node;
    this.#facts = facts;
    this.plan = plan;
    this.checks = new SubscriberChecks(world, facts, plan);
  }
  get isConnected(): boolean {
    return this.#isConnected;
  }
  get isSubscribed(): boolean {
    return this.#isSubscribed && this.#isConnected;
  }
  /** Nothing of its own is waiting for an answer. */
  get isQuiet(): boolean {
    return this.#open.size === 0 && this.#isConnected && (this.plan.filter === null || this.#isSubscribed);
  }
  get canPublish(): boolean {
    return this.#isConnected && this.#open.size < IN_FLIGHT_MAX;
  }

  start(): void {
    this.#connect();
  }
  /** Loses its connection without a DISCONNECT. */
  cut(): void {
    this.#link?.cut();
  }
  /** Says DISCONNECT, goes, and comes back. */
  leave(): void {
    if (!this.#isConnected) return;
    this.#will = null;
    this.#send({ cmd: 'disconnect', reasonCode: 0 } as Packet);
    const link = this.#link;
    this.#world.after(2 * this.plan.latency.msMax + 1, () => link?.cut());
    this.#isConnected = false;
  }

  publish(topic: string, qos: 0 | 1 | 2, options: { retain?: boolean; padding?: number } = {}): void {
    const { namespace, clientId } = this.plan;
    const serial = ++this.#serial;
    const text = `${namespace}|${clientId}|${topic}|${qos}|${serial}|`;
    const message = this.#facts.send({
      text,
      namespace,
      publisher: clientId,
      topic,
      serial,
      qos,
      mayRepeat: qos === 1 || !this.plan.isPersistent,
      sentToStart: this.#node.starts,
    });
    const payload = Buffer.from(text + 'x'.repeat(options.padding ?? 0));
    const open = { message, retain: options.retain ?? false, payload, released: false, wasSent: false };
    if (qos === 0) this.#sendPublish(0, open);
    else {
      while (this.#open.has(this.#nextId)) this.#nextId = (this.#nextId % 60_000) + 1;
      const id = this.#nextId;
      this.#nextId = (this.#nextId % 60_000) + 1;
      this.#open.set(id, open);
      this.#sendPublish(id, open);
    }
    if (open.retain) this.#facts.retained.set(`${namespace}/${topic}`, message);
    this.#say(`publish ${text} +${payload.length - text.length}${open.retain ? ' retained' : ''}`);
  }

  #say(text: string): void {
    this.#world.trace(`${this.plan.namespace}/${this.plan.clientId}: ${text}`);
  }
  #connect(): void {
    const { namespace, usesOwnPort, latency } = this.plan;
    const number = ++this.#connections;
    const client = {
      received: (bytes: Buffer) => {
        if (number === this.#connections) this.#parser.parse(bytes);
      },
      closed: () => {
        if (number === this.#connections) this.#closed();
      },
    };
    this.#parser = mqttPacket.parser({ protocolVersion: this.plan.version });
    this.#parser.on('packet', (packet: Packet) => this.#packet(packet));
    this.#parser.on('error', (error: Error) => this.#world.violated('well-formed-answers', error.message));
    this.#link = this.#node.connect('mqtt', usesOwnPort ? namespace : null, client, latency);
    if (this.#link === null) return this.#retry();
    this.#heardMs = this.#world.nowMs;
    this.#watch(number);
    this.#send(this.#connectPacket(number));
  }
  #connectPacket(number: number): Packet {
    const { version, isPersistent, clientId, namespace, usesOwnPort, willTopic } = this.plan;
    let will = {};
    if (willTopic !== null) {
      const serial = ++this.#serial;
      const text = `${namespace}|${clientId}|${willTopic}|1|${serial}|`;
      this.#will = this.#facts.send({
        text,
        namespace,
        publisher: clientId,
        topic: willTopic,
        serial,
        qos: 1,
        mayRepeat: true,
        isWill: true,
        sentToStart: this.#node.starts,
      });
      will = { will: { topic: willTopic, payload: Buffer.from(text), qos: 1, retain: false } };
    }
    const user = usesOwnPort ? {} : { username: `sim@${namespace}`, password: Buffer.from('sim') };
    const properties = isPersistent ? { properties: { sessionExpiryInterval: FOR_EVER_SECONDS - 1 } } : {};
    this.#say(`connect ${number}`);
    return {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: version,
      clientId,
      keepalive: 0,
      clean: !isPersistent || (version === 5 && !this.#hadSession && number === 1),
      ...(version === 5 ? properties : {}),
      ...user,
      ...will,
    } as Packet;
  }
  #retry(): void {
    if (this.#isStopped) return;
    this.#world.after(this.#world.chance.between(5, RECONNECT_MS_MAX), () => this.#connect());
  }
  #watch(number: number): void {
    this.#world.after(PATIENCE_MS / 4, () => {
      if (number !== this.#connections || this.#link === null) return;
      const isWaiting = !this.#isConnected || this.#open.size > 0 || (this.plan.filter !== null && !this.#isSubscribed);
      if (isWaiting && this.#world.nowMs - this.#heardMs > PATIENCE_MS) this.#link.cut();
      else this.#watch(number);
    });
  }
  #closed(): void {
    this.#say(`connection ${this.#connections} is closed`);
    this.#connections++;
    this.#link = null;
    // the server owes the will of a connection it accepted and that ended without DISCONNECT
    const isOld = this.#world.nowMs - this.#connectedMs > STABLE_MS;
    if (this.#isConnected && isOld) this.#isSessionStable = this.plan.isPersistent;
    if (this.#will !== null && this.#isConnected && isOld) this.#facts.acknowledge(this.#will);
    this.#will = null;
    this.#isConnected = false;
    this.checks.disconnected();
    if (!this.plan.isPersistent) {
      this.#open.clear();
      this.#inbound.clear();
      this.#isSubscribed = false;
    }
    this.#retry();
  }

  #send(packet: Packet, arrived: (() => void) | null = null): void {
    this.#link?.send(mqttPacket.generate(packet, { protocolVersion: this.plan.version }), arrived);
  }
  #sendPublish(messageId: number, open: OpenPublish): void {
    const { topic, qos } = open.message;
    const { retain, payload } = open;
    const dup = open.wasSent && qos > 0;
    if (KNOWN_GAPS.flushIsNotAtomic && dup && open.message.sentToStart !== this.#node.starts)
      open.message.mayRepeat = true;
    open.wasSent = true;
    const id = qos === 0 ? {} : { messageId };
    this.#send({ cmd: 'publish', topic, qos, retain, dup, payload, ...id } as Packet);
  }

  #packet(packet: Packet): void {
    this.#heardMs = this.#world.nowMs;
    switch (packet.cmd) {
      case 'connack':
        return this.#connected(packet.sessionPresent, packet.reasonCode ?? packet.returnCode ?? 0);
      case 'suback':
        if ((packet.granted[0] as number) >= 0x80) {
          this.#say('subscription refused');
          return this.cut();
        }
        this.#isSubscribed = true;
        this.#isSessionStable = this.plan.isPersistent;
        this.checks.subscribed(this.#facts.moment());
        return this.#say('subscribed');
      case 'puback':
      case 'pubrec':
        return this.#acknowledged(packet.cmd, packet.messageId!, packet.reasonCode ?? 0);
      case 'pubcomp':
        this.#open.delete(packet.messageId!);
        return;
      case 'pubrel': {
        const id = packet.messageId!;
        this.#inbound.delete(id);
        this.#say(`pubrel #${id}`);
        return this.#answer({ cmd: 'pubcomp', messageId: id } as Packet, null);
      }
      case 'publish':
        return this.#received(packet);
      default:
        return this.#say(`got ${packet.cmd}`);
    }
  }
  #connected(isPresent: boolean, code: number): void {
    this.#say(`connack ${code}${isPresent ? ' present' : ''}`);
    if (code !== 0) return this.#link?.cut();
    this.#isConnected = true;
    this.#connectedMs = this.#world.nowMs;
    if (this.#isSessionStable && !isPresent) {
      this.#world.violated('sessions-survive', `${this.plan.clientId} had a session that the server told it of`);
    }
    if (!isPresent) {
      this.#inbound.clear();
      this.#isSubscribed = false;
    }
    this.#hadSession = true;
    this.checks.connected(this.#facts.moment(), isPresent);
    const { filter, qos, group } = this.plan;
    if (filter !== null && !this.#isSubscribed) {
      const topic = group === undefined ? filter : `$share/${group}/${filter}`;
      this.#send({ cmd: 'subscribe', messageId: 65_000, subscriptions: [{ topic, qos }] } as Packet);
    }
    // [MQTT-4.4.0-1]
    for (const [id, open] of this.#open) {
      if (open.released && isPresent) this.#send({ cmd: 'pubrel', messageId: id } as Packet);
      else this.#sendPublish(id, open);
    }
  }
  #acknowledged(kind: 'puback' | 'pubrec', id: number, reason: number): void {
    const open = this.#open.get(id);
    if (open === undefined) {
      // the answer to a repeat may come twice; a PUBREC always gets its PUBREL
      if (kind === 'pubrec') this.#send({ cmd: 'pubrel', messageId: id } as Packet);
      return;
    }
    if (reason >= 0x80) {
      this.#say(`refused ${open.message.text} with ${reason}`);
      this.#open.delete(id);
      return;
    }
    const isRepeated = open.message.sentToStart !== this.#node.starts;
    if (KNOWN_GAPS.checkpointRunsAhead && kind === 'pubrec' && isRepeated) open.message.mayBeLost = true;
    this.#facts.acknowledge(open.message);
    this.#say(`${kind} ${open.message.text}`);
    if (kind === 'puback') this.#open.delete(id);
    else {
      open.released = true;
      this.#send({ cmd: 'pubrel', messageId: id } as Packet);
    }
  }
  #received(packet: IPublishPacket): void {
    const text = payloadText(packet.payload as Message['payload']);
    this.#say(`got ${text}${packet.dup ? ' dup' : ''}${packet.qos > 0 ? ` #${packet.messageId!}` : ''}`);
    if (this.plan.filter !== null && !matches(this.plan.filter, packet.topic)) {
      this.#world.violated('only-what-was-subscribed', `${packet.topic} came for ${this.plan.filter}`);
    }
    const id = packet.messageId ?? 0;
    if (packet.qos === 2) {
      if (!this.#inbound.has(id)) this.checks.received(packet, text);
      this.#inbound.add(id);
      return this.#answer({ cmd: 'pubrec', messageId: id } as Packet, () => this.#ackArrived(null, text));
    }
    this.checks.received(packet, text);
    if (packet.qos === 1) this.#answer({ cmd: 'puback', messageId: id } as Packet, () => this.#ackArrived(id, text));
  }
  /** Answers keep their order [MQTT-4.6.0-2] and take their time. */
  #answer(packet: Packet, arrived: (() => void) | null): void {
    const link = this.#link;
    this.#ackAtMs = Math.max(this.#ackAtMs, this.#world.nowMs + this.#world.chance.between(0, this.plan.ackMsMax));
    this.#world.after(this.#ackAtMs - this.#world.nowMs, () => {
      if (link === this.#link) this.#send(packet, arrived);
    });
  }
  /** From when on the entry must not come back: the flush behind the arrival of its PUBACK or PUBREC is done. */
  #ackArrived(id: number | null, text: string): void {
    const process = this.#node.up;
    if (process === null || !this.plan.isPersistent) return;
    process.runtime.after(ACK_STABLE_MS, () => {
      process.journal!.current.onSettled((error) => {
        if (error === null && process.runtime.isAlive) this.checks.acknowledgementIsStable(id, text);
      });
    });
  }
}

/** The name of a message is its payload up to the last bar; the rest is padding. */
export function payloadText(payload: Buffer): string {
  const text = payload.toString('latin1');
  return text.slice(0, text.lastIndexOf('|') + 1);
}
