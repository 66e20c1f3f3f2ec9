import {
  DEFAULT_QUOTAS,
  type Plan,
  QuotaOverrides,
  Quotas,
  SOFT_LIMIT_PERCENT,
  type ClusterQuotas,
} from '@robustmq/contracts';
import { appendAudit, type ClusterRow, type TenantTx } from '@robustmq/db';

type QuotaName = keyof Quotas;
type Used = Partial<Record<QuotaName, number>>;
type Level = ClusterQuotas['items'][number]['level'];
/** Levels at which a warning is given, lowest first. */
const LEVELS = ['soft', '90', '100'] as const;
/** A warning is given again after the value was so far below its level, in percent of the level. */
const REARM_PERCENT = 95;

/** The overrides of the tenant for all its clusters. */
export async function tenantOverrides(tx: TenantTx): Promise<QuotaOverrides> {
  const tenant = await tx.tenant.findFirstOrThrow({ select: { quotaOverrides: true } });
  return QuotaOverrides.parse(tenant.quotaOverrides);
}

/** The plan's quotas, replaced by the tenant's overrides, replaced by the cluster's. */
export const effectiveQuotas = (plan: Plan, tenant: QuotaOverrides, cluster: unknown): Quotas =>
  Quotas.parse({ ...DEFAULT_QUOTAS[plan], ...tenant, ...QuotaOverrides.parse(cluster) });

/** What is known here of a cluster's use, by quota. */
export async function usedOf(tx: TenantTx, row: Pick<ClusterRow, 'id' | 'connections'>): Promise<Used> {
  const topics = await tx.topicObservation.findMany({
    where: { clusterId: row.id },
    select: { partitions: true, storedBytes: true },
  });
  return {
    connectionsMax: row.connections,
    topicsMax: topics.length,
    partitionsMax: topics.reduce((sum, topic) => sum + topic.partitions, 0),
    storageBytesMax: Number(topics.reduce((sum, topic) => sum + topic.storedBytes, 0n)),
  };
}

const softOf = (row: Pick<ClusterRow, 'softLimits'>, name: QuotaName, limit: number): number =>
  Math.min(QuotaOverrides.parse(row.softLimits)[name] ?? Math.floor((limit * SOFT_LIMIT_PERCENT) / 100), limit);

/** From which value on each level holds. */
const thresholds = (soft: number, limit: number): Record<(typeof LEVELS)[number], number> => ({
  soft,
  90: Math.ceil(limit * 0.9),
  100: limit,
});

function levelOf(used: number | undefined, soft: number, limit: number): Level {
  // a limit of nothing that is not used is no warning
  if (used === undefined || used === 0) return 'ok';
  const at = thresholds(soft, limit);
  return LEVELS.findLast((level) => used >= at[level]) ?? 'ok';
}

/** Limits, their sources and use of one cluster. */
export async function quotasView(tx: TenantTx, row: ClusterRow): Promise<ClusterQuotas> {
  const [tenant, used] = [await tenantOverrides(tx), await usedOf(tx, row)];
  const own = QuotaOverrides.parse(row.quotaOverrides);
  const quotas = Quotas.parse(row.quotas);
  const alerts = await tx.quotaAlert.findMany({ where: { clusterId: row.id }, orderBy: { firedAt: 'desc' } });
  const names = Object.keys(quotas) as QuotaName[];
  return {
    items: names.map((name) => {
      const limit = quotas[name];
      const softLimit = softOf(row, name, limit);
      return {
        ...{ name, limit, softLimit, used: used[name] ?? null, level: levelOf(used[name], softLimit, limit) },
        source: own[name] !== undefined ? 'cluster' : tenant[name] !== undefined ? 'tenant' : 'plan',
      };
    }),
    warnings: alerts.map(({ quota, level, value, limit, firedAt }) => ({
      ...{ quota, level, value: Number(value), limit: Number(limit), since: firedAt.toISOString() },
    })),
  };
}

/**
 * Gives the warnings that became due: an audit row each (and so a message to webhooks), once until the value went down
 * again. The cluster is locked.
 */
export async function warnOfQuotas(tx: TenantTx, row: ClusterRow, now: Date): Promise<void> {
  const { tenantId, id: clusterId } = row;
  const used = await usedOf(tx, row);
  const quotas = Quotas.parse(row.quotas);
  const fired = await tx.quotaAlert.findMany({ where: { clusterId } });
  for (const [name, value] of Object.entries(used) as [QuotaName, number][]) {
    const limit = quotas[name];
    const at = thresholds(softOf(row, name, limit), limit);
    for (const level of LEVELS) {
      const before = fired.find((one) => one.quota === name && one.level === level);
      if (before && value < (at[level] * REARM_PERCENT) / 100)
        await tx.quotaAlert.deleteMany({ where: { clusterId, quota: name, level } });
      if (before || value === 0 || value < at[level]) continue;
      await tx.quotaAlert.create({
        data: { tenantId, clusterId, quota: name, level, value: BigInt(value), limit: BigInt(limit), firedAt: now },
      });
      await appendAudit(tx, tenantId, {
        actor: { type: 'system', id: 'quotas', ip: null },
        ...{ action: 'quota.warning', target: { type: 'cluster', id: clusterId }, result: 'ok', requestId: 'quotas' },
        detail: { quota: name, level, value, limit, softLimit: at.soft },
      });
    }
  }
}
