import { FileLogStore, MemoryLogStore, RocksDbLogStore, StoreError } from '@robustmq/store';
import type { LogStore, ObjectStore } from '@robustmq/store';
import type { Cancel, Runtime } from '@robustmq/wire';
import { Commit } from './commit.ts';
import { JournalError } from './journal-error.ts';
import { EngineStores } from './engine-stores.ts';
import type { PolicyChange, Stream, StreamName, StreamPolicy, TierPolicy } from './journal-types.ts';
import { StreamOwner, type StreamHost } from './stream-owner.ts';
import { TailCache } from './tail-cache.ts';
import type { Claim } from './tier/claim.ts';
import { HIDDEN_PREFIX } from './tier/manifest.ts';
import type { ObjectRequestListener } from './tier/object-meter.ts';
import { Tiering } from './tier/tiering.ts';

const TAIL_CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** What streams with durability `memory` append is flushed at the latest after this time … */
const MEMORY_FLUSH_DELAY_MS = 1000;
/** … or as soon as this much of it waits. */
const MEMORY_FLUSH_BYTES = 8 * 1024 * 1024;

/** Streams trimmed by retention at a time: their trims share a flush. */
const RETENTION_STREAMS_MAX = 32;

/** How long `close` waits for moves that wait for object storage. */
const TIERING_STOP_MS = 2000;

export interface JournalOptions {
  /** The main medium: whatever no policy places elsewhere, and what the journal keeps for itself. */
  readonly store: LogStore;
  /** The name policies have for `store`; absent = what it is. */
  readonly engine?: string;
  /** Further media by the names policies have for them, closed with `store`. There is always a `memory`. */
  readonly engines?: Readonly<Record<string, LogStore>>;
  readonly runtime: Runtime;
  /** Bytes of newest batches kept readable without the store, over all streams. Default 64 MiB. */
  readonly tailCacheBytesMax?: number;
  /** Object storage for streams whose policy has a tier. The journal does not close it. */
  readonly objects?: ObjectStore;
  /** The tier of streams whose policy has none. */
  readonly tierOf?: (name: StreamName) => TierPolicy | undefined;
  /** Bytes of batches an object is filled with. Default 16 MiB. */
  readonly objectBytes?: number;
  /** Bytes of objects kept in memory, over all streams. Default 64 MiB. */
  readonly coldCacheBytesMax?: number;
  /** Batches of at least this size may have their body in object storage (`Stream.prepare`). Default 1 MiB. */
  readonly claimBytesMin?: number;
  /** An object nobody names is removed when it was found so long ago. Default 10 minutes. */
  readonly orphanGraceMs?: number;
}

/**
 * All streams of one medium, and their group commit. The first append of a turn schedules a flush for the end of that
 * turn (`Runtime.afterPoll`), so everything read from all sockets in the turn rides on one flush; while a flush runs,
 * what is appended gathers in the next commit.
 *
 * Order when a flush is done: (1) the stable offsets of all its streams move, (2) `onStableBeyond` callbacks run,
 * stream by stream in the order of first append, (3) the commit's callbacks run. So whoever is acknowledged can read
 * what was acknowledged. When the medium fails, every commit settles with the error, `onFailed` runs once, and no
 * append is taken.
 */
export class Journal {
  readonly #store: EngineStores;
  readonly #mainEngine: string | undefined;
  /** The main medium was said to keep nothing. */
  readonly #isVolatile: boolean;
  readonly #runtime: Runtime;
  readonly #host: StreamHost;
  readonly #streams = new Map<StreamName, StreamOwner>();
  /** Policies of open streams as their owners gave them. */
  readonly #given = new Map<StreamName, StreamPolicy>();
  /** The last open or remove of a name that is not done: those of one name run one after the other. */
  readonly #pending = new Map<StreamName, Promise<unknown>>();
  readonly #tiering: Tiering;
  readonly #tierOf: (name: StreamName) => TierPolicy | undefined;
  readonly #beforeFlush: (() => void)[] = [];
  readonly #onFailed: ((error: Error) => void)[] = [];
  /** Settled from the start: what appends of durability `memory` get. */
  readonly #stable = new Commit(0);
  #dirty: StreamOwner[] = [];
  #sequence = 0;
  #gathering: Commit | null = null;
  #scheduled = false;
  #flushing: Promise<void> | null = null;
  readonly #toWake = new Set<StreamOwner>();
  #gatheringBytes = 0;
  #flushingBytes = 0;
  #memoryBytes = 0;
  #memoryTimer: Cancel | null = null;
  #failure: Error | null = null;
  #closed = false;
  #closing = false;

  constructor(options: JournalOptions) {
    const media = { memory: new MemoryLogStore(), ...options.engines };
    this.#store = new EngineStores(options.store, media, (error) =>
      options.runtime.log.error({ error }, 'the memory medium failed; its topics take no more, all others do'),
    );
    this.#store.onFailed((error) => {
      if (!this.#closed) this.#fail(error, null);
    });
    this.#isVolatile = options.engine === 'memory';
    this.#mainEngine = options.engine ?? engineOf(options.store);
    this.#runtime = options.runtime;
    this.#stable.settle(null);
    this.#tiering = new Tiering({ ...options, store: this.#store });
    this.#tierOf = options.tierOf ?? (() => undefined);
    this.#host = {
      tails: new TailCache(options.tailCacheBytesMax ?? TAIL_CACHE_BYTES_MAX),
      objectMeter: this.#tiering.meter,
      appended: (stream, sizeBytes) => this.#appended(stream, sizeBytes),
      refused: (stream, error) => this.#refused(stream, error),
      claims: (stream, sizeBytes) => this.#tiering.claims(stream, sizeBytes),
      claim: (stream, batch) => this.#claim(stream, batch),
      warm: (stream, from, to) => this.#tiering.warm(stream, from, to),
      nowMs: () => options.runtime.nowMs(),
    };
  }

  /** Opens a stream, making it if it is absent; an open one gets the policy. */
  open(name: StreamName, policy: StreamPolicy): Promise<Stream> {
    if (this.#closed) return Promise.reject(new JournalError('closed', name));
    const stream = this.#streams.get(name);
    if (stream !== undefined && !this.#pending.has(name)) {
      this.#apply(stream, policy);
      return Promise.resolve(stream);
    }
    return this.#inTurn(name, () => this.#open(name, policy));
  }
  /** Replaces the policy of an open stream; counts from its next append and its next retention pass. */
  setPolicy(name: StreamName, policy: StreamPolicy): void {
    const stream = this.#streams.get(name);
    if (stream !== undefined) this.#apply(stream, policy);
  }
  /**
   * Changes some fields of an open stream's policy: what is absent stays. Answers the policy that holds from now on, or
   * null when the stream is not open. It lasts as long as the stream is open: the owner of the stream's settings keeps
   * them and passes them to `open` after a restart.
   */
  alterPolicy(name: StreamName, change: PolicyChange): StreamPolicy | null {
    const stream = this.#streams.get(name);
    if (stream === undefined) return null;
    const given = this.#given.get(name) ?? stream.policy;
    const altered = { ...given, ...change };
    for (const key of Object.keys(altered) as (keyof StreamPolicy)[]) {
      if (altered[key] === undefined) Reflect.deleteProperty(altered, key);
    }
    this.#apply(stream, altered as StreamPolicy);
    return stream.policy;
  }
  /** Calls back for every request to object storage from now on: what metering across removals needs. */
  onObjectRequest(listener: ObjectRequestListener): void {
    this.#tiering.meter?.listeners.push(listener);
  }
  /** Deletes a stream and its bytes; resolves when it cannot come back. Absent streams are fine. */
  remove(name: StreamName): Promise<void> {
    return this.#inTurn(name, () => this.#remove(name));
  }
  /** All streams on the medium, open or not, in no order. */
  list(): readonly StreamName[] {
    return this.#store.list().filter((name) => !name.startsWith(HIDDEN_PREFIX)) as StreamName[];
  }

  /** The commit that an append made now rides on. Asking for it schedules its flush. */
  get current(): Commit {
    if (this.#gathering !== null) return this.#gathering;
    const commit = new Commit(++this.#sequence);
    const failure = this.#failure ?? (this.#closed ? new JournalError('closed', 'journal') : null);
    if (failure !== null) {
      commit.settle(failure);
      return commit;
    }
    this.#gathering = commit;
    this.#schedule();
    return commit;
  }
  /** Bytes appended and not yet on the medium, the running flush included: what a limit on writers looks at. */
  get unflushedBytes(): number {
    return this.#gatheringBytes + this.#flushingBytes;
  }
  /** `callback` runs right before each flush and may append; what it appends is in that flush. */
  beforeFlush(callback: () => void): void {
    this.#beforeFlush.push(callback);
  }
  /** `callback` runs once if the medium fails; the process should end, for only a restart finds out what is on it. */
  onFailed(callback: (error: Error) => void): void {
    if (this.#failure !== null) callback(this.#failure);
    else this.#onFailed.push(callback);
  }

  /** One pass over all open streams: lets go what their policies no longer keep. The node's timer calls it. */
  async enforceRetention(nowMs: number): Promise<void> {
    const streams = [...this.#streams.values()].values();
    const work = async (): Promise<void> => {
      for (const stream of streams) {
        if (this.#closed || this.#failure !== null) return;
        try {
          await stream.enforceRetention(nowMs);
        } catch (error) {
          this.#runtime.log.warn({ stream: stream.name, error }, 'retention failed');
        }
      }
    };
    await Promise.all(Array.from({ length: RETENTION_STREAMS_MAX }, work));
  }

  /**
   * One pass over all open streams: moves to and from object storage, compaction, and objects that removed streams or a
   * crash left. The node's timer calls it; a call while one runs waits for that one. Errors are logged, not thrown.
   */
  async runTiering(nowMs: number): Promise<void> {
    if (this.#closing || this.#failure !== null) return;
    const streams = [...this.#streams.values()];
    for (const stream of streams) {
      if (stream.objects !== null || !this.#tiering.needs(stream)) continue;
      try {
        await this.#inTurn(stream.name, () => this.#tiering.prepare(stream));
      } catch (error) {
        this.#runtime.log.warn({ stream: stream.name, error }, 'tiering failed');
      }
      if (this.#closing || this.#failure !== null) return;
    }
    await this.#tiering.run(streams, nowMs);
    try {
      await this.finishRemovals();
    } catch (error) {
      this.#runtime.log.warn({ error }, 'objects of removed streams are left; deleted later');
    }
  }
  /**
   * Tries once more to delete what removed streams left in object storage, and answers those of which something may still
   * be there. `runTiering` does it too.
   */
  async finishRemovals(): Promise<readonly StreamName[]> {
    for (const name of await this.#tiering.pendingRemovals()) {
      if (!this.#closing) await this.#inTurn(name, () => this.#tiering.finishRemoval(name));
    }
    return this.#tiering.pendingRemovals();
  }
  /** Bytes of cold objects kept in memory. */
  get coldCachedBytes(): number {
    return this.#tiering.cachedBytes;
  }

  /** Flushes what was appended, settles its commits, and closes the store. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closing = true;
    await Promise.allSettled([...this.#streams.values()].map((stream) => stream.objects?.stop(TIERING_STOP_MS)));
    await Promise.allSettled(this.#pending.values());
    while (this.#failure === null && (this.#flushing !== null || this.#gathering !== null || this.#dirty.length > 0)) {
      if (this.#flushing === null) this.#flush();
      await this.#flushing;
    }
    this.#closed = true;
    this.#memoryTimer?.();
    for (const stream of this.#streams.values()) stream.close();
    await this.#store.close();
  }

  async #open(name: StreamName, policy: StreamPolicy): Promise<Stream> {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      if (policy.engine !== undefined) this.#store.place(name, policy.engine, this.#mainEngine);
      const { log, objects } = await this.#tiering.open(name);
      stream = new StreamOwner(name, policy, log, this.#host);
      stream.objects = objects;
      const engine = this.#store.engineOf(name);
      stream.isVolatile = engine === undefined ? this.#isVolatile : engine === 'memory';
      this.#streams.set(name, stream);
    }
    this.#apply(stream, policy);
    return stream;
  }
  /** The policy is kept as it was given too: the journal's own tier must not become the stream's by a change. */
  #apply(stream: StreamOwner, policy: StreamPolicy): void {
    this.#given.set(stream.name, policy);
    stream.policy = this.#withTier(stream.name, policy);
  }
  /** The first large batch of a stream gives it its manifest. */
  async #claim(stream: StreamOwner, batch: Buffer): Promise<Claim | null> {
    try {
      if (stream.objects === null) await this.#inTurn(stream.name, () => this.#tiering.prepare(stream));
      return await this.#tiering.claim(stream, batch);
    } catch (error) {
      this.#runtime.log.warn({ stream: stream.name, error }, 'a large batch goes through the log');
      return null;
    }
  }
  #withTier(name: StreamName, policy: StreamPolicy): StreamPolicy {
    const tier = policy.tier === undefined ? this.#tierOf(name) : undefined;
    return tier === undefined ? policy : { ...policy, tier };
  }
  async #remove(name: StreamName): Promise<void> {
    const stream = this.#streams.get(name);
    stream?.close();
    this.#streams.delete(name);
    this.#given.delete(name);
    await this.#tiering.remove(name, stream?.objects ?? null);
  }
  /** A stream made anew under the name of one being deleted must not meet its bytes, so a name's changes queue up. */
  #inTurn<T>(name: StreamName, run: () => Promise<T>): Promise<T> {
    const before = this.#pending.get(name) ?? Promise.resolve();
    const done = before.then(run, run).finally(() => {
      if (this.#pending.get(name) === done) this.#pending.delete(name);
    });
    this.#pending.set(name, done);
    return done;
  }

  #appended(stream: StreamOwner, sizeBytes: number): Commit {
    if (!stream.dirty) {
      stream.dirty = true;
      this.#dirty.push(stream);
    }
    this.#gatheringBytes += sizeBytes;
    if (stream.policy.durability === 'flushed' && !stream.isVolatile) return this.current;
    stream.makeStable(stream.endOffset);
    this.#wakeLater(stream);
    this.#memoryBytes += sizeBytes;
    if (this.#memoryBytes >= MEMORY_FLUSH_BYTES) this.#schedule();
    else this.#memoryTimer ??= this.#runtime.after(MEMORY_FLUSH_DELAY_MS, () => this.#schedule());
    return this.#stable;
  }

  /** Waiters of `memory` streams run at the end of the turn, never inside the append that woke them. */
  #wakeLater(stream: StreamOwner): void {
    if (!stream.hasWaiters) return;
    this.#toWake.add(stream);
    if (this.#toWake.size > 1) return;
    this.#runtime.afterPoll(() => {
      const streams = [...this.#toWake];
      this.#toWake.clear();
      for (const woken of streams) woken.wake(this.#callbackFailed);
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing !== null) return;
    this.#scheduled = true;
    this.#runtime.afterPoll(this.#flushIfScheduled);
  }
  readonly #flushIfScheduled = (): void => {
    if (this.#scheduled && this.#flushing === null && this.#failure === null && !this.#closed) this.#flush();
  };

  #flush(): void {
    this.#scheduled = true;
    for (const callback of this.#beforeFlush) {
      try {
        callback();
      } catch (error) {
        this.#callbackFailed(error);
      }
    }
    this.#scheduled = false;
    const commit = this.#gathering;
    const streams = this.#dirty;
    this.#gathering = null;
    this.#dirty = [];
    this.#flushingBytes = this.#gatheringBytes;
    this.#gatheringBytes = 0;
    this.#memoryBytes = 0;
    this.#memoryTimer?.();
    this.#memoryTimer = null;
    for (const stream of streams) {
      stream.dirty = false;
      stream.flushingOffset = stream.endOffset;
    }
    this.#flushing = this.#store.flush().then(
      () => this.#flushed(commit, streams),
      (error: unknown) => {
        this.#flushing = null;
        this.#fail(error, commit);
      },
    );
  }

  #flushed(commit: Commit | null, streams: readonly StreamOwner[]): void {
    this.#flushing = null;
    this.#flushingBytes = 0;
    for (const stream of streams) stream.makeStable(stream.flushingOffset);
    for (const stream of streams) stream.wake(this.#callbackFailed);
    commit?.settle(null, this.#callbackFailed);
    if (this.#gathering !== null || this.#memoryBytes >= MEMORY_FLUSH_BYTES) this.#schedule();
  }

  #fail(error: unknown, commit: Commit | null): void {
    if (this.#failure === null) {
      this.#failure = new JournalError('failed', error instanceof Error ? error.message : 'flush', { cause: error });
      this.#runtime.log.error({ error }, 'the medium failed; the journal takes no more');
    }
    const failure = this.#failure;
    const gathering = this.#gathering;
    this.#gathering = null;
    commit?.settle(failure, this.#callbackFailed);
    gathering?.settle(failure, this.#callbackFailed);
    for (const callback of this.#onFailed.splice(0)) callback(failure);
  }

  /** The medium did not take an append: the commit says why, in the way a failed flush does. */
  #refused(stream: StreamOwner, error: unknown): Commit {
    // A medium may fail between two flushes, by its own work; then this is how the journal learns of it. One that keeps
    // nothing, beside the main one, stops its own streams only.
    const isBeside = stream.isVolatile && !this.#isVolatile;
    if (error instanceof StoreError && error.code === 'failed' && !isBeside) this.#fail(error, null);
    const commit = new Commit(++this.#sequence);
    const failure = this.#failure ?? (error instanceof Error ? error : new JournalError('failed', 'append'));
    commit.settle(failure);
    return commit;
  }
  readonly #callbackFailed = (error: unknown): void => {
    this.#runtime.log.error({ error }, 'a callback of the journal threw');
  };
}

/** The name an engine goes by in policies; undefined for one that is wrapped. */
function engineOf(store: LogStore): string | undefined {
  if (store instanceof FileLogStore) return 'file';
  if (store instanceof RocksDbLogStore) return 'rocksdb';
  return store instanceof MemoryLogStore ? 'memory' : undefined;
}
