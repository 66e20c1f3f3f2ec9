import type { CommittedOffset } from '@robustmq/broker';
import type { ErrorCode } from '../errors.ts';

/** States of KIP-98 §"Transaction Coordinator", as ListTransactions names them. */
export const TRANSACTION_STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
] as const;
export type TransactionState = (typeof TRANSACTION_STATES)[number];

/** Who speaks for a transaction. */
export interface ProducerClaim {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** A partition in a transaction. */
export interface EnlistedPartition {
  readonly topicId: string;
  readonly index: number;
}

/** An offset that becomes the group's when the transaction commits. */
export type PendingOffset = CommittedOffset & { readonly topic: string; readonly partition: number };

/** The largest epoch a producer may have; the one above is for the marker that fences it, then the id changes. */
export const PRODUCER_EPOCH_MAX = 32_766;

/**
 * One transactional id: its producer and its latest transaction. Everything here is stored at each step, so that a
 * coordinator that comes back goes on where the other stopped.
 */
export class Transaction {
  readonly id: string;
  producerId: number;
  producerEpoch: number;
  /** The epoch before the last bump, so that a repeated InitProducerId or EndTxn is known (KIP-360, KIP-890); −1 = none. */
  lastProducerEpoch = -1;
  /** The id that epoch was of, where a bump gave another (KIP-890); −1 = the same. */
  lastProducerId = -1;
  /** Who the producer is once the markers are written, where its epochs are used up (KIP-890); −1 = the same. */
  nextProducerId = -1;
  /** Settles when the partitions and groups it was given last are stored; null = they are. Never rejects. */
  enlisting: Promise<ErrorCode> | null = null;
  timeoutMs: number;
  state: TransactionState = 'Empty';
  /** When the first partition or group came in; milliseconds since the epoch, −1 outside a transaction. */
  startedMs = -1;
  updatedMs: number;
  /** By `topicId/index`. */
  readonly partitions = new Map<string, EnlistedPartition>();
  /** Groups in the transaction, with what they will have committed, by `topic/partition`. */
  readonly groups = new Map<string, Map<string, PendingOffset>>();
  /** A step is under way that others must not interleave with. */
  busy = false;

  constructor(id: string, producerId: number, timeoutMs: number, nowMs: number) {
    this.id = id;
    this.producerId = producerId;
    this.producerEpoch = 0;
    this.timeoutMs = timeoutMs;
    this.updatedMs = nowMs;
  }

  get isOpen(): boolean {
    return this.state === 'Ongoing';
  }
  /** Its outcome is decided and not everywhere yet. */
  get isEnding(): boolean {
    return this.state === 'PrepareCommit' || this.state === 'PrepareAbort';
  }

  begin(nowMs: number): void {
    if (this.state === 'Ongoing') return;
    this.state = 'Ongoing';
    this.startedMs = nowMs;
    this.partitions.clear();
    this.groups.clear();
  }

  /**
   * A new epoch, or a new producer id when the epochs are used up. `from` is the epoch its producer says it has, -1 when
   * it says none: only the one who had that epoch may repeat the step (KIP-360).
   */
  bump(newProducerId: () => number, from: number): void {
    if (this.producerEpoch >= PRODUCER_EPOCH_MAX) {
      this.producerId = newProducerId();
      this.producerEpoch = 0;
    } else this.producerEpoch++;
    this.lastProducerEpoch = from;
    this.lastProducerId = -1;
  }

  /** The epoch its producer goes on with once the transaction is over, which is the markers' too (KIP-890). */
  bumpAtEnd(newProducerId: () => number): void {
    this.lastProducerEpoch = this.producerEpoch;
    this.lastProducerId = this.producerId;
    if (this.producerEpoch >= PRODUCER_EPOCH_MAX) this.nextProducerId = newProducerId();
    this.producerEpoch++;
  }
  /** Takes the end's bump back: it was not stored. */
  unbump(): void {
    this.producerEpoch--;
    this.lastProducerEpoch = this.lastProducerId = this.nextProducerId = -1;
  }
  /** All markers are written: an id whose epochs are used up is left. */
  ended(): void {
    if (this.nextProducerId < 0) return;
    this.producerId = this.nextProducerId;
    this.producerEpoch = 0;
    this.nextProducerId = -1;
  }

  /** The epoch of the marker that ends what is open: whoever has it open can add nothing more. */
  fence(): void {
    this.producerEpoch++;
    this.lastProducerEpoch = this.lastProducerId = -1;
  }
}

interface Stored {
  readonly p: number;
  readonly e: number;
  readonly l: number;
  /** Absent in what was stored before KIP-890 was served. */
  readonly i?: number;
  readonly x?: number;
  readonly t: number;
  readonly s: TransactionState;
  readonly b: number;
  readonly u: number;
  readonly n: readonly EnlistedPartition[];
  readonly g: readonly (readonly [string, readonly PendingOffset[]])[];
}

/** What is kept of a transactional id. */
export function storedForm(transaction: Transaction): Buffer {
  const stored: Stored = {
    p: transaction.producerId,
    e: transaction.producerEpoch,
    l: transaction.lastProducerEpoch,
    i: transaction.lastProducerId,
    x: transaction.nextProducerId,
    t: transaction.timeoutMs,
    s: transaction.state,
    b: transaction.startedMs,
    u: transaction.updatedMs,
    n: [...transaction.partitions.values()],
    g: [...transaction.groups].map(([group, offsets]) => [group, [...offsets.values()]]),
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Reads what `storedForm` wrote; throws a SyntaxError or TypeError for anything else. */
export function fromStored(id: string, bytes: Buffer): Transaction {
  const stored = JSON.parse(bytes.toString()) as Stored;
  if (!TRANSACTION_STATES.includes(stored.s)) throw new TypeError(`transaction in state ${String(stored.s)}`);
  const transaction = new Transaction(id, stored.p, stored.t, stored.u);
  transaction.producerEpoch = stored.e;
  transaction.lastProducerEpoch = stored.l;
  transaction.lastProducerId = stored.i ?? -1;
  transaction.nextProducerId = stored.x ?? -1;
  transaction.state = stored.s;
  transaction.startedMs = stored.b;
  for (const one of stored.n) transaction.partitions.set(partitionKey(one.topicId, one.index), one);
  for (const [group, offsets] of stored.g) {
    transaction.groups.set(group, new Map(offsets.map((row) => [partitionKey(row.topic, row.partition), row])));
  }
  return transaction;
}

/** Key of a partition of a topic (by id or by name). */
export function partitionKey(topic: string, index: number): string {
  return `${topic}/${index}`;
}
