import { METERS, type Costs, type InvoiceLine, type Meter, type Plan } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import { allocate, BILLING_UNITS, rational, readableDecimal, type Quantity } from '@robustmq/rating';
import type { z } from 'zod';
import { accountOf, timeOf } from './account.ts';
import { invoiceInputs, statementOf } from './inputs.ts';
import { monthBefore, monthOf, plusDays, type BillingPeriod } from './period.ts';
import { clustersOf, quantitiesOf, usageOf, type PlannedCluster, type PlannedUsage } from './usage.ts';

/** Days whose usage the forecast goes on with. */
const FORECAST_DAYS = 7;
/** Reasons shown at most. */
const REASONS_MAX = 10;

/** A part of the bill that one cluster caused on one protocol with one meter. */
export interface CostShare {
  readonly clusterId: string;
  readonly protocol: PlannedUsage['protocol'];
  readonly plan: Plan;
  readonly meter: Meter;
  readonly amountMinor: bigint;
}

/** Plan and meter of a usage line, from its identity. */
const keyOf = (line: InvoiceLine): string => line.identity.split('/').slice(1, 3).join(' ');

/**
 * Shares every usage line out to what was used, by quantity and largest remainder: the parts add up to the line to the
 * last minor unit, and the free allowance helps everybody in proportion.
 */
export function shareOut(lines: readonly InvoiceLine[], usage: readonly PlannedUsage[]): CostShare[] {
  const amounts = new Map<string, bigint>();
  for (const line of lines.filter((one) => one.kind === 'usage'))
    amounts.set(keyOf(line), (amounts.get(keyOf(line)) ?? 0n) + BigInt(line.amount.amount));
  return [...Map.groupBy(usage, ({ plan, meter }) => `${plan} ${meter}`)].flatMap(([key, own]) => {
    const parts = allocate(
      amounts.get(key) ?? 0n,
      own.map(({ quantity }) => BigInt(quantity)),
    );
    return own.map(({ clusterId, protocol, plan, meter }, index) => ({
      ...{ clusterId, protocol, plan, meter },
      amountMinor: parts[index]!,
    }));
  });
}

export interface MonthCost {
  readonly usage: readonly PlannedUsage[];
  readonly lines: readonly InvoiceLine[];
  readonly shares: readonly CostShare[];
}

/** What a period cost before credits and taxes, and who caused it. */
export async function costOf(tx: TenantTx, tenantId: string, period: BillingPeriod, now: Date): Promise<MonthCost> {
  const account = await accountOf(tx, tenantId);
  const inputs = await invoiceInputs(tx, { account, period, now, isFinal: false });
  const { lines } = statementOf({ ...inputs, credits: [], taxes: [], corrected: [] });
  const usage = await usageOf(tx, tenantId, period, await clustersOf(tx, tenantId));
  return { usage, lines, shares: shareOut(lines, usage) };
}

const sum = (lines: readonly { readonly amount: { readonly amount: string } }[]): bigint =>
  lines.reduce((all, line) => all + BigInt(line.amount.amount), 0n);
const total = (shares: readonly CostShare[]): bigint => shares.reduce((all, one) => all + one.amountMinor, 0n);

/** Usage of the whole month if it goes on as in the last days; exact integers. */
function forecastQuantities(soFar: readonly Quantity[], recent: readonly Quantity[], now: Date, to: Date): Quantity[] {
  const left = BigInt(Math.max(0, to.getTime() - now.getTime()));
  const span = BigInt(FORECAST_DAYS * 86_400_000);
  const more = recent.map((one) => ({ ...one, quantity: ((BigInt(one.quantity) * left) / span).toString() }));
  return [...soFar, ...more];
}

/** This month's cost so far and how it comes about. */
export function costs(database: Database, tenantId: string, realNow: Date): Promise<z.input<typeof Costs>> {
  return database.withTenant(
    tenantId,
    async (tx) => {
      const account = await accountOf(tx, tenantId);
      const now = timeOf(account, realNow);
      const period = monthOf(now);
      const clusters = await clustersOf(tx, tenantId);
      const current = await costOf(tx, tenantId, period, now);
      const previous = await costOf(tx, tenantId, monthBefore(now), now);
      const recent = await usageOf(tx, tenantId, { from: plusDays(now, -FORECAST_DAYS), to: now }, clusters);
      const inputs = await invoiceInputs(tx, { account, period, now, isFinal: true });
      const quantities = forecastQuantities(inputs.quantities, quantitiesOf(recent), now, period.to);
      const ahead = statementOf({ ...inputs, quantities, credits: [], taxes: [], corrected: [] }).lines;
      const money = (amount: bigint) => ({ amount: amount.toString(), currency: account.currency });
      return {
        ...{ periodFrom: period.from.toISOString(), periodTo: period.to.toISOString(), asOf: now.toISOString() },
        ...{ total: money(sum(current.lines)), forecast: money(sum(ahead)), previousTotal: money(sum(previous.lines)) },
        byCluster: byCluster(clusters, current.shares).map(({ amount, ...rest }) => ({
          ...rest,
          amount: money(amount),
        })),
        byProtocol: grouped(current.shares, (one) => one.protocol).map(([protocol, amount]) => ({
          ...{ protocol, amount: money(amount) },
        })),
        byMeter: byMeter(current.lines).map(([meter, amount]) => ({ meter, amount: money(amount) })),
        reasons: reasons(previous, ahead, quantities).map(({ meter, from, to, text }) => ({
          ...{ meter, from: money(from), to: money(to), text },
        })),
      } as z.input<typeof Costs>;
    },
    { isolation: 'RepeatableRead' },
  );
}

function grouped<K>(shares: readonly CostShare[], key: (share: CostShare) => K): [K, bigint][] {
  return [...Map.groupBy(shares, key)].map(([name, own]): [K, bigint] => [name, total(own)]);
}

const byCluster = (clusters: readonly PlannedCluster[], shares: readonly CostShare[]) =>
  grouped(shares, (one) => one.clusterId)
    .map(([clusterId, amount]) => {
      const cluster = clusters.find(({ id }) => id === clusterId)!;
      return { clusterId, name: cluster.name, plan: cluster.plans.at(-1)!.plan, amount };
    })
    .sort((a, b) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0));

const byMeter = (lines: readonly InvoiceLine[]): [Meter | null, bigint][] =>
  [...Map.groupBy(lines, (line) => line.meter)].map(([meter, own]) => [meter, sum(own)]);

const quantityText = (meter: Meter, quantities: readonly Quantity[]): string => {
  const counted = quantities.filter((one) => one.meter === meter).reduce((all, one) => all + BigInt(one.quantity), 0n);
  return `${readableDecimal(rational(counted, BILLING_UNITS[meter].size))} ${BILLING_UNITS[meter].unit}`;
};

/** Per meter: what the month before cost, what this one is going to, and by how much usage that is. */
function reasons(previous: MonthCost, ahead: readonly InvoiceLine[], quantities: readonly Quantity[]) {
  const meters: (Meter | null)[] = [...(Object.keys(METERS) as Meter[]).filter((meter) => METERS[meter].billed), null];
  return meters
    .map((meter) => {
      const from = sum(previous.lines.filter((line) => line.meter === meter));
      const to = sum(ahead.filter((line) => line.meter === meter));
      const text =
        meter === null
          ? 'Fees and discounts'
          : `${BILLING_UNITS[meter].title}: ${quantityText(meter, previous.usage)} last month, ${quantityText(meter, quantities)} expected`;
      return { meter, from, to, text };
    })
    .filter(({ from, to }) => from !== to)
    .sort((a, b) => Number(distance(b) - distance(a)))
    .slice(0, REASONS_MAX);
}

const distance = ({ from, to }: { from: bigint; to: bigint }): bigint => (to > from ? to - from : from - to);
