import {
  close,
  constants,
  fdatasync,
  fsync,
  ftruncate,
  fstat,
  link,
  mkdir,
  open,
  read,
  readdir,
  rename,
  rm,
  rmdir,
  unlink,
  writev,
} from 'node:fs';
import { promisify } from 'node:util';
import { DirectoryLock } from './directory-lock.ts';
import { StoreError, type StoreErrorCode } from '../store-error.ts';

const closeFile = promisify(close);
const dataSync = promisify(fdatasync);
const fullSync = promisify(fsync);
const truncateFile = promisify(ftruncate);
const statFile = promisify(fstat);
const makeDirectory = promisify(mkdir);
const openFile = promisify(open);
const listDirectory = promisify(readdir);
const linkFile = promisify(link);
const renameFile = promisify(rename);
const removeTree = promisify(rm);
const removeEmpty = promisify(rmdir);
const unlinkFile = promisify(unlink);

/** Most bytes one read call asks the kernel for. */
const READ_BYTES_MAX = 64 * 1024 * 1024;

export type DiskMode = 'read' | 'write' | 'create' | 'create-synced';

/** Flags of open(2) by mode. Where there is no O_DSYNC `sync` follows each write. */
const FLAGS: Readonly<Record<DiskMode, number | string>> = {
  read: 'r',
  write: 'r+',
  create: 'wx+',
  'create-synced': constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_DSYNC ?? 0),
};
const HAS_DSYNC = constants.O_DSYNC !== undefined;

/**
 * What the file engine needs of an operating system, so that tests can fail any step and cut the power after any other.
 * Every method rejects with a coded StoreError naming the file.
 */
export interface Disk {
  /**
   * `create` makes the file and fails if it exists; `write` opens an existing one for reading and writing. What is
   * written to a file of `create-synced` is synced when the write resolves, as if `sync` followed it, in one call of the
   * kernel; that write too must not be tried again after it failed.
   */
  open(path: string, mode: DiskMode): Promise<DiskFile>;
  /** File names in a directory, in no order; none when it does not exist. */
  list(path: string): Promise<readonly string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Gives the file a second name; resolves false, changing nothing, when that name is taken. */
  link(from: string, to: string): Promise<boolean>;
  /** Absent files are fine. */
  unlink(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  /** Removes a directory that is empty; one that is not, or is absent, stays as it is. */
  removeEmptyDirectory(path: string): Promise<void>;
  /** Holds the directory against other processes until `release`; rejects with `locked`. */
  lock(path: string): Promise<{ release(): Promise<void> }>;
  /** Makes creations, renames and removals in a directory survive a loss of power. */
  syncDirectory(path: string): Promise<void>;
}

export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /** Fills `target` from `position`; returns how much there was. */
  read(target: Buffer, position: number): Promise<number>;
  /** Writes all of `buffers` at `position` with one gathered call (more only if the kernel takes less at a time). */
  write(buffers: readonly Buffer[], position: number): Promise<void>;
  /** fdatasync. Must not be called again after it failed: the kernel may have dropped the dirty pages. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/** The real thing. */
export class NodeDisk implements Disk {
  async open(path: string, mode: DiskMode): Promise<DiskFile> {
    const handle = await coded(path, openFile(path, FLAGS[mode], 0o640));
    return new NodeFile(path, handle, mode === 'create-synced' && !HAS_DSYNC);
  }
  async list(path: string): Promise<readonly string[]> {
    try {
      return await listDirectory(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw toStoreError(path, error);
    }
  }
  async makeDirectory(path: string): Promise<void> {
    await coded(path, makeDirectory(path, { recursive: true, mode: 0o750 }));
  }
  async rename(from: string, to: string): Promise<void> {
    await coded(to, renameFile(from, to));
  }
  async link(from: string, to: string): Promise<boolean> {
    try {
      await linkFile(from, to);
      return true;
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw toStoreError(to, error);
    }
  }
  async unlink(path: string): Promise<void> {
    try {
      await unlinkFile(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw toStoreError(path, error);
    }
  }
  async removeDirectory(path: string): Promise<void> {
    await coded(path, removeTree(path, { recursive: true, force: true }));
  }
  async removeEmptyDirectory(path: string): Promise<void> {
    try {
      await removeEmpty(path);
    } catch (error) {
      const code = errorCode(error);
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOENT') throw toStoreError(path, error);
    }
  }
  lock(path: string): Promise<{ release(): Promise<void> }> {
    return DirectoryLock.take(path);
  }
  async syncDirectory(path: string): Promise<void> {
    const handle = await coded(path, openFile(path, 'r'));
    try {
      await coded(path, fullSync(handle));
    } finally {
      await closeFile(handle);
    }
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  readonly #handle: number;
  /** Each write is followed by a sync. */
  readonly #syncs: boolean;
  constructor(path: string, handle: number, syncs: boolean) {
    this.path = path;
    this.#handle = handle;
    this.#syncs = syncs;
  }
  async size(): Promise<number> {
    return (await coded(this.path, statFile(this.#handle))).size;
  }
  async read(target: Buffer, position: number): Promise<number> {
    let at = 0;
    while (at < target.length) {
      const wanted = Math.min(target.length - at, READ_BYTES_MAX);
      const got = await coded(this.path, this.#readOnce(target, at, wanted, position + at));
      if (got === 0) break;
      at += got;
    }
    return at;
  }
  async write(buffers: readonly Buffer[], position: number): Promise<void> {
    let rest = buffers;
    let at = position;
    while (rest.length > 0) {
      let written = await coded(this.path, this.#writeOnce(rest, at));
      if (written === 0 && rest.some((buffer) => buffer.length > 0))
        throw new StoreError('io', `${this.path}: wrote nothing`);
      at += written;
      let skip = 0;
      while (skip < rest.length && written >= rest[skip]!.length) written -= rest[skip++]!.length;
      rest = rest.slice(skip);
      if (written > 0) rest = [rest[0]!.subarray(written), ...rest.slice(1)];
    }
    if (this.#syncs) await this.sync();
  }
  async sync(): Promise<void> {
    await coded(this.path, dataSync(this.#handle));
  }
  async truncate(sizeBytes: number): Promise<void> {
    await coded(this.path, truncateFile(this.#handle, sizeBytes));
  }
  async close(): Promise<void> {
    await coded(this.path, closeFile(this.#handle));
  }

  #readOnce(target: Buffer, at: number, size: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#handle, target, at, size, position, (error, got) => (error === null ? resolve(got) : reject(error)));
    });
  }
  #writeOnce(buffers: readonly Buffer[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#handle, buffers, position, (error, written) => (error ? reject(error) : resolve(written ?? 0)));
    });
  }
}

async function coded<T>(path: string, done: Promise<T>): Promise<T> {
  try {
    return await done;
  } catch (error) {
    throw toStoreError(path, error);
  }
}

const CODES: Readonly<Record<string, StoreErrorCode>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EFBIG: 'disk-full',
  EROFS: 'read-only',
  EACCES: 'read-only',
  EPERM: 'read-only',
};

/** The operating system's error as ours; anything unknown is `io`. */
export function toStoreError(where: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const code = errorCode(error);
  return new StoreError(CODES[code] ?? 'io', `${where}: ${code}`, { cause: error });
}

/** Whether a disk's error says that the file, or a directory on the way to it, is absent. */
export function isAbsent(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'io' && error.where.endsWith(': ENOENT');
}

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? error);
}
