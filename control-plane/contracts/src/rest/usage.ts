import { z } from 'zod';
import { ClusterId } from '../ids.ts';
import { Meter, UsageProtocol } from '../meters.ts';
import { CounterString, UsageDimension } from '../usage-window.ts';

const Granularity = z.enum(['minute', 'hour', 'day', 'month']);

/**
 * `GET /v1/tenants/{tenantId}/usage?clusterId&from&to&granularity`. `from` and `to` are ISO times, half-open, default
 * the current UTC month; granularity `minute` (at most 24 h), `hour` (62 days), `day` (400 days) or `month` (10 years).
 */
export const UsageQuery = z.object({
  clusterId: ClusterId.optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  granularity: Granularity.default('minute'),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

export const UsageRow = z.object({
  clusterId: ClusterId,
  protocol: UsageProtocol,
  meter: Meter,
  start: z.iso.datetime(),
  quantity: CounterString,
});

export const Usage = z.object({
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  granularity: Granularity,
  windows: z.array(UsageRow),
  /** meter → decimal string, summed over `windows`. Meters without usage are "0". */
  totals: z.partialRecord(Meter, CounterString),
  /** False while windows that are known to exist have not arrived: what is shown may grow, and is never estimated. */
  complete: z.boolean().optional(),
});
export type Usage = z.infer<typeof Usage>;

/**
 * `GET /v1/tenants/{tenantId}/usage/breakdown`: usage by credential (who was connected) or by topic prefix (first level of
 * the topic, up to `/` or `.`). Whole hours, half-open, default the current UTC month so far; at most 400 days.
 */
export const UsageBreakdownQuery = z.object({
  by: UsageDimension,
  clusterId: ClusterId.optional(),
  meter: Meter.optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  /** Names answered per cluster, protocol and meter, the largest first; all others are in the row without a name. */
  limit: z.coerce.number().int().min(1).max(200).default(50),
});
export const UsageBreakdown = z.object({
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  by: UsageDimension,
  /**
   * The rows of one cluster, protocol and meter add up to exactly what is billed. `name` is null for what belongs to no
   * name of the list: smaller ones, those beyond what a node tells apart in a minute, and what a crash forgot.
   */
  items: z.array(
    z.object({
      clusterId: ClusterId,
      protocol: UsageProtocol,
      meter: Meter,
      name: z.string().nullable(),
      quantity: CounterString,
    }),
  ),
  /** meter → decimal string, summed over `items`: the same as the hours' totals of `GET …/usage`. */
  totals: z.partialRecord(Meter, CounterString),
});
export type UsageBreakdown = z.infer<typeof UsageBreakdown>;
