import { z } from 'zod';
import { CounterString } from '../usage-window.ts';
import { Money } from './billing.ts';

/** `GET …/tier-forecast?cold_after_days=1,7,30`: up to five whole numbers of days. */
export const TierForecastQuery = z.object({
  cold_after_days: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,3})(,(0|[1-9][0-9]{0,3})){0,4}$/, 'up to five whole numbers of days, as in 1,7,30')
    .default('1,7,30'),
});

/** What storage would be metered at over the span, and what that costs at the list price, before any free allowance. */
export const TierForecastOption = z.object({
  /** `present` = the policy the topic has, `disk` = nothing ever moves. */
  kind: z.enum(['present', 'disk', 'cold-after']),
  coldAfterDays: z.int().nullable(),
  warmByteSeconds: CounterString,
  coldByteSeconds: CounterString,
  objectRequests: CounterString,
  amount: Money,
});

export const TierForecast = z.object({
  topic: z.string(),
  /** Days the forecast looks ahead. */
  days: z.int(),
  /** What it rests on: the pace at which bytes arrived since the oldest record there is. */
  observed: z.object({
    storedBytes: z.int(),
    bytesPerDay: z.int(),
    /** Of the oldest record; null for an empty topic. */
    since: z.iso.datetime().nullable(),
    partitions: z.int(),
  }),
  options: z.array(TierForecastOption),
  /** What the forecast does not foresee, in words. */
  notes: z.array(z.string()),
});
export type TierForecast = z.infer<typeof TierForecast>;

/** What the API asks billing: the price of meters of storage at the list price of a plan. */
export const PriceStorageBody = z.object({
  plan: z.string(),
  options: z
    .array(z.object({ warmByteSeconds: CounterString, coldByteSeconds: CounterString, objectRequests: CounterString }))
    .min(1)
    .max(10),
});
export const StoragePrices = z.object({ amounts: z.array(Money) });
