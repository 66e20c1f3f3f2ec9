import { Controller } from '@nestjs/common';
import { Plan, RESTORE_DAYS } from '@robustmq/contracts';
import { Agents, Database, isUniqueViolation, WorkQueue, type TenantTx } from '@robustmq/db';
import { refuseGrowth } from '../billing/standing.ts';
import { CLUSTERS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { lockedCluster, settle } from '../provisioning/cluster-situation.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { newClusterKey } from './cluster-change.ts';
import { effectiveQuotas, tenantOverrides } from './cluster-quotas.ts';
import { clusterView } from './cluster-view.ts';

/** The region every installation has, also before its first agent has joined: clusters wait for it. */
const FIRST_REGION = 'local';

const DAY_MS = 24 * 3600_000;

/** Refuses when an invoice is unpaid, the tenant has its clusters, or the region is not known. */
export async function mayCreate(tx: TenantTx, region: string): Promise<number> {
  await refuseGrowth(tx);
  const used = await tx.cluster.count({ where: { phase: { not: 'Deleted' } } });
  if (used >= CLUSTERS_MAX)
    throw new ProblemError('quota-exceeded', { detail: `A tenant has at most ${CLUSTERS_MAX} clusters.` });
  if (region !== FIRST_REGION && !(await Agents.knowsRegion(tx, region)))
    throw new ProblemError('validation-failed', {
      errors: [{ pointer: '/region', detail: `there is no region "${region}"` }],
    });
  return used;
}

/** `key=value` as a condition on the labels. */
function labelled(label: string | undefined): object {
  if (label === undefined) return {};
  const [key = '', ...rest] = label.split('=');
  return { labels: { path: [key], equals: rest.join('=') } };
}

/** A tenant's clusters. Writes change what is desired; reconcile does the rest. */
@Controller()
export class ClustersController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner) {
    this.#database = database;
    this.#write = write;
    this.#provisioner = provisioner;
  }

  @Route('listClusters')
  async list(@Input() { params, query }: RouteInput<'listClusters'>): Promise<RouteOutput<'listClusters'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.cluster.findMany({
        where: {
          ...(query.deleted === 'true' ? { restoreUntil: { gt: new Date() } } : { phase: { not: 'Deleted' } }),
          ...labelled(query.label),
          ...(query.name === undefined ? {} : { name: query.name }),
          ...(after === undefined ? {} : { id: { gt: after } }),
        },
        include: { agent: true },
        orderBy: { id: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.id]);
    const now = new Date();
    return { ...page, items: page.items.map((row) => clusterView(row, now)) };
  }

  @Route('createCluster')
  async create(@Input() input: RouteInput<'createCluster'>): Promise<RouteOutput<'createCluster'>> {
    const { tenantId } = input.params;
    const { name, plan, region, labels = {}, deletionProtection = false } = input.body;
    try {
      const { answer, replayed } = await this.#write.run(input, 'cluster.create', async (tx) => {
        // counted under a lock: two creates at once cannot both take the last place
        await tx.$queryRaw`SELECT 1 FROM tenants WHERE id = ${tenantId}::uuid FOR UPDATE`;
        await mayCreate(tx, region);
        const quotas = effectiveQuotas(plan, await tenantOverrides(tx), {});
        const made = await tx.cluster.create({
          data: {
            ...{ tenantId, name, key: newClusterKey(name), plan, region, quotas },
            ...{ labels, deletionProtection },
          },
        });
        await WorkQueue.promise(tx, 'reconcile-cluster', made.id, tenantId);
        const row = await settle(tx, made, new Date());
        return {
          answer: clusterView({ ...row, agent: null }, new Date()),
          target: { type: 'cluster', id: row.id },
          detail: { name, plan, region },
          operation: { clusterId: row.id, generation: row.generation },
        };
      });
      if (!replayed) void this.#provisioner.kick(tenantId, answer.id);
      return answer;
    } catch (error) {
      if (isUniqueViolation(error))
        throw new ProblemError('name-taken', { detail: `The tenant has a cluster named "${name}".` });
      throw error;
    }
  }

  @Route('getCluster')
  async get(@Input() { params }: RouteInput<'getCluster'>): Promise<RouteOutput<'getCluster'>> {
    const row = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.cluster.findUnique({ where: { id: params.clusterId }, include: { agent: true } }),
    );
    if (!row || row.phase === 'Deleted') throw notFound();
    return clusterView(row, new Date());
  }

  @Route('deleteCluster')
  async remove(@Input() input: RouteInput<'deleteCluster'>): Promise<RouteOutput<'deleteCluster'>> {
    const { tenantId, clusterId } = input.params;
    const asked = input.query.restore_days;
    if (asked === '0' && !input.permissions.has('cluster:purge'))
      throw new ProblemError('forbidden', { detail: 'Deleting for good at once needs the permission cluster:purge.' });
    const { answer } = await this.#write.run(input, 'cluster.delete', async (tx) => {
      const row = await lockedCluster(tx, clusterId);
      if (!row || row.phase === 'Deleted') throw notFound();
      if (row.deletionProtection)
        throw new ProblemError('conflict', { detail: 'The cluster is protected: take the protection off first.' });
      const days = asked === undefined ? RESTORE_DAYS[Plan.parse(row.plan)] : Number(asked);
      if (row.deletionRequestedAt === null) {
        const now = new Date();
        const restoreUntil = days === 0 ? null : new Date(now.getTime() + days * DAY_MS);
        if (restoreUntil !== null) await WorkQueue.promiseAt(tx, 'expire-cluster', clusterId, tenantId, restoreUntil);
        const data = {
          ...(restoreUntil === null ? { deletionRequestedAt: now } : { restoreUntil }),
          ...{ generation: { increment: 1 }, resourceVersion: { increment: 1 } },
        };
        await settle(tx, await tx.cluster.update({ where: { id: clusterId }, data }), new Date());
        await WorkQueue.promise(tx, 'reconcile-cluster', clusterId, tenantId);
      }
      const deleting = await tx.cluster.findUniqueOrThrow({ where: { id: clusterId }, include: { agent: true } });
      const target = { type: 'cluster', id: clusterId };
      const { restoreUntil, generation } = deleting;
      const undo = restoreUntil === null ? {} : { undo: { until: restoreUntil, data: {} } };
      const operation = { clusterId, generation, ...undo };
      return {
        ...{ answer: clusterView(deleting, new Date()), target, operation },
        detail: { name: row.name, restoreDays: days },
      };
    });
    void this.#provisioner.kick(tenantId, clusterId);
    return answer;
  }
}
