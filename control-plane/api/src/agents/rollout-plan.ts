import { AgentObserved } from '@robustmq/contracts';

/** Shares of the fleet that have the release after each wave; the agents marked internal come before them. */
export const WAVE_SHARES = [0.01, 0.1, 0.5, 1] as const;
/** A node that does not get ready in this time has failed, in milliseconds. */
export const READY_MS_MAX = 10 * 60_000;
/** Connections an agent's nodes must have kept, of what they had before, and crashes they may have had. */
const CONNECTIONS_KEPT_MIN = 0.8;
/** Fewer connections than this say nothing. */
const CONNECTIONS_TOLD_MIN = 20;

/** One agent as the gate sees it. */
export interface RolloutAgent {
  readonly id: string;
  readonly internal: boolean;
  /** True when every cluster on it is labelled as something else than production. */
  readonly nonProduction: boolean;
  readonly alive: boolean;
  readonly observed: unknown;
}
export interface Before {
  readonly releaseId: string | null;
  readonly connections: number;
  readonly crashes: number;
}

/**
 * Agents in waves: internal ones, then 1, 10, 50 and 100 % of the others; within them those that serve no production
 * first. A wave that adds nobody is left out.
 */
export function wavesOf(agents: readonly RolloutAgent[]): string[][] {
  const order = (a: RolloutAgent, b: RolloutAgent): number =>
    Number(b.nonProduction) - Number(a.nonProduction) || (a.id < b.id ? -1 : 1);
  const internal = agents.filter((agent) => agent.internal).sort(order);
  const others = agents.filter((agent) => !agent.internal).sort(order);
  const waves = [internal.map((agent) => agent.id)];
  let taken = 0;
  for (const share of WAVE_SHARES) {
    const upTo = Math.ceil(others.length * share);
    waves.push(others.slice(taken, upTo).map((agent) => agent.id));
    taken = upTo;
  }
  return waves.filter((wave) => wave.length > 0);
}

export type WaveVerdict =
  | { readonly kind: 'wait'; readonly reason: string }
  | { readonly kind: 'pass' }
  | { readonly kind: 'fail'; readonly reason: string };

/**
 * Whether the agents of a wave run the version well. A dead agent is waited for: the release cannot have reached it. A
 * wave passes once all run it and have done so for the soak time.
 */
export function judgeWave(input: {
  readonly version: string;
  readonly agents: readonly RolloutAgent[];
  readonly before: Readonly<Record<string, Before>>;
  readonly elapsedMs: number;
  readonly soakMs: number;
}): WaveVerdict {
  const { version, agents, before, elapsedMs, soakMs } = input;
  let waiting: string | undefined;
  for (const agent of agents) {
    const observed = AgentObserved.safeParse(agent.observed).data;
    const { release } = observed ?? {};
    if (release?.failed?.version === version) return { kind: 'fail', reason: `${agent.id}: ${release.failed.reason}` };
    if (!observed || release?.version !== version || !observed.nodes.every((node) => node.ready)) {
      waiting = `${agent.id} does not run ${version} yet`;
      if (agent.alive && elapsedMs > READY_MS_MAX) return { kind: 'fail', reason: `${waiting} after 10 min` };
      continue;
    }
    const worse = worseThan(before[agent.id], observed, elapsedMs >= soakMs);
    if (worse) return { kind: 'fail', reason: `${agent.id}: ${worse}` };
  }
  if (waiting !== undefined) return { kind: 'wait', reason: waiting };
  return elapsedMs < soakMs ? { kind: 'wait', reason: 'the soak time is not over' } : { kind: 'pass' };
}

/** Errors: nodes that crash. Reconnects: clients that did not come back by the end of the soak time. */
function worseThan(before: Before | undefined, observed: AgentObserved, soaked: boolean): string | undefined {
  if (!before) return undefined;
  const crashes = total(observed, (node) => node.crashes);
  if (crashes > before.crashes) return `${crashes - before.crashes} nodes crashed`;
  const connections = total(observed, (node) => node.connections);
  if (soaked && before.connections >= CONNECTIONS_TOLD_MIN && connections < before.connections * CONNECTIONS_KEPT_MIN)
    return `only ${connections} of ${before.connections} connections came back`;
  return undefined;
}

const total = (observed: AgentObserved, of: (node: AgentObserved['nodes'][number]) => number): number =>
  observed.nodes.reduce((sum, node) => sum + of(node), 0);

/** What is remembered of an agent before it gets the release. */
export function beforeOf(agent: RolloutAgent, releaseId: string | null): Before {
  const observed = AgentObserved.safeParse(agent.observed).data;
  return {
    releaseId,
    connections: observed ? total(observed, (node) => node.connections) : 0,
    crashes: observed ? total(observed, (node) => node.crashes) : 0,
  };
}
