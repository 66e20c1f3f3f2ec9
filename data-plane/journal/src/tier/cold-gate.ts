import { StoreError } from '@robustmq/store';
import type { Runtime } from '@robustmq/wire';
import { JournalError } from '../journal-error.ts';

/** Requests to object storage for readers at a time; uploads have their own. */
export const COLD_READS_MAX = 8;
/** Reads that may wait for their turn; beyond it they are refused with `unavailable`. */
export const COLD_READS_WAITING_MAX = 4096;
const ATTEMPTS_MAX = 6;
/** The first pause after a refusal; it doubles with each, and half of it is chance. */
const BACK_OFF_MS = 100;

/**
 * Lets so many cold reads through at a time, and holds all of them back for a while when object storage asks for fewer
 * or does not answer. Appends never pass here.
 */
export class ColdGate {
  readonly #runtime: Runtime;
  #running = 0;
  #waiting: (() => void)[] = [];
  #pausedUntilMs = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }
  /** A read could begin now: what read-ahead asks. */
  get isIdle(): boolean {
    return this.#running < COLD_READS_MAX && this.#waiting.length === 0;
  }

  /** Runs a read, again after a pause when it may pass then. Throws JournalError `unavailable` after the last attempt. */
  async run<T>(where: string, read: () => Promise<T>): Promise<T> {
    await this.#enter(where);
    try {
      for (let attempt = 1; ; attempt++) {
        await this.#pause();
        try {
          return await read();
        } catch (error) {
          if (!isPassing(error)) throw error;
          if (attempt === ATTEMPTS_MAX) throw new JournalError('unavailable', where, { cause: error });
          const backOffMs = BACK_OFF_MS * 2 ** (attempt - 1);
          const chance = this.#runtime.randomBytes(1)[0]! / 256;
          this.#pausedUntilMs = Math.max(
            this.#pausedUntilMs,
            this.#runtime.monotonicMs() + backOffMs * (0.5 + chance / 2),
          );
        }
      }
    } finally {
      this.#leave();
    }
  }

  async #enter(where: string): Promise<void> {
    if (this.#running < COLD_READS_MAX) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= COLD_READS_WAITING_MAX) {
      throw new JournalError('unavailable', `${where}: ${COLD_READS_WAITING_MAX} cold reads wait already`);
    }
    // The one that leaves hands its place over.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
  async #pause(): Promise<void> {
    for (let leftMs = this.#left(); leftMs > 0; leftMs = this.#left()) {
      const delayMs = leftMs;
      await new Promise<void>((resolve) => this.#runtime.after(delayMs, resolve));
    }
  }
  #left(): number {
    return this.#pausedUntilMs - this.#runtime.monotonicMs();
  }
}

/** Whether the same request may succeed later. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof StoreError)) return false;
  return error.code === 'object-throttled' || error.code === 'object-unavailable' || error.code === 'io';
}
