import type { NamespaceObserved, NamespaceSpec, NodeObserved } from '@robustmq/contracts/data-plane';
import type { Logger } from 'pino';
import { AgentError, sentenceOf } from './agent-error.ts';
import type { Certificates } from './certificates.ts';
import type { CurrentState } from './desired-store.ts';
import { memoryOf } from './machine.ts';
import type { NodeAdminClient } from './node-admin-client.ts';
import { listNodeDirectories, NodeDirectory } from './node-directory.ts';
import { NodeLane } from './node-lane.ts';
import { NodeProcess, type NodeProgram } from './node-process.ts';
import { desiredNodes, SHARED_NODE, type NodePorts } from './plan.ts';
import type { UsageCollector } from './usage-collector.ts';

/** Everything a reconciler is made of. */
export interface ReconcilerOptions {
  readonly nodesDir: string;
  readonly program: NodeProgram;
  readonly sharedPorts: NodePorts;
  readonly current: () => CurrentState | undefined;
  readonly usage: UsageCollector;
  readonly certificates?: Certificates | undefined;
  readonly log: Logger;
  readonly onChange: () => void;
}

/** All nodes of one machine: one lane each, and one report of what they serve. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #lanes = new Map<string, NodeLane>();
  #closed = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Lane of the shared node; undefined before the first `reconcile`. */
  get shared(): NodeLane | undefined {
    return this.#lanes.get(SHARED_NODE);
  }
  get lanes(): readonly NodeLane[] {
    return [...this.#lanes.values()];
  }
  /** True when no lane has anything to do. */
  get atRest(): boolean {
    return this.lanes.every((lane) => lane.atRest);
  }
  /** The first thing that is wrong, for `Applied.error`; empty when nothing is. */
  get error(): string {
    const failed = this.lanes.find((lane) => lane.failure);
    return failed?.failure ? `node ${failed.nodeId}: ${sentenceOf(failed.failure)}` : '';
  }

  /** Makes a lane for every node that is wanted or present, drops lanes of nodes that are neither, and kicks them all. */
  reconcile(): Promise<void> {
    return this.#look((lane) => lane.kick());
  }

  /** The periodic look: fresh numbers, endpoints, and anything a lost kick left undone. Delays after failures run on. */
  async tick(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.probe()));
    await this.#look((lane) => lane.tick());
  }

  async #look(each: (lane: NodeLane) => void): Promise<void> {
    const present = await listNodeDirectories(this.#options.nodesDir);
    if (this.#closed) return;
    const wanted = desiredNodes(this.#options.current()?.desired, this.#options.sharedPorts);
    for (const nodeId of [...wanted.keys(), ...present]) {
      if (!this.#lanes.has(nodeId)) this.#lanes.set(nodeId, this.#makeLane(nodeId));
    }
    for (const [nodeId, lane] of this.#lanes) {
      if (!wanted.has(nodeId) && !present.includes(nodeId) && lane.atRest) {
        this.#lanes.delete(nodeId);
        void lane.close(false);
      } else each(lane);
    }
  }

  /** Admin endpoint of the running node that serves a cluster. */
  adminOf(clusterId: string): NodeAdminClient | undefined {
    const spec = this.#options.current()?.desired.namespaces.find((one) => one.clusterId === clusterId);
    return spec === undefined ? undefined : this.#lanes.get(spec.node)?.node.admin;
  }
  isDesired(clusterId: string): boolean {
    return this.#options.current()?.desired.namespaces.some((one) => one.clusterId === clusterId) ?? false;
  }

  /** The nodes as operators are told of them. */
  async observedNodes(): Promise<NodeObserved[]> {
    return Promise.all(
      this.lanes.map(async (lane) => ({
        id: lane.nodeId,
        pid: lane.node.pid ?? null,
        version: lane.node.health?.version ?? null,
        ready: lane.node.admin !== undefined && lane.reachable,
        namespaces: lane.namespaces.length,
        connections: lane.namespaces.reduce((sum, one) => sum + one.connections, 0),
        memoryBytes: lane.node.pid === undefined ? null : await memoryOf(lane.node.pid),
        crashes: lane.crashes,
      })),
    );
  }

  /** One node after the other, so that a bad program stops at the first. */
  async restartAll(version: string | undefined): Promise<void> {
    for (const lane of this.lanes) {
      await lane.restart();
      const says = lane.node.health?.version;
      if (version !== undefined && says !== version)
        throw new AgentError('node-start-failed', `node ${lane.nodeId} calls itself ${says}, not ${version}`);
    }
  }

  /** What is observed of every desired cluster, and of removed ones until everybody has heard. */
  report(): NamespaceObserved[] {
    const current = this.#options.current();
    if (!current) return [];
    return [
      ...current.desired.namespaces.map((spec) => this.#observed(spec)),
      ...current.removed.map((clusterId) => this.#observedRemoved(clusterId as NamespaceSpec['clusterId'])),
    ];
  }

  /** Stops looking; with `stopNodes` all nodes are stopped in order. */
  async close(stopNodes: boolean): Promise<void> {
    this.#closed = true;
    await Promise.all(this.lanes.map((lane) => lane.close(stopNodes)));
  }

  #makeLane(nodeId: string): NodeLane {
    const { nodesDir, program, sharedPorts, usage, certificates, log, onChange } = this.#options;
    const directory = new NodeDirectory(nodesDir, nodeId);
    return new NodeLane((onGone) => new NodeProcess(directory, program, onGone), {
      desired: () => this.#options.current()?.desired,
      sharedPorts,
      bind: program.settings.bind,
      usage,
      certificates,
      log,
      onChange,
    });
  }

  #observed(spec: NamespaceSpec): NamespaceObserved {
    const lane = this.#lanes.get(spec.node);
    const seen = lane?.node.admin ? lane.observed(spec.clusterId) : undefined;
    // What fails on a running node failed for one namespace, and is nobody else's to read; a node that does not start
    // fails for all of them.
    const startFailure = lane?.node.admin ? undefined : lane?.failure && sentenceOf(lane.failure);
    const error = lane?.namespaceError(spec.clusterId) ?? seen?.error ?? startFailure;
    const applied = seen?.phase === 'ready' && seen.observedGeneration >= spec.generation;
    return {
      clusterId: spec.clusterId,
      observedGeneration: seen?.observedGeneration ?? 0,
      phase: applied ? 'ready' : error === undefined ? 'applying' : 'failed',
      endpointsReachable: applied && (lane?.reachable ?? false),
      ...(applied || error === undefined ? {} : { error }),
      topics: seen?.topics ?? [],
      connections: seen?.connections ?? 0,
    };
  }

  #observedRemoved(clusterId: NamespaceSpec['clusterId']): NamespaceObserved {
    const present = this.lanes.some(
      (lane) => (lane.nodeId === clusterId && !lane.emptied) || lane.observed(clusterId) !== undefined,
    );
    return {
      clusterId,
      observedGeneration: 0,
      phase: present ? 'applying' : 'deleted',
      endpointsReachable: false,
      topics: [],
      connections: 0,
    };
  }
}
