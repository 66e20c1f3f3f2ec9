import { Reader, Writer } from '@robustmq/wire';
import type { Latency, Link } from './network.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

const RECONNECT_MS_MAX = 100;
const PATIENCE_MS = 8_000;

/** The requests the simulator's clients make; versions without tagged fields, so a frame is written by hand. */
export const API = {
  produce: [0, 5],
  fetch: [1, 4],
  offsetCommit: [8, 2],
  offsetFetch: [9, 1],
  createTopics: [19, 1],
  deleteTopics: [20, 1],
  initProducerId: [22, 0],
} as const;

/** Writes a string or an absent one as Kafka does: INT16 length, −1 for null. */
export function kafkaText(writer: Writer, text: string | null): void {
  if (text === null) writer.i16(-1);
  else {
    writer.i16(Buffer.byteLength(text));
    writer.text(text);
  }
}
export function readKafkaText(reader: Reader): string | null {
  const size = reader.i16();
  return size < 0 ? null : reader.text(size);
}

/** One connection of one Kafka client, made again whenever it is lost; one request at a time. */
export class KafkaLink {
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #name: string;
  readonly #namespace: string;
  readonly #latency: Latency;
  #link: Link | null = null;
  #connection = 0;
  #correlation = 0;
  #received = Buffer.alloc(0);
  #waiting: ((answer: Reader | null) => void) | null = null;
  /** Called whenever the client is connected and has nothing open. */
  onReady: () => void = () => undefined;

  constructor(world: World, node: SimulatedNode, options: { name: string; namespace: string; latency: Latency }) {
    this.#world = world;
    this.#node = node;
    this.#name = options.name;
    this.#namespace = options.namespace;
    this.#latency = options.latency;
  }
  get isReady(): boolean {
    return this.#link !== null && this.#waiting === null;
  }
  say(text: string): void {
    this.#world.trace(`${this.#namespace}/${this.#name}: ${text}`);
  }
  cut(): void {
    this.#link?.cut();
  }
  connect(): void {
    const number = ++this.#connection;
    this.#received = Buffer.alloc(0);
    const client = {
      received: (bytes: Buffer) => {
        if (number === this.#connection) this.#arrived(bytes);
      },
      closed: () => {
        if (number === this.#connection) this.#closed();
      },
    };
    this.#link = this.#node.connect('kafka', this.#namespace, client, this.#latency);
    if (this.#link === null) this.#retry();
    else this.onReady();
  }
  /** `answered` gets the body of the response, or null when the connection was lost before it came. */
  request(
    api: readonly [number, number],
    body: (writer: Writer) => void,
    answered: (answer: Reader | null) => void,
  ): void {
    const writer = new Writer();
    writer.i32(0).i16(api[0]).i16(api[1]).i32(++this.#correlation);
    kafkaText(writer, this.#name);
    body(writer);
    const frame = writer.toBuffer();
    frame.writeInt32BE(frame.length - 4, 0);
    this.#waiting = answered;
    this.#link!.send(frame);
    const correlation = this.#correlation;
    this.#world.after(PATIENCE_MS, () => {
      if (this.#waiting === answered && this.#correlation === correlation) this.cut();
    });
  }

  #retry(): void {
    this.#world.after(this.#world.chance.between(5, RECONNECT_MS_MAX), () => this.connect());
  }
  #closed(): void {
    this.say('connection is closed');
    this.#connection++;
    this.#link = null;
    this.#answer(null);
    this.#retry();
  }
  #arrived(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4) {
      const size = 4 + this.#received.readInt32BE(0);
      if (this.#received.length < size) return;
      const reader = new Reader(this.#received, 4, size);
      const correlation = reader.i32();
      this.#received = this.#received.subarray(size);
      if (correlation !== this.#correlation) {
        this.#world.violated('well-formed-answers', `${this.#name}: answer ${correlation} to ${this.#correlation}`);
      }
      this.#answer(reader);
    }
  }
  #answer(answer: Reader | null): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(answer);
    if (this.isReady) this.onReady();
  }
}
