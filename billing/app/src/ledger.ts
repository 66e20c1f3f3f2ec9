import { createHash } from 'node:crypto';
import type { TenantTx } from '@robustmq/db';

/** Accounts of a tenant's ledger. Debit is positive: what a customer owes, or we hold, is above zero. */
export type LedgerAccount =
  'customer_credit' | 'receivable' | 'revenue' | 'cash' | 'breakage' | 'promotion' | 'tax' | 'write_off';

export interface Posting {
  readonly tenantId: string;
  /** The same key is posted once, however often it is asked for. */
  readonly key: string;
  readonly ref: string;
  readonly currency: string;
  readonly at: Date;
  readonly entries: Partial<Record<LedgerAccount, bigint>>;
}

/** A UUID that follows from a text. */
export function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Appends one balanced transaction. Entries of nothing are left out; the database refuses what does not sum to zero. */
export async function post(tx: TenantTx, posting: Posting): Promise<void> {
  const { tenantId, key, ref, currency, at } = posting;
  const txId = uuidOf(`${tenantId} ${key}`);
  const data = Object.entries(posting.entries)
    .filter(([, amount]) => amount !== 0n)
    .map(([account, amount]) => {
      const id = uuidOf(`${tenantId} ${key} ${account}`);
      return { id, tenantId, txId, account, amountMinor: amount.toString(), currency, ref, idempotencyKey: key, at };
    });
  await tx.ledgerEntry.createMany({ data, skipDuplicates: true });
}
