import { BudgetAction, type Budget } from '@robustmq/contracts';
import { appendAudit, WorkQueue, type Database, type TenantTx } from '@robustmq/db';
import { z } from 'zod';
import { amountText } from './amount-text.ts';
import { accountOf, lockedAccount, timeOf } from './account.ts';
import { BillingError } from './billing-error.ts';
import { costOf, type MonthCost } from './costs.ts';
import { uuidOf } from './ledger.ts';
import { notify } from './notices.ts';
import { monthOf } from './period.ts';

type BudgetRow = NonNullable<Awaited<ReturnType<TenantTx['budget']['findUnique']>>>;
const Thresholds = z.array(z.object({ percent: z.number().int(), action: BudgetAction }));
const Sacrifice = z.array(z.string());
/** Budgets of one tenant at most. */
export const BUDGETS_MAX = 50;

const minorOf = (value: { toFixed(digits: number): string }): bigint => BigInt(value.toFixed(0));

function spentOf(budget: BudgetRow, cost: MonthCost): bigint {
  if (budget.clusterId === null) return cost.lines.reduce((sum, line) => sum + BigInt(line.amount.amount), 0n);
  return cost.shares
    .filter((share) => share.clusterId === budget.clusterId)
    .reduce((sum, share) => sum + share.amountMinor, 0n);
}

const isReached = (budget: BudgetRow, spent: bigint, percent: number): boolean =>
  spent * 100n >= minorOf(budget.amountMinor) * BigInt(percent);

/**
 * Fires thresholds that were crossed and throttles what is to be throttled. A threshold fires once per month and again
 * after the budget was changed; the primary key of `budget_alerts` sees to it. What no budget throttles any more (raised,
 * removed, a new month) runs free again.
 */
export async function watchBudgets(database: Database, tenantId: string, realNow: Date): Promise<void> {
  await database.withTenant(tenantId, async (tx) => {
    const budgets = await tx.budget.findMany({ where: { tenantId }, orderBy: { id: 'asc' } });
    const throttled = await tx.cluster.count({ where: { tenantId, throttledAt: { not: null } } });
    if (budgets.length === 0 && throttled === 0) return;
    const account = await lockedAccount(tx, tenantId);
    const now = timeOf(account, realNow);
    const period = monthOf(now);
    const cost = await costOf(tx, tenantId, period, now);
    const wanted: (string | null)[] = [];
    for (const budget of budgets) {
      const spent = spentOf(budget, cost);
      wanted.push(...sacrificed(budget, spent));
      for (const { percent, action } of Thresholds.parse(budget.thresholds)) {
        if (!isReached(budget, spent, percent)) continue;
        await fire(tx, budget, { percent, action, spent, periodFrom: period.from, now });
      }
    }
    await throttle(tx, tenantId, wanted, now);
  });
}

/**
 * The clusters a budget slows down now, in the tenant's order of sacrifice: with every throttling threshold that is
 * reached one more of the list, and all of it with the last. Without a list it is the budget's cluster, or all (null).
 */
function sacrificed(budget: BudgetRow, spent: bigint): (string | null)[] {
  const steps = Thresholds.parse(budget.thresholds).filter(({ action }) => action === 'throttle');
  const reached = steps.filter(({ percent }) => isReached(budget, spent, percent)).length;
  if (reached === 0) return [];
  const order = Sacrifice.parse(budget.sacrifice);
  if (order.length === 0) return [budget.clusterId];
  return reached === steps.length ? order : order.slice(0, reached);
}

async function fire(
  tx: TenantTx,
  budget: BudgetRow,
  alert: { percent: number; action: string; spent: bigint; periodFrom: Date; now: Date },
): Promise<void> {
  const { tenantId, id: budgetId, revision } = budget;
  const { percent, action, periodFrom } = alert;
  const spentMinor = alert.spent.toString();
  const made = await tx.budgetAlert.createMany({
    data: [{ tenantId, budgetId, periodFrom, percent, action, revision, spentMinor, firedAt: alert.now }],
    skipDuplicates: true,
  });
  if (made.count === 0) return;
  await appendAudit(tx, tenantId, {
    ...{
      actor: { type: 'system', id: 'billing', ip: null },
      action: 'budget.alert',
      result: 'ok',
      requestId: budgetId,
    },
    target: { type: 'budget', id: budgetId },
    detail: { name: budget.name, percent, action, spentMinor, amountMinor: budget.amountMinor.toFixed(0) },
  });
  const sums = [alert.spent, minorOf(budget.amountMinor)].map(
    (one) => `${amountText(one.toString(), budget.currency)} ${budget.currency}`,
  );
  const slowed = action === 'throttle' ? ' Data is slowed down until the budget is raised or the month is over.' : '';
  await notify(tx, tenantId, {
    ...{ key: `budget:${budgetId}:${periodFrom.toISOString()}:${percent}:${revision}`, kind: 'budget', at: alert.now },
    subject: `Budget "${budget.name}": ${percent} % is spent`,
    text: `${sums[0]} of ${sums[1]} are spent this month, before credits and taxes.${slowed}\n`,
  });
}

/** Desired state of the tenant's clusters: those in `wanted` (null = all) are slowed down, the others are not. */
async function throttle(tx: TenantTx, tenantId: string, wanted: readonly (string | null)[], now: Date): Promise<void> {
  const all = wanted.includes(null);
  const ids = wanted.filter((id) => id !== null);
  const changed = await tx.$queryRaw<{ id: string }[]>`
    UPDATE clusters SET throttled_at = CASE WHEN ${all} OR id = ANY(${ids}::uuid[]) THEN ${now}::timestamptz END,
      generation = generation + 1, updated_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND deletion_requested_at IS NULL AND phase <> 'Deleted'
      AND (throttled_at IS NOT NULL) <> (${all} OR id = ANY(${ids}::uuid[]))
    RETURNING id::text AS id`;
  for (const { id } of changed) await WorkQueue.promise(tx, 'reconcile-cluster', id, tenantId);
}

function viewOf(
  row: BudgetRow,
  alerts: { percent: number; action: string; spentMinor: { toFixed(n: number): string }; firedAt: Date }[],
  cost: MonthCost,
): Budget {
  const { currency } = row;
  return {
    ...{ id: row.id, name: row.name, clusterId: row.clusterId as Budget['clusterId'] },
    amount: { amount: row.amountMinor.toFixed(0), currency },
    thresholds: Thresholds.parse(row.thresholds),
    sacrifice: Sacrifice.parse(row.sacrifice) as Budget['sacrifice'],
    spent: { amount: spentOf(row, cost).toString(), currency },
    alerts: alerts.map((alert) => ({
      ...{ percent: alert.percent, action: BudgetAction.parse(alert.action), firedAt: alert.firedAt.toISOString() },
      spent: { amount: alert.spentMinor.toFixed(0), currency },
    })),
  };
}

async function readBudgets(tx: TenantTx, tenantId: string, realNow: Date, id?: string): Promise<Budget[]> {
  const account = await accountOf(tx, tenantId);
  const now = timeOf(account, realNow);
  const period = monthOf(now);
  const rows = await tx.budget.findMany({
    where: { tenantId, ...(id === undefined ? {} : { id }) },
    include: { alerts: { where: { periodFrom: period.from }, orderBy: { firedAt: 'asc' } } },
    orderBy: { id: 'asc' },
  });
  const cost = rows.length === 0 ? { usage: [], lines: [], shares: [] } : await costOf(tx, tenantId, period, now);
  return rows.map((row) => viewOf(row, row.alerts, cost));
}

export const listBudgets = (database: Database, tenantId: string, now: Date): Promise<Budget[]> =>
  database.withTenant(tenantId, (tx) => readBudgets(tx, tenantId, now));

export interface BudgetFields {
  readonly name: string;
  readonly clusterId: string | null;
  readonly amountMinor: string;
  readonly thresholds: readonly { readonly percent: number; readonly action: 'notify' | 'throttle' }[];
  /** Ids of clusters, the first to be slowed down first. */
  readonly sacrifice?: readonly string[];
}

async function refuseStranger(tx: TenantTx, tenantId: string, clusterId: string | null | undefined): Promise<void> {
  if (clusterId === null || clusterId === undefined) return;
  if ((await tx.cluster.count({ where: { tenantId, id: clusterId } })) === 0)
    throw new BillingError('not-found', 'there is no such cluster');
}

async function refuseStrangers(tx: TenantTx, tenantId: string, ids: readonly string[] = []): Promise<void> {
  for (const id of ids) await refuseStranger(tx, tenantId, id);
}

/** Makes a budget; the same `key` makes one. */
export async function createBudget(
  database: Database,
  tenantId: string,
  key: string,
  fields: BudgetFields,
  now: Date,
): Promise<Budget> {
  const id = uuidOf(`${tenantId} budget ${key}`);
  await database.withTenant(tenantId, async (tx) => {
    const { currency } = await lockedAccount(tx, tenantId);
    await refuseStranger(tx, tenantId, fields.clusterId);
    if ((await tx.budget.count({ where: { tenantId } })) >= BUDGETS_MAX)
      throw new BillingError('conflict', `a tenant has at most ${BUDGETS_MAX} budgets`);
    await refuseStrangers(tx, tenantId, fields.sacrifice);
    const { name, clusterId, amountMinor } = fields;
    const sacrifice = [...(fields.sacrifice ?? [])];
    const thresholds = fields.thresholds.map((one) => ({ ...one }));
    await tx.budget.createMany({
      data: [{ id, tenantId, name, clusterId, amountMinor, currency, thresholds, sacrifice }],
      skipDuplicates: true,
    });
  });
  await watchBudgets(database, tenantId, now);
  return (await database.withTenant(tenantId, (tx) => readBudgets(tx, tenantId, now, id)))[0]!;
}

/** Changes a budget. Another amount or other thresholds may fire again. Throws `not-found`. */
export async function updateBudget(
  database: Database,
  tenantId: string,
  id: string,
  change: Partial<BudgetFields>,
  now: Date,
): Promise<Budget> {
  await database.withTenant(tenantId, async (tx) => {
    await lockedAccount(tx, tenantId);
    await refuseStranger(tx, tenantId, change.clusterId);
    await refuseStrangers(tx, tenantId, change.sacrifice);
    const { thresholds, sacrifice, ...rest } = change;
    const changed = await tx.budget.updateMany({
      where: { tenantId, id },
      data: {
        ...rest,
        ...(thresholds === undefined ? {} : { thresholds: thresholds.map((one) => ({ ...one })) }),
        ...(sacrifice === undefined ? {} : { sacrifice: [...sacrifice] }),
        ...(thresholds === undefined && change.amountMinor === undefined ? {} : { revision: { increment: 1 } }),
      },
    });
    if (changed.count === 0) throw new BillingError('not-found', 'there is no such budget');
  });
  await watchBudgets(database, tenantId, now);
  return (await database.withTenant(tenantId, (tx) => readBudgets(tx, tenantId, now, id)))[0]!;
}

export async function deleteBudget(database: Database, tenantId: string, id: string, now: Date): Promise<void> {
  await database.withTenant(tenantId, async (tx) => {
    const gone = await tx.budget.deleteMany({ where: { tenantId, id } });
    if (gone.count === 0) throw new BillingError('not-found', 'there is no such budget');
  });
  await watchBudgets(database, tenantId, now);
}
