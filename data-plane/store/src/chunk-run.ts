import type { Chunk } from './log.ts';

/** Removed heads are kept in the array until there are this many of them and they are half of it. */
const DEAD_CHUNKS_MAX = 1024;

/**
 * Consecutive chunks of one stream in memory, oldest first: the whole log of the memory engine, the part of a file log
 * that is still in a write-ahead log, the journal's tail cache. Amortised O(1) at both ends, O(log n) to find an
 * offset.
 */
export class ChunkRun {
  #chunks: (Chunk | undefined)[] = [];
  /** Index of the first live chunk; what lies before it was removed. */
  #head = 0;
  #sizeBytes = 0;

  get count(): number {
    return this.#chunks.length - this.#head;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  get first(): Chunk | undefined {
    return this.#chunks[this.#head];
  }
  get last(): Chunk | undefined {
    return this.count === 0 ? undefined : this.#chunks[this.#chunks.length - 1];
  }
  /** The chunk at `index`, 0 = oldest. */
  at(index: number): Chunk | undefined {
    return this.#chunks[this.#head + index];
  }

  push(chunk: Chunk): void {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.bytes.length;
  }
  /** Removes and returns the oldest chunk. */
  shift(): Chunk | undefined {
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    this.#chunks[this.#head++] = undefined;
    this.#sizeBytes -= chunk.bytes.length;
    if (this.#head === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#head = 0;
    } else if (this.#head >= DEAD_CHUNKS_MAX && this.#head * 2 >= this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
    return chunk;
  }
  /** Removes and returns the newest chunk. */
  pop(): Chunk | undefined {
    if (this.count === 0) return undefined;
    const chunk = this.#chunks.pop()!;
    this.#sizeBytes -= chunk.bytes.length;
    return chunk;
  }
  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#sizeBytes = 0;
  }

  /** Index of the first chunk that ends above `offset` = the one that holds it, when the run has no hole there. */
  indexOf(offset: number): number {
    let low = this.#head;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.nextOffset > offset) high = middle;
      else low = middle + 1;
    }
    return low - this.#head;
  }
  /**
   * Index of the first chunk, from `index` on, with a timestamp ≥ `timestampMs`; `count` when there is none. Timestamps
   * need no order.
   */
  indexOfTime(timestampMs: number, index = 0): number {
    for (let i = this.#head + index; i < this.#chunks.length; i++) {
      if (this.#chunks[i]!.timestampMs >= timestampMs) return i - this.#head;
    }
    return this.count;
  }

  /** Removes chunks that lie wholly below `before`. */
  dropBelow(before: number): void {
    for (let chunk = this.first; chunk !== undefined && chunk.nextOffset <= before; chunk = this.first) this.shift();
  }
  /** Removes chunks that reach to or above `to`; returns the base of the lowest one removed, or null. */
  dropFrom(to: number): number | null {
    let cut: number | null = null;
    for (let chunk = this.last; chunk !== undefined && chunk.nextOffset > to; chunk = this.last) {
      cut = chunk.baseOffset;
      this.pop();
    }
    return cut;
  }
}
