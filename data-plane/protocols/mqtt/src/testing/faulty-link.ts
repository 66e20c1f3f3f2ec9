import type { Transport, TransportHandler } from '@robustmq/wire';
import mqttPacket from 'mqtt-packet';
import type { IPublishPacket, Packet, QoS } from 'mqtt-packet';
import type { MqttServer } from '../mqtt-server.ts';

/** A connection whose bytes travel when a test says so; what has not arrived when it breaks is lost. */
class Link implements Transport {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40_000;
  readonly listener = { name: 'test', tls: false, namespace: null };
  readonly serverName = null;
  readonly #handler: TransportHandler;
  readonly #parser;
  #up: Buffer = Buffer.alloc(0);
  #down: Buffer = Buffer.alloc(0);
  #isPaused = false;
  #isOver = false;

  constructor(server: MqttServer, version: 4 | 5, received: (packet: Packet) => void) {
    this.#parser = mqttPacket.parser({ protocolVersion: version });
    this.#parser.on('packet', received);
    this.#handler = server.accept(this);
  }
  get writableLength(): number {
    return this.#down.length;
  }
  get isOver(): boolean {
    return this.#isOver;
  }
  get isQuiet(): boolean {
    return this.#up.length === 0 && this.#down.length === 0;
  }
  write(bytes: Buffer): void {
    if (!this.#isOver) this.#down = Buffer.concat([this.#down, bytes]);
  }
  pause(): void {
    this.#isPaused = true;
  }
  resume(): void {
    this.#isPaused = false;
  }
  end(): void {
    this.#isOver = true;
  }
  destroy(): void {
    this.cut();
  }
  send(bytes: Buffer): void {
    if (!this.#isOver) this.#up = Buffer.concat([this.#up, bytes]);
  }
  /** At most `count` bytes reach the server. */
  up(count: number): void {
    if (this.#isPaused || this.#isOver || this.#up.length === 0) return;
    const chunk = Buffer.from(this.#up.subarray(0, count));
    this.#up = this.#up.subarray(count);
    this.#handler.onData(chunk, chunk.length);
    chunk.fill(0xdd);
  }
  /** At most `count` bytes reach the client. */
  down(count: number): void {
    if (this.#down.length === 0) return;
    const chunk = Buffer.from(this.#down.subarray(0, count));
    this.#down = this.#down.subarray(count);
    this.#parser.parse(chunk);
    if (this.#down.length === 0) this.#handler.onDrain();
  }
  /** The network breaks, and the server hears of it. */
  cut(): void {
    this.die();
    this.#handler.onClose(null);
  }
  /** It breaks because the server is no more. */
  die(): void {
    this.#isOver = true;
    this.#up = this.#down = Buffer.alloc(0);
  }
}

/** What a client keeps on its own disk. */
interface Outgoing {
  readonly id: number;
  readonly qos: QoS;
  readonly topic: string;
  readonly payload: string;
  state: 'publish' | 'pubrel';
  wasSent: boolean;
}

/**
 * A client as both specifications want it, with a session that never ends and a disk of its own: it repeats what was not
 * acknowledged, in order, and hands on a QoS 2 message once.
 */
export class PersistentClient {
  readonly clientId: string;
  /** Payloads in the order they were handed on. */
  readonly got: { readonly payload: string; readonly topic: string; readonly qos: QoS; readonly dup: boolean }[] = [];
  /** Payloads the server has taken over. */
  readonly accepted = new Set<string>();
  readonly #version: 4 | 5;
  readonly #subscription: string | null;
  readonly #received = new Set<number>();
  readonly #outgoing: Outgoing[] = [];
  #nextId = 1;
  #link: Link | null = null;
  #isIn = false;
  subscribed = false;
  /** The server forgot the session it had promised to keep. */
  wasForgotten = false;
  #hadSession = false;

  constructor(clientId: string, version: 4 | 5, subscription: string | null) {
    this.clientId = clientId;
    this.#version = version;
    this.#subscription = subscription;
  }
  get isOpen(): boolean {
    return this.#link !== null && !this.#link.isOver;
  }
  get isDone(): boolean {
    const hasAsked = this.#subscription === null || this.subscribed;
    return this.isOpen && this.#isIn && hasAsked && this.#outgoing.length === 0 && this.#link!.isQuiet;
  }
  connect(server: MqttServer): void {
    if (this.isOpen) return;
    this.#isIn = false;
    const link = new Link(server, this.#version, (packet) => {
      if (this.#link === link) this.#take(packet);
    });
    this.#link = link;
    const { clientId } = this;
    const properties =
      this.#version === 5 ? { properties: { sessionExpiryInterval: 0xffff_ffff, receiveMaximum: 20 } } : {};
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: this.#version,
      clientId,
      clean: false,
      keepalive: 0,
      ...properties,
    });
  }
  publish(topic: string, payload: string, qos: QoS): void {
    const id = this.#nextId;
    this.#nextId = (id % 0xffff) + 1;
    const message: Outgoing = { id, qos, topic, payload, state: 'publish', wasSent: false };
    this.#outgoing.push(message);
    if (this.isOpen && this.#isIn) this.#resend(message);
  }
  up(count: number): void {
    this.#link?.up(count);
  }
  down(count: number): void {
    this.#link?.down(count);
  }
  cut(): void {
    if (this.isOpen) this.#link!.cut();
    this.#link = null;
  }
  /** The server died. */
  lose(): void {
    this.#link?.die();
    this.#link = null;
  }

  #send(...packets: Packet[]): void {
    for (const packet of packets) this.#link?.send(mqttPacket.generate(packet, { protocolVersion: this.#version }));
  }
  #resend(message: Outgoing): void {
    const { id: messageId, qos, topic, payload, state, wasSent: dup } = message;
    message.wasSent = true;
    if (state === 'pubrel') this.#send({ cmd: 'pubrel', messageId });
    else this.#send({ cmd: 'publish', messageId, qos, topic, payload, dup, retain: false });
  }
  #take(packet: Packet): void {
    const messageId = packet.messageId!;
    if (packet.cmd === 'connack') {
      this.#isIn = true;
      if (!packet.sessionPresent && this.#hadSession) this.wasForgotten = true;
      if (this.#subscription !== null && !this.subscribed) {
        this.#send({ cmd: 'subscribe', messageId: 0xffff, subscriptions: [{ topic: this.#subscription, qos: 2 }] });
      } else this.#hadSession = true;
      for (const message of this.#outgoing) this.#resend(message);
    } else if (packet.cmd === 'suback') this.subscribed = this.#hadSession = true;
    else if (packet.cmd === 'publish') this.#hand(packet);
    else if (packet.cmd === 'pubrel') {
      this.#received.delete(messageId);
      this.#send({ cmd: 'pubcomp', messageId });
    } else if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') this.#complete(messageId);
    else if (packet.cmd === 'pubrec') {
      const message = this.#outgoing.find(({ id }) => id === messageId);
      if (message === undefined) return;
      this.accepted.add(message.payload);
      message.state = 'pubrel';
      this.#send({ cmd: 'pubrel', messageId });
    }
  }
  #hand(packet: IPublishPacket): void {
    const { qos, topic, dup } = packet;
    const messageId = packet.messageId!;
    if (qos < 2 || !this.#received.has(messageId)) this.got.push({ payload: String(packet.payload), topic, qos, dup });
    if (qos === 2) this.#received.add(messageId);
    if (qos > 0) this.#send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId } as Packet);
  }
  #complete(id: number): void {
    const index = this.#outgoing.findIndex((message) => message.id === id);
    if (index < 0) return;
    this.accepted.add(this.#outgoing[index]!.payload);
    this.#outgoing.splice(index, 1);
  }
}
