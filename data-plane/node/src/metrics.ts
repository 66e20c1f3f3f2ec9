import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

const EVENT_LOOP_RESOLUTION_MS = 10;
const NANOSECONDS = 1e9;

/** One namespace and protocol, as it is counted now. */
export interface ProtocolSample {
  readonly namespace: string;
  readonly protocol: string;
  readonly connections: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
/** Where the metrics come from: asked once per scrape. */
export interface MetricsSource {
  protocols(): Iterable<ProtocolSample>;
  storedBytes(): Iterable<{ readonly namespace: string; readonly storedBytes: number }>;
  journalFlushes(): number;
  storeFailed(): boolean;
}

const PROTOCOL_LABELS = ['namespace', 'protocol'] as const;
const COUNTERS = {
  messages_in_total: ['Messages accepted from clients', (s: ProtocolSample) => s.messagesIn],
  messages_out_total: ['Messages written to clients', (s: ProtocolSample) => s.messagesOut],
  bytes_in_total: ['Bytes of messages accepted from clients', (s: ProtocolSample) => s.bytesIn],
  bytes_out_total: ['Bytes of messages written to clients', (s: ProtocolSample) => s.bytesOut],
} as const;

/** Prometheus metrics of one node: copied from the counters when somebody asks, so the hot path knows nothing of them. */
export class NodeMetrics {
  readonly #registry = new Registry();
  readonly #loopDelay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });

  constructor(source: MetricsSource) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_RESOLUTION_MS });
    for (const [name, [help, value]] of Object.entries(COUNTERS)) {
      new Counter({
        name: `robustmq_${name}`,
        help,
        labelNames: PROTOCOL_LABELS,
        registers,
        collect() {
          this.reset();
          for (const s of source.protocols()) this.inc({ namespace: s.namespace, protocol: s.protocol }, value(s));
        },
      });
    }
    new Gauge({
      name: 'robustmq_connections',
      help: 'Client connections open now',
      labelNames: PROTOCOL_LABELS,
      registers,
      collect() {
        this.reset();
        for (const s of source.protocols()) this.set({ namespace: s.namespace, protocol: s.protocol }, s.connections);
      },
    });
    new Gauge({
      name: 'robustmq_stored_bytes',
      help: 'Bytes stored for a namespace',
      labelNames: ['namespace'],
      registers,
      collect() {
        this.reset();
        for (const s of source.storedBytes()) this.set({ namespace: s.namespace }, s.storedBytes);
      },
    });
    this.#nodeMetrics(source);
  }

  #nodeMetrics(source: MetricsSource): void {
    const registers = [this.#registry];
    const loopDelay = this.#loopDelay;
    loopDelay.enable();
    new Gauge({
      name: 'robustmq_event_loop_delay_p99_seconds',
      help: 'How late the event loop was since the last scrape, 99th percentile',
      registers,
      collect() {
        this.set(loopDelay.count === 0 ? 0 : loopDelay.percentile(99) / NANOSECONDS);
        loopDelay.reset();
      },
    });
    new Counter({
      name: 'robustmq_journal_flushes_total',
      help: 'Group commits since the node started',
      registers,
      collect() {
        this.reset();
        this.inc(source.journalFlushes());
      },
    });
    new Gauge({
      name: 'robustmq_store_failed',
      help: '1 when the medium failed and takes no more',
      registers,
      collect() {
        this.set(source.storeFailed() ? 1 : 0);
      },
    });
  }

  /** Prometheus text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
  close(): void {
    this.#loopDelay.disable();
    this.#registry.clear();
  }
}
