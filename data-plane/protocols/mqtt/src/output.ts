import type { Transport } from '@robustmq/wire';
import type { Sink } from './packet-writer.ts';

const SLAB_SIZES = [4 * 1024, 16 * 1024, 64 * 1024] as const;
/** Free slabs kept of each size: one per connection that has something to say in a turn, at most 9 MiB per server. */
const SLABS_FREE_MAX = [1024, 64, 64] as const;
const NOTHING: Buffer = Buffer.alloc(0);

/** Output slabs of all connections of a server. */
export class SlabPool {
  readonly #free: Buffer[][] = SLAB_SIZES.map(() => []);

  /** A slab of at least `size` bytes; larger than the largest size is made to measure. */
  take(size: number): Buffer {
    for (let i = 0; i < SLAB_SIZES.length; i++) {
      if (size <= SLAB_SIZES[i]!) return this.#free[i]!.pop() ?? Buffer.allocUnsafeSlow(SLAB_SIZES[i]!);
    }
    return Buffer.allocUnsafeSlow(size);
  }

  give(slab: Buffer): void {
    const size = SLAB_SIZES.indexOf(slab.length as (typeof SLAB_SIZES)[number]);
    if (size >= 0 && this.#free[size]!.length < SLABS_FREE_MAX[size]!) this.#free[size]!.push(slab);
  }
}

/**
 * What one connection will write this turn: a slab that packets are appended to, or one Buffer shared with other
 * connections. The owner flushes it once per loop turn; a slab that fills up goes out at once.
 */
export class Output implements Sink {
  buffer: Buffer = NOTHING;
  /** Bytes handed to the transport since the connection began. */
  flushedBytes = 0;
  #at = 0;
  #shared: Buffer | null = null;
  readonly #transport: Transport;
  readonly #pool: SlabPool;

  constructor(transport: Transport, pool: SlabPool) {
    this.#transport = transport;
    this.#pool = pool;
  }

  /** Bytes not handed to the transport yet. */
  get pendingBytes(): number {
    return this.#at + (this.#shared?.length ?? 0);
  }

  reserve(size: number): number {
    if (this.#shared !== null) this.#unshare();
    const need = this.#at + size;
    if (need > this.buffer.length) this.#grow(size);
    const at = this.#at;
    this.#at = at + size;
    return at;
  }

  /** Appends `bytes`, which nobody changes any more; kept without a copy when nothing else waits. */
  share(bytes: Buffer): void {
    if (this.#at === 0 && this.#shared === null) {
      this.#shared = bytes;
      return;
    }
    const at = this.reserve(bytes.length);
    bytes.copy(this.buffer, at);
  }

  /** Hands everything to the transport. */
  flush(): void {
    const shared = this.#shared;
    if (shared !== null) {
      this.#shared = null;
      this.flushedBytes += shared.length;
      this.#transport.write(shared);
      return;
    }
    const slab = this.buffer;
    if (this.#at === 0) return;
    const bytes = slab.subarray(0, this.#at);
    this.#at = 0;
    this.buffer = NOTHING;
    this.flushedBytes += bytes.length;
    this.#transport.write(bytes);
    // the kernel took it all: nobody reads the slab any more (rule 2)
    if (this.#transport.writableLength === 0) this.#pool.give(slab);
  }

  /** Drops what was not handed over; the transport is gone. */
  discard(): void {
    if (this.buffer.length > 0) this.#pool.give(this.buffer);
    this.buffer = NOTHING;
    this.#at = 0;
    this.#shared = null;
  }

  #unshare(): void {
    const shared = this.#shared!;
    this.#shared = null;
    const at = this.reserve(shared.length);
    shared.copy(this.buffer, at);
  }

  #grow(size: number): void {
    const largest = SLAB_SIZES[SLAB_SIZES.length - 1]!;
    if (this.#at > 0 && this.#at + size > largest) this.flush();
    const slab = this.#pool.take(this.#at + size);
    if (this.#at > 0) this.buffer.copy(slab, 0, 0, this.#at);
    if (this.buffer.length > 0) this.#pool.give(this.buffer);
    this.buffer = slab;
  }
}
