import type { FileAnswer, UsageExportQuery } from '@robustmq/contracts';
import { METERS, type Meter } from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import type { z } from 'zod';
import { BillingError } from './billing-error.ts';
import { csvText } from './invoice-csv.ts';
import { monthOf } from './period.ts';

/** Rows of one file at most. */
export const EXPORT_ROWS_MAX = 200_000;

/** Usage as a file: per cluster, protocol and meter, by hour, day or month. Throws `validation-failed` when too long. */
export async function exportUsage(
  database: Database,
  tenantId: string,
  query: z.output<typeof UsageExportQuery>,
  now: Date,
): Promise<FileAnswer> {
  const from = query.from === undefined ? monthOf(now).from : new Date(query.from);
  const to = query.to === undefined ? now : new Date(query.to);
  const cluster = query.clusterId ?? null;
  const rows = await database.withTenant(
    tenantId,
    (tx) => tx.$queryRaw<
      { start: Date; cluster: string; name: string; protocol: string; meter: string; quantity: string }[]
    >`
      SELECT date_trunc(${query.granularity}, h.hour, 'UTC') AS start, h.cluster_id::text AS cluster, c.name, h.protocol,
        h.meter, sum(h.quantity)::text AS quantity
      FROM usage_hourly h JOIN clusters c ON c.id = h.cluster_id
      WHERE h.tenant_id = ${tenantId}::uuid AND h.hour >= ${from} AND h.hour < ${to}
        AND (${cluster}::uuid IS NULL OR h.cluster_id = ${cluster}::uuid)
      GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 2, 4, 5 LIMIT ${EXPORT_ROWS_MAX + 1}`,
  );
  if (rows.length > EXPORT_ROWS_MAX)
    throw new BillingError(
      'validation-failed',
      `a file holds ${EXPORT_ROWS_MAX} rows: ask for a shorter time or coarser steps`,
    );
  const named = rows.map((row) => ({
    ...{ start: row.start.toISOString(), clusterId: row.cluster, cluster: row.name, protocol: row.protocol },
    ...{ meter: row.meter, unit: METERS[row.meter as Meter].unit, quantity: row.quantity },
  }));
  const headings = ['start', 'cluster_id', 'cluster', 'protocol', 'meter', 'unit', 'quantity'];
  const isCsv = query.format === 'csv';
  const text = isCsv
    ? csvText([headings, ...named.map((row) => Object.values(row))])
    : `${JSON.stringify(named, null, 1)}\n`;
  return {
    fileName: `usage-${from.toISOString().slice(0, 10)}-${query.granularity}.${query.format}`,
    contentType: isCsv ? 'text/csv; charset=utf-8' : 'application/json',
    contentBase64: Buffer.from(text).toString('base64'),
  };
}
