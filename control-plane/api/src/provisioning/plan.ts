import type { ClusterPhase, Plan } from '@robustmq/contracts';

/** What reconcile knows of one cluster: its row, nothing else. */
export interface ClusterSituation {
  readonly plan: Plan;
  readonly generation: number;
  readonly deletionRequested: boolean;
  readonly agentId: string | null;
  readonly portBase: number | null;
  /** Generation the agent's desired state carries. */
  readonly handedGeneration: number;
  readonly observedGeneration: number;
  readonly endpointsReachable: boolean;
  readonly phase: ClusterPhase;
  readonly lastError: string | null;
}

/**
 * The one next step towards what is desired:
 *  - `place`: choose an agent of the region
 *  - `allocate-ports`: a block of four on that agent's machine
 *  - `hand-over`: give the agent a new version of its desired state
 *  - `finish-removal`: nothing of the cluster is left anywhere
 *  - `await-agent`: the agent has it; only its report moves the cluster on
 *  - `rest`: nothing to do
 */
export type StepKind = 'place' | 'allocate-ports' | 'hand-over' | 'finish-removal' | 'await-agent' | 'rest';

/** Pure and level-triggered: what was done before does not matter, only what is. */
export function nextStep(s: ClusterSituation): StepKind {
  if (s.phase === 'Deleted') return 'rest';
  if (s.deletionRequested) {
    if (s.agentId === null || s.handedGeneration === 0) return 'finish-removal';
    return s.handedGeneration < s.generation ? 'hand-over' : 'await-agent';
  }
  if (s.agentId === null) return 'place';
  if (s.plan === 'dedicated' && s.portBase === null) return 'allocate-ports';
  if (s.handedGeneration < s.generation) return 'hand-over';
  return s.observedGeneration >= s.generation && s.endpointsReachable ? 'rest' : 'await-agent';
}

/** True when the cluster is as desired and observed so: `Ready` may be said. */
export const isServed = (s: ClusterSituation): boolean =>
  !s.deletionRequested && s.observedGeneration >= s.generation && s.endpointsReachable;

/** The phase that a situation shows to people. */
export function phaseOf(s: ClusterSituation): ClusterPhase {
  if (s.phase === 'Deleted') return 'Deleted';
  if (s.deletionRequested) return 'Deleting';
  if (isServed(s)) return 'Ready';
  if (s.lastError !== null) return 'Failed';
  if (s.agentId === null) return 'Pending';
  return s.observedGeneration === 0 ? 'Provisioning' : 'Updating';
}

export interface ConditionRow {
  readonly type: 'Ready' | 'SpecApplied' | 'EndpointsReachable';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly since: string;
}

/** The conditions of a situation; `since` is kept from `before` while the status stays the same. */
export function conditionsOf(s: ClusterSituation, before: readonly ConditionRow[], now: Date): ConditionRow[] {
  const phase = phaseOf(s);
  const applied = s.observedGeneration >= s.generation;
  const rows: Omit<ConditionRow, 'since'>[] = [
    {
      type: 'Ready',
      status: phase === 'Ready' ? 'True' : 'False',
      reason: phase,
      message: phase === 'Ready' ? 'Clients can connect.' : (s.lastError ?? 'Not everything desired is served yet.'),
    },
    {
      type: 'SpecApplied',
      status: applied ? 'True' : 'False',
      reason: applied ? 'Applied' : s.handedGeneration >= s.generation ? 'AwaitingAgent' : 'NotHandedOver',
      message: `Generation ${s.observedGeneration} of ${s.generation} is served.`,
    },
    {
      type: 'EndpointsReachable',
      status: s.endpointsReachable ? 'True' : s.observedGeneration === 0 ? 'Unknown' : 'False',
      reason: s.endpointsReachable ? 'Probed' : 'NotReachable',
      message: s.endpointsReachable ? 'The agent connected to the endpoints.' : 'The endpoints did not answer yet.',
    },
  ];
  return rows.map((row) => {
    const same = before.find((other) => other.type === row.type && other.status === row.status);
    return { ...row, since: same?.since ?? now.toISOString() };
  });
}
