import type { DesiredState } from '@robustmq/contracts/data-plane';
import { describe, expect, it } from 'vitest';
import { DRAIN_PORTS, planNode, SHARED_NODE, type ObservedNode, type Step } from './plan.ts';
import { clusterId, namespaceSpec } from './testing/fixtures.ts';

const SHARED_PORTS = { mqtt: 1883, mqttWs: 8083, kafka: 9092, amqp: 5672 };
const PORTS = { mqtt: 20_000, mqttWs: 20_001, kafka: 20_002, amqp: 20_003 };
const OTHER_PORTS = { mqtt: 20_004, mqttWs: 20_005, kafka: 20_006, amqp: 20_007 };
const DEDICATED = clusterId(2);

const desired = (version: number, ...namespaces: DesiredState['namespaces']): DesiredState => ({
  agentId: 'a',
  version,
  namespaces,
});
const node = (nodeId: string, rest: Partial<ObservedNode> = {}): ObservedNode => ({
  nodeId,
  hasData: true,
  process: 'ready',
  ports: nodeId === SHARED_NODE ? SHARED_PORTS : PORTS,
  namespaces: [],
  drainHopeless: false,
  hasObjectsElsewhere: false,
  ...rest,
});
const served = (n: number, observedGeneration = 1, phase: 'ready' | 'failed' = 'ready') => ({
  clusterId: namespaceSpec(n).clusterId,
  observedGeneration,
  phase,
});
const words = (steps: readonly Step[]): string[] =>
  steps.map((step) => {
    if (step.kind === 'put-namespace') return `put ${step.spec.key}:${step.spec.generation}`;
    if (step.kind === 'delete-namespace') return `delete ${step.clusterId.slice(-1)}`;
    if (step.kind === 'start-node') return `start ${step.ports?.mqtt ?? 'as before'}`;
    return step.kind;
  });

const shared = (n: number, generation = 1) => namespaceSpec(n, generation);
const dedicated = (generation = 1, ports = PORTS) => namespaceSpec(2, generation, ports);
const down = { process: 'absent', ports: undefined } as const;

describe('planNode', () => {
  const table: [what: string, DesiredState | undefined, ObservedNode, string[]][] = [
    [
      'the shared node runs even when nothing is known',
      undefined,
      node(SHARED_NODE, { ...down, hasData: false }),
      ['start 1883'],
    ],
    ['nothing to do', desired(1), node(SHARED_NODE), []],
    ['a new namespace', desired(1, shared(1)), node(SHARED_NODE), ['put cluster-1:1']],
    ['a served namespace', desired(1, shared(1)), node(SHARED_NODE, { namespaces: [served(1)] }), []],
    [
      'an older generation',
      desired(2, shared(1, 3)),
      node(SHARED_NODE, { namespaces: [served(1, 2)] }),
      ['put cluster-1:3'],
    ],
    [
      'a failed one is tried again',
      desired(1, shared(1)),
      node(SHARED_NODE, { namespaces: [served(1, 1, 'failed')] }),
      ['put cluster-1:1'],
    ],
    ['a namespace nobody wants', desired(1), node(SHARED_NODE, { namespaces: [served(1)] }), ['delete 1']],
    [
      'old ones go before new ones come',
      desired(2, shared(3)),
      node(SHARED_NODE, { namespaces: [served(1)] }),
      ['delete 1', 'put cluster-3:1'],
    ],
    ['nothing is deleted when nothing is known', undefined, node(SHARED_NODE, { namespaces: [served(1)] }), []],
    ['nothing is deleted at version 0', desired(0), node(SHARED_NODE, { namespaces: [served(1)] }), []],
    ['a namespace of another node is not this one’s', desired(1, dedicated()), node(SHARED_NODE), []],
    ['a dedicated node starts', desired(1, dedicated()), node(DEDICATED, { ...down, hasData: false }), ['start 20000']],
    ['a dedicated node gets its namespace', desired(1, dedicated()), node(DEDICATED), ['put cluster-2:1']],
    [
      'a dedicated node moves to other ports',
      desired(2, dedicated(2, OTHER_PORTS)),
      node(DEDICATED, { namespaces: [served(2)] }),
      ['stop-node', 'start 20004'],
    ],
    ['a dedicated node is kept when nothing is known', undefined, node(DEDICATED, { namespaces: [served(2)] }), []],
    ['and started again', undefined, node(DEDICATED, down), ['start as before']],
    [
      'removal 1: namespace and ports',
      desired(2),
      node(DEDICATED, { namespaces: [served(2)] }),
      ['delete 2', 'stop-node', 'start 0'],
    ],
    ['removal 1 without a namespace', desired(2), node(DEDICATED), ['stop-node', 'start 0']],
    [
      'removal 2: usage, objects, process, data',
      desired(2),
      node(DEDICATED, { ports: DRAIN_PORTS }),
      ['drain-usage', 'drain-objects', 'stop-node', 'remove-node-data'],
    ],
    [
      'removal 2 with a namespace that came back',
      desired(2),
      node(DEDICATED, { ports: DRAIN_PORTS, namespaces: [served(2)] }),
      ['delete 2', 'drain-usage', 'drain-objects', 'stop-node', 'remove-node-data'],
    ],
    ['removal of a node that is down', desired(2), node(DEDICATED, down), ['start 0']],
    [
      'removal of a node that cannot start',
      desired(2),
      node(DEDICATED, { ...down, drainHopeless: true }),
      ['stop-node', 'remove-node-data'],
    ],
    [
      'objects elsewhere are not forgotten with a node that cannot start',
      desired(2),
      node(DEDICATED, { ...down, drainHopeless: true, hasObjectsElsewhere: true }),
      ['start 0'],
    ],
    [
      'nor with one that cannot hand over its usage',
      desired(2),
      node(DEDICATED, { ports: DRAIN_PORTS, drainHopeless: true, hasObjectsElsewhere: true }),
      ['drain-objects', 'stop-node', 'remove-node-data'],
    ],
    ['removal is over', desired(2), node(DEDICATED, { ...down, hasData: false }), []],
  ];
  it.each(table)('%s', (_what, wanted, observed, steps) => {
    expect(words(planNode(wanted, SHARED_PORTS, observed))).toEqual(steps);
  });
});
