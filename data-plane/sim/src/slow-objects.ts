import {
  type MemoryObjectStore,
  StoreError,
  type ObjectCallOptions,
  type ObjectEntry,
  type ObjectPutOptions,
  type ObjectStore,
} from '@robustmq/store';
import type { ProcessRuntime, World } from './world.ts';

const CALL_MS_MAX = 15;
const ERROR_SHARE = 0.02;

/**
 * Object storage somewhere else, as one process sees it: it outlives processes and power, takes its time, fails now and
 * then, and a put or delete that is under way when the process dies may have happened.
 */
export class SlowObjects implements ObjectStore {
  readonly #world: World;
  readonly #runtime: ProcessRuntime;
  readonly #inner: MemoryObjectStore;

  constructor(world: World, runtime: ProcessRuntime, inner: MemoryObjectStore) {
    this.#world = world;
    this.#runtime = runtime;
    this.#inner = inner;
  }
  get requests(): MemoryObjectStore['requests'] {
    return this.#inner.requests;
  }
  put(key: string, bytes: Buffer | readonly Buffer[], options?: ObjectPutOptions): Promise<boolean> {
    // the bytes are on their way when the process dies
    const copy = Buffer.concat(Array.isArray(bytes) ? bytes : [bytes as Buffer]);
    return this.#call(`put ${key}`, true, () => this.#inner.put(key, copy, options));
  }
  getRange(key: string, start: number, end: number, options?: ObjectCallOptions): Promise<Buffer> {
    return this.#call(`get ${key}`, false, () => this.#inner.getRange(key, start, end, options));
  }
  list(prefix: string, after?: string, limit?: number): Promise<readonly ObjectEntry[]> {
    return this.#call(`list ${prefix}`, false, () => this.#inner.list(prefix, after, limit));
  }
  delete(keys: readonly string[]): Promise<void> {
    return this.#call(`delete ${keys.join(' ')}`, true, () => this.#inner.delete(keys));
  }

  async #call<T>(what: string, survives: boolean, run: () => Promise<T>): Promise<T> {
    const { chance } = this.#world;
    const fails = chance.is(ERROR_SHARE);
    const goesOn = survives && chance.is(0.5);
    await new Promise<void>((resolve) => this.#world.after(chance.between(0.1, CALL_MS_MAX), resolve));
    const isAlive = this.#runtime.isAlive;
    if (isAlive || goesOn)
      this.#world.trace(`objects: ${what}${fails ? ' fails' : ''}${isAlive ? '' : ' for the dead'}`);
    if (!isAlive) {
      if (goesOn) await run();
      return new Promise<T>(() => undefined);
    }
    if (fails) throw new StoreError('object-unavailable', `${what}: injected`);
    return run();
  }
}
