import {
  decodeRecords,
  JournalError,
  readBaseOffset,
  readNextOffset,
  type RecordView,
  type Stream,
} from '@robustmq/journal';
import type { Cancel, Runtime } from '@robustmq/wire';
import { toMessage } from './message-record.ts';
import type { Message } from './message.ts';

/** Bytes read from a stream at a time when an inbox is emptied. */
const LOAD_BYTES = 256 * 1024;
/** Decoded messages kept for inboxes, over all namespaces of a node: each is counted with this much beside its payload. */
const CACHE_BYTES_MAX = 32 * 2 ** 20;
const MESSAGE_OVERHEAD_BYTES = 256;
/** A failed read is repeated after this long, and twice as long each time it fails again … */
const RETRY_MS_MIN = 100;
/** … but not longer than this. */
const RETRY_MS_MAX = 10_000;
/** Offsets of one source that wait for a repeat on their own; readers of more of them wait with the first one. */
const PAUSED_MAX = 64;

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

/** What all sources of a namespace use. */
export interface SourceParts {
  readonly cache: MessageCache;
  readonly runtime: Runtime;
  /** Messages of the offsets `[from, to)` are damaged and given up. */
  onLost(source: RecordSource, from: number, to: number): void;
}

/** Readers of an offset whose read failed. */
interface Pause {
  readonly waiting: Set<() => void>;
  readonly cancel: Cancel;
}

/**
 * A stream whose records inboxes refer to, read as messages on demand. A message is given up only when it is known to be
 * gone: let go by the stream, damaged, or removed with its topic. Whatever else a read fails with, it is repeated later.
 */
export class RecordSource {
  /** Its position in the namespace's list of sources: what an inbox entry holds. */
  readonly index: number;
  readonly identity: SourceIdentity;
  readonly stream: Stream;
  readonly #topicOf: (key: Buffer | null) => string;
  readonly #parts: SourceParts;
  /** By base offset. */
  readonly #decoded: DecodedBatch[] = [];
  /** Who waits for the read that is under way. */
  #waiting: Set<() => void> | null = null;
  /** By offset; in the order they failed. */
  readonly #paused = new Map<number, Pause>();
  /** Failed reads since the last one that was not. */
  #failures = 0;
  #isRemoved = false;

  constructor(
    index: number,
    identity: SourceIdentity,
    stream: Stream,
    topicOf: (key: Buffer | null) => string,
    parts: SourceParts,
  ) {
    this.index = index;
    this.identity = identity;
    this.stream = stream;
    this.#topicOf = topicOf;
    this.#parts = parts;
  }

  /** The message at a stable offset; null when it is gone for good, undefined when it cannot be had now: see `whenLoaded`. */
  lookup(offset: number): Message | null | undefined {
    const found = this.#find(offset);
    if (found !== undefined) return found.messages[offset - found.base] ?? null;
    if (this.#isRemoved || offset < this.stream.startOffset || offset >= this.stream.stableOffset) return null;
    if (this.#waiting !== null || this.#pauseOf(offset) !== undefined) return undefined;
    try {
      const batches = this.stream.read(offset, LOAD_BYTES);
      if (batches instanceof Promise) {
        this.#await(batches, offset);
        return undefined;
      }
      this.#take(batches, offset);
    } catch (error) {
      this.#unreadable(offset, error);
      if (this.#paused.has(offset)) return undefined;
    }
    const loaded = this.#find(offset);
    return loaded === undefined ? null : (loaded.messages[offset - loaded.base] ?? null);
  }
  /** Calls back once when it is worth another `lookup` of this offset, which has just returned undefined. */
  whenLoaded(offset: number, callback: () => void): void {
    (this.#pauseOf(offset)?.waiting ?? this.#waiting)?.add(callback);
  }
  /** The stream was removed: nothing can be read any more, and who waits for it is told. */
  remove(): void {
    this.#isRemoved = true;
    for (const offset of [...this.#paused.keys()]) this.#resume(offset);
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
    const waiting = new Set<() => void>();
    this.#waiting = waiting;
    batches
      .then((loaded) => {
        this.#take(loaded, offset);
        this.#failures = 0;
      })
      .catch((error: unknown) => this.#unreadable(offset, error))
      .finally(() => {
        this.#waiting = null;
        for (const callback of waiting) callback();
      })
      .catch((error: unknown) => {
        this.#parts.runtime.log.error({ stream: this.stream.name, error }, 'a reader of an inbox failed');
      });
  }
  #take(batches: readonly Buffer[], offset: number): void {
    // What was asked for is decoded last: the cache may have room for it alone.
    for (const batch of batches.toReversed()) this.#decode(batch);
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
      this.#parts.runtime.log.error({ stream: this.stream.name, error }, 'a stored batch is not readable as messages');
      if (base < 0) base = readBaseOffset(batch);
      this.#parts.onLost(this, base + messages.length, readNextOffset(batch));
    }
    // it may have been decoded by an earlier load
    if (base >= 0 && this.#find(base) === undefined) this.#add(base, readNextOffset(batch), messages, sizeBytes);
  }
  #unreadable(offset: number, error: unknown): void {
    const { runtime, onLost } = this.#parts;
    const code = error instanceof JournalError ? error.code : null;
    if (code !== 'corrupt') {
      // Trimmed or removed while it was read: the next lookup says so.
      if (offset < this.stream.startOffset || this.#isRemoved) return;
      runtime.log.warn({ stream: this.stream.name, offset, error }, 'messages for inboxes cannot be read now');
      this.#pause(offset);
      return;
    }
    runtime.log.error({ stream: this.stream.name, offset, error }, 'stored messages are lost to inboxes');
    const resumeAt = (error as JournalError).resumeAt;
    const next = resumeAt !== null && resumeAt > offset ? resumeAt : offset + 1;
    this.#add(offset, next, [], 0);
    onLost(this, offset, next);
  }
  #pauseOf(offset: number): Pause | undefined {
    const own = this.#paused.get(offset);
    if (own !== undefined || this.#paused.size < PAUSED_MAX) return own;
    return this.#paused.values().next().value;
  }
  #pause(offset: number): void {
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    const cancel = this.#parts.runtime.after(delayMs, () => this.#resume(offset));
    this.#paused.set(offset, { waiting: new Set(), cancel });
  }
  #resume(offset: number): void {
    const pause = this.#paused.get(offset);
    if (pause === undefined) return;
    this.#paused.delete(offset);
    pause.cancel();
    for (const callback of pause.waiting) callback();
  }
  #add(base: number, next: number, messages: readonly (Message | null)[], sizeBytes: number): void {
    const batch: DecodedBatch = { source: this, base, next, messages, sizeBytes: sizeBytes + MESSAGE_OVERHEAD_BYTES };
    this.#decoded.splice(this.#lastAtOrBelow(base) + 1, 0, batch);
    this.#parts.cache.add(batch);
  }
}
