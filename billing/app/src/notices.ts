import { WorkQueue, type TenantTx } from '@robustmq/db';

export interface Notice {
  /** The same key is told once. */
  readonly key: string;
  readonly kind: 'budget' | 'dunning';
  readonly subject: string;
  readonly text: string;
  /** The account's time. */
  readonly at: Date;
}

/** Tells the tenant's people something, once per key: the API mails it. Answers whether it was not told before. */
export async function notify(tx: TenantTx, tenantId: string, notice: Notice): Promise<boolean> {
  const made = await tx.billingNotice.createMany({ data: [{ tenantId, ...notice }], skipDuplicates: true });
  if (made.count === 0) return false;
  await WorkQueue.promise(tx, 'send-mail', `${tenantId}/${notice.key}`, tenantId);
  return true;
}
