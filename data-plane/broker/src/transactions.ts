import {
  Commit,
  CONTROL_BIT,
  JournalError,
  readAttributes,
  readNextOffset,
  TRANSACTIONAL_BIT,
  type Stream,
} from '@robustmq/journal';
import type { Runtime } from '@robustmq/wire';
import type { BatchSealer } from './batch-sealer.ts';
import type { AbortedTransaction, KeyedStore, OpenTransaction } from './broker-types.ts';
import { controlBatch, producerOf } from './control-batch.ts';

/** Bytes of one transaction's batches kept at hand for the moment it commits; a larger one is read again then. */
const KEPT_BYTES_MAX = 4 * 2 ** 20;
/** Bytes of one transaction that other protocols get to see; what is beyond is stored, and theirs no more. */
const DELIVERED_BYTES_MAX = 64 * 2 ** 20;
const READ_BYTES = 2 ** 20;

interface Open extends OpenTransaction {
  /** Its batches; null = too many, or from before a restart. */
  kept: Buffer[] | null;
  keptBytes: number;
}

/** What the transactions of a partition need from around them. */
export interface TransactionHost {
  readonly stream: Stream;
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  /** `<topic id>/<partition>/`: the beginning of the partition's keys. */
  readonly keyPrefix: string;
  readonly open: KeyedStore;
  readonly aborted: KeyedStore;
  /** Appends behind what was given an offset already. */
  append(batch: Buffer): Commit;
  /** Committed batches are messages now; called in the turn of the marker. */
  committed(batches: readonly Buffer[], commit: Commit): void;
  /** Whether anybody would want them. */
  hasReaders(): boolean;
  /** A transaction was too large to be delivered whole. */
  cut(firstOffset: number): void;
}

/**
 * The transactions of one partition: which are open, and which were aborted. The record that one is open goes to the
 * medium before its first batch, the one that it ended behind its marker: a crash in between leaves it open, for its
 * coordinator to end again.
 */
export class PartitionTransactions {
  readonly #host: TransactionHost;
  readonly #open = new Map<number, Open>();
  readonly #aborted: AbortedTransaction[] = [];

  constructor(host: TransactionHost) {
    this.#host = host;
  }

  /** One entry of the namespace's durable state that is this partition's. */
  restoreOpen(producerId: number, value: Buffer): void {
    const { epoch, first } = JSON.parse(value.toString()) as { epoch: number; first: number };
    // a crash took the batch: its offset will be somebody else's
    if (first >= this.#host.stream.endOffset) void this.#host.open.delete(this.#host.keyPrefix + producerId);
    else {
      this.#open.set(producerId, { producerId, producerEpoch: epoch, firstOffset: first, kept: null, keptBytes: 0 });
    }
  }
  restoreAborted(lastOffset: number, value: Buffer): void {
    const { producer, first } = JSON.parse(value.toString()) as { producer: number; first: number };
    if (lastOffset >= this.#host.stream.endOffset) void this.#host.aborted.delete(this.#host.keyPrefix + lastOffset);
    else this.#addAborted({ producerId: producer, firstOffset: first, lastOffset });
  }

  get lastStableOffset(): number {
    const { stableOffset } = this.#host.stream;
    let first = stableOffset;
    for (const { firstOffset } of this.#open.values()) if (firstOffset < first) first = firstOffset;
    return first;
  }
  openTransactions(): readonly OpenTransaction[] {
    return [...this.#open.values()]
      .map(({ producerId, producerEpoch, firstOffset }) => ({ producerId, producerEpoch, firstOffset }))
      .sort((a, b) => a.firstOffset - b.firstOffset);
  }
  abortedTransactions(from: number, to: number): readonly AbortedTransaction[] {
    return this.#aborted.filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to);
  }

  /** A transactional batch is about to be appended at `offset`. */
  beforeAppend(batch: Buffer, producerId: number, producerEpoch: number, offset: number): void {
    let open = this.#open.get(producerId);
    if (open === undefined || open.producerEpoch !== producerEpoch) {
      const firstOffset = open?.firstOffset ?? offset;
      open = { producerId, producerEpoch, firstOffset, kept: open === undefined ? [] : null, keptBytes: 0 };
      this.#open.set(producerId, open);
      const value = Buffer.from(JSON.stringify({ epoch: producerEpoch, first: firstOffset }));
      void this.#host.open.set(this.#host.keyPrefix + producerId, value);
      this.#host.sealer.sealAll();
    }
    if (open.kept === null) return;
    open.keptBytes += batch.length;
    if (open.keptBytes > KEPT_BYTES_MAX) open.kept = null;
    else open.kept.push(batch);
  }

  end(producerId: number, producerEpoch: number, commit: boolean): Commit {
    const open = this.#open.get(producerId);
    if (open === undefined || !commit || !this.#host.hasReaders())
      return this.#mark(open, producerId, producerEpoch, commit);
    if (open.kept !== null) return this.#mark(open, producerId, producerEpoch, true, open.kept);
    const { sealer, runtime } = this.#host;
    const ended = new Commit(sealer.journal.current.sequence);
    const settle = (error: Error | null): void => {
      ended.settle(error, (thrown) => runtime.log.error({ error: thrown }, 'a callback of a transaction threw'));
    };
    this.#gather(open).then(
      (batches) => this.#mark(open, producerId, producerEpoch, true, batches).onSettled(settle),
      (error: unknown) => settle(error instanceof Error ? error : new JournalError('failed', 'transaction')),
    );
    return ended;
  }

  /** The topic goes. */
  clear(): void {
    for (const producerId of this.#open.keys()) void this.#host.open.delete(this.#host.keyPrefix + producerId);
    for (const { lastOffset } of this.#aborted) void this.#host.aborted.delete(this.#host.keyPrefix + lastOffset);
    this.#open.clear();
    this.#aborted.length = 0;
  }
  /** Forgets aborted transactions whose records are gone. */
  prune(): void {
    const { startOffset } = this.#host.stream;
    while (this.#aborted.length > 0 && this.#aborted[0]!.lastOffset < startOffset) {
      void this.#host.aborted.delete(this.#host.keyPrefix + this.#aborted.shift()!.lastOffset);
    }
  }

  #mark(
    open: Open | undefined,
    producerId: number,
    producerEpoch: number,
    commit: boolean,
    batches: readonly Buffer[] = [],
  ): Commit {
    const { stream, runtime, keyPrefix } = this.#host;
    const settles = this.#host.append(controlBatch(producerId, producerEpoch, commit, runtime.nowMs()));
    if (open === undefined) return settles;
    this.#open.delete(producerId);
    void this.#host.open.delete(keyPrefix + producerId);
    if (commit) {
      if (batches.length > 0) this.#host.committed(batches, settles);
      return settles;
    }
    const lastOffset = stream.endOffset - 1;
    this.#addAborted({ producerId, firstOffset: open.firstOffset, lastOffset });
    const value = Buffer.from(JSON.stringify({ producer: producerId, first: open.firstOffset }));
    void this.#host.aborted.set(keyPrefix + lastOffset, value);
    return settles;
  }

  /** Batches of an open transaction, read from the stream. */
  async #gather({ producerId, firstOffset }: Open): Promise<Buffer[]> {
    const { stream } = this.#host;
    const found: Buffer[] = [];
    const end = stream.stableOffset;
    let bytes = 0;
    for (let at = Math.max(firstOffset, stream.startOffset); at < end;) {
      const batches = await stream.read(at, READ_BYTES);
      if (batches.length === 0) break;
      for (const batch of batches) {
        at = Math.max(at + 1, readNextOffset(batch));
        const attributes = readAttributes(batch) & (TRANSACTIONAL_BIT | CONTROL_BIT);
        if (attributes !== TRANSACTIONAL_BIT || producerOf(batch) !== producerId) continue;
        bytes += batch.length;
        if (bytes > DELIVERED_BYTES_MAX) {
          this.#host.cut(firstOffset);
          return found;
        }
        found.push(batch);
      }
    }
    return found;
  }

  /** In the order of the markers. */
  #addAborted(one: AbortedTransaction): void {
    let at = this.#aborted.length;
    while (at > 0 && this.#aborted[at - 1]!.lastOffset > one.lastOffset) at--;
    this.#aborted.splice(at, 0, one);
  }
}
