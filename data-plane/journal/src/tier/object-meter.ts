import type {
  ObjectCallOptions,
  ObjectEntry,
  ObjectPutOptions,
  ObjectRequestCounts,
  ObjectStore,
} from '@robustmq/store';

/** What one stream asked of object storage since the journal was opened. Only ever grows. */
export interface ObjectTally {
  /** Calls of all kinds; retries inside an engine and refused calls are no requests a provider bills. */
  requests: number;
  bytesWritten: number;
  bytesRead: number;
}

/** Told of every request to object storage: the name of its stream, and the bytes sent and received with it. */
export type ObjectRequestListener = (stream: string, bytesWritten: number, bytesRead: number) => void;

/**
 * Counts the requests of each stream to object storage. `store` gives a stream its own view of the store: same objects,
 * counted calls.
 */
export class ObjectMeter {
  readonly #cold: ObjectStore;
  readonly #tallies = new Map<string, ObjectTally>();
  readonly listeners: ObjectRequestListener[] = [];

  constructor(cold: ObjectStore) {
    this.#cold = cold;
  }
  of(stream: string): ObjectTally {
    let tally = this.#tallies.get(stream);
    if (tally === undefined) this.#tallies.set(stream, (tally = { requests: 0, bytesWritten: 0, bytesRead: 0 }));
    return tally;
  }
  /** What a stream has so far; undefined as long as it asked for nothing. */
  known(stream: string): ObjectTally | undefined {
    return this.#tallies.get(stream);
  }
  /** The stream is gone. */
  forget(stream: string): void {
    this.#tallies.delete(stream);
  }
  store(stream: string): ObjectStore {
    return new MeteredObjects(this.#cold, (written, read) => this.#count(stream, written, read));
  }

  #count(stream: string, bytesWritten: number, bytesRead: number): void {
    const tally = this.of(stream);
    tally.requests++;
    tally.bytesWritten += bytesWritten;
    tally.bytesRead += bytesRead;
    for (const listener of this.listeners) listener(stream, bytesWritten, bytesRead);
  }
}

/** Counts a call when it has its answer, so that what never arrived is not paid for. */
class MeteredObjects implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #count: (bytesWritten: number, bytesRead: number) => void;

  constructor(inner: ObjectStore, count: (bytesWritten: number, bytesRead: number) => void) {
    this.#inner = inner;
    this.#count = count;
  }
  get requests(): ObjectRequestCounts {
    return this.#inner.requests;
  }
  async put(key: string, bytes: Buffer | readonly Buffer[], options?: ObjectPutOptions): Promise<boolean> {
    const stored = await this.#inner.put(key, bytes, options);
    const size = Buffer.isBuffer(bytes) ? bytes.length : bytes.reduce((sum, { length }) => sum + length, 0);
    this.#count(size, 0);
    return stored;
  }
  async getRange(key: string, start: number, end: number, options?: ObjectCallOptions): Promise<Buffer> {
    const bytes = await this.#inner.getRange(key, start, end, options);
    this.#count(0, bytes.length);
    return bytes;
  }
  async list(prefix: string, after?: string, limit?: number): Promise<readonly ObjectEntry[]> {
    const found = await this.#inner.list(prefix, after, limit);
    this.#count(0, 0);
    return found;
  }
  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#inner.delete(keys);
    this.#count(0, 0);
  }
}
