import { BatchBuilder, type Commit, type Journal, type RecordHeaders, type Stream } from '@robustmq/journal';
import type { Runtime } from '@robustmq/wire';

/** A batch of a turn that would hold more bytes is followed by another one. */
const BATCH_BYTES_MAX = 1024 * 1024;
/** Builders kept for the next turn; each keeps at most a few megabytes. */
const SPARE_BUILDERS_MAX = 256;

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
  /** Batches before the one at hand: full, and not appended yet. null = none. */
  #full: BatchBuilder[] | null = null;
  /** Records of those. */
  #fullCount = 0;
  /** Called with the commit when the batch was appended. */
  onSealed: ((commit: Commit) => void) | null = null;

  constructor(stream: Stream, rank: 0 | 1, sealer: BatchSealer) {
    this.stream = stream;
    this.rank = rank;
    this.#sealer = sealer;
  }

  /** Offset the next record will get. */
  get nextOffset(): number {
    const { endOffset } = this.stream;
    return this.#builder === null ? endOffset : endOffset + this.#fullCount + this.#builder.count;
  }
  get isEmpty(): boolean {
    return this.#builder === null;
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
      (this.#full ??= []).push(builder);
      this.#fullCount += builder.count;
      builder = this.#builder = this.#sealer.spare();
    }
    if (builder === null) builder = this.#builder = this.#sealer.take(this);
    const offset = this.stream.endOffset + this.#fullCount + builder.count;
    builder.addRange(key, data, start, end, headers, timestampMs);
    return offset;
  }

  /** Appends what was gathered; does nothing when there is nothing. */
  seal(): void {
    const builder = this.#builder;
    if (builder === null) return;
    this.#builder = null;
    if (this.#full !== null) this.#sealFull(this.#full);
    const commit = this.stream.append(builder.build());
    this.#sealer.giveBack(builder);
    this.onSealed?.(commit);
  }
  #sealFull(full: readonly BatchBuilder[]): void {
    this.#full = null;
    this.#fullCount = 0;
    // full ones are large: they are not kept for the next turn
    for (const builder of full) this.stream.append(builder.build());
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

  constructor(journal: Journal, runtime: Runtime) {
    this.journal = journal;
    this.#runtime = runtime;
    journal.beforeFlush(() => this.sealAll());
  }

  /** A builder for a batch that begins now. */
  take(batch: PendingBatch): BatchBuilder {
    (batch.rank === 0 ? this.#messages : this.#events).push(batch);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#runtime.afterPoll(this.#sealScheduled);
    }
    return this.spare();
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
