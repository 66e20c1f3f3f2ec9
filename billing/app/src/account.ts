import { Party, type Standing, type Subscription } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import type { FlatPhase, Tax } from '@robustmq/rating';
import { z } from 'zod';
import { BillingError } from './billing-error.ts';

export type AccountRow = NonNullable<Awaited<ReturnType<TenantTx['billingAccount']['findUnique']>>>;

/** Support levels: a flat price per month, prorated to the second. Phases keep the price of the day they were chosen. */
export const SUPPORT_CHOICES = [
  { choice: 'community', title: 'Community support', periodPrice: '0' },
  { choice: 'standard', title: 'Standard support', periodPrice: '29' },
  { choice: 'business', title: 'Business support', periodPrice: '499' },
] as const;
const SUPPORT_ITEM = 'support';

const Taxes = z.array(z.object({ id: z.string(), title: z.string(), percent: z.string() }));
export const taxesOf = (account: AccountRow): Tax[] => Taxes.parse(account.taxes);
export const buyerOf = (account: AccountRow): Party => Party.parse(account.buyer);

/** The tenant's billing account, made at the first look. Locks its row: whoever changes an account's money is alone. */
export async function lockedAccount(tx: TenantTx, tenantId: string): Promise<AccountRow> {
  const tenant = await tx.tenant.findUnique({ where: { id: tenantId } });
  if (!tenant) throw new BillingError('not-found', 'there is no such tenant');
  await tx.$executeRaw`
    INSERT INTO billing_accounts (tenant_id, buyer) VALUES (${tenantId}::uuid, ${JSON.stringify({ name: tenant.name })}::jsonb)
    ON CONFLICT (tenant_id) DO NOTHING`;
  await tx.$queryRaw`SELECT 1 FROM billing_accounts WHERE tenant_id = ${tenantId}::uuid FOR UPDATE`;
  return tx.billingAccount.findUniqueOrThrow({ where: { tenantId } });
}

/** The account as it is, without a lock; the defaults of a new one when there is none yet. */
export async function accountOf(tx: TenantTx, tenantId: string): Promise<AccountRow> {
  const account = await tx.billingAccount.findUnique({ where: { tenantId } });
  return account ?? lockedAccount(tx, tenantId);
}

/** The account's time: a sandbox has its own. */
export const timeOf = (account: AccountRow, now: Date): Date => account.testClock ?? now;

export async function phasesOf(tx: TenantTx, tenantId: string): Promise<FlatPhase[]> {
  const rows = await tx.subscriptionPhase.findMany({ where: { tenantId }, orderBy: { from: 'asc' } });
  return rows
    .filter((row) => row.periodPrice !== '0')
    .map(({ item, title, periodPrice, currency, from, to }) => ({
      ...{ item, title, periodPrice, currency, from: from.toISOString(), to: to?.toISOString() ?? null },
    }));
}

/**
 * The one way a subscription changes: the phase in force ends and the next begins at the same instant, whole seconds.
 * Chosen again is no change. Fees are billed in arrears for the seconds used, so nothing is to be given back, and there
 * is no invoice on the spot.
 */
export async function applySubscriptionChange(
  tx: TenantTx,
  account: AccountRow,
  choice: string,
  now: Date,
): Promise<void> {
  const wanted = SUPPORT_CHOICES.find((one) => one.choice === choice);
  if (!wanted) throw new BillingError('validation-failed', `there is no support level "${choice}"`);
  const { tenantId, currency } = account;
  const open = await tx.subscriptionPhase.findFirst({ where: { tenantId, item: SUPPORT_ITEM, to: null } });
  if ((open?.choice ?? 'community') === choice) return;
  const at = new Date(Math.floor(now.getTime() / 1000) * 1000);
  if (open) {
    const to = at > open.from ? at : open.from;
    await tx.subscriptionPhase.update({ where: { id: open.id }, data: { to } });
  }
  const { title, periodPrice } = wanted;
  await tx.subscriptionPhase.create({
    data: { tenantId, item: SUPPORT_ITEM, choice, title, periodPrice, currency, from: at },
  });
}

export async function creditBalance(tx: TenantTx, account: AccountRow): Promise<bigint> {
  const { tenantId, currency } = account;
  const rows = await tx.creditGrant.findMany({ where: { tenantId, currency, brokenAt: null } });
  return rows.reduce((sum, row) => sum + BigInt(row.remainingMinor.toFixed(0)), 0n);
}

export async function subscriptionView(
  tx: TenantTx,
  account: AccountRow,
  gateway: 'offline' | 'stripe',
): Promise<z.input<typeof Subscription>> {
  const { tenantId, currency } = account;
  const open = await tx.subscriptionPhase.findFirst({ where: { tenantId, item: SUPPORT_ITEM, to: null } });
  return {
    currency,
    buyer: buyerOf(account),
    standing: account.standing as Standing,
    standingSince: account.standingSince?.toISOString() ?? null,
    support: open?.choice ?? 'community',
    supportChoices: SUPPORT_CHOICES.map((one) => ({ ...one })),
    commitment: account.commitment,
    trialEndsAt: account.trialEndsAt?.toISOString() ?? null,
    creditBalance: { amount: (await creditBalance(tx, account)).toString(), currency },
    gateway,
    testClock: account.testClock?.toISOString() ?? null,
  };
}

/** Changes who is billed and the support level, now. */
export function updateSubscription(
  database: Database,
  tenantId: string,
  change: { readonly buyer?: Party | undefined; readonly support?: string | undefined },
  now: Date,
): Promise<void> {
  return database.withTenant(tenantId, async (tx) => {
    const account = await lockedAccount(tx, tenantId);
    if (change.buyer) await tx.billingAccount.update({ where: { tenantId }, data: { buyer: { ...change.buyer } } });
    if (change.support !== undefined) await applySubscriptionChange(tx, account, change.support, timeOf(account, now));
  });
}
