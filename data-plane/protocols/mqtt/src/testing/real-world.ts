import type { Namespace } from '@robustmq/broker';
import { config, settled, TestNode, TestRuntime } from '@robustmq/broker/testing';
import type { Cancel } from '@robustmq/wire';
import type { IConnackPacket, IConnectPacket, IPublishPacket, ISubscribePacket, Packet, QoS } from 'mqtt-packet';
import type { MqttLimits } from '../limits.ts';
import { MqttServer } from '../mqtt-server.ts';
import { FakeClient } from './fake-client.ts';

/** Turns until everything that one packet causes has come about, through journal and inboxes. */
const TURNS = 4;

/** The broker's test runtime with timers that run when a test moves the time. */
export class TimedRuntime extends TestRuntime {
  #timers: { atMs: number; readonly periodMs: number; readonly run: () => void }[] = [];

  override after(delayMs: number, run: () => void): Cancel {
    return this.#add(delayMs, 0, run);
  }
  override every(periodMs = 1_000, run: () => void = () => undefined): Cancel {
    return this.#add(periodMs, periodMs, run);
  }
  override advance(ms: number): void {
    const until = this.nowMs() + ms;
    for (;;) {
      const next = this.#timers.filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      super.advance(Math.max(0, next.atMs - this.nowMs()));
      if (next.periodMs > 0) next.atMs += next.periodMs;
      else this.#timers = this.#timers.filter((timer) => timer !== next);
      next.run();
    }
    super.advance(until - this.nowMs());
  }
  #add(delayMs: number, periodMs: number, run: () => void): Cancel {
    const timer = { atMs: this.nowMs() + delayMs, periodMs, run };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((other) => other !== timer));
  }
}

/** A client of the real broker: `ask` sends and returns what came back once all is settled. */
export class RealClient extends FakeClient {
  readonly #world: RealWorld;
  connack: IConnackPacket | null = null;

  constructor(world: RealWorld, version: 3 | 4 | 5) {
    super(world.server, { turn: () => undefined }, version);
    this.#world = world;
  }
  async ask(...packets: Packet[]): Promise<Packet[]> {
    this.bytes(this.encode(...packets));
    await this.#world.settle();
    return this.take();
  }
  async hex(hex: string): Promise<Packet[]> {
    this.bytes(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
    await this.#world.settle();
    return this.take();
  }
}

export interface RealJoin extends Partial<IConnectPacket> {
  readonly version?: 3 | 4 | 5;
}

/** The real broker over a store in memory, an MQTT server before it, and clients without sockets. */
export class RealWorld {
  node: TestNode;
  server: MqttServer;
  readonly runtime: TimedRuntime;
  readonly #limits: Partial<MqttLimits>;
  #clients = 0;

  private constructor(node: TestNode, runtime: TimedRuntime, limits: Partial<MqttLimits>) {
    this.node = node;
    this.runtime = runtime;
    this.#limits = limits;
    this.server = new MqttServer({ broker: node.broker, runtime, limits });
  }
  static async start(
    change: Parameters<typeof config>[0] = {},
    limits: Partial<MqttLimits> = {},
    store?: TestNode['store'],
  ): Promise<RealWorld> {
    const runtime = new TimedRuntime();
    const node = await TestNode.start(store, runtime);
    if (store === undefined) await node.broker.applyNamespace(config(change));
    return new RealWorld(node, runtime, limits);
  }
  /** The node and its server go down and come up again over the same store; all connections are cut. */
  async restart(): Promise<void> {
    this.server.close();
    await this.settle();
    this.node = await TestNode.start(this.node.store, this.runtime);
    this.server = new MqttServer({ broker: this.node.broker, runtime: this.runtime, limits: this.#limits });
  }
  async settle(): Promise<void> {
    for (let i = 0; i < TURNS; i++) await settled(this.node);
  }
  async advance(ms: number): Promise<void> {
    this.runtime.advance(ms);
    await this.settle();
  }
  dial(version: 3 | 4 | 5 = 5): RealClient {
    return new RealClient(this, version);
  }
  connectPacket({ version = 5, ...rest }: RealJoin = {}): IConnectPacket {
    return {
      cmd: 'connect',
      protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: version,
      clientId: `client${++this.#clients}`,
      clean: true,
      keepalive: 0,
      ...rest,
    };
  }
  /** A connected client; what followed its CONNACK is to be taken. */
  async join(options: RealJoin = {}): Promise<RealClient & { connack: IConnackPacket }> {
    const client = this.dial(options.version);
    const [connack, ...rest] = await client.ask(this.connectPacket(options));
    if (connack?.cmd !== 'connack' || (connack.returnCode ?? 0) !== 0 || (connack.reasonCode ?? 0) !== 0) {
      throw new Error(`not let in: ${JSON.stringify(connack)}`);
    }
    client.received = rest;
    return Object.assign(client, { connack });
  }
}

type Settings = Namespace['settings'];
/** Settings of a cluster whose owner changed only these. */
export async function settingsWith(change: {
  mqtt?: Partial<Settings['mqtt']>;
  acl?: Settings['acl'];
  authentication?: Settings['authentication'];
}): Promise<{ settings: Settings }> {
  const untouched = (await RealWorld.start()).node.namespace().settings;
  const { mqtt, acl = untouched.acl, authentication = untouched.authentication } = change;
  return { settings: { ...untouched, acl, authentication, mqtt: { ...untouched.mqtt, ...mqtt } } };
}

/** A session that outlives its connection, in the words of each version. */
export function lasting(version: 3 | 4 | 5, clientId: string, seconds = 1_000): RealJoin {
  const properties = { sessionExpiryInterval: seconds };
  return { version, clientId, clean: false, ...(version === 5 ? { properties } : {}) };
}

export function publish(topic: string, payload: string, qos: QoS = 0, more: Partial<IPublishPacket> = {}) {
  const messageId = qos === 0 ? {} : { messageId: 50 };
  const packet = { cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...messageId, ...more };
  return packet as IPublishPacket;
}

export function subscribe(topic: string, qos: QoS = 0, more: object = {}, properties?: object): ISubscribePacket {
  const packet = { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos, ...more }] };
  return { ...packet, ...(properties === undefined ? {} : { properties }) } as ISubscribePacket;
}

/** Payloads of publishes, names of all else. */
export const told = (packets: readonly Packet[]): string[] =>
  packets.map((packet) => (packet.cmd === 'publish' ? String(packet.payload) : packet.cmd));
