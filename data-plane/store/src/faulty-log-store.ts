import type { Runtime } from '@robustmq/wire';
import type { Chunk, Log, LogStore } from './log.ts';
import { StoreError } from './store-error.ts';

/** How often and how a medium misbehaves; chances are 0 to 1. */
export interface Faults {
  /** A flush takes up to this long. */
  readonly delayMsMax: number;
  /** A flush fails, and with it the medium. */
  readonly flushErrorChance: number;
  /** A read fails with `io`; the next one may succeed. */
  readonly readErrorChance: number;
  /** `crash` keeps whole chunks of what was not flushed up to a random point; false = loses all of it. */
  readonly tear: boolean;
}

const NO_FAULTS: Faults = { delayMsMax: 0, flushErrorChance: 0, readErrorChance: 0, tear: true };

/**
 * Any medium, misbehaving by a seed: delays, errors, and crashes that lose what was not flushed. For tests and the
 * simulator. Time and chance come from `runtime`.
 */
export class FaultyLogStore implements LogStore {
  readonly #inner: LogStore;
  readonly #runtime: Runtime;
  readonly #logs = new Map<string, FaultyLog>();
  faults: Faults;
  #failure: StoreError | null = null;
  #crashed = false;

  constructor(inner: LogStore, runtime: Runtime, faults: Partial<Faults> = {}) {
    this.#inner = inner;
    this.#runtime = runtime;
    this.faults = { ...NO_FAULTS, ...faults };
  }
  async open(stream: string): Promise<Log> {
    this.check();
    const inner = await this.#inner.open(stream);
    let log = this.#logs.get(stream);
    if (log === undefined || log.inner !== inner) {
      log = new FaultyLog(inner, this);
      this.#logs.set(stream, log);
    }
    return log;
  }
  list(): readonly string[] {
    return this.#inner.list();
  }
  async remove(stream: string): Promise<void> {
    this.check();
    this.#logs.delete(stream);
    await this.#inner.remove(stream);
  }
  async flush(): Promise<void> {
    this.check();
    const delayMs = this.#chance() * this.faults.delayMsMax;
    if (delayMs > 0) await new Promise<void>((resolve) => this.#runtime.after(delayMs, resolve));
    this.check();
    if (this.happens(this.faults.flushErrorChance)) {
      this.#failure = new StoreError('io', 'injected into flush');
      throw this.#failure;
    }
    await this.#inner.flush();
  }
  async close(): Promise<void> {
    if (!this.#crashed) await this.#inner.close();
  }

  /**
   * The process dies: what was not flushed is lost, but for a random part of it if the faults say so. Nobody gets
   * anything from this object any more; the medium underneath is as a new process would find it, and can be wrapped
   * again.
   */
  async crash(): Promise<LogStore> {
    this.#crashed = true;
    for (const { inner } of this.#logs.values()) {
      const { stableOffset, endOffset } = inner;
      const kept = this.faults.tear ? Math.floor(this.#chance() * (endOffset - stableOffset + 1)) : 0;
      await inner.truncate(stableOffset + kept);
    }
    await this.#inner.flush();
    return this.#inner;
  }

  /** Throws what this medium has come to. */
  check(): void {
    if (this.#crashed) throw new StoreError('closed', 'crashed');
    if (this.#failure !== null) throw new StoreError('failed', this.#failure.where, { cause: this.#failure });
  }
  happens(chance: number): boolean {
    return chance > 0 && this.#chance() < chance;
  }
  #chance(): number {
    return this.#runtime.randomBytes(4).readUInt32BE(0) / 2 ** 32;
  }
}

class FaultyLog implements Log {
  readonly inner: Log;
  readonly #store: FaultyLogStore;
  constructor(inner: Log, store: FaultyLogStore) {
    this.inner = inner;
    this.#store = store;
  }
  get startOffset(): number {
    return this.inner.startOffset;
  }
  get endOffset(): number {
    return this.inner.endOffset;
  }
  get stableOffset(): number {
    return this.inner.stableOffset;
  }
  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }
  append(chunk: Chunk): void {
    this.#store.check();
    this.inner.append(chunk);
  }
  async read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    this.#store.check();
    if (this.#store.happens(this.#store.faults.readErrorChance)) throw new StoreError('io', 'injected into read');
    return this.inner.read(from, bytesMax);
  }
  async seekTime(timestampMs: number): Promise<number> {
    this.#store.check();
    return this.inner.seekTime(timestampMs);
  }
  seekSize(bytesMax: number): number {
    return this.inner.seekSize(bytesMax);
  }
  async truncate(to: number): Promise<void> {
    this.#store.check();
    await this.inner.truncate(to);
  }
  async trim(before: number): Promise<void> {
    this.#store.check();
    await this.inner.trim(before);
  }
}
