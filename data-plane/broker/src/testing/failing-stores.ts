import { MemoryLogStore, type Chunk, type Log, type LogStore, type StoreError } from '@robustmq/store';

export { FaultyLogStore, MemoryLogStore, StoreError, type LogStore } from '@robustmq/store';

/** All reads fail with `error` while there is one; `reads` counts them. */
export class BrokenReads implements LogStore {
  error: StoreError | null = null;
  reads = 0;
  readonly #inner: LogStore;
  constructor(inner: LogStore) {
    this.#inner = inner;
  }
  async open(stream: string): Promise<Log> {
    const log = await this.#inner.open(stream);
    const read = async (from: number, bytesMax: number): Promise<readonly Chunk[]> => {
      this.reads++;
      if (this.error !== null) throw this.error;
      return log.read(from, bytesMax);
    };
    return new Proxy(log, {
      get: (target, name) => {
        if (name === 'read') return read;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
  list(): readonly string[] {
    return this.#inner.list();
  }
  remove(stream: string): Promise<void> {
    return this.#inner.remove(stream);
  }
  flush(): Promise<void> {
    return this.#inner.flush();
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** A store in memory whose flushes wait for `held`. */
export class HeldFlushes extends MemoryLogStore {
  held: Promise<void> | null = null;
  override async flush(): Promise<void> {
    await this.held;
    await super.flush();
  }
}
