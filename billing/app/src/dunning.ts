import type { Standing } from '@robustmq/contracts';
import { appendAudit, WorkQueue, type TenantTx } from '@robustmq/db';
import { amountText } from './amount-text.ts';
import type { AccountRow } from './account.ts';
import { notify } from './notices.ts';
import { plusDays } from './period.ts';

/** Days past due at which an account is warned, may no longer grow, is suspended, and loses its clusters. */
export const DUNNING_DAYS = { past_due: 0, restricted: 7, suspended: 14, deleted: 44 } as const;
/** Days past due at which a card is tried again. */
export const RETRY_DAYS = [1, 3, 5, 7, 14] as const;
/** Days past due at which the deletion is announced: nothing is deleted that was not announced three times … */
export const DELETION_NOTICE_DAYS = [30, 37, 41] as const;
/** … with so many days between one notice and the next, and between the last and the deletion. */
const NOTICE_GAP_DAYS = 3;
/** Days for which clusters deleted for an unpaid invoice can be restored. */
const RESTORE_DAYS = 7;

export const RESTRICTED_REASON = 'An invoice is unpaid: nothing can be added until it is paid.';
export const SUSPENDED_REASON = 'The account is suspended: an invoice is unpaid. Data is kept; pay to go on.';

/** How an account stands whose oldest unpaid invoice is due since `since`; pure, and the same at every look. */
export function standingAt(since: Date | undefined, now: Date, isExempt: boolean): Standing {
  if (since === undefined || now < since) return 'good';
  if (isExempt || now < plusDays(since, DUNNING_DAYS.restricted)) return 'past_due';
  return now < plusDays(since, DUNNING_DAYS.suspended) ? 'restricted' : 'suspended';
}

interface Arrears {
  readonly id: string;
  readonly number: string | null;
  readonly currency: string;
  readonly totalMinor: { toFixed(digits: number): string };
  readonly dueAt: Date | null;
}

const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

/** What people are told when an account comes to stand so. */
function letterOf(standing: Exclude<Standing, 'good'>, { number, dueAt }: Arrears, sum: string): [string, string] {
  const since = dueAt!;
  const open = `Invoice ${number} over ${sum} was due on ${dayOf(since)} and is not paid.`;
  const from = (days: number): string => dayOf(plusDays(since, days));
  const { restricted, suspended, deleted } = DUNNING_DAYS;
  const then = {
    past_due: `From ${from(restricted)} on nothing new can be made, and on ${from(suspended)} your clusters will refuse connections.`,
    restricted: `Clusters and topics can no longer be added. On ${from(suspended)} your clusters will refuse connections; their data is kept.`,
    suspended: `Your clusters refuse connections now. Their data is kept; on ${from(deleted)} they would be deleted.`,
  }[standing];
  const subject = {
    past_due: `Invoice ${number} is unpaid`,
    restricted: `Invoice ${number} is unpaid: your account is restricted`,
    suspended: `Invoice ${number} is unpaid: your clusters are suspended`,
  }[standing];
  return [subject, `${open}\n\n${then}\n\nOnce it is paid, everything is as before within a minute.\n`];
}

/**
 * Brings invoices, the account's standing and its clusters in line with what is unpaid. A suspended tenant's clusters
 * refuse connections and keep their data; paid, they come back. After 44 days and three notices they are deleted, and can
 * be restored for a week. Level-triggered: run twice, nothing happens twice.
 */
export async function applyDunning(
  tx: TenantTx,
  account: AccountRow,
  now: Date,
  realNow: Date = now,
): Promise<Standing> {
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
  await holdClusters(tx, tenantId, {
    suspended: standing === 'suspended' ? SUSPENDED_REASON : null,
    restricted: standing === 'restricted' || standing === 'suspended' ? RESTRICTED_REASON : null,
  });
  if (oldest && standing !== 'good') {
    const sum = `${amountText(oldest.totalMinor.toFixed(0), oldest.currency)} ${oldest.currency}`;
    const [subject, text] = letterOf(standing, oldest, sum);
    await notify(tx, tenantId, { key: `dunning:${oldest.id}:${standing}`, kind: 'dunning', subject, text, at: now });
    if (standing === 'suspended' && (await isAnnounced(tx, tenantId, oldest, now)))
      await deleteClusters(tx, tenantId, oldest, realNow);
  }
  return standing;
}

/** Writes the desired state of every cluster that is not so yet, and promises its reconcile in the same transaction. */
async function holdClusters(
  tx: TenantTx,
  tenantId: string,
  { suspended, restricted }: { readonly suspended: string | null; readonly restricted: string | null },
): Promise<void> {
  const changed = await tx.$queryRaw<{ id: string }[]>`
    UPDATE clusters SET suspended_reason = ${suspended}, growth_stopped_reason = ${restricted}, generation = generation + 1, updated_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND deletion_requested_at IS NULL AND phase <> 'Deleted'
      AND (suspended_reason, growth_stopped_reason) IS DISTINCT FROM (${suspended}::text, ${restricted}::text)
    RETURNING id::text AS id`;
  for (const { id } of changed) await WorkQueue.promise(tx, 'reconcile-cluster', id, tenantId);
}

/**
 * Writes the notice of the deletion that is next, if its day has come, and answers whether all three were given and the
 * deletion's day has come too. An outage of billing moves the deletion back, never the notices together.
 */
async function isAnnounced(tx: TenantTx, tenantId: string, arrears: Arrears, now: Date): Promise<boolean> {
  const since = arrears.dueAt!;
  const prefix = `dunning:${arrears.id}:deletion-`;
  const given = await tx.billingNotice.findMany({
    where: { tenantId, key: { startsWith: prefix } },
    orderBy: { at: 'asc' },
  });
  const last = given.at(-1)?.at;
  const isRested = last === undefined || now >= plusDays(last, NOTICE_GAP_DAYS);
  const day = DELETION_NOTICE_DAYS[given.length];
  if (day === undefined) return isRested && now >= plusDays(since, DUNNING_DAYS.deleted);
  if (!isRested || now < plusDays(since, day)) return false;
  const left = DELETION_NOTICE_DAYS.length - given.length;
  const due = plusDays(since, DUNNING_DAYS.deleted);
  const earliest = plusDays(now, left * NOTICE_GAP_DAYS);
  const on = dayOf(due > earliest ? due : earliest);
  await notify(tx, tenantId, {
    ...{ key: `${prefix}${given.length + 1}`, kind: 'dunning', at: now },
    subject: `Invoice ${arrears.number} is unpaid: your clusters will be deleted on ${on}`,
    text:
      `This is notice ${given.length + 1} of ${DELETION_NOTICE_DAYS.length}. Invoice ${arrears.number} was due on ` +
      `${dayOf(since)} and is not paid. On ${on} all clusters of the account will be deleted with their data.\n\n` +
      'Once the invoice is paid, everything is as before within a minute.\n',
  });
  return false;
}

/** Deletes every cluster, restorable for a week; protection against deletion is one against people's mistakes. */
async function deleteClusters(tx: TenantTx, tenantId: string, arrears: Arrears, realNow: Date): Promise<void> {
  const restoreUntil = plusDays(realNow, RESTORE_DAYS);
  const gone = await tx.$queryRaw<{ id: string; name: string }[]>`
    UPDATE clusters SET restore_until = ${restoreUntil}, generation = generation + 1,
      resource_version = resource_version + 1, updated_at = now()
    WHERE tenant_id = ${tenantId}::uuid AND deletion_requested_at IS NULL AND restore_until IS NULL AND phase <> 'Deleted'
    RETURNING id::text AS id, name`;
  for (const { id, name } of gone) {
    await WorkQueue.promiseAt(tx, 'expire-cluster', id, tenantId, restoreUntil);
    await WorkQueue.promise(tx, 'reconcile-cluster', id, tenantId);
    await appendAudit(tx, tenantId, {
      ...{ actor: { type: 'system', id: 'billing', ip: null }, action: 'cluster.delete', result: 'ok' },
      ...{ requestId: arrears.id, target: { type: 'cluster', id } },
      detail: { name, reason: `invoice ${arrears.number} is unpaid`, restoreDays: RESTORE_DAYS },
    });
  }
}
