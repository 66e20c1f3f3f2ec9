import { networkInterfaces } from 'node:os';
import { BrokerNode, type NamespaceConfig, type NamespaceObservation } from '@robustmq/broker';
import type {
  NamespaceObserved,
  NamespaceSpec,
  NodeHealth,
  OpenUsageReply,
  RemovalsReply,
  UsageBatchReply,
} from '@robustmq/contracts/data-plane';
import { Journal } from '@robustmq/journal';
import { KafkaServer } from '@robustmq/kafka';
import { Meta, MetaError } from '@robustmq/meta';
import { MqttServer } from '@robustmq/mqtt';
import type { LogStore, ObjectStore } from '@robustmq/store';
import type { Cancel, ListenerInfo, Runtime } from '@robustmq/wire';
import packageJson from '../package.json' with { type: 'json' };
import type { AdminTarget } from './admin-http.ts';
import type { NodeConfig, TieringConfig } from './config.ts';
import { NodeMetrics } from './metrics.ts';
import { fromSpec, toObserved } from './namespace-translation.ts';
import { explained } from './failure-sentence.ts';
import { openMedia } from './media.ts';
import { openObjectStorage, type ObjectStorage } from './object-storage.ts';
import { openListener, type OpenListener } from './open-listener.ts';
import { CERTIFICATE_CHECK_PERIOD_MS } from './listener-tls.ts';
import { TenantHttpCaller } from './tenant-http-caller.ts';
import { UsageFeed } from './usage-feed.ts';
import { UsageLedger } from './usage-ledger.ts';

export const NODE_VERSION = packageJson.version;
/** How often streams let go of what their retention no longer keeps. */
const RETENTION_PERIOD_MS = 60_000;
/** How often streams are looked through for what is to be moved or compacted. */
const TIERING_PERIOD_MS = 15_000;
/** On stop clients have this long to take their last packet; then their connections are cut. */
const DISCONNECT_GRACE_MS = 1_000;
const DISCONNECT_POLL_MS = 10;
/** Any period does: what counts is that there is a timer. */
const ALIVE_PERIOD_MS = 60_000;
/** The one broker id Kafka clients see. */
const KAFKA_NODE_ID = 1;

interface Graph {
  readonly config: NodeConfig;
  readonly runtime: Runtime;
  readonly store: LogStore;
  readonly objects: ObjectStore | null;
  readonly journal: Journal;
  readonly meta: Meta;
  readonly broker: BrokerNode;
  readonly feed: UsageFeed;
  readonly ledger: UsageLedger;
  readonly counts: { flushes: number; failed: boolean };
}

/**
 * One data-plane process: builds its parts with `new`, opens listeners last and closes them first. Between `open` and
 * `listen` namespaces may be applied, so that nobody connects before the clusters are there.
 */
export class Node implements AdminTarget {
  readonly config: NodeConfig;
  readonly #graph: Graph;
  readonly #metrics: NodeMetrics;
  readonly #mqtt: MqttServer;
  readonly #kafka: KafkaServer;
  readonly #retention: Cancel;
  readonly #tiering: Cancel;
  readonly #certificates: Cancel;
  #listeners: OpenListener[] = [];
  #ready = false;
  #stopping: Promise<void> | null = null;
  #retaining = false;

  private constructor(graph: Graph) {
    const { config, runtime, broker, feed, counts, journal } = graph;
    this.config = config;
    this.#graph = graph;
    this.#metrics = new NodeMetrics({
      protocols: () => feed.protocols(),
      storedBytes: () => feed.storedBytes(),
      journalFlushes: () => counts.flushes,
      storeFailed: () => counts.failed,
      mqtt: () => this.#mqtt,
    });
    this.#mqtt = new MqttServer({ broker, runtime });
    this.#kafka = new KafkaServer({
      broker,
      runtime,
      nodeId: KAFKA_NODE_ID,
      clusterId: config.nodeId,
      advertised: (listener, { name }, serverName) => this.#kafkaAddress(listener, name, serverName),
    });
    // transactions that were decided before a crash are ended before anybody connects
    for (const { name } of broker.namespaces()) this.#kafka.resume(broker.byName(name)!);
    this.#retention = runtime.every(RETENTION_PERIOD_MS, () => {
      if (this.#retaining) return;
      this.#retaining = true;
      void journal.enforceRetention(runtime.nowMs()).finally(() => (this.#retaining = false));
    });
    this.#certificates = runtime.every(CERTIFICATE_CHECK_PERIOD_MS, () => this.#lookAtCertificates());
    // A pass that still runs is waited for by the next call, not doubled.
    this.#tiering = runtime.every(TIERING_PERIOD_MS, () => void this.#tier());
  }

  /**
   * Takes the data directory and recovers everything in it. `onFailed` runs once when the medium fails later: the
   * process should end then, for only a restart finds out what is on it. Throws NodeError with a sentence for people.
   */
  static async open(config: NodeConfig, runtime: Runtime, onFailed: (error: Error) => void): Promise<Node> {
    // A pause between two tries to reach object storage does not keep a process alive, and nothing else does yet.
    const alive = setInterval(() => undefined, ALIVE_PERIOD_MS);
    try {
      return new Node(await buildGraph(config, runtime, onFailed));
    } catch (error) {
      throw explained(error, config.dataDir);
    } finally {
      clearInterval(alive);
    }
  }

  async #tier(): Promise<void> {
    const { journal, runtime } = this.#graph;
    try {
      await journal.runTiering(runtime.nowMs());
    } catch (error) {
      runtime.log.warn({ error }, 'tiering failed');
    }
  }

  /** Opens every listener; resolves when all of them answer. Throws NodeError, having closed those that were open. */
  async listen(): Promise<void> {
    const { listeners, dataDir, namespace } = this.config;
    const accepts = { mqtt: this.#mqtt.accept, kafka: this.#kafka.accept };
    try {
      for (const wanted of listeners) {
        const accept = accepts[wanted.protocol];
        const { runtime, broker } = this.#graph;
        const isNamespace = (name: string) => broker.byName(name) !== undefined;
        this.#listeners.push(await openListener({ wanted, namespace, accept, runtime, isNamespace }));
      }
    } catch (error) {
      for (const { listener } of this.#listeners) listener.stopAccepting();
      throw explained(error, dataDir);
    }
    this.#graph.ledger.start();
    this.#ready = true;
  }

  /**
   * What a Kafka client of `namespace` is told to connect to: the listener it came through, and under the name it asked
   * for where that is the namespace's own. A client without a user name would be a stranger under any other.
   */
  #kafkaAddress(info: ListenerInfo, namespace: string, serverName: string | null): { host: string; port: number } {
    const open = this.#listeners.find((one) => one.info === info);
    const { advertisedHost, advertisedPort, advertisedDomain, host = '127.0.0.1' } = open?.wanted ?? {};
    const port = advertisedPort ?? open?.port ?? 0;
    if (serverName?.toLowerCase().startsWith(`${namespace}.`) === true) return { host: serverName, port };
    return {
      host:
        advertisedDomain === undefined ? (advertisedHost ?? reachableHost(host)) : `${namespace}.${advertisedDomain}`,
      port,
    };
  }
  #lookAtCertificates(): void {
    for (const { tls, listener } of this.#listeners) tls?.reload((options) => listener.replaceCertificate(options));
  }

  /**
   * Stops accepting, tells clients, flushes and closes; the open usage window goes on after the next start. Takes less
   * than five seconds unless the disk does not. Safe to call again.
   */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }
  async #stop(): Promise<void> {
    const { broker, ledger, meta, journal, objects, runtime, counts } = this.#graph;
    this.#ready = false;
    this.#retention();
    this.#tiering();
    this.#certificates();
    for (const { listener } of this.#listeners) listener.stopAccepting();
    this.#mqtt.close();
    this.#kafka.close();
    const deadlineMs = runtime.monotonicMs() + DISCONNECT_GRACE_MS;
    while (this.#connections > 0 && runtime.monotonicMs() < deadlineMs) await delay(DISCONNECT_POLL_MS);
    for (const { listener } of this.#listeners) listener.destroyConnections();
    await delay(0);
    await broker.stop();
    if (!counts.failed) {
      await ledger.stop();
      await meta.close();
    }
    this.#metrics.close();
    await journal.close();
    await objects?.close?.();
  }
  get #connections(): number {
    return this.#listeners.reduce((sum, { listener }) => sum + listener.connections, 0);
  }

  health(): NodeHealth {
    return {
      nodeId: this.config.nodeId,
      nodeEpoch: this.#graph.ledger.epoch,
      pid: process.pid,
      version: NODE_VERSION,
      ready: this.#ready && !this.#graph.counts.failed,
      listeners: this.#listeners.map(({ wanted, port }) => ({ protocol: wanted.key, host: wanted.host, port })),
    };
  }

  async applyNamespace(spec: NamespaceSpec): Promise<NamespaceObserved> {
    const failure = await this.apply(fromSpec(spec)).then(
      () => null,
      // What cannot be done as it was asked is reported, not retried as a fault; a failed medium is a fault.
      (error: unknown) => {
        if (error instanceof MetaError || (error instanceof Error && !('code' in error))) return error.message;
        throw error;
      },
    );
    const observation = this.#observe(spec.clusterId);
    if (failure === null && observation !== undefined) return toObserved(observation);
    const sentence = failure ?? 'the namespace was removed meanwhile';
    const served = observation === undefined ? NOT_SERVED : toObserved(observation);
    return { ...served, clusterId: spec.clusterId, phase: 'failed', error: sentence };
  }
  /** Makes a namespace as `config` says; for configurations that do not come from an agent. */
  apply(config: NamespaceConfig): Promise<void> {
    const { broker, feed } = this.#graph;
    return feed.during(config.id, () => broker.applyNamespace(config));
  }

  removeNamespace(clusterId: string): Promise<void> {
    const { broker, feed } = this.#graph;
    return feed.during(clusterId, () => broker.removeNamespace(clusterId));
  }

  async finishRemovals(): Promise<RemovalsReply> {
    return { streams: (await this.#graph.journal.finishRemovals()).length };
  }

  namespaces(): readonly NamespaceObserved[] {
    return this.observations().map(toObserved);
  }
  async view(clusterId: string, view: string, query: unknown): Promise<unknown> {
    // Loaded by the first look: most nodes are looked at rarely.
    const { answerView } = await import('./namespace-views.ts');
    return answerView(this.#graph.broker, clusterId, view, query, (id) => this.#kafka.liveGroups(id));
  }
  observations(): readonly NamespaceObservation[] {
    return this.#graph.broker.namespaces();
  }
  #observe(id: string): NamespaceObservation | undefined {
    return this.#graph.broker.byId(id)?.observe();
  }

  async usage(afterSeq: number, limit: number): Promise<UsageBatchReply> {
    const { ledger } = this.#graph;
    return { nodeEpoch: ledger.epoch, windows: [...(await ledger.windows(afterSeq, limit))] };
  }
  trimUsage(throughSeq: number): Promise<void> {
    return this.#graph.ledger.trim(throughSeq);
  }
  openUsage(): OpenUsageReply {
    return this.#graph.ledger.openWindow();
  }
  metrics(): Promise<string> {
    return this.#metrics.text();
  }
}

const NOT_SERVED = { observedGeneration: 0, endpointsReachable: false, topics: [], connections: 0 };

async function buildGraph(config: NodeConfig, runtime: Runtime, onFailed: (error: Error) => void): Promise<Graph> {
  const { store, engines } = await openMedia(config, runtime);
  const counts = { flushes: 0, failed: false };
  const media = [store, ...Object.values(engines)];
  const storage = config.tiering === undefined ? null : await openStorage(config.tiering, runtime, media);
  const journal = new Journal({ store, engines, runtime, ...storage });
  const failed = (error: unknown) => {
    if (counts.failed) return;
    counts.failed = true;
    onFailed(explained(error, config.dataDir));
  };
  journal.onFailed(failed);
  try {
    const meta = new Meta({ store, runtime });
    await meta.start();
    const httpCaller = new TenantHttpCaller({ anywhere: config.egressPrivate });
    const broker = new BrokerNode({ journal, meta, runtime, nodeId: config.nodeId, rates: config.rates, httpCaller });
    const feed = new UsageFeed(broker, runtime, config.namespace);
    const ledger = await UsageLedger.open({
      store,
      runtime,
      source: feed,
      nodeId: config.nodeId,
      windowMs: config.usageWindowMs,
      flush: () => journal.current.promise(),
      onFailed: failed,
    });
    journal.beforeFlush(() => {
      counts.flushes++;
      ledger.beforeFlush();
    });
    await broker.start();
    feed.recovered();
    const objects = storage?.objects ?? null;
    return { config, runtime, store, objects, journal, meta, broker, feed, ledger, counts };
  } catch (error) {
    await journal.close().catch(() => undefined);
    await storage?.objects.close?.().catch(() => undefined);
    throw error;
  }
}

async function openStorage(
  tiering: TieringConfig,
  runtime: Runtime,
  media: readonly LogStore[],
): Promise<ObjectStorage> {
  try {
    return await openObjectStorage(tiering, runtime);
  } catch (error) {
    await Promise.allSettled(media.map((store) => store.close()));
    throw error;
  }
}

/** An address clients can use for a listener that is bound to all of them: the machine's first public one. */
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  for (const addresses of Object.values(networkInterfaces())) {
    const found = addresses?.find((address) => address.family === 'IPv4' && !address.internal);
    if (found !== undefined) return found.address;
  }
  return '127.0.0.1';
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
