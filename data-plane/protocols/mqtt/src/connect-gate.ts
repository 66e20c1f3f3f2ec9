import type { Runtime } from '@robustmq/wire';
import type { MqttLimits } from './limits.ts';

/** One address that connects: what it may still do, and what it has not finished. */
interface Address {
  /** Connections it may open now; grows with time up to two seconds' worth. */
  tokens: number;
  atMs: number;
  /** Connections that are open and not admitted. */
  pending: number;
}

/** How much an address may save up, in seconds. */
const BURST_SECONDS = 2;

/**
 * Bounds what an address costs before it has said who it is: connections opened per second, and connections that are open
 * without having been admitted. Both limits 0 = off.
 */
export class ConnectGate {
  readonly #runtime: Runtime;
  readonly #limits: MqttLimits;
  readonly #addresses = new Map<string, Address>();

  constructor(runtime: Runtime, limits: MqttLimits) {
    this.#runtime = runtime;
    this.#limits = limits;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#addresses.size;
  }

  /** A connection was opened; false = it should be closed at once, without `settled`. */
  opened(address: string): boolean {
    const { connectsPerAddressPerSecondMax: rate, pendingConnectsPerAddressMax: pendingMax } = this.#limits;
    const nowMs = this.#runtime.monotonicMs();
    let known = this.#addresses.get(address);
    if (known === undefined) {
      known = { tokens: rate * BURST_SECONDS, atMs: nowMs, pending: 0 };
      this.#addresses.set(address, known);
    }
    if (pendingMax > 0 && known.pending >= pendingMax) return false;
    if (rate > 0) {
      known.tokens = Math.min(rate * BURST_SECONDS, known.tokens + ((nowMs - known.atMs) / 1000) * rate);
      known.atMs = nowMs;
      if (known.tokens < 1) return false;
      known.tokens--;
    }
    known.pending++;
    return true;
  }

  /** A connection that was let open has been admitted, or has ended before. */
  settled(address: string): void {
    const known = this.#addresses.get(address);
    if (known !== undefined && known.pending > 0) known.pending--;
  }

  /** Forgets addresses that have all their tokens back. Called now and then. */
  sweep(): void {
    const idleMs = BURST_SECONDS * 1000;
    const nowMs = this.#runtime.monotonicMs();
    for (const [address, { pending, atMs }] of this.#addresses) {
      if (pending === 0 && nowMs - atMs >= idleMs) this.#addresses.delete(address);
    }
  }
}
