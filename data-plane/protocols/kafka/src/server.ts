import type { Broker, Namespace } from '@robustmq/broker';
import type { Accept, Cancel, ListenerInfo, Runtime } from '@robustmq/wire';
import { ROUTES } from './api-table.ts';
import { MessageWriter } from './codec.ts';
import { KafkaConnection, type Route } from './connection.ts';
import { RecordMemory } from './record-memory.ts';
import { DEFAULT_LIMITS, type KafkaLimits } from './limits.ts';
import { hasStoredState, type LiveGroup, World } from './world.ts';

/** Where clients of a namespace find this node. */
export interface Advertised {
  readonly host: string;
  readonly port: number;
}

export interface KafkaServerOptions {
  readonly broker: Broker;
  readonly runtime: Runtime;
  /** The one broker id that clients see. */
  readonly nodeId: number;
  readonly clusterId: string;
  /** The address that Metadata and FindCoordinator tell a client of `namespace` that came in through `listener`. */
  readonly advertised: (listener: ListenerInfo, namespace: Namespace, serverName: string | null) => Advertised;
  readonly limits?: Partial<KafkaLimits>;
}

const READ_BUFFER_BYTES = 64 * 1024;
const WRITER_BYTES = 16 * 1024;
/** Writers that grew beyond this are left to the collector. */
const WRITER_KEPT_BYTES_MAX = 2 * 1024 * 1024;
const WRITERS_KEPT_MAX = 16;
/** A namespace nobody is connected to loses its idle state after this long. */
const WORLD_IDLE_MS = 600_000;
const SWEEP_PERIOD_MS = 60_000;

/** The Kafka protocol over whatever transports the node gives it. */
export class KafkaServer {
  readonly broker: Broker;
  readonly runtime: Runtime;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly limits: KafkaLimits;
  readonly advertised: KafkaServerOptions['advertised'];
  readonly routes: ReadonlyMap<number, Route>;
  /** The answer to ApiVersions: exactly what is served. */
  readonly listedApis: readonly { apiKey: number; minVersion: number; maxVersion: number }[];
  /** Reads of connections that are between two requests land here. */
  readonly sharedReadBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  /** Where small batches are kept beyond their request. */
  readonly recordMemory = new RecordMemory();
  readonly #writers: MessageWriter[] = [];
  readonly #connections = new Set<KafkaConnection>();
  readonly #worlds = new Map<string, { world: World; connections: number; idleSinceMs: number }>();
  readonly #cancelSweep: Cancel;

  constructor(options: KafkaServerOptions) {
    this.broker = options.broker;
    this.runtime = options.runtime;
    this.nodeId = options.nodeId;
    this.clusterId = options.clusterId;
    // a cluster that leaves is where its clients are to go, in everything that names the broker
    this.advertised = (listener, namespace, serverName) =>
      relocatedTo(namespace) ?? options.advertised(listener, namespace, serverName);
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.routes = new Map(ROUTES.map((route) => [route.api.key, route]));
    this.listedApis = ROUTES.map(({ api }) => ({
      apiKey: api.key,
      minVersion: api.minVersion,
      maxVersion: api.maxVersion,
    }));
    this.#cancelSweep = this.runtime.every(SWEEP_PERIOD_MS, () => this.#sweep());
  }

  readonly accept: Accept = (transport) => {
    const connection = new KafkaConnection(this, transport);
    this.#connections.add(connection);
    return connection;
  };

  /** Ends every connection and forgets groups and producers. */
  close(): void {
    this.#cancelSweep();
    for (const connection of this.#connections) connection.fail('shutdown');
    for (const { world } of this.#worlds.values()) world.close();
    this.#worlds.clear();
  }

  /** What Kafka calls the cluster id: the namespace is the tenant's cluster, the prefix tells installations apart. */
  clusterIdOf(namespace: Namespace): string {
    return `${this.clusterId}.${namespace.id}`;
  }

  /**
   * Takes up what is stored of a namespace's transactions and groups before anybody connects: what was decided is
   * completed, what is open and who does not come back end by their timeouts. To be called for each namespace when the
   * process starts.
   */
  resume(namespace: Namespace): void {
    if (!hasStoredState(namespace)) return;
    this.worldOf(namespace);
    const entry = this.#worlds.get(namespace.id)!;
    entry.connections--;
    entry.idleSinceMs = this.runtime.monotonicMs();
  }

  /** Groups of a namespace that have members now. */
  liveGroups(namespaceId: string): readonly LiveGroup[] {
    return this.#worlds.get(namespaceId)?.world.liveGroups() ?? [];
  }

  /** A connection joins the world of its namespace; `forget` takes it out again. */
  worldOf(namespace: Namespace): World {
    let entry = this.#worlds.get(namespace.id);
    if (entry !== undefined && entry.world.namespace !== namespace) {
      // deleted and made anew under its id: nothing of before may be seen
      entry.world.close();
      entry = undefined;
    }
    if (entry === undefined) {
      entry = { world: new World(namespace, this.runtime, this.limits), connections: 0, idleSinceMs: 0 };
      this.#worlds.set(namespace.id, entry);
    }
    entry.connections++;
    return entry.world;
  }

  forget(connection: KafkaConnection): void {
    this.#connections.delete(connection);
    if (connection.session === null) return;
    const { world, namespace } = connection.session;
    const entry = this.#worlds.get(namespace.id);
    if (entry?.world === world && --entry.connections === 0) entry.idleSinceMs = this.runtime.monotonicMs();
  }

  takeWriter(): MessageWriter {
    return this.#writers.pop() ?? new MessageWriter(WRITER_BYTES);
  }
  giveWriter(w: MessageWriter): void {
    if (w.buffer.length > WRITER_KEPT_BYTES_MAX || this.#writers.length >= WRITERS_KEPT_MAX) return;
    w.reset();
    this.#writers.push(w);
  }

  /**
   * The first request that needs a namespace came without SASL: binds the connection as whom its certificate names, else
   * as anonymous where the broker allows it, else ends it, as Kafka does (no answer to such a request could tell why).
   */
  admitWithoutSasl(connection: KafkaConnection): boolean {
    const { listener, serverName, remoteAddress, clientCertificate } = connection.transport;
    const { clientId } = connection;
    const request = { listener, serverName, remoteAddress, clientId, username: null, password: null };
    const proof = clientCertificate ? { proof: { kind: 'x509', certificate: clientCertificate } as const } : {};
    const admission = this.broker.admit({ protocol: 'kafka', ...request, ...proof });
    // the broker writes the client event of a refusal
    const refusal = 'refused' in admission ? admission : connection.bind(admission);
    if (refusal === null) return true;
    connection.fail(refusal.message);
    return false;
  }

  /** A bare token after SaslHandshake 0: answered by a bare challenge, or by the end of the connection (KIP-43). */
  rawSaslToken(connection: KafkaConnection, token: Buffer): void {
    const asking = connection.saslAsk(token);
    if (asking === null) return this.#rawSaslStep(connection, token);
    const own = Buffer.from(token);
    void asking.then((isOpen) => {
      if (isOpen) this.#rawSaslStep(connection, own);
    });
  }
  #rawSaslStep(connection: KafkaConnection, token: Buffer): void {
    const step = connection.saslStep(token);
    if ('refused' in step) return connection.fail(step.message);
    connection.sendRaw(step.challenge);
  }

  #sweep(): void {
    for (const connection of this.#connections) connection.sweep(SWEEP_PERIOD_MS);
    const before = this.runtime.monotonicMs() - WORLD_IDLE_MS;
    for (const [id, entry] of this.#worlds) {
      if (entry.connections > 0 || entry.idleSinceMs > before || entry.world.isActive) continue;
      entry.world.close();
      this.#worlds.delete(id);
    }
  }
}

/** Where the cluster is being led to, by name; null = nowhere, or where its own name leads. */
function relocatedTo({ relocation }: Namespace): Advertised | null {
  const target = relocation?.kafka ?? null;
  if (target === null) return null;
  const at = target.lastIndexOf(':');
  const port = Number(target.slice(at + 1));
  return at > 0 && Number.isInteger(port) && port > 0 ? { host: target.slice(0, at), port } : null;
}
