import { ChunkRun } from '../chunk-run.ts';
import type { Chunk, Log } from '../log.ts';
import { StoreError } from '../store-error.ts';
import { BlockIndex } from './block-index.ts';
import * as layout from './layout.ts';
import { toRocksDbError, type KeyRange, type RocksDb, type RocksDbBatch } from './native.ts';

/** Entries an iterator fetches at a time. */
const ENTRIES_AT_A_TIME = 16;

/** What a log asks of its store. */
export interface RocksDbHost {
  readonly db: RocksDb;
  checkOpen(): void;
  checkWritable(): void;
  /** The log has chunks since the last flush. */
  dirty(log: RocksDbLog): void;
  flush(): Promise<void>;
  /** Runs one change of the database at a time; `sync` makes it stable at once, else the next flush does. */
  change(where: string, fill: (batch: RocksDbBatch) => Promise<void> | void, sync: boolean): Promise<void>;
}

/** One stream in RocksDB: chunks not yet flushed in memory, all others under their keys. */
export class RocksDbLog implements Log {
  readonly name: string;
  readonly number: number;
  readonly #host: RocksDbHost;
  readonly #index = new BlockIndex();
  /** Appended and not yet stable; a reader finds every chunk here or in the database. */
  readonly #pending = new ChunkRun();
  #startOffset: number;
  #endOffset = 0;
  #stableOffset = 0;
  #truncating = false;
  #removed = false;
  #isDirty = false;

  constructor(name: string, number: number, startOffset: number, host: RocksDbHost) {
    this.name = name;
    this.number = number;
    this.#startOffset = startOffset;
    this.#host = host;
  }
  /** Reads the index, and the chunks behind its last block. */
  async load(): Promise<void> {
    const blocks: layout.Block[] = [];
    const range = { gte: layout.blockKey(this.number, 0), lt: layout.endKey('i', this.number) };
    for await (const { key, value } of this.#host.db.iterator(range)) blocks.push(layout.decodeBlock(key, value));
    const from = blocks.at(-1)?.endOffset ?? 0;
    this.#index.reset(blocks, await this.#blocksOfChunks(from, Infinity));
    this.#endOffset = Math.max(this.#startOffset, this.#index.endOffset ?? 0);
    this.#stableOffset = this.#endOffset;
  }

  get startOffset(): number {
    return this.#startOffset;
  }
  get endOffset(): number {
    return this.#endOffset;
  }
  get stableOffset(): number {
    return this.#stableOffset;
  }
  get sizeBytes(): number {
    return this.#index.sizeBytes;
  }
  get removed(): boolean {
    return this.#removed;
  }

  append(chunk: Chunk): void {
    this.#check();
    this.#host.checkWritable();
    if (this.#truncating || chunk.baseOffset !== this.#endOffset || chunk.nextOffset <= chunk.baseOffset) {
      throw new StoreError('not-contiguous', `${this.name} ends at ${this.#endOffset}, got ${chunk.baseOffset}`);
    }
    this.#pending.push(chunk);
    this.#index.push(layout.blockOfChunk(chunk));
    this.#endOffset = chunk.nextOffset;
    if (!this.#isDirty) this.#host.dirty(this);
    this.#isDirty = true;
  }
  async read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    this.#check();
    if (from < this.#startOffset || from > this.#endOffset) {
      const where = `${this.name} at ${from}, holds ${this.#startOffset} to ${this.#endOffset}`;
      throw new StoreError('offset-out-of-range', where);
    }
    const found: Chunk[] = [];
    let bytes = 0;
    const take = (chunk: Chunk): boolean => {
      if (found.length > 0 && bytes + chunk.bytes.length > bytesMax) return false;
      bytes += chunk.bytes.length;
      found.push(chunk);
      return true;
    };
    const pendingFrom = this.#pending.first?.baseOffset ?? this.#endOffset;
    if (from < pendingFrom && !(await this.#readStored(from, pendingFrom, take))) return found;
    const next = found.at(-1)?.nextOffset ?? from;
    for (let i = this.#pending.indexOf(next); i < this.#pending.count; i++) {
      const chunk = this.#pending.at(i)!;
      // A truncation, or a flush, went on meanwhile: what follows is for the next read.
      if (found.length > 0 && chunk.baseOffset !== found.at(-1)!.nextOffset) break;
      if (!take(chunk)) break;
    }
    return found;
  }
  async seekTime(timestampMs: number): Promise<number> {
    this.#check();
    const block = this.#index.atTime(timestampMs);
    if (block === undefined) return this.#endOffset;
    for (let at = Math.max(block.baseOffset, this.#startOffset); at < block.endOffset;) {
      for (const chunk of await this.read(at, block.sizeBytes)) {
        if (chunk.timestampMs >= timestampMs) return Math.max(chunk.baseOffset, this.#startOffset);
        at = chunk.nextOffset;
      }
    }
    return block.endOffset;
  }
  seekSize(bytesMax: number): number {
    return Math.max(this.#index.atSize(bytesMax) ?? this.#endOffset, this.#startOffset);
  }
  async truncate(to: number): Promise<void> {
    this.#check();
    if (to >= this.#endOffset) return;
    if (to < this.#startOffset) throw new StoreError('offset-out-of-range', `${this.name} at ${to}`);
    this.#truncating = true;
    try {
      await this.#host.flush();
      await this.#host.change(this.name, (batch) => this.#cut(batch, to), true);
    } finally {
      this.#truncating = false;
    }
  }
  async trim(before: number): Promise<void> {
    this.#check();
    if (before <= this.#startOffset) return;
    if (before > this.#endOffset) throw new StoreError('offset-out-of-range', `${this.name} at ${before}`);
    if (before > this.#stableOffset) await this.#host.flush();
    await this.#host.change(this.name, (batch) => this.#trim(batch, before), false);
  }

  /** Adds what is pending to the batch, and returns the offset that is stable when the batch is. */
  addPending(batch: RocksDbBatch): number {
    this.#isDirty = false;
    for (let i = 0; i < this.#pending.count; i++) {
      const chunk = this.#pending.at(i)!;
      batch.tryPut(layout.chunkKey(this.number, chunk.baseOffset), layout.encodeChunk(chunk));
    }
    for (const block of this.#index.unstored) {
      batch.tryPut(layout.blockKey(this.number, block.baseOffset), layout.encodeBlock(block));
    }
    this.#index.unstored = [];
    return this.#endOffset;
  }
  makeStable(offset: number): void {
    this.#stableOffset = Math.max(this.#stableOffset, offset);
    this.#pending.dropBelow(offset);
  }
  remove(batch: RocksDbBatch): void {
    batch.tryDelete(layout.streamKey(this.number));
    batch.tryDeleteRange(layout.chunkKey(this.number, 0), layout.endKey('c', this.number));
    batch.tryDeleteRange(layout.blockKey(this.number, 0), layout.endKey('i', this.number));
  }
  drop(): void {
    this.#removed = true;
    this.#pending.clear();
  }

  /** Gives stored chunks from the one that holds `from` to `take` until it has enough: then false. */
  async #readStored(from: number, end: number, take: (chunk: Chunk) => boolean): Promise<boolean> {
    let last: Chunk | null = null;
    const range = {
      gte: layout.chunkKey(this.number, await this.#baseOf(from)),
      lt: layout.chunkKey(this.number, end),
    };
    try {
      for await (const { key, value } of this.#entries(range)) {
        const chunk = layout.decodeChunk(this.name, key, value);
        if (!take(chunk)) return false;
        last = chunk;
      }
    } catch (error) {
      // Good chunks in front of a damaged one are returned first.
      if (last !== null) return false;
      const coded = toRocksDbError(this.name, error);
      throw coded.code === 'corrupt' ? await this.#damage(coded, from) : coded;
    }
    if (last === null) this.#check();
    return true;
  }
  /** Reading can go on at the next key. */
  async #damage(cause: StoreError, from: number): Promise<StoreError> {
    const range = { gte: layout.chunkKey(this.number, from + 1), lt: layout.endKey('c', this.number) };
    try {
      for await (const { key } of this.#entries(range, 1)) {
        return new StoreError('corrupt', cause.where, { cause, resumeAt: layout.offsetOf(key) });
      }
    } catch {
      return cause;
    }
    return new StoreError('corrupt', cause.where, {
      cause,
      resumeAt: this.#pending.first?.baseOffset ?? this.#endOffset,
    });
  }
  /** Base of the stored chunk that holds the offset, or of the last one below it. */
  async #baseOf(offset: number): Promise<number> {
    const range = { gte: layout.chunkKey(this.number, 0), lte: layout.chunkKey(this.number, offset) };
    try {
      for await (const { key } of this.#host.db.iterator(range, { reverse: true, limit: 1, capacity: 1 })) {
        return layout.offsetOf(key);
      }
    } catch (error) {
      throw toRocksDbError(this.name, error);
    }
    return offset;
  }
  #entries(range: KeyRange, limit?: number): AsyncIterable<{ key: Buffer; value: Buffer }> {
    const some = limit === undefined ? {} : { limit };
    return this.#host.db.iterator(range, { capacity: Math.min(ENTRIES_AT_A_TIME, limit ?? Infinity), ...some });
  }
  /** A damaged chunk counts as its neighbours leave room for it: reading it is what reports it. */
  async #blocksOfChunks(from: number, end: number): Promise<layout.Block[]> {
    const lt = end === Infinity ? layout.endKey('c', this.number) : layout.chunkKey(this.number, end);
    const blocks: layout.Block[] = [];
    for await (const { key, value } of this.#entries({ gte: layout.chunkKey(this.number, from), lt })) {
      const block = layout.peekChunk(key, value);
      if (block !== null) blocks.push(block);
    }
    return blocks;
  }
  async #cut(batch: RocksDbBatch, to: number): Promise<void> {
    const base = await this.#baseOf(to);
    const block = this.#index.blockAt(base);
    const tail = block === undefined ? null : await this.#blocksOfChunks(block.baseOffset, base);
    batch.tryDeleteRange(layout.chunkKey(this.number, base), layout.endKey('c', this.number));
    batch.tryDeleteRange(layout.blockKey(this.number, block?.baseOffset ?? base), layout.endKey('i', this.number));
    this.#index.dropFrom(base, tail);
    this.#endOffset = Math.max(Math.min(base, to), this.#startOffset);
    this.#stableOffset = Math.min(this.#stableOffset, this.#endOffset);
  }
  async #trim(batch: RocksDbBatch, before: number): Promise<void> {
    if (before <= this.#startOffset) return;
    const block = this.#index.blockAt(before);
    // Whole chunks go: the one that holds `before` stays, wherever it begins.
    const holder = block === undefined ? this.#index.tailChunkAt(before)?.baseOffset : await this.#baseOf(before);
    const left = block === undefined ? [] : await this.#blocksOfChunks(holder ?? before, block.endOffset);
    const rest = left.length === 0 ? null : layout.joinBlocks(left);
    this.#startOffset = before;
    batch.tryPut(layout.streamKey(this.number), layout.encodeStream({ name: this.name, startOffset: before }));
    batch.tryDeleteRange(layout.chunkKey(this.number, 0), layout.chunkKey(this.number, holder ?? before));
    batch.tryDeleteRange(layout.blockKey(this.number, 0), layout.blockKey(this.number, before));
    if (rest !== null) batch.tryPut(layout.blockKey(this.number, rest.baseOffset), layout.encodeBlock(rest));
    this.#index.dropBelow(before, rest);
  }
  #check(): void {
    if (this.#removed) throw new StoreError('closed', this.name);
    this.#host.checkOpen();
  }
}
