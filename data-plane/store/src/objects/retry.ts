import type { Runtime } from '@robustmq/wire';
import type { ObjectRequestTally } from '../object-store.ts';
import { StoreError, type StoreErrorCode } from '../store-error.ts';

/** How requests to a server far away are made again. */
export interface RetryPolicy {
  /** Requests in all, the first one among them. Default 6. */
  readonly triesMax: number;
  /** Upper bound of the first wait; each later one is twice the one before. Default 100 ms. */
  readonly firstDelayMs: number;
  /** No wait is longer. Default 10 s. */
  readonly delayMsMax: number;
}
export const RETRY_POLICY: RetryPolicy = { triesMax: 6, firstDelayMs: 100, delayMsMax: 10_000 };

/** What may be better the next time. */
const PASSING: ReadonlySet<StoreErrorCode> = new Set(['object-throttled', 'object-unavailable']);

export interface RetryOptions {
  readonly runtime: Runtime;
  readonly policy: RetryPolicy;
  readonly tally: ObjectRequestTally;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `attempt` (told how often it failed before) until it succeeds, fails for good, or the policy's tries are used up;
 * it must fail with StoreErrors. Waits are random between 0 and a bound that doubles, so that many who were refused at
 * once do not come back at once. Throws the last error, or `aborted`.
 */
export async function withRetries<T>(options: RetryOptions, attempt: (failures: number) => Promise<T>): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await attempt(failures);
    } catch (error) {
      failures++;
      if (!(error instanceof StoreError) || !PASSING.has(error.code) || failures >= options.policy.triesMax)
        throw error;
      await pause(options, failures, error);
      options.tally.retries++;
    }
  }
}

function pause(options: RetryOptions, failures: number, cause: StoreError): Promise<void> {
  const { policy, runtime, signal } = options;
  const boundMs = Math.min(policy.delayMsMax, policy.firstDelayMs * 2 ** (failures - 1));
  const delayMs = (boundMs * runtime.randomBytes(4).readUInt32BE(0)) / 2 ** 32;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      cancel();
      reject(new StoreError('aborted', cause.where, { cause: signal?.reason }));
    };
    const cancel = runtime.after(delayMs, () => {
      signal?.removeEventListener('abort', giveUp);
      resolve();
    });
    if (signal?.aborted === true) giveUp();
    else signal?.addEventListener('abort', giveUp, { once: true });
  });
}
