import {
  bufferList,
  checkObjectRange,
  listLimit,
  newRequestTally,
  StoreError,
  type LogStore,
  type ObjectEntry,
  type ObjectStore,
} from '@robustmq/store';
import { HIDDEN_PREFIX } from './manifest.ts';

const PREFIX = `${HIDDEN_PREFIX}object!`;
/** Objects are cut into chunks of this size, so that a range costs no more than it asks for and one chunk. */
const PIECE_BYTES = 256 * 1024;

/**
 * Objects on the hot medium, each a log of its own whose offsets are byte positions: what compaction writes without
 * object storage, and copies that came back from it. `put` is stable when it resolves. One that was cut short by a crash
 * is not named by any manifest; putting the key again writes it anew. Bytes are covered by the medium's checksums.
 */
export class LogObjects implements ObjectStore {
  readonly requests = newRequestTally();
  readonly #store: LogStore;
  /** Keys there are; opening the log of another would make it. */
  #keys: Set<string> | null = null;

  constructor(store: LogStore) {
    this.#store = store;
  }
  async put(key: string, bytes: Buffer | readonly Buffer[]): Promise<boolean> {
    const whole = Buffer.concat(bufferList(bytes));
    let log = await this.#store.open(PREFIX + key);
    if (log.endOffset > 0) {
      await this.#store.remove(PREFIX + key);
      log = await this.#store.open(PREFIX + key);
    }
    for (let at = 0; at < whole.length; at += PIECE_BYTES) {
      const nextOffset = Math.min(at + PIECE_BYTES, whole.length);
      log.append({ baseOffset: at, nextOffset, timestampMs: 0, bytes: whole.subarray(at, nextOffset) });
    }
    this.#known().add(key);
    await this.#store.flush();
    return true;
  }
  async getRange(key: string, start: number, end: number): Promise<Buffer> {
    checkObjectRange(key, start, end);
    if (!this.#known().has(key)) throw new StoreError('object-missing', key);
    const log = await this.#store.open(PREFIX + key);
    const pieces: Buffer[] = [];
    const stop = Math.min(end, log.endOffset);
    for (let at = start; at < stop;) {
      for (const chunk of await log.read(at, stop - at)) {
        pieces.push(chunk.bytes.subarray(at - chunk.baseOffset, Math.min(chunk.nextOffset, stop) - chunk.baseOffset));
        at = Math.min(chunk.nextOffset, stop);
        if (at >= stop) break;
      }
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }
  async list(prefix: string, after = '', limit?: number): Promise<readonly ObjectEntry[]> {
    const keys = [...this.#known()].filter((key) => key.startsWith(prefix) && key > after);
    const found: ObjectEntry[] = [];
    for (const key of keys.sort().slice(0, listLimit(limit))) {
      found.push({ key, sizeBytes: (await this.#store.open(PREFIX + key)).sizeBytes });
    }
    return found;
  }
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      if (this.#known().delete(key)) await this.#store.remove(PREFIX + key);
    }
  }
  #known(): Set<string> {
    if (this.#keys === null) {
      const names = this.#store.list().filter((name) => name.startsWith(PREFIX));
      this.#keys = new Set(names.map((name) => name.slice(PREFIX.length)));
    }
    return this.#keys;
  }
}
