import { decodeRecords, JournalError, readNextOffset, type RecordView, type Stream } from '@robustmq/journal';
import type { Runtime } from '@robustmq/wire';
import { toMessage } from './message-record.ts';
import type { Message } from './message.ts';

/** Bytes read from a stream at a time when an inbox is emptied. */
const LOAD_BYTES = 256 * 1024;
/** Decoded messages kept for inboxes, over all namespaces of a node: each is counted with this much beside its payload. */
const CACHE_BYTES_MAX = 32 * 2 ** 20;
const MESSAGE_OVERHEAD_BYTES = 256;

interface DecodedBatch {
  readonly source: RecordSource;
  readonly base: number;
  readonly next: number;
  /** By offset − base; null where a record cannot be read. */
  readonly messages: readonly (Message | null)[];
  readonly sizeBytes: number;
}

/** Bounds what all sources together keep decoded; the oldest goes first. */
export class MessageCache {
  readonly #bytesMax: number;
  #batches: DecodedBatch[] = [];
  #first = 0;
  #bytes = 0;

  constructor(bytesMax = CACHE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }
  add(batch: DecodedBatch): void {
    this.#batches.push(batch);
    this.#bytes += batch.sizeBytes;
    while (this.#bytes > this.#bytesMax && this.#first < this.#batches.length - 1) {
      const oldest = this.#batches[this.#first++]!;
      this.#bytes -= oldest.sizeBytes;
      oldest.source.forget(oldest);
    }
    if (this.#first > 64 && this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first);
      this.#first = 0;
    }
  }
}

/** Of which topic's partition a source is; null = the namespace's inbox store. */
export type SourceIdentity = { readonly topicId: string; readonly partition: number } | null;

/** A stream whose records inboxes refer to, read as messages on demand. */
export class RecordSource {
  /** Its position in the namespace's list of sources: what an inbox entry holds. */
  readonly index: number;
  readonly identity: SourceIdentity;
  readonly stream: Stream;
  readonly #topicOf: (key: Buffer | null) => string;
  readonly #cache: MessageCache;
  readonly #runtime: Runtime;
  /** By base offset. */
  readonly #decoded: DecodedBatch[] = [];
  #waiting: Set<() => void> | null = null;
  /** The stream was removed: nothing can be read any more. */
  isGone = false;

  constructor(
    index: number,
    identity: SourceIdentity,
    stream: Stream,
    topicOf: (key: Buffer | null) => string,
    shared: { readonly cache: MessageCache; readonly runtime: Runtime },
  ) {
    this.index = index;
    this.identity = identity;
    this.stream = stream;
    this.#topicOf = topicOf;
    this.#cache = shared.cache;
    this.#runtime = shared.runtime;
  }

  /** The message at a stable offset; null when it is gone for good, undefined when it has to be loaded: see `load`. */
  lookup(offset: number): Message | null | undefined {
    const found = this.#find(offset);
    if (found !== undefined) return found.messages[offset - found.base] ?? null;
    if (this.isGone || offset < this.stream.startOffset || offset >= this.stream.stableOffset) return null;
    if (this.#waiting !== null) return undefined;
    try {
      const batches = this.stream.read(offset, LOAD_BYTES);
      if (batches instanceof Promise) {
        this.#await(batches, offset);
        return undefined;
      }
      this.#take(batches, offset);
    } catch (error) {
      this.#unreadable(offset, error);
    }
    const loaded = this.#find(offset);
    return loaded === undefined ? null : (loaded.messages[offset - loaded.base] ?? null);
  }
  /** Calls back once after the load that `lookup` has begun. */
  whenLoaded(callback: () => void): void {
    this.#waiting?.add(callback);
  }
  /** Only the cache calls it. */
  forget(batch: DecodedBatch): void {
    const at = this.#lastAtOrBelow(batch.base);
    if (this.#decoded[at] === batch) this.#decoded.splice(at, 1);
  }

  #find(offset: number): DecodedBatch | undefined {
    const batch = this.#decoded[this.#lastAtOrBelow(offset)];
    return batch !== undefined && offset < batch.next ? batch : undefined;
  }
  /** Index of the last batch that begins at or below the offset; −1 when there is none. */
  #lastAtOrBelow(offset: number): number {
    let low = 0;
    let high = this.#decoded.length;
    // readers are mostly at the newest
    if (high > 0 && this.#decoded[high - 1]!.base <= offset) return high - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#decoded[middle]!.base <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  #await(batches: Promise<readonly Buffer[]>, offset: number): void {
    this.#waiting = new Set();
    const done = (): void => {
      const waiting = this.#waiting ?? [];
      this.#waiting = null;
      for (const callback of waiting) callback();
    };
    batches
      .then(
        (loaded) => this.#take(loaded, offset),
        (error: unknown) => this.#unreadable(offset, error),
      )
      .then(done, (error: unknown) => {
        this.#runtime.log.error({ stream: this.stream.name, error }, 'inbox messages could not be loaded');
        done();
      });
  }
  #take(batches: readonly Buffer[], offset: number): void {
    for (const batch of batches) this.#decode(batch);
    // what was asked for is not there although it is below the stable offset: a hole
    if (this.#find(offset) === undefined) this.#add(offset, offset + 1, [null], 0);
  }
  #decode(batch: Buffer): void {
    let base = -1;
    let sizeBytes = 0;
    const messages: (Message | null)[] = [];
    let lastKey: Buffer | null = null;
    let topic = '';
    try {
      decodeRecords(batch, (record: RecordView) => {
        if (base < 0) base = record.offset;
        const key = record.key();
        // runs of one topic are the rule: its name is made once
        if (lastKey === null || key === null || !lastKey.equals(key)) topic = this.#topicOf(key);
        lastKey = key;
        messages[record.offset - base] = toMessage(record, topic, 1, false);
        sizeBytes += MESSAGE_OVERHEAD_BYTES + Math.max(0, record.valueEnd - record.valueStart);
      });
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      this.#runtime.log.warn({ stream: this.stream.name, error }, 'a stored batch is not readable as messages');
    }
    // it may have been decoded by an earlier load
    if (base >= 0 && this.#find(base) === undefined) this.#add(base, readNextOffset(batch), messages, sizeBytes);
  }
  #unreadable(offset: number, error: unknown): void {
    if (!(error instanceof JournalError)) throw error;
    // Object storage is away for now: the next lookup asks again (the journal backs off).
    if (error.code === 'unavailable') return;
    this.#runtime.log.error({ stream: this.stream.name, offset, error }, 'stored messages are lost to inboxes');
    const next = error.resumeAt !== null && error.resumeAt > offset ? error.resumeAt : offset + 1;
    this.#add(offset, next, [], 0);
  }
  #add(base: number, next: number, messages: readonly (Message | null)[], sizeBytes: number): void {
    const batch: DecodedBatch = { source: this, base, next, messages, sizeBytes: sizeBytes + MESSAGE_OVERHEAD_BYTES };
    this.#decoded.splice(this.#lastAtOrBelow(base) + 1, 0, batch);
    this.#cache.add(batch);
  }
}
