import type { Log, LogStore } from '@robustmq/store';
import { JournalError } from './journal-error.ts';
import type { StreamName } from './journal-types.ts';
import { HIDDEN_PREFIX } from './tier/manifest.ts';

/** Logs the journal keeps beside a stream are named `tier!<what>!<stream>`. */
const HIDDEN = /^tier![a-z]+!/;

/**
 * Several media as one. A stream is where it was made: the engine named when it was opened the first time, else the main
 * one. What the journal keeps beside a stream lies with it when it must come back together with it (claims); manifests
 * and copies lie on the main medium. One flush covers every medium that has anything to write.
 */
export class EngineStores implements LogStore {
  readonly #main: LogStore;
  readonly #others: ReadonlyMap<string, LogStore>;
  /** Streams of the main medium, as far as this object knows. */
  readonly #onMain: Set<string>;
  /** Streams that are not on the main medium. */
  readonly #places = new Map<string, LogStore>();
  /** The medium beside the main one that keeps nothing, as long as it did not fail. */
  #volatile: LogStore | null;
  readonly #onVolatileFailed: (error: unknown) => void;

  constructor(
    main: LogStore,
    others: Readonly<Record<string, LogStore>>,
    onVolatileFailed: (error: unknown) => void = () => undefined,
  ) {
    this.#main = main;
    const memory = others['memory'];
    this.#volatile = memory === main ? null : (memory ?? null);
    this.#onVolatileFailed = onVolatileFailed;
    this.#others = new Map(Object.entries(others).filter(([, store]) => store !== main));
    for (const store of this.#others.values()) for (const name of store.list()) this.#places.set(name, store);
    // Where a removal was cut short a name can be on two media; what the main one has came first.
    this.#onMain = new Set(main.list());
    for (const name of this.#onMain) this.#places.delete(name);
  }
  /** Says where a stream is to be made. One that exists stays where it is. Throws JournalError `engine-unknown`. */
  place(name: StreamName, engine: string, mainEngine: string | undefined): void {
    if (this.#places.has(name) || this.#onMain.has(name) || engine === mainEngine) return;
    const store = this.#others.get(engine);
    if (store === undefined) {
      const known = [...this.#others.keys()].join(', ') || 'none besides the main one';
      throw new JournalError('engine-unknown', `${engine}; there are ${known}`);
    }
    this.#places.set(name, store);
  }
  /** The name of the medium a stream is on; undefined for the main one. */
  engineOf(name: StreamName): string | undefined {
    const store = this.#places.get(name);
    for (const [engine, other] of this.#others) if (other === store) return engine;
    return undefined;
  }

  open(name: string): Promise<Log> {
    const store = this.#storeOf(name);
    if (store === this.#main) this.#onMain.add(name);
    return store.open(name);
  }
  onFailed(callback: (error: Error) => void): void {
    this.#main.onFailed?.(callback);
    for (const [engine, store] of this.#others) if (engine !== 'memory') store.onFailed?.(callback);
  }
  list(): readonly string[] {
    const names = new Set(this.#main.list());
    for (const store of this.#others.values()) for (const name of store.list()) names.add(name);
    return [...names];
  }
  async remove(name: string): Promise<void> {
    await this.#storeOf(name).remove(name);
    this.#places.delete(name);
    this.#onMain.delete(name);
  }
  async flush(): Promise<void> {
    if (this.#places.size === 0) return this.#main.flush();
    const others = [...this.#others].filter(([engine]) => engine !== 'memory').map(([, store]) => store);
    await Promise.all([this.#main.flush(), this.#flushVolatile(), ...others.map((store) => store.flush())]);
  }
  /** Nothing on it waits for a flush, so nobody else's acknowledgement may depend on it. It is not flushed again. */
  async #flushVolatile(): Promise<void> {
    try {
      await this.#volatile?.flush();
    } catch (error) {
      this.#volatile = null;
      this.#onVolatileFailed(error);
    }
  }
  async close(): Promise<void> {
    await Promise.all([this.#main.close(), ...[...this.#others.values()].map((store) => store.close())]);
  }
  #storeOf(name: string): LogStore {
    if (!name.startsWith(HIDDEN_PREFIX)) return this.#places.get(name) ?? this.#main;
    const stream = name.startsWith(`${HIDDEN_PREFIX}claims!`) ? name.replace(HIDDEN, '') : null;
    return (stream === null ? undefined : this.#places.get(stream)) ?? this.#main;
  }
}
