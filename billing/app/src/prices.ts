import { METERS, Meter, Plan, type Price, type PriceList } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import { BILLING_UNITS, PRICE_LIST, type PriceVersion } from '@robustmq/rating';
import { BillingError } from './billing-error.ts';
import { monthOf } from './period.ts';

/** The scope prices are written in: they belong to no tenant, so it names one that can have no rows. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000';

/**
 * Writes the public price list into `price_versions`. Idempotent and append only: a version that is there stays as it
 * is, also when the list in the code has another price for it, because invoices refer to it.
 */
export async function seedPrices(database: Database, list: readonly PriceVersion[] = PRICE_LIST): Promise<void> {
  const data = list.map((price) => {
    if (price.model !== 'per_unit') {
      throw new BillingError('price-unusable', `prices of model ${price.model} cannot be stored yet`);
    }
    const { plan, meter, model, unitPrice, included, currency } = price;
    const validTo = price.validTo === null ? null : new Date(price.validTo);
    return { plan, meter, model, unitPrice, included, currency, validFrom: new Date(price.validFrom), validTo };
  });
  await database.withTenant(NO_TENANT, (tx) => tx.priceVersion.createMany({ data, skipDuplicates: true }));
}

/** All price versions in force at some time of a period. Throws `price-unusable` for a row that rating cannot read. */
export async function pricesFor(tx: TenantTx, from: Date): Promise<PriceVersion[]> {
  const rows = await tx.priceVersion.findMany({
    where: { validFrom: { lte: from }, OR: [{ validTo: null }, { validTo: { gt: from } }] },
    orderBy: [{ plan: 'asc' }, { meter: 'asc' }, { validFrom: 'asc' }],
  });
  return rows.map((row): PriceVersion => {
    const plan = Plan.safeParse(row.plan);
    const meter = Meter.safeParse(row.meter);
    if (!plan.success || !meter.success || row.model !== 'per_unit') {
      throw new BillingError('price-unusable', `price version ${row.id} is not one that can be rated`);
    }
    return {
      plan: plan.data,
      meter: meter.data,
      model: 'per_unit',
      unitPrice: row.unitPrice,
      included: row.included,
      currency: row.currency,
      validFrom: row.validFrom.toISOString(),
      validTo: row.validTo?.toISOString() ?? null,
    };
  });
}

/** The price list that holds for the month `now` lies in, billed meters only, in the order of an invoice. */
export async function currentPrices(database: Database, now: Date): Promise<PriceList> {
  const prices = await database.withTenant(NO_TENANT, (tx) => pricesFor(tx, monthOf(now).from));
  const meters = Object.keys(METERS) as Meter[];
  const plans: readonly Plan[] = Plan.options;
  const items = prices
    .filter((price) => METERS[price.meter].billed)
    .sort((a, b) => plans.indexOf(a.plan) - plans.indexOf(b.plan) || meters.indexOf(a.meter) - meters.indexOf(b.meter))
    .flatMap((price): Price[] => {
      if (price.model !== 'per_unit') return [];
      const { plan, meter, included, unitPrice, currency, validFrom } = price;
      const { title, unit } = BILLING_UNITS[meter];
      return [{ plan, meter, title, unit, included, unitPrice, currency, validFrom }];
    });
  return { asOf: now.toISOString(), items };
}
