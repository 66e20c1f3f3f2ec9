import { AgentObserved, type Plan } from '@robustmq/contracts';
import type { PlacementRow } from '@robustmq/db';

/** An agent that was not heard of for so long gets nothing while another one is there, in milliseconds. */
const SILENT_MS = 40_000;
/** Headroom a machine keeps for what it has: a share of its memory and disk, or so many bytes where that is less. */
const FREE_SHARE_MIN = 0.1;
const MEMORY_FREE_BYTES_MIN = 512 * 2 ** 20;
const DISK_FREE_BYTES_MIN = 5 * 2 ** 30;
/** A dedicated cluster is a process of its own: this much memory must be left for it. */
const DEDICATED_MEMORY_BYTES = 256 * 2 ** 20;
/** What weighs as much as one cluster: connections, and a dedicated node. */
const CONNECTIONS_PER_CLUSTER = 100;
const NODE_WEIGHT = 10;

export interface RankedAgent {
  readonly agentId: string;
  readonly eligible: boolean;
  /** The less the better: clusters, connections and nodes per processor. */
  readonly load: number;
  /** Sentences for operators: why not, or why. */
  readonly reasons: readonly string[];
}

/**
 * The agents of a region, best first: those that may take the cluster, by load. An agent that has not said what its
 * machine has left counts as idle. When every agent is silent the one heard of last is taken: creates wait for it.
 */
export function rankAgents(rows: readonly PlacementRow[], plan: Plan, now: Date): RankedAgent[] {
  const someoneSpeaks = rows.some((row) => row.cordonedAt === null && !isSilent(row, now));
  const heard = (row: PlacementRow): number => row.lastSeenAt?.getTime() ?? 0;
  const lastHeard = Math.max(...rows.filter((row) => row.cordonedAt === null).map(heard));
  const ranked = rows.map((row) => {
    const isLastResort = !someoneSpeaks && row.cordonedAt === null && heard(row) === lastHeard;
    return rank(row, plan, now, isLastResort);
  });
  return ranked.sort(
    (a, b) => Number(b.eligible) - Number(a.eligible) || a.load - b.load || (a.agentId < b.agentId ? -1 : 1),
  );
}

const isSilent = (row: PlacementRow, now: Date): boolean =>
  now.getTime() - (row.lastSeenAt?.getTime() ?? 0) > SILENT_MS;

function rank(row: PlacementRow, plan: Plan, now: Date, isLastResort: boolean): RankedAgent {
  const observed = AgentObserved.safeParse(row.observed).data;
  const against: string[] = [];
  if (row.cordonedAt !== null) against.push('It is cordoned.');
  if (isSilent(row, now) && !isLastResort) against.push('It was not heard of for 40 s.');
  if (observed) against.push(...headroom(observed, plan));
  const load = loadOf(row, observed);
  const why = isLastResort
    ? 'No agent of the region is heard of; this one was heard of last.'
    : `Its load is ${load.toFixed(2)}.`;
  return { agentId: row.id, eligible: against.length === 0, load, reasons: against.length === 0 ? [why] : against };
}

function headroom(observed: AgentObserved, plan: Plan): string[] {
  const { memoryBytes, memoryFreeBytes, diskBytes, diskFreeBytes } = observed;
  const against: string[] = [];
  const percent = (part: number, whole: number): string => `${Math.floor((100 * part) / whole)} %`;
  const kept = Math.min(memoryBytes * FREE_SHARE_MIN, MEMORY_FREE_BYTES_MIN);
  if (memoryFreeBytes < kept + (plan === 'dedicated' ? DEDICATED_MEMORY_BYTES : 0))
    against.push(`Only ${percent(memoryFreeBytes, memoryBytes)} of its memory is free.`);
  if (diskFreeBytes < Math.min(diskBytes * FREE_SHARE_MIN, DISK_FREE_BYTES_MIN))
    against.push(`Only ${percent(diskFreeBytes, diskBytes)} of its disk is free.`);
  return against;
}

/** Work of others on the machine counts too, but never rules it out: a load average is over in minutes. */
function loadOf(row: PlacementRow, observed: AgentObserved | undefined): number {
  if (!observed) return row.pending;
  const sum = (of: (node: AgentObserved['nodes'][number]) => number): number =>
    observed.nodes.reduce((total, node) => total + of(node), 0);
  const clusters = sum((node) => node.namespaces) + row.pending;
  const connections = sum((node) => node.connections) / CONNECTIONS_PER_CLUSTER;
  return (clusters + connections + (observed.nodes.length - 1) * NODE_WEIGHT + observed.loadAverage) / observed.cpus;
}
