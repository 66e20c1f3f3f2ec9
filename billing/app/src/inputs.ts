import { InvoiceLine, type InvoiceInputs } from '@robustmq/contracts';
import type { TenantTx } from '@robustmq/db';
import { correctionsOf, statementOf, type PriceVersion } from '@robustmq/rating';

export { statementOf };
import { phasesOf, taxesOf, type AccountRow } from './account.ts';
import { discountsAt, spendable } from './credits.ts';
import { monthOf, type BillingPeriod } from './period.ts';
import { pricesFor } from './prices.ts';
import { clustersOf, quantitiesOf, usageOf, type PlannedCluster } from './usage.ts';

/** Earlier invoices that late usage may still correct, in months: windows are taken for 35 days. */
const CORRECTED_MONTHS_MAX = 3;

export interface InputOptions {
  readonly account: AccountRow;
  readonly period: BillingPeriod;
  /** The account's time. */
  readonly now: Date;
  /** True for the bill of an ended period. */
  readonly isFinal: boolean;
  /** The draft that is being made: what is on it already was not billed. */
  readonly invoiceId?: string;
}

const isoOf = (period: BillingPeriod) => ({ from: period.from.toISOString(), to: period.to.toISOString() });
type LineRow = Awaited<ReturnType<TenantTx['invoiceLine']['findMany']>>[number];

/** A stored line in the contract's shape. */
export const lineOf = (row: LineRow, currency: string): InvoiceLine =>
  InvoiceLine.parse({
    ...{ identity: row.identity, kind: row.kind, meter: row.meter, description: row.description },
    ...{ quantity: row.quantity, unit: row.unit, unitPrice: row.unitPrice },
    amount: { amount: row.amountMinor.toFixed(0), currency },
    ...{ serviceFrom: row.serviceFrom.toISOString(), serviceTo: row.serviceTo.toISOString() },
    ...(row.corrects === null ? {} : { corrects: row.corrects }),
  });

/** Everything a bill follows from, read in one picture (call it in a repeatable-read or locked transaction). */
export async function invoiceInputs(tx: TenantTx, options: InputOptions): Promise<InvoiceInputs> {
  const { account, period, now, isFinal } = options;
  const { tenantId, currency } = account;
  const [clock] = await tx.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
  const clusters = await clustersOf(tx, tenantId);
  const usage = await usageOf(tx, tenantId, period, clusters);
  return {
    ...{ period: isoOf(period), currency, prices: asStored(await pricesFor(tx, period.from)) },
    ...{
      quantities: quantitiesOf(usage),
      phases: await phasesOf(tx, tenantId),
      commitment: account.commitment,
      isFinal,
    },
    ...{
      discounts: await discountsAt(tx, tenantId, period.from, period.to),
      credits: await spendable(tx, account, now),
    },
    ...{ creditsAt: now.toISOString(), taxes: taxesOf(account) },
    corrected: await corrected(tx, options, clusters),
    clusters: clusters.map(({ id, name, plans }) => ({ id, name, plans: [...plans] })) as InvoiceInputs['clusters'],
    countedUntil: clock!.now.toISOString(),
  };
}

const asStored = (prices: readonly PriceVersion[]): InvoiceInputs['prices'] =>
  prices.map((price) =>
    'tiers' in price ? { ...price, tiers: price.tiers.map((tier) => ({ ...tier })) } : { ...price },
  );

/** Issued periods of the last months whose usage is not what was billed. */
async function corrected(tx: TenantTx, options: InputOptions, clusters: readonly PlannedCluster[]) {
  const { account, period } = options;
  const { tenantId, currency } = account;
  const since = new Date(Date.UTC(period.from.getUTCFullYear(), period.from.getUTCMonth() - CORRECTED_MONTHS_MAX, 1));
  const issued = await tx.invoice.findMany({
    where: {
      ...{ tenantId, currency, kind: 'invoice', status: { notIn: ['draft', 'held', 'void'] } },
      periodFrom: { gte: since, lt: period.from },
    },
    orderBy: { periodFrom: 'asc' },
  });
  const result: InvoiceInputs['corrected'] = [];
  for (const invoice of issued) {
    const earlier = monthOf(invoice.periodFrom);
    const billed = await billedFor(tx, options, earlier, invoice.id);
    const prices = await pricesFor(tx, earlier.from);
    const quantities = quantitiesOf(await usageOf(tx, tenantId, earlier, clusters));
    const one = { period: isoOf(earlier), prices: asStored(prices), quantities, billed };
    if (correctionsOf(one, currency).length > 0) result.push(one);
  }
  return result;
}

/** Usage lines of a period, and the adjustments of them on any other issued invoice. */
async function billedFor(tx: TenantTx, options: InputOptions, period: BillingPeriod, invoiceId: string) {
  const { tenantId, currency } = options.account;
  const rows = await tx.invoiceLine.findMany({
    where: {
      tenantId,
      OR: [
        { invoiceId, kind: 'usage' },
        {
          ...{ kind: 'adjustment', serviceFrom: period.from },
          invoice: { status: { notIn: ['draft', 'held', 'void'] } },
        },
      ],
    },
    orderBy: [{ identity: 'asc' }],
  });
  return rows.map((row) => lineOf(row, currency));
}
