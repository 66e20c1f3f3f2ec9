import type { AgentObserved, ReleaseManifest } from '@robustmq/contracts';
import type { Agent, PrismaClient, Release, Rollout } from './generated/prisma/client.ts';
import { inScope, type TenantTx } from './tenant-tx.ts';
import { uuidv7 } from './uuid.ts';

export type { Release, Rollout } from './generated/prisma/client.ts';
export type AgentLiveness = 'True' | 'Unknown' | 'False';

/** What placement knows of one agent, on the connection of whoever places. */
export interface PlacementRow {
  readonly id: string;
  readonly region: string;
  readonly cordonedAt: Date | null;
  readonly lastSeenAt: Date | null;
  readonly observed: unknown;
  /** Changes handed to it that it has not applied yet. */
  readonly pending: number;
}

/** Cordons, liveness, capacity and releases of agents; they belong to no tenant. */
export class Fleet {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Agents that could get a cluster of the region, or all of them. Tenants' transactions ask on their own connection. */
  static placeable(tx: Pick<TenantTx, '$queryRaw'>, region: string): Promise<PlacementRow[]> {
    return tx.$queryRaw<PlacementRow[]>`
      SELECT id::text AS id, region, cordoned_at AS "cordonedAt", last_seen_at AS "lastSeenAt", observed,
        greatest(desired_version - applied_version, 0)::int AS pending
      FROM agents WHERE region = ${region} AND disabled_at IS NULL AND endpoints IS NOT NULL ORDER BY id`;
  }
  placeable(region: string): Promise<PlacementRow[]> {
    return Fleet.placeable(this.#client, region);
  }

  /** Null ends the cordon, and the drain with it. False when there is no such agent. */
  async cordon(agentId: string, reason: string | null, now: Date): Promise<boolean> {
    const data =
      reason === null
        ? { cordonedAt: null, cordonReason: null, drainingSince: null }
        : { cordonedAt: now, cordonReason: reason };
    return (await this.#client.agent.updateMany({ where: { id: agentId }, data })).count > 0;
  }

  /** Its clusters lead their clients away from their next generation on. */
  async drain(agentId: string, now: Date): Promise<boolean> {
    return (await this.#client.agent.updateMany({ where: { id: agentId }, data: { drainingSince: now } })).count > 0;
  }

  /** Takes what the agent says of itself. */
  async report(agentId: string, observed: AgentObserved): Promise<void> {
    await this.#client.agent.updateMany({ where: { id: agentId }, data: { observed: observed as object } });
  }

  /** Writes the liveness when it is another one; true for the one caller that changed it. */
  async setLiveness(agentId: string, from: string, to: AgentLiveness, now: Date): Promise<boolean> {
    const where = { id: agentId, liveness: from };
    return (await this.#client.agent.updateMany({ where, data: { liveness: to, livenessSince: now } })).count > 0;
  }

  /** Clusters placed on the agent, of all tenants: ids and plan, and the label that says what they are for. */
  clustersOn(
    agentId: string,
  ): Promise<{ id: string; tenantId: string; plan: string; name: string; labels: unknown }[]> {
    return inScope(this.#client, { setting: 'app.agent_id', value: agentId }, (tx) =>
      tx.cluster.findMany({
        where: { agentId, deletionRequestedAt: null, phase: { not: 'Deleted' } },
        select: { id: true, tenantId: true, plan: true, name: true, labels: true },
        orderBy: { id: 'asc' },
      }),
    );
  }

  async markInternal(agentId: string, internal: boolean): Promise<boolean> {
    return (await this.#client.agent.updateMany({ where: { id: agentId }, data: { internal } })).count > 0;
  }

  /** Publishes a release; a version is published once. Undefined when there is one of that name with another digest. */
  async publish(manifest: ReleaseManifest): Promise<Release | undefined> {
    const { version } = manifest;
    const release = await this.#client.release.upsert({
      where: { version },
      create: { id: uuidv7(), version, manifest },
      update: {},
    });
    return (release.manifest as { digest?: string }).digest === manifest.digest ? release : undefined;
  }
  releases(): Promise<Release[]> {
    return this.#client.release.findMany({ orderBy: { createdAt: 'desc' }, take: 200 });
  }
  release(id: string): Promise<Release | null> {
    return this.#client.release.findUnique({ where: { id } });
  }

  rollouts(): Promise<Rollout[]> {
    return this.#client.rollout.findMany({ orderBy: { createdAt: 'desc' }, take: 50 });
  }
  running(): Promise<Rollout | null> {
    return this.#client.rollout.findFirst({ where: { state: 'running' } });
  }

  /** Begins a rollout; null while another one runs (a unique index decides between two operators). */
  async beginRollout(releaseId: string, soakSeconds: number, now: Date): Promise<Rollout | null> {
    const data = { id: uuidv7(), releaseId, soakSeconds, waveStartedAt: now };
    return this.#client.rollout.create({ data }).catch((error: { code?: string }) => {
      if (error.code === 'P2002') return null;
      throw error;
    });
  }

  /** Compare-and-set on wave and state, so that two processes take one step once. */
  async stepRollout(
    rollout: Rollout,
    next: { readonly state: string; readonly wave: number; readonly before: object; readonly reason: string | null },
    now: Date,
  ): Promise<boolean> {
    const where = { id: rollout.id, state: 'running', wave: rollout.wave };
    const data = { ...next, waveStartedAt: now };
    return (await this.#client.rollout.updateMany({ where, data })).count > 0;
  }

  /** Keeps the wave and remembers what the agents of it were like before. */
  async rememberBefore(rollout: Rollout, before: object): Promise<void> {
    await this.#client.rollout.updateMany({ where: { id: rollout.id, wave: rollout.wave }, data: { before } });
  }

  /** The release the agent is to run (null = the one it came with), with a new version of its desired state. */
  async assignRelease(agent: Pick<Agent, 'id' | 'releaseId'>, releaseId: string | null): Promise<boolean> {
    const changed = await this.#client.agent.updateMany({
      where: { id: agent.id, releaseId: agent.releaseId },
      data: { releaseId, desiredVersion: { increment: 1 } },
    });
    return changed.count > 0;
  }
}
