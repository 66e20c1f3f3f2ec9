import type { Stream } from '@robustmq/journal';
import type { MqttSettings } from '@robustmq/meta';
import { WireError, Writer, type Cancel, type Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import type { Refusal } from './broker-types.ts';
import { KeyedStream, replayRecords } from './keyed-stream.ts';
import { toHeaders } from './message-record.ts';
import type { Message } from './message.ts';
import { refuse } from './refusal.ts';
import { readStamped, writeStamped } from './stored-message.ts';

/** Delayed messages are held in memory: at most this many bytes per namespace. */
const DELAYED_BYTES_MAX = 256 * 2 ** 20;
/** Published in one turn; the rest in the next. */
const PUBLISHED_PER_TURN_MAX = 256;
/** Timers are not set further ahead; the sweep sets the next. */
const TIMER_MS_MAX = 60_000;

/** One message that waits for its time. */
export interface DelayedMessage {
  /** Digits; grows with every message of the namespace. */
  readonly id: string;
  readonly dueMs: number;
  readonly message: Message;
}

export interface DelayedHost {
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  /** Publishes it now; `published` runs in the turn of the publish, behind it. */
  publish(message: Message, published: () => void): void;
}

/**
 * The delayed messages of one namespace: a heap by time, and a keyed stream it is rebuilt from. A message is forgotten in
 * the turn that publishes it, behind it: a crash in between publishes it twice, never not.
 */
export class DelayedMessages {
  readonly #byId = new Map<string, DelayedMessage>();
  /** Binary heap by time, then by id; cancelled ones stay until they come up. */
  readonly #heap: DelayedMessage[] = [];
  readonly #keyed: KeyedStream;
  readonly #writer = new Writer();
  readonly #runtime: Runtime;
  #host: DelayedHost | null = null;
  #bytes = 0;
  #idNext = 1;
  #timer: Cancel | null = null;
  #timerMs = Infinity;

  private constructor(stream: Stream, sealer: BatchSealer, runtime: Runtime) {
    this.#keyed = new KeyedStream(stream, sealer, runtime);
    this.#runtime = runtime;
  }

  static async recover(stream: Stream, sealer: BatchSealer, runtime: Runtime): Promise<DelayedMessages> {
    const delayed = new DelayedMessages(stream, sealer, runtime);
    await replayRecords(stream, runtime, (record) => {
      const id = record.key()?.toString('latin1');
      if (id === undefined || !/^[0-9]{1,15}$/.test(id)) return;
      delayed.#idNext = Math.max(delayed.#idNext, Number(id) + 1);
      const value = record.value();
      try {
        if (value === null || value.length === 0) delayed.#forget(id);
        else {
          const { message, at } = readStamped(value, record);
          delayed.#keep({ id, dueMs: at, message });
        }
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        runtime.log.error({ stream: stream.name, offset: record.offset, error }, 'a delayed message is unreadable');
      }
    });
    return delayed;
  }

  /** From here on messages are published when their time comes. */
  start(host: DelayedHost): void {
    this.#host = host;
    this.#arm();
  }
  close(): void {
    this.#timer?.();
    this.#host = null;
  }

  get count(): number {
    return this.#byId.size;
  }
  /** In the order they were taken. */
  list(): Iterable<DelayedMessage> {
    return this.#byId.values();
  }
  /** Takes a message; stable with the journal's current commit. */
  add(message: Message, dueMs: number, limits: MqttSettings['delayed']): Refusal | null {
    if (!limits.enabled) return refuse('not-authorized', 'delayed messages are switched off');
    const size = message.payload.length + message.topic.length;
    if (this.#byId.size >= limits.messagesMax || this.#bytes + size > DELAYED_BYTES_MAX) return refuse('quota-delayed');
    const delayed = { id: String(this.#idNext++), dueMs, message };
    this.#keep(delayed);
    this.#put(delayed);
    this.#arm();
    return null;
  }
  /** False when there is no such message, or it was published. */
  cancel(id: string): boolean {
    if (!this.#forget(id)) return false;
    this.#keyed.remove(Buffer.from(id), this.#runtime.nowMs());
    return true;
  }

  /** Publishes what is due. */
  sweep(): void {
    const nowMs = this.#runtime.nowMs();
    for (let published = 0; published < PUBLISHED_PER_TURN_MAX;) {
      const first = this.#heap[0];
      if (first === undefined || this.#host === null) return;
      if (this.#byId.get(first.id) !== first) {
        this.#pop();
        continue;
      }
      if (first.dueMs > nowMs) break;
      this.#pop();
      this.#byId.delete(first.id);
      published++;
      const message = { ...first.message, timestampMs: nowMs };
      this.#host.publish(message, () => this.#published(first));
    }
    this.#arm();
  }

  /** Bytes held on the medium. */
  get sizeBytes(): number {
    return this.#keyed.sizeBytes;
  }
  /** Housekeeping: see KeyedStream. */
  compact(): void {
    this.#keyed.compact(() => {
      for (const delayed of this.#byId.values()) this.#put(delayed);
    });
  }

  #published({ id, message }: DelayedMessage): void {
    this.#bytes -= message.payload.length + message.topic.length;
    this.#keyed.remove(Buffer.from(id), this.#runtime.nowMs());
  }
  #keep(delayed: DelayedMessage): void {
    this.#forget(delayed.id);
    this.#byId.set(delayed.id, delayed);
    this.#bytes += delayed.message.payload.length + delayed.message.topic.length;
    this.#push(delayed);
  }
  #forget(id: string): boolean {
    const known = this.#byId.get(id);
    if (known === undefined) return false;
    this.#byId.delete(id);
    this.#bytes -= known.message.payload.length + known.message.topic.length;
    return true;
  }
  #put({ id, dueMs, message }: DelayedMessage): void {
    this.#writer.reset();
    writeStamped(this.#writer, message, dueMs);
    this.#keyed.put(Buffer.from(id), this.#writer.view(), toHeaders(message.properties), message.timestampMs);
  }
  #arm(): void {
    const dueMs = this.#heap[0]?.dueMs ?? Infinity;
    if (this.#host === null || (this.#timer !== null && dueMs >= this.#timerMs)) return;
    this.#timer?.();
    this.#timer = null;
    this.#timerMs = dueMs;
    if (!Number.isFinite(dueMs)) return;
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(0, dueMs - this.#runtime.nowMs()));
    this.#timer = this.#runtime.after(delayMs, () => {
      this.#timer = null;
      this.#timerMs = Infinity;
      this.sweep();
    });
  }

  #push(delayed: DelayedMessage): void {
    const heap = this.#heap;
    let at = heap.push(delayed) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(delayed, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = delayed;
  }
  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: DelayedMessage, b: DelayedMessage): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && Number(a.id) < Number(b.id));
}
