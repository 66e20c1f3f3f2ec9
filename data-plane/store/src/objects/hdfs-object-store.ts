import type { Runtime } from '@robustmq/wire';
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
import { directoryPath, nodesInOrder, objectPath, type KeyQuery } from './key-tree.ts';
import { RETRY_POLICY, withRetries, type RetryPolicy } from './retry.ts';
import { WebHdfs, type HdfsSettings } from './web-hdfs.ts';

/** How often a put makes its directory again because another process found it empty and removed it. */
const RENAME_TRIES_MAX = 5;
/** A temporary file this old has no writer any more: `open` removes it. */
export const TEMPORARY_AGE_MS_MAX = 24 * 3600 * 1000;

export interface HdfsObjectSettings extends HdfsSettings {
  readonly retry?: Partial<RetryPolicy>;
}

/**
 * Objects as files in HDFS, over WebHDFS. An object is created under `tmp` and gets its name by one RENAME, which the name
 * node does in one step: whole or not at all, and one of many conditional puts wins. A crash leaves its file in `tmp`,
 * where a later `open` finds it after a day.
 */
export class HdfsObjectStore implements ObjectStore {
  readonly requests = newRequestTally();
  readonly #hdfs: WebHdfs;
  readonly #runtime: Runtime;
  readonly #policy: RetryPolicy;
  #closed = false;

  private constructor(settings: HdfsObjectSettings, runtime: Runtime) {
    this.#hdfs = new WebHdfs(settings);
    this.#runtime = runtime;
    this.#policy = { ...RETRY_POLICY, ...settings.retry };
  }

  /** Makes its directories. Throws `bad-config`, `object-denied`, `object-unavailable`. */
  static async open(settings: HdfsObjectSettings, runtime: Runtime): Promise<HdfsObjectStore> {
    if (!URL.canParse(settings.endpoint)) throw new StoreError('bad-config', 'endpoint is no address');
    const parts = settings.directory.split('/').slice(1);
    if (!/^(?:\/[A-Za-z0-9._-]+)+$/.test(settings.directory) || parts.some((part) => /^\.\.?$/.test(part))) {
      throw new StoreError('bad-config', 'directory is no absolute path of letters, digits, dots, dashes');
    }
    const store = new HdfsObjectStore(settings, runtime);
    for (const directory of ['tmp', 'objects']) {
      await store.#retrying(directory, {}, () => store.#hdfs.makeDirectories(directory));
    }
    await store.#sweep();
    return store;
  }

  async put(key: string, bytes: Buffer | readonly Buffer[], options: ObjectPutOptions = {}): Promise<boolean> {
    this.#check(key, options);
    const whole = Buffer.concat(bufferList(bytes));
    if (options.ifAbsent === true && (await this.#exists(key))) return false;
    const temporary = await this.#upload(key, whole, options);
    let placed = false;
    try {
      checkSignal(key, options.signal);
      placed = await (options.ifAbsent === true ? this.#place(key, temporary) : this.#replace(key, temporary));
      return placed;
    } finally {
      if (!placed) await this.#hdfs.remove(temporary).catch(() => undefined);
    }
  }
  async getRange(key: string, start: number, end: number, options: ObjectCallOptions = {}): Promise<Buffer> {
    this.#check(key, options);
    checkObjectRange(key, start, end);
    return this.#retrying(key, options, async () => {
      this.requests.gets++;
      if (start === end) {
        if ((await this.#hdfs.status(pathOf(key))) === null) throw new StoreError('object-missing', key);
        return Buffer.alloc(0);
      }
      const bytes = await this.#hdfs.open(pathOf(key), start, end - start, options.signal);
      this.requests.bytesRead += bytes.length;
      return bytes;
    });
  }
  async list(prefix: string, after = '', limit?: number): Promise<readonly ObjectEntry[]> {
    if (this.#closed) throw new StoreError('closed', prefix);
    checkObjectPrefix(prefix);
    const wanted = listLimit(limit);
    const found: ObjectEntry[] = [];
    if (wanted > 0) await this.#walk([], { prefix, after }, wanted, found);
    return found;
  }
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#check(key);
    const touched = new Set<string>();
    for (const key of keys) {
      await this.#remove(key, pathOf(key));
      touched.add(key.slice(0, key.lastIndexOf('/') + 1));
    }
    for (const directory of touched) await this.#tidy(directory.split('/').slice(0, -1));
  }
  async close(): Promise<void> {
    this.#closed = true;
  }

  async #sweep(): Promise<void> {
    const oldest = this.#runtime.nowMs() - TEMPORARY_AGE_MS_MAX;
    const files = await this.#retrying('tmp', {}, () => this.#hdfs.list('tmp'));
    for (const { pathSuffix, modificationTime } of files) {
      if (modificationTime < oldest) await this.#remove('tmp', `tmp/${pathSuffix}`);
    }
  }
  /** A file of its own for each try: what a try left that got no answer is removed with the next one's success. */
  async #upload(key: string, bytes: Buffer, options: ObjectPutOptions): Promise<string> {
    const tried: string[] = [];
    try {
      return await this.#retrying(key, options, async () => {
        const path = `tmp/${this.#runtime.randomBytes(16).toString('hex')}`;
        tried.push(path);
        this.requests.puts++;
        this.requests.bytesWritten += bytes.length;
        await this.#hdfs.create(path, bytes, options.signal);
        tried.pop();
        return path;
      });
    } finally {
      for (const path of tried) await this.#hdfs.remove(path).catch(() => undefined);
    }
  }
  /** RENAME says no when the target is there, or the target's directory is not, or the source is gone. */
  async #place(key: string, temporary: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      await this.#makeDirectory(key);
      const done = await this.#retrying(key, {}, async (failures) => {
        this.requests.puts++;
        if (await this.#hdfs.rename(temporary, pathOf(key))) return true;
        // Renamed already, by a request whose answer was lost: nobody else takes the source away.
        return failures > 0 && (await this.#hdfs.status(temporary)) === null;
      });
      if (done) return true;
      if (await this.#exists(key)) return false;
      if (tries >= RENAME_TRIES_MAX) throw new StoreError('io', `${key}: cannot be given its name`);
    }
  }
  async #replace(key: string, temporary: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      await this.#makeDirectory(key);
      try {
        await this.#retrying(key, {}, async () => {
          this.requests.puts++;
          await this.#hdfs.replace(temporary, pathOf(key));
        });
        return true;
      } catch (error) {
        if (!(error instanceof StoreError) || error.code !== 'object-missing') throw error;
        const left = await this.#retrying(key, {}, () => this.#hdfs.status(temporary));
        if (left === null) return true;
        if (tries >= RENAME_TRIES_MAX) throw new StoreError('io', `${key}: cannot be given its name`, { cause: error });
      }
    }
  }
  async #makeDirectory(key: string): Promise<void> {
    const parts = key.split('/').slice(0, -1);
    if (parts.length === 0) return;
    await this.#retrying(key, {}, () => this.#hdfs.makeDirectories(`objects/${directoryPath(parts)}`));
  }
  async #exists(key: string): Promise<boolean> {
    return this.#retrying(key, {}, async () => {
      this.requests.gets++;
      return (await this.#hdfs.status(pathOf(key))) !== null;
    });
  }
  async #walk(parts: readonly string[], query: KeyQuery, wanted: number, found: ObjectEntry[]): Promise<void> {
    const path = parts.length === 0 ? 'objects' : `objects/${directoryPath(parts)}`;
    const entries = await this.#retrying(path, {}, () => {
      this.requests.lists++;
      return this.#hdfs.list(path);
    });
    const above = parts.length === 0 ? '' : `${parts.join('/')}/`;
    const sizes = new Map(entries.map((entry) => [entry.pathSuffix, entry.length]));
    for (const node of nodesInOrder([...sizes.keys()], above, query)) {
      if (found.length >= wanted) return;
      if (node.endsWith('/')) await this.#walk(node.slice(0, -1).split('/'), query, wanted, found);
      else found.push({ key: node, sizeBytes: sizes.get(`${node.slice(above.length)}.o`) ?? 0 });
    }
  }
  /** Takes directories away that hold nothing any more, upwards. */
  async #tidy(parts: readonly string[]): Promise<void> {
    for (let depth = parts.length; depth > 0; depth--) {
      const path = `objects/${directoryPath(parts.slice(0, depth))}`;
      if (!(await this.#remove(path, path))) return;
    }
  }
  #remove(where: string, path: string): Promise<boolean> {
    return this.#retrying(where, {}, () => {
      this.requests.deletes++;
      return this.#hdfs.remove(path);
    });
  }
  #retrying<T>(key: string, options: ObjectCallOptions, run: (failures: number) => Promise<T>): Promise<T> {
    const how = { runtime: this.#runtime, policy: this.#policy, tally: this.requests, signal: options.signal };
    return withRetries(how, (failures) => {
      checkSignal(key, options.signal);
      if (this.#closed) throw new StoreError('closed', key);
      return run(failures);
    });
  }
  #check(key: string, options: ObjectCallOptions = {}): void {
    if (this.#closed) throw new StoreError('closed', key);
    checkObjectKey(key);
    checkSignal(key, options.signal);
  }
}

function pathOf(key: string): string {
  return `objects/${objectPath(key)}`;
}
