/**
 * The hot seam: one append-only sequence of chunks on one medium, and the medium that holds many of them.
 * A chunk is opaque bytes covering a range of offsets; the store never looks inside.
 */
export interface Chunk {
  /** Offset of the first record in the chunk. */
  readonly baseOffset: number;
  /** Offset after the last record; the next chunk's base. Greater than `baseOffset`. */
  readonly nextOffset: number;
  /** Largest timestamp in the chunk, milliseconds since the epoch. */
  readonly timestampMs: number;
  readonly bytes: Buffer;
}

/**
 * One stream's log. One writer, many readers. Invariants: `startOffset ≤ stableOffset ≤ endOffset`; none of them but
 * after `truncate` ever goes back; what lies below `stableOffset` survives losing the process and the power.
 */
export interface Log {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly stableOffset: number;
  /** Bytes held on the medium for this log. */
  readonly sizeBytes: number;
  /**
   * Takes over `chunk.bytes`; readable at once, stable after the medium's next `flush`. `baseOffset` must be
   * `endOffset`.
   */
  append(chunk: Chunk): void;
  /**
   * Whole chunks in order, beginning with the one that holds `from`, until `bytesMax` is reached; at least one if there
   * is one. Empty at the end. Throws StoreError `offset-out-of-range` below `startOffset` or above `endOffset`, and
   * `corrupt` (with stream, offset and file) when the chunk that holds `from` fails its checksum; `resumeAt` says where
   * the next readable chunk begins. Good chunks in front of a damaged one are returned first.
   */
  read(from: number, bytesMax: number): Promise<readonly Chunk[]>;
  /** Offset of the first chunk whose timestamp is ≥ `timestampMs`; `endOffset` when there is none. */
  seekTime(timestampMs: number): Promise<number>;
  /**
   * Lowest known offset from which at most `bytesMax` bytes are left in the log (what retention by size keeps). Engines
   * answer in whole chunks or segments, so up to one segment more may be kept.
   */
  seekSize(bytesMax: number): number;
  /**
   * Drops everything at and above `to`; a chunk that straddles it goes whole, and the log then ends at its base.
   * Nothing may be appended until it resolves.
   */
  truncate(to: number): Promise<void>;
  /** Lets everything below `before` go (whole chunks or segments; `startOffset` becomes exactly `before`). */
  trim(before: number): Promise<void>;
}

/** Longest stream name, in bytes of UTF-8. */
export const STREAM_NAME_BYTES_MAX = 512;

/** A medium: a directory, a database, memory. One process owns it. */
export interface LogStore {
  /** Opens the stream's log, making it if it is absent. Opening an open stream returns the same object. */
  open(stream: string): Promise<Log>;
  /** Names of all streams that exist, in no order. */
  list(): readonly string[];
  /** Deletes the stream and its bytes. Absent streams are fine. */
  remove(stream: string): Promise<void>;
  /**
   * Resolves when everything appended to any log before this call is stable. Calls made while a flush runs share the
   * next one: a thousand streams cost one fdatasync. Rejects with StoreError `disk-full`, `io` … ; the medium is then
   * `failed` and refuses appends.
   */
  flush(): Promise<void>;
  /** Flushes and lets go of the medium. */
  close(): Promise<void>;
  /**
   * Calls back once, at once, when the medium fails by work of its own, with no flush or append there to say so. Absent
   * where that cannot be.
   */
  onFailed?(callback: (error: Error) => void): void;
}
