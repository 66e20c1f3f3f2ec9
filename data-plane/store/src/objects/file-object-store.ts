import { join } from 'node:path';
import type { Runtime } from '@robustmq/wire';
import { isAbsent, NodeDisk, type Disk, type DiskFile } from '../file/disk.ts';
import {
  bufferList,
  checkObjectKey,
  checkObjectPrefix,
  checkObjectRange,
  checkSignal,
  listLimit,
  newRequestTally,
  totalBytes,
  type ObjectCallOptions,
  type ObjectEntry,
  type ObjectPutOptions,
  type ObjectStore,
} from '../object-store.ts';
import { StoreError } from '../store-error.ts';
import { directoryPath, nodesInOrder, objectPath, type KeyQuery } from './key-tree.ts';

/** How often a put begins again because another process removed a directory it needs, or swept its temporary file. */
const PUT_TRIES_MAX = 5;

export interface FileObjectStoreOptions {
  /** Made if it is absent. Several processes may share it. */
  readonly directory: string;
  /** For the names of temporary files. */
  readonly runtime: Pick<Runtime, 'randomBytes'>;
  readonly disk?: Disk;
}

/**
 * Objects as files (`key-tree.ts` says which). An object is written to `tmp/`, synced, and only then gets its name by link (if absent)
 * or rename, and the directory is synced: whole or not at all, also through a loss of power.
 */
export class FileObjectStore implements ObjectStore {
  readonly requests = newRequestTally();
  readonly #disk: Disk;
  readonly #root: string;
  readonly #temporary: string;
  readonly #runtime: Pick<Runtime, 'randomBytes'>;
  #sweeper: { release(): Promise<void> } | null = null;
  #closed = false;

  private constructor(options: FileObjectStoreOptions) {
    this.#disk = options.disk ?? new NodeDisk();
    this.#root = join(options.directory, 'objects.d');
    this.#temporary = join(options.directory, 'tmp');
    this.#runtime = options.runtime;
  }

  /** Opens the directory and removes what crashes left behind. Throws `io`, `read-only`, `disk-full`. */
  static async open(options: FileObjectStoreOptions): Promise<FileObjectStore> {
    const store = new FileObjectStore(options);
    await store.#disk.makeDirectory(store.#root);
    await store.#disk.makeDirectory(store.#temporary);
    await store.#disk.syncDirectory(options.directory);
    await store.#sweep();
    return store;
  }

  async put(key: string, bytes: Buffer | readonly Buffer[], options: ObjectPutOptions = {}): Promise<boolean> {
    this.#check(key, options);
    const buffers = bufferList(bytes);
    this.requests.puts++;
    this.requests.bytesWritten += totalBytes(buffers);
    for (let tries = 1; ; tries++) {
      try {
        return await this.#putOnce(key, buffers, options);
      } catch (error) {
        if (!isAbsent(error) || tries >= PUT_TRIES_MAX) throw error;
        this.requests.retries++;
      }
    }
  }
  async getRange(key: string, start: number, end: number, options: ObjectCallOptions = {}): Promise<Buffer> {
    this.#check(key, options);
    checkObjectRange(key, start, end);
    this.requests.gets++;
    const file = await this.#open(this.#pathOf(key));
    if (file === null) throw new StoreError('object-missing', key);
    try {
      const size = await file.size();
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(end, size) - start));
      const got = bytes.length === 0 ? 0 : await file.read(bytes, start);
      checkSignal(key, options.signal);
      this.requests.bytesRead += got;
      return bytes.subarray(0, got);
    } finally {
      await file.close();
    }
  }
  async list(prefix: string, after = '', limit?: number): Promise<readonly ObjectEntry[]> {
    if (this.#closed) throw new StoreError('closed', prefix);
    checkObjectPrefix(prefix);
    this.requests.lists++;
    const found: ObjectEntry[] = [];
    const wanted = listLimit(limit);
    if (wanted > 0) await this.#walk(this.#root, '', { prefix, after, wanted, found });
    return found;
  }
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#check(key);
    const touched = new Set<string>();
    for (const key of keys) {
      this.requests.deletes++;
      await this.#disk.unlink(this.#pathOf(key));
      touched.add(key.slice(0, key.lastIndexOf('/') + 1));
    }
    for (const directory of touched) await this.#tidy(directory);
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#sweeper?.release();
  }

  async #putOnce(key: string, buffers: readonly Buffer[], options: ObjectPutOptions): Promise<boolean> {
    const path = this.#pathOf(key);
    if (options.ifAbsent === true && (await this.#exists(path))) return false;
    const temporary = join(this.#temporary, this.#runtime.randomBytes(16).toString('hex'));
    try {
      const file = await this.#disk.open(temporary, 'create');
      try {
        await file.write(buffers, 0);
        await file.sync();
      } finally {
        await file.close();
      }
      checkSignal(key, options.signal);
      await this.#makeDirectories(key);
      if (options.ifAbsent === true) {
        if (!(await this.#disk.link(temporary, path))) return false;
      } else {
        await this.#disk.rename(temporary, path);
      }
      await this.#disk.syncDirectory(join(path, '..'));
      return true;
    } finally {
      await this.#disk.unlink(temporary).catch(() => undefined);
    }
  }
  async #exists(path: string): Promise<boolean> {
    const file = await this.#open(path);
    await file?.close();
    return file !== null;
  }
  async #open(path: string): Promise<DiskFile | null> {
    try {
      return await this.#disk.open(path, 'read');
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  }
  /** Makes the directories on the way to the key; each is synced into its parent, or a loss of power could take it. */
  async #makeDirectories(key: string): Promise<void> {
    const parts = key.split('/').slice(0, -1);
    if (parts.length === 0) return;
    const paths = parts.map((_, depth) => this.#directoryOf(parts.slice(0, depth + 1)));
    await this.#disk.makeDirectory(paths.at(-1)!);
    for (const path of paths) await this.#disk.syncDirectory(join(path, '..'));
  }
  /** Takes directories away that hold nothing any more, upwards. A put that needs one makes it again. */
  async #tidy(directory: string): Promise<void> {
    const parts = directory.split('/').slice(0, -1);
    const path = this.#directoryOf(parts);
    await this.#disk.syncDirectory(path).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
    for (let depth = parts.length; depth > 0; depth--) {
      await this.#disk.removeEmptyDirectory(this.#directoryOf(parts.slice(0, depth)));
    }
  }
  async #walk(path: string, above: string, query: Query): Promise<void> {
    const names = await this.#disk.list(path);
    for (const node of nodesInOrder(names, above, query)) {
      if (query.found.length >= query.wanted) return;
      if (node.endsWith('/')) {
        await this.#walk(this.#directoryOf(node.slice(0, -1).split('/')), node, query);
        continue;
      }
      const file = await this.#open(this.#pathOf(node));
      // Deleted since the directory was read.
      if (file === null) continue;
      const sizeBytes = await file.size().finally(() => file.close());
      query.found.push({ key: node, sizeBytes });
    }
  }
  /** Only one of the processes that share the directory sweeps, and only as it opens; whoever loses a file tries again. */
  async #sweep(): Promise<void> {
    try {
      this.#sweeper = await this.#disk.lock(this.#temporary);
    } catch (error) {
      if (error instanceof StoreError && error.code === 'locked') return;
      throw error;
    }
    for (const name of await this.#disk.list(this.#temporary)) await this.#disk.unlink(join(this.#temporary, name));
  }
  #directoryOf(parts: readonly string[]): string {
    return join(this.#root, directoryPath(parts));
  }
  #pathOf(key: string): string {
    return join(this.#root, objectPath(key));
  }
  #check(key: string, options: ObjectCallOptions = {}): void {
    if (this.#closed) throw new StoreError('closed', key);
    checkObjectKey(key);
    checkSignal(key, options.signal);
  }
}

interface Query extends KeyQuery {
  readonly wanted: number;
  readonly found: ObjectEntry[];
}
