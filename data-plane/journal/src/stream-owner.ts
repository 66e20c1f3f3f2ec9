import { StoreError, type Chunk, type Log } from '@robustmq/store';
import type { Commit } from './commit.ts';
import { decodeRecords } from './decode-records.ts';
import { JournalError } from './journal-error.ts';
import type { Stream, StreamName, StreamPolicy } from './journal-types.ts';
import { patchBase, readLastOffsetDelta, readMaxTimestampMs, readNextOffset } from './record-batch.ts';
import { StreamTail, type TailCache } from './tail-cache.ts';

/** Bytes read at a time while looking for a record by time. */
const SEEK_READ_BYTES = 256 * 1024;
const NOTHING: readonly Buffer[] = Object.freeze([]);

/** What a stream asks of the journal it belongs to. */
export interface StreamHost {
  readonly tails: TailCache;
  /** Told of every append; returns the commit that it rides on. */
  appended(stream: StreamOwner, sizeBytes: number): Commit;
  /** The commit an append gets that the medium refused. */
  refused(error: unknown): Commit;
}

interface Waiter {
  readonly offset: number;
  readonly callback: () => void;
}

/**
 * The single owner of one stream's tail. Invariant: `startOffset ≤ stableOffset ≤ endOffset`, and readers see nothing
 * at or above `stableOffset`.
 */
export class StreamOwner implements Stream {
  readonly name: StreamName;
  policy: StreamPolicy;
  readonly #log: Log;
  readonly #host: StreamHost;
  readonly #tail = new StreamTail();
  readonly #waiters = new Set<Waiter>();
  #endOffset: number;
  #stableOffset: number;
  #closed = false;
  /** `endOffset` as of the flush that is running; belongs to the journal's flush. */
  flushingOffset = 0;
  /** True while the stream is on the journal's list of streams with appends since the last flush. */
  dirty = false;

  constructor(name: StreamName, policy: StreamPolicy, log: Log, host: StreamHost) {
    this.name = name;
    this.policy = policy;
    this.#log = log;
    this.#host = host;
    this.#endOffset = log.endOffset;
    this.#stableOffset = log.endOffset;
  }

  get startOffset(): number {
    return this.#log.startOffset;
  }
  get endOffset(): number {
    return this.#endOffset;
  }
  get stableOffset(): number {
    return this.#stableOffset;
  }
  get sizeBytes(): number {
    return this.#log.sizeBytes;
  }

  get hasWaiters(): boolean {
    return this.#waiters.size > 0;
  }

  append(batch: Buffer): Commit {
    const baseOffset = this.#endOffset;
    const nextOffset = baseOffset + readLastOffsetDelta(batch) + 1;
    patchBase(batch, baseOffset, 0);
    const chunk: Chunk = { baseOffset, nextOffset, timestampMs: readMaxTimestampMs(batch), bytes: batch };
    try {
      if (this.#closed) throw new JournalError('closed', this.name);
      this.#log.append(chunk);
    } catch (error) {
      return this.#host.refused(error);
    }
    this.#endOffset = nextOffset;
    this.#host.tails.add(this.#tail, chunk);
    return this.#host.appended(this, batch.length);
  }

  read(from: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]> {
    if (this.#closed) throw new JournalError('closed', this.name);
    if (from < this.startOffset || from > this.#endOffset) throw this.#outOfRange(from);
    if (from >= this.#stableOffset) return NOTHING;
    const chunks = this.#tail.chunks;
    const first = chunks.first;
    if (first === undefined || first.baseOffset > from) return this.#readLog(from, bytesMax);
    this.#host.tails.touch(this.#tail);
    const found: Buffer[] = [];
    let bytes = 0;
    for (let i = chunks.indexOf(from); i < chunks.count; i++) {
      const chunk = chunks.at(i)!;
      if (chunk.nextOffset > this.#stableOffset) break;
      if (found.length > 0 && bytes + chunk.bytes.length > bytesMax) break;
      found.push(chunk.bytes);
      bytes += chunk.bytes.length;
    }
    return found;
  }

  async offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null> {
    let at: number;
    try {
      at = Math.max(await this.#log.seekTime(timestampMs), this.startOffset);
    } catch (error) {
      throw this.#translated(error);
    }
    while (at < this.#stableOffset) {
      for (const batch of await this.#readLog(at, SEEK_READ_BYTES)) {
        const found = readMaxTimestampMs(batch) < timestampMs ? null : this.#recordAtTime(batch, timestampMs);
        if (found !== null) return found;
        at = readNextOffset(batch);
      }
    }
    return null;
  }

  onStableBeyond(offset: number, callback: () => void): () => void {
    if (this.#stableOffset > offset) {
      callback();
      return forgetNothing;
    }
    const waiter: Waiter = { offset, callback };
    this.#waiters.add(waiter);
    return () => this.#waiters.delete(waiter);
  }

  async trim(before: number): Promise<void> {
    if (this.#closed) throw new JournalError('closed', this.name);
    if (before < 0 || before > this.#stableOffset) throw this.#outOfRange(before);
    try {
      await this.#log.trim(before);
    } catch (error) {
      throw this.#translated(error);
    }
    this.#host.tails.dropBelow(this.#tail, before);
  }

  /** Lets go what the policy no longer keeps. Returns whether anything went. */
  async enforceRetention(nowMs: number): Promise<boolean> {
    const { retentionMs, retentionBytes } = this.policy;
    let before = this.startOffset;
    if (retentionMs >= 0) before = Math.max(before, await this.#log.seekTime(nowMs - retentionMs));
    if (retentionBytes >= 0 && this.sizeBytes > retentionBytes) {
      before = Math.max(before, this.#log.seekSize(retentionBytes));
    }
    before = Math.min(before, this.#stableOffset);
    if (this.#closed || before <= this.startOffset) return false;
    await this.trim(before);
    return true;
  }

  /** Moves the stable offset; waiters are woken by `wake`, later. Only the journal calls it. */
  makeStable(offset: number): void {
    if (offset > this.#stableOffset) this.#stableOffset = offset;
  }
  /**
   * Calls the waiters whose offset is stable, in the order they came. One that throws stops nobody: `onError` gets it.
   */
  wake(onError: (error: unknown) => void): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of this.#waiters) {
      // One that a callback adds is met here too, and is not due.
      if (waiter.offset >= this.#stableOffset || !this.#waiters.delete(waiter)) continue;
      try {
        waiter.callback();
      } catch (error) {
        onError(error);
      }
    }
  }
  /** The stream is gone or the journal closed: refuses from now on. */
  close(): void {
    this.#closed = true;
    this.#waiters.clear();
    this.#host.tails.clear(this.#tail);
  }

  async #readLog(from: number, bytesMax: number): Promise<readonly Buffer[]> {
    try {
      const stable = this.#stableOffset;
      const chunks = await this.#log.read(from, bytesMax);
      return chunks.filter((chunk) => chunk.nextOffset <= stable).map((chunk) => chunk.bytes);
    } catch (error) {
      throw this.#translated(error);
    }
  }
  #recordAtTime(batch: Buffer, timestampMs: number): { offset: number; timestampMs: number } | null {
    let found: { offset: number; timestampMs: number } | null = null;
    decodeRecords(batch, (record) => {
      if (record.timestampMs < timestampMs || record.offset < this.startOffset) return true;
      found = { offset: record.offset, timestampMs: record.timestampMs };
      return false;
    });
    return found;
  }
  #outOfRange(offset: number): JournalError {
    return new JournalError(
      'offset-out-of-range',
      `${this.name} at ${offset}, holds ${this.startOffset} to ${this.#endOffset}`,
    );
  }
  #translated(error: unknown): unknown {
    if (!(error instanceof StoreError)) return error;
    const code =
      error.code === 'offset-out-of-range' || error.code === 'corrupt' || error.code === 'closed'
        ? error.code
        : 'failed';
    return new JournalError(code, error.where, { cause: error, resumeAt: error.resumeAt });
  }
}

function forgetNothing(): void {}
