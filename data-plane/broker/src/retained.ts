import type { Stream } from '@robustmq/journal';
import type { Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import { KeyedStream, replayRecords } from './keyed-stream.ts';
import { isExpired, toHeaders, toMessage } from './message-record.ts';
import type { Message, QoS } from './message.ts';

/** Retained messages are held in memory: at most this many and this many bytes per namespace. */
export const RETAINED_MESSAGES_MAX = 1_000_000;
export const RETAINED_BYTES_MAX = 256 * 2 ** 20;
/** Header of the retained stream that carries the QoS; it never leaves this file. */
const QOS_HEADER = 'retained-qos';

class RetainedNode {
  children: Map<string, RetainedNode> | null = null;
  message: Message | null = null;
}

/** The last retained message of each topic name: a tree in memory by level, and a keyed stream it is rebuilt from. */
export class RetainedMessages {
  readonly #root = new RetainedNode();
  readonly #keyed: KeyedStream;
  readonly #runtime: Runtime;
  #count = 0;
  #bytes = 0;

  constructor(stream: Stream, sealer: BatchSealer, runtime: Runtime) {
    this.#keyed = new KeyedStream(stream, sealer, runtime);
    this.#runtime = runtime;
  }

  static async recover(stream: Stream, sealer: BatchSealer, runtime: Runtime): Promise<RetainedMessages> {
    const retained = new RetainedMessages(stream, sealer, runtime);
    await replayRecords(stream, runtime, (record) => {
      const topic = record.key()?.toString('utf8');
      if (topic === undefined) return;
      const headers = record.headers();
      const qos = Number(headers?.[0]?.[0] === QOS_HEADER ? (headers[0][1]?.toString('latin1') ?? 0) : 0);
      const message = toMessage(record, topic, (qos <= 2 ? qos : 0) as QoS, true, headers?.slice(1) ?? null);
      retained.#place({ ...message, payload: Buffer.from(message.payload) });
    });
    return retained;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether one more message of this size fits the limits. */
  hasRoom(sizeBytes: number): boolean {
    return this.#count < RETAINED_MESSAGES_MAX && this.#bytes + sizeBytes <= RETAINED_BYTES_MAX;
  }

  /** Keeps the message as the last of its topic, or forgets the topic when the payload is empty [MQTT-3.3.1-6]. */
  set(message: Message): void {
    const key = Buffer.from(message.topic);
    if (message.payload.length === 0) {
      if (this.#place(message)) this.#keyed.remove(key, this.#runtime.nowMs());
      return;
    }
    this.#place(message);
    this.#put(message, key);
  }

  has(topic: string): boolean {
    return this.match(topic).some((message) => message.topic === topic);
  }
  /** Forgets the last message of a topic; false when there is none. */
  remove(topic: string): boolean {
    const isThere = this.has(topic);
    if (isThere) {
      this.set({ topic, payload: Buffer.alloc(0), qos: 0, retain: true, properties: null, timestampMs: 0 });
    }
    return isThere;
  }

  /** Retained messages whose topic matches the filter and that have not expired. */
  match(filter: string): readonly Message[] {
    const found: Message[] = [];
    const levels = filter.split('/');
    walk(this.#root, levels, 0, found);
    const nowMs = this.#runtime.nowMs();
    return found.filter((message) => !isExpired(message, nowMs));
  }

  /** Bytes held on the medium. */
  get sizeBytes(): number {
    return this.#keyed.sizeBytes;
  }
  /** Housekeeping: forgets what has expired, and see KeyedStream. */
  compact(): void {
    this.#keyed.compact(() => {
      const nowMs = this.#runtime.nowMs();
      const all: Message[] = [];
      collect(this.#root, all);
      for (const message of all) {
        if (isExpired(message, nowMs)) this.#place({ ...message, payload: Buffer.alloc(0) });
        else this.#put(message, Buffer.from(message.topic));
      }
    });
  }

  #put(message: Message, key: Buffer): void {
    const qos = [QOS_HEADER, Buffer.from(String(message.qos))] as const;
    this.#keyed.put(key, message.payload, [qos, ...(toHeaders(message.properties) ?? [])], message.timestampMs);
  }

  /** Puts the message into the tree, or takes the topic's out when it is empty. Returns whether anything changed. */
  #place(message: Message): boolean {
    const levels = message.topic.split('/');
    const isRemoval = message.payload.length === 0;
    const path = [this.#root];
    for (const level of levels) {
      const node = path.at(-1)!;
      let child = node.children?.get(level);
      if (child === undefined) {
        if (isRemoval) return false;
        node.children ??= new Map();
        node.children.set(level, (child = new RetainedNode()));
      }
      path.push(child);
    }
    const last = path.at(-1)!;
    if (last.message !== null) {
      this.#count--;
      this.#bytes -= last.message.payload.length + last.message.topic.length;
    }
    if (!isRemoval) {
      last.message = message;
      this.#count++;
      this.#bytes += message.payload.length + message.topic.length;
      return true;
    }
    const changed = last.message !== null;
    last.message = null;
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth]!;
      if (node.message !== null || node.children !== null) break;
      const parent = path[depth - 1]!;
      parent.children!.delete(levels[depth - 1]!);
      if (parent.children!.size === 0) parent.children = null;
    }
    return changed;
  }
}

function walk(node: RetainedNode, levels: readonly string[], depth: number, found: Message[]): void {
  if (depth === levels.length) {
    if (node.message !== null) found.push(node.message);
    return;
  }
  const level = levels[depth]!;
  if (level === '#') {
    // `a/#` matches `a`; wildcards in the first level leave `$…` alone [MQTT-4.7.2-1]
    if (depth > 0) collect(node, found);
    else for (const [name, child] of node.children ?? []) if (!name.startsWith('$')) collect(child, found);
    return;
  }
  if (level !== '+') {
    const child = node.children?.get(level);
    if (child !== undefined) walk(child, levels, depth + 1, found);
    return;
  }
  for (const [name, child] of node.children ?? []) {
    if (depth > 0 || !name.startsWith('$')) walk(child, levels, depth + 1, found);
  }
}

function collect(node: RetainedNode, found: Message[]): void {
  if (node.message !== null) found.push(node.message);
  for (const child of node.children?.values() ?? []) collect(child, found);
}
