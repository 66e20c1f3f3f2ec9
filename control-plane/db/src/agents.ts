import type { AgentEndpoints } from '@robustmq/contracts';
import type { Agent, Cluster, Credential, PrismaClient, Topic } from './generated/prisma/client.ts';
import { inScope, type TenantTx } from './tenant-tx.ts';
import { uuidv7 } from './uuid.ts';

export type { Agent as AgentRow, Cluster as ClusterRow, Credential as CredentialRow, Topic as TopicRow };

/** One cluster with everything its agent must know of it. */
export type Placement = Cluster & { readonly credentials: Credential[]; readonly topics: Topic[] };

/** Why a join token was refused. */
export type JoinRefusal = 'unknown' | 'used' | 'expired';

export type EnrolResult =
  | { readonly kind: 'enrolled'; readonly agentId: string; readonly epoch: bigint; readonly region: string }
  | { readonly kind: JoinRefusal };

/** Ports in a row, for one dedicated node. */
export interface PortBlock {
  readonly base: number;
  readonly count: number;
}
/** Length of a new block; those given by earlier versions keep theirs. */
export const PORT_BLOCK_COUNT = 8;

/** How many refused port blocks are remembered before the oldest is tried again, in milliseconds. */
export const PORT_REFUSAL_MS = 10 * 60_000;

/** Agents, join tokens, sessions and ports belong to no tenant; this class is the only road to them. */
export class Agents {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** `tokenHash` = SHA-256 hex; the token itself is never stored. */
  async mintJoinToken(tokenHash: string, region: string, expiresAt: Date): Promise<void> {
    await this.#client.joinToken.create({ data: { tokenHash, region, expiresAt } });
  }

  /**
   * Consumes the token and makes the agent in one transaction: a crash in between leaves the token unused. The same key
   * presenting the same token again gets the same identity (its first reply was lost).
   */
  async enrol(input: {
    readonly tokenHash: string;
    readonly publicKeyPem: string;
    readonly agentVersion: string;
    readonly now: Date;
  }): Promise<EnrolResult> {
    return this.#client.$transaction(async (tx) => {
      const token = await tx.joinToken.findUnique({ where: { tokenHash: input.tokenHash } });
      if (!token) return { kind: 'unknown' };
      const agentId = uuidv7();
      const taken = await tx.joinToken.updateMany({
        where: { id: token.id, consumedAt: null, expiresAt: { gt: input.now } },
        data: { consumedAt: input.now, consumedBy: agentId },
      });
      if (taken.count === 0) {
        const holder = token.consumedBy && (await tx.agent.findUnique({ where: { id: token.consumedBy } }));
        if (holder && holder.publicKeyPem === input.publicKeyPem)
          return { kind: 'enrolled', agentId: holder.id, epoch: holder.epoch, region: holder.region };
        return { kind: token.consumedAt === null && token.expiresAt <= input.now ? 'expired' : 'used' };
      }
      const { publicKeyPem, agentVersion } = input;
      const agent = await tx.agent.create({ data: { id: agentId, region: token.region, publicKeyPem, agentVersion } });
      return { kind: 'enrolled', agentId, epoch: agent.epoch, region: agent.region };
    });
  }

  agent(agentId: string): Promise<Agent | null> {
    return this.#client.agent.findUnique({ where: { id: agentId } });
  }

  list(): Promise<Agent[]> {
    return this.#client.agent.findMany({ orderBy: { createdAt: 'asc' } });
  }

  /** An agent that may not come back: its calls are refused, and its session ends with its next lease. */
  async disable(agentId: string, now: Date): Promise<void> {
    await this.#client.agent.updateMany({ where: { id: agentId }, data: { disabledAt: now } });
  }

  /** Desired versions of agents; those that do not exist are left out. */
  async desiredVersions(ids: readonly string[]): Promise<Map<string, bigint>> {
    const rows = await this.#client.agent.findMany({
      where: { id: { in: [...ids] } },
      select: { id: true, desiredVersion: true },
    });
    return new Map(rows.map((row) => [row.id, row.desiredVersion]));
  }

  /** Whether an agent of the region ever joined, or was invited to. */
  static async knowsRegion(tx: TenantTx, region: string): Promise<boolean> {
    const rows = await tx.$queryRaw<{ known: boolean }[]>`
      SELECT EXISTS (SELECT FROM agents WHERE region = ${region})
        OR EXISTS (SELECT FROM join_tokens WHERE region = ${region}) AS known`;
    return rows[0]?.known === true;
  }

  /**
   * A newer epoch, or the same agent coming back, takes the session over; an older epoch is refused (a clone of the
   * machine must not act). Answers the epoch that holds it.
   */
  async openSession(input: {
    readonly agentId: string;
    readonly epoch: bigint;
    readonly sessionId: string;
    readonly holder: string;
    readonly agentVersion: string;
    readonly endpoints: AgentEndpoints | undefined;
    readonly now: Date;
    readonly leaseMs: number;
  }): Promise<{ readonly accepted: boolean; readonly epoch: bigint }> {
    return this.#client.$transaction(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM agents WHERE id = ${input.agentId}::uuid FOR UPDATE`;
      const agent = await tx.agent.findUnique({ where: { id: input.agentId } });
      if (!agent) return { accepted: false, epoch: 0n };
      if (input.epoch < agent.epoch) return { accepted: false, epoch: agent.epoch };
      await tx.agent.update({
        where: { id: input.agentId },
        data: {
          epoch: input.epoch,
          agentVersion: input.agentVersion,
          lastSeenAt: input.now,
          ...(input.endpoints ? { endpoints: input.endpoints } : {}),
        },
      });
      const session = {
        epoch: input.epoch,
        sessionId: input.sessionId,
        holder: input.holder,
        startedAt: input.now,
        leaseUntil: new Date(input.now.getTime() + input.leaseMs),
      };
      await tx.agentSession.upsert({
        where: { agentId: input.agentId },
        create: { agentId: input.agentId, ...session },
        update: session,
      });
      return { accepted: true, epoch: input.epoch };
    });
  }

  /** Extends the session's lease; false when another session took the agent over. */
  async renewSession(agentId: string, sessionId: string, now: Date, leaseMs: number): Promise<boolean> {
    const leaseUntil = new Date(now.getTime() + leaseMs);
    const kept = await this.#client.agentSession.updateMany({ where: { agentId, sessionId }, data: { leaseUntil } });
    if (kept.count === 0) return false;
    await this.seen(agentId, now);
    return true;
  }

  /** Ends the session if it is still the agent's; an ended session is no error. */
  async closeSession(agentId: string, sessionId: string): Promise<void> {
    await this.#client.agentSession.deleteMany({ where: { agentId, sessionId } });
  }

  /** Whether some process holds the agent's stream. */
  async hasSession(agentId: string, now: Date): Promise<boolean> {
    return (await this.#client.agentSession.count({ where: { agentId, leaseUntil: { gt: now } } })) > 0;
  }

  async seen(agentId: string, now: Date, endpoints?: AgentEndpoints): Promise<void> {
    await this.#client.agent.updateMany({
      where: { id: agentId },
      data: { lastSeenAt: now, ...(endpoints ? { endpoints } : {}) },
    });
  }

  /** What the agent says it has applied; the version never goes back. */
  async applied(agentId: string, version: bigint, error: string | null): Promise<void> {
    await this.#client.$executeRaw`
      UPDATE agents SET applied_version = greatest(applied_version, ${version}), last_error = ${error}
      WHERE id = ${agentId}::uuid`;
  }

  /**
   * Everything placed on one agent, of all tenants, with the version it belongs to: one repeatable-read picture, so the
   * version never runs ahead of the rows or behind them. Clusters to be deleted are left out.
   */
  placements(agentId: string): Promise<{
    readonly version: bigint;
    readonly clusters: Placement[];
    readonly manifest: unknown;
    readonly draining: boolean;
  } | null> {
    return inScope(
      this.#client,
      { setting: 'app.agent_id', value: agentId },
      async (tx) => {
        const agent = await tx.agent.findUnique({
          where: { id: agentId },
          select: { desiredVersion: true, drainingSince: true, release: { select: { manifest: true } } },
        });
        if (!agent) return null;
        const clusters = await tx.cluster.findMany({
          where: {
            agentId,
            deletionRequestedAt: null,
            // one that can be restored keeps its data, suspended
            OR: [{ phase: { not: 'Deleted' } }, { restoreUntil: { not: null } }],
          },
          include: { credentials: { orderBy: { id: 'asc' } }, topics: { orderBy: { name: 'asc' } } },
          orderBy: { id: 'asc' },
        });
        const { desiredVersion: version, drainingSince, release } = agent;
        return { version, clusters, manifest: release?.manifest, draining: drainingSince !== null };
      },
      { isolation: 'RepeatableRead' },
    );
  }

  /** Which tenant each of these clusters belongs to, as far as they are placed on the agent. Deleted ones included. */
  async tenantsOfClusters(agentId: string, clusterIds: readonly string[]): Promise<Map<string, string>> {
    const rows = await inScope(this.#client, { setting: 'app.agent_id', value: agentId }, (tx) =>
      tx.cluster.findMany({
        where: { agentId, id: { in: [...clusterIds] } },
        select: { id: true, tenantId: true },
      }),
    );
    return new Map(rows.map((row) => [row.id, row.tenantId]));
  }

  /** Clusters placed on the agent that wait for their data to be removed. */
  async awaitingRemoval(agentId: string): Promise<{ id: string; tenantId: string; handedVersion: bigint }[]> {
    return inScope(this.#client, { setting: 'app.agent_id', value: agentId }, (tx) =>
      tx.cluster.findMany({
        where: { agentId, deletionRequestedAt: { not: null }, phase: { not: 'Deleted' } },
        select: { id: true, tenantId: true, handedVersion: true },
      }),
    );
  }

  /** The agent's next version, in the caller's transaction: it commits together with the change it stands for. */
  static async nextVersion(tx: TenantTx, agentId: string): Promise<bigint> {
    const rows = await tx.$queryRaw<{ version: bigint }[]>`
      UPDATE agents SET desired_version = desired_version + 1 WHERE id = ${agentId}::uuid RETURNING desired_version AS version`;
    return rows[0]!.version;
  }

  /**
   * Gives a cluster the first free block of ports on the agent's machine, or the one it has. Undefined when the range is
   * used up.
   */
  static async allocatePorts(
    tx: TenantTx,
    input: { readonly agentId: string; readonly clusterId: string; readonly first: number; readonly last: number },
  ): Promise<PortBlock | undefined> {
    const { agentId, clusterId, first, last } = input;
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`ports:${agentId}`}, 0))`;
    const kept = await tx.$queryRaw<PortBlock[]>`
      SELECT base, count FROM port_allocations WHERE cluster_id = ${clusterId}::uuid AND agent_id = ${agentId}::uuid`;
    if (kept[0]) return kept[0];
    await tx.$executeRaw`
      DELETE FROM port_allocations WHERE agent_id = ${agentId}::uuid AND cluster_id IS NULL
        AND created_at < now() - make_interval(secs => ${PORT_REFUSAL_MS / 1000})`;
    const count = PORT_BLOCK_COUNT;
    const made = await tx.$queryRaw<PortBlock[]>`
      INSERT INTO port_allocations (agent_id, base, count, cluster_id)
      SELECT ${agentId}::uuid, b, ${count}::int, ${clusterId}::uuid
      FROM generate_series(${first}::int, ${last}::int - ${count}::int + 1, 4) b
      WHERE NOT EXISTS (SELECT FROM port_allocations p WHERE p.agent_id = ${agentId}::uuid
        AND p.base < b + ${count}::int AND b < p.base + p.count)
      ORDER BY b LIMIT 1 RETURNING base, count`;
    return made[0];
  }

  /** The machine refused the block (`reason`): nobody gets it for a while. Answers whether the cluster held it. */
  static async refusePorts(tx: TenantTx, clusterId: string, base: number, reason: string): Promise<boolean> {
    const count = await tx.$executeRaw`
      UPDATE port_allocations SET cluster_id = NULL, reason = ${reason}, created_at = now()
      WHERE cluster_id = ${clusterId}::uuid AND base = ${base}`;
    return count > 0;
  }

  static async freePorts(tx: TenantTx, clusterId: string): Promise<void> {
    await tx.$executeRaw`DELETE FROM port_allocations WHERE cluster_id = ${clusterId}::uuid`;
  }
}
