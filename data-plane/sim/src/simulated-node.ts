import { BrokerNode, UNLIMITED_QUOTAS, type NamespaceConfig } from '@robustmq/broker';
import { Journal, type JournalOptions } from '@robustmq/journal';
import { KafkaServer } from '@robustmq/kafka';
import { Meta } from '@robustmq/meta';
import { MqttServer } from '@robustmq/mqtt';
import { FileLogStore, MemoryObjectStore, SimulatedDisk } from '@robustmq/store';
import type { ListenerInfo } from '@robustmq/wire';
import type { Chance } from './chance.ts';
import { Link, type ClientEnd, type Latency } from './network.ts';
import { SlowObjects } from './slow-objects.ts';
import { SlowDisk, type DiskPace } from './slow-disk.ts';
import { ProcessRuntime, type World } from './world.ts';

const DIRECTORY = '/data';
const RETENTION_PERIOD_MS = 60_000;
const TIERING_PERIOD_MS = 700;
const ORPHAN_GRACE_MS = 3_000;
const TIERED_STREAM = /partition/;
/** A process that failed is started again after this long. */
const RESTART_MS_MAX = 300;

export interface NodePlan {
  readonly walBytesMax: number;
  readonly segmentBytesMax: number;
  /** What stays in full write-ahead logs, what shares a file, and when that is copied. */
  readonly keptRunBytesMin: number;
  readonly ownStreamsMax: number;
  readonly sharedPartsMax: number;
  readonly tailCacheBytesMax: number;
  readonly snapshotBytesMin: number;
  readonly pace: DiskPace;
  /** null: nothing goes to object storage. */
  readonly tiering: {
    readonly coldAfterBytes: number;
    readonly objectBytes: number;
    readonly coldCacheBytesMax: number;
    /** Batches from here on leave their body in object storage. */
    readonly claimBytesMin: number;
  } | null;
  /** Namespaces every process is told to have, as an agent would tell it. */
  readonly namespaces: readonly NamespaceConfig[];
}

/** The parts of one process, as `node` builds them. */
export interface Process {
  readonly runtime: ProcessRuntime;
  readonly disk: SlowDisk;
  journal: Journal | null;
  meta: Meta | null;
  broker: BrokerNode | null;
  mqtt: MqttServer | null;
  kafka: KafkaServer | null;
  readonly links: Set<Link>;
  isUp: boolean;
}

/**
 * One machine: a disk that stays and processes that come and go. The rooms run unmodified; only what `node` would give
 * them (clock, disk, transports) is simulated.
 */
export class SimulatedNode {
  readonly #world: World;
  readonly #plan: NodePlan;
  readonly #objects = new MemoryObjectStore();
  #platter: SimulatedDisk;
  #process: Process | null = null;
  #starts = 0;
  #isMediumFaulty = false;
  readonly #gone = new WeakMap<Process, () => void>();
  /** Called when a process serves, before anybody connects. */
  onUp: () => void = () => undefined;

  constructor(world: World, plan: NodePlan) {
    this.#world = world;
    this.#plan = plan;
    this.#platter = new SimulatedDisk(world.chance.fork().next);
  }
  /** The process that serves, or null while there is none or it recovers. */
  get up(): Process | null {
    return this.#process?.isUp === true ? this.#process : null;
  }
  /** A fault was injected that this process may still meet. */
  get isMediumFaulty(): boolean {
    return this.#isMediumFaulty;
  }
  /** Calls back when this process is gone. */
  whenGone(process: Process, callback: () => void): void {
    this.#gone.set(process, callback);
  }
  /** What object storage has under a prefix. */
  async objectKeys(prefix: string): Promise<readonly string[]> {
    return (await this.#objects.list(prefix)).map(({ key }) => key);
  }
  get starts(): number {
    return this.#starts;
  }

  start(): void {
    const runtime = new ProcessRuntime(this.#world);
    const disk = new SlowDisk(this.#world, runtime, this.#platter, this.#plan.pace);
    const links = new Set<Link>();
    const process: Process = {
      runtime,
      disk,
      journal: null,
      meta: null,
      broker: null,
      mqtt: null,
      kafka: null,
      links,
      isUp: false,
    };
    this.#process = process;
    this.#world.trace(`node: start ${++this.#starts}`);
    this.#boot(process).catch((error: unknown) => this.#bootFailed(process, error));
  }
  async #boot(process: Process): Promise<void> {
    const { runtime, disk } = process;
    const { walBytesMax, segmentBytesMax, keptRunBytesMin, ownStreamsMax, sharedPartsMax } = this.#plan;
    const { tailCacheBytesMax, snapshotBytesMin, namespaces } = this.#plan;
    const sizes = { walBytesMax, segmentBytesMax, keptRunBytesMin, ownStreamsMax, sharedPartsMax };
    const store = await FileLogStore.open({ directory: DIRECTORY, ...sizes, disk });
    for (const { kind, file, position, detail } of store.damages) {
      this.#world.trace(`node: found ${kind} in ${file} at ${position}: ${detail}`);
    }
    const journal = new Journal({ store, runtime, tailCacheBytesMax, ...this.#tiering(runtime) });
    process.journal = journal;
    journal.onFailed((error) => this.#mediumFailed(process, error));
    const meta = new Meta({ store, runtime, snapshotBytesMin });
    process.meta = meta;
    await meta.start();
    const broker = new BrokerNode({ journal, meta, runtime, nodeId: 'sim' });
    process.broker = broker;
    await broker.start();
    for (const config of namespaces) await broker.applyNamespace(config);
    process.mqtt = new MqttServer({ broker, runtime });
    const advertised = (): { host: string; port: number } => ({ host: 'sim', port: 9092 });
    process.kafka = new KafkaServer({ broker, runtime, nodeId: 1, clusterId: 'sim', advertised });
    // as in the node, what housekeeping cannot do now it tries again later
    const later = (error: unknown): void => this.#world.trace(`node: housekeeping: ${String(error)}`);
    runtime.every(RETENTION_PERIOD_MS, () => void journal.enforceRetention(runtime.nowMs()).catch(later));
    if (this.#plan.tiering !== null) {
      runtime.every(TIERING_PERIOD_MS, () => void journal.runTiering(runtime.nowMs()).catch(later));
    }
    process.isUp = true;
    this.#world.trace('node: up');
    this.onUp();
  }

  #tiering(runtime: ProcessRuntime): Partial<JournalOptions> {
    const { tiering } = this.#plan;
    if (tiering === null) return {};
    const { coldAfterBytes, objectBytes, coldCacheBytesMax, claimBytesMin } = tiering;
    return {
      objects: new SlowObjects(this.#world, runtime, this.#objects),
      tierOf: (name) => (TIERED_STREAM.test(name) ? { coldAfterBytes } : undefined),
      objectBytes,
      coldCacheBytesMax,
      claimBytesMin,
      orphanGraceMs: ORPHAN_GRACE_MS,
    };
  }
  /** Somebody changes the policy of a live stream. What it may let go is nothing. */
  alterPolicy(chance: Chance): void {
    const { journal } = this.#process ?? {};
    const names = journal?.list().filter((name) => TIERED_STREAM.test(name)) ?? [];
    if (this.up === null || names.length === 0) return;
    const name = chance.pick(names);
    const tier = chance.pick([
      undefined,
      { hotBytes: chance.pick([0, 1_000, 100_000]) },
      { coldAfterBytes: chance.pick([0, 2_000]), hotBytes: 500 },
      { coldAfterMs: 0, warmAfterReads: 2, warmIdleMs: 1_000 },
    ]);
    this.#world.trace(`policy: ${name} ${JSON.stringify(tier)} ${journal!.alterPolicy(name, { tier }) !== null}`);
  }
  /** Every object a manifest or a claim calls cold is in object storage. A name that goes while it is looked for is none. */
  async manifestNamesOnlyWhatIsThere(process: Process): Promise<void> {
    for (const name of process.journal!.list()) {
      if (!TIERED_STREAM.test(name)) continue;
      const stream = await process.journal!.open(name, { durability: 'flushed', retentionMs: -1, retentionBytes: -1 });
      const named = (): string[] => {
        const { objects, claims } = stream.tiers();
        return [...objects.filter(({ cold }) => cold), ...claims].map(({ key }) => key);
      };
      for (const key of named()) {
        const isThere = (await this.#objects.list(key, undefined, 1)).some((entry) => entry.key === key);
        if (!isThere && named().includes(key))
          this.#world.violated('manifest-names-only-what-is-there', `${name}: ${key}`);
      }
    }
  }

  /** The process dies at this moment: kill -9, or the machine loses its power. Starts again after `downMs`. */
  async crash(kind: 'kill' | 'power', downMs: number): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    this.#world.trace(`node: ${kind}${process.isUp ? '' : ' while it starts'}`);
    this.#process = null;
    this.#isMediumFaulty = false;
    this.#gone.get(process)?.();
    process.isUp = false;
    process.runtime.die();
    for (const link of process.links) link.serverDied();
    process.disk.abandon();
    // parts of writes that were under way reach the disk now
    await new Promise((resolve) => setImmediate(resolve));
    this.#platter = kind === 'kill' ? this.#platter.kill() : this.#platter.cutPower();
    this.#world.after(downMs, () => this.start());
  }
  /** Some operation soon fails, once. */
  breakDisk(operations: number, code: 'io' | 'disk-full' | 'read-only'): void {
    this.#world.trace(`disk: operation ${operations} from now fails with ${code}`);
    this.#isMediumFaulty = true;
    this.#platter.failAfter(operations, code);
  }

  /** A client comes in through the port of `namespace` (null: the port of all). Null when nobody listens. */
  connect(protocol: 'mqtt' | 'kafka', namespace: string | null, client: ClientEnd, latency: Latency): Link | null {
    const process = this.up;
    if (process === null) return null;
    const listener: ListenerInfo = { name: protocol, tls: false, namespace };
    const { accept } = protocol === 'mqtt' ? process.mqtt! : process.kafka!;
    const link = new Link(this.#world, { listener, accept: (transport) => accept(transport), client, latency });
    process.links.add(link);
    return link;
  }

  /** As `node` does: a process whose medium failed ends, for only a restart finds out what is on it. */
  #mediumFailed(process: Process, error: Error): void {
    if (process !== this.#process) return;
    this.#world.trace(`node: the medium failed: ${error.message}`);
    if (!this.#isMediumFaulty) this.#world.violated('no-failure-without-fault', String(error));
    this.#world.after(0, () => void (process === this.#process && this.#crashAfterFault()));
  }
  #bootFailed(process: Process, error: unknown): void {
    if (process !== this.#process) return;
    const text = error instanceof Error ? `${error.message} (${String(error.cause ?? '')})` : String(error);
    this.#world.trace(`node: did not start: ${text}`);
    if (this.#isMediumFaulty) this.#world.after(0, () => void (process === this.#process && this.#crashAfterFault()));
    else this.#world.violated('always-starts', text);
  }
  #crashAfterFault(): void {
    void this.crash('kill', this.#world.chance.between(1, RESTART_MS_MAX));
  }
}

/** A namespace that lets everybody in through its own port, and `sim` with the password `sim` through the common one. */
export function namespaceOf(id: string, topics: NamespaceConfig['topics']): NamespaceConfig {
  return {
    id,
    tenantId: `tenant-${id}`,
    name: id,
    generation: 1,
    quotas: UNLIMITED_QUOTAS,
    allowAnonymous: true,
    isDefault: false,
    autoCreateTopics: false,
    credentials: [],
    topics,
    topicsRemoved: [],
  };
}
