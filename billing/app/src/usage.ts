import { Meter, Plan, UsageProtocol } from '@robustmq/contracts';
import type { TenantTx } from '@robustmq/db';
import type { Quantity } from '@robustmq/rating';
import { BillingError } from './billing-error.ts';
import type { BillingPeriod } from './period.ts';

/** A cluster and the plans it had: `until` ends each but the last. Deleted clusters are among them. */
export interface PlannedCluster {
  readonly id: string;
  readonly name: string;
  readonly plans: readonly { readonly plan: Plan; readonly until: string | null }[];
}

/** Usage of one cluster, protocol and meter while it was on one plan. */
export interface PlannedUsage extends Quantity {
  readonly clusterId: string;
  readonly protocol: UsageProtocol;
}

export async function clustersOf(tx: TenantTx, tenantId: string): Promise<PlannedCluster[]> {
  const rows = await tx.cluster.findMany({
    where: { tenantId },
    select: { id: true, name: true, plan: true },
    orderBy: { id: 'asc' },
  });
  const changes = await tx.planChange.findMany({ where: { tenantId }, orderBy: { until: 'asc' } });
  const byCluster = Map.groupBy(changes, (change) => change.clusterId);
  return rows.map(({ id, name, plan }) => ({
    ...{ id, name },
    plans: [
      ...(byCluster.get(id) ?? []).map((change) => ({
        plan: Plan.parse(change.plan),
        until: change.until.toISOString(),
      })),
      { plan: Plan.parse(plan), until: null },
    ],
  }));
}

/** The plan of a cluster at an instant (ISO): the first that ends after it. */
export const planAt = (cluster: PlannedCluster, atIso: string): Plan =>
  cluster.plans.find(({ until }) => until === null || atIso < until)!.plan;

/** What was used in a period, by cluster, protocol, meter and plan: an hour counts under the plan it began in. */
export async function usageOf(
  tx: TenantTx,
  tenantId: string,
  period: BillingPeriod,
  clusters: readonly PlannedCluster[],
): Promise<PlannedUsage[]> {
  const byId = new Map(clusters.map((cluster) => [cluster.id, cluster]));
  const changed = clusters.filter(({ plans }) => plans.length > 1).map(({ id }) => id);
  // hours matter only to clusters whose plan changed; all others are one sum per meter
  const rows = await tx.$queryRaw<{ id: string; protocol: string; meter: string; hour: Date; quantity: string }[]>`
    SELECT cluster_id::text AS id, protocol, meter,
      CASE WHEN cluster_id = ANY(${changed}::uuid[]) THEN hour ELSE ${period.from}::timestamptz END AS hour,
      sum(quantity)::text AS quantity
    FROM usage_hourly WHERE tenant_id = ${tenantId}::uuid AND hour >= ${period.from} AND hour < ${period.to}
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`;
  const sums = new Map<string, PlannedUsage>();
  for (const { id, protocol, meter, hour, quantity } of rows) {
    const cluster = byId.get(id);
    if (!cluster) throw new BillingError('usage-unplaced', `usage of cluster ${id} belongs to no plan`);
    const plan = planAt(cluster, hour.toISOString());
    const key = `${id} ${protocol} ${meter} ${plan}`;
    const one = { plan, meter: Meter.parse(meter), clusterId: id, protocol: UsageProtocol.parse(protocol) };
    const before = BigInt(sums.get(key)?.quantity ?? '0');
    sums.set(key, { ...one, quantity: (before + BigInt(quantity)).toString() });
  }
  return [...sums.values()];
}

/** Usage of the whole account per plan and meter: what is rated. */
export function quantitiesOf(usage: readonly PlannedUsage[]): Quantity[] {
  const sums = new Map<string, Quantity>();
  for (const { plan, meter, quantity } of usage) {
    const before = BigInt(sums.get(`${plan} ${meter}`)?.quantity ?? '0');
    sums.set(`${plan} ${meter}`, { plan, meter, quantity: (before + BigInt(quantity)).toString() });
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}
