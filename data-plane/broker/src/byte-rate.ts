import type { NamespaceQuotas } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import type { ProtocolUsage } from './broker-types.ts';
import type { UsageMeter } from './usage.ts';
import { FairShare, MESSAGE_UNITS, NamespaceShare } from './fair-share.ts';
import { PROTOCOLS } from './usage.ts';

/** Bytes or messages per second that are no limit at all. */
export const RATE_UNLIMITED = Number.MAX_SAFE_INTEGER;

/**
 * A token bucket of one second's worth that may go into debt: what has been read or sent cannot be taken back, so it is
 * charged afterwards and whoever goes on waits until the debt is paid.
 */
export class ByteBucket {
  #tokens = Infinity;
  #filledMs = -Infinity;

  /** Takes `bytes`; then the milliseconds until nothing is owed, 0 = go on. The limit may change from call to call. */
  charge(bytes: number, bytesPerSecondMax: number, nowMs: number): number {
    if (bytesPerSecondMax >= RATE_UNLIMITED) {
      this.#tokens = Infinity;
      this.#filledMs = nowMs;
      return 0;
    }
    const gained = ((nowMs - this.#filledMs) / 1000) * bytesPerSecondMax;
    const filled = Number.isNaN(gained) ? this.#tokens : this.#tokens + gained;
    this.#tokens = Math.min(bytesPerSecondMax, filled) - bytes;
    this.#filledMs = nowMs;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / bytesPerSecondMax) * 1000;
  }

  /** What `charge` would answer if `bytes` more were taken now. */
  delayWith(bytes: number, bytesPerSecondMax: number): number {
    const tokens = this.#tokens - bytes;
    return tokens >= 0 || bytesPerSecondMax >= RATE_UNLIMITED ? 0 : (-tokens / bytesPerSecondMax) * 1000;
  }
}

/** Limits of the whole node over all namespaces; units in the names. */
export interface NodeRates {
  readonly ingressBytesPerSecondMax: number;
  readonly egressBytesPerSecondMax: number;
}

/** The node's own buckets: shared by its namespaces, asked after theirs. */
export class NodeThrottle {
  readonly rates: NodeRates;
  readonly ingress = new ByteBucket();
  readonly egress = new ByteBucket();
  readonly fair = new FairShare();

  constructor(
    rates: NodeRates = { ingressBytesPerSecondMax: RATE_UNLIMITED, egressBytesPerSecondMax: RATE_UNLIMITED },
  ) {
    this.rates = rates;
  }
}

/**
 * The byte and message rates of one namespace. It looks at the usage counters instead of being told of every message, so the hot path
 * does not know of it: whoever asks for a delay charges everything that was counted since anybody asked last.
 */
export class NamespaceThrottle {
  readonly #usage: UsageMeter;
  readonly #quotas: () => NamespaceQuotas;
  readonly #node: NodeThrottle;
  readonly #runtime: Runtime;
  readonly #ingress = new ByteBucket();
  readonly #egress = new ByteBucket();
  readonly #messagesIngress = new ByteBucket();
  readonly #messagesEgress = new ByteBucket();
  #bytesIn = 0;
  #bytesOut = 0;
  #messagesIn = 0;
  #messagesOut = 0;
  readonly #share: NamespaceShare;
  /** Done and not charged to the share yet. */
  #workUnits = 0;

  constructor(usage: UsageMeter, quotas: () => NamespaceQuotas, node: NodeThrottle, runtime: Runtime) {
    this.#usage = usage;
    this.#quotas = quotas;
    this.#node = node;
    this.#runtime = runtime;
    this.#share = new NamespaceShare(node.fair);
    this.skip();
  }

  /** What the counters say now was counted at another time, by another process: it costs nothing. */
  skip(): void {
    this.#bytesIn = this.#sum('bytesIn');
    this.#bytesOut = this.#sum('bytesOut');
    this.#messagesIn = this.#sum('messagesIn');
    this.#messagesOut = this.#sum('messagesOut');
  }

  /** Milliseconds before more may be taken in; 0 = now. The namespace's bucket first, then the node's. */
  ingressDelayMs(): number {
    const total = this.#sum('bytesIn');
    const bytes = total - this.#bytesIn;
    this.#bytesIn = total;
    const nowMs = this.#runtime.monotonicMs();
    const { ingressBytesPerSecondMax, messagesInPerSecondMax = RATE_UNLIMITED } = this.#quotas();
    const messages = this.#sum('messagesIn') - this.#messagesIn;
    this.#messagesIn += messages;
    this.#workUnits += bytes + messages * MESSAGE_UNITS;
    const own = Math.max(
      this.#ingress.charge(bytes, ingressBytesPerSecondMax, nowMs),
      this.#messagesIngress.charge(messages, messagesInPerSecondMax, nowMs),
    );
    const { ingress, rates } = this.#node;
    return Math.max(own, ingress.charge(bytes, rates.ingressBytesPerSecondMax, nowMs));
  }

  /** Milliseconds for which the connection that asks lets other namespaces have their turn; 0 = none wants one. */
  fairDelayMs(): number {
    const units = this.#workUnits;
    this.#workUnits = 0;
    return units === 0 ? 0 : this.#share.charge(units, this.#runtime.monotonicMs());
  }

  /** Milliseconds before more may be sent; `moreBytes` = as if so many, not counted yet, had gone too. */
  egressDelayMs(moreBytes = 0): number {
    const total = this.#sum('bytesOut');
    const bytes = total - this.#bytesOut;
    this.#bytesOut = total;
    const nowMs = this.#runtime.monotonicMs();
    const { egressBytesPerSecondMax: limit, messagesOutPerSecondMax = RATE_UNLIMITED } = this.#quotas();
    const { egress, rates } = this.#node;
    const messages = this.#sum('messagesOut') - this.#messagesOut;
    this.#messagesOut += messages;
    this.#workUnits += bytes + messages * MESSAGE_UNITS;
    const ofMessages = this.#messagesEgress.charge(messages, messagesOutPerSecondMax, nowMs);
    const own = Math.max(ofMessages, this.#egress.charge(bytes, limit, nowMs));
    const node = egress.charge(bytes, rates.egressBytesPerSecondMax, nowMs);
    if (moreBytes === 0) return Math.max(own, node);
    return Math.max(
      ofMessages,
      this.#egress.delayWith(moreBytes, limit),
      egress.delayWith(moreBytes, rates.egressBytesPerSecondMax),
    );
  }

  #sum(counter: keyof ProtocolUsage): number {
    let total = 0;
    for (const protocol of PROTOCOLS) total += this.#usage.protocols[protocol][counter];
    return total;
  }
}
