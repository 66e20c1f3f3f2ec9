/** Failed logins after which an address must wait, and for how long at most, in milliseconds. */
const FREE_FAILURES = 5;
const WAIT_MS_FIRST = 1_000;
const WAIT_MS_MAX = 60_000;
/** Addresses remembered at most; the oldest is forgotten first. */
const ADDRESSES_MAX = 50_000;

/**
 * Slows guessing down per e-mail address, whoever asks from wherever (ASVS 5.0 6.3.1). The pause doubles with every
 * further failure and ends by itself, so nobody can lock somebody else out for good.
 */
export class LoginThrottle {
  readonly #failures = new Map<string, { count: number; until: number }>();
  readonly #now: () => number;
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Milliseconds the address must wait; 0 = may try. */
  waitMs(address: string): number {
    return Math.max(0, (this.#failures.get(address)?.until ?? 0) - this.#now());
  }

  failed(address: string): void {
    const count = (this.#failures.get(address)?.count ?? 0) + 1;
    const pause = count < FREE_FAILURES ? 0 : Math.min(WAIT_MS_MAX, WAIT_MS_FIRST * 2 ** (count - FREE_FAILURES));
    this.#failures.delete(address);
    this.#failures.set(address, { count, until: this.#now() + pause });
    if (this.#failures.size > ADDRESSES_MAX) this.#failures.delete(this.#failures.keys().next().value!);
  }

  succeeded(address: string): void {
    this.#failures.delete(address);
  }
}
