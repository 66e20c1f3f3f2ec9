import type { Connection } from '@robustmq/broker';
import type { Runtime } from '@robustmq/wire';

/**
 * How long live messages take from the publish to the kernel, looked at by samples: one message at a time, and only while
 * the reader is behind. A reader that keeps up costs one comparison per flush and no look at the clock.
 */
export class SlowDelivery {
  readonly #runtime: Runtime;
  #topic: string | null = null;
  #startedMs = 0;
  /** Messages of the pending queue, counted since the beginning, up to and with the sample; −1 = it is written. */
  #queuedThrough = -1;
  /** Bytes handed to the transport when all of the sample is. */
  #flushedThrough = 0;
  /** The reader is behind: the next message is a sample. */
  wanted = false;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** True while a sample is under way. */
  get sampling(): boolean {
    return this.#topic !== null;
  }

  /** A message that was written: it is with the kernel once the transport has taken `flushedThrough` bytes. */
  written(topic: string, flushedThrough: number): void {
    this.#begin(topic);
    this.#flushedThrough = flushedThrough;
  }

  /** A message that waits for the window, as number `queuedThrough` of all that ever did. */
  queued(topic: string, queuedThrough: number): void {
    this.#begin(topic);
    this.#queuedThrough = queuedThrough;
  }

  #begin(topic: string): void {
    this.wanted = false;
    this.#topic = topic;
    this.#startedMs = this.#runtime.monotonicMs();
    this.#queuedThrough = -1;
  }

  /**
   * A look at the end of a turn: `dequeued` messages have left the pending queue, `flushed` bytes went to the transport,
   * `unread` of which the kernel has not taken.
   */
  look(link: Connection, dequeued: number, flushed: number, unread: number): void {
    if (this.#topic === null) {
      this.wanted = unread > 0;
      return;
    }
    if (this.#queuedThrough >= 0) {
      if (dequeued < this.#queuedThrough) return;
      this.#queuedThrough = -1;
      this.#flushedThrough = flushed;
    }
    if (flushed - unread < this.#flushedThrough) return;
    const latencyMs = this.#runtime.monotonicMs() - this.#startedMs;
    const topic = this.#topic;
    this.#topic = null;
    const { slowSubscriber } = link.namespace.settings.mqtt;
    if (slowSubscriber.enabled && latencyMs >= slowSubscriber.thresholdMs)
      link.namespace.slowDelivery?.(link.info.clientId, topic, latencyMs);
  }
}
