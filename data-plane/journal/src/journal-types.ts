import type { Commit } from './commit.ts';

/**
 * Name of a stream on the medium: 1 to 512 bytes of UTF-8. The brand keeps plain text out: the broker's
 * `stream-name.ts` is the only maker, so there is no stream without a namespace.
 */
export type StreamName = string & { readonly __brand: 'StreamName' };

/** When an append counts as stable: `memory` at once, `flushed` after the medium's flush. */
export type Durability = 'memory' | 'flushed';

export interface StreamPolicy {
  readonly durability: Durability;
  /** −1 = for ever. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

/**
 * One stream: the single owner of its tail. Holds Kafka RecordBatches v2 and nothing else (design.md §4).
 * The base offset and leader epoch of a batch are patched in place on append; its CRC does not cover them.
 */
export interface Stream {
  readonly name: StreamName;
  readonly startOffset: number;
  readonly endOffset: number;
  /** Consumers see nothing at or above it. */
  readonly stableOffset: number;
  readonly sizeBytes: number;
  /**
   * Appends one RecordBatch v2 the caller has validated (see `checkBatch`). The bytes are taken over. Its first record
   * gets offset `endOffset` as it was. The commit settles when the stream's durability policy is met.
   */
  append(batch: Buffer): Commit;
  /**
   * Whole stable batches beginning with the one that holds `from`, until `bytesMax`; at least one if any is stable.
   * Synchronous when the tail cache holds them, else a promise. The buffers are shared with the store and other
   * readers: never write to them. Rejects with JournalError `corrupt` (see `resumeAt`) for damaged batches. Throws
   * JournalError `offset-out-of-range`.
   */
  read(from: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Offset of the first record with timestamp ≥ `timestampMs`, or null when there is none. */
  offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null>;
  /**
   * Calls back once when `stableOffset` exceeds `offset` (at once if it does). Returns a function that forgets it. Runs
   * when the stable offsets of all streams of the flush have moved, and before the callbacks of its commit.
   */
  onStableBeyond(offset: number, callback: () => void): () => void;
  /** DeleteRecords and retention. */
  trim(before: number): Promise<void>;
}
