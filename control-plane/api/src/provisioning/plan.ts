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
  /** Deleted, and kept for a while: its agent goes on having it, suspended. */
  readonly restorable: boolean;
  readonly paused: boolean;
  readonly suspended: boolean;
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
  if (s.phase === 'Deleted' && !s.restorable) return 'rest';
  if (s.restorable) return s.agentId !== null && s.handedGeneration < s.generation ? 'hand-over' : 'rest';
  if (s.deletionRequested) {
    if (s.agentId === null || s.handedGeneration === 0) return 'finish-removal';
    return s.handedGeneration < s.generation ? 'hand-over' : 'await-agent';
  }
  if (s.agentId === null) return 'place';
  if (s.plan === 'dedicated' && s.portBase === null) return 'allocate-ports';
  if (s.handedGeneration < s.generation) return 'hand-over';
  return isServed(s) ? 'rest' : 'await-agent';
}

/** Whether clients are to be refused: nobody connects then, not even to see whether they could. */
const refuses = (s: ClusterSituation): boolean => s.paused || s.suspended;

/** True when the cluster is as desired and observed so: `Ready`, or `Paused`, may be said. */
export const isServed = (s: ClusterSituation): boolean =>
  !s.deletionRequested && s.observedGeneration >= s.generation && (s.endpointsReachable || refuses(s));

const WAS_REFUSING: ReadonlySet<ClusterPhase> = new Set(['Pausing', 'Paused', 'Resuming', 'Suspended']);

/** The phase that a situation shows to people. */
export function phaseOf(s: ClusterSituation): ClusterPhase {
  if (s.restorable || s.phase === 'Deleted') return 'Deleted';
  if (s.deletionRequested) return 'Deleting';
  if (s.suspended) return 'Suspended';
  if (s.paused) return isServed(s) ? 'Paused' : 'Pausing';
  if (isServed(s)) return 'Ready';
  if (s.lastError !== null) return 'Failed';
  if (WAS_REFUSING.has(s.phase)) return 'Resuming';
  if (s.agentId === null) return 'Pending';
  return s.observedGeneration === 0 ? 'Provisioning' : 'Updating';
}

export interface ConditionRow {
  readonly type: 'Ready' | 'SpecApplied' | 'EndpointsReachable' | 'CredentialsPropagated';
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly since: string;
}

const READY_WORDS: Partial<Record<ClusterPhase, string>> = {
  Ready: 'Clients can connect.',
  Paused: 'The cluster is paused; its data is kept.',
  Suspended: 'The cluster is suspended; its data is kept.',
  Deleted: 'The cluster was deleted.',
};

/** The conditions of a situation; `since` is kept from `before` while the status stays the same. */
export function conditionsOf(s: ClusterSituation, before: readonly ConditionRow[], now: Date): ConditionRow[] {
  const phase = phaseOf(s);
  const applied = s.observedGeneration >= s.generation;
  const rows: Omit<ConditionRow, 'since'>[] = [
    {
      type: 'Ready',
      status: phase === 'Ready' ? 'True' : 'False',
      reason: phase,
      message: s.lastError ?? READY_WORDS[phase] ?? 'Not everything desired is served yet.',
    },
    {
      type: 'SpecApplied',
      status: applied ? 'True' : 'False',
      reason: applied ? 'Applied' : s.handedGeneration >= s.generation ? 'AwaitingAgent' : 'NotHandedOver',
      message: `Generation ${s.observedGeneration} of ${s.generation} is served.`,
    },
    {
      // the agent acknowledges a generation after every credential of it is stable at the node, and cut ones are cut
      type: 'CredentialsPropagated',
      status: applied ? 'True' : 'False',
      reason: applied ? 'Acknowledged' : 'AwaitingAgent',
      message: applied ? 'Every credential is in force.' : 'New or revoked credentials are on their way to the node.',
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

/** In which phases a cluster can be asked for what; everything else is refused with `conflict`. */
export const ALLOWED_IN = {
  pause: ['Pending', 'Provisioning', 'Ready', 'Updating', 'Resuming', 'Failed'],
  resume: ['Pausing', 'Paused'],
  change: ['Pending', 'Provisioning', 'Ready', 'Updating', 'Pausing', 'Paused', 'Resuming', 'Suspended', 'Failed'],
  delete: ['Pending', 'Provisioning', 'Ready', 'Updating', 'Pausing', 'Paused', 'Resuming', 'Suspended', 'Failed'],
} as const satisfies Record<string, readonly ClusterPhase[]>;
export type ClusterAction = keyof typeof ALLOWED_IN;

/** Whether the action is allowed in the phase. */
export const allowedIn = (action: ClusterAction, phase: string): boolean =>
  (ALLOWED_IN[action] as readonly string[]).includes(phase);
