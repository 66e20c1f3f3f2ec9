import type { Connection as BrokerConnection, Namespace } from '@robustmq/broker';
import type { World } from './world.ts';

/** What authentication gave a connection. */
export class Session {
  readonly namespace: Namespace;
  /** Replaced by a re-authentication. */
  connection: BrokerConnection;
  readonly world: World;
  readonly principal: string;

  constructor(namespace: Namespace, connection: BrokerConnection, world: World, principal: string) {
    this.namespace = namespace;
    this.connection = connection;
    this.world = world;
    this.principal = principal;
  }

  /** Milliseconds the client must wait after producing `bytes`: the cluster's byte rate or its own quota. */
  ingressDelayMs(clientId: string, bytes: number): number {
    const own = this.world.quotas.charge('producer_byte_rate', this.principal, clientId, bytes);
    return Math.max(own, this.connection.ingressDelayMs());
  }
  /** The same after `bytes` of records that are about to be sent. */
  egressDelayMs(clientId: string, bytes: number): number {
    const own = this.world.quotas.charge('consumer_byte_rate', this.principal, clientId, bytes);
    return Math.max(own, this.connection.egressDelayMs(bytes));
  }
}
