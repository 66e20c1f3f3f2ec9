import { joinBlocks, type Block } from './layout.ts';

/** Chunks or bytes at which the youngest chunks of a stream become a block. */
export const BLOCK_CHUNKS_MAX = 256;
export const BLOCK_BYTES_MAX = 1024 * 1024;

/**
 * Where things are in one stream: closed blocks, oldest first, and behind them the youngest chunks one by one. About 100
 * bytes of memory for each block, and for each of at most 256 chunks.
 */
export class BlockIndex {
  #blocks: Block[] = [];
  #tail: Block[] = [];
  #tailBytes = 0;
  #sizeBytes = 0;
  /** Blocks closed and not yet stored. */
  unstored: Block[] = [];

  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  get endOffset(): number | null {
    return (this.#tail.at(-1) ?? this.#blocks.at(-1))?.endOffset ?? null;
  }
  /** Begins anew with blocks that are stored, and chunks behind them. */
  reset(blocks: readonly Block[], tail: readonly Block[]): void {
    this.#blocks = [...blocks];
    this.#tail = [...tail];
    this.unstored = [];
    this.#tailBytes = tail.reduce((sum, chunk) => sum + chunk.sizeBytes, 0);
    this.#sizeBytes = blocks.reduce((sum, block) => sum + block.sizeBytes, this.#tailBytes);
  }
  push(chunk: Block): void {
    this.#tail.push(chunk);
    this.#tailBytes += chunk.sizeBytes;
    this.#sizeBytes += chunk.sizeBytes;
    if (this.#tail.length < BLOCK_CHUNKS_MAX && this.#tailBytes < BLOCK_BYTES_MAX) return;
    const block = joinBlocks(this.#tail);
    this.#blocks.push(block);
    this.unstored.push(block);
    this.#tail = [];
    this.#tailBytes = 0;
  }
  /** The first block or chunk with a timestamp that late. */
  atTime(timestampMs: number): Block | undefined {
    const late = (block: Block): boolean => block.timestampMsMax >= timestampMs;
    return this.#blocks.find(late) ?? this.#tail.find(late);
  }
  /** Where the first block or chunk begins from which at most `bytesMax` bytes are left; null = behind them all. */
  atSize(bytesMax: number): number | null {
    let left = this.#sizeBytes;
    for (const run of [this.#blocks, this.#tail]) {
      for (const block of run) {
        if (left <= bytesMax) return block.baseOffset;
        left -= block.sizeBytes;
      }
    }
    return null;
  }
  /** The closed block that holds `offset` (the tail's chunks are none). */
  blockAt(offset: number): Block | undefined {
    return this.#blocks.find((block) => block.baseOffset <= offset && offset < block.endOffset);
  }
  /** The chunk of the tail that holds `offset`. */
  tailChunkAt(offset: number): Block | undefined {
    return this.#tail.find((chunk) => chunk.baseOffset <= offset && offset < chunk.endOffset);
  }
  /** Drops what ends at or below `before`, and puts `rest` in the place of the block that holds it, if there is one. */
  dropBelow(before: number, rest: Block | null): void {
    const blocks = this.#blocks.filter((block) => block.baseOffset >= before);
    const tail = this.#tail.filter((chunk) => chunk.endOffset > before);
    const unstored = this.unstored.filter((block) => block.baseOffset >= before);
    this.reset(rest === null ? blocks : [rest, ...blocks], tail);
    this.unstored = unstored;
  }
  /** Drops what begins at or above `cut`; `tail` are the chunks of the block that holds it, up to it. */
  dropFrom(cut: number, tail: readonly Block[] | null): void {
    const blocks = this.#blocks.filter((block) => block.endOffset <= cut);
    this.reset(blocks, tail ?? this.#tail.filter((chunk) => chunk.endOffset <= cut));
  }
}
