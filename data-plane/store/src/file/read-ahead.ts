import type { Segment } from './segment.ts';

/** Readers of a store whose next bytes are read while they look at the last: so many buffers of one read each. */
export const READ_AHEADS_MAX = 16;

interface Ahead {
  readonly segment: Segment;
  readonly start: number;
  readonly end: number;
  readonly bytes: Promise<Buffer | null>;
}

/**
 * Bytes that were asked for before their reader did, one stretch for each owner. Only what is synced and will not be
 * written again may be read ahead; an owner that cuts or deletes files drops what it has.
 */
export class ReadAheads {
  readonly #byOwner = new Map<object, Ahead>();

  begin(owner: object, segment: Segment, start: number, end: number, read: () => Promise<Buffer>): void {
    this.#byOwner.delete(owner);
    // A read that fails is made again by the reader, who is told.
    this.#byOwner.set(owner, { segment, start, end, bytes: read().catch(() => null) });
    for (const [oldest] of this.#byOwner) {
      if (this.#byOwner.size <= READ_AHEADS_MAX) return;
      this.#byOwner.delete(oldest);
    }
  }
  /** The bytes of exactly this stretch, handed out once; null when they were not read ahead. */
  async take(owner: object, segment: Segment, start: number, end: number): Promise<Buffer | null> {
    const ahead = this.#byOwner.get(owner);
    if (ahead === undefined) return null;
    this.#byOwner.delete(owner);
    return ahead.segment === segment && ahead.start === start && ahead.end === end ? ahead.bytes : null;
  }
  drop(owner: object): void {
    this.#byOwner.delete(owner);
  }
}
