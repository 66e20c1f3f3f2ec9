import type { BrokerNode } from '@robustmq/broker';
import type { TlsNamespaces } from './listener-tls.ts';

/** The broker's namespaces as TLS needs them. */
export function tlsNamespacesOf(broker: BrokerNode): TlsNamespaces {
  return {
    has: (name) => broker.byName(name) !== undefined,
    authorities: () => [],
  };
}
