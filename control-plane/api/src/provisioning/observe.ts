import { createHash } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { NamespaceObserved } from '@robustmq/contracts';
import { Agents, Database, WorkQueue, type ClusterRow, type TenantTx } from '@robustmq/db';
import { warnOfQuotas } from '../clusters/cluster-quotas.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { finishRemoval, lockedCluster, settle } from './cluster-situation.ts';
import { Reconcile } from './reconcile.ts';

/** What an agent says about everything placed on it. */
export interface AgentReport {
  /** The desired version the report was made under. */
  readonly version: number;
  readonly namespaces: readonly NamespaceObserved[];
}

/** A dedicated node's port is taken on the machine: `port 20004 in use`. */
const PORT_IN_USE = /\bport (\d{1,5})\b.*\bin use\b/i;

/** Clusters whose last observation is remembered, to skip writing the same again. */
const REMEMBERED_MAX = 100_000;

/** Writes what agents report. Reports are whole and level-triggered: repeated, late and reordered ones do no harm. */
@Injectable()
export class Observe {
  readonly #database: Database;
  readonly #watch: ClusterWatch;
  readonly #reconcile: Reconcile;
  readonly #settings: Settings;
  readonly #log = new Logger('observe');
  /** agent and cluster → digest of the last observation written */
  readonly #written = new Map<string, string>();

  constructor(database: Database, watch: ClusterWatch, reconcile: Reconcile, @Inject(SETTINGS) settings: Settings) {
    this.#database = database;
    this.#watch = watch;
    this.#reconcile = reconcile;
    this.#settings = settings;
  }

  /** Settles when everything reported is committed. Clusters that are not placed on the agent are ignored. */
  async report(agentId: string, report: AgentReport): Promise<void> {
    const news = report.namespaces.filter((one) => this.#isNews(agentId, one));
    const tenants = await this.#database.agents.tenantsOfClusters(
      agentId,
      news.map((one) => one.clusterId),
    );
    const changed: { clusterId: string; tenantId: string }[] = [];
    for (const observed of news) {
      const tenantId = tenants.get(observed.clusterId);
      if (tenantId === undefined) continue;
      const again = await this.#database.withTenant(tenantId, (tx) => this.#record(tx, observed));
      this.#remember(agentId, observed);
      this.#watch.observed(observed.clusterId, observed.observedGeneration);
      if (again) changed.push({ clusterId: observed.clusterId, tenantId });
    }
    await this.#removals(agentId, report);
    for (const { tenantId, clusterId } of changed) await this.#reconcile.run(tenantId, clusterId);
  }

  /** Records one cluster; true when its desired state had to change (other ports) and reconcile must run. */
  async #record(tx: TenantTx, observed: NamespaceObserved): Promise<boolean> {
    const row = await lockedCluster(tx, observed.clusterId);
    if (!row || row.phase === 'Deleted' || row.deletionRequestedAt !== null) return false;
    const now = new Date();
    const failed = observed.phase === 'failed';
    const updated = await tx.cluster.update({
      where: { id: row.id },
      data: {
        // what the agent has can be older than a report that overtook this one, never newer than what was handed over
        observedGeneration: Math.min(observed.observedGeneration, row.generation),
        endpointsReachable: observed.endpointsReachable,
        connections: observed.connections,
        lastError: failed ? (observed.error ?? 'The agent could not apply the cluster.').slice(0, 1_000) : null,
      },
    });
    await this.#recordTopics(tx, row, observed, now);
    await warnOfQuotas(tx, updated, now);
    const moved = failed && (await this.#otherPorts(tx, updated, observed.error ?? ''));
    if (!moved) await settle(tx, updated, now);
    return moved;
  }

  async #recordTopics(tx: TenantTx, row: ClusterRow, observed: NamespaceObserved, now: Date): Promise<void> {
    const where = { tenantId: row.tenantId, clusterId: row.id };
    await tx.topic.deleteMany({ where: { ...where, deletedGeneration: { lte: observed.observedGeneration } } });
    await tx.topicObservation.deleteMany({ where: { ...where, name: { notIn: observed.topics.map((t) => t.name) } } });
    if (observed.topics.length === 0) return;
    await tx.$executeRaw`
      INSERT INTO topic_observations (tenant_id, cluster_id, name, partitions, stored_bytes, observed_at)
      SELECT ${row.tenantId}::uuid, ${row.id}::uuid, t.name, t.partitions, t.stored_bytes, ${now}
      FROM unnest(${observed.topics.map((t) => t.name)}::text[], ${observed.topics.map((t) => t.partitions)}::int[],
        ${observed.topics.map((t) => String(Math.round(t.storedBytes)))}::bigint[]) AS t(name, partitions, stored_bytes)
      ON CONFLICT (tenant_id, cluster_id, name) DO UPDATE SET partitions = excluded.partitions,
        stored_bytes = excluded.stored_bytes, observed_at = excluded.observed_at`;
  }

  /**
   * A port of the block belongs to some other program: give the cluster the next block. Old and new block change in one
   * transaction, so there is no moment at which the cluster is left out of the agent's desired state.
   */
  async #otherPorts(tx: TenantTx, row: ClusterRow, error: string): Promise<boolean> {
    const port = Number(PORT_IN_USE.exec(error)?.[1] ?? Number.NaN);
    if (row.portBase === null || row.agentId === null) return false;
    if (!(port >= row.portBase && port < row.portBase + row.portCount)) return false;
    const { first, last } = this.#settings.portRange;
    if (!(await Agents.refusePorts(tx, row.id, row.portBase, `port ${port} in use`))) return false;
    const block = await Agents.allocatePorts(tx, { agentId: row.agentId, clusterId: row.id, first, last });
    if (block === undefined) {
      this.#log.error({ clusterId: row.id }, 'no ports are left for a dedicated node');
      return false;
    }
    await tx.cluster.update({
      where: { id: row.id },
      data: { portBase: block.base, portCount: block.count, generation: { increment: 1 }, lastError: null },
    });
    await WorkQueue.promise(tx, 'reconcile-cluster', row.id, row.tenantId);
    return true;
  }

  /**
   * A cluster is gone when the agent says so, or when a whole report made under the version that took it away, or a
   * later one, does not know it.
   */
  async #removals(agentId: string, report: AgentReport): Promise<void> {
    const waiting = await this.#database.agents.awaitingRemoval(agentId);
    for (const { id, tenantId, handedVersion } of waiting) {
      const observed = report.namespaces.find((one) => one.clusterId === id);
      const gone = observed ? observed.phase === 'deleted' : true;
      if (!gone || BigInt(report.version) < handedVersion) continue;
      await this.#database.withTenant(tenantId, async (tx) => {
        const row = await lockedCluster(tx, id);
        const removing = row && row.deletionRequestedAt !== null && row.phase !== 'Deleted';
        if (!removing || row.handedGeneration < row.generation || row.handedVersion > BigInt(report.version)) return;
        await finishRemoval(tx, row, new Date());
      });
    }
  }

  #isNews(agentId: string, observed: NamespaceObserved): boolean {
    return this.#written.get(`${agentId} ${observed.clusterId}`) !== digest(observed);
  }

  #remember(agentId: string, observed: NamespaceObserved): void {
    const key = `${agentId} ${observed.clusterId}`;
    this.#written.delete(key);
    this.#written.set(key, digest(observed));
    if (this.#written.size > REMEMBERED_MAX) this.#written.delete(this.#written.keys().next().value!);
  }
}

const digest = (observed: NamespaceObserved): string =>
  createHash('sha256').update(JSON.stringify(observed)).digest('base64');
