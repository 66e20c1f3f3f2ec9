import {
  BatchBuilder,
  type Claim,
  type Commit,
  type Journal,
  type RecordHeaders,
  type Stream,
} from '@robustmq/journal';
import type { Runtime } from '@robustmq/wire';

/** A batch of a turn that would hold more bytes is followed by another one. */
const BATCH_BYTES_MAX = 1024 * 1024;
/** Builders kept for the next turn; each keeps at most a few megabytes. */
const SPARE_BUILDERS_MAX = 256;

/** A batch whose body is in object storage: the log is to hold the claim alone. */
export interface ClaimedBatch {
  readonly batch: Buffer;
  readonly claim: Claim;
}

/**
 * The batch one turn of the loop gathers for one stream: one RecordBatch per turn and stream, however many messages
 * (docs/performance.md), or a few where they are large. Offsets are known before anything is appended, because nobody
 * else appends to the stream without sealing first. Nothing is appended before `sealAll`: the medium may be flushed at any
 * time for somebody else, and a message that is there without its events (QoS 2: the id that is held) would be stored
 * twice when a crash follows and its publisher repeats it.
 */
export class PendingBatch {
  readonly stream: Stream;
  /** Batches of rank 0 (messages) are sealed before rank 1 (events that refer to them). */
  readonly rank: 0 | 1;
  readonly #sealer: BatchSealer;
  #builder: BatchBuilder | null = null;
  /** Batches before the one at hand, not appended yet: full ones, and such whose body is stored already. null = none. */
  #before: (BatchBuilder | ClaimedBatch)[] | null = null;
  /** Records of those. */
  #beforeCount = 0;
  /** Called with the commit when the batch was appended. */
  onSealed: ((commit: Commit) => void) | null = null;

  constructor(stream: Stream, rank: 0 | 1, sealer: BatchSealer) {
    this.stream = stream;
    this.rank = rank;
    this.#sealer = sealer;
  }

  /** Offset the next record will get. */
  get nextOffset(): number {
    const before = this.stream.endOffset + this.#beforeCount;
    return this.#builder === null ? before : before + this.#builder.count;
  }
  get isEmpty(): boolean {
    return this.#builder === null && this.#before === null;
  }

  /** Adds a record whose value is `[start, end)` of `data`; everything is copied. Returns its offset. */
  add(
    key: Buffer | null,
    data: Buffer,
    start: number,
    end: number,
    headers: RecordHeaders | null,
    timestampMs: number,
  ): number {
    let builder = this.#builder;
    if (builder !== null && builder.sizeBytes + (end - start) > BATCH_BYTES_MAX) {
      this.#close(builder);
      builder = null;
    }
    if (builder === null) {
      if (this.#before === null) this.#sealer.enlist(this);
      builder = this.#builder = this.#sealer.spare();
    }
    const offset = this.stream.endOffset + this.#beforeCount + builder.count;
    builder.addRange(key, data, start, end, headers, timestampMs);
    return offset;
  }

  /** Adds a batch of one record whose body is in object storage already. Returns the record's offset. */
  addClaimed(claimed: ClaimedBatch): number {
    const offset = this.nextOffset;
    if (this.isEmpty) this.#sealer.enlist(this);
    if (this.#builder !== null) this.#close(this.#builder);
    this.#builder = null;
    (this.#before ??= []).push(claimed);
    this.#beforeCount++;
    return offset;
  }

  /** Appends what was gathered; does nothing when there is nothing. */
  seal(): void {
    const builder = this.#builder;
    let commit = this.#before === null ? null : this.#sealBefore(this.#before);
    this.#builder = null;
    if (builder !== null) {
      commit = this.stream.append(builder.build());
      this.#sealer.giveBack(builder);
    }
    if (commit !== null) this.onSealed?.(commit);
  }
  #close(full: BatchBuilder): void {
    (this.#before ??= []).push(full);
    this.#beforeCount += full.count;
  }
  /** Full builders are large: they are not kept for the next turn. */
  #sealBefore(before: readonly (BatchBuilder | ClaimedBatch)[]): Commit | null {
    this.#before = null;
    this.#beforeCount = 0;
    let commit: Commit | null = null;
    for (const one of before) {
      commit = one instanceof BatchBuilder ? this.stream.append(one.build()) : this.stream.append(one.batch, one.claim);
    }
    return commit;
  }
}

/**
 * Seals every pending batch at the end of the turn, and again right before the journal flushes: so a commit that was
 * `journal.current` while a message was added is the commit its batch rides on.
 */
export class BatchSealer {
  readonly journal: Journal;
  readonly #runtime: Runtime;
  readonly #spare: BatchBuilder[] = [];
  #messages: PendingBatch[] = [];
  #events: PendingBatch[] = [];
  readonly #beforeSeal = new Set<() => void>();
  #scheduled = false;
  /** Bytes of messages on their way to object storage ahead of their publish, over all namespaces. */
  preparingBytes = 0;

  constructor(journal: Journal, runtime: Runtime) {
    this.journal = journal;
    this.#runtime = runtime;
    journal.beforeFlush(() => this.sealAll());
  }

  /** The batch holds something from now on. */
  enlist(batch: PendingBatch): void {
    (batch.rank === 0 ? this.#messages : this.#events).push(batch);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#runtime.afterPoll(this.#sealScheduled);
    }
  }
  spare(): BatchBuilder {
    return this.#spare.pop() ?? new BatchBuilder();
  }
  giveBack(builder: BatchBuilder): void {
    if (this.#spare.length < SPARE_BUILDERS_MAX) this.#spare.push(builder);
  }
  /** `callback` runs before batches are sealed and may add to them. Returns a function that forgets it. */
  beforeSeal(callback: () => void): () => void {
    this.#beforeSeal.add(callback);
    return () => this.#beforeSeal.delete(callback);
  }
  sealAll(): void {
    for (const callback of this.#beforeSeal) callback();
    if (this.#messages.length > 0) {
      const batches = this.#messages;
      this.#messages = [];
      for (const batch of batches) batch.seal();
    }
    if (this.#events.length > 0) {
      const batches = this.#events;
      this.#events = [];
      for (const batch of batches) batch.seal();
    }
  }
  readonly #sealScheduled = (): void => {
    this.#scheduled = false;
    this.sealAll();
  };
}
