import type { Protocol, ProtocolUsage } from './broker-types.ts';
import { NamespaceShares } from './usage-shares.ts';

export const PROTOCOLS: readonly Protocol[] = ['mqtt', 'kafka', 'amqp'];

/** Cumulative counters of one namespace and protocol. `connectionMs`: sum over connections of the time they were open. */
export interface ProtocolTotals extends ProtocolUsage {
  connectionMs: number;
}

/** Everything that is counted for one namespace since its first connection; never goes back. */
export interface UsageTotals {
  readonly namespaceId: string;
  readonly tenantId: string;
  readonly protocols: Readonly<Record<Protocol, Readonly<ProtocolTotals>>>;
  /** Bytes held now by all streams of the namespace. */
  readonly storedBytes: number;
  /** Integral of `storedBytes` over time, byte-milliseconds. */
  readonly storedByteMs: number;
}

/**
 * What one namespace stores: levels in bytes (see the journal's StreamMeter; hot bytes lie on the medium as well) and
 * partitions, to be integrated by who bills them; and the requests made to object storage for it since this process began.
 */
export interface StorageUsage {
  readonly namespaceId: string;
  readonly tenantId: string;
  readonly hotBytes: number;
  readonly warmBytes: number;
  readonly coldBytes: number;
  /** Partitions of its topics. */
  readonly partitions: number;
  readonly objectRequests: number;
}
export const NOTHING_STORED = { hotBytes: 0, warmBytes: 0, coldBytes: 0, partitions: 0, objectRequests: 0 } as const;

class ProtocolMeter implements ProtocolTotals {
  messagesIn = 0;
  messagesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  connectionMs = 0;
  openConnections = 0;
}

/** The counters of one namespace. Levels (connections, stored bytes) are integrated whenever time is looked at. */
export class UsageMeter {
  readonly protocols: Record<Protocol, ProtocolMeter> = {
    mqtt: new ProtocolMeter(),
    kafka: new ProtocolMeter(),
    amqp: new ProtocolMeter(),
  };
  /** The same, by who and what caused it. */
  readonly shares = new NamespaceShares();
  storedBytes = 0;
  #storedByteMs = 0;
  #lastMs: number;

  /** `nowMs` is monotonic time here and below. */
  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  opened(protocol: Protocol, nowMs: number): void {
    this.advance(nowMs);
    this.protocols[protocol].openConnections++;
  }
  closed(protocol: Protocol, nowMs: number): void {
    this.advance(nowMs);
    this.protocols[protocol].openConnections--;
  }
  /** Adds the time since the last call to the integrals. */
  advance(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    for (const protocol of PROTOCOLS) {
      const meter = this.protocols[protocol];
      meter.connectionMs += meter.openConnections * passedMs;
    }
    this.#storedByteMs += this.storedBytes * passedMs;
  }
  totals(namespaceId: string, tenantId: string, nowMs: number): UsageTotals {
    this.advance(nowMs);
    const copy = ({ messagesIn, messagesOut, bytesIn, bytesOut, connectionMs }: ProtocolMeter): ProtocolTotals => ({
      messagesIn,
      messagesOut,
      bytesIn,
      bytesOut,
      connectionMs,
    });
    const { mqtt, kafka, amqp } = this.protocols;
    return {
      namespaceId,
      tenantId,
      protocols: { mqtt: copy(mqtt), kafka: copy(kafka), amqp: copy(amqp) },
      storedBytes: this.storedBytes,
      storedByteMs: this.#storedByteMs,
    };
  }
  /** Goes on counting from totals of an earlier process: adds them to what was counted since. */
  restore(totals: UsageTotals): void {
    for (const protocol of PROTOCOLS) {
      const meter = this.protocols[protocol];
      const earlier = totals.protocols[protocol];
      meter.messagesIn += earlier.messagesIn;
      meter.messagesOut += earlier.messagesOut;
      meter.bytesIn += earlier.bytesIn;
      meter.bytesOut += earlier.bytesOut;
      meter.connectionMs += earlier.connectionMs;
    }
    this.#storedByteMs += totals.storedByteMs;
  }
}
