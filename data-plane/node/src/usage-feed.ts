import { PROTOCOLS, type BrokerNode } from '@robustmq/broker';
import type { UsageProtocol } from '@robustmq/contracts/data-plane';
import type { Runtime } from '@robustmq/wire';
import type { ProtocolSample } from './metrics.ts';
import type { LiveCounters, StorageLevels, UsageSource } from './usage-ledger.ts';
import type { ShareDeltas } from './usage-share-lists.ts';

type BrokerNamespace = NonNullable<ReturnType<BrokerNode['byId']>>;
type UsageMeter = BrokerNamespace['usage'];

interface Metered {
  readonly id: string;
  readonly meter: UsageMeter;
  /** What `visitChanged` saw last, per protocol: all counters in one number, which grows with each of them. */
  readonly sums: number[];
  /** Null once the namespace was removed; its meter is read one last time then. */
  namespace: BrokerNamespace | null;
}

/**
 * The broker's counters as the usage ledger and the metrics want them. `visitChanged` runs at every flush, so it walks a
 * flat list of live counter objects and asks the broker nothing; the list follows every change of the namespaces.
 */
export class UsageFeed implements UsageSource {
  readonly #broker: BrokerNode;
  readonly #runtime: Runtime;
  readonly #dedicated: string | null;
  readonly #changing = new Set<string>();
  #metered: Metered[] = [];
  /** Requests to object storage by namespace: those of this process that were seen, and those of them that are counted. */
  readonly #requests = new Map<string, { seen: number; counted: number }>();

  /** `dedicated`: the cluster that pays for this node's time, null on a shared one. */
  constructor(broker: BrokerNode, runtime: Runtime, dedicated: string | null) {
    this.#broker = broker;
    this.#runtime = runtime;
    this.#dedicated = dedicated;
  }

  /** To be called once the broker has recovered. */
  recovered(): void {
    for (const { id } of this.#broker.namespaces()) this.#look(id);
  }
  /** Runs a change of a namespace. Its clients may come before the change is done, so it is watched meanwhile. */
  async during(id: string, change: () => Promise<void>): Promise<void> {
    this.#changing.add(id);
    try {
      await change();
    } finally {
      this.#changing.delete(id);
      this.#look(id);
    }
  }
  #look(id: string): void {
    const namespace = this.#broker.byId(id);
    let isKnown = false;
    for (const one of this.#metered) {
      if (one.id !== id) continue;
      if (one.meter === namespace?.usage) isKnown = true;
      else one.namespace = null;
    }
    if (namespace === undefined || isKnown) return;
    this.#metered.push({ id, meter: namespace.usage, namespace, sums: PROTOCOLS.map(() => 0) });
  }

  visitChanged(visit: (namespaceId: string, protocol: UsageProtocol, counters: LiveCounters) => void): void {
    for (const id of this.#changing) this.#look(id);
    for (const { id, meter, sums } of this.#metered) {
      for (let i = 0; i < PROTOCOLS.length; i++) {
        const protocol = PROTOCOLS[i]!;
        const counters = meter.protocols[protocol];
        const sum = counters.messagesIn + counters.messagesOut + counters.bytesIn + counters.bytesOut;
        if (sum === sums[i]) continue;
        sums[i] = sum;
        visit(id, protocol, counters);
      }
    }
  }

  visitAll(
    visit: (namespaceId: string, protocol: UsageProtocol, counters: LiveCounters, connectionMs: number) => void,
  ): void {
    const nowMs = this.#runtime.monotonicMs();
    for (const { id, meter } of this.#metered) {
      meter.advance(nowMs);
      for (const protocol of PROTOCOLS) {
        const counters = meter.protocols[protocol];
        if (counters.connectionMs > 0 || counters.messagesIn > 0 || counters.messagesOut > 0)
          visit(id, protocol, counters, counters.connectionMs);
      }
    }
    // Connections of a removed namespace end within moments; once none is open its meter cannot move any more.
    if (this.#metered.some((one) => one.namespace === null && isIdle(one.meter)))
      this.#metered = this.#metered.filter((one) => one.namespace !== null || !isIdle(one.meter));
  }

  visitStorage(visit: (namespaceId: string, stored: StorageLevels) => void): void {
    for (const row of this.#broker.storageUsage()) {
      const { namespaceId: id } = row;
      const metered = this.#broker.byId(id)?.metered ?? 'none';
      const objectRequests = this.#requestsOf(id, row.objectRequests, metered === 'all');
      if (metered === 'all') visit(id, { ...row, objectRequests });
      else visit(id, { ...NOTHING, ...(metered === 'none' ? {} : bytesOf(row)), objectRequests });
    }
  }
  /** Requests made while the namespace was in service: those for data that is only kept, or removed, are the platform's. */
  #requestsOf(id: string, made: number, isServed: boolean): number {
    const own = this.#requests.get(id) ?? { seen: 0, counted: 0 };
    if (isServed) own.counted += made - own.seen;
    own.seen = made;
    this.#requests.set(id, own);
    return own.counted;
  }

  visitDedicated(visit: (namespaceId: string) => void): void {
    if (this.#dedicated !== null && this.#broker.byId(this.#dedicated)?.metered === 'all') visit(this.#dedicated);
  }

  takeShares(namespaceId: string, protocol: UsageProtocol): ShareDeltas {
    const deltas: ShareDeltas = { credential: [], topic_prefix: [] };
    if (protocol === 'storage') return deltas;
    for (const { id, meter } of this.#metered) {
      if (id !== namespaceId) continue;
      const { credential, topic_prefix } = meter.shares.take(protocol, this.#runtime.monotonicMs());
      deltas.credential.push(...credential);
      deltas.topic_prefix.push(...topic_prefix);
    }
    return deltas;
  }

  /** For metrics. */
  *protocols(): Generator<ProtocolSample> {
    for (const { meter, namespace } of this.#metered) {
      if (namespace === null) continue;
      for (const protocol of PROTOCOLS) {
        const { openConnections: connections, messagesIn, messagesOut, bytesIn, bytesOut } = meter.protocols[protocol];
        yield { namespace: namespace.name, protocol, connections, messagesIn, messagesOut, bytesIn, bytesOut };
      }
    }
  }
  /** For metrics. */
  *storedBytes(): Generator<{ namespace: string; storedBytes: number }> {
    for (const { meter, namespace } of this.#metered)
      if (namespace !== null) yield { namespace: namespace.name, storedBytes: meter.storedBytes };
  }
}

const NOTHING = { hotBytes: 0, warmBytes: 0, coldBytes: 0, partitions: 0 } as const;
const bytesOf = ({ hotBytes, warmBytes, coldBytes }: StorageLevels) => ({ hotBytes, warmBytes, coldBytes });

function isIdle(meter: UsageMeter): boolean {
  return PROTOCOLS.every((protocol) => meter.protocols[protocol].openConnections === 0);
}
