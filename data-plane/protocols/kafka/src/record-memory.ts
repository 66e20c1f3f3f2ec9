/** A batch larger than this gets memory of its own. */
const SHARED_BYTES_MAX = 1024;
/** A batch that is kept long keeps no more than this. */
const PIECE_BYTES = 8 * 1024;

/**
 * Memory for small batches that outlive their request, several to a piece: a Buffer of its own costs more than all else
 * that is done with a single record (docs/performance.md).
 */
export class RecordMemory {
  #piece: Buffer | null = null;
  #at = 0;

  /** A copy of `bytes` that is the caller's. */
  copy(bytes: Buffer): Buffer {
    const size = bytes.length;
    if (size > SHARED_BYTES_MAX) {
      const own = Buffer.allocUnsafeSlow(size);
      bytes.copy(own);
      return own;
    }
    if (this.#piece === null || this.#at + size > PIECE_BYTES) {
      this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      this.#at = 0;
    }
    bytes.copy(this.#piece, this.#at);
    this.#at += size;
    return this.#piece.subarray(this.#at - size, this.#at);
  }
}
