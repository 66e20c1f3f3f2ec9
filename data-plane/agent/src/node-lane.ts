import type { DesiredState, NamespaceObserved } from '@robustmq/contracts/data-plane';
import type { Logger } from 'pino';
import { AgentError, sentenceOf } from './agent-error.ts';
import { applyStep, type StepTarget } from './apply.ts';
import { backoffMs, pause } from './backoff.ts';
import { portsReachable, reachableHost } from './endpoint-probe.ts';
import type { Certificates } from './certificates.ts';
import type { NodeProcess } from './node-process.ts';
import { planNode, type NodePorts, type ObservedNode, type Step } from './plan.ts';
import type { UsageCollector } from './usage-collector.ts';

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 30_000;
/** A node that ends sooner than this after being ready is crash-looping: its restarts wait longer each time. */
const HEALTHY_AFTER_MS = 10_000;
/** A node that answers its agent but not on its ports is looked at again this soon. */
const PROBE_AGAIN_MS = 500;
/** Plans in a row without reaching rest, after which the lane waits as if a step had failed. */
const ROUNDS_MAX = 16;
/** Namespaces put to one node at the same time. */
const PUTS_AT_ONCE = 4;
/** Failures after which a node that is to be removed anyway goes without handing over its last usage. */
const DRAIN_FAILURES_MAX = 5;
/** A node that runs but has not answered for this long is killed and started again. */
const SILENT_MS_MAX = 60_000;

/** What lanes share. */
export interface LaneSurroundings {
  readonly desired: () => DesiredState | undefined;
  readonly sharedPorts: NodePorts;
  readonly bind: string;
  readonly usage: UsageCollector;
  readonly certificates?: Certificates | undefined;
  readonly log: Logger;
  /** Called whenever what the lane would report may have changed. */
  readonly onChange: () => void;
}

/**
 * Brings one node from observed to desired and keeps it there: the only owner of that node. Level-triggered: `kick`
 * says "look again", never what to do, so lost and repeated kicks do no harm. Failures wait with growing delays and
 * stay in this lane: another tenant's node never waits for this one.
 */
export class NodeLane {
  readonly node: NodeProcess;
  readonly #around: LaneSurroundings;
  readonly #stop = new AbortController();
  #namespaces: readonly NamespaceObserved[] = [];
  /** The same by cluster id: a node may serve thousands. */
  #byCluster = new Map<string, NamespaceObserved>();
  #namespaceErrors = new Map<string, string>();
  #failure: AgentError | Error | undefined;
  #failures = 0;
  /** What the last look worked towards. */
  #lookedFor: DesiredState | undefined;
  #reachable = false;
  #hasData = true;
  #emptied = false;
  #readySinceMs = 0;
  #answeredAtMs = Date.now();
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #retry: NodeJS.Timeout | undefined;
  #collecting: Promise<void> | undefined;
  #restartWanted = false;
  #crashes = 0;

  constructor(makeNode: (onGone: () => void) => NodeProcess, around: LaneSurroundings) {
    this.node = makeNode(() => this.#onGone());
    this.#around = around;
  }

  get nodeId(): string {
    return this.node.directory.nodeId;
  }
  /** As of the last look. */
  get namespaces(): readonly NamespaceObserved[] {
    return this.#namespaces;
  }
  /** One of them. */
  observed(clusterId: string): NamespaceObserved | undefined {
    return this.#byCluster.get(clusterId);
  }
  /** True once a TCP connection to each of the node's ports was opened. */
  get reachable(): boolean {
    return this.#reachable;
  }
  /** True when the node holds no namespace and none of its old ports: all that is left of it is its last usage. */
  get emptied(): boolean {
    return this.#emptied || !this.#hasData;
  }
  /** Why the node is not as it should be; undefined when it is, or while it is being tried for the first time. */
  get failure(): Error | undefined {
    return this.#failure;
  }
  /** Times the node ended without being asked to. */
  get crashes(): number {
    return this.#crashes;
  }
  /** Why one namespace could not be applied. */
  namespaceError(clusterId: string): string | undefined {
    return this.#namespaceErrors.get(clusterId);
  }
  /** True when the lane has nothing to do and nothing to wait for. */
  get atRest(): boolean {
    return this.#looking === undefined && this.#retry === undefined;
  }

  /** Look again, now. */
  kick(): void {
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#lookAgain = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) this.kick();
      else this.#around.onChange();
    });
  }

  /**
   * Stops the node and starts it again with the program that is chosen now. Resolves when it is ready and reachable, rejects
   * with the failure of its start.
   */
  async restart(): Promise<void> {
    this.#restartWanted = true;
    this.#failure = undefined;
    this.#failures = 0;
    const before = this.node.pid;
    this.kick();
    const { signal } = this.#stop;
    while (!signal.aborted) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.node.admin && this.node.pid !== before && this.#reachable) return;
      await pause(PROBE_AGAIN_MS / 10, signal);
    }
  }

  /** Kicks only when no failed step is waiting for its delay: for periodic looks. */
  tick(): void {
    void this.node.directory.limitLog().catch(() => undefined);
    if (this.#retry === undefined) this.kick();
  }

  /** Moves what the node has closed into the spool. */
  collectUsage(): Promise<void> {
    const { admin, health } = this.node;
    if (!admin || !health) return Promise.resolve();
    this.#collecting ??= this.#around.usage
      .collect(this.nodeId, health.nodeEpoch, admin)
      .then(
        () => undefined,
        (error: unknown) => {
          const level = error instanceof AgentError && error.code.startsWith('spool') ? 'error' : 'debug';
          this.#around.log[level]({ nodeId: this.nodeId, error: sentenceOf(error) }, 'usage not collected');
        },
      )
      .finally(() => (this.#collecting = undefined));
    return this.#collecting;
  }

  /** Opens a connection to each port again. */
  async probe(): Promise<void> {
    const { health } = this.node;
    const before = this.#reachable;
    // QUIC is UDP: nothing answers there before a handshake.
    const listeners = health?.listeners.filter(({ protocol }) => protocol !== 'mqttQuic') ?? [];
    const ports = listeners.map((listener) => listener.port);
    this.#reachable = await portsReachable(reachableHost(this.#around.bind), ports);
    if (before !== this.#reachable) this.#around.onChange();
  }

  /** Ends looking; with `stopNode` the node is stopped in order, else it goes on serving. */
  async close(stopNode: boolean): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (stopNode) await this.node.stop();
    await this.#looking;
    // A start that was under way when the lane was closed has made a node: stop that one too.
    if (stopNode) await this.node.stop();
    await this.#collecting;
  }

  get #target(): StepTarget {
    const { usage, certificates } = this.#around;
    return { node: this.node, usage, certificates, signal: this.#stop.signal };
  }

  async #look(): Promise<void> {
    for (let round = 0; this.#lookAgain && !this.#stop.signal.aborted; round += 1) {
      this.#lookAgain = false;
      this.#lookedFor = this.#around.desired();
      try {
        if (this.#restartWanted) {
          this.#restartWanted = false;
          this.#reachable = false;
          await this.node.stop();
        }
        const observed = await this.#observe();
        this.#around.onChange();
        const steps = planNode(this.#around.desired(), this.#around.sharedPorts, observed);
        if (steps.length === 0) {
          this.#rested();
          continue;
        }
        await this.#applyAll(steps);
        this.#around.onChange();
        if (round >= ROUNDS_MAX) throw new Error(`the node is not as desired after ${ROUNDS_MAX} plans`);
        this.#lookAgain = true;
      } catch (error) {
        this.#failed(error);
        return;
      }
    }
  }

  #rested(): void {
    this.#failure = undefined;
    if (Date.now() - this.#readySinceMs > HEALTHY_AFTER_MS) this.#failures = 0;
    if (this.node.admin && !this.#reachable) this.#wait(PROBE_AGAIN_MS);
  }

  #failed(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    // what is desired now may be what mends it, such as other ports: its kick came while this look was failing
    const isOutdated = this.#around.desired() !== this.#lookedFor;
    const delayMs = isOutdated ? 0 : backoffMs(this.#failures, RETRY_FIRST_MS, RETRY_MAX_MS);
    this.#failures += 1;
    this.#around.log.warn({ nodeId: this.nodeId, error: sentenceOf(error), delayMs }, 'reconcile failed');
    this.#wait(delayMs);
  }

  #wait(delayMs: number): void {
    this.#lookAgain = false;
    if (this.#stop.signal.aborted) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.kick(), delayMs);
  }

  async #observe(): Promise<ObservedNode> {
    const { directory } = this.node;
    this.#hasData = await directory.exists();
    if (!this.node.admin && this.#hasData && (await this.node.adopt())) this.#started();
    const { admin } = this.node;
    if (!admin && !this.#hasData) this.#saw([]);
    if (admin) {
      if (!this.#reachable) await this.probe();
      try {
        this.#saw(await admin.namespaces());
        this.#answeredAtMs = Date.now();
        this.#emptied = this.#namespaces.length === 0 && this.node.ports?.mqtt === 0;
      } catch (error) {
        if (Date.now() - this.#answeredAtMs > SILENT_MS_MAX) await this.node.kill();
        throw error;
      }
    }
    return {
      nodeId: this.nodeId,
      hasData: this.#hasData,
      process: admin ? 'ready' : 'absent',
      ports: this.node.ports,
      namespaces: admin ? this.#namespaces : [],
      drainHopeless: this.#failures >= DRAIN_FAILURES_MAX,
      hasObjectsElsewhere: await directory.hasObjectsElsewhere(),
    };
  }

  #saw(namespaces: readonly NamespaceObserved[]): void {
    this.#namespaces = namespaces;
    this.#byCluster = new Map(namespaces.map((one) => [one.clusterId, one]));
  }

  async #applyAll(steps: readonly Step[]): Promise<void> {
    const puts = steps.filter((step) => step.kind === 'put-namespace');
    for (const step of steps) {
      if (step.kind === 'put-namespace') continue;
      if (step.kind === 'remove-node-data' && this.#failures >= DRAIN_FAILURES_MAX) {
        this.#around.log.error({ nodeId: this.nodeId }, 'node removed without its last usage');
      }
      await applyStep(step, this.#target);
      this.#around.log.info({ nodeId: this.nodeId, step: step.kind }, 'step done');
      if (step.kind === 'start-node') this.#started();
      if (step.kind === 'remove-node-data') this.#hasData = false;
    }
    let firstError: unknown;
    for (let i = 0; i < puts.length; i += PUTS_AT_ONCE) {
      await Promise.all(
        puts.slice(i, i + PUTS_AT_ONCE).map(async (step) => {
          try {
            await applyStep(step, this.#target);
            this.#namespaceErrors.delete(step.spec.clusterId);
          } catch (error) {
            this.#namespaceErrors.set(step.spec.clusterId, sentenceOf(error));
            firstError ??= error;
          }
        }),
      );
    }
    if (firstError !== undefined) throw firstError;
  }

  #started(): void {
    this.#readySinceMs = this.#answeredAtMs = Date.now();
  }

  #onGone(): void {
    this.#reachable = false;
    this.#crashes += 1;
    this.#around.log.warn({ nodeId: this.nodeId }, 'node ended');
    this.#around.onChange();
    if (this.#stop.signal.aborted) return;
    if (Date.now() - this.#readySinceMs > HEALTHY_AFTER_MS) this.kick();
    else {
      const delayMs = this.#failures === 0 ? 0 : backoffMs(this.#failures, RETRY_FIRST_MS, RETRY_MAX_MS);
      this.#failures += 1;
      void pause(delayMs, this.#stop.signal).then(() => this.kick());
    }
  }
}
