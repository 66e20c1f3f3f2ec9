import type { Commit } from '@robustmq/broker';
import { ERROR, type ErrorCode } from './errors.ts';
import type { BatchSequence } from './record-batch.ts';

/** Batches of one producer that may be in flight, so that a repeat of any of them is known (KIP-98). */
const BATCHES_REMEMBERED = 5;
const SEQUENCE_MAX = 2 ** 31 - 1;

/** A batch that was appended: what a repeat of it is answered with. */
export interface AppendedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly commit: Commit;
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
 * Idempotent producers of one partition. In memory: after a restart a producer that is not known may begin at any
 * sequence. The longest unused producer is forgotten beyond `producersMax`.
 */
export class ProducerStates {
  readonly #producersMax: number;
  readonly #producers = new Map<number, ProducerState>();

  constructor(producersMax: number) {
    this.#producersMax = producersMax;
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
    const last = state.batches.at(-1)!.lastSequence;
    return batch.firstSequence === (last === SEQUENCE_MAX ? 0 : last + 1) ? NEW : OUT_OF_ORDER;
  }

  /** Remembers a batch that `check` called new and that was appended. */
  appended(batch: BatchSequence, baseOffset: number, commit: Commit): void {
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

  get size(): number {
    return this.#producers.size;
  }
}
