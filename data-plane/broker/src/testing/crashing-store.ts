import { MemoryLogStore, StoreError, type Chunk, type Log, type LogStore } from '@robustmq/store';

/**
 * A store whose process can die: what was not flushed is lost, except for a part of each log that chance keeps. Logs are
 * cut independently of each other, which is harsher than one write-ahead log for all of them.
 */
export class CrashingStore implements LogStore {
  readonly #inner: MemoryLogStore;
  #isDead = false;

  constructor(inner = new MemoryLogStore()) {
    this.#inner = inner;
  }
  async open(stream: string): Promise<Log> {
    this.#check();
    return new CrashingLog(await this.#inner.open(stream), () => this.#check());
  }
  list(): readonly string[] {
    return this.#inner.list();
  }
  async remove(stream: string): Promise<void> {
    this.#check();
    await this.#inner.remove(stream);
  }
  async flush(): Promise<void> {
    this.#check();
    // a flush takes a turn, so that a crash can come in between
    await new Promise((resolve) => setImmediate(resolve));
    this.#check();
    await this.#inner.flush();
  }
  async close(): Promise<void> {}

  /** Ends this process; returns the store the next one finds. `kept(n)`: how many of n unflushed chunks are still there. */
  async crash(kept: (chunks: number) => number): Promise<CrashingStore> {
    this.#isDead = true;
    for (const name of this.#inner.list()) {
      const log = await this.#inner.open(name);
      const unflushed = await log.read(log.stableOffset, Infinity);
      const chunks = unflushed.filter((chunk) => chunk.baseOffset >= log.stableOffset);
      const cut = chunks[kept(chunks.length)];
      if (cut !== undefined) await log.truncate(cut.baseOffset);
    }
    await this.#inner.flush();
    return new CrashingStore(this.#inner);
  }
  #check(): void {
    if (this.#isDead) throw new StoreError('closed', 'crashed');
  }
}

class CrashingLog implements Log {
  readonly #inner: Log;
  readonly #check: () => void;
  constructor(inner: Log, check: () => void) {
    this.#inner = inner;
    this.#check = check;
  }
  get startOffset(): number {
    return this.#inner.startOffset;
  }
  get endOffset(): number {
    return this.#inner.endOffset;
  }
  get stableOffset(): number {
    return this.#inner.stableOffset;
  }
  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }
  append(chunk: Chunk): void {
    this.#check();
    // the journal patches and keeps the bytes it gives away: what is on the medium is its own
    this.#inner.append({ ...chunk, bytes: Buffer.from(chunk.bytes) });
  }
  async read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    this.#check();
    return this.#inner.read(from, bytesMax);
  }
  async seekTime(timestampMs: number): Promise<number> {
    this.#check();
    return this.#inner.seekTime(timestampMs);
  }
  seekSize(bytesMax: number): number {
    return this.#inner.seekSize(bytesMax);
  }
  async truncate(to: number): Promise<void> {
    this.#check();
    await this.#inner.truncate(to);
  }
  async trim(before: number): Promise<void> {
    this.#check();
    await this.#inner.trim(before);
  }
}
