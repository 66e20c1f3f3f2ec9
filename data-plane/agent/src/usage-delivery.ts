import type { UsageWindow } from '@robustmq/contracts/data-plane';
import type { Logger } from 'pino';
import { sentenceOf } from './agent-error.ts';
import { backoffMs, pause } from './backoff.ts';
import type { UsageAck } from './link-transport.ts';
import { SPOOL_AGE_DAYS_MAX, type UsageSpool } from './usage-spool.ts';

/** Windows in one UsageBatch (agent-link.proto). */
export const BATCH_WINDOWS_MAX = 1_000;
const IDLE_MS = 250;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
const DAY_MS = 86_400_000;

/**
 * Delivers the spool in order and trims what is committed. The same batch is sent until it is acknowledged, so a lost
 * acknowledgement repeats it, and the control plane counts a window once by its identity.
 */
export class UsageDelivery {
  readonly #spool: UsageSpool;
  readonly #push: (seq: number, windows: readonly UsageWindow[]) => Promise<UsageAck>;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(
    spool: UsageSpool,
    push: (seq: number, windows: readonly UsageWindow[]) => Promise<UsageAck>,
    log: Logger,
  ) {
    this.#spool = spool;
    this.#push = push;
    this.#log = log;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const sent = this.#spool.pending > 0 && (await this.deliverBatch());
        failures = 0;
        if (!sent) await pause(IDLE_MS, signal);
      } catch (error) {
        const level = failures === 10 ? 'error' : 'debug';
        this.#log[level]({ pending: this.#spool.pending, error: sentenceOf(error) }, 'usage not delivered');
        await pause(backoffMs(failures, RETRY_FIRST_MS, RETRY_MAX_MS), signal);
        failures += 1;
      }
    }
  }

  /** Sends the oldest batch; false when there is none. Throws what the link throws. */
  async deliverBatch(): Promise<boolean> {
    const batch = await this.#spool.peek(BATCH_WINDOWS_MAX);
    if (!batch) return false;
    const ageDays = (Date.now() - batch.windows[0]!.windowStartMs) / DAY_MS;
    if (ageDays > SPOOL_AGE_DAYS_MAX) {
      this.#log.error({ ageDays }, 'usage is delivered so late that it will be held back for an operator');
    }
    const ack = await this.#push(batch.throughPosition, batch.windows);
    if (ack.seq < batch.throughPosition) throw new Error(`acknowledged ${ack.seq} of ${batch.throughPosition}`);
    if (ack.quarantined > 0) this.#log.error({ quarantined: ack.quarantined }, 'usage windows were quarantined');
    await this.#spool.acknowledge(batch.throughPosition);
    return true;
  }
}
