import { Meter, Plan } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import { rate, type PriceVersion } from '@robustmq/rating';
import { z } from 'zod';
import { lockedAccount, timeOf } from './account.ts';
import { BillingError } from './billing-error.ts';
import type { BillingRun } from './billing-run.ts';
import { costOf } from './costs.ts';
import { createCoupon, grantCredit } from './credits.ts';
import { changeInvoice, creditNote, releaseInvoice, summaryOf, voidInvoice } from './invoices.ts';
import { monthBefore, monthOf, plusDays, type BillingPeriod } from './period.ts';
import { NO_TENANT, pricesFor, pricesFrom, publishPrice } from './prices.ts';
import { clustersOf, quantitiesOf, usageOf } from './usage.ts';

export interface OperatorRooms {
  readonly database: Database;
  readonly run: BillingRun;
  readonly now: () => Date;
}

const Tiers = z.array(z.object({ upTo: z.string().nullable(), unitPrice: z.string() })).min(1);
const PriceBody = z.intersection(
  z.object({
    ...{ plan: Plan, meter: Meter, currency: z.string().length(3).default('USD'), included: z.string().default('0') },
    validFrom: z.iso.datetime(),
  }),
  z.union([
    z.object({ model: z.literal('per_unit'), unitPrice: z.string() }),
    z.object({ model: z.literal('package'), unitPrice: z.string(), blockSize: z.string() }),
    z.object({ model: z.enum(['graduated', 'volume', 'flat']), tiers: Tiers }),
  ]),
);
const InvoiceBody = z.object({ tenantId: z.uuid(), invoiceId: z.uuid(), reason: z.string().max(500).optional() });
const TenantBody = z.object({ tenantId: z.uuid() });
const Amount = z.string().regex(/^[1-9][0-9]{0,17}$/);

const read = <T extends z.ZodType>(shape: T, value: unknown): z.output<T> => {
  const parsed = shape.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new BillingError('validation-failed', `${issue.path.join('.')}: ${issue.message}`);
};
const priceBody = (body: unknown): PriceVersion => {
  const price = read(PriceBody, body);
  return { ...price, validFrom: new Date(price.validFrom).toISOString(), validTo: null } as PriceVersion;
};

/** Every tenant's ids, then `work` in each one's scope: nothing is read across tenants. */
async function forEachTenant(
  database: Database,
  work: (tx: TenantTx, tenantId: string) => Promise<void>,
): Promise<void> {
  for (let after: string | undefined; ;) {
    const ids = await database.money.tenantIds(after, 500);
    for (const id of ids) await database.withTenant(id, (tx) => work(tx, id), { isolation: 'RepeatableRead' });
    after = ids.at(-1);
    if (after === undefined || ids.length < 500) return;
  }
}

/** What last month would have cost with a price, against what it did: asked before publishing. */
async function previewPrice({ database, now }: OperatorRooms, body: unknown) {
  const price = priceBody(body);
  const month = monthBefore(now());
  const period = { from: month.from.toISOString(), to: month.to.toISOString() };
  const proposed = { ...price, validFrom: period.from, validTo: null } as PriceVersion;
  const tenants: { tenantId: string; before: string; after: string }[] = [];
  await forEachTenant(database, async (tx, tenantId) => {
    const usage = quantitiesOf(await usageOf(tx, tenantId, month, await clustersOf(tx, tenantId)));
    const quantities = usage.filter((one) => one.plan === price.plan && one.meter === price.meter);
    if (quantities.length === 0) return;
    const { currency } = price;
    const prices = (await pricesFor(tx, month.from)).filter((one) => one.currency === currency);
    const before = rate({ prices, quantities, period, currency }).total.amount;
    const after = rate({ prices: [proposed], quantities, period, currency }).total.amount;
    tenants.push({ tenantId, before, after });
  });
  const sum = (name: 'before' | 'after') => tenants.reduce((all, one) => all + BigInt(one[name]), 0n).toString();
  return { period, currency: price.currency, before: sum('before'), after: sum('after'), tenants };
}

/** Agents' windows = hourly sums = lines = ledger = provider, tenant by tenant; what differs is drift and wants a person. */
async function reconciliation({ database, now }: OperatorRooms, month: BillingPeriod) {
  const drift: { tenantId: string; what: string; detail: string }[] = [];
  let [tenants, invoices] = [0, 0];
  await forEachTenant(database, async (tx, tenantId) => {
    tenants += 1;
    const sums = await tx.$queryRaw<{ meter: string; windows: string; hourly: string }[]>`
      WITH w AS (SELECT meter, sum(value) AS q FROM usage_windows
        WHERE window_start >= ${month.from} AND window_start < ${month.to} GROUP BY 1),
      h AS (SELECT meter, sum(quantity) AS q FROM usage_hourly WHERE hour >= ${month.from} AND hour < ${month.to} GROUP BY 1)
      SELECT meter, coalesce(w.q, 0)::text AS windows, coalesce(h.q, 0)::text AS hourly FROM w FULL JOIN h USING (meter)
      WHERE w.q IS DISTINCT FROM h.q`;
    for (const one of sums)
      drift.push({
        tenantId,
        what: 'windows-hourly',
        detail: `${one.meter}: ${one.windows} in windows, ${one.hourly} in hours`,
      });
    const rows = await tx.invoice.findMany({
      where: { tenantId, periodFrom: month.from, status: { notIn: ['draft', 'held'] }, kind: 'invoice' },
      include: { lines: true },
    });
    invoices += rows.length;
    for (const row of rows) {
      const lines = row.lines.reduce((all, line) => all + BigInt(line.amountMinor.toFixed(0)), 0n);
      const total = BigInt(row.totalMinor.toFixed(0));
      if (lines !== total)
        drift.push({ tenantId, what: 'lines-invoice', detail: `${row.number}: ${lines} in lines, ${total} in all` });
      const booked = await tx.ledgerEntry.findMany({ where: { tenantId, idempotencyKey: `issue:${row.id}` } });
      const receivable = booked.find((entry) => entry.account === 'receivable')?.amountMinor.toFixed(0) ?? '0';
      if (BigInt(receivable) !== total)
        drift.push({ tenantId, what: 'invoice-ledger', detail: `${row.number}: ${receivable} booked` });
      if (row.gatewayStatus === 'failed' || (row.gatewayStatus === 'pending' && row.issuedAt! < plusDays(now(), -1)))
        drift.push({ tenantId, what: 'invoice-gateway', detail: `${row.number}: ${row.gatewayError ?? 'not sent'}` });
    }
  });
  const gaps = await database.metering.gaps();
  return {
    month: month.from.toISOString(),
    ...{
      tenants,
      invoices,
      drift,
      gaps: gaps.map((gap) => ({ ...gap, missing: `${gap.missing}`, breaks: `${gap.breaks}` })),
    },
  };
}

/**
 * What each cluster brought in, what its usage costs us at the given unit costs (whole currency units per billing unit,
 * exact decimals), and what is left.
 */
async function revenue(
  { database, now }: OperatorRooms,
  month: BillingPeriod,
  unitCosts: Partial<Record<Meter, string>>,
) {
  const clusters: {
    tenantId: string;
    clusterId: string;
    revenueMinor: string;
    costMinor: string;
    marginMinor: string;
  }[] = [];
  const period = { from: month.from.toISOString(), to: month.to.toISOString() };
  await forEachTenant(database, async (tx, tenantId) => {
    const { shares, usage } = await costOf(tx, tenantId, month, now());
    for (const [clusterId, own] of Map.groupBy(usage, (one) => one.clusterId)) {
      const earned = shares
        .filter((one) => one.clusterId === clusterId)
        .reduce((all, one) => all + one.amountMinor, 0n);
      const priced = own.filter((one) => unitCosts[one.meter] !== undefined);
      const prices = priced.map(({ plan, meter }): PriceVersion => ({
        ...{ plan, meter, currency: 'USD', included: '0', validFrom: period.from, validTo: null },
        ...{ model: 'per_unit', unitPrice: unitCosts[meter]! },
      }));
      const distinct = [...new Map(prices.map((one) => [`${one.plan} ${one.meter}`, one])).values()];
      const cost = BigInt(rate({ prices: distinct, quantities: priced, period, currency: 'USD' }).total.amount);
      const row = {
        tenantId,
        clusterId,
        revenueMinor: `${earned}`,
        costMinor: `${cost}`,
        marginMinor: `${earned - cost}`,
      };
      clusters.push(row);
    }
  });
  return { month: period.from, currency: 'USD', clusters };
}

const monthFrom = (text: unknown, now: Date): BillingPeriod => {
  const month = typeof text === 'string' && /^\d{4}-\d{2}$/.test(text) ? new Date(`${text}-01T00:00:00Z`) : undefined;
  return month === undefined ? monthBefore(now) : monthOf(month);
};

/** The operator's reports, by name. */
export const REPORTS = {
  reconciliation: (rooms: OperatorRooms, query: Record<string, unknown>) =>
    reconciliation(rooms, monthFrom(query['month'], rooms.now())),
  revenue: (rooms: OperatorRooms, query: Record<string, unknown>) => {
    const meters = Object.entries(query).filter(([name]) => name in Meter.enum) as [Meter, string][];
    return revenue(rooms, monthFrom(query['month'], rooms.now()), Object.fromEntries(meters));
  },
  prices: ({ database, now }: OperatorRooms) => database.withTenant(NO_TENANT, (tx) => pricesFrom(tx, now())),
  held: async ({ database }: OperatorRooms) => {
    const items: object[] = [];
    await forEachTenant(database, async (tx, tenantId) => {
      const rows = await tx.invoice.findMany({
        where: { tenantId, OR: [{ status: 'held' }, { gatewayStatus: 'failed' }] },
      });
      items.push(...rows.map((row) => ({ tenantId, gatewayError: row.gatewayError, ...summaryOf(row) })));
    });
    return { items };
  },
} as const;

const actor = 'operator';
const inOne = (database: Database, tenantId: string, work: (tx: TenantTx, at: Date) => Promise<unknown>, now: Date) =>
  database.withTenant(tenantId, async (tx) => {
    const account = await lockedAccount(tx, tenantId);
    await work(tx, timeOf(account, now));
  });

/** The operator's changes, by name. Each is audited where it touches a tenant's invoice. */
export const ACTIONS = {
  'publish-price': ({ database, now }: OperatorRooms, body: unknown) => publishPrice(database, priceBody(body), now()),
  'preview-price': previewPrice,
  'create-coupon': ({ database }: OperatorRooms, body: unknown) =>
    createCoupon(
      database,
      read(
        z.object({
          ...{
            code: z.string().trim().min(1).max(60),
            title: z.string().min(1).max(120),
            percent: z.string().optional(),
          },
          ...{ amountMinor: Amount.optional(), months: z.int().min(1).max(120).optional() },
          ...{ redemptionsMax: z.int().min(1).optional(), redeemBy: z.iso.datetime().optional() },
        }),
        body,
      ),
    ),
  'grant-credit': async ({ database, now }: OperatorRooms, body: unknown) => {
    const grant = read(
      TenantBody.extend({
        ...{ key: z.string().min(1).max(100), title: z.string().min(1).max(120), amountMinor: Amount },
        kind: z.enum(['promotion', 'trial', 'prepaid']).default('promotion'),
        expiresAt: z.iso.datetime().nullable().default(null),
      }),
      body,
    );
    await database.withTenant(grant.tenantId, async (tx) => {
      const account = await lockedAccount(tx, grant.tenantId);
      const { key, title, kind } = grant;
      const expiresAt = grant.expiresAt === null ? null : new Date(grant.expiresAt);
      const amountMinor = BigInt(grant.amountMinor);
      await grantCredit(tx, account, { key, title, kind, amountMinor, expiresAt }, timeOf(account, now()));
    });
  },
  'set-account': async ({ database, now }: OperatorRooms, body: unknown) => {
    const { tenantId, ...data } = read(
      TenantBody.extend({
        taxes: z
          .array(z.object({ id: z.string(), title: z.string(), percent: z.string() }))
          .max(5)
          .optional(),
        commitment: z
          .string()
          .regex(/^\d{1,12}(\.\d{1,3})?$/)
          .nullable()
          .optional(),
        dunningExempt: z.boolean().optional(),
      }),
      body,
    );
    const change = Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
    await inOne(database, tenantId, (tx) => tx.billingAccount.update({ where: { tenantId }, data: change }), now());
  },
  release: ({ database, now }: OperatorRooms, body: unknown) =>
    releaseInvoice(database, { ...read(InvoiceBody, body), actor }, now()),
  'mark-paid': ({ run, now }: OperatorRooms, body: unknown) => {
    const { tenantId, invoiceId } = read(InvoiceBody, body);
    return run.paid(tenantId, invoiceId, now());
  },
  void: async ({ database, run, now }: OperatorRooms, body: unknown) => {
    const call = { ...read(InvoiceBody, body), actor };
    await changeInvoice(database, call, 'invoice.void', now(), voidInvoice);
    await run.voided(call.tenantId, call.invoiceId);
    await run.dun(call.tenantId, now());
  },
  'credit-note': ({ database, now }: OperatorRooms, body: unknown) => {
    const note = read(InvoiceBody.extend({ key: z.string().min(1).max(100), amountMinor: Amount }), body);
    const { key, reason = 'correction' } = note;
    return changeInvoice(database, { ...note, actor }, 'invoice.credit-note', now(), (tx, account, invoice, at) =>
      creditNote(tx, account, invoice, at, { key, amountMinor: BigInt(note.amountMinor), reason }),
    );
  },
  /** Makes a tenant a sandbox whose time stands still at `at`, or moves that time on, a day at a time. */
  'set-clock': async ({ database, run, now }: OperatorRooms, body: unknown) => {
    const { tenantId, at } = read(TenantBody.extend({ at: z.iso.datetime() }), body);
    return { days: await moveClock(database, run, tenantId, new Date(at), now()) };
  },
} as const;

/** Days one call may move a sandbox's clock. */
const CLOCK_DAYS_MAX = 120;

/**
 * The billing sandbox: every day between the clock and `to` is lived through, as the timer would have. A tenant whose
 * usage was billed already is nobody's sandbox. Throws `conflict`.
 */
export async function moveClock(
  database: Database,
  run: BillingRun,
  tenantId: string,
  to: Date,
  now: Date,
): Promise<number> {
  const from = await database.withTenant(tenantId, async (tx) => {
    const account = await lockedAccount(tx, tenantId);
    if (account.testClock === null && (await tx.invoice.count({ where: { tenantId } })) > 0)
      throw new BillingError('conflict', 'a tenant with invoices cannot become a sandbox');
    if (account.testClock === null) await tx.billingAccount.update({ where: { tenantId }, data: { testClock: to } });
    return account.testClock ?? to;
  });
  if (to < from) throw new BillingError('conflict', 'a sandbox’s time does not go back');
  if (to > plusDays(from, CLOCK_DAYS_MAX))
    throw new BillingError('validation-failed', `the clock moves at most ${CLOCK_DAYS_MAX} days at once`);
  let days = 0;
  for (let at = from; ;) {
    await database.withTenant(tenantId, (tx) =>
      tx.billingAccount.update({ where: { tenantId }, data: { testClock: at } }),
    );
    await run.tenant(tenantId, now);
    if (at >= to) return days;
    days += 1;
    at = plusDays(at, 1) < to ? plusDays(at, 1) : to;
  }
}
