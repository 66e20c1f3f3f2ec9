import type { Journal, StreamName } from '@robustmq/journal';
import type { Meta, NamespaceRecord, ScramVerifier } from '@robustmq/meta';
import type { Cancel, Runtime } from '@robustmq/wire';
import { locate, type AdmissionDirectory } from './admission.ts';
import { checkNobody, madeUpVerifier } from './authenticator.ts';
import { BatchSealer } from './batch-sealer.ts';
import { NodeThrottle, type NodeRates } from './byte-rate.ts';
import type { HttpCaller } from './http-authentication.ts';
import type {
  Admission,
  AdmitRequest,
  Broker,
  ClientEvent,
  ConnectionInfo,
  Refusal,
  ScramMechanism,
} from './broker-types.ts';
import type { NamespaceConfig, NamespaceObservation, RecordedClientEvent } from './namespace-config.ts';
import { BrokerNamespace, type NodeParts } from './namespace.ts';
import { MessageCache } from './record-source.ts';
import { isRefusal, refuse } from './refusal.ts';
import { parseStreamName } from './stream-name.ts';
import { NOTHING_STORED, type StorageUsage, type UsageTotals } from './usage.ts';
import { NamespaceViews } from './views.ts';

const SWEEP_PERIOD_MS = 1_000;
/** Removed namespaces whose last totals are kept for the node's usage ledger. */
const DEPARTED_MAX = 10_000;

export interface BrokerOptions {
  readonly journal: Journal;
  /** Started by the caller. */
  readonly meta: Meta;
  readonly runtime: Runtime;
  readonly nodeId: string;
  /** Bytes per second of all namespaces together. Default: no limit. */
  readonly rates?: NodeRates;
  /** Asks tenants' own authentication services; absent = clusters with one let nobody in by it. */
  readonly httpCaller?: HttpCaller;
}

/**
 * The broker of one node: its namespaces, who is let into them, and what the node administers. Protocol servers get it
 * as `Broker`.
 */
export class BrokerNode implements Broker, AdmissionDirectory<BrokerNamespace> {
  readonly nodeId: string;
  readonly #parts: NodeParts;
  readonly #namespaces = new Map<string, BrokerNamespace>();
  readonly #byName = new Map<string, BrokerNamespace>();
  readonly #restored = new Map<string, UsageTotals>();
  readonly #departed = new Map<string, UsageTotals>();
  /** Administration of one namespace happens one after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  #default: BrokerNamespace | undefined;
  #sweep: Cancel | null = null;
  #isReady = false;
  /** For users of namespaces that do not exist. */
  readonly #scramSecret: Buffer;
  /** Requests to object storage since the start, by namespace. */
  readonly #objectRequests = new Map<string, number>();

  constructor(options: BrokerOptions) {
    const { journal, meta, runtime, nodeId } = options;
    const throttle = new NodeThrottle(options.rates);
    this.nodeId = nodeId;
    this.#scramSecret = runtime.randomBytes(32);
    journal.onObjectRequest((stream) => {
      const id = parseStreamName(stream)?.namespaceId;
      if (id !== undefined) this.#objectRequests.set(id, (this.#objectRequests.get(id) ?? 0) + 1);
    });
    this.#parts = {
      journal,
      meta,
      runtime,
      sealer: new BatchSealer(journal, runtime),
      cache: new MessageCache(),
      throttle,
      httpCaller: options.httpCaller ?? null,
    };
  }

  /** Recovers every namespace that meta has, and deletes streams that nobody owns any more. */
  async start(): Promise<void> {
    const { meta, runtime } = this.#parts;
    await this.#removeOrphans();
    for (const { record } of meta.namespaces.values()) await this.#open(record);
    this.#sweep = runtime.every(SWEEP_PERIOD_MS, () => this.sweep());
    this.#isReady = true;
  }

  /** Asks all connections to go. Journal and meta are closed by their owner, afterwards. */
  async stop(): Promise<void> {
    this.#isReady = false;
    this.#sweep?.();
    // acknowledgements that wait for a flush are written first
    this.#parts.sealer.sealAll();
    for (const namespace of this.#namespaces.values()) namespace.shut('shutdown');
    this.#parts.sealer.sealAll();
    await Promise.allSettled(this.#turns.values());
  }

  /** What the timer does once a second; tests and the simulator call it themselves. */
  sweep(): void {
    for (const namespace of this.#namespaces.values()) namespace.sweep();
  }

  admit(request: AdmitRequest): Admission | Refusal {
    if (!this.#isReady) return refuse('unavailable');
    const located = locate(request, this);
    if (!('refusal' in located)) return located.namespace.admit(located.name, request);
    const { namespace, refusal } = located;
    if (namespace === null) checkNobody(request.password);
    const { protocol, remoteAddress } = request;
    const { refused: code, message: detail } = refusal;
    const id = namespace?.id ?? null;
    this.clientEvent({ namespace: id, protocol, remoteAddress, clientId: null, stage: 'authenticate', code, detail });
    return refusal;
  }

  ask(request: AdmitRequest): Promise<AdmitRequest> | null {
    if (!this.#isReady) return null;
    const located = locate(request, this);
    return 'refusal' in located ? null : located.namespace.ask(located.name, request);
  }

  scramVerifier(request: AdmitRequest, mechanism: ScramMechanism): ScramVerifier {
    const located = locate(request, this);
    if (!('refusal' in located)) return located.namespace.authenticator.scramVerifier(located.name ?? '', mechanism);
    return madeUpVerifier(this.#scramSecret, request.username ?? '', mechanism);
  }

  clientEvent(event: ClientEvent): void {
    const namespace = event.namespace === null ? undefined : this.#namespaces.get(event.namespace);
    namespace?.clientEvent(event);
    this.#parts.runtime.log.debug({ ...event }, 'client event');
  }

  byId(id: string): BrokerNamespace | undefined {
    return this.#namespaces.get(id);
  }
  byName(name: string): BrokerNamespace | undefined {
    return this.#byName.get(name);
  }
  get defaultNamespace(): BrokerNamespace | undefined {
    return this.#default;
  }

  /**
   * Makes the namespace as the config says; resolves when that is stable and served. Idempotent, level-triggered. Rejects
   * with MetaError for a config that cannot be (a name that is taken), and with a plain Error that names the topic whose
   * creation was refused; what was possible is applied then.
   */
  applyNamespace(config: NamespaceConfig): Promise<void> {
    return this.#inTurn(config.id, () => this.#apply(config));
  }
  /** Disconnects everybody and deletes all data; resolves when it cannot come back. Absent namespaces are fine. */
  removeNamespace(id: string): Promise<void> {
    return this.#inTurn(id, () => this.#remove(id));
  }
  namespaces(): readonly NamespaceObservation[] {
    return [...this.#namespaces.values()].map((namespace) => namespace.observe());
  }
  /** The last client events of a namespace, oldest first. */
  clientEvents(namespaceId: string): readonly RecordedClientEvent[] {
    return this.#namespaces.get(namespaceId)?.events.list() ?? [];
  }
  /** Asks connections of a namespace to go; returns nothing, for they go on their own. */
  kick(namespaceId: string, which: (info: ConnectionInfo) => boolean): void {
    this.#namespaces.get(namespaceId)?.connections.disconnect('kicked', which);
  }

  /** What can be looked at and done live in a namespace; undefined when it is not here. */
  views(namespaceId: string): NamespaceViews | undefined {
    const namespace = this.#namespaces.get(namespaceId);
    return namespace === undefined ? undefined : new NamespaceViews(namespace);
  }

  /** What every namespace stores now, and what it asked of object storage; those removed since the start keep the latter. */
  storageUsage(): readonly StorageUsage[] {
    const requestsOf = (id: string): number => this.#objectRequests.get(id) ?? 0;
    const present = [...this.#namespaces.values()].map((namespace) => namespace.storage());
    const departed = [...this.#departed].filter(([id]) => !this.#namespaces.has(id));
    return [
      ...present.map((row) => ({ ...row, objectRequests: requestsOf(row.namespaceId) })),
      ...departed.map(([id, { tenantId }]) => {
        return { ...NOTHING_STORED, namespaceId: id, tenantId, objectRequests: requestsOf(id) };
      }),
    ];
  }
  /** Cumulative totals of every namespace, and the last ones of those removed since the start. */
  usage(): readonly UsageTotals[] {
    const present = [...this.#namespaces.values()].map((namespace) => {
      namespace.measure();
      return namespace.totals();
    });
    return [...this.#departed.values(), ...present];
  }
  /** Totals of an earlier process to go on from. Call it before `start` or before any client connects, once. */
  restoreUsage(totals: readonly UsageTotals[]): void {
    for (const one of totals) {
      const namespace = this.#namespaces.get(one.namespaceId);
      if (namespace !== undefined) namespace.restoreUsage(one);
      else this.#restored.set(one.namespaceId, one);
    }
  }

  async #apply(config: NamespaceConfig): Promise<void> {
    const { topics, topicsRemoved, ...record } = config;
    const known = this.#parts.meta.namespaces.get(config.id);
    if (known === undefined || JSON.stringify(known.record) !== JSON.stringify(record)) {
      await this.#parts.meta.propose({ kind: 'put-namespace', namespace: record });
    }
    let namespace = this.#namespaces.get(config.id);
    if (namespace === undefined) namespace = await this.#open(record);
    else {
      if (this.#byName.get(namespace.name) === namespace) this.#byName.delete(namespace.name);
      namespace.record = record;
      this.#byName.set(record.name, namespace);
      this.#electDefault();
    }
    for (const name of topicsRemoved) await namespace.topics.remove(name);
    const refused: string[] = [];
    for (const spec of topics) {
      if (topicsRemoved.includes(spec.name)) continue;
      const outcome = await namespace.topics.apply(spec);
      if (isRefusal(outcome) && outcome.refused !== 'topic-exists') refused.push(`${spec.name}: ${outcome.message}`);
    }
    if (refused.length > 0) throw new Error(`topics could not be made (${refused.join('; ')})`);
  }

  /** Streams go first: after a crash in between, the namespace is still there to be removed again. */
  async #remove(id: string): Promise<void> {
    const namespace = this.#namespaces.get(id);
    if (namespace !== undefined) {
      this.#namespaces.delete(id);
      if (this.#byName.get(namespace.name) === namespace) this.#byName.delete(namespace.name);
      this.#electDefault();
      namespace.shut('namespace-deleted');
      namespace.measure();
      if (this.#departed.size < DEPARTED_MAX) this.#departed.set(id, { ...namespace.totals(), storedBytes: 0 });
    }
    await this.#removeStreams((name) => parseStreamName(name)?.namespaceId === id);
    if (this.#parts.meta.namespaces.has(id)) {
      await this.#parts.meta.propose({ kind: 'remove-namespace', namespaceId: id });
    }
  }

  async #open(record: NamespaceRecord): Promise<BrokerNamespace> {
    const namespace = await BrokerNamespace.open(record, this.#parts);
    const restored = this.#restored.get(record.id);
    if (restored !== undefined) namespace.restoreUsage(restored);
    this.#restored.delete(record.id);
    this.#namespaces.set(record.id, namespace);
    this.#byName.set(record.name, namespace);
    this.#electDefault();
    return namespace;
  }

  #electDefault(): void {
    this.#default = [...this.#namespaces.values()].find(({ record }) => record.isDefault);
  }

  /** A crash between a topic's removal and that of its streams leaves streams that no record names. */
  async #removeOrphans(): Promise<void> {
    const { meta, runtime } = this.#parts;
    if (meta.lostTail) {
      runtime.log.error({}, 'meta lost its last entry: streams that nobody owns are kept, for they may be wanted');
      return;
    }
    await this.#removeStreams((name) => {
      const identity = parseStreamName(name);
      if (identity?.kind !== 'partition') return false;
      const namespace = meta.namespaces.get(identity.namespaceId);
      return namespace !== undefined && ![...namespace.topics.values()].some(({ id }) => id === identity.topicId);
    });
  }
  async #removeStreams(which: (name: StreamName) => boolean): Promise<void> {
    for (const name of this.#parts.journal.list()) if (which(name)) await this.#parts.journal.remove(name);
  }

  #inTurn(id: string, run: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before.then(run, run);
    this.#turns.set(id, turn);
    const forget = (): void => void (this.#turns.get(id) === turn && this.#turns.delete(id));
    turn.then(forget, forget);
    return turn;
  }
}
