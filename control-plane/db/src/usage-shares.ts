import { UsageDimension, type UsageWindow } from '@robustmq/contracts';
import type { Prisma } from './generated/prisma/client.ts';

interface Row {
  readonly clusterId: string;
  readonly protocol: string;
  readonly meter: string;
  readonly dimension: UsageDimension;
  readonly name: string;
  readonly hourMs: number;
  quantity: bigint;
}

const HOUR_MS = 3_600_000;

/** Shares of a window by dimension; of one whose shares say more than it counted, none. */
function* sharesOf(window: UsageWindow): Generator<[UsageDimension, string, bigint]> {
  for (const dimension of UsageDimension.options) {
    const shares = (window.shares?.[dimension] ?? []).map(([name, quantity]) => [name, BigInt(quantity)] as const);
    if (shares.reduce((sum, [, quantity]) => sum + quantity, 0n) > BigInt(window.value)) continue;
    for (const [name, quantity] of shares) if (quantity > 0n) yield [dimension, name, quantity];
  }
}

/**
 * Adds the shares of windows that were just inserted to the hourly ones, in the transaction that inserted them: a window
 * that comes again adds nothing. What of an hour belongs to no name is never written: it is the rest of the hourly sum.
 */
export async function addShares(
  tx: Prisma.TransactionClient,
  tenantId: string,
  inserted: readonly UsageWindow[],
): Promise<void> {
  const rows = new Map<string, Row>();
  for (const window of inserted) {
    const { clusterId, protocol, meter, windowStartMs } = window;
    const hourMs = windowStartMs - (windowStartMs % HOUR_MS);
    for (const [dimension, name, quantity] of sharesOf(window)) {
      const key = JSON.stringify([clusterId, dimension, hourMs, protocol, meter, name]);
      const row = rows.get(key) ?? { clusterId, protocol, meter, dimension, name, hourMs, quantity: 0n };
      row.quantity += quantity;
      rows.set(key, row);
    }
  }
  if (rows.size === 0) return;
  // one order for everybody: two batches that meet in the same rows wait for each other, never crosswise
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  const column = (name: keyof Row): string[] => sorted.map((row) => String(row[name]));
  await tx.$executeRaw`
    INSERT INTO usage_shares AS s (tenant_id, cluster_id, protocol, meter, dimension, name, hour, quantity)
    SELECT ${tenantId}::uuid, cluster_id, protocol, meter, dimension, name, to_timestamp(hour_ms / 1000.0), quantity
    FROM unnest(${column('clusterId')}::uuid[], ${column('protocol')}::text[], ${column('meter')}::text[],
      ${column('dimension')}::text[], ${column('name')}::text[], ${column('hourMs')}::bigint[],
      ${column('quantity')}::numeric[]) AS n(cluster_id, protocol, meter, dimension, name, hour_ms, quantity)
    ON CONFLICT (tenant_id, cluster_id, dimension, hour, protocol, meter, name)
      DO UPDATE SET quantity = s.quantity + excluded.quantity`;
}

/** What is asked of shares: whole hours, half-open. */
export interface SharesQuery {
  readonly dimension: UsageDimension;
  readonly from: Date;
  readonly to: Date;
  readonly clusterId?: string | undefined;
  readonly meter?: string | undefined;
  /** Names per cluster, protocol and meter. */
  readonly namesMax: number;
}

/** A part of what one cluster used on one protocol; `name` null = the rest. */
export interface SharesRow {
  readonly clusterId: string;
  readonly protocol: string;
  readonly meter: string;
  readonly name: string | null;
  readonly quantity: string;
}

/**
 * The largest names of each cluster, protocol and meter, and in a row without a name what is left of the hourly sums: all
 * rows together are exactly the sums that are billed. Meters that no connection causes have no shares and are left out.
 */
export function readShares(tx: Pick<Prisma.TransactionClient, '$queryRaw'>, query: SharesQuery): Promise<SharesRow[]> {
  const { dimension, from, to, clusterId = null, meter = null, namesMax } = query;
  return tx.$queryRaw<SharesRow[]>`
    WITH named AS (
      SELECT cluster_id, protocol, meter, name, sum(quantity) AS quantity FROM usage_shares
      WHERE dimension = ${dimension} AND hour >= ${from} AND hour < ${to}
        AND (${clusterId}::uuid IS NULL OR cluster_id = ${clusterId}::uuid) AND (${meter}::text IS NULL OR meter = ${meter})
      GROUP BY 1, 2, 3, 4
    ), largest AS (
      SELECT *, row_number() OVER (PARTITION BY cluster_id, protocol, meter ORDER BY quantity DESC, name) AS place FROM named
    ), shown AS (SELECT * FROM largest WHERE place <= ${namesMax}::int),
    whole AS (
      SELECT cluster_id, protocol, meter, sum(quantity) AS quantity FROM usage_hourly
      WHERE hour >= ${from} AND hour < ${to} AND protocol <> 'storage'
        AND (${clusterId}::uuid IS NULL OR cluster_id = ${clusterId}::uuid) AND (${meter}::text IS NULL OR meter = ${meter})
      GROUP BY 1, 2, 3
    ), rest AS (
      SELECT w.cluster_id, w.protocol, w.meter, w.quantity - coalesce(sum(s.quantity), 0) AS quantity
      FROM whole w LEFT JOIN shown s USING (cluster_id, protocol, meter) GROUP BY 1, 2, 3, w.quantity
    )
    SELECT cluster_id::text AS "clusterId", protocol, meter, name, quantity::text AS quantity FROM (
      SELECT cluster_id, protocol, meter, name, quantity, place FROM shown
      UNION ALL SELECT cluster_id, protocol, meter, NULL, quantity, ${namesMax}::int + 1 FROM rest WHERE quantity > 0
    ) rows ORDER BY cluster_id, protocol, meter, place`;
}
