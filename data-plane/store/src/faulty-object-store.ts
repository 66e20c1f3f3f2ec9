import type { Runtime } from '@robustmq/wire';
import type {
  ObjectCallOptions,
  ObjectEntry,
  ObjectPutOptions,
  ObjectRequestCounts,
  ObjectStore,
} from './object-store.ts';
import { StoreError } from './store-error.ts';

/** How often and how an object store misbehaves; chances are 0 to 1. */
export interface ObjectFaults {
  /** Every call takes up to this long before it is looked at. */
  readonly delayMsMax: number;
  /** A call fails with `object-unavailable`, and nothing was done. */
  readonly errorBeforeChance: number;
  /** A put or delete is done, and then fails with `object-unavailable`: its answer was lost. */
  readonly errorAfterChance: number;
  /** A delete removes some of its keys and then fails. */
  readonly partialDeleteChance: number;
  /** A read breaks off in the middle: `object-unavailable`, never fewer bytes than asked for. */
  readonly partialReadChance: number;
  /** A call fails with `object-throttled`, and so do the next `throttledCalls` ones. */
  readonly throttleChance: number;
  readonly throttledCalls: number;
}

const NO_FAULTS: ObjectFaults = {
  delayMsMax: 0,
  errorBeforeChance: 0,
  errorAfterChance: 0,
  partialDeleteChance: 0,
  partialReadChance: 0,
  throttleChance: 0,
  throttledCalls: 3,
};

/**
 * Any object store, misbehaving by a seed, as one does after an engine has used up its retries. For tests and the
 * simulator. Time and chance come from `runtime`. `crash` makes it that of a process that died.
 */
export class FaultyObjectStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #runtime: Runtime;
  faults: ObjectFaults;
  /** Called with the name of each call and its key before anything else: the place to stop the world at. */
  onCall: (call: 'put' | 'getRange' | 'list' | 'delete', key: string) => void = () => undefined;
  #throttled = 0;
  #crashed = false;

  constructor(inner: ObjectStore, runtime: Runtime, faults: Partial<ObjectFaults> = {}) {
    this.#inner = inner;
    this.#runtime = runtime;
    this.faults = { ...NO_FAULTS, ...faults };
  }
  get requests(): ObjectRequestCounts {
    return this.#inner.requests;
  }
  async put(key: string, bytes: Buffer | readonly Buffer[], options?: ObjectPutOptions): Promise<boolean> {
    // What is put is what was handed over, whatever the caller does with it during the delay.
    const copy = Buffer.concat(Buffer.isBuffer(bytes) ? [bytes] : bytes);
    await this.#before('put', key);
    const done = await this.#inner.put(key, copy, options);
    this.#after(`put ${key}`);
    return done;
  }
  async getRange(key: string, start: number, end: number, options?: ObjectCallOptions): Promise<Buffer> {
    await this.#before('getRange', key);
    const bytes = await this.#inner.getRange(key, start, end, options);
    this.#checkAlive();
    if (this.#happens(this.faults.partialReadChance)) throw lost(`getRange ${key}, broken off`);
    return bytes;
  }
  async list(prefix: string, after?: string, limit?: number): Promise<readonly ObjectEntry[]> {
    await this.#before('list', prefix);
    const entries = await this.#inner.list(prefix, after, limit);
    this.#checkAlive();
    return entries;
  }
  async delete(keys: readonly string[]): Promise<void> {
    await this.#before('delete', keys[0] ?? '');
    if (this.#happens(this.faults.partialDeleteChance)) {
      await this.#inner.delete(keys.slice(0, Math.floor(this.#chance() * keys.length)));
      throw lost('delete, in part');
    }
    await this.#inner.delete(keys);
    this.#after('delete');
  }
  async close(): Promise<void> {
    if (!this.#crashed) await this.#inner.close?.();
  }

  /**
   * The process dies: nobody gets anything from this object any more, though what is under way may still happen.
   * Returns what the next process finds.
   */
  crash(): ObjectStore {
    this.#crashed = true;
    return this.#inner;
  }

  async #before(call: 'put' | 'getRange' | 'list' | 'delete', key: string): Promise<void> {
    this.#checkAlive();
    this.onCall(call, key);
    const delayMs = this.#chance() * this.faults.delayMsMax;
    if (delayMs > 0) await new Promise<void>((resolve) => this.#runtime.after(delayMs, resolve));
    this.#checkAlive();
    if (this.#throttled > 0 || this.#happens(this.faults.throttleChance)) {
      this.#throttled = this.#throttled > 0 ? this.#throttled - 1 : this.faults.throttledCalls;
      throw new StoreError('object-throttled', `injected into ${call} ${key}`);
    }
    if (this.#happens(this.faults.errorBeforeChance)) throw lost(`${call} ${key}, before`);
  }
  #after(call: string): void {
    this.#checkAlive();
    if (this.#happens(this.faults.errorAfterChance)) throw lost(`${call}, after`);
  }
  #checkAlive(): void {
    if (this.#crashed) throw new StoreError('closed', 'crashed');
  }
  #happens(chance: number): boolean {
    return chance > 0 && this.#chance() < chance;
  }
  #chance(): number {
    return this.#runtime.randomBytes(4).readUInt32BE(0) / 2 ** 32;
  }
}

function lost(where: string): StoreError {
  return new StoreError('object-unavailable', `injected into ${where}`);
}
