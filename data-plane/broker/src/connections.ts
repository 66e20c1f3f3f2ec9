import type { AclAction, AclResource, NamespaceRecord } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import { ConnectionDecisions, type Authorization } from './authorization.ts';
import type {
  Connection,
  ConnectionInfo,
  DisconnectReason,
  Namespace,
  Protocol,
  ProtocolUsage,
  Refusal,
} from './broker-types.ts';
import type { NamespaceThrottle } from './byte-rate.ts';
import { refuse } from './refusal.ts';
import type { UsageMeter } from './usage.ts';
import type { UsageShare } from './usage-shares.ts';

/** A connection as its namespace knows it. */
export class OpenConnection implements Connection {
  readonly namespace: Namespace;
  readonly info: ConnectionInfo;
  readonly usage: ProtocolUsage;
  readonly share: UsageShare;
  readonly connectedAtMs: number;
  /** Grows with every connection of the namespace. */
  readonly serial: number;
  readonly #connections: Connections;
  /** null until something could be refused. */
  #decisions: ConnectionDecisions | null = null;

  constructor(
    namespace: Namespace,
    info: ConnectionInfo,
    usage: ProtocolUsage,
    share: UsageShare,
    connections: Connections,
  ) {
    this.namespace = namespace;
    this.info = info;
    this.usage = usage;
    this.share = share;
    this.#connections = connections;
    this.connectedAtMs = connections.nowMs();
    this.serial = connections.takeSerial();
  }
  allows(action: AclAction, resource: AclResource, name: string): boolean {
    if (this.#connections.authorization.isOpen) return true;
    return (this.#decisions ??= this.#connections.decisionsOf(this.info)).allows(action, resource, name);
  }
  /** As `Authorization.decidePublish`; asked once per run. */
  allowsPublish(name: string, captured: string | null): boolean {
    if (this.#connections.authorization.isOpen) return true;
    return (this.#decisions ??= this.#connections.decisionsOf(this.info)).allowsPublish(name, captured);
  }
  ingressDelayMs(): number {
    const { throttle } = this.#connections;
    const delayMs = throttle.ingressDelayMs();
    // MQTT asks for both directions and takes a wait of the first for a quota that is exceeded
    return this.info.protocol === 'mqtt' ? delayMs : Math.max(delayMs, throttle.fairDelayMs());
  }
  egressDelayMs(moreBytes = 0): number {
    const { throttle } = this.#connections;
    const delayMs = throttle.egressDelayMs(moreBytes);
    return moreBytes > 0 ? delayMs : Math.max(delayMs, throttle.fairDelayMs());
  }
  close(): void {
    this.#connections.closed(this);
  }
}

/** The open connections of one namespace: counted, limited, and told to go. */
export class Connections {
  readonly throttle: NamespaceThrottle;
  readonly authorization: Authorization;
  readonly #open = new Set<OpenConnection>();
  readonly #namespace: Namespace & { readonly record: NamespaceRecord };
  readonly #usage: UsageMeter;
  readonly #runtime: Runtime;
  /** Connections that may be opened now: a token bucket of one second's worth. */
  #tokens: number;
  #filledMs: number;
  #serial = 0;
  /** Those whose proof runs out at some time. */
  readonly #expiring = new Set<OpenConnection>();
  /** Those who were asked to go elsewhere. */
  readonly #ledAway = new WeakSet<OpenConnection>();

  constructor(
    namespace: Namespace & { readonly record: NamespaceRecord },
    usage: UsageMeter,
    runtime: Runtime,
    throttle: NamespaceThrottle,
    authorization: Authorization,
  ) {
    this.throttle = throttle;
    this.authorization = authorization;
    this.#namespace = namespace;
    this.#usage = usage;
    this.#runtime = runtime;
    this.#tokens = namespace.record.quotas.connectionRatePerSecondMax;
    this.#filledMs = runtime.monotonicMs();
  }

  get count(): number {
    return this.#open.size;
  }
  /** All of them, in the order they came. */
  list(): Iterable<OpenConnection> {
    return this.#open;
  }
  takeSerial(): number {
    return ++this.#serial;
  }
  nowMs(): number {
    return this.#runtime.nowMs();
  }
  decisionsOf({ protocol, principal, clientId, remoteAddress, admission }: ConnectionInfo): ConnectionDecisions {
    const subject = { protocol, principal, clientId, remoteAddress };
    return new ConnectionDecisions(this.authorization, subject, admission?.acl ?? null);
  }

  /** null while there is room for one more connection. Takes nothing. */
  refusal(): Refusal | null {
    const { connectionsMax, connectionRatePerSecondMax } = this.#namespace.record.quotas;
    if (this.#open.size >= connectionsMax) return refuse('quota-connections');
    const nowMs = this.#runtime.monotonicMs();
    const refill = ((nowMs - this.#filledMs) / 1000) * connectionRatePerSecondMax;
    this.#tokens = Math.min(connectionRatePerSecondMax, this.#tokens + refill);
    this.#filledMs = nowMs;
    return this.#tokens < 1 ? refuse('quota-connection-rate') : null;
  }

  connect(info: ConnectionInfo): OpenConnection | Refusal {
    const refusal = this.refusal();
    if (refusal !== null) return refusal;
    this.#tokens--;
    const { protocols, shares } = this.#usage;
    const share = shares.ofCredential(info.protocol, info.principal);
    const connection = new OpenConnection(this.#namespace, info, protocols[info.protocol], share, this);
    this.#open.add(connection);
    if (info.admission?.expiresAtMs !== undefined) this.#expiring.add(connection);
    const nowMs = this.#runtime.monotonicMs();
    this.#usage.opened(info.protocol, nowMs);
    share.opened(nowMs);
    return connection;
  }
  closed(connection: OpenConnection): void {
    this.#expiring.delete(connection);
    if (!this.#open.delete(connection)) return;
    const nowMs = this.#runtime.monotonicMs();
    this.#usage.closed(connection.info.protocol, nowMs);
    connection.share.closed(nowMs);
  }
  /** Asks those to go whose proof has run out. */
  expire(nowMs: number): void {
    for (const connection of this.#expiring) {
      if (connection.info.admission!.expiresAtMs! > nowMs) continue;
      this.#expiring.delete(connection);
      connection.info.disconnect('credential-revoked');
    }
  }
  /** Asks the oldest connections to go, once a second: as many as may come in a second, for they come elsewhere at once. */
  leadAway(reason: 'draining' | 'moved'): void {
    let left = Math.max(1, Math.floor(this.#namespace.record.quotas.connectionRatePerSecondMax));
    const chosen: OpenConnection[] = [];
    for (const connection of this.#open) {
      if (this.#ledAway.has(connection)) continue;
      if (left-- === 0) break;
      this.#ledAway.add(connection);
      chosen.push(connection);
    }
    for (const { info } of chosen) info.disconnect(reason);
  }
  /** Asks every connection that `which` picks to go. Returns how many. `detail`: a sentence for the clients. */
  disconnect(reason: DisconnectReason, which: (info: ConnectionInfo) => boolean, detail?: string): number {
    const chosen: OpenConnection[] = [];
    for (const connection of this.#open) if (which(connection.info)) chosen.push(connection);
    for (const { info } of chosen) info.disconnect(reason, detail);
    return chosen.length;
  }
  /** Open connections per protocol. */
  countOf(protocol: Protocol): number {
    return this.#usage.protocols[protocol].openConnections;
  }
}
