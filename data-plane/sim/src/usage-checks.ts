import type { UsageTotals } from '@robustmq/broker';
import type { Process } from './simulated-node.ts';
import type { Facts } from './facts.ts';
import { CHURNED_NAMESPACE } from './namespace-churn.ts';
import type { World } from './world.ts';

const METERS = ['messagesIn', 'messagesOut', 'bytesIn', 'bytesOut', 'connectionMs'] as const;

/** What must be true of the counters money is made of. They belong to one process; `node` carries them to the next. */
export class UsageChecks {
  readonly #world: World;
  readonly #facts: Facts;
  #process: Process | null = null;
  #before = new Map<string, number>();

  constructor(world: World, facts: Facts) {
    this.#world = world;
    this.#facts = facts;
  }
  observe(process: Process, start: number): void {
    if (process !== this.#process) {
      this.#process = process;
      this.#before = new Map();
    }
    for (const totals of process.broker!.usage()) {
      // A namespace that is removed and made again begins to count again.
      if (totals.namespaceId === CHURNED_NAMESPACE) continue;
      this.countersNeverGoBack(totals);
      this.countsWhatWasAcknowledged(totals, start);
    }
  }
  countersNeverGoBack(totals: UsageTotals): void {
    for (const [protocol, counted] of Object.entries(totals.protocols)) {
      for (const meter of METERS) {
        const key = `${totals.namespaceId} ${protocol} ${meter}`;
        const before = this.#before.get(key) ?? 0;
        if (counted[meter] < before)
          this.#world.violated('usage-never-goes-back', `${key}: ${before}, then ${counted[meter]}`);
        this.#before.set(key, counted[meter]);
      }
    }
  }
  /** A message that a process acknowledged was counted by it, whoever sent it. */
  countsWhatWasAcknowledged(totals: UsageTotals, start: number): void {
    let acknowledged = 0;
    for (const { namespace, sentToStart, ackedAt, isWill } of this.#facts.sent.values()) {
      if (namespace === totals.namespaceId && sentToStart === start && ackedAt !== null && !isWill) acknowledged++;
    }
    const counted = totals.protocols.mqtt.messagesIn + totals.protocols.kafka.messagesIn;
    if (counted < acknowledged) {
      this.#world.violated(
        'usage-counts-what-was-acknowledged',
        `${totals.namespaceId}: ${counted} of ${acknowledged}`,
      );
    }
  }
}
