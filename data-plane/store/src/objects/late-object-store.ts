import type { Cancel, Runtime } from '@robustmq/wire';
import {
  newRequestTally,
  type ObjectCallOptions,
  type ObjectEntry,
  type ObjectPutOptions,
  type ObjectRequestCounts,
  type ObjectStore,
} from '../object-store.ts';
import { StoreError } from '../store-error.ts';

/** First wait before a server is tried again; it doubles up to the second. */
const AGAIN_MS = 1000;
const AGAIN_MS_MAX = 60_000;

/**
 * An object store that did not answer when it was opened. Every call fails with `object-unavailable` until it does; it is
 * tried again in the background, ever more rarely. So a process can start without it and serve what it has itself. When
 * the server answers with a refusal for good (`bad-config`, `object-denied`), that is what calls fail with from then on.
 */
export class LateObjectStore implements ObjectStore {
  readonly #open: () => Promise<ObjectStore>;
  readonly #runtime: Runtime;
  readonly #where: string;
  #inner: ObjectStore | null = null;
  #refusal: StoreError;
  #closed = false;
  #cancel: Cancel = () => undefined;
  readonly #noRequests = newRequestTally();

  constructor(where: string, open: () => Promise<ObjectStore>, runtime: Runtime, refusal: StoreError) {
    this.#where = where;
    this.#open = open;
    this.#runtime = runtime;
    this.#refusal = refusal;
    runtime.log.error({ engine: where, error: refusal }, 'object storage does not answer; going on without it');
    this.#tryLater(AGAIN_MS);
  }
  get requests(): ObjectRequestCounts {
    return this.#inner?.requests ?? this.#noRequests;
  }
  async put(key: string, bytes: Buffer | readonly Buffer[], options?: ObjectPutOptions): Promise<boolean> {
    return this.#store(key).put(key, bytes, options);
  }
  async getRange(key: string, start: number, end: number, options?: ObjectCallOptions): Promise<Buffer> {
    return this.#store(key).getRange(key, start, end, options);
  }
  async list(prefix: string, after?: string, limit?: number): Promise<readonly ObjectEntry[]> {
    return this.#store(prefix).list(prefix, after, limit);
  }
  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#store(keys[0]!).delete(keys);
  }
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#inner?.close?.();
  }

  #store(key: string): ObjectStore {
    if (this.#inner !== null) return this.#inner;
    if (this.#closed) throw new StoreError('closed', key);
    throw new StoreError(this.#refusal.code, `${this.#where}: ${this.#refusal.where}`, { cause: this.#refusal });
  }
  #tryLater(delayMs: number): void {
    this.#cancel = this.#runtime.after(delayMs, () => void this.#try(delayMs));
  }
  async #try(delayMs: number): Promise<void> {
    try {
      const opened = await this.#open();
      if (this.#closed) return await opened.close?.();
      this.#inner = opened;
      this.#runtime.log.info({ engine: this.#where }, 'object storage answers');
    } catch (error) {
      if (this.#closed) return;
      if (error instanceof StoreError) this.#refusal = error;
      this.#runtime.log.warn({ engine: this.#where, error }, 'object storage still cannot be used');
      this.#tryLater(Math.min(delayMs * 2, AGAIN_MS_MAX));
    }
  }
}
