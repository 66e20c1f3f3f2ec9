import type { UsageWindow } from '@robustmq/contracts';
import type { Prisma } from './generated/prisma/client.ts';

/** Breaks of one counter of one node epoch, within the span that was looked at. */
interface SeriesBreaks {
  readonly nodeId: string;
  readonly nodeEpoch: string;
  readonly clusterId: string;
  readonly protocol: string;
  readonly meter: string;
  readonly breaks: bigint;
}

const keyOf = (one: Omit<SeriesBreaks, 'breaks'>): string =>
  JSON.stringify([one.nodeId, one.nodeEpoch, one.clusterId, one.protocol, one.meter]);

/**
 * Whoever writes windows of a node's log does it alone until commit: counts before and after belong together. Taken in
 * one order, so that two batches of several nodes cannot wait for each other.
 */
async function lockLogs(tx: Prisma.TransactionClient, windows: readonly UsageWindow[]): Promise<void> {
  const logs = [...new Set(windows.map((w) => `usage:${JSON.stringify([w.nodeId, w.nodeEpoch])}`))].sort();
  for (const log of logs) await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${log}, 0))`;
}

/**
 * Counts, per series of `windows`, where the running total does not follow from the window before it
 * (`cumulative[n] - cumulative[n-1] <> value[n]`, the first from 0), from the first of `windows` to the one after the last.
 */
function breaksAround(tx: Prisma.TransactionClient, windows: readonly UsageWindow[]): Promise<SeriesBreaks[]> {
  const spans = [...Map.groupBy(windows, keyOf).values()].map((own) => ({
    ...own[0]!,
    fromMs: own.reduce((least, w) => Math.min(least, w.windowStartMs), Infinity),
    toMs: own.reduce((most, w) => Math.max(most, w.windowStartMs), 0),
  }));
  const column = (name: keyof (typeof spans)[number]): string[] => spans.map((span) => String(span[name]));
  return tx.$queryRaw<SeriesBreaks[]>`
    WITH spans AS (
      SELECT cluster_id, node_id, node_epoch, protocol, meter, to_timestamp(from_ms / 1000.0) AS from_at,
        to_timestamp(to_ms / 1000.0) AS to_at
      FROM unnest(${column('clusterId')}::uuid[], ${column('nodeId')}::text[], ${column('nodeEpoch')}::text[],
        ${column('protocol')}::text[], ${column('meter')}::text[], ${column('fromMs')}::bigint[],
        ${column('toMs')}::bigint[]) AS s(cluster_id, node_id, node_epoch, protocol, meter, from_ms, to_ms)
    ), edged AS MATERIALIZED (
      -- one step in the primary key to each side: what is in between is all that is read, however long the series is.
      -- A neighbour is nearly always near, so the months that may hold one are asked before all the others.
      SELECT s.*, coalesce(
          (SELECT p.window_start FROM usage_windows p
           WHERE p.node_id = s.node_id AND p.node_epoch = s.node_epoch AND p.cluster_id = s.cluster_id
             AND p.protocol = s.protocol AND p.meter = s.meter
             AND p.window_start < s.from_at AND p.window_start >= s.from_at - interval '1 day'
           ORDER BY p.node_id DESC, p.node_epoch DESC, p.cluster_id DESC, p.protocol DESC, p.meter DESC, p.window_start DESC
           LIMIT 1),
          (SELECT p.window_start FROM usage_windows p
           WHERE p.node_id = s.node_id AND p.node_epoch = s.node_epoch AND p.cluster_id = s.cluster_id
             AND p.protocol = s.protocol AND p.meter = s.meter AND p.window_start < s.from_at - interval '1 day'
           ORDER BY p.node_id DESC, p.node_epoch DESC, p.cluster_id DESC, p.protocol DESC, p.meter DESC, p.window_start DESC
           LIMIT 1),
          s.from_at) AS first_at,
        coalesce(
          (SELECT n.window_start FROM usage_windows n
           WHERE n.node_id = s.node_id AND n.node_epoch = s.node_epoch AND n.cluster_id = s.cluster_id
             AND n.protocol = s.protocol AND n.meter = s.meter AND n.window_start > s.to_at
           ORDER BY n.node_id, n.node_epoch, n.cluster_id, n.protocol, n.meter, n.window_start LIMIT 1),
          s.to_at) AS last_at
      FROM spans s
    ), chain AS (
      SELECT s.*, w.window_start, w.value, w.cumulative,
        lag(w.cumulative, 1, 0) OVER (PARTITION BY s.node_id, s.node_epoch, s.cluster_id, s.protocol, s.meter
                                      ORDER BY w.window_start) AS before
      FROM edged s CROSS JOIN LATERAL (
        SELECT w.window_start, w.value, w.cumulative FROM usage_windows w
        WHERE w.node_id = s.node_id AND w.node_epoch = s.node_epoch AND w.cluster_id = s.cluster_id
          AND w.protocol = s.protocol AND w.meter = s.meter
          AND w.window_start >= s.first_at AND w.window_start <= s.last_at
        OFFSET 0
      ) w
    )
    SELECT node_id AS "nodeId", node_epoch AS "nodeEpoch", cluster_id::text AS "clusterId", protocol, meter,
      count(*) FILTER (WHERE window_start >= from_at AND cumulative - before <> value) AS breaks
    FROM chain GROUP BY 1, 2, 3, 4, 5`;
}

/**
 * Runs `insert`, which writes some of one tenant's `windows`, and keeps `usage_series` and the sums in `usage_streams` in
 * step with it. Missing windows are counted, never filled in; a late one heals its break.
 */
export async function watchingSeries<T>(
  tx: Prisma.TransactionClient,
  tenantId: string,
  windows: readonly UsageWindow[],
  insert: () => Promise<T>,
): Promise<{ readonly result: T; readonly breaksAdded: ReadonlyMap<string, bigint> }> {
  await lockLogs(tx, windows);
  // A month that just began has no statistics yet, and the planner would read all of it for every window.
  await tx.$executeRaw`SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)`;
  const before = new Map((await breaksAround(tx, windows)).map((one) => [keyOf(one), one.breaks]));
  const result = await insert();
  const breaksAdded = new Map<string, bigint>();
  for (const after of await breaksAround(tx, windows)) {
    const added = after.breaks - (before.get(keyOf(after)) ?? 0n);
    if (added === 0n) continue;
    const { nodeId, nodeEpoch, clusterId, protocol, meter } = after;
    // the row may be new only when breaks came: what went away had been counted
    await tx.$executeRaw`
      INSERT INTO usage_series AS s (tenant_id, cluster_id, node_id, node_epoch, protocol, meter, breaks)
      VALUES (${tenantId}::uuid, ${clusterId}::uuid, ${nodeId}, ${nodeEpoch}, ${protocol}, ${meter}, greatest(0, ${added}::bigint))
      ON CONFLICT (node_id, node_epoch, cluster_id, protocol, meter) DO UPDATE SET breaks = greatest(0, s.breaks + ${added}::bigint)`;
    const log = JSON.stringify([nodeId, nodeEpoch]);
    breaksAdded.set(log, (breaksAdded.get(log) ?? 0n) + added);
  }
  return { result, breaksAdded };
}
