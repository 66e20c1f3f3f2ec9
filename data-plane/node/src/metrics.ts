import { monitorEventLoopDelay } from 'node:perf_hooks';
import type * as Prom from 'prom-client';
import type { Registry } from 'prom-client';

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
  mqtt(): MqttCounts;
}
/** What the MQTT server turned away since the node started. */
export interface MqttCounts {
  /** Connections closed unread because their address opened too many. */
  readonly refusedConnections: number;
  /** Publishes that the ACL did not allow. */
  readonly refusedMessages: number;
  /** Messages dropped because their reader was too slow. */
  readonly droppedMessages: number;
}

const PROTOCOL_LABELS = ['namespace', 'protocol'] as const;
const COUNTERS = {
  messages_in_total: ['Messages accepted from clients', (s: ProtocolSample) => s.messagesIn],
  messages_out_total: ['Messages written to clients', (s: ProtocolSample) => s.messagesOut],
  bytes_in_total: ['Bytes of messages accepted from clients', (s: ProtocolSample) => s.bytesIn],
  bytes_out_total: ['Bytes of messages written to clients', (s: ProtocolSample) => s.bytesOut],
} as const;

const MQTT_COUNTERS = {
  refusedConnections: ['mqtt_refused_connections_total', 'Connections closed because their address opened too many'],
  refusedMessages: ['mqtt_refused_messages_total', 'MQTT publishes that the ACL did not allow'],
  droppedMessages: ['mqtt_dropped_messages_total', 'MQTT messages dropped because their reader was too slow'],
} as const satisfies Record<keyof MqttCounts, readonly [string, string]>;
/** Percentiles of the event loop's delay, and what their metrics are called. */
const LOOP_DELAYS = [
  ['robustmq_event_loop_delay_p99_seconds', '99th', 99],
  ['robustmq_event_loop_delay_p999_seconds', '99.9th', 99.9],
] as const;

type Prometheus = typeof Prom;
type LoopDelay = ReturnType<typeof monitorEventLoopDelay>;

/**
 * Prometheus metrics of one node: copied from the counters when somebody asks, so the hot path knows nothing of them. The
 * library is loaded by the first scrape: a node that nobody scrapes does without its memory.
 */
export class NodeMetrics {
  readonly #source: MetricsSource;
  readonly #loopDelay = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS });
  #registry: Promise<Registry> | null = null;

  constructor(source: MetricsSource) {
    this.#source = source;
    this.#loopDelay.enable();
  }

  /** Prometheus text format. */
  async text(): Promise<string> {
    const registry = await (this.#registry ??= makeRegistry(this.#source, this.#loopDelay));
    return registry.metrics();
  }
  close(): void {
    this.#loopDelay.disable();
    void this.#registry?.then((registry) => registry.clear());
  }
}

async function makeRegistry(source: MetricsSource, loopDelay: LoopDelay): Promise<Registry> {
  const prom = await import('prom-client');
  const registry = new prom.Registry();
  prom.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_RESOLUTION_MS });
  namespaceMetrics(prom, registry, source);
  nodeMetrics(prom, registry, source, loopDelay);
  return registry;
}

function namespaceMetrics({ Counter, Gauge }: Prometheus, registry: Registry, source: MetricsSource): void {
  const registers = [registry];
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
}

function nodeMetrics(
  { Counter, Gauge }: Prometheus,
  registry: Registry,
  source: MetricsSource,
  loopDelay: LoopDelay,
): void {
  const registers = [registry];
  for (const [i, [name, ordinal, percentile]] of LOOP_DELAYS.entries()) {
    new Gauge({
      name,
      help: `How late the event loop was since the last scrape, ${ordinal} percentile`,
      registers,
      collect() {
        this.set(loopDelay.count === 0 ? 0 : loopDelay.percentile(percentile) / NANOSECONDS);
        // metrics are collected in the order they were made: the last one ends the period
        if (i === LOOP_DELAYS.length - 1) loopDelay.reset();
      },
    });
  }
  for (const [key, [name, help]] of Object.entries(MQTT_COUNTERS)) {
    new Counter({
      name: `robustmq_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(source.mqtt()[key as keyof MqttCounts]);
      },
    });
  }
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
