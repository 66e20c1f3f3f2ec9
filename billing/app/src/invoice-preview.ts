import { Meter, Plan, type InvoicePreview } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import { rate, type Quantity } from '@robustmq/rating';
import { BillingError } from './billing-error.ts';
import { monthOf, type BillingPeriod } from './period.ts';
import { pricesFor } from './prices.ts';

/** Accounts are billed in one currency; others come with accounts that choose one. */
const CURRENCY = 'USD';

/**
 * The invoice of the month that `now` lies in, as if it ended now. One consistent picture of usage, clusters and prices;
 * everything after reading is rating's. Throws `not-found` when there is no such tenant.
 */
export async function previewInvoice(database: Database, tenantId: string, now: Date): Promise<InvoicePreview> {
  const period = monthOf(now);
  const { prices, quantities } = await database.withTenant(
    tenantId,
    async (tx) => {
      if (!(await tx.tenant.findUnique({ where: { id: tenantId }, select: { id: true } }))) {
        throw new BillingError('not-found', 'there is no such tenant');
      }
      return { prices: await pricesFor(tx, period.from), quantities: await quantitiesOf(tx, tenantId, period) };
    },
    { isolation: 'RepeatableRead' },
  );
  const [from, to] = [period.from.toISOString(), period.to.toISOString()];
  const { lines, total } = rate({ prices, quantities, period: { from, to }, currency: CURRENCY });
  return {
    status: 'preview',
    periodFrom: from,
    periodTo: to,
    asOf: now.toISOString(),
    currency: CURRENCY,
    lines: [...lines],
    total,
  };
}

/** What the tenant used in a period, per plan and meter. Deleted clusters count: their rows stay for that. */
async function quantitiesOf(tx: TenantTx, tenantId: string, period: BillingPeriod): Promise<Quantity[]> {
  const clusters = await tx.cluster.findMany({ where: { tenantId }, select: { id: true, plan: true } });
  const plans = new Map(clusters.map((cluster) => [cluster.id, Plan.parse(cluster.plan)]));
  const sums = await tx.usageHourly.groupBy({
    by: ['clusterId', 'meter'],
    where: { tenantId, hour: { gte: period.from, lt: period.to } },
    _sum: { quantity: true },
  });
  return sums.map(({ clusterId, meter, _sum }) => {
    const plan = plans.get(clusterId);
    if (!plan) throw new BillingError('usage-unplaced', `usage of cluster ${clusterId} belongs to no plan`);
    // Decimal.toFixed is exact, unlike Number's: it writes all digits and no exponent.
    return { plan, meter: Meter.parse(meter), quantity: _sum.quantity?.toFixed(0) ?? '0' };
  });
}
