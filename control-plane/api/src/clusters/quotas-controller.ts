import { Body, Controller, Get, HttpCode, Inject, Param, Put, Req } from '@nestjs/common';
import {
  ClusterId,
  Plan,
  QuotaOverrides,
  QuotaOverridesBody,
  Quotas,
  TenantId,
  type QuotaOverridesView,
} from '@robustmq/contracts';
import { appendAudit, Database, WorkQueue, type ClusterRow, type TenantTx } from '@robustmq/db';
import type { FastifyRequest } from 'fastify';
import { sameText } from '../auth/tokens.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route, Unlisted } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { validated } from '../http/validation.ts';
import { settle } from '../provisioning/cluster-situation.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { existingCluster } from './cluster-change.ts';
import { effectiveQuotas, quotasView, tenantOverrides, warnOfQuotas } from './cluster-quotas.ts';

/** Limits of clusters as tenants see them, and the operator's overrides. */
@Controller()
export class QuotasController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  readonly #settings: Settings;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner, @Inject(SETTINGS) settings: Settings) {
    this.#database = database;
    this.#write = write;
    this.#provisioner = provisioner;
    this.#settings = settings;
  }

  @Route('getClusterQuotas')
  get(@Input() { params }: RouteInput<'getClusterQuotas'>): Promise<RouteOutput<'getClusterQuotas'>> {
    return this.#database.withTenant(params.tenantId, async (tx) =>
      quotasView(tx, await existingCluster(tx, params.clusterId)),
    );
  }

  @Route('setSoftLimits')
  async soft(@Input() input: RouteInput<'setSoftLimits'>): Promise<RouteOutput<'setSoftLimits'>> {
    const { clusterId } = input.params;
    const { answer } = await this.#write.run(input, 'cluster.soft-limits', async (tx) => {
      const row = await existingCluster(tx, clusterId);
      const quotas = Quotas.parse(row.quotas);
      const above = (Object.entries(input.body) as [keyof Quotas, number][]).filter(
        ([name, value]) => value > quotas[name],
      );
      if (above.length > 0)
        throw new ProblemError('validation-failed', {
          errors: above.map(([name]) => ({ pointer: `/${name}`, detail: `is above the limit of ${quotas[name]}` })),
        });
      const updated = await tx.cluster.update({ where: { id: clusterId }, data: { softLimits: input.body } });
      await tx.quotaAlert.deleteMany({ where: { clusterId, level: 'soft' } });
      await warnOfQuotas(tx, updated, new Date());
      const target = { type: 'cluster', id: clusterId };
      return { answer: await quotasView(tx, updated), target, detail: { ...input.body } };
    });
    return answer;
  }

  /** What is overridden, and what holds because of it. */
  @Unlisted()
  @Get('v1/operator/tenants/:tenantId/quota-overrides')
  async overrides(@Req() request: FastifyRequest, @Param('tenantId') tenant: string): Promise<QuotaOverridesView> {
    return this.#database.withTenant(this.#operators(request, tenant), overridesView);
  }

  /** Replaces the overrides for all clusters of a tenant. */
  @Unlisted()
  @Put('v1/operator/tenants/:tenantId/quota-overrides')
  @HttpCode(200)
  setTenant(
    @Req() request: FastifyRequest,
    @Param('tenantId') tenant: string,
    @Body() body: unknown,
  ): Promise<QuotaOverridesView> {
    return this.#replace(request, this.#operators(request, tenant), body, async (tx, tenantId, quotas) => {
      await tx.tenant.update({ where: { id: tenantId }, data: { quotaOverrides: quotas } });
      return tx.cluster.findMany({ where: { phase: { not: 'Deleted' }, deletionRequestedAt: null } });
    });
  }

  /** Replaces the overrides of one cluster. */
  @Unlisted()
  @Put('v1/operator/tenants/:tenantId/clusters/:clusterId/quota-overrides')
  @HttpCode(200)
  setCluster(
    @Req() request: FastifyRequest,
    @Param('tenantId') tenant: string,
    @Param('clusterId') cluster: string,
    @Body() body: unknown,
  ): Promise<QuotaOverridesView> {
    const tenantId = this.#operators(request, tenant);
    const clusterId = ClusterId.safeParse(cluster).data;
    if (clusterId === undefined) throw notFound();
    return this.#replace(request, tenantId, body, async (tx, _tenantId, quotas) => {
      await existingCluster(tx, clusterId);
      return [await tx.cluster.update({ where: { id: clusterId }, data: { quotaOverrides: quotas } })];
    });
  }

  /** Writes, audits for the tenant to read, and hands every cluster that changed to its node. */
  async #replace(
    request: FastifyRequest,
    tenantId: string,
    body: unknown,
    change: (tx: TenantTx, tenantId: string, quotas: QuotaOverrides) => Promise<ClusterRow[]>,
  ): Promise<QuotaOverridesView> {
    const { quotas, reason } = validated(QuotaOverridesBody, body ?? {}, 'body');
    const { view, changed } = await this.#database.withTenant(tenantId, async (tx) => {
      const locked = await tx.$queryRaw<object[]>`SELECT 1 FROM tenants WHERE id = ${tenantId}::uuid FOR UPDATE`;
      if (locked.length === 0) throw notFound();
      const rows = await change(tx, tenantId, quotas);
      const all = await tenantOverrides(tx);
      const generations: [string, number][] = [];
      for (const row of rows) generations.push([row.id, await apply(tx, row, all)]);
      const target = request.url.includes('/clusters/')
        ? { type: 'cluster', id: rows[0]!.id }
        : { type: 'tenant', id: tenantId };
      await appendAudit(tx, tenantId, {
        actor: { type: 'system', id: 'operator', ip: request.ip },
        ...{ action: 'quota.override', target, result: 'ok', requestId: request.id, detail: { quotas, reason } },
      });
      return { view: await overridesView(tx), changed: generations };
    });
    await Promise.all(changed.map(([id, generation]) => this.#provisioner.kickAndWait(tenantId, id, generation)));
    return view;
  }

  /** The tenant of the path, for whoever has the operator's token. */
  #operators(request: FastifyRequest, tenant: string): TenantId {
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!sameText(given, this.#settings.operatorToken)) throw new ProblemError('unauthenticated');
    const tenantId = TenantId.safeParse(tenant).data;
    if (tenantId === undefined) throw notFound();
    return tenantId;
  }
}

/** The quotas that hold now, as a new generation. */
async function apply(tx: TenantTx, row: ClusterRow, tenant: QuotaOverrides): Promise<number> {
  const quotas = effectiveQuotas(Plan.parse(row.plan), tenant, row.quotaOverrides);
  const counters = { generation: { increment: 1 }, resourceVersion: { increment: 1 } };
  const updated = await tx.cluster.update({ where: { id: row.id }, data: { quotas, ...counters } });
  await WorkQueue.promise(tx, 'reconcile-cluster', row.id, row.tenantId);
  await settle(tx, updated, new Date());
  return updated.generation;
}

async function overridesView(tx: TenantTx): Promise<QuotaOverridesView> {
  const tenant = await tx.tenant.findFirst({ select: { quotaOverrides: true } });
  if (!tenant) throw notFound();
  const clusters = await tx.cluster.findMany({ where: { phase: { not: 'Deleted' } }, orderBy: { id: 'asc' } });
  return {
    tenant: QuotaOverrides.parse(tenant.quotaOverrides),
    clusters: clusters.map((row) => ({
      ...{ clusterId: row.id, name: row.name, plan: Plan.parse(row.plan) },
      overrides: QuotaOverrides.parse(row.quotaOverrides),
      quotas: Quotas.parse(row.quotas),
    })),
  };
}
