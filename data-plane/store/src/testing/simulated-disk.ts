import { dirname } from 'node:path';
import type { Disk, DiskFile, DiskMode } from '../file/disk.ts';
import { StoreError, type StoreErrorCode } from '../store-error.ts';

/** Disks lose unsynced writes in pieces of this size. */
const SECTOR_BYTES = 512;

interface Inode {
  content: Buffer;
  /** Content as of the last sync. */
  synced: Buffer;
  /** Stretches written or cut since then. */
  unsynced: { readonly start: number; readonly end: number }[];
}

/** What outlives a process. */
interface Platter {
  files: Map<string, Inode>;
  /** Directory entries as of the last sync of their directory. */
  durable: Map<string, Inode>;
  readonly locks: Set<string>;
}

/**
 * A disk in memory, as one process sees it, that can fail a chosen operation, stop at one (as if the process were
 * killed there), and lose what was not synced. Takes chance from `random` (0 ≤ x < 1), so a run can be repeated from
 * its seed. `kill` and `cutPower` end this view and return that of the next process. For tests and the simulator.
 */
export class SimulatedDisk implements Disk {
  readonly #random: () => number;
  readonly #platter: Platter;
  #dead = false;
  #operations = 0;
  #stopAt = Infinity;
  #failAt = Infinity;
  #failCode: StoreErrorCode = 'io';
  #onStopped: () => void = () => undefined;
  #heldSyncs: RegExp | null = null;

  constructor(random: () => number, platter: Platter = { files: new Map(), durable: new Map(), locks: new Set() }) {
    this.#random = random;
    this.#platter = platter;
  }
  /** Reads, writes, syncs … since the beginning. */
  get operations(): number {
    return this.#operations;
  }
  get paths(): readonly string[] {
    return [...this.#platter.files.keys()];
  }
  /** The bytes of a file, to look at or to damage. */
  content(path: string): Buffer {
    return this.#inode(path).content;
  }
  /** The `after`-th operation from now on never ends, nor does any later one; resolves when it is reached. */
  stopAfter(after: number): Promise<void> {
    this.#stopAt = this.#operations + after;
    return new Promise((resolve) => (this.#onStopped = resolve));
  }
  /** The `after`-th operation from now on fails with `code`, once. */
  failAfter(after: number, code: StoreErrorCode): void {
    this.#failAt = this.#operations + after;
    this.#failCode = code;
  }
  /** From now on syncs of files whose path matches never end, while all else goes on: one file lags behind the others. */
  holdSyncs(paths: RegExp): void {
    this.#heldSyncs = paths;
  }
  /** The process is gone, its writes are not: what the kernel took stays. */
  kill(): SimulatedDisk {
    this.#dead = true;
    this.#platter.locks.clear();
    return new SimulatedDisk(this.#random, this.#platter);
  }
  /** The power is gone: of everything not synced, any part may have reached the disk, in any order. */
  cutPower(): SimulatedDisk {
    const next = this.kill();
    const paths = new Set([...this.#platter.files.keys(), ...this.#platter.durable.keys()]);
    for (const path of paths) {
      const now = this.#platter.files.get(path);
      const before = this.#platter.durable.get(path);
      const kept = now === before || this.#random() < 0.5 ? now : before;
      if (kept === undefined) this.#platter.files.delete(path);
      else this.#platter.files.set(path, kept);
    }
    for (const inode of new Set(this.#platter.files.values())) this.#loseUnsynced(inode);
    this.#platter.durable = new Map(this.#platter.files);
    return next;
  }

  async open(path: string, mode: DiskMode): Promise<DiskFile> {
    return this.#operation(path, () => {
      if (mode.startsWith('create')) {
        if (this.#platter.files.has(path)) throw new StoreError('io', `${path}: EEXIST`);
        this.#platter.files.set(path, { content: Buffer.alloc(0), synced: Buffer.alloc(0), unsynced: [] });
      }
      const isHeld = (): boolean => this.#heldSyncs?.test(path) ?? false;
      const synced = mode === 'create-synced';
      return new SimulatedFile(path, this.#inode(path), (at, run) => this.#operation(at, run), isHeld, synced);
    });
  }
  async list(path: string): Promise<readonly string[]> {
    await this.#operation(path, () => undefined);
    const names = new Set<string>();
    for (const file of this.#platter.files.keys()) {
      if (file.startsWith(`${path}/`)) names.add(file.slice(path.length + 1).split('/')[0]!);
    }
    return [...names];
  }
  async makeDirectory(): Promise<void> {}
  async rename(from: string, to: string): Promise<void> {
    await this.#operation(to, () => {
      this.#platter.files.set(to, this.#inode(from));
      this.#platter.files.delete(from);
    });
  }
  async link(from: string, to: string): Promise<boolean> {
    return this.#operation(to, () => {
      const inode = this.#inode(from);
      if (this.#platter.files.has(to)) return false;
      this.#platter.files.set(to, inode);
      return true;
    });
  }
  async unlink(path: string): Promise<void> {
    await this.#operation(path, () => this.#platter.files.delete(path));
  }
  async removeDirectory(path: string): Promise<void> {
    for (const file of this.#platter.files.keys()) {
      if (!file.startsWith(`${path}/`)) continue;
      await this.#operation(path, () => this.#platter.files.delete(file));
    }
  }
  async removeEmptyDirectory(): Promise<void> {}
  async lock(path: string): Promise<{ release(): Promise<void> }> {
    if (this.#platter.locks.has(path)) throw new StoreError('locked', path);
    this.#platter.locks.add(path);
    return { release: async () => void this.#platter.locks.delete(path) };
  }
  async syncDirectory(path: string): Promise<void> {
    await this.#operation(path, () => {
      const { files, durable } = this.#platter;
      for (const file of new Set([...files.keys(), ...durable.keys()])) {
        if (dirname(file) !== path) continue;
        const inode = files.get(file);
        if (inode === undefined) durable.delete(file);
        else durable.set(file, inode);
      }
    });
  }

  #inode(path: string): Inode {
    const inode = this.#platter.files.get(path);
    if (inode === undefined) throw new StoreError('io', `${path}: ENOENT`);
    return inode;
  }
  /** Every operation passes here, in a turn of its own; those of a process that was killed never come back. */
  async #operation<T>(path: string, run: () => T): Promise<T> {
    await Promise.resolve();
    const number = this.#operations++;
    if (number >= this.#stopAt || this.#dead) {
      this.#onStopped();
      await new Promise(() => undefined);
    }
    if (number === this.#failAt) throw new StoreError(this.#failCode, `${path}: injected`);
    return run();
  }
  #loseUnsynced(inode: Inode): void {
    const result = Buffer.alloc(this.#random() < 0.5 ? inode.content.length : inode.synced.length);
    inode.synced.copy(result);
    for (const { start, end } of inode.unsynced) {
      for (let at = start; at < end;) {
        const sectorEnd = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
        if (this.#random() < 0.7) inode.content.copy(result, at, at, sectorEnd);
        at = sectorEnd;
      }
    }
    inode.content = result;
    inode.synced = Buffer.from(result);
    inode.unsynced = [];
  }
}

class SimulatedFile implements DiskFile {
  readonly path: string;
  readonly #inode: Inode;
  readonly #operation: <T>(path: string, run: () => T) => Promise<T>;
  readonly #syncIsHeld: () => boolean;
  readonly #syncsWrites: boolean;
  #closed = false;

  constructor(
    path: string,
    inode: Inode,
    operation: <T>(path: string, run: () => T) => Promise<T>,
    syncIsHeld: () => boolean,
    syncsWrites: boolean,
  ) {
    this.#syncsWrites = syncsWrites;
    this.path = path;
    this.#inode = inode;
    this.#operation = operation;
    this.#syncIsHeld = syncIsHeld;
  }
  size(): Promise<number> {
    return this.#run(() => this.#inode.content.length);
  }
  read(target: Buffer, position: number): Promise<number> {
    return this.#run(() => this.#inode.content.copy(target, 0, position));
  }
  async write(buffers: readonly Buffer[], position: number): Promise<void> {
    await this.#run(() => {
      const bytes = Buffer.concat(buffers);
      const end = position + bytes.length;
      if (end > this.#inode.content.length) this.#resize(end);
      bytes.copy(this.#inode.content, position);
      this.#inode.unsynced.push({ start: position, end });
    });
    if (this.#syncsWrites) await this.sync();
  }
  sync(): Promise<void> {
    if (this.#syncIsHeld()) return new Promise(() => undefined);
    return this.#run(() => {
      this.#inode.synced = Buffer.from(this.#inode.content);
      this.#inode.unsynced = [];
    });
  }
  truncate(sizeBytes: number): Promise<void> {
    return this.#run(() => this.#resize(sizeBytes));
  }
  close(): Promise<void> {
    return this.#run(() => {
      this.#closed = true;
    });
  }
  #run<T>(run: () => T): Promise<T> {
    return this.#operation(this.path, () => {
      if (this.#closed) throw new StoreError('io', `${this.path}: EBADF`);
      return run();
    });
  }
  #resize(sizeBytes: number): void {
    const resized = Buffer.alloc(sizeBytes);
    this.#inode.content.copy(resized);
    this.#inode.content = resized;
  }
}
