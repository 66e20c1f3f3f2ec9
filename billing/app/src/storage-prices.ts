import { Plan, type PriceStorageBody, type StoragePrices } from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import { rate } from '@robustmq/rating';
import type { z } from 'zod';
import { accountOf, timeOf } from './account.ts';
import { BillingError } from './billing-error.ts';
import { monthOf } from './period.ts';
import { pricesFor } from './prices.ts';

/**
 * What meters of storage cost at today's list price of a plan, in the tenant's currency, free allowances left out: they
 * belong to the whole account, and a forecast for one topic must not spend them. Throws `validation-failed`.
 */
export function storagePrices(
  database: Database,
  tenantId: string,
  { plan: asked, options }: z.output<typeof PriceStorageBody>,
  realNow: Date,
): Promise<z.input<typeof StoragePrices>> {
  const plan = Plan.safeParse(asked);
  if (!plan.success) throw new BillingError('validation-failed', `plan: "${asked}" is no plan`);
  return database.withTenant(tenantId, async (tx) => {
    const account = await accountOf(tx, tenantId);
    const period = monthOf(timeOf(account, realNow));
    const prices = (await pricesFor(tx, period.from)).map((price) => ({ ...price, included: '0' }));
    const amounts = options.map(({ warmByteSeconds, coldByteSeconds, objectRequests }) => {
      const quantities = [
        { plan: plan.data, meter: 'warm_byte_seconds' as const, quantity: warmByteSeconds },
        { plan: plan.data, meter: 'cold_byte_seconds' as const, quantity: coldByteSeconds },
        { plan: plan.data, meter: 'object_requests' as const, quantity: objectRequests },
      ];
      const { currency } = account;
      const span = { from: period.from.toISOString(), to: period.to.toISOString() };
      return rate({ prices, quantities, period: span, currency }).total;
    });
    return { amounts };
  });
}
