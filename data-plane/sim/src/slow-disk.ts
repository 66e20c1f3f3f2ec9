import type { FileLogStoreOptions, SimulatedDisk } from '@robustmq/store';
import type { ProcessRuntime, World } from './world.ts';

type Disk = NonNullable<FileLogStoreOptions['disk']>;
type DiskMode = Parameters<Disk['open']>[1];
type DiskFile = Awaited<ReturnType<Disk['open']>>;

/** How long one operation takes, milliseconds. */
export interface DiskPace {
  readonly operationMsMax: number;
  readonly syncMsMax: number;
}

/**
 * A SimulatedDisk whose operations take time, as one process sees it. An operation that is under way when the process
 * dies may or may not have happened; a write may have happened in part.
 */
export class SlowDisk implements Disk {
  readonly #world: World;
  readonly #runtime: ProcessRuntime;
  readonly #inner: SimulatedDisk;
  readonly #pace: DiskPace;
  readonly #underway = new Set<() => void>();

  constructor(world: World, runtime: ProcessRuntime, inner: SimulatedDisk, pace: DiskPace) {
    this.#world = world;
    this.#runtime = runtime;
    this.#inner = inner;
    this.#pace = pace;
  }
  /** The process dies now: what is under way ends by chance. The caller lets all microtasks run before the inner dies. */
  abandon(): void {
    for (const part of this.#underway) part();
    this.#underway.clear();
  }

  async open(path: string, mode: DiskMode): Promise<DiskFile> {
    // The inner one is written and synced in two steps, so that a process can die between them.
    const isSynced = mode === 'create-synced';
    const file = await this.#takesTime(() => this.#inner.open(path, isSynced ? 'create' : mode));
    const sync = (): Promise<void> => this.#takesTime(() => file.sync(), undefined, this.#pace.syncMsMax);
    return {
      path,
      size: () => this.#takesTime(() => file.size()),
      read: (target, position) => this.#takesTime(() => file.read(target, position)),
      write: async (buffers, position) => {
        await this.#takesTime(
          () => file.write(buffers, position),
          () => this.#writePart(file, buffers, position),
        );
        if (isSynced) await sync();
      },
      sync,
      truncate: (sizeBytes) => this.#takesTime(() => file.truncate(sizeBytes)),
      close: () => this.#takesTime(() => file.close()),
    };
  }
  list(path: string): Promise<readonly string[]> {
    return this.#takesTime(() => this.#inner.list(path));
  }
  makeDirectory(): Promise<void> {
    return this.#inner.makeDirectory();
  }
  rename(from: string, to: string): Promise<void> {
    return this.#takesTime(() => this.#inner.rename(from, to));
  }
  link(from: string, to: string): Promise<boolean> {
    return this.#takesTime(() => this.#inner.link(from, to));
  }
  unlink(path: string): Promise<void> {
    return this.#takesTime(() => this.#inner.unlink(path));
  }
  removeDirectory(path: string): Promise<void> {
    return this.#takesTime(() => this.#inner.removeDirectory(path));
  }
  removeEmptyDirectory(): Promise<void> {
    return this.#inner.removeEmptyDirectory();
  }
  lock(path: string): Promise<{ release(): Promise<void> }> {
    return this.#inner.lock(path);
  }
  syncDirectory(path: string): Promise<void> {
    return this.#takesTime(() => this.#inner.syncDirectory(path), undefined, this.#pace.syncMsMax);
  }

  #writePart(file: DiskFile, buffers: readonly Buffer[], position: number): void {
    const whole = Buffer.concat(buffers);
    const size = this.#world.chance.whole(0, whole.length + 1);
    void file.write([whole.subarray(0, size)], position).catch(() => undefined);
  }
  /** `abandoned` is what may still happen when the process dies meanwhile. */
  async #takesTime<T>(run: () => Promise<T>, abandoned?: () => void, msMax = this.#pace.operationMsMax): Promise<T> {
    const part = abandoned ?? ((): void => undefined);
    this.#underway.add(part);
    await new Promise<void>((resolve) => this.#world.after(this.#world.chance.between(0, msMax), resolve));
    this.#underway.delete(part);
    // nothing that belongs to a dead process may go on, nor reject where nobody is left to hear of it
    if (!this.#runtime.isAlive) return new Promise<T>(() => undefined);
    return run();
  }
}
