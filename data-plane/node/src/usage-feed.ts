import { PROTOCOLS, type BrokerNode } from '@robustmq/broker';
import type { UsageProtocol } from '@robustmq/contracts';
import type { Runtime } from '@robustmq/wire';
import type { ProtocolSample } from './metrics.ts';
import type { LiveCounters, UsageSource } from './usage-ledger.ts';

type BrokerNamespace = NonNullable<ReturnType<BrokerNode['byId']>>;
type UsageMeter = BrokerNamespace['usage'];

interface Metered {
  readonly id: string;
  readonly name: string;
  readonly meter: UsageMeter;
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
  #metered: Metered[] = [];

  /** `dedicated`: the cluster that pays for this node's time, null on a shared one. */
  constructor(broker: BrokerNode, runtime: Runtime, dedicated: string | null) {
    this.#broker = broker;
    this.#runtime = runtime;
    this.#dedicated = dedicated;
  }

  /** To be called after every change of the set of namespaces, before a client can use it. */
  namespacesChanged(): void {
    const known = new Map(this.#metered.map((one) => [one.meter, one]));
    for (const { id, name } of this.#broker.namespaces()) {
      const namespace = this.#broker.byId(id)!;
      const metered = known.get(namespace.usage);
      if (metered === undefined) this.#metered.push({ id, name, meter: namespace.usage, namespace });
    }
    for (const one of this.#metered) if (this.#broker.byId(one.id)?.usage !== one.meter) one.namespace = null;
  }

  visitChanged(visit: (namespaceId: string, protocol: UsageProtocol, counters: LiveCounters) => void): void {
    for (const { id, meter } of this.#metered) {
      const { mqtt, kafka, amqp } = meter.protocols;
      if (mqtt.messagesIn + mqtt.messagesOut > 0) visit(id, 'mqtt', mqtt);
      if (kafka.messagesIn + kafka.messagesOut > 0) visit(id, 'kafka', kafka);
      if (amqp.messagesIn + amqp.messagesOut > 0) visit(id, 'amqp', amqp);
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

  visitStored(visit: (namespaceId: string, storedBytes: number) => void): void {
    for (const { id, meter, namespace } of this.#metered) if (namespace !== null) visit(id, meter.storedBytes);
  }

  visitDedicated(visit: (namespaceId: string) => void): void {
    if (this.#dedicated !== null && this.#broker.byId(this.#dedicated) !== undefined) visit(this.#dedicated);
  }

  /** For metrics. */
  *protocols(): Generator<ProtocolSample> {
    for (const { name, meter, namespace } of this.#metered) {
      if (namespace === null) continue;
      for (const protocol of PROTOCOLS) {
        const { openConnections: connections, messagesIn, messagesOut, bytesIn, bytesOut } = meter.protocols[protocol];
        yield { namespace: name, protocol, connections, messagesIn, messagesOut, bytesIn, bytesOut };
      }
    }
  }
  /** For metrics. */
  *storedBytes(): Generator<{ namespace: string; storedBytes: number }> {
    for (const { name, meter, namespace } of this.#metered)
      if (namespace !== null) yield { namespace: name, storedBytes: meter.storedBytes };
  }
}

function isIdle(meter: UsageMeter): boolean {
  return PROTOCOLS.every((protocol) => meter.protocols[protocol].openConnections === 0);
}
