import { crc32c } from '@robustmq/wire';
import type { FrameHeader } from './frame.ts';

/** An interval of a segment is closed when it has this many bytes, and at the end of every write. */
export const INTERVAL_BYTES = 64 * 1024;
/** crc u32 | start u32 | end u32 | zero u32 | base f64 | next f64 | maxTimestampMs f64 */
const ENTRY_BYTES = 40;

/** Consecutive frames of a segment: bytes `[start, end)`, offsets `[base, next)`, the largest of their timestamps. */
export interface Interval {
  readonly start: number;
  readonly end: number;
  readonly base: number;
  readonly next: number;
  readonly maxTimestampMs: number;
}

/**
 * The sparse index of one segment: intervals without gaps from byte 0 on. Bytes below `coveredBytes` were synced before
 * the index said so, therefore damage there is damage and not an unfinished write.
 */
export class SegmentIndex {
  readonly intervals: Interval[] = [];

  get coveredBytes(): number {
    return this.intervals.at(-1)?.end ?? 0;
  }
  /** Offset after the last record the index covers, null when it covers none. */
  get nextOffset(): number | null {
    return this.intervals.at(-1)?.next ?? null;
  }
  get maxTimestampMs(): number {
    return this.intervals.reduce((max, interval) => Math.max(max, interval.maxTimestampMs), -Infinity);
  }

  /** Number of the last interval with a base at or below `offset`, at least 0. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.intervals[middle]!.base <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /**
   * Whole entries from the front; stops at the first that is damaged, out of place, or beyond `fileBytes`. With gaps
   * other streams' frames may lie between two intervals.
   */
  static decode(bytes: Buffer, fileBytes: number, hasGaps = false): SegmentIndex {
    const index = new SegmentIndex();
    for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
      if (bytes.readUInt32BE(at) !== crc32c(bytes, at + 4, at + ENTRY_BYTES)) break;
      const interval: Interval = {
        start: bytes.readUInt32BE(at + 4),
        end: bytes.readUInt32BE(at + 8),
        base: bytes.readDoubleBE(at + 16),
        next: bytes.readDoubleBE(at + 24),
        maxTimestampMs: bytes.readDoubleBE(at + 32),
      };
      const inPlace = hasGaps ? interval.start >= index.coveredBytes : interval.start === index.coveredBytes;
      if (!inPlace || interval.end > fileBytes) break;
      index.intervals.push(interval);
    }
    return index;
  }
  static encode(intervals: readonly Interval[]): Buffer {
    const bytes = Buffer.alloc(intervals.length * ENTRY_BYTES);
    intervals.forEach((interval, i) => {
      const at = i * ENTRY_BYTES;
      bytes.writeUInt32BE(interval.start, at + 4);
      bytes.writeUInt32BE(interval.end, at + 8);
      bytes.writeDoubleBE(interval.base, at + 16);
      bytes.writeDoubleBE(interval.next, at + 24);
      bytes.writeDoubleBE(interval.maxTimestampMs, at + 32);
      bytes.writeUInt32BE(crc32c(bytes, at + 4, at + ENTRY_BYTES), at);
    });
    return bytes;
  }
  /** Bytes the index takes in its file. */
  get encodedBytes(): number {
    return this.intervals.length * ENTRY_BYTES;
  }
}

/** Makes intervals out of frames that follow each other. */
export class IntervalMaker {
  readonly done: Interval[] = [];
  #start: number;
  #end: number;
  #base = 0;
  #next = 0;
  #maxTimestampMs = -Infinity;

  constructor(position: number) {
    this.#start = position;
    this.#end = position;
  }
  add(header: Pick<FrameHeader, 'base' | 'next' | 'timestampMs'>, end: number): void {
    if (this.#end === this.#start) this.#base = header.base;
    this.#end = end;
    this.#next = header.next;
    this.#maxTimestampMs = Math.max(this.#maxTimestampMs, header.timestampMs);
    if (this.#end - this.#start >= INTERVAL_BYTES) this.close();
  }
  /** Damaged bytes up to `end` belong to the interval they follow (or to the next one when nothing precedes them). */
  stretch(end: number): void {
    if (this.#end > this.#start) this.#end = end;
    else if (this.done.length > 0) {
      this.done.push({ ...this.done.pop()!, end });
      this.#start = end;
      this.#end = end;
    }
  }
  close(): void {
    if (this.#end === this.#start) return;
    this.done.push({
      start: this.#start,
      end: this.#end,
      base: this.#base,
      next: this.#next,
      maxTimestampMs: this.#maxTimestampMs,
    });
    this.#start = this.#end;
    this.#maxTimestampMs = -Infinity;
  }
}

/** Intervals of one stream in a file it shares: each as long as its frames follow each other, at most INTERVAL_BYTES. */
export class RunMaker {
  readonly intervals: { -readonly [K in keyof Interval]: Interval[K] }[] = [];
  #sizeBytes = 0;
  #maxTimestampMs = -Infinity;

  /** Offsets `[base, next)` of all of them. */
  get base(): number {
    return this.intervals[0]?.base ?? 0;
  }
  get next(): number {
    return this.intervals.at(-1)?.next ?? 0;
  }
  get maxTimestampMs(): number {
    return this.#maxTimestampMs;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  /** A frame at `[start, end)`, behind those added before. */
  add(
    { base, next, timestampMs }: Pick<FrameHeader, 'base' | 'next' | 'timestampMs'>,
    start: number,
    end: number,
  ): void {
    const last = this.intervals.at(-1);
    this.#sizeBytes += end - start;
    this.#maxTimestampMs = Math.max(this.#maxTimestampMs, timestampMs);
    if (last !== undefined && last.end === start && last.next === base && start - last.start < INTERVAL_BYTES) {
      last.end = end;
      last.next = next;
      last.maxTimestampMs = Math.max(last.maxTimestampMs, timestampMs);
    } else this.intervals.push({ start, end, base, next, maxTimestampMs: timestampMs });
  }
}
