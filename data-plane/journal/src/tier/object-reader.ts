import { StoreError, type Chunk, type ObjectStore } from '@robustmq/store';
import { crc32c, type Runtime } from '@robustmq/wire';
import { JournalError } from '../journal-error.ts';
import { BlockCache } from './block-cache.ts';
import { ColdGate, isPassing } from './cold-gate.ts';
import type { Part } from './manifest.ts';
import type { ObjectMeter } from './object-meter.ts';
import { decodeFooter, rebuildIndex, type ObjectIndex } from './object-layout.ts';

/** Blocks and indexes of objects kept in memory, over all streams of a journal. */
export const COLD_CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** Most blocks one read fetches; neighbours that are missing come with one request. */
const BLOCKS_PER_READ_MAX = 16;

/** Consecutive chunks of an object in memory. */
interface Block {
  readonly bytes: Buffer;
  /** Chunks that fail their checksum; null when all are good. */
  readonly bad: ReadonlySet<number> | null;
}

export interface ObjectReaderOptions {
  readonly meter: ObjectMeter | null;
  readonly warm: ObjectStore;
  readonly runtime: Runtime;
  readonly cacheBytesMax?: number;
}

/**
 * Reads chunks of objects: one request per block however many readers want it, missing neighbours in one request, and
 * the next block ahead when object storage is not busy. A copy on the medium is preferred, and stood in for by object
 * storage when it is damaged. Shared by all streams of a journal.
 */
export class ObjectReader {
  readonly #meter: ObjectMeter | null;
  readonly #warm: ObjectStore;
  readonly #gate: ColdGate;
  readonly #runtime: Runtime;
  readonly #blocks: BlockCache<Block>;
  readonly #indexes: BlockCache<ObjectIndex>;
  readonly #fetching = new Map<string, Promise<unknown>>();

  constructor(options: ObjectReaderOptions) {
    const bytesMax = options.cacheBytesMax ?? COLD_CACHE_BYTES_MAX;
    this.#meter = options.meter;
    this.#warm = options.warm;
    this.#runtime = options.runtime;
    this.#gate = new ColdGate(options.runtime);
    this.#indexes = new BlockCache(Math.floor(bytesMax / 4));
    this.#blocks = new BlockCache(bytesMax - Math.floor(bytesMax / 4));
  }
  get cachedBytes(): number {
    return this.#blocks.sizeBytes + this.#indexes.sizeBytes;
  }

  /**
   * Whole chunks from the one that holds `from` until `bytesMax` or the end of the part; at least one. Good ones in front
   * of a damaged one are returned first; then JournalError `corrupt` names stream, offset and object.
   */
  async read(stream: string, part: Part, from: number, bytesMax: number): Promise<Chunk[]> {
    const index = await this.index(stream, part);
    const first = index.chunkAt(from);
    let last = first;
    const start = index.positions[first]!;
    while (last + 1 < index.count && index.positions[last + 2]! - start <= bytesMax) last++;
    const firstBlock = index.blockOf(first);
    const lastBlock = Math.min(index.blockOf(last), firstBlock + BLOCKS_PER_READ_MAX - 1);
    last = Math.min(last, index.blocks[lastBlock + 1]! - 1);
    const blocks = await this.#load(stream, part, index, firstBlock, lastBlock);
    this.#readAhead(stream, part, index, lastBlock + 1);
    const found: Chunk[] = [];
    for (let i = first; i <= last; i++) {
      const number = index.blockOf(i);
      const block = blocks[number - firstBlock]!;
      if (block.bad?.has(i) === true) {
        if (found.length > 0) break;
        const where = `${stream} at ${index.offsets[i]}, object ${part.key}`;
        throw new JournalError('corrupt', where, { resumeAt: index.offsets[i + 1]! });
      }
      found.push(chunkOf(index, i, block.bytes, index.positions[index.blocks[number]!]!));
    }
    return found;
  }
  /** Which chunk lies where. A damaged index is made anew from the whole object. */
  index(stream: string, part: Part): Promise<ObjectIndex> {
    const known = this.#indexes.get(part.key);
    if (known !== undefined) return Promise.resolve(known);
    return this.#once(`${part.key}#`, async () => {
      const { baseOffset, nextOffset, dataBytes, sizeBytes } = part;
      for (const tier of tiersOf(part)) {
        const footer = await this.#range(stream, part, tier, dataBytes, sizeBytes);
        const index = footer === null ? null : decodeFooter(footer, baseOffset, nextOffset, dataBytes);
        if (index !== null) return this.#keepIndex(part, index);
      }
      const data = await this.#range(stream, part, tiersOf(part).at(-1)!, 0, dataBytes);
      if (data === null) throw new JournalError('corrupt', lost(stream, part), { resumeAt: nextOffset });
      this.#runtime.log.error({ stream, object: part.key }, 'the index of an object is damaged and was made anew');
      return this.#keepIndex(part, rebuildIndex(data, baseOffset, nextOffset));
    });
  }
  /** All bytes of an object, for a copy; null when it does not have them. */
  whole(stream: string, part: Part): Promise<Buffer | null> {
    return this.#range(stream, part, part.cold ? 'cold' : 'warm', 0, part.sizeBytes);
  }
  /**
   * A whole object that is one batch, cached; null when it is not there or `settle`, which may finish the bytes in place,
   * says it is not the right one, twice. Throws JournalError `unavailable`, `closed`.
   */
  async body(
    stream: string,
    key: string,
    sizeBytes: number,
    settle: (bytes: Buffer) => boolean,
  ): Promise<Buffer | null> {
    const known = this.#blocks.get(bodyKey(key));
    if (known !== undefined) return known.bytes;
    return this.#once(bodyKey(key), async () => {
      const object = { key, cold: true, warm: false };
      for (let tried = 0; tried < 2; tried++) {
        const bytes = await this.#range(stream, object, 'cold', 0, sizeBytes);
        if (bytes === null || !settle(bytes)) continue;
        this.keepBody(key, bytes);
        return bytes;
      }
      return null;
    });
  }
  /** The body is as readers get it: who wrote it may be followed at once by who reads it. */
  keepBody(key: string, bytes: Buffer): void {
    this.#blocks.set(bodyKey(key), { bytes, bad: null }, bytes.length + 100);
  }
  forgetBody(key: string): void {
    this.#blocks.delete(bodyKey(key));
  }
  /** The object is gone: lets its index go. Blocks leave by age; nobody asks for them any more. */
  forget(key: string): void {
    this.#indexes.delete(key);
  }

  #keepIndex(part: Part, index: ObjectIndex): ObjectIndex {
    this.#indexes.set(part.key, index, index.sizeBytes);
    return index;
  }
  /** The blocks `[first, last]`, those that are missing fetched in as few requests as they lie together. */
  async #load(stream: string, part: Part, index: ObjectIndex, first: number, last: number): Promise<Block[]> {
    const wanted: (Block | Promise<Block>)[] = [];
    for (let at = first; at <= last;) {
      const known = this.#blocks.get(blockKey(part, at)) ?? this.#fetching.get(blockKey(part, at));
      if (known !== undefined) {
        wanted.push(known as Block | Promise<Block>);
        at++;
        continue;
      }
      let end = at + 1;
      while (end <= last && !this.#blocks.has(blockKey(part, end)) && !this.#fetching.has(blockKey(part, end))) end++;
      wanted.push(...this.#fetch(stream, part, index, at, end));
      at = end;
    }
    return Promise.all(wanted);
  }
  /** One request for blocks `[first, end)`; each can be waited for by others. */
  #fetch(stream: string, part: Part, index: ObjectIndex, first: number, end: number): Promise<Block>[] {
    const run = this.#fetchRun(stream, part, index, first, end);
    const promises: Promise<Block>[] = [];
    for (let at = first; at < end; at++) {
      promises.push(this.#once(blockKey(part, at), async () => (await run)[at - first]!));
    }
    return promises;
  }
  async #fetchRun(stream: string, part: Part, index: ObjectIndex, first: number, end: number): Promise<Block[]> {
    const start = index.positions[index.blocks[first]!]!;
    const stop = index.positions[index.blocks[end]!]!;
    let best: Block[] | null = null;
    for (const tier of tiersOf(part)) {
      const bytes = await this.#range(stream, part, tier, start, stop);
      if (bytes === null) continue;
      const blocks: Block[] = [];
      for (let at = first; at < end; at++) {
        const from = index.positions[index.blocks[at]!]! - start;
        blocks.push(checked(index, at, bytes.subarray(from, index.positions[index.blocks[at + 1]!]! - start)));
      }
      best = best === null ? blocks : blocks.map((block, i) => (fewerBad(block, best![i]!) ? block : best![i]!));
      if (best.every((block) => block.bad === null)) break;
    }
    if (best === null) throw new JournalError('corrupt', lost(stream, part), { resumeAt: part.nextOffset });
    // A damaged block is not kept: the next reader asks again.
    best.forEach((block, i) => {
      if (block.bad === null) this.#blocks.set(blockKey(part, first + i), block, block.bytes.length + 100);
    });
    return best;
  }
  #readAhead(stream: string, part: Part, index: ObjectIndex, block: number): void {
    if (block >= index.blocks.length - 1 || !this.#gate.isIdle) return;
    const key = blockKey(part, block);
    if (this.#blocks.has(key) || this.#fetching.has(key)) return;
    for (const ahead of this.#fetch(stream, part, index, block, block + 1)) ahead.catch(() => undefined);
  }
  /** Bytes of one copy; null when that copy is not there or, of two, cannot be read. */
  async #range(
    stream: string,
    part: Pick<Part, 'key' | 'cold' | 'warm'>,
    tier: Tier,
    start: number,
    end: number,
  ): Promise<Buffer | null> {
    const where = `${stream}, object ${part.key}`;
    const store = tier === 'warm' ? this.#warm : (this.#meter?.store(stream) ?? null);
    // Stores need not take an empty range.
    if (start === end) return Buffer.alloc(0);
    if (store === null) throw new JournalError('unavailable', `${where}: no object storage is configured`);
    try {
      if (tier === 'warm') return await store.getRange(part.key, start, end);
      return await this.#gate.run(where, () => store.getRange(part.key, start, end));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (error.code === 'object-missing' || error.code === 'corrupt') return null;
      if (tier === 'warm' && part.cold) return null;
      const code = error.code === 'closed' ? 'closed' : isPassing(error) ? 'unavailable' : 'failed';
      throw new JournalError(code === 'failed' ? 'unavailable' : code, where, { cause: error });
    }
  }
  #once<T>(key: string, run: () => Promise<T>): Promise<T> {
    const running = this.#fetching.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const started = run().finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, started);
    return started;
  }
}

type Tier = 'warm' | 'cold';

/** Copies in the order they are asked; a single one twice, for damage on the way to us passes. */
function tiersOf(part: Part): readonly Tier[] {
  if (part.warm) return part.cold ? ['warm', 'cold'] : ['warm', 'warm'];
  return ['cold', 'cold'];
}
function blockKey(part: Part, block: number): string {
  return `${part.key}#${block}`;
}
function bodyKey(key: string): string {
  return `${key}#body`;
}
function lost(stream: string, part: Part): string {
  return `${stream}, object ${part.key} of offsets ${part.baseOffset} to ${part.nextOffset - 1} is not there`;
}
function chunkOf(index: ObjectIndex, i: number, bytes: Buffer, blockAt: number): Chunk {
  return {
    baseOffset: index.offsets[i]!,
    nextOffset: index.offsets[i + 1]!,
    timestampMs: index.timestamps[i]!,
    bytes: bytes.subarray(index.positions[i]! - blockAt, index.positions[i + 1]! - blockAt),
  };
}
function checked(index: ObjectIndex, block: number, bytes: Buffer): Block {
  const blockAt = index.positions[index.blocks[block]!]!;
  let bad: Set<number> | null = null;
  for (let i = index.blocks[block]!; i < index.blocks[block + 1]!; i++) {
    const from = index.positions[i]! - blockAt;
    const to = index.positions[i + 1]! - blockAt;
    if (to <= bytes.length && crc32c(bytes, from, to) === index.crcs[i]) continue;
    bad ??= new Set();
    bad.add(i);
  }
  return { bytes, bad };
}
function fewerBad(block: Block, other: Block): boolean {
  return (block.bad?.size ?? 0) < (other.bad?.size ?? 0);
}
