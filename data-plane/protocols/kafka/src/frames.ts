import type { KafkaLimits } from './limits.ts';

/** A request whose size is unusable: the connection ends with it. */
export class FrameError extends Error {}

const SIZE_BYTES = 4;
/** Frames up to this are given their memory at once; larger ones grow as bytes arrive, so that a size alone costs nothing. */
const EAGER_SIZE_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Called with each whole request, without its size: `[start, end)` of `buffer`. `owned` tells that the buffer belongs to
 * this request alone and may be kept. Returns false to stop after this one.
 */
export type OnFrame = (buffer: Buffer, start: number, end: number, owned: boolean) => boolean;

/**
 * Cuts a byte stream into size-prefixed requests. What is whole in a chunk is handed out where it lies; the rest is
 * assembled in a buffer of its own that the transport reads into directly, so a large Produce is copied at most once.
 */
export class Frames {
  readonly #limits: KafkaLimits;
  /** Request being assembled, null between requests. */
  #partial: Buffer | null = null;
  #filled = 0;
  /** Bytes of the whole frame with its size; 4 while the size itself is incomplete. */
  #wanted = 0;
  /** Bytes that arrived while the owner had stopped. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Largest request allowed now; the owner raises it after authentication. */
  sizeBytesMax: number;

  constructor(limits: KafkaLimits) {
    this.#limits = limits;
    this.sizeBytesMax = limits.unauthenticatedFrameSizeBytesMax;
  }

  /** Allows requests of an authenticated client. */
  authenticated(): void {
    this.sizeBytesMax = this.#limits.frameSizeBytesMax;
  }
  /** Bytes kept by `hold`. */
  get heldBytes(): number {
    return this.#heldBytes;
  }
  /** Keeps bytes that may not be served yet. */
  hold(chunk: Buffer, start: number, end: number): void {
    if (start === end) return;
    this.#held.push(Buffer.from(chunk.subarray(start, end)));
    this.#heldBytes += end - start;
  }
  /** Hands back what was held, in one piece, and forgets it. */
  release(): Buffer | null {
    if (this.#held.length === 0) return null;
    const all = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return all;
  }

  /** Where the next read should land: the request being assembled, or null when there is none. */
  readTarget(): Buffer | null {
    if (this.#partial === null) return null;
    this.#grow();
    return this.#partial.subarray(this.#filled, Math.min(this.#wanted, this.#partial.length));
  }

  /** Takes `[start, end)` of `chunk`; returns where it stopped, which is `end` unless `onFrame` said stop. */
  feed(chunk: Buffer, start: number, end: number, onFrame: OnFrame): number {
    let at = start;
    while (at < end || this.#complete()) {
      if (this.#partial !== null) {
        at = this.#fill(chunk, at, end);
        if (!this.#complete()) continue;
        const frame = this.#partial;
        const size = this.#wanted;
        this.#partial = null;
        if (!onFrame(frame, SIZE_BYTES, size, true)) return at;
        continue;
      }
      const size = end - at < SIZE_BYTES ? -1 : this.#checkedSize(chunk, at);
      if (size < 0 || end - at < SIZE_BYTES + size) {
        this.#begin(size);
        continue;
      }
      const from = at + SIZE_BYTES;
      at = from + size;
      if (!onFrame(chunk, from, at, false)) return at;
    }
    return at;
  }

  #complete(): boolean {
    return this.#partial !== null && this.#wanted > SIZE_BYTES && this.#filled === this.#wanted;
  }

  #checkedSize(buffer: Buffer, at: number): number {
    const size = buffer.readInt32BE(at);
    if (size < 1 || size > this.sizeBytesMax) {
      throw new FrameError(`request of ${size} bytes; 1 to ${this.sizeBytesMax} are allowed`);
    }
    return size;
  }

  #begin(size: number): void {
    this.#wanted = size < 0 ? SIZE_BYTES : SIZE_BYTES + size;
    this.#partial = Buffer.allocUnsafeSlow(Math.min(this.#wanted, EAGER_SIZE_BYTES_MAX));
    this.#filled = 0;
  }

  /** Moves bytes into the partial request unless the transport put them there already. */
  #fill(chunk: Buffer, at: number, end: number): number {
    this.#grow();
    const partial = this.#partial!;
    const take = Math.min(end - at, Math.min(this.#wanted, partial.length) - this.#filled);
    const inPlace = chunk.buffer === partial.buffer && chunk.byteOffset + at === partial.byteOffset + this.#filled;
    if (!inPlace) chunk.copy(partial, this.#filled, at, at + take);
    this.#filled += take;
    if (this.#filled === SIZE_BYTES && this.#wanted === SIZE_BYTES) {
      const size = this.#checkedSize(partial, 0);
      const prefix = Buffer.from(partial);
      this.#begin(size);
      prefix.copy(this.#partial!, 0);
      this.#filled = SIZE_BYTES;
    }
    return at + take;
  }

  #grow(): void {
    const partial = this.#partial!;
    if (this.#filled < partial.length || this.#filled === this.#wanted) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#wanted, partial.length * 2));
    partial.copy(grown, 0, 0, this.#filled);
    this.#partial = grown;
  }
}
