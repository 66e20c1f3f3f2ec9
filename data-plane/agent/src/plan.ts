import type { DesiredState, NamespaceObserved, NamespaceSpec } from '@robustmq/contracts/data-plane';

/** Id of the node that every agent runs. */
export const SHARED_NODE = 'shared';

/** Client ports of one node. */
export interface NodePorts {
  readonly mqtt: number;
  readonly mqttWs: number;
  readonly kafka: number;
  readonly amqp: number;
  /** Over TLS; absent or 0 = not opened. The alias is a second port of MQTT over TLS. */
  readonly mqtts?: number | undefined;
  readonly mqttsAlias?: number | undefined;
  readonly mqttWss?: number | undefined;
  readonly kafkaTls?: number | undefined;
  readonly mqttQuic?: number | undefined;
}

/** Any free ports: what a node gets that is on its way out, so that its own are free for somebody else at once. */
export const DRAIN_PORTS: NodePorts = { mqtt: 0, mqttWs: 0, kafka: 0, amqp: 0 };

/** What the agent sees of one node at this moment. */
export interface ObservedNode {
  readonly nodeId: string;
  /** True when the node has a directory on this machine. */
  readonly hasData: boolean;
  /** `ready` = it answers on its admin socket and listens. */
  readonly process: 'absent' | 'ready';
  /** Ports the running process was started with. */
  readonly ports: NodePorts | undefined;
  readonly namespaces: readonly Pick<NamespaceObserved, 'clusterId' | 'observedGeneration' | 'phase'>[];
  /** True when the node failed to hand over its last usage so often that trying again is pointless. */
  readonly drainHopeless: boolean;
  /** True when the node's cold data is not in its directory: then that may not go before the node has deleted it. */
  readonly hasObjectsElsewhere: boolean;
}

/** One idempotent action on one node. Steps of a node run in order; nodes do not wait for each other. */
export type Step =
  | { readonly kind: 'start-node'; readonly nodeId: string; readonly ports: NodePorts | undefined }
  | { readonly kind: 'put-namespace'; readonly nodeId: string; readonly spec: NamespaceSpec }
  | { readonly kind: 'delete-namespace'; readonly nodeId: string; readonly clusterId: string }
  | { readonly kind: 'drain-usage'; readonly nodeId: string }
  | { readonly kind: 'drain-objects'; readonly nodeId: string }
  | { readonly kind: 'stop-node'; readonly nodeId: string }
  | { readonly kind: 'remove-node-data'; readonly nodeId: string };

/** Node ids that must run: the shared node always, and one for every dedicated cluster. */
export function desiredNodes(desired: DesiredState | undefined, sharedPorts: NodePorts): Map<string, NodePorts> {
  const nodes = new Map<string, NodePorts>([[SHARED_NODE, sharedPorts]]);
  for (const spec of desired?.namespaces ?? []) {
    if (spec.node !== SHARED_NODE && spec.ports) nodes.set(spec.node, spec.ports);
  }
  return nodes;
}

const PORT_NAMES = [
  ...(['mqtt', 'mqttWs', 'kafka', 'amqp'] as const),
  ...(['mqtts', 'mqttsAlias', 'mqttWss', 'kafkaTls', 'mqttQuic'] as const),
];
const samePorts = (a: NodePorts, b: NodePorts): boolean =>
  PORT_NAMES.every((name) => (a[name] ?? 0) === (b[name] ?? 0));

/**
 * The next steps that bring one node from observed to desired; empty when there is nothing to do. Pure, so running it
 * again after a crash at any step gives the steps that are left. Nothing is ever removed before a desired state of
 * version ≥ 1 is known: an agent that knows nothing must not conclude that nothing is wanted.
 */
export function planNode(desired: DesiredState | undefined, sharedPorts: NodePorts, node: ObservedNode): Step[] {
  const { nodeId } = node;
  const wantedPorts = desiredNodes(desired, sharedPorts).get(nodeId);
  const mayRemove = desired !== undefined && desired.version >= 1;
  if (!wantedPorts) return mayRemove ? planRemoval(node) : planKeep(node);
  if (node.process === 'absent') return [{ kind: 'start-node', nodeId, ports: wantedPorts }];
  if (node.ports && !samePorts(node.ports, wantedPorts)) {
    return [
      { kind: 'stop-node', nodeId },
      { kind: 'start-node', nodeId, ports: wantedPorts },
    ];
  }
  const steps: Step[] = [];
  const wanted = (desired?.namespaces ?? []).filter((spec) => spec.node === nodeId);
  const wantedIds = new Set<string>(wanted.map((spec) => spec.clusterId));
  if (mayRemove) {
    for (const { clusterId } of node.namespaces) {
      if (!wantedIds.has(clusterId)) steps.push({ kind: 'delete-namespace', nodeId, clusterId });
    }
  }
  const present = new Map<string, (typeof node.namespaces)[number]>(node.namespaces.map((one) => [one.clusterId, one]));
  for (const spec of wanted) {
    const seen = present.get(spec.clusterId);
    if (!seen || seen.observedGeneration < spec.generation || seen.phase === 'failed') {
      steps.push({ kind: 'put-namespace', nodeId, spec });
    }
  }
  return steps;
}

/** A node from an earlier life while no desired state is known: it goes on serving what its own disk tells it to. */
function planKeep(node: ObservedNode): Step[] {
  return node.process === 'absent' && node.hasData
    ? [{ kind: 'start-node', nodeId: node.nodeId, ports: undefined }]
    : [];
}

/**
 * Data first, then ports, then usage: the namespace goes, the node starts again on ports nobody knows, and its directory
 * goes once the last usage window is closed and fetched and nothing of it is left in object storage. A node that is down
 * is started once more for that. Usage may be given up; objects elsewhere never: nobody would know of them any more.
 */
function planRemoval(node: ObservedNode): Step[] {
  const { nodeId } = node;
  const remove: Step[] = [
    { kind: 'stop-node', nodeId },
    { kind: 'remove-node-data', nodeId },
  ];
  if (node.process === 'absent' && !node.hasData) return [];
  if (node.drainHopeless && !node.hasObjectsElsewhere) return remove;
  if (node.process === 'absent') return [{ kind: 'start-node', nodeId, ports: DRAIN_PORTS }];
  const steps: Step[] = node.namespaces.map(({ clusterId }) => ({ kind: 'delete-namespace', nodeId, clusterId }));
  if (node.ports && samePorts(node.ports, DRAIN_PORTS)) {
    if (!node.drainHopeless) steps.push({ kind: 'drain-usage', nodeId });
    return [...steps, { kind: 'drain-objects', nodeId }, ...remove];
  }
  return [...steps, { kind: 'stop-node', nodeId }, { kind: 'start-node', nodeId, ports: DRAIN_PORTS }];
}
