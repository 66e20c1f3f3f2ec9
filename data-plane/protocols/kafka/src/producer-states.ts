import type { Commit, Partition } from '@robustmq/broker';
import { ERROR, type ErrorCode } from './errors.ts';
import {
  baseOffsetOf,
  batchSizeAt,
  isControl,
  LAST_OFFSET_DELTA_AT,
  sequenceOf,
  type BatchSequence,
} from './record-batch.ts';

/** Batches of one producer that may be in flight, so that a repeat of any of them is known (KIP-98). */
const BATCHES_REMEMBERED = 5;
const SEQUENCE_MAX = 2 ** 31 - 1;
/** How far back from its end a partition is looked through for producers. */
const LOAD_RECORDS_MAX = 50_000;
const LOAD_BYTES_MAX = 32 * 1024 * 1024;
const LOAD_READ_BYTES = 1024 * 1024;

/** A batch that was appended: what a repeat of it is answered with. */
export interface AppendedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  /** null = stable long since. */
  readonly commit: Commit | null;
}

interface ProducerState {
  epoch: number;
  /** Oldest first, at most `BATCHES_REMEMBERED`. */
  batches: AppendedBatch[];
}

/** May be appended, was appended before, or is wrong. */
export type SequenceVerdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'duplicate'; readonly batch: AppendedBatch }
  | { readonly kind: 'refused'; readonly errorCode: ErrorCode };

const NEW: SequenceVerdict = { kind: 'new' };
const OUT_OF_ORDER: SequenceVerdict = { kind: 'refused', errorCode: ERROR.OUT_OF_ORDER_SEQUENCE_NUMBER };
const OLD_EPOCH: SequenceVerdict = { kind: 'refused', errorCode: ERROR.INVALID_PRODUCER_EPOCH };

/**
 * Idempotent producers of one partition, in memory. `load` finds the latest again in the partition's end, so that a batch
 * whose answer a crash took is known when it is sent again; a producer that is not known may begin at any sequence. The
 * longest unused producer is forgotten beyond `producersMax`.
 */
export class ProducerStates {
  readonly #producersMax: number;
  readonly #producers = new Map<number, ProducerState>();
  /** Settles when `load` is done; null = it is, or there was nothing to load. Never rejects. */
  loading: Promise<void> | null = null;

  constructor(producersMax: number) {
    this.#producersMax = producersMax;
  }

  /** Reads the last `LOAD_RECORDS_MAX` records, at most `LOAD_BYTES_MAX` of them. `failed` is told why that ended early. */
  load(partition: Partition, failed: (error: unknown) => void): void {
    if (partition.stableOffset <= partition.startOffset) return;
    this.loading = this.#read(partition)
      .catch(failed)
      .then(() => void (this.loading = null));
  }
  async #read(partition: Partition): Promise<void> {
    const end = partition.stableOffset;
    let at = Math.max(partition.startOffset, end - LOAD_RECORDS_MAX);
    for (let left = LOAD_BYTES_MAX; at < end && left > 0;) {
      const slices = await partition.read(at, LOAD_READ_BYTES);
      if (slices.length === 0) return;
      for (const slice of slices) {
        left -= slice.length;
        for (let from = 0, size = batchSizeAt(slice, 0); size > 0; size = batchSizeAt(slice, (from += size))) {
          const batch = slice.subarray(from, from + size);
          const sequence = sequenceOf(batch);
          const base = baseOffsetOf(batch);
          if (isControl(batch)) this.ended(sequence.producerId, sequence.producerEpoch);
          else if (sequence.producerId >= 0) this.appended(sequence, base, null);
          at = base + batch.readInt32BE(LAST_OFFSET_DELTA_AT) + 1;
        }
      }
    }
  }

  check(batch: BatchSequence): SequenceVerdict {
    const state = this.#producers.get(batch.producerId);
    if (state === undefined) return NEW;
    if (batch.producerEpoch < state.epoch) return OLD_EPOCH;
    if (batch.producerEpoch > state.epoch) return batch.firstSequence === 0 ? NEW : OUT_OF_ORDER;
    for (const known of state.batches) {
      if (known.firstSequence === batch.firstSequence && known.lastSequence === batch.lastSequence) {
        return { kind: 'duplicate', batch: known };
      }
    }
    if (state.batches.length === 0) return batch.firstSequence === 0 ? NEW : OUT_OF_ORDER;
    const last = state.batches.at(-1)!.lastSequence;
    return batch.firstSequence === (last === SEQUENCE_MAX ? 0 : last + 1) ? NEW : OUT_OF_ORDER;
  }

  /** Remembers a batch that `check` called new and that was appended. */
  appended(batch: BatchSequence, baseOffset: number, commit: Commit | null): void {
    const { producerId, producerEpoch, firstSequence, lastSequence } = batch;
    let state = this.#producers.get(producerId);
    if (state === undefined || state.epoch !== producerEpoch) state = { epoch: producerEpoch, batches: [] };
    state.batches.push({ firstSequence, lastSequence, baseOffset, commit });
    if (state.batches.length > BATCHES_REMEMBERED) state.batches.shift();
    this.#producers.delete(producerId);
    this.#producers.set(producerId, state);
    if (this.#producers.size > this.#producersMax) {
      for (const oldest of this.#producers.keys()) {
        this.#producers.delete(oldest);
        break;
      }
    }
  }

  /** A marker of this epoch ended the producer's transaction: older epochs are fenced from here on. */
  ended(producerId: number, producerEpoch: number): void {
    const state = this.#producers.get(producerId);
    if (state !== undefined && producerEpoch > state.epoch) {
      state.epoch = producerEpoch;
      state.batches = [];
    }
  }

  /** Producer id, epoch and last sequence (-1 = none yet) of those remembered. */
  *producers(): Generator<{ producerId: number; producerEpoch: number; lastSequence: number }> {
    for (const [producerId, { epoch, batches }] of this.#producers) {
      yield { producerId, producerEpoch: epoch, lastSequence: batches.at(-1)?.lastSequence ?? -1 };
    }
  }

  get size(): number {
    return this.#producers.size;
  }
}
