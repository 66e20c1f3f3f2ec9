import type { InvoicePreview } from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import { accountOf, timeOf } from './account.ts';
import { invoiceInputs, statementOf } from './inputs.ts';
import { monthOf } from './period.ts';

/**
 * The invoice of the month that `now` lies in, as if it ended now, made by the code that makes invoices. One consistent
 * picture of usage, clusters and prices. Throws `not-found` when there is no such tenant.
 */
export async function previewInvoice(database: Database, tenantId: string, now: Date): Promise<InvoicePreview> {
  const { inputs, at } = await database.withTenant(
    tenantId,
    async (tx) => {
      const account = await accountOf(tx, tenantId);
      const at = timeOf(account, now);
      return { at, inputs: await invoiceInputs(tx, { account, period: monthOf(at), now: at, isFinal: false }) };
    },
    { isolation: 'RepeatableRead' },
  );
  const { lines, total } = statementOf(inputs);
  return {
    status: 'preview',
    periodFrom: inputs.period.from,
    periodTo: inputs.period.to,
    asOf: at.toISOString(),
    currency: inputs.currency,
    lines: [...lines],
    total,
  };
}
