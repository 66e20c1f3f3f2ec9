import { METERS, Meter, Plan, type Price, type PriceList } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import { BILLING_UNITS, checkPrice, PRICE_LIST, type PriceTier, type PriceVersion } from '@robustmq/rating';
import { z } from 'zod';
import { BillingError } from './billing-error.ts';
import { monthOf } from './period.ts';

/** The scope prices are written in: they belong to no tenant, so it names one that can have no rows. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000';

const Tiers = z.array(z.object({ upTo: z.string().nullable(), unitPrice: z.string() }));
type PriceRow = Awaited<ReturnType<TenantTx['priceVersion']['findMany']>>[number];

/** A price version as a row of `price_versions`. */
export function priceRow(price: PriceVersion) {
  const { plan, meter, model, included, currency } = price;
  const validTo = price.validTo === null ? null : new Date(price.validTo);
  const common = { plan, meter, model, included, currency, validFrom: new Date(price.validFrom), validTo };
  if ('tiers' in price) return { ...common, unitPrice: '0', tiers: price.tiers.map((tier) => ({ ...tier })) };
  return {
    ...common,
    unitPrice: price.unitPrice,
    ...(price.model === 'package' ? { blockSize: price.blockSize } : {}),
  };
}

/**
 * Writes the public price list into `price_versions`. Idempotent and append only: a version that is there stays as it
 * is, also when the list in the code has another price for it, because invoices refer to it.
 */
export async function seedPrices(database: Database, list: readonly PriceVersion[] = PRICE_LIST): Promise<void> {
  const data = list.map(priceRow);
  await database.withTenant(NO_TENANT, (tx) => tx.priceVersion.createMany({ data, skipDuplicates: true }));
}

/** A stored price as rating wants it. Throws `price-unusable`. */
export function priceOf(row: PriceRow): PriceVersion {
  const [plan, meter] = [Plan.safeParse(row.plan), Meter.safeParse(row.meter)];
  const tiers = Tiers.safeParse(row.tiers);
  const common = {
    ...{ plan: plan.data!, meter: meter.data!, included: row.included, currency: row.currency },
    ...{ validFrom: row.validFrom.toISOString(), validTo: row.validTo?.toISOString() ?? null },
  };
  const readable = plan.success && meter.success;
  if (readable && row.model === 'per_unit') return { ...common, model: 'per_unit', unitPrice: row.unitPrice };
  if (readable && row.model === 'package' && row.blockSize !== null)
    return { ...common, model: 'package', unitPrice: row.unitPrice, blockSize: row.blockSize };
  if (readable && tiers.success && (row.model === 'graduated' || row.model === 'volume' || row.model === 'flat'))
    return { ...common, model: row.model, tiers: tiers.data };
  throw new BillingError('price-unusable', `price version ${row.id} is not one that can be rated`);
}

/** All price versions in force when a period began. Throws `price-unusable` for a row that rating cannot read. */
export async function pricesFor(tx: TenantTx, from: Date): Promise<PriceVersion[]> {
  const rows = await tx.priceVersion.findMany({
    where: { validFrom: { lte: from }, OR: [{ validTo: null }, { validTo: { gt: from } }] },
    orderBy: [{ plan: 'asc' }, { meter: 'asc' }, { validFrom: 'asc' }],
  });
  return rows.map(priceOf);
}

/** Price versions in force, and those to come. Throws `price-unusable` for a row that rating cannot read. */
export async function pricesFrom(tx: TenantTx, now: Date): Promise<PriceVersion[]> {
  const rows = await tx.priceVersion.findMany({
    where: { OR: [{ validTo: null }, { validTo: { gt: now } }] },
    orderBy: [{ plan: 'asc' }, { meter: 'asc' }, { validFrom: 'asc' }],
  });
  return rows.map(priceOf);
}

/** The price people are shown first: of one unit, of the first tier, or of one block. */
const firstPrice = (price: PriceVersion): string => ('tiers' in price ? price.tiers[0]!.unitPrice : price.unitPrice);

/** The price list that holds for the month `now` lies in, billed meters only, in the order of an invoice. */
export async function currentPrices(database: Database, now: Date): Promise<PriceList> {
  const prices = await database.withTenant(NO_TENANT, (tx) => pricesFor(tx, monthOf(now).from));
  const meters = Object.keys(METERS) as Meter[];
  const plans: readonly Plan[] = Plan.options;
  const items = prices
    .filter((price) => METERS[price.meter].billed)
    .sort((a, b) => plans.indexOf(a.plan) - plans.indexOf(b.plan) || meters.indexOf(a.meter) - meters.indexOf(b.meter))
    .map((price): Price => {
      const { plan, meter, included, currency, validFrom, model } = price;
      const { title, unit } = BILLING_UNITS[meter];
      const more = {
        ...('tiers' in price ? { tiers: price.tiers.map((tier: PriceTier) => ({ ...tier })) } : {}),
        ...(price.model === 'package' ? { blockSize: price.blockSize } : {}),
      };
      return { plan, meter, title, unit, included, unitPrice: firstPrice(price), currency, validFrom, model, ...more };
    });
  return { asOf: now.toISOString(), items };
}

/**
 * Publishes a price: ends the version in force at its begin and appends the new one, in one transaction. Prices change at
 * the begin of a month that is still to come. Throws `validation-failed`, `conflict`, and RatingError for a price that
 * cannot be rated.
 */
export async function publishPrice(database: Database, price: PriceVersion, now: Date): Promise<void> {
  checkPrice(price);
  const from = new Date(price.validFrom);
  if (from <= now || monthOf(from).from.getTime() !== from.getTime())
    throw new BillingError('validation-failed', 'a price begins at 00:00 UTC on the first day of a month to come');
  await database.withTenant(NO_TENANT, async (tx) => {
    const { plan, meter, currency } = price;
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`price:${plan}:${meter}:${currency}`}, 0))`;
    const later = await tx.priceVersion.count({ where: { plan, meter, currency, validFrom: { gte: from } } });
    if (later > 0) throw new BillingError('conflict', 'a price with the same or a later begin is published already');
    // ended by statement: the one right the application has on this table, and Prisma would update more columns
    await tx.$executeRaw`UPDATE price_versions SET valid_to = ${from} WHERE plan = ${plan} AND meter = ${meter}
      AND currency = ${currency} AND valid_to IS NULL`;
    await tx.priceVersion.create({ data: priceRow({ ...price, validTo: null }) });
  });
}
