import { z } from 'zod';
import { ClusterId } from '../ids.ts';
import { Meter, UsageProtocol } from '../meters.ts';
import { CounterString } from '../usage-window.ts';

/**
 * `GET /v1/tenants/{tenantId}/usage?clusterId&from&to&granularity`. `from` and `to` are ISO times, half-open, default
 * the current UTC month; granularity `minute` (at most 24 h), `hour` or `day`.
 */
export const UsageQuery = z.object({
  clusterId: ClusterId.optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  granularity: z.enum(['minute', 'hour', 'day']).default('minute'),
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
  granularity: z.enum(['minute', 'hour', 'day']),
  windows: z.array(UsageRow),
  /** meter → decimal string, summed over `windows`. Meters without usage are "0". */
  totals: z.partialRecord(Meter, CounterString),
  /** False while windows that are known to exist have not arrived: what is shown may grow, and is never estimated. */
  complete: z.boolean().optional(),
});
export type Usage = z.infer<typeof Usage>;
