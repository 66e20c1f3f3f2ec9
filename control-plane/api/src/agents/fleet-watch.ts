import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { ReleaseManifest } from '@robustmq/contracts';
import { Database, WebhookOutbox, type AgentLiveness, type AgentRow, type Rollout } from '@robustmq/db';
import { AgentPokes } from '../provisioning/agent-pokes.ts';
import { beforeOf, judgeWave, wavesOf, type Before, type RolloutAgent } from './rollout-plan.ts';

/** How often agents and the running rollout are looked at, in milliseconds. */
const LOOK_MS = 5_000;
/** Silence after which an agent is Unknown, and False, in milliseconds. */
export const UNKNOWN_MS = 40_000;
export const LOST_MS = 180_000;

/** How an agent that was heard of so long ago is called. */
export function livenessAfter(silentMs: number): AgentLiveness {
  if (silentMs < UNKNOWN_MS) return 'True';
  return silentMs < LOST_MS ? 'Unknown' : 'False';
}

/**
 * Watches the fleet: who is heard of, and how the running rollout does. A silent agent changes what tenants and operators
 * are told and nothing else: nothing is started elsewhere, no bill stops, no quota moves. Every process may watch; each
 * change is made by one of them.
 */
@Injectable()
export class FleetWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #pokes: AgentPokes;
  readonly #log = new Logger('fleet');
  readonly #startedAt = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(database: Database, pokes: AgentPokes) {
    this.#database = database;
    this.#pokes = pokes;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.look(new Date())
        .catch((error: unknown) => this.#log.error(error))
        .finally(() => (this.#looking = undefined));
    }, LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** One look. */
  async look(now: Date): Promise<void> {
    const agents = await this.#database.agents.list();
    for (const agent of agents) await this.#liveness(agent, now);
    const rollout = await this.#database.fleet.running();
    if (rollout) await this.#roll(rollout, agents, now);
  }

  async #liveness(agent: AgentRow, now: Date): Promise<void> {
    if (agent.disabledAt || agent.lastSeenAt === null) return;
    // a control plane that was away itself has heard of nobody: it gives everybody the time it would give one
    const heardMs = Math.max(agent.lastSeenAt.getTime(), this.#startedAt);
    const liveness = livenessAfter(now.getTime() - (agent.liveness === 'False' ? agent.lastSeenAt.getTime() : heardMs));
    if (liveness === agent.liveness) return;
    if (!(await this.#database.fleet.setLiveness(agent.id, agent.liveness, liveness, now))) return;
    const clusters = await this.#database.fleet.clustersOn(agent.id);
    const dedicated = clusters.filter(({ plan }) => plan === 'dedicated').map(({ id }) => id);
    const detail = { agentId: agent.id, region: agent.region, clusters: clusters.length, dedicated };
    if (liveness === 'False') this.#log.error(detail, 'an agent is lost; its clusters stay where their data is');
    else this.#log.log({ ...detail, liveness }, 'liveness of an agent');
    const type =
      liveness === 'False' ? 'cluster.agent-lost' : agent.liveness === 'False' ? 'cluster.agent-back' : undefined;
    if (type === undefined) return;
    for (const [tenantId, theirs] of Map.groupBy(clusters, (cluster) => cluster.tenantId))
      await this.#tell(tenantId, type, theirs, now);
  }

  /** The word to the webhooks of one tenant; the conditions of their clusters say it by themselves. */
  async #tell(
    tenantId: string,
    type: string,
    clusters: readonly { id: string; name: string; plan: string }[],
    now: Date,
  ) {
    const timestamp = now.toISOString();
    await this.#database.withTenant(tenantId, async (tx) => {
      for (const { id: clusterId, name, plan } of clusters)
        await WebhookOutbox.tell(tx, tenantId, { type, timestamp, data: { clusterId, name, plan } });
    });
  }

  /** Gives the wave its release, or the next one, or takes it back from all. */
  async #roll(rollout: Rollout, rows: readonly AgentRow[], now: Date): Promise<void> {
    const release = await this.#database.fleet.release(rollout.releaseId);
    if (!release) return;
    const { version } = ReleaseManifest.parse(release.manifest);
    const agents = await this.#rolloutAgents(rows, now);
    const waves = wavesOf(agents);
    const wave = waves.slice(0, rollout.wave + 1).flat();
    const before = { ...(rollout.before as unknown as Record<string, Before>) };
    const missing = rows.filter((row) => wave.includes(row.id) && row.releaseId !== release.id);
    if (missing.length > 0) {
      for (const row of missing)
        before[row.id] ??= beforeOf(
          agents.find((one) => one.id === row.id)!,
          row.releaseId,
        );
      // remembered first: what is taken back after a crash is what was there before
      await this.#database.fleet.rememberBefore(rollout, before);
      for (const row of missing) await this.#assign(row, release.id);
      return;
    }
    const verdict = judgeWave({
      ...{ version, before, agents: agents.filter(({ id }) => wave.includes(id)) },
      elapsedMs: now.getTime() - rollout.waveStartedAt.getTime(),
      soakMs: rollout.soakSeconds * 1000,
    });
    if (verdict.kind === 'wait') return;
    if (verdict.kind === 'fail') return this.rollBack(rollout, verdict.reason, now);
    const isLast = rollout.wave + 1 >= waves.length;
    const next = {
      state: isLast ? 'done' : 'running',
      wave: isLast ? rollout.wave : rollout.wave + 1,
      before,
      reason: null,
    };
    if (await this.#database.fleet.stepRollout(rollout, next, now))
      this.#log.log({ version, wave: next.wave, state: next.state }, 'rollout');
  }

  /** Every agent of the rollout runs again what it ran before. */
  async rollBack(rollout: Rollout, reason: string, now: Date): Promise<void> {
    const before = rollout.before as unknown as Record<string, Before>;
    const next = { state: 'rolled-back', wave: rollout.wave, before, reason: reason.slice(0, 1_000) };
    if (!(await this.#database.fleet.stepRollout(rollout, next, now))) return;
    this.#log.error({ rolloutId: rollout.id, reason }, 'rollout taken back');
    for (const row of await this.#database.agents.list()) {
      if (row.releaseId === rollout.releaseId) await this.#assign(row, before[row.id]?.releaseId ?? null);
    }
  }

  async #assign(row: AgentRow, releaseId: string | null): Promise<void> {
    if (await this.#database.fleet.assignRelease(row, releaseId)) this.#pokes.poke(row.id);
  }

  async #rolloutAgents(rows: readonly AgentRow[], now: Date): Promise<RolloutAgent[]> {
    const agents: RolloutAgent[] = [];
    for (const row of rows.filter(({ disabledAt, lastSeenAt }) => !disabledAt && lastSeenAt)) {
      const clusters = await this.#database.fleet.clustersOn(row.id);
      agents.push({
        ...{ id: row.id, internal: row.internal, observed: row.observed },
        nonProduction: clusters.every(({ labels }) => isNonProduction(labels)),
        alive: now.getTime() - row.lastSeenAt!.getTime() < UNKNOWN_MS,
      });
    }
    return agents;
  }
}

/** The label `environment` says so; a cluster without it counts as production. */
const isNonProduction = (labels: unknown): boolean => {
  const environment = typeof labels === 'object' && labels !== null ? Reflect.get(labels, 'environment') : undefined;
  return typeof environment === 'string' && !/^prod(uction)?$/i.test(environment);
};
