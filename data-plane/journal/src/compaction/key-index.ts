import { crc32c, fnv1a } from '@robustmq/wire';
import { decodeRecords, type RecordView } from '../decode-records.ts';
import { readNextOffset } from '../record-batch.ts';
import { visitKeys } from './compactor.ts';

/** Keys one stream's index holds at most (about 50 bytes each); others are found by reading the stream. */
export const KEY_INDEX_KEYS_MAX = 1_000_000;
const READ_BYTES = 1024 * 1024;
const LOW_BITS = 0x10_0000;

/** What the index reads. */
export interface KeyedStream {
  readonly startOffset: number;
  readonly stableOffset: number;
  read(from: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]>;
}

/**
 * Newest offset by the hash of the key (52 bits). Follows the stream when it is asked, so appends pay nothing. An answer
 * is looked up in the stream before it is given; where hashes meet or room ended, the stream is read.
 */
export class KeyIndex {
  readonly #stream: KeyedStream;
  readonly #keysMax: number;
  readonly #offsets = new Map<number, number>();
  /** Everything below it is in the index, or was met when the index was full. */
  #next = 0;
  #full = false;
  #finding: Promise<unknown> = Promise.resolve();

  constructor(stream: KeyedStream, keysMax = KEY_INDEX_KEYS_MAX) {
    this.#stream = stream;
    this.#keysMax = keysMax;
  }
  /** Offset of the newest stable record with the key; null when there is none. Throws what reading throws. */
  find(key: Buffer): Promise<number | null> {
    const found = this.#finding.then(() => this.#find(key));
    this.#finding = found.catch(() => undefined);
    return found;
  }

  async #find(key: Buffer): Promise<number | null> {
    await this.#catchUp();
    const hash = hashOf(key);
    const at = this.#offsets.get(hash);
    if (at === undefined && !this.#full) return null;
    if (at !== undefined && at >= this.#stream.startOffset && (await this.#isAt(key, at))) return at;
    return this.#scan(key);
  }
  async #catchUp(): Promise<void> {
    const stable = this.#stream.stableOffset;
    this.#next = await this.#visit(this.#next, stable, (record) => {
      const hash = hashOf(record.data, record.keyStart, record.keyEnd);
      if (this.#offsets.size < this.#keysMax || this.#offsets.has(hash)) this.#offsets.set(hash, record.offset);
      else this.#full = true;
    });
  }
  async #isAt(key: Buffer, offset: number): Promise<boolean> {
    let found = false;
    const batch = (await this.#stream.read(offset, 1))[0];
    if (batch === undefined) return false;
    decodeRecords(batch, (record) => {
      if (record.offset === offset) found = record.key()?.equals(key) ?? false;
      return record.offset < offset;
    });
    return found;
  }
  async #scan(key: Buffer): Promise<number | null> {
    let found: number | null = null;
    await this.#visit(0, this.#stream.stableOffset, (record) => {
      if (record.offset >= this.#stream.startOffset && record.key()!.equals(key)) found = record.offset;
    });
    return found;
  }
  /** Visits records with a key in `[from, to)`; resolves with where it ended. */
  async #visit(from: number, to: number, visit: (record: RecordView) => void): Promise<number> {
    let at = from;
    while (at < to) {
      at = Math.max(at, this.#stream.startOffset);
      const batches = at < to ? await this.#stream.read(at, READ_BYTES) : [];
      if (batches.length === 0) return to;
      for (const batch of batches) {
        const floor = at;
        visitKeys({ bytes: batch }, (record) => {
          if (record.offset >= floor && record.offset < to) visit(record);
        });
        at = Math.max(at + 1, readNextOffset(batch));
      }
    }
    return at;
  }
}

function hashOf(bytes: Buffer, start = 0, end = bytes.length): number {
  return fnv1a(bytes, start, end) * LOW_BITS + (crc32c(bytes, start, end) % LOW_BITS);
}
