import { Controller } from '@nestjs/common';
import { Plan, Quotas, type UpdateClusterBody } from '@robustmq/contracts';
import { Agents, Database, isUniqueViolation, WorkQueue, type ClusterRow, type TenantTx } from '@robustmq/db';
import { InvoicesController } from '../billing/invoices-controller.ts';
import { refuseGrowth } from '../billing/standing.ts';
import { CLUSTERS_MAX } from '../dry-run/limits.ts';
import type { Caller } from '../http/caller.ts';
import { mayChange } from '../http/precondition.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { lockedCluster, settle } from '../provisioning/cluster-situation.ts';
import { allowedIn, type ClusterAction } from '../provisioning/plan.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { existingCluster } from './cluster-change.ts';
import { effectiveQuotas, tenantOverrides, usedOf } from './cluster-quotas.ts';
import { clusterView } from './cluster-view.ts';
import { mayCreate } from './clusters-controller.ts';

type Answer = RouteOutput<'getCluster'>;
type ClusterCaller = Caller & { readonly params: { readonly tenantId: string; readonly clusterId: string } };

/** What of a cluster changes; null values are written as they stand. */
type Data = Parameters<TenantTx['cluster']['update']>[0]['data'];

/** What becomes of a cluster after it was made: names, labels, plan, pause, restore. */
@Controller()
export class ClusterLifeController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  readonly #billing: InvoicesController;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner, billing: InvoicesController) {
    this.#database = database;
    this.#write = write;
    this.#provisioner = provisioner;
    this.#billing = billing;
  }

  @Route('planCluster')
  async plan(@Input() { params, body }: RouteInput<'planCluster'>): Promise<RouteOutput<'planCluster'>> {
    const planned = await this.#database.withTenant(params.tenantId, async (tx) => {
      const same = await tx.cluster.count({ where: { name: body.name, phase: { not: 'Deleted' } } });
      if (same > 0) throw nameTaken(body.name);
      const used = await mayCreate(tx, body.region);
      return { used, quotas: effectiveQuotas(body.plan, await tenantOverrides(tx), {}) };
    });
    const { used, quotas } = planned;
    return {
      ...{ plan: body.plan, quotas, clusters: { used, max: CLUSTERS_MAX } },
      prices: await this.#prices(body.plan),
    };
  }

  @Route('planClusterChange')
  async planChange(
    @Input() { params, body }: RouteInput<'planClusterChange'>,
  ): Promise<RouteOutput<'planClusterChange'>> {
    const planned = await this.#database.withTenant(params.tenantId, async (tx) => {
      const row = await existingCluster(tx, params.clusterId);
      const then = effectiveQuotas(body.plan, await tenantOverrides(tx), row.quotaOverrides);
      const misfits = row.plan === body.plan ? [] : await misfitsOf(tx, row, then);
      return { from: Plan.parse(row.plan), quotas: { now: Quotas.parse(row.quotas), then }, misfits };
    });
    const fits = planned.misfits.length === 0;
    return { ...planned, to: body.plan, fits, prices: await this.#prices(body.plan) };
  }

  /** A price list that cannot be had does not make a cluster impossible. */
  async #prices(plan: Plan) {
    const list = await this.#billing.prices().catch(() => ({ items: [] }));
    return list.items.filter((price) => price.plan === plan);
  }

  @Route('updateCluster')
  update(@Input() input: RouteInput<'updateCluster'>): Promise<Answer> {
    const { body } = input;
    if (body.deletionProtection === false && !input.permissions.has('cluster:delete'))
      throw new ProblemError('forbidden', { detail: 'Only who may delete the cluster takes its protection off.' });
    return this.#change(input, 'cluster.update', 'change', { ...body }, async (tx, row) => {
      mayChange(input, row.resourceVersion);
      return {
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.labels === undefined ? {} : { labels: body.labels }),
        ...(body.deletionProtection === undefined ? {} : { deletionProtection: body.deletionProtection }),
        ...(await planChange(tx, row, body)),
      };
    });
  }

  @Route('pauseCluster')
  pause(@Input() input: RouteInput<'pauseCluster'>): Promise<Answer> {
    return this.#change(input, 'cluster.pause', 'pause', {}, () => ({ pausedAt: new Date() }));
  }

  @Route('resumeCluster')
  resume(@Input() input: RouteInput<'resumeCluster'>): Promise<Answer> {
    return this.#change(input, 'cluster.resume', 'resume', {}, () => ({ pausedAt: null }));
  }

  @Route('restoreCluster')
  async restore(@Input() input: RouteInput<'restoreCluster'>): Promise<Answer> {
    return this.#run(input, 'cluster.restore', {}, (tx) => restored(tx, input.params.clusterId));
  }

  #change(
    input: ClusterCaller,
    action: string,
    kind: ClusterAction,
    detail: Record<string, unknown>,
    change: (tx: TenantTx, row: ClusterRow) => Promise<Data> | Data,
  ): Promise<Answer> {
    return this.#run(input, action, detail, async (tx) => {
      const row = await lockedCluster(tx, input.params.clusterId);
      if (!row || row.phase === 'Deleted') throw notFound();
      if (!allowedIn(kind, row.phase))
        throw new ProblemError('conflict', { detail: `The cluster is ${row.phase}: this is not possible now.` });
      return { row, data: await change(tx, row) };
    });
  }

  /** One write of the row: a new generation and version, settled, and handed over right after. */
  async #run(
    input: ClusterCaller,
    action: string,
    detail: Record<string, unknown>,
    work: (tx: TenantTx) => Promise<{ row: ClusterRow; data: Data }>,
  ): Promise<Answer> {
    const { tenantId, clusterId } = input.params;
    try {
      const { answer } = await this.#write.run(input, action, async (tx) => {
        const { data } = await work(tx);
        const counters = { generation: { increment: 1 }, resourceVersion: { increment: 1 } };
        const updated = await tx.cluster.update({ where: { id: clusterId }, data: { ...data, ...counters } });
        await WorkQueue.promise(tx, 'reconcile-cluster', clusterId, tenantId);
        await settle(tx, updated, new Date());
        const { generation } = updated;
        const operation = { clusterId, generation };
        return { answer: { generation }, target: { type: 'cluster', id: clusterId }, detail, operation };
      });
      await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
    } catch (error) {
      if (isUniqueViolation(error)) throw nameTaken();
      throw error;
    }
    const row = await this.#database.withTenant(tenantId, (tx) =>
      tx.cluster.findUniqueOrThrow({ where: { id: clusterId }, include: { agent: true } }),
    );
    return clusterView(row, new Date());
  }
}

/** What makes a deletion undone. Throws `not-found` when the window is over. */
export async function restored(tx: TenantTx, clusterId: string): Promise<{ row: ClusterRow; data: Data }> {
  const row = await lockedCluster(tx, clusterId);
  if (!row || row.restoreUntil === null || row.restoreUntil <= new Date()) throw notFound();
  await mayCreate(tx, row.region);
  await WorkQueue.done(tx, 'expire-cluster', row.id);
  return { row, data: { restoreUntil: null, phase: 'Updating' } };
}

const nameTaken = (name?: string): ProblemError =>
  new ProblemError('name-taken', {
    detail: name === undefined ? 'Another cluster has this name.' : `The tenant has a cluster named "${name}".`,
  });

/**
 * The other plan's node and quotas. Throws `conflict` with one entry per quota that does not fit, and while the cluster
 * holds data: it would stay behind on the old node.
 */
async function planChange(tx: TenantTx, row: ClusterRow, { plan }: UpdateClusterBody): Promise<Data> {
  if (plan === undefined || plan === row.plan) return {};
  if (row.plan === 'serverless') await refuseGrowth(tx);
  const quotas = effectiveQuotas(Plan.parse(plan), await tenantOverrides(tx), row.quotaOverrides);
  const misfits = await misfitsOf(tx, row, quotas);
  if (misfits.length > 0)
    throw new ProblemError('conflict', { detail: `The cluster does not fit the plan ${plan}.`, errors: misfits });
  if (plan === 'serverless') await Agents.freePorts(tx, row.id);
  return { plan, quotas, portBase: null, observedGeneration: 0, endpointsReachable: false };
}

/** What of a cluster would not fit other quotas, and what would stay on its node. */
async function misfitsOf(
  tx: TenantTx,
  row: ClusterRow,
  quotas: Quotas,
): Promise<{ pointer: string; detail: string }[]> {
  const used = await usedOf(tx, row);
  const misfits = (Object.entries(used) as [keyof Quotas, number][])
    .filter(([name, value]) => value > quotas[name])
    .map(([name, value]) => ({ pointer: `/quotas/${name}`, detail: `${value} in use, ${quotas[name]} allowed` }));
  const stored = used.storageBytesMax ?? 0;
  if (stored > 0) misfits.push({ pointer: '/plan', detail: `${stored} stored bytes would stay on the old node` });
  return misfits;
}
