import type { BilledLevel, LevelPrices, PriceLevelsBody } from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import { rate } from '@robustmq/rating';
import type { z } from 'zod';
import { accountOf, timeOf } from './account.ts';
import { monthOf } from './period.ts';
import { pricesFor } from './prices.ts';

const DAY_SECONDS = 86_400n;

/**
 * What partitions and nodes cost at today's list price when a tenant keeps so many of them for `days`, in its currency.
 * Both are the whole account's, so what is included comes off as it does on a bill. Throws RatingError.
 */
export function levelPrices(
  database: Database,
  tenantId: string,
  { days, now, after }: z.output<typeof PriceLevelsBody>,
  realNow: Date,
): Promise<z.input<typeof LevelPrices>> {
  return database.withTenant(tenantId, async (tx) => {
    const account = await accountOf(tx, tenantId);
    const { currency } = account;
    const { from, to } = monthOf(timeOf(account, realNow));
    const prices = await pricesFor(tx, from);
    const totalOf = (levels: readonly BilledLevel[]) =>
      rate({
        ...{ prices, currency, period: { from: from.toISOString(), to: to.toISOString() } },
        quantities: levels.map(({ plan, meter, level }) => {
          return { plan, meter, quantity: (BigInt(level) * BigInt(days) * DAY_SECONDS).toString() };
        }),
      }).total;
    const [present, then] = [totalOf(now), totalOf(after)];
    const change = { amount: (BigInt(then.amount) - BigInt(present.amount)).toString(), currency };
    return { now: present, after: then, change };
  });
}
