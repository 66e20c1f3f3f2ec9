import type { TenantTx } from '@robustmq/db';
import { ProblemError } from '../http/problem-error.ts';

/** Standings in which nothing may be added; billing writes them, seven days after an invoice was due. */
const NO_GROWTH: readonly string[] = ['restricted', 'suspended'];

/** Refuses new clusters, topics, partitions and larger plans while an invoice is long unpaid. What is there goes on. */
export async function refuseGrowth(tx: TenantTx): Promise<void> {
  const account = await tx.billingAccount.findFirst({ select: { standing: true } });
  if (account && NO_GROWTH.includes(account.standing))
    throw new ProblemError('billing-suspended', {
      detail: 'An invoice is unpaid: nothing can be added until it is paid. See it with: robust-ctl invoice list',
    });
}
