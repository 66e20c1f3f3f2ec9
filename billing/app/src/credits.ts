import type { Credit, CreditList } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import type { CreditGrant, Discount } from '@robustmq/rating';
import type { z } from 'zod';
import { accountOf, creditBalance, lockedAccount, timeOf, type AccountRow } from './account.ts';
import { BillingError } from './billing-error.ts';
import { post, uuidOf } from './ledger.ts';
import { NO_TENANT } from './prices.ts';

type GrantKind = z.output<typeof Credit>['kind'];

export interface NewGrant {
  /** The same key makes one grant. */
  readonly key: string;
  readonly title: string;
  readonly kind: GrantKind;
  readonly amountMinor: bigint;
  readonly expiresAt: Date | null;
  readonly priority?: number;
}

/** Where the money of a grant comes from: a prepayment is cash, a refund turns revenue back, the rest we give. */
const SOURCE = {
  prepaid: 'cash',
  refund: 'revenue',
  promotion: 'promotion',
  trial: 'promotion',
  coupon: 'promotion',
} as const;

/** Grants credit and books it, once per key. */
export async function grantCredit(tx: TenantTx, account: AccountRow, grant: NewGrant, now: Date): Promise<string> {
  if (grant.amountMinor <= 0n) throw new BillingError('validation-failed', 'a credit is above zero');
  const { tenantId, currency } = account;
  const id = uuidOf(`${tenantId} grant ${grant.key}`);
  const amount = grant.amountMinor.toString();
  const { title, kind, expiresAt } = grant;
  const made = await tx.creditGrant.createMany({
    data: [
      {
        ...{ id, tenantId, title, kind, amountMinor: amount, remainingMinor: amount, currency },
        ...{ priority: grant.priority ?? 0, expiresAt, createdAt: now },
      },
    ],
    skipDuplicates: true,
  });
  if (made.count === 0) return id;
  const entries = { customer_credit: -grant.amountMinor, [SOURCE[kind]]: grant.amountMinor };
  await post(tx, { tenantId, key: `grant:${id}`, ref: id, currency, at: now, entries });
  return id;
}

/** What is left of expired grants is booked as breakage, once. */
export async function breakExpired(tx: TenantTx, account: AccountRow, now: Date): Promise<void> {
  const { tenantId } = account;
  const expired = await tx.creditGrant.findMany({ where: { tenantId, brokenAt: null, expiresAt: { lte: now } } });
  for (const grant of expired) {
    const left = BigInt(grant.remainingMinor.toFixed(0));
    await tx.creditGrant.update({ where: { id: grant.id }, data: { remainingMinor: '0', brokenAt: now } });
    const entries = { customer_credit: left, breakage: -left };
    await post(tx, {
      tenantId,
      key: `breakage:${grant.id}`,
      ref: grant.id,
      currency: grant.currency,
      at: now,
      entries,
    });
  }
}

/** Grants that may be drawn at `at`, as rating wants them. */
export async function spendable(tx: TenantTx, account: AccountRow, at: Date): Promise<CreditGrant[]> {
  const { tenantId, currency } = account;
  const rows = await tx.creditGrant.findMany({
    where: { tenantId, currency, brokenAt: null, createdAt: { lte: at } },
    orderBy: { id: 'asc' },
  });
  return rows
    .filter((row) => !row.remainingMinor.isZero())
    .map((row) => ({
      ...{ id: row.id, title: row.title, remainingMinor: row.remainingMinor.toFixed(0), currency: row.currency },
      ...{ priority: row.priority, expiresAt: row.expiresAt?.toISOString() ?? null },
      createdAt: row.createdAt.toISOString(),
    }));
}

/** Percentages off that hold when a period begins to be billed. */
export async function discountsAt(tx: TenantTx, tenantId: string, from: Date, to: Date): Promise<Discount[]> {
  const rows = await tx.couponRedemption.findMany({
    where: {
      tenantId,
      percent: { not: null },
      redeemedAt: { lt: to },
      OR: [{ endsAt: null }, { endsAt: { gt: from } }],
    },
    orderBy: [{ redeemedAt: 'asc' }, { code: 'asc' }],
  });
  return rows.map((row) => ({ id: row.code, title: row.title, percent: row.percent! }));
}

export function creditList(database: Database, tenantId: string): Promise<z.input<typeof CreditList>> {
  return database.withTenant(tenantId, async (tx) => {
    const account = await accountOf(tx, tenantId);
    const { currency } = account;
    const rows = await tx.creditGrant.findMany({
      where: { tenantId },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    });
    return {
      balance: { amount: (await creditBalance(tx, account)).toString(), currency },
      items: rows.map((row) => ({
        ...{ id: row.id, title: row.title, kind: row.kind as GrantKind },
        amount: { amount: row.amountMinor.toFixed(0), currency: row.currency },
        remaining: { amount: row.remainingMinor.toFixed(0), currency: row.currency },
        ...{ expiresAt: row.expiresAt?.toISOString() ?? null, createdAt: row.createdAt.toISOString() },
      })),
    };
  });
}

/** Redeems a coupon: a percentage off for its months, or a credit. The same code again answers the same and does nothing. */
export function redeemCoupon(database: Database, tenantId: string, code: string, realNow: Date) {
  return database.withTenant(tenantId, async (tx) => {
    const account = await lockedAccount(tx, tenantId);
    const now = timeOf(account, realNow);
    await tx.$queryRaw`SELECT 1 FROM coupons WHERE code = ${code} FOR UPDATE`;
    const coupon = await tx.coupon.findUnique({ where: { code } });
    const before = await tx.couponRedemption.findUnique({ where: { tenantId_code: { tenantId, code } } });
    if (before) return { code, title: before.title };
    const isSpent = coupon?.redemptionsMax !== null && (coupon?.redeemed ?? 0) >= (coupon?.redemptionsMax ?? 0);
    if (
      !coupon ||
      (coupon.redeemBy !== null && coupon.redeemBy < now) ||
      isSpent ||
      coupon.currency !== account.currency
    )
      throw new BillingError('not-found', 'there is no such coupon, or it can no longer be redeemed');
    const { title, percent, months, amountMinor } = coupon;
    const endsAt =
      months === null ? null : new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, now.getUTCDate()));
    await tx.couponRedemption.create({ data: { tenantId, code, title, percent, redeemedAt: now, endsAt } });
    await tx.coupon.update({ where: { code }, data: { redeemed: { increment: 1 } } });
    if (amountMinor !== null) {
      const amount = BigInt(amountMinor.toFixed(0));
      await grantCredit(
        tx,
        account,
        { key: `coupon:${code}`, title, kind: 'coupon', amountMinor: amount, expiresAt: endsAt },
        now,
      );
    }
    return { code, title };
  });
}

/** Makes a coupon, the operator's. */
export async function createCoupon(
  database: Database,
  data: {
    readonly code: string;
    readonly title: string;
    readonly percent?: string | undefined;
    readonly amountMinor?: string | undefined;
    readonly months?: number | undefined;
    readonly redemptionsMax?: number | undefined;
    readonly redeemBy?: string | undefined;
  },
): Promise<void> {
  if ((data.percent === undefined) === (data.amountMinor === undefined))
    throw new BillingError('validation-failed', 'a coupon has a percentage or an amount, one of them');
  const { redeemBy, ...rest } = data;
  const row = {
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
    code: data.code,
  };
  await database.withTenant(NO_TENANT, (tx) =>
    tx.coupon.createMany({
      data: [{ ...row, title: data.title, ...(redeemBy === undefined ? {} : { redeemBy: new Date(redeemBy) }) }],
      skipDuplicates: true,
    }),
  );
}
