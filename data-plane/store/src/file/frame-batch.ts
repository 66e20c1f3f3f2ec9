import { crc32c } from '@robustmq/wire';
import type { Chunk } from '../log.ts';
import { FRAME_HEADER_BYTES, FRAME_KINDS, writeFrameHeader } from './frame.ts';

/** Chunks up to this size are copied next to their headers; larger ones are written from where they lie. */
const COPIED_BYTES_MAX = 4096;
const SLAB_BYTES = 256 * 1024;
/** Slabs kept for the next batch; what a burst needed beyond them is let go. */
const KEPT_SLABS_MAX = 16;
const NO_BYTES = Buffer.alloc(0);
const NO_BYTES_CRC = crc32c(NO_BYTES);

/** Memory that headers and small chunks are gathered in, shared by batches that follow each other. */
export class SlabPool {
  readonly #free: Buffer[] = [];
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }
  give(slabs: readonly Buffer[]): void {
    for (const slab of slabs) if (this.#free.length < KEPT_SLABS_MAX) this.#free.push(slab);
  }
}

/** Frames on their way to a file, as the buffers of one gathered write. Large chunks are not copied. */
export class FrameBatch {
  readonly #pool: SlabPool;
  readonly #slabs: Buffer[] = [];
  readonly #buffers: Buffer[] = [];
  #slab: Buffer | null = null;
  /** `[#from, #at)` of the slab is filled and not yet among the buffers. */
  #from = 0;
  #at = 0;
  #sizeBytes = 0;
  readonly #flushNumber: number | null;

  /** With a number it is a flush of the write-ahead log and begins with the frame that says so. */
  constructor(pool: SlabPool, flushNumber: number | null = null) {
    this.#pool = pool;
    this.#flushNumber = flushNumber;
    if (flushNumber === null) return;
    // The place of that frame: what goes there is known when the batch is sealed.
    this.#slab = pool.take();
    this.#slabs.push(this.#slab);
    this.#at = FRAME_HEADER_BYTES;
    this.#sizeBytes = FRAME_HEADER_BYTES;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  addChunk(streamId: number, chunk: Chunk): void {
    const { bytes, baseOffset, nextOffset, timestampMs } = chunk;
    this.#add(FRAME_KINDS.chunk, streamId, baseOffset, nextOffset, timestampMs, bytes);
  }
  /** A frame that is not a chunk; see FRAME_KINDS. */
  addRecord(kind: number, streamId: number, base: number, bytes: Buffer = NO_BYTES): void {
    this.#add(kind, streamId, base, base, 0, bytes);
  }
  /** The buffers to write; the batch must not be added to afterwards. */
  seal(): readonly Buffer[] {
    if (this.#flushNumber !== null) {
      const [base, next] = [this.#flushNumber, this.#sizeBytes];
      const bytes = { length: 0, bytesCrc: NO_BYTES_CRC };
      writeFrameHeader(this.#slabs[0]!, 0, {
        kind: FRAME_KINDS.flush,
        streamId: 0,
        base,
        next,
        timestampMs: 0,
        ...bytes,
      });
    }
    this.#cut();
    return this.#buffers;
  }
  /** Gives the memory back once it is written. */
  release(): void {
    this.#pool.give(this.#slabs);
  }

  #add(kind: number, streamId: number, base: number, next: number, timestampMs: number, bytes: Buffer): void {
    const copied = bytes.length <= COPIED_BYTES_MAX;
    const need = FRAME_HEADER_BYTES + (copied ? bytes.length : 0);
    if (this.#slab === null || this.#at + need > this.#slab.length) {
      this.#cut();
      this.#slab = this.#pool.take();
      this.#slabs.push(this.#slab);
      this.#from = 0;
      this.#at = 0;
    }
    const slab = this.#slab;
    const bytesCrc = crc32c(bytes);
    writeFrameHeader(slab, this.#at, { kind, streamId, base, next, timestampMs, length: bytes.length, bytesCrc });
    this.#at += FRAME_HEADER_BYTES;
    this.#sizeBytes += FRAME_HEADER_BYTES + bytes.length;
    if (copied) {
      bytes.copy(slab, this.#at);
      this.#at += bytes.length;
      return;
    }
    this.#cut();
    this.#buffers.push(bytes);
  }
  #cut(): void {
    if (this.#slab === null || this.#at === this.#from) return;
    this.#buffers.push(this.#slab.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}
