import type { Commit } from './commit.ts';
import type { Claim } from './tier/claim.ts';

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
  /** When stable batches leave the medium for object storage. Absent = never. */
  readonly tier?: TierPolicy;
  /** What is let go: by age and size (the default), superseded records of a key, or both. */
  readonly cleanup?: 'delete' | 'compact' | 'compact,delete';
  /** How `compact` works; each absent field has the default beside it. */
  readonly compaction?: CompactionPolicy;
  /**
   * The medium a stream is made on, one of `JournalOptions.engines` or the main one; absent = the main one. Counts when
   * the stream is made and never again. On `memory` every append is of durability `memory`, and a restart empties it.
   */
  readonly engine?: string;
}
/** What `Journal.alterPolicy` changes: absent = stays, undefined = back to the default. */
export type PolicyChange = {
  readonly [Name in Exclude<keyof StreamPolicy, 'engine'>]?:
    StreamPolicy[Name] | (undefined extends StreamPolicy[Name] ? undefined : never);
};

/** A range goes cold when any of the limits says so; none given = nothing moves by itself. */
export interface TierPolicy {
  /** Most bytes of the stream in the tail cache; 0 = none. Absent = what the cache of all streams has room for. */
  readonly hotBytes?: number;
  /** Batches whose newest record is older. */
  readonly coldAfterMs?: number;
  /** The oldest batches, as soon as the medium holds more than this for the stream. */
  readonly coldAfterBytes?: number;
  /** Everything stable, when nobody has read behind the tail cache for so long. */
  readonly coldAfterIdleMs?: number;
  /** Reads of a cold object within 10 minutes that bring a copy of it back to the medium; absent = never. */
  readonly warmAfterReads?: number;
  /** A copy that came back goes when it has not been read for so long. Default one hour. */
  readonly warmIdleMs?: number;
}

export interface CompactionPolicy {
  /** Batches younger than this are left alone. Default 0. */
  readonly minLagMs?: number;
  /** How long a record without value is kept after its first compaction, so that readers learn of it. Default 1 day. */
  readonly deleteRetentionMs?: number;
  /** Share of bytes not compacted yet, 0 to 1, from which a pass is worth it. Default 0.5. */
  readonly minDirtyRatio?: number;
}

/**
 * What metering samples: live numbers of one stream, each read in constant time and without allocation. The first three
 * are levels in bytes; the others count since the journal was opened and only ever grow.
 */
export interface StreamMeter {
  /** In the tail cache. These bytes are on the medium as well. */
  readonly hotBytes: number;
  /** On the medium: the log, compacted objects, copies that came back. */
  readonly warmBytes: number;
  /** In object storage. */
  readonly coldBytes: number;
  readonly objectRequests: number;
  readonly objectBytesWritten: number;
  readonly objectBytesRead: number;
}

/** Where the bytes of a stream are, and what moved lately. */
export interface StreamTierReport {
  /** In the tail cache (memory). These bytes are on the medium as well. */
  readonly hotBytes: number;
  /** On the medium: the log, compacted objects, copies that came back. */
  readonly warmBytes: number;
  /** In object storage. */
  readonly coldBytes: number;
  /** Oldest first. */
  readonly objects: readonly TierObject[];
  /** Bodies of large batches, each an object of its own; oldest first. */
  readonly claims: readonly Pick<TierObject, 'key' | 'baseOffset' | 'nextOffset' | 'sizeBytes'>[];
  /** The newest moves, oldest first. */
  readonly moves: readonly TierMove[];
}
export interface TierObject {
  readonly key: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
  readonly maxTimestampMs: number;
  /** Held by object storage. */
  readonly cold: boolean;
  /** Held by the medium. */
  readonly warm: boolean;
  readonly compacted: boolean;
}
export type TierMoveKind = 'to-cold' | 'to-warm' | 'drop-warm' | 'compact' | 'trim' | 'orphan' | 'merge';
export interface TierMove {
  readonly atMs: number;
  readonly kind: TierMoveKind;
  /** A few words: which limit of the policy, or who asked. */
  readonly reason: string;
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
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
   * gets offset `endOffset` as it was. The commit settles when the stream's durability policy is met. With the claim that
   * `prepare` gave for this very batch, the log holds only that.
   */
  append(batch: Buffer, claim?: Claim | null): Commit;
  /**
   * Puts the body of a large batch into object storage, so that `append` needs to store only a claim. null = not to be
   * done with this batch (the usual case, answered at once); a promise of null = it was not possible now. Either way
   * `append` without a claim is right. Never rejects. The batch must not change before it is appended.
   */
  prepare(batch: Buffer): Promise<Claim | null> | null;
  /** Whether `prepare` would take a batch of this size now; cheap. */
  takesClaim(sizeBytes: number): boolean;
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
  /**
   * Offset of the newest stable record with this key, or null. From an index in memory, made by the first call and
   * carried on by the later ones; for streams whose `cleanup` compacts. A key it has no room for is looked for by
   * reading the stream.
   */
  offsetOfKey(key: Buffer): Promise<number | null>;
  /** What the stream holds per tier, and what it asked of object storage. The same object at every call. */
  readonly meter: StreamMeter;
  /** What applies to it now, the journal's own tier included. */
  readonly policy: StreamPolicy;
  /** Where the bytes are. */
  tiers(): StreamTierReport;
  /** Copies cold objects that hold `[from, to)` back to the medium; `warmIdleMs` later unread copies go again. */
  warm(from: number, to: number): Promise<void>;
}
