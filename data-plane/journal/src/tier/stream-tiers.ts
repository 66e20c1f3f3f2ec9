import { StoreError, type Chunk, type Log, type LogStore, type ObjectStore } from '@robustmq/store';
import type { Cancel, Runtime } from '@robustmq/wire';
import { JournalError } from '../journal-error.ts';
import type { StreamName, TierMove } from '../journal-types.ts';
import type { LogObjects } from './log-objects.ts';
import { encodeManifest, ManifestLog, partIndexAt, partsEnd, type Manifest, type Part } from './manifest.ts';
import { epochPrefix, manifestKey } from './object-key.ts';
import type { ObjectReader } from './object-reader.ts';
import { StreamClaims } from './stream-claims.ts';

/** Moves a stream remembers. */
const MOVES_KEPT_MAX = 64;
/** Times a read is planned anew because its object was replaced meanwhile. */
const REPLANS_MAX = 16;
/** Generations tried when the name of the next one is taken by an attempt that was cut short. */
const GENERATIONS_TRIED_MAX = 64;
/** Accesses of an object are counted over this time. */
const ACCESS_WINDOW_MS = 600_000;
const EPOCH_BYTES = 8;

/** What the tiers of all streams of a journal share. */
export interface TierHost {
  readonly store: LogStore;
  /** Of one stream: requests are counted for it. */
  readonly cold: ObjectStore | null;
  readonly warm: LogObjects;
  readonly reader: ObjectReader;
  readonly runtime: Runtime;
  /** Bytes of chunks an object is filled with. */
  readonly objectBytes: number;
  /** An object nobody names is removed when it was found so long ago. */
  readonly orphanGraceMs: number;
}

/** How often an object was read lately. */
export interface Access {
  sinceMs: number;
  reads: number;
  lastMs: number;
}

/**
 * What belongs to one stream beside its log: the manifest, reads of its objects, and the one queue of work on them.
 * A change of the manifest counts when it is stable on the medium; objects it no longer names are deleted after that,
 * and objects it will name are stored before.
 */
export class StreamTiers {
  readonly name: StreamName;
  readonly log: Log;
  readonly host: TierHost;
  /** Large batches whose bodies are objects of their own. */
  readonly claims: StreamClaims;
  readonly #manifestLog: ManifestLog;
  #manifest: Manifest;
  #sizes: PartSizes;
  /** The last change of the manifest; the next begins when it is done. */
  #changing: Promise<unknown> = Promise.resolve();
  /** Moves, compaction, deletion of objects: one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  #working = 0;
  readonly #abort = new AbortController();
  readonly #moves: TierMove[] = [];
  readonly accesses = new Map<string, Access>();
  /** Last read that the tail cache did not answer, or the opening. */
  lastReadMs: number;
  /** The generation whose copy is known to be in object storage; −1 = none. */
  #remoteGeneration = -1;
  /** Objects nobody names, by the time they were found. */
  readonly orphansSinceMs = new Map<string, number>();
  /** When object storage is to be looked through for them. */
  scanAtMs = 0;
  /** When an object below the target size was made. */
  lastSmallMoveMs = -Infinity;

  constructor(name: StreamName, log: Log, host: TierHost, manifestLog: ManifestLog, manifest: Manifest) {
    this.name = name;
    this.log = log;
    this.host = host;
    this.#manifestLog = manifestLog;
    this.#manifest = manifest;
    this.#sizes = sizesOf(manifest.parts);
    this.claims = new StreamClaims(name, manifest.epoch, host);
    this.lastReadMs = host.runtime.nowMs();
  }

  /** The first manifest of a stream that has none: stable before any object is stored, so none is ever without one. */
  static async begin(name: StreamName, log: Log, host: TierHost, staleEpochs: readonly string[]): Promise<StreamTiers> {
    const manifestLog = new ManifestLog(host.store, name);
    const { manifest: last } = await manifestLog.load();
    const manifest: Manifest = {
      format: 1,
      stream: name,
      epoch: host.runtime.randomBytes(EPOCH_BYTES).toString('hex'),
      generation: (last?.generation ?? 0) + 1,
      startOffset: log.startOffset,
      parts: [],
      staleEpochs,
      removed: false,
    };
    await manifestLog.publish(manifest);
    return new StreamTiers(name, log, host, manifestLog, manifest);
  }

  get manifest(): Manifest {
    return this.#manifest;
  }
  get startOffset(): number {
    return this.#manifest.parts.length > 0
      ? this.#manifest.startOffset
      : Math.max(this.#manifest.startOffset, this.log.startOffset);
  }
  /** Reads below it go to objects. */
  get endOffset(): number {
    return partsEnd(this.#manifest);
  }
  /** Bytes of chunks in objects. */
  get dataBytes(): number {
    return this.#sizes.data + this.claims.sizeBytes;
  }
  /** Bytes of objects on the medium, and in object storage. */
  get warmBytes(): number {
    return this.#sizes.warm;
  }
  get coldBytes(): number {
    return this.#sizes.cold + this.claims.sizeBytes;
  }
  get moves(): readonly TierMove[] {
    return [...this.#moves];
  }
  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  /** Work is under way or waits. */
  get isBusy(): boolean {
    return this.#working > 0;
  }
  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /**
   * The log must not end below the parts, or new records would get offsets that are taken. It does only when the medium
   * lost what it had called stable; then it is made to go on behind them.
   */
  async mend(): Promise<void> {
    const floor = Math.max(this.endOffset, this.#manifest.startOffset);
    if (this.log.endOffset >= floor) return;
    const { runtime, store } = this.host;
    runtime.log.error({ stream: this.name, end: this.log.endOffset, floor }, 'the medium lost the end of a stream');
    this.log.append({ baseOffset: this.log.endOffset, nextOffset: floor, timestampMs: 0, bytes: Buffer.alloc(1) });
    await store.flush();
    await this.log.trim(floor);
  }

  /** Whole chunks of the object that holds `from`; some may be empty (see `Compactor`). */
  async read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    for (let plan = 1; ; plan++) {
      const part = this.#partAt(from);
      try {
        const chunks = await this.host.reader.read(this.name, part, from, bytesMax);
        this.#accessed(part);
        return chunks;
      } catch (error) {
        this.#checkOpen();
        if (plan === REPLANS_MAX || this.#partAt(from).key === part.key) throw error;
      }
    }
  }
  /** Base of the first chunk at or above `from` in objects whose newest record is not older; null when there is none. */
  async seekTime(timestampMs: number, from: number): Promise<number | null> {
    for (let at = from; ;) {
      at = Math.max(at, this.startOffset);
      if (at >= this.endOffset) return null;
      const part = this.#partAt(at);
      if (part.maxTimestampMs >= timestampMs) {
        const index = await this.#indexOf(part);
        if (index === null) continue;
        for (let i = index.chunkAt(at); i < index.count; i++) {
          if (index.timestamps[i]! >= timestampMs) return Math.max(index.offsets[i]!, at);
        }
      }
      at = part.nextOffset;
    }
  }

  /**
   * Makes `change` of the manifest as it is then the next generation; null from `change` = nothing to do. With
   * `remoteFirst` object storage has the generation before it counts. Resolves with what it changed, or null.
   */
  async publish(change: (now: Manifest) => Manifest | null, remoteFirst: boolean): Promise<Manifest | null> {
    for (;;) {
      const before = this.#manifest;
      const changed = change(before);
      if (changed === null) return null;
      let next: Manifest = { ...changed, generation: before.generation + 1 };
      if (remoteFirst && this.host.cold !== null) next = await this.#putRemote(next, this.host.cold);
      const done = await this.#exclusive(async () => {
        if (this.#manifest !== before) return false;
        await this.#manifestLog.publish(next);
        this.#manifest = next;
        this.#sizes = sizesOf(next.parts);
        return true;
      });
      if (!done) continue;
      if (remoteFirst) await this.#forgetRemote(next.generation);
      return before;
    }
  }
  /** Object storage has the current manifest and no other when this resolves. */
  async syncRemote(): Promise<void> {
    if (this.host.cold === null || this.#remoteGeneration === this.#manifest.generation) return;
    await this.publish((now) => now, true);
  }
  /** As Stream.trim: resolves when the new start is stable; objects go after it. */
  async trim(before: number): Promise<void> {
    const was = await this.publish((now) => {
      if (before <= Math.max(now.startOffset, now.parts.length > 0 ? 0 : this.log.startOffset)) return null;
      return { ...now, startOffset: before, parts: now.parts.filter((part) => part.nextOffset > before) };
    }, false);
    if (before > this.log.startOffset) await this.log.trim(before);
    if (this.claims.count > 0) {
      const claimed = this.work(() => this.claims.dropBelow(before));
      claimed.catch((error: unknown) => {
        this.scanAtMs = 0;
        this.#warn(error, 'trimmed bodies stay until they are found as orphans');
      });
    }
    if (was === null) return;
    const dropped = was.parts.filter((part) => part.nextOffset <= before);
    if (dropped.length === 0) return;
    const bytes = dropped.reduce((sum, part) => sum + part.sizeBytes, 0);
    this.moved('trim', 'retention or DeleteRecords', was.startOffset, before, bytes);
    this.work(() => this.dropObjects(dropped)).catch((error: unknown) => this.#warn(error, 'trimmed objects stay'));
  }
  /** The log lets go what objects hold. */
  async trimLog(): Promise<void> {
    const before = Math.max(this.endOffset, this.#manifest.startOffset);
    if (before > this.log.startOffset) await this.log.trim(before);
  }

  /** Deletes objects the manifest no longer names. Those of object storage only when its copy names them no more. */
  async dropObjects(parts: readonly Part[]): Promise<void> {
    const named = new Set(this.#manifest.parts.map((part) => part.key));
    const gone = parts.filter((part) => !named.has(part.key));
    for (const { key } of gone) {
      this.host.reader.forget(key);
      this.accesses.delete(key);
    }
    await this.host.warm.delete(gone.filter((part) => part.warm).map((part) => part.key));
    const cold = gone.filter((part) => part.cold).map((part) => part.key);
    if (cold.length === 0 || this.host.cold === null) return;
    try {
      await this.syncRemote();
      await this.host.cold.delete(cold);
    } catch (error) {
      this.scanAtMs = 0;
      throw error;
    }
  }

  /** Runs one piece of work on the objects at a time, in order. Refuses when the stream was closed. */
  work<T>(run: () => Promise<T>): Promise<T> {
    this.#working++;
    const done = this.#work
      .then(() => {
        this.#checkOpen();
        return run();
      })
      .finally(() => this.#working--);
    this.#work = done.catch(() => undefined);
    return done;
  }
  /**
   * Ends work under way; resolves when nothing of it runs any more, or after `patienceMs`: what is left then waits for
   * object storage, and can change nothing when it has its answer.
   */
  async stop(patienceMs = Infinity): Promise<void> {
    this.#abort.abort();
    if (patienceMs === Infinity) await this.#work;
    else if (this.isBusy) {
      let cancel: Cancel = () => undefined;
      const patience = new Promise<void>((resolve) => (cancel = this.host.runtime.after(patienceMs, resolve)));
      await Promise.race([this.#work, patience]);
      cancel();
    }
    await this.#changing;
  }

  moved(kind: TierMove['kind'], reason: string, baseOffset: number, nextOffset: number, sizeBytes: number): void {
    this.#moves.push({ atMs: this.host.runtime.nowMs(), kind, reason, baseOffset, nextOffset, sizeBytes });
    if (this.#moves.length > MOVES_KEPT_MAX) this.#moves.shift();
  }

  async #indexOf(part: Part): Promise<Awaited<ReturnType<ObjectReader['index']>> | null> {
    try {
      return await this.host.reader.index(this.name, part);
    } catch (error) {
      this.#checkOpen();
      // Replaced meanwhile: the caller looks again.
      if (this.#manifest.parts.every(({ key }) => key !== part.key)) return null;
      throw error;
    }
  }
  #partAt(offset: number): Part {
    const { parts } = this.#manifest;
    const part = parts[partIndexAt(parts, offset)];
    if (offset >= this.startOffset && part !== undefined) return part;
    throw new StoreError('offset-out-of-range', `${this.name} at ${offset}, begins at ${this.startOffset}`);
  }
  #accessed(part: Part): void {
    const nowMs = this.host.runtime.nowMs();
    const access = this.accesses.get(part.key);
    if (access === undefined || nowMs - access.sinceMs > ACCESS_WINDOW_MS) {
      this.accesses.set(part.key, { sinceMs: nowMs, reads: 1, lastMs: nowMs });
    } else {
      access.reads++;
      access.lastMs = nowMs;
    }
  }
  /** An attempt that was cut short may have taken the name of the generation: then the next free one is used. */
  async #putRemote(manifest: Manifest, cold: ObjectStore): Promise<Manifest> {
    const { generation } = manifest;
    for (let tried = 0; tried < GENERATIONS_TRIED_MAX; tried++) {
      const next = { ...manifest, generation: generation + tried };
      const key = manifestKey(this.name, next.epoch, next.generation);
      if (await cold.put(key, encodeManifest(next), { ifAbsent: true, signal: this.signal })) return next;
    }
    throw new JournalError(
      'unavailable',
      `${this.name}: ${GENERATIONS_TRIED_MAX} generations of its manifest are taken`,
    );
  }
  /** Object storage has `generation` now; the one before it goes, by the next look for orphans if not now. */
  async #forgetRemote(generation: number): Promise<void> {
    const last = this.#remoteGeneration;
    this.#remoteGeneration = generation;
    if (last < 0 || this.host.cold === null) return;
    try {
      await this.host.cold.delete([manifestKey(this.name, this.#manifest.epoch, last)]);
    } catch (error) {
      this.#warn(error, 'an old manifest stays in object storage for now');
    }
  }
  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(() => {
      this.#checkOpen();
      return run();
    });
    this.#changing = done.catch(() => undefined);
    return done;
  }
  #checkOpen(): void {
    if (this.isClosed) throw new JournalError('closed', this.name);
  }
  #warn(error: unknown, message: string): void {
    if (!this.isClosed) this.host.runtime.log.warn({ stream: this.name, error }, message);
  }
}

interface PartSizes {
  readonly data: number;
  readonly warm: number;
  readonly cold: number;
}
function sizesOf(parts: readonly Part[]): PartSizes {
  let data = 0;
  let warm = 0;
  let cold = 0;
  for (const part of parts) {
    data += part.dataBytes;
    if (part.warm) warm += part.sizeBytes;
    if (part.cold) cold += part.sizeBytes;
  }
  return { data, warm, cold };
}

/** Deletes every object of some epochs of a stream; resolves when a listing shows none. */
export async function purgeEpochs(
  stream: string,
  epochs: readonly string[],
  stores: readonly ObjectStore[],
): Promise<void> {
  for (const epoch of epochs) {
    const prefix = epochPrefix(stream, epoch);
    for (const store of stores) {
      for (let found = await store.list(prefix); found.length > 0; found = await store.list(prefix)) {
        await store.delete(found.map(({ key }) => key));
      }
    }
  }
}
