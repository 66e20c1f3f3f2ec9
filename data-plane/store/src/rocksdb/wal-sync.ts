import { join } from 'node:path';
import type { Disk, DiskFile } from '../file/disk.ts';
import { isAbsent } from '../file/disk.ts';

/**
 * Makes RocksDB's write-ahead logs stable. The binding has no synced writes; but a write has reached the kernel when it
 * resolves, and fdatasync through any descriptor is for the file. A log that is not the newest one takes no more writes,
 * and one that is gone is in tables that RocksDB synced before it removed the log.
 */
export class WalSync {
  readonly #disk: Disk;
  readonly #directory: string;
  /** Logs that may have unsynced bytes, and those done with (null). */
  #files = new Map<string, DiskFile | null>();

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Everything written before the call is stable when it resolves. */
  async sync(): Promise<void> {
    const logs = (await this.#disk.list(this.#directory)).filter((name) => name.endsWith('.log'));
    // By number: names grow longer one day.
    const names = logs.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    const newest = names.at(-1);
    let isNew = false;
    const files = new Map<string, DiskFile | null>();
    for (const name of names) {
      let file = this.#files.get(name);
      this.#files.delete(name);
      if (file === undefined) {
        isNew = true;
        file = await this.#open(name);
      }
      files.set(name, file);
      if (file === null) continue;
      await file.sync();
      if (name === newest) continue;
      files.set(name, null);
      await file.close();
    }
    if (isNew) await this.#disk.syncDirectory(this.#directory);
    for (const gone of this.#files.values()) await gone?.close();
    this.#files = files;
  }
  async close(): Promise<void> {
    for (const file of this.#files.values()) await file?.close();
    this.#files.clear();
  }

  async #open(name: string): Promise<DiskFile | null> {
    try {
      return await this.#disk.open(join(this.#directory, name), 'read');
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  }
}
