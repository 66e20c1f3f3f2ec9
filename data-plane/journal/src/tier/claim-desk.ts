import type { Cancel, Runtime } from '@robustmq/wire';
import type { Claim } from './claim.ts';
import type { StreamClaims } from './stream-claims.ts';

/** Batches of at least this size have their body put into object storage, where there is one. */
export const CLAIM_BYTES_MIN = 1024 * 1024;
/** Bodies on their way to object storage at a time, over all streams of a journal. */
export const CLAIM_PUTS_MAX = 4;
/** Bodies that may wait for that; further batches go through the log. */
export const CLAIM_PUTS_WAITING_MAX = 64;
/** A body that is not stored by then goes through the log. */
export const CLAIM_PUT_MS_MAX = 10_000;
/** After a failure every batch goes through the log for so long. */
export const CLAIM_PAUSE_MS = 30_000;

/**
 * Where large batches leave their bodies before they are appended. Never a reason to refuse a batch: when object storage
 * is slow, down or busy, the answer is null and the batch goes through the log as a small one does.
 */
export class ClaimDesk {
  readonly #runtime: Runtime;
  readonly #bytesMin: number;
  #running = 0;
  #waiting: (() => void)[] = [];
  #pausedUntilMs = -Infinity;

  constructor(runtime: Runtime, bytesMin = CLAIM_BYTES_MIN) {
    this.#runtime = runtime;
    this.#bytesMin = bytesMin;
  }
  /** Whether a batch of this size is to be stored apart now. */
  takes(sizeBytes: number): boolean {
    if (sizeBytes < this.#bytesMin || this.#runtime.monotonicMs() < this.#pausedUntilMs) return false;
    return this.#waiting.length < CLAIM_PUTS_WAITING_MAX;
  }
  /** Stores the body; null when the batch is to go through the log. */
  async store(stream: string, claims: StreamClaims, batch: Buffer): Promise<Claim | null> {
    if (this.#running < CLAIM_PUTS_MAX) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const abort = new AbortController();
    let cancel: Cancel = () => undefined;
    const late = new Promise<null>((resolve) => {
      cancel = this.#runtime.after(CLAIM_PUT_MS_MAX, () => {
        this.#pause();
        abort.abort();
        resolve(null);
      });
    });
    try {
      if (!this.takes(batch.length)) return null;
      return await Promise.race([claims.store(batch, abort.signal), late]);
    } catch (error) {
      this.#pause();
      this.#runtime.log.warn({ stream, sizeBytes: batch.length, error }, 'a large batch goes through the log');
      return null;
    } finally {
      cancel();
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
  #pause(): void {
    this.#pausedUntilMs = this.#runtime.monotonicMs() + CLAIM_PAUSE_MS;
  }
}
