import type { Standing } from '@robustmq/contracts';
import { WorkQueue, type TenantTx } from '@robustmq/db';
import type { AccountRow } from './account.ts';
import { plusDays } from './period.ts';

/** Days past due at which an account is warned, may no longer grow, and is suspended. */
export const DUNNING_DAYS = { past_due: 0, restricted: 7, suspended: 14 } as const;
/** Days past due at which a card is tried again. */
export const RETRY_DAYS = [1, 3, 5, 7, 14] as const;

export const SUSPENDED_REASON = 'The account is suspended: an invoice is unpaid. Data is kept; pay to go on.';

/** How an account stands whose oldest unpaid invoice is due since `since`; pure, and the same at every look. */
export function standingAt(since: Date | undefined, now: Date, isExempt: boolean): Standing {
  if (since === undefined || now < since) return 'good';
  if (isExempt || now < plusDays(since, DUNNING_DAYS.restricted)) return 'past_due';
  return now < plusDays(since, DUNNING_DAYS.suspended) ? 'restricted' : 'suspended';
}

/**
 * Brings invoices, the account's standing and its clusters in line with what is unpaid. A suspended tenant's clusters
 * refuse connections and keep their data; paid, they come back. Level-triggered: run twice, nothing happens twice.
 */
export async function applyDunning(tx: TenantTx, account: AccountRow, now: Date): Promise<Standing> {
  const { tenantId } = account;
  await tx.invoice.updateMany({
    where: { tenantId, kind: 'invoice', status: 'issued', dueAt: { lte: now } },
    data: { status: 'past_due' },
  });
  const oldest = await tx.invoice.findFirst({
    where: { tenantId, kind: 'invoice', status: 'past_due' },
    orderBy: { dueAt: 'asc' },
  });
  const standing = standingAt(oldest?.dueAt ?? undefined, now, account.dunningExempt);
  if (standing !== account.standing)
    await tx.billingAccount.update({ where: { tenantId }, data: { standing, standingSince: now } });
  await suspendClusters(tx, tenantId, standing === 'suspended' ? SUSPENDED_REASON : null);
  return standing;
}

/** Writes the desired state of every cluster that is not so yet, and promises its reconcile in the same transaction. */
async function suspendClusters(tx: TenantTx, tenantId: string, reason: string | null): Promise<void> {
  const changed = await tx.$queryRaw<{ id: string }[]>`
    UPDATE clusters SET suspended_reason = ${reason}, generation = generation + 1, updated_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND deletion_requested_at IS NULL AND phase <> 'Deleted'
      AND suspended_reason IS DISTINCT FROM ${reason}
    RETURNING id::text AS id`;
  for (const { id } of changed) await WorkQueue.promise(tx, 'reconcile-cluster', id, tenantId);
}
