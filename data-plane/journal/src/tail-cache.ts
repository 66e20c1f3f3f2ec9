import { ChunkRun, type Chunk } from '@robustmq/store';

/** The newest batches of one stream, as the tail cache keeps them. Linked into the cache's order of use. */
export class StreamTail {
  readonly chunks = new ChunkRun();
  /** Most bytes of this stream. Set through `TailCache.limit`. */
  bytesMax = Infinity;
  /** Neighbours in the order of use; the cache alone touches them. */
  newer: StreamTail | null = null;
  older: StreamTail | null = null;
}

/**
 * The newest batches of all streams of one journal, bounded together. Beyond the bound the stream that was used longest
 * ago gives up its oldest batches first. Batches are shared with the store and never copied.
 */
export class TailCache {
  readonly #bytesMax: number;
  #bytes = 0;
  #newest: StreamTail | null = null;
  #oldest: StreamTail | null = null;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  get sizeBytes(): number {
    return this.#bytes;
  }

  add(tail: StreamTail, chunk: Chunk): void {
    if (chunk.bytes.length > this.#bytesMax || chunk.bytes.length > tail.bytesMax) {
      // It would push everything else out and then itself; the tail must not get a hole.
      this.clear(tail);
      return;
    }
    tail.chunks.push(chunk);
    this.#bytes += chunk.bytes.length;
    this.touch(tail);
    if (tail.chunks.sizeBytes > tail.bytesMax) this.#shrink(tail);
    if (this.#bytes > this.#bytesMax) this.#evict();
  }
  /** Gives one stream a limit of its own, from now on. */
  limit(tail: StreamTail, bytesMax: number): void {
    tail.bytesMax = bytesMax;
    this.#shrink(tail);
  }
  /** Marks the stream as used. */
  touch(tail: StreamTail): void {
    if (this.#newest === tail) return;
    this.#unlink(tail);
    tail.older = this.#newest;
    if (this.#newest !== null) this.#newest.newer = tail;
    this.#newest = tail;
    this.#oldest ??= tail;
  }
  /** Lets batches that lie wholly below `before` go. */
  dropBelow(tail: StreamTail, before: number): void {
    const size = tail.chunks.sizeBytes;
    tail.chunks.dropBelow(before);
    this.#bytes -= size - tail.chunks.sizeBytes;
  }
  /** Forgets the stream. */
  clear(tail: StreamTail): void {
    this.#bytes -= tail.chunks.sizeBytes;
    tail.chunks.clear();
    this.#unlink(tail);
  }

  #shrink(tail: StreamTail): void {
    while (tail.chunks.sizeBytes > tail.bytesMax) this.#bytes -= tail.chunks.shift()!.bytes.length;
  }
  #evict(): void {
    while (this.#bytes > this.#bytesMax && this.#oldest !== null) {
      const tail = this.#oldest;
      const dropped = tail.chunks.shift();
      if (dropped === undefined) this.#unlink(tail);
      else this.#bytes -= dropped.bytes.length;
    }
  }
  #unlink(tail: StreamTail): void {
    if (tail.newer !== null) tail.newer.older = tail.older;
    else if (this.#newest === tail) this.#newest = tail.older;
    if (tail.older !== null) tail.older.newer = tail.newer;
    else if (this.#oldest === tail) this.#oldest = tail.newer;
    tail.newer = null;
    tail.older = null;
  }
}
