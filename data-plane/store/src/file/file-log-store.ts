import { dirname, join } from 'node:path';
import type { Log as TextLog } from '@robustmq/wire';
import type { Chunk, Log, LogStore } from '../log.ts';
import { StoreError } from '../store-error.ts';
import { checkStreamName } from '../stream-name.ts';
import { runCheckpoint, tidyShared, type CheckpointWorld, type SealedLog } from './checkpoint.ts';
import type { Damage, OnDamage } from './damage.ts';
import { NodeDisk, toStoreError, type Disk } from './disk.ts';
import { FileLog, type FileLogHost } from './file-log.ts';
import { FRAME_HEADER_BYTES, FRAME_KINDS } from './frame.ts';
import { FrameBatch, SlabPool } from './frame-batch.ts';
import { ReadAheads } from './read-ahead.ts';
import { Registry } from './registry.ts';
import { SegmentCache } from './segment.ts';
import { SharedLogs } from './shared-log.ts';
import { StreamSegments, type SegmentWorld } from './stream-segments.ts';
import { recoverLog, WriteAheadLog, walFileName, type RecoveredFrame } from './write-ahead-log.ts';

/** Size at which a write-ahead log is sealed. Memory holds what two of them hold, and the chunks of one flush. */
export const WAL_BYTES_MAX = 64 * 1024 * 1024;
/** Size at which a segment is full; the chunk that reaches it still goes in. */
export const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
/** Damages kept for `damages`; more are only logged. */
const DAMAGES_KEPT_MAX = 1000;
/** A store that closes leaves a checkpoint with more streams to go to the next start, as a process that dies does. */
export const CLOSING_CHECKPOINT_STREAMS_MAX = 256;
/** Mean size of a stream's runs in a full write-ahead log from which it is read there and not copied. */
export const KEPT_RUN_BYTES_MIN = 8 * 1024;
/** Streams of a checkpoint that get files of their own whatever their size; more share one. */
export const OWN_STREAMS_MAX = 8;
/** Parts of shared logs in memory, about 200 bytes each; beyond it streams get files of their own. */
export const SHARED_PARTS_MAX = 200_000;

export interface FileLogStoreOptions {
  readonly directory: string;
  readonly walBytesMax?: number;
  readonly segmentBytesMax?: number;
  /** See KEPT_RUN_BYTES_MIN, OWN_STREAMS_MAX, SHARED_PARTS_MAX. */
  readonly keptRunBytesMin?: number;
  readonly ownStreamsMax?: number;
  readonly sharedPartsMax?: number;
  readonly disk?: Disk;
  /** Where damage found at recovery is reported, in words. */
  readonly log?: TextLog;
}

interface Waiters {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Where a chunk lies in the batch being gathered. */
interface Place {
  readonly log: FileLog;
  readonly chunk: Chunk;
  readonly start: number;
  readonly end: number;
}

/**
 * A directory as a medium: one write-ahead log for all streams (`wal/`), full ones that stay (`shared/`),
 * segment files per stream (`streams/<id>/`), and the registry of names. See the room's README for the layout and for what survives what.
 */
export class FileLogStore implements LogStore {
  readonly #directory: string;
  readonly #walBytesMax: number;
  readonly #disk: Disk;
  readonly #lock: { release(): Promise<void> };
  readonly #registry: Registry;
  readonly #slabs = new SlabPool();
  readonly #world: SegmentWorld;
  readonly #logs = new Map<string, FileLog>();
  readonly #opening = new Map<string, Promise<Log>>();
  readonly #host: FileLogHost;
  readonly #damages: Damage[] = [];
  readonly #shared: SharedLogs;
  readonly #checkpointWorld: CheckpointWorld;
  #active = new Set<FileLog>();
  #dirty: FileLog[] = [];
  #batch: FrameBatch;
  #places: Place[] = [];
  #batchNumber = 0;
  #wal: WriteAheadLog | null = null;
  #sealed: SealedLog | null = null;
  /** Full logs up to this number hold what a truncation took back, and are not kept. */
  #truncatedUpTo = 0;
  /** Directories were made under `streams` and that was not synced since. */
  #hasNewDirectories = false;
  #checkpoint: Promise<void> = Promise.resolve();
  #maintenance: Promise<unknown> = Promise.resolve();
  /** Pieces of maintenance that wait for a flush: a flush must not wait for the checkpoint behind them. */
  #flushingInside = 0;
  #next: Waiters | null = null;
  #running = false;
  #failure: StoreError | null = null;
  readonly #onFailed: ((error: Error) => void)[] = [];
  #closed = false;

  private constructor(options: FileLogStoreOptions, lock: { release(): Promise<void> }) {
    const onDamage: OnDamage = (damage) => {
      if (this.#damages.length < DAMAGES_KEPT_MAX) this.#damages.push(damage);
      options.log?.warn({ ...damage }, 'the medium was damaged');
    };
    this.#directory = options.directory;
    this.#walBytesMax = options.walBytesMax ?? WAL_BYTES_MAX;
    this.#disk = options.disk ?? new NodeDisk();
    this.#lock = lock;
    this.#registry = new Registry(this.#disk, this.#directory);
    this.#shared = new SharedLogs(this.#disk, join(this.#directory, 'shared'), this.#slabs, onDamage);
    this.#checkpointWorld = {
      disk: this.#disk,
      slabs: this.#slabs,
      shared: this.#shared,
      ownStreamsMax: options.ownStreamsMax ?? OWN_STREAMS_MAX,
      partsMax: options.sharedPartsMax ?? SHARED_PARTS_MAX,
      mayStop: (left) => this.#closed && left > CLOSING_CHECKPOINT_STREAMS_MAX,
      saveNames: async () => {
        await this.#world.syncNewDirectories();
        await this.#registry.save();
      },
    };
    this.#world = {
      disk: this.#disk,
      shared: this.#shared,
      aheads: new ReadAheads(),
      cache: new SegmentCache(this.#disk, this.#shared, onDamage),
      slabs: this.#slabs,
      segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_MAX,
      onDamage,
      onNewDirectory: () => (this.#hasNewDirectories = true),
      syncNewDirectories: async () => {
        // Once for all of them: thousands of new streams would wait for as many syncs of the same directory.
        if (!this.#hasNewDirectories) return;
        this.#hasNewDirectories = false;
        await this.#disk.syncDirectory(join(this.#directory, 'streams'));
      },
      onVoided: (id) => {
        this.#registry.voidShared(id, this.#shared.nextNumber);
        // The record of it may be in the next log, and what it takes back in this one.
        this.#truncatedUpTo = (this.#wal?.number ?? 0) + 1;
      },
    };
    this.#batch = this.#newBatch();
    this.#host = this.#makeHost(options.keptRunBytesMin ?? KEPT_RUN_BYTES_MIN);
  }

  /** Takes the directory (making it if it is absent) and recovers what is in it. Throws StoreError `locked`, `io` … */
  static async open(options: FileLogStoreOptions): Promise<FileLogStore> {
    const disk = options.disk ?? new NodeDisk();
    await disk.makeDirectory(join(options.directory, 'wal'));
    await disk.makeDirectory(join(options.directory, 'streams'));
    await disk.makeDirectory(join(options.directory, 'shared'));
    // A new directory is on the disk only when its parent is synced; one that may not even be read was made by others.
    await disk.syncDirectory(dirname(options.directory)).catch(() => undefined);
    const lock = await disk.lock(options.directory);
    const store = new FileLogStore({ ...options, disk }, lock);
    try {
      await store.#recover();
    } catch (error) {
      await store.#registry.close().catch(() => undefined);
      await lock.release();
      throw toStoreError(options.directory, error);
    }
    return store;
  }

  /** What recovery and later reads found wrong, in order. */
  get damages(): readonly Damage[] {
    return this.#damages;
  }

  async open(stream: string): Promise<Log> {
    this.#checkWritable();
    const open = this.#logs.get(stream);
    if (open !== undefined) return open;
    let opening = this.#opening.get(stream);
    if (opening === undefined) {
      checkStreamName(stream);
      opening = this.#open(stream).finally(() => this.#opening.delete(stream));
      this.#opening.set(stream, opening);
    }
    return opening;
  }
  list(): readonly string[] {
    return this.#registry.names;
  }
  async remove(stream: string): Promise<void> {
    this.#checkWritable();
    await this.#opening.get(stream)?.catch(() => undefined);
    const registered = this.#registry.byName(stream);
    if (registered === undefined) return;
    const log = this.#logs.get(stream);
    log?.markRemoved();
    this.#logs.delete(stream);
    this.#registry.remove(registered.id);
    this.#batch.addRecord(FRAME_KINDS.remove, registered.id, 0);
    await this.flush();
    log?.forget();
    const segments = log?.segments ?? this.#segments(registered.id);
    await this.#maintain(() => segments.remove());
  }
  onFailed(callback: (error: Error) => void): void {
    const failure = this.#failure;
    if (failure === null) this.#onFailed.push(callback);
    else queueMicrotask(() => callback(failure));
  }
  flush(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(new StoreError('closed', this.#directory));
    this.#next ??= Promise.withResolvers<void>();
    const { promise } = this.#next;
    if (!this.#running) void this.#runFlushes();
    return promise;
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    await Promise.allSettled(this.#opening.values());
    if (this.#failure === null) await this.flush().catch(() => undefined);
    this.#closed = true;
    for (let last = null; last !== this.#maintenance;) await (last = this.#maintenance);
    await Promise.allSettled([this.#wal?.close(), this.#world.cache.close(), this.#registry.close()]);
    await this.#lock.release();
  }

  async #open(stream: string): Promise<Log> {
    let registered = this.#registry.byName(stream);
    const isNew = registered === undefined;
    registered ??= this.#registry.define(stream);
    const log = new FileLog(registered, this.#segments(registered.id), this.#host);
    if (isNew) this.#batch.addRecord(FRAME_KINDS.define, registered.id, 0, Buffer.from(stream));
    else await log.load(null);
    this.#logs.set(stream, log);
    return log;
  }
  #segments(id: number): StreamSegments {
    return new StreamSegments(this.#world, join(this.#directory, 'streams', String(id)), id);
  }
  #makeHost(keptRunBytesMin: number): FileLogHost {
    const batch = (): FrameBatch => this.#batch;
    return {
      registry: this.#registry,
      keptRunBytesMin,
      placing: (log, chunk, start, end) => this.#places.push({ log, chunk, start, end }),
      get batch() {
        return batch();
      },
      checkWritable: () => this.#checkWritable(),
      checkOpen: () => {
        if (this.#closed) throw new StoreError('closed', this.#directory);
      },
      dirty: (log) => this.#dirty.push(log),
      hasActive: (log) => this.#active.add(log),
      flush: () => this.flush(),
      maintain: (run) => this.#maintain(run),
      maintainWithFlush: (run) => {
        this.#flushingInside++;
        return this.#maintain(run).finally(() => this.#flushingInside--);
      },
    };
  }
  #checkWritable(): void {
    if (this.#closed) throw new StoreError('closed', this.#directory);
    if (this.#failure !== null) throw new StoreError('failed', this.#failure.where, { cause: this.#failure });
  }
  #newBatch(): FrameBatch {
    return new FrameBatch(this.#slabs, ++this.#batchNumber);
  }
  #maintain<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#maintenance.then(run);
    this.#maintenance = done.catch(() => undefined);
    return done;
  }

  async #runFlushes(): Promise<void> {
    this.#running = true;
    while (this.#next !== null && this.#failure === null) {
      const waiters = this.#next;
      this.#next = null;
      try {
        await this.#flushOnce();
        waiters.resolve();
      } catch (error) {
        this.#fail(error);
        waiters.reject(this.#failure!);
      }
    }
    this.#running = false;
  }
  /** One write and one sync for everything appended to any stream until now. */
  async #flushOnce(): Promise<void> {
    // Nothing but the frame that begins a batch: what was appended before is stable already.
    if (this.#batch.sizeBytes <= FRAME_HEADER_BYTES) return;
    if (this.#wal!.sizeBytes >= this.#walBytesMax) await this.#rotate();
    const batch = this.#batch;
    const logs = this.#dirty;
    const places = this.#places;
    this.#places = [];
    this.#batch = this.#newBatch();
    this.#dirty = [];
    for (const log of logs) log.beginFlush();
    this.#registry.beginFlush();
    const wal = this.#wal!;
    const at = wal.sizeBytes;
    await wal.append(batch.seal(), batch.sizeBytes);
    batch.release();
    for (const { log, chunk, start, end } of places) log.placed(chunk, at + start, at + end);
    for (const log of logs) log.makeStable(log.flushingOffset);
    this.#registry.makeStable();
  }
  /**
   * Seals the full write-ahead log and begins a new one. While the one before is still being checkpointed the flush
   * waits: acknowledgements wait with it, and that is what slows writers down to what the segments can take.
   */
  async #rotate(): Promise<void> {
    if (this.#sealed !== null) {
      if (this.#flushingInside > 0) return;
      await this.#checkpoint;
      if (this.#failure !== null) throw this.#failure;
    }
    const full = this.#wal!;
    this.#wal = await WriteAheadLog.create(this.#disk, join(this.#directory, 'wal'), full.number + 1);
    await full.close();
    const logs = [...this.#active];
    this.#active = new Set();
    for (const log of logs) {
      log.seal();
      if (log.hasActive) this.#active.add(log);
    }
    this.#beginCheckpoint({ paths: [full.path], logs, sizeBytes: full.sizeBytes, number: full.number });
  }
  #beginCheckpoint(sealed: SealedLog): void {
    this.#sealed = sealed;
    this.#checkpoint = this.#maintain(() => this.#runCheckpoint(sealed)).catch((error: unknown) => this.#fail(error));
  }
  /**
   * Segments first, synced; then the registry, synced; only then the write-ahead log loses its name, and is deleted if it
   * has no other. Killed anywhere in between, the next start replays the log and skips what the segments have.
   */
  async #runCheckpoint(sealed: SealedLog): Promise<void> {
    // A truncation whose flush failed has cut chunks that the full log still holds for the next start.
    if (this.#failure !== null) throw this.#failure;
    if (!(await runCheckpoint(this.#checkpointWorld, sealed, sealed.number > this.#truncatedUpTo))) return;
    for (const path of sealed.paths) {
      await this.#disk.unlink(path);
      await this.#disk.syncDirectory(join(this.#directory, 'wal'));
    }
    this.#sealed = null;
    if (this.#closed) return;
    const isAwaited = (): boolean => this.#sealed !== null;
    await tidyShared(this.#checkpointWorld, (id) => this.#openById(id), isAwaited);
  }
  async #openById(id: number): Promise<FileLog | null> {
    const name = this.#registry.byId(id)?.name;
    return name === undefined || this.#closed ? null : ((await this.open(name)) as FileLog);
  }
  /** The first failure is the last word: a sync that failed is never tried again, for its pages may be gone. */
  #fail(error: unknown): void {
    this.#failure ??= toStoreError(this.#directory, error);
    this.#next?.reject(this.#failure);
    this.#next = null;
    for (const callback of this.#onFailed.splice(0)) callback(this.#failure);
  }

  async #recover(): Promise<void> {
    const { onDamage } = this.#world;
    await this.#registry.load(onDamage);
    const walDirectory = join(this.#directory, 'wal');
    await this.#shared.load(
      {
        holds: (id, number) => {
          const stream = this.#registry.byId(id);
          return stream === undefined ? !this.#registry.intact : number >= stream.sharedFloor;
        },
      },
      this.#registry.highestFloor,
    );
    const recovered = await recoverLog(this.#disk, walDirectory, onDamage);
    const logs = await this.#replay(recovered.frames);
    this.#batchNumber = recovered.batch;
    this.#batch = this.#newBatch();
    for (const name of await this.#disk.list(join(this.#directory, 'streams'))) await this.#sweep(name);
    await this.#shared.sweep();
    this.#wal = await WriteAheadLog.create(this.#disk, walDirectory, recovered.number + 1);
    if (recovered.paths.length > 0) this.#beginCheckpoint({ paths: recovered.paths, logs, sizeBytes: null, number: 0 });
  }
  async #replay(frames: readonly RecoveredFrame[]): Promise<FileLog[]> {
    const lowest = new Map<number, number>();
    for (const { header } of frames) {
      if (header.kind !== FRAME_KINDS.chunk) continue;
      lowest.set(header.streamId, Math.min(header.base, lowest.get(header.streamId) ?? Infinity));
    }
    // Where streams begin must be known before their segments are looked at, for what lies below may be gone.
    for (const { header } of frames) {
      if (header.kind === FRAME_KINDS.trim) this.#registry.trim(header.streamId, header.base);
    }
    const nameless = new Map<number, number>();
    const byId = new Map<number, FileLog>();
    for (const { header, bytes } of withoutTakenBack(frames)) {
      const { kind, streamId } = header;
      if (kind === FRAME_KINDS.define && bytes !== null) this.#registry.replayDefine(bytes.toString(), streamId);
      if (kind === FRAME_KINDS.remove) this.#registry.remove(streamId);
      const stream = this.#registry.byId(streamId);
      if (stream === undefined) {
        if (kind === FRAME_KINDS.chunk) nameless.set(streamId, (nameless.get(streamId) ?? 0) + 1);
        continue;
      }
      if (kind === FRAME_KINDS.trim) this.#registry.trim(streamId, header.base);
      let log = byId.get(streamId);
      if (log === undefined) {
        if (kind === FRAME_KINDS.define) continue;
        log = new FileLog(stream, this.#segments(streamId), this.#host);
        await log.load(lowest.get(streamId) ?? null);
        byId.set(streamId, log);
      }
      if (kind === FRAME_KINDS.chunk) this.#replayChunk(log, header.base, header.next, header.timestampMs, bytes);
      else if (kind === FRAME_KINDS.truncate) await log.replayTruncate(header.base);
      else if (kind === FRAME_KINDS.trim) log.replayTrim();
    }
    for (const [id, chunks] of nameless) {
      const detail = `stream ${id}: its name is lost, and ${chunks} chunks with it`;
      this.#world.onDamage({ kind: 'hole', file: join(this.#directory, 'wal'), position: 0, detail });
    }
    for (const log of byId.values()) this.#logs.set(log.stream.name, log);
    this.#registry.beginFlush();
    this.#registry.makeStable();
    return [...byId.values()];
  }
  #replayChunk(log: FileLog, base: number, next: number, timestampMs: number, bytes: Buffer | null): void {
    const hole = log.replay(base, next, timestampMs, bytes);
    if (hole === null) return;
    const detail = `stream ${log.stream.id} (${log.stream.name}): offsets ${hole} to ${base - 1} are lost`;
    this.#world.onDamage({ kind: 'hole', file: join(this.#directory, 'wal'), position: 0, detail });
  }
  /** Deletes what a removal that was cut short left behind. */
  async #sweep(name: string): Promise<void> {
    if (!/^\d+$/.test(name) || this.#registry.byId(Number(name)) !== undefined) return;
    const path = join(this.#directory, 'streams', name);
    if (this.#registry.intact) await this.#disk.removeDirectory(path);
    else this.#world.onDamage({ kind: 'orphan', file: path, position: 0, detail: 'no stream is known by this number' });
  }
}

/**
 * The frames without what later ones take back: all of removed streams, and chunks above a truncation. Their segments
 * may be gone or cut already, so replaying them would show holes that are none.
 */
function withoutTakenBack(frames: readonly RecoveredFrame[]): RecoveredFrame[] {
  const ends = new Map<number, number>();
  const kept: RecoveredFrame[] = [];
  for (const frame of frames.toReversed()) {
    const { kind, streamId, base, next } = frame.header;
    const end = ends.get(streamId) ?? Infinity;
    if (kind === FRAME_KINDS.remove) ends.set(streamId, -1);
    else if (end === -1 || (kind === FRAME_KINDS.chunk && next > end)) continue;
    else if (kind === FRAME_KINDS.truncate) ends.set(streamId, Math.min(base, end));
    kept.push(frame);
  }
  return kept.reverse();
}

/** Path of the write-ahead log file with a number, for tools and tests. */
export function walPath(directory: string, number: number): string {
  return join(directory, 'wal', walFileName(number));
}
