import { Controller } from '@nestjs/common';
import { ClusterId, METERS, Meter, UsageProtocol } from '@robustmq/contracts';
import { Database, readShares, usageAddsUp, type TenantTx } from '@robustmq/db';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';

/** Longest span of one question, per granularity, in milliseconds. */
const SPAN_MS_MAX = {
  ...{ minute: 24 * 3600_000, hour: 62 * 24 * 3600_000 },
  ...{ day: 400 * 24 * 3600_000, month: 3660 * 24 * 3600_000 },
} as const;

interface Row {
  readonly clusterId: string;
  readonly protocol: string;
  readonly meter: string;
  readonly start: Date;
  readonly quantity: string;
}

/** What was used. Numbers come from the windows themselves (minute) or the hourly sums kept in step with them. */
@Controller()
export class UsageController {
  readonly #database: Database;
  constructor(database: Database) {
    this.#database = database;
  }

  @Route('getUsage')
  async get(@Input() { params, query }: RouteInput<'getUsage'>): Promise<RouteOutput<'getUsage'>> {
    const { from, to } = period(query);
    const { granularity } = query;
    const { rows, complete } = await this.#database.withTenant(params.tenantId, async (tx) => {
      const read =
        granularity === 'minute'
          ? minutes(tx, from, to, query.clusterId)
          : hours(tx, from, to, granularity, query.clusterId);
      return { rows: await read, complete: await usageAddsUp(tx, query.clusterId) };
    });
    const sums = Object.fromEntries(Object.keys(METERS).map((meter) => [meter, 0n])) as Record<Meter, bigint>;
    const windows = rows.map((row) => {
      const meter = Meter.parse(row.meter);
      sums[meter] += BigInt(row.quantity);
      return {
        clusterId: ClusterId.parse(row.clusterId),
        protocol: UsageProtocol.parse(row.protocol),
        ...{ meter, start: row.start.toISOString(), quantity: row.quantity },
      };
    });
    const totals = Object.fromEntries(Object.entries(sums).map(([meter, sum]) => [meter, sum.toString()]));
    return { from: from.toISOString(), to: to.toISOString(), granularity, windows, totals, complete };
  }

  @Route('getUsageBreakdown')
  async breakdown(
    @Input() { params, query }: RouteInput<'getUsageBreakdown'>,
  ): Promise<RouteOutput<'getUsageBreakdown'>> {
    const { by, clusterId, meter, limit } = query;
    // hours are the grain, and days the longest span of one question
    const { from } = period({ ...query, granularity: 'day' });
    const asked = query.from === undefined ? from : new Date(query.from);
    asked.setUTCMinutes(0, 0, 0);
    const to = query.to === undefined ? new Date() : new Date(query.to);
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      readShares(tx, { dimension: by, from: asked, to, clusterId, meter, namesMax: limit }),
    );
    const sums = new Map<Meter, bigint>();
    const items = rows.map((row) => {
      const known = Meter.parse(row.meter);
      sums.set(known, (sums.get(known) ?? 0n) + BigInt(row.quantity));
      return {
        clusterId: ClusterId.parse(row.clusterId),
        protocol: UsageProtocol.parse(row.protocol),
        ...{ meter: known, name: row.name, quantity: row.quantity },
      };
    });
    const totals = Object.fromEntries([...sums].map(([name, sum]) => [name, sum.toString()]));
    return { from: asked.toISOString(), to: to.toISOString(), by, items, totals };
  }
}

/**
 * Half-open, default the current UTC month; with minutes and no `from`, the last 24 hours before `to`. A bucket belongs
 * to the period its start lies in, so hours, days and months ask for whole ones: `from` is moved back to a start.
 */
function period(query: Pick<RouteInput<'getUsage'>['query'], 'from' | 'to' | 'granularity'>): { from: Date; to: Date } {
  const now = new Date();
  const to = query.to === undefined ? now : new Date(query.to);
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  const longest = SPAN_MS_MAX[query.granularity];
  const fallback = new Date(Math.min(Math.max(month.getTime(), to.getTime() - longest), to.getTime()));
  const from = query.from === undefined ? fallback : new Date(query.from);
  if (query.granularity === 'hour') from.setUTCMinutes(0, 0, 0);
  if (query.granularity === 'day' || query.granularity === 'month') from.setUTCHours(0, 0, 0, 0);
  if (query.granularity === 'month') from.setUTCDate(1);
  if (from > to) throw wrong('?from', 'must not be after "to"');
  if (to.getTime() - from.getTime() > longest)
    throw wrong(
      '?granularity',
      `"${query.granularity}" answers at most ${longest / 3600_000} hours; ask for coarser ones`,
    );
  return { from, to };
}

const wrong = (pointer: string, detail: string): ProblemError =>
  new ProblemError('validation-failed', { errors: [{ pointer, detail }] });

const minutes = (tx: TenantTx, from: Date, to: Date, clusterId: string | undefined): Promise<Row[]> =>
  tx.$queryRaw<Row[]>`
    SELECT cluster_id::text AS "clusterId", protocol, meter, date_trunc('minute', window_start, 'UTC') AS start,
      sum(value)::text AS quantity
    FROM usage_windows
    WHERE window_start >= ${from} AND window_start < ${to}
      AND (${clusterId ?? null}::uuid IS NULL OR cluster_id = ${clusterId ?? null}::uuid)
    GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3`;

const hours = (
  tx: TenantTx,
  from: Date,
  to: Date,
  granularity: 'hour' | 'day' | 'month',
  clusterId: string | undefined,
): Promise<Row[]> =>
  tx.$queryRaw<Row[]>`
    SELECT cluster_id::text AS "clusterId", protocol, meter, date_trunc(${granularity}, hour, 'UTC') AS start,
      sum(quantity)::text AS quantity
    FROM usage_hourly
    WHERE hour >= ${from} AND hour < ${to}
      AND (${clusterId ?? null}::uuid IS NULL OR cluster_id = ${clusterId ?? null}::uuid)
    GROUP BY 1, 2, 3, 4 ORDER BY 4, 1, 2, 3`;
