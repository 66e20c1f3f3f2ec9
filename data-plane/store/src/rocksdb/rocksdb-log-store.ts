import { NodeDisk, type Disk } from '../file/disk.ts';
import type { Log, LogStore } from '../log.ts';
import { StoreError } from '../store-error.ts';
import { checkStreamName } from '../stream-name.ts';
import * as layout from './layout.ts';
import { loadRocksDb, toRocksDbError, type RocksDb, type RocksDbBatch, type RocksDbConstructor } from './native.ts';
import { RocksDbLog, type RocksDbHost } from './rocksdb-log.ts';
import { WalSync } from './wal-sync.ts';

/** Table files RocksDB keeps open. */
const OPEN_FILES_MAX = 512;

export interface RocksDbLogStoreOptions {
  readonly directory: string;
  /** For the fdatasync of write-ahead logs; RocksDB does its own reading and writing. */
  readonly disk?: Disk;
  /** RocksDB itself. Default: the package `rocksdb-native`, which is installed apart. */
  readonly native?: RocksDbConstructor;
}

/**
 * Streams in RocksDB: for many small streams with much removal, where its compaction earns its writes. A flush is one
 * write batch for all streams and one fdatasync of the write-ahead log. A failed write or sync is final.
 */
export class RocksDbLogStore implements LogStore {
  readonly #db: RocksDb;
  readonly #wal: WalSync;
  readonly #host: RocksDbHost;
  readonly #names = new Map<string, { readonly number: number; readonly startOffset: number }>();
  readonly #logs = new Map<string, Promise<RocksDbLog>>();
  #dirty: RocksDbLog[] = [];
  #nextNumber = 1;
  /** The last of the changes that run one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  #flushing: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  /** Something was written that no sync has covered yet. */
  #unsynced = false;
  #failure: StoreError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(db: RocksDb, wal: WalSync) {
    this.#db = db;
    this.#wal = wal;
    this.#host = {
      db,
      checkOpen: () => this.#checkOpen(),
      checkWritable: () => this.#checkWritable(),
      dirty: (log) => this.#dirty.push(log),
      flush: () => this.flush(),
      change: (where, fill, sync) => this.#change(where, fill, sync),
    };
  }

  /** Opens the directory. Throws `engine-unknown` where RocksDB is not installed, `locked`, `corrupt`, `io` … */
  static async open(options: RocksDbLogStoreOptions): Promise<RocksDbLogStore> {
    const native = options.native ?? loadRocksDb();
    const disk = options.disk ?? new NodeDisk();
    await disk.makeDirectory(options.directory);
    const db = new native(options.directory, { maxOpenFiles: OPEN_FILES_MAX });
    try {
      await db.ready();
      const store = new RocksDbLogStore(db, new WalSync(disk, options.directory));
      await store.#load();
      return store;
    } catch (error) {
      await db.close().catch(() => undefined);
      throw toRocksDbError(options.directory, error);
    }
  }

  async open(stream: string): Promise<Log> {
    this.#checkOpen();
    checkStreamName(stream);
    let log = this.#logs.get(stream);
    if (log === undefined) {
      log = this.#openLog(stream);
      this.#logs.set(stream, log);
      log.catch(() => this.#logs.delete(stream));
    }
    return log;
  }
  list(): readonly string[] {
    return [...this.#names.keys()];
  }
  async remove(stream: string): Promise<void> {
    this.#checkOpen();
    const known = this.#names.get(stream);
    if (known === undefined) return;
    const opened = await this.#logs.get(stream);
    const log = opened ?? new RocksDbLog(stream, known.number, known.startOffset, this.#host);
    // Two that remove at once: one does.
    if (this.#names.get(stream) !== known) return;
    this.#names.delete(stream);
    this.#logs.delete(stream);
    log.drop();
    await this.#change(stream, (batch) => log.remove(batch), true);
  }
  flush(): Promise<void> {
    if (this.#flushing === null) return this.#beginFlush();
    this.#queued ??= this.#flushing
      .catch(() => undefined)
      .then(() => {
        this.#queued = null;
        return this.#beginFlush();
      });
    return this.#queued;
  }
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#failure === null) await this.#flushAll().catch(() => undefined);
    await this.#changes.catch(() => undefined);
    await this.#wal.close();
    await this.#db.close().catch((error: unknown) => {
      throw toRocksDbError('close', error);
    });
  }
  async #load(): Promise<void> {
    for await (const { key, value } of this.#db.iterator(layout.STREAM_KEYS)) {
      const number = layout.streamOf(key);
      const { name, startOffset } = layout.decodeStream(value);
      this.#names.set(name, { number, startOffset });
      this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    }
  }
  async #openLog(stream: string): Promise<RocksDbLog> {
    const known = this.#names.get(stream);
    const number = known?.number ?? this.#nextNumber++;
    const startOffset = known?.startOffset ?? 0;
    const log = new RocksDbLog(stream, number, startOffset, this.#host);
    if (known === undefined) {
      this.#checkWritable();
      this.#names.set(stream, { number, startOffset });
      const record = layout.encodeStream({ name: stream, startOffset });
      await this.#change(stream, (batch) => batch.tryPut(layout.streamKey(number), record), false);
      return log;
    }
    try {
      await log.load();
    } catch (error) {
      throw toRocksDbError(stream, error);
    }
    return log;
  }
  #beginFlush(): Promise<void> {
    try {
      this.#checkWritable();
    } catch (error) {
      return Promise.reject(error);
    }
    const flushing = this.#flushAll().finally(() => {
      if (this.#flushing === flushing) this.#flushing = null;
    });
    this.#flushing = flushing;
    return flushing;
  }
  async #flushAll(): Promise<void> {
    await this.#changes.catch(() => undefined);
    // Journals of several media flush all of them: one that has nothing must cost nothing.
    if (this.#dirty.length === 0 && !this.#unsynced && this.#failure === null) return;
    let stable: [RocksDbLog, number][] = [];
    const gather = (batch: RocksDbBatch): void => {
      const logs = this.#dirty.filter((log) => !log.removed);
      this.#dirty = [];
      stable = logs.map((log) => [log, log.addPending(batch)]);
    };
    await this.#change('flush', gather, true);
    for (const [log, offset] of stable) log.makeStable(offset);
  }
  #change(where: string, fill: (batch: RocksDbBatch) => Promise<void> | void, sync: boolean): Promise<void> {
    const done = this.#changes
      .catch(() => undefined)
      .then(async () => {
        if (this.#failure !== null) throw new StoreError('failed', this.#failure.where, { cause: this.#failure });
        const batch = this.#db.write();
        try {
          // Nothing is written yet: a failure here is the caller's alone.
          await fill(batch);
          await this.#commit(where, batch, sync);
        } catch (error) {
          throw toRocksDbError(where, error);
        } finally {
          batch.destroy();
        }
      });
    this.#changes = done;
    return done;
  }
  async #commit(where: string, batch: RocksDbBatch, sync: boolean): Promise<void> {
    try {
      await batch.flush();
      this.#unsynced = true;
      if (sync) {
        await this.#wal.sync();
        this.#unsynced = false;
      }
    } catch (error) {
      this.#failure = toRocksDbError(where, error);
      throw this.#failure;
    }
  }
  #checkOpen(): void {
    if (this.#closing !== null) throw new StoreError('closed', 'rocksdb');
  }
  #checkWritable(): void {
    this.#checkOpen();
    if (this.#failure !== null) throw new StoreError('failed', this.#failure.where, { cause: this.#failure });
  }
}
