import {
  bufferList,
  checkObjectKey,
  checkObjectPrefix,
  checkObjectRange,
  checkSignal,
  listLimit,
  newRequestTally,
  type ObjectCallOptions,
  type ObjectEntry,
  type ObjectPutOptions,
  type ObjectStore,
} from '../object-store.ts';
import { StoreError } from '../store-error.ts';

/** Objects in memory: for tests and the simulator. They live as long as this object. */
export class MemoryObjectStore implements ObjectStore {
  readonly requests = newRequestTally();
  readonly #objects: Map<string, Buffer>;
  #closed = false;

  /** `objects` lets a later store begin with what an earlier one held. */
  constructor(objects = new Map<string, Buffer>()) {
    this.#objects = objects;
  }
  async put(key: string, bytes: Buffer | readonly Buffer[], options: ObjectPutOptions = {}): Promise<boolean> {
    this.#check(key, options);
    const copy = Buffer.concat(bufferList(bytes));
    await Promise.resolve();
    this.requests.puts++;
    this.requests.bytesWritten += copy.length;
    if (options.ifAbsent === true && this.#objects.has(key)) return false;
    this.#objects.set(key, copy);
    return true;
  }
  async getRange(key: string, start: number, end: number, options: ObjectCallOptions = {}): Promise<Buffer> {
    this.#check(key, options);
    checkObjectRange(key, start, end);
    await Promise.resolve();
    this.requests.gets++;
    const object = this.#objects.get(key);
    if (object === undefined) throw new StoreError('object-missing', key);
    const bytes = Buffer.from(object.subarray(start, end));
    this.requests.bytesRead += bytes.length;
    return bytes;
  }
  async list(prefix: string, after = '', limit?: number): Promise<readonly ObjectEntry[]> {
    if (this.#closed) throw new StoreError('closed', prefix);
    checkObjectPrefix(prefix);
    await Promise.resolve();
    this.requests.lists++;
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    return keys.slice(0, listLimit(limit)).map((key) => ({ key, sizeBytes: this.#objects.get(key)!.length }));
  }
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#check(key);
    await Promise.resolve();
    for (const key of keys) {
      this.requests.deletes++;
      this.#objects.delete(key);
    }
  }
  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(key: string, options: ObjectCallOptions = {}): void {
    if (this.#closed) throw new StoreError('closed', key);
    checkObjectKey(key);
    checkSignal(key, options.signal);
  }
}
