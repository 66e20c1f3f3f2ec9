import type { TenantTx } from '@robustmq/db';
import type { AccountRow } from './account.ts';
import { grantCredit } from './credits.ts';
import { plusDays } from './period.ts';

/** Days after sign-up for which the trial's credit can be spent. */
export const TRIAL_DAYS = 30;

/**
 * Gives a new tenant its trial credit, once. Its 30 days begin with the sign-up, so an account whose first look comes
 * later has fewer. What is left then is breakage; the account goes on and pays for what is beyond the free allowance.
 */
export async function grantTrial(
  tx: TenantTx,
  account: AccountRow,
  amountMinor: bigint,
  at: Date,
): Promise<AccountRow> {
  const { tenantId } = account;
  if (amountMinor <= 0n || account.trialEndsAt !== null) return account;
  const { createdAt } = await tx.tenant.findUniqueOrThrow({ where: { id: tenantId } });
  const expiresAt = plusDays(createdAt, TRIAL_DAYS);
  if (expiresAt <= at) return account;
  await grantCredit(
    tx,
    account,
    { key: 'trial', title: 'Trial credit', kind: 'trial', amountMinor, expiresAt },
    createdAt < at ? createdAt : at,
  );
  return tx.billingAccount.update({ where: { tenantId }, data: { trialEndsAt: expiresAt } });
}
