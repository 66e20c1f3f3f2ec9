import { ChunkRun } from './chunk-run.ts';
import type { Chunk, Log, LogStore } from './log.ts';
import { StoreError } from './store-error.ts';
import { checkStreamName } from './stream-name.ts';

/**
 * A medium in memory: for tests, the simulator and namespaces that ask for no durability. What was flushed is "stable"
 * only as long as this object lives.
 */
export class MemoryLogStore implements LogStore {
  readonly #logs = new Map<string, MemoryLog>();
  /** Logs with appends since the last flush, so that a flush costs what was written and not what exists. */
  #dirty: MemoryLog[] = [];
  #flush: Promise<void> | null = null;
  #closed = false;

  async open(stream: string): Promise<Log> {
    if (this.#closed) throw new StoreError('closed', stream);
    checkStreamName(stream);
    let log = this.#logs.get(stream);
    if (log === undefined) {
      log = new MemoryLog(
        stream,
        () => this.#closed,
        (dirty) => this.#dirty.push(dirty),
      );
      this.#logs.set(stream, log);
    }
    return log;
  }
  list(): readonly string[] {
    return [...this.#logs.keys()];
  }
  async remove(stream: string): Promise<void> {
    this.#logs.get(stream)?.drop();
    this.#logs.delete(stream);
  }
  /** Settles in a later microtask, so callers see the same order as with a medium that takes time. */
  flush(): Promise<void> {
    if (this.#closed) return Promise.reject(new StoreError('closed', 'memory'));
    this.#flush ??= Promise.resolve().then(() => {
      this.#flush = null;
      const dirty = this.#dirty;
      this.#dirty = [];
      for (const log of dirty) log.makeStable();
    });
    return this.#flush;
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.flush();
    this.#closed = true;
  }
}

class MemoryLog implements Log {
  readonly #name: string;
  readonly #chunks = new ChunkRun();
  readonly #isClosed: () => boolean;
  readonly #onDirty: (log: MemoryLog) => void;
  #dirty = false;
  #removed = false;
  startOffset = 0;
  endOffset = 0;
  stableOffset = 0;

  constructor(name: string, isClosed: () => boolean, onDirty: (log: MemoryLog) => void) {
    this.#name = name;
    this.#onDirty = onDirty;
    this.#isClosed = isClosed;
  }
  get sizeBytes(): number {
    return this.#chunks.sizeBytes;
  }
  append(chunk: Chunk): void {
    this.#check();
    if (chunk.baseOffset !== this.endOffset || chunk.nextOffset <= chunk.baseOffset) {
      throw new StoreError(
        'not-contiguous',
        `${this.#name} ends at ${this.endOffset}, chunk begins at ${chunk.baseOffset}`,
      );
    }
    this.#chunks.push(chunk);
    this.endOffset = chunk.nextOffset;
    if (!this.#dirty) {
      this.#dirty = true;
      this.#onDirty(this);
    }
  }
  async read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    this.#check();
    if (from < this.startOffset || from > this.endOffset) {
      throw new StoreError(
        'offset-out-of-range',
        `${this.#name} at ${from}, holds ${this.startOffset} to ${this.endOffset}`,
      );
    }
    const found: Chunk[] = [];
    let bytes = 0;
    for (let i = this.#chunks.indexOf(from); i < this.#chunks.count; i++) {
      const chunk = this.#chunks.at(i)!;
      if (found.length > 0 && bytes + chunk.bytes.length > bytesMax) break;
      found.push(chunk);
      bytes += chunk.bytes.length;
    }
    return found;
  }
  async seekTime(timestampMs: number): Promise<number> {
    const chunk = this.#chunks.at(this.#chunks.indexOfTime(timestampMs));
    return chunk === undefined ? this.endOffset : Math.max(chunk.baseOffset, this.startOffset);
  }
  seekSize(bytesMax: number): number {
    let bytes = this.#chunks.sizeBytes;
    for (let i = 0; i < this.#chunks.count; i++) {
      const chunk = this.#chunks.at(i)!;
      if (bytes <= bytesMax) return Math.max(chunk.baseOffset, this.startOffset);
      bytes -= chunk.bytes.length;
    }
    return this.endOffset;
  }
  async truncate(to: number): Promise<void> {
    this.#check();
    if (to >= this.endOffset) return;
    if (to < this.startOffset) throw new StoreError('offset-out-of-range', `${this.#name} at ${to}`);
    this.endOffset = Math.max(Math.min(to, this.#chunks.dropFrom(to) ?? to), this.startOffset);
    this.stableOffset = Math.min(this.stableOffset, this.endOffset);
  }
  async trim(before: number): Promise<void> {
    this.#check();
    if (before <= this.startOffset) return;
    if (before > this.endOffset) throw new StoreError('offset-out-of-range', `${this.#name} at ${before}`);
    this.startOffset = before;
    this.stableOffset = Math.max(this.stableOffset, before);
    this.#chunks.dropBelow(before);
  }
  makeStable(): void {
    this.#dirty = false;
    this.stableOffset = this.endOffset;
  }
  drop(): void {
    this.#removed = true;
    this.#chunks.clear();
  }
  #check(): void {
    if (this.#removed || this.#isClosed()) throw new StoreError('closed', this.#name);
  }
}
