import { createHash } from 'node:crypto';
import { usageWindowText, type UsageWindow } from '@robustmq/contracts';
import type { Prisma, PrismaClient } from './generated/prisma/client.ts';
import { Agents } from './agents.ts';
import { inScope, type TenantTx } from './tenant-tx.ts';
import { UsageMonths, type MonthsKept } from './usage-months.ts';
import { watchingSeries } from './usage-series.ts';
import { addShares } from './usage-shares.ts';

export interface IngestResult {
  readonly accepted: number;
  readonly duplicates: number;
  readonly quarantined: number;
}

/** Windows known to exist and not received, of one node's usage log. */
export interface UsageGap {
  readonly agentId: string;
  readonly nodeId: string;
  readonly nodeEpoch: string;
  readonly missing: bigint;
  /** Windows whose running total does not follow from the window before. */
  readonly breaks: bigint;
}

/** A window further in the future than this, in milliseconds, is a wrong clock's (invariant 16). */
export const FUTURE_MS_MAX = 5 * 60_000;

/** A window that comes in later than this after its time, in milliseconds, is an operator's decision and never billed by itself. */
export const LATE_MS_MAX = 35 * 24 * 3600_000;

/** SHA-256 (hex) of what a window says; the same window sent again has the same hash. */
export function usageWindowHash(w: UsageWindow): string {
  return createHash('sha256').update(usageWindowText(w)).digest('hex');
}

type Hashed = UsageWindow & { readonly hash: string };

/** Why a window is put aside. */
type Refusal = 'contradicts-stored-window' | 'cluster-not-placed-here' | 'window-in-the-future' | 'window-too-old';

/** A window that was refused; `known` when its log position is held by another window that was kept. */
interface Refused {
  readonly window: Hashed;
  readonly reason: Refusal;
  readonly known: boolean;
}

const identityOf = (w: UsageWindow): string =>
  JSON.stringify([w.nodeId, w.nodeEpoch, w.clusterId, w.protocol, w.meter, w.windowStartMs]);

const column = <K extends keyof Hashed>(windows: readonly Hashed[], name: K): string[] =>
  windows.map((w) => String(w[name] ?? ''));

/**
 * Inserts one tenant's windows and adds exactly the newly inserted ones to the hourly sums, in one statement: a window
 * that is already there, from any earlier delivery, changes nothing. Answers the hashes that went in.
 */
async function insertWindows(
  tx: Prisma.TransactionClient,
  tenantId: string,
  agentId: string,
  windows: readonly Hashed[],
): Promise<Set<string>> {
  const rows = await tx.$queryRaw<{ hash: string }[]>`
    WITH sent AS (
      SELECT * FROM unnest(${column(windows, 'clusterId')}::uuid[], ${column(windows, 'nodeId')}::text[],
        ${column(windows, 'nodeEpoch')}::text[], ${column(windows, 'protocol')}::text[],
        ${column(windows, 'meter')}::text[], ${column(windows, 'windowStartMs')}::bigint[],
        ${column(windows, 'seq')}::bigint[], ${column(windows, 'value')}::numeric[],
        ${column(windows, 'cumulative')}::numeric[], ${column(windows, 'hash')}::text[],
        ${column(windows, 'signature')}::text[])
      AS s(cluster_id, node_id, node_epoch, protocol, meter, start_ms, seq, value, cumulative, hash, signature)
    ), inserted AS (
      INSERT INTO usage_windows (tenant_id, cluster_id, agent_id, node_id, node_epoch, protocol, meter, window_start,
        seq, value, cumulative, payload_hash, signature)
      SELECT ${tenantId}::uuid, cluster_id, ${agentId}::uuid, node_id, node_epoch, protocol, meter,
        to_timestamp(start_ms / 1000.0), seq, value, cumulative, hash, nullif(signature, '')
      FROM sent ORDER BY node_id, node_epoch, cluster_id, protocol, meter, start_ms
      ON CONFLICT (node_id, node_epoch, cluster_id, protocol, meter, window_start) DO NOTHING
      RETURNING cluster_id, protocol, meter, window_start, value, payload_hash
    ), summed AS (
      INSERT INTO usage_hourly AS h (tenant_id, cluster_id, protocol, meter, hour, quantity)
      SELECT ${tenantId}::uuid, cluster_id, protocol, meter, date_trunc('hour', window_start, 'UTC'), sum(value)
      FROM inserted GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
      ON CONFLICT (tenant_id, cluster_id, protocol, meter, hour)
        DO UPDATE SET quantity = h.quantity + excluded.quantity, revision = h.revision + 1
    )
    SELECT payload_hash AS hash FROM inserted`;
  return new Set(rows.map((row) => row.hash));
}

interface Stored {
  readonly hash: string;
  readonly seq: bigint;
}

/** What is stored under the identities of `windows`, to tell a repetition from a contradiction. */
async function storedWindows(tx: Prisma.TransactionClient, windows: readonly Hashed[]): Promise<Map<string, Stored>> {
  if (windows.length === 0) return new Map();
  // LATERAL, so that each window looks into its own month alone
  const rows = await tx.$queryRaw<(Stored & { identity: string })[]>`
    SELECT s.identity, w.payload_hash AS hash, w.seq
    FROM unnest(${windows.map(identityOf)}::text[], ${column(windows, 'clusterId')}::uuid[],
      ${column(windows, 'nodeId')}::text[], ${column(windows, 'nodeEpoch')}::text[],
      ${column(windows, 'protocol')}::text[], ${column(windows, 'meter')}::text[],
      ${column(windows, 'windowStartMs')}::bigint[])
      AS s(identity, cluster_id, node_id, node_epoch, protocol, meter, start_ms)
    CROSS JOIN LATERAL (SELECT w.payload_hash, w.seq FROM usage_windows w
      WHERE w.node_id = s.node_id AND w.node_epoch = s.node_epoch AND w.cluster_id = s.cluster_id
        AND w.protocol = s.protocol AND w.meter = s.meter
        AND w.window_start = to_timestamp(s.start_ms / 1000.0) OFFSET 0) w`;
  return new Map(rows.map(({ identity, hash, seq }) => [identity, { hash, seq }]));
}

/**
 * Ingestion of usage windows: the one write that comes for many tenants at once. It finds out whose each window is from
 * the placement of its cluster, never from what the window says, and enters each tenant's scope for that tenant's rows.
 */
export class Metering {
  readonly #client: PrismaClient;
  readonly #agents: Agents;
  readonly #months: UsageMonths;
  constructor(client: PrismaClient) {
    this.#client = client;
    this.#agents = new Agents(client);
    this.#months = new UsageMonths(client);
  }

  /** Makes the months to come and retires those that are over for longer than `monthsKept`; a daily job. */
  keepMonths(monthsKept: number, now: Date): Promise<MonthsKept> {
    return this.#months.keep(monthsKept, now);
  }

  /**
   * Takes a batch any number of times, in any order and any split, and counts every window once. When it settles,
   * everything is committed and the batch may be acknowledged. Windows of clusters that are not the agent's, and windows
   * that contradict a stored one, go to quarantine and are never counted.
   */
  async ingest(agentId: string, windows: readonly UsageWindow[], now: Date): Promise<IngestResult> {
    const unique = new Map<string, Hashed>();
    const refused: Refused[] = [];
    let duplicates = 0;
    for (const one of windows) {
      const window = { ...one, hash: usageWindowHash(one) };
      const other = unique.get(identityOf(one));
      if (one.windowStartMs > now.getTime() + FUTURE_MS_MAX)
        refused.push({ window, reason: 'window-in-the-future', known: false });
      else if (one.windowStartMs < now.getTime() - LATE_MS_MAX)
        refused.push({ window, reason: 'window-too-old', known: false });
      else if (!other) unique.set(identityOf(one), window);
      else if (other.hash === window.hash) duplicates += 1;
      else refused.push({ window, reason: 'contradicts-stored-window', known: other.seq === window.seq });
    }
    const clusterIds = new Set([...unique.values()].map((w) => w.clusterId));
    const owners = await this.#agents.tenantsOfClusters(agentId, [...clusterIds]);
    const byTenant = Map.groupBy(unique.values(), (w) => owners.get(w.clusterId));
    await this.#months.ready(Array.from(unique.values(), (w) => w.windowStartMs));
    let accepted = 0;
    for (const [tenantId, own] of [...byTenant].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))) {
      if (tenantId === undefined) {
        refused.push(...own.map((window) => ({ window, reason: 'cluster-not-placed-here' as const, known: false })));
        continue;
      }
      const outcome = await this.#ingestTenant(tenantId, agentId, own, now);
      accepted += outcome.accepted;
      duplicates += outcome.duplicates;
      refused.push(...outcome.contradicting);
    }
    const quarantined = refused.length > 0 ? await this.#quarantine(agentId, refused, now) : 0;
    return { accepted, duplicates: duplicates + refused.length - quarantined, quarantined };
  }

  #ingestTenant(tenantId: string, agentId: string, own: readonly Hashed[], now: Date) {
    return inScope(this.#client, { setting: 'app.tenant_id', value: tenantId }, async (tx) => {
      const insert = (): Promise<Set<string>> => insertWindows(tx, tenantId, agentId, own);
      const { result: inserted, breaksAdded } = await watchingSeries(tx, tenantId, own, insert);
      const rest = own.filter((w) => !inserted.has(w.hash));
      const stored = await storedWindows(tx, rest);
      const contradicting: Refused[] = rest
        .filter((w) => stored.get(identityOf(w))?.hash !== w.hash)
        .map((window) => {
          const known = stored.get(identityOf(window))?.seq === BigInt(window.seq);
          return { window, reason: 'contradicts-stored-window', known };
        });
      const fresh = own.filter((w) => inserted.has(w.hash));
      await addShares(tx, tenantId, fresh);
      await advanceStreams(tx, agentId, fresh, now, breaksAdded);
      return { accepted: inserted.size, duplicates: rest.length - contradicting.length, contradicting };
    });
  }

  /** Keeps refused windows for an operator; answers how many are new. */
  async #quarantine(agentId: string, refused: readonly Refused[], now: Date): Promise<number> {
    return this.#client.$transaction(async (tx) => {
      let kept = 0;
      const positions: Hashed[] = [];
      for (const { window: one, reason, known } of refused) {
        const { hash: payloadHash, ...window } = one;
        const { nodeId, nodeEpoch, seq } = window;
        const before = await tx.usageQuarantine.count({ where: { nodeId, nodeEpoch, seq } });
        const made = await tx.usageQuarantine.createMany({
          data: [{ agentId, nodeId, nodeEpoch, seq, reason, window, payloadHash, receivedAt: now }],
          skipDuplicates: true,
        });
        kept += made.count;
        // a log position counts as received once, or a forged repetition would hide a missing one
        if (made.count > 0 && before === 0 && !known) positions.push(one);
      }
      await advanceStreams(tx, agentId, positions, now);
      return kept;
    });
  }

  /** Nodes whose usage log has positions that never arrived, or running totals that do not add up. */
  gaps(): Promise<UsageGap[]> {
    return this.#client.$queryRaw<UsageGap[]>`
      SELECT agent_id::text AS "agentId", node_id AS "nodeId", node_epoch AS "nodeEpoch", greatest(max_seq - received, 0) AS missing, breaks
      FROM usage_streams WHERE max_seq > received OR breaks > 0`;
  }
}

/**
 * Whether every running total of the tenant's windows follows from the one before, for one cluster or all of them. False
 * while windows that are known to exist have not arrived.
 */
export async function usageAddsUp(tx: TenantTx, clusterId?: string): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ complete: boolean }[]>`
    SELECT NOT EXISTS (SELECT FROM usage_series WHERE breaks > 0
      AND (${clusterId ?? null}::uuid IS NULL OR cluster_id = ${clusterId ?? null}::uuid)) AS complete`;
  return row!.complete;
}

/** Counts newly kept log positions per node and epoch; `max_seq - received` is what is missing. */
async function advanceStreams(
  tx: Prisma.TransactionClient,
  agentId: string,
  windows: readonly Hashed[],
  now: Date,
  breaksAdded: ReadonlyMap<string, bigint> = new Map(),
): Promise<void> {
  const byNode = Map.groupBy(windows, (w) => JSON.stringify([w.nodeId, w.nodeEpoch]));
  for (const [node, own] of [...byNode].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [nodeId, nodeEpoch] = JSON.parse(node) as [string, string];
    const breaks = breaksAdded.get(node) ?? 0n;
    const maxSeq = own.reduce((max, w) => Math.max(max, w.seq), 0);
    await tx.$executeRaw`
      INSERT INTO usage_streams AS s (node_id, node_epoch, agent_id, max_seq, received, breaks, updated_at)
      VALUES (${nodeId}, ${nodeEpoch}, ${agentId}::uuid, ${maxSeq}::bigint, ${own.length}::bigint,
        greatest(0, ${breaks}::bigint), ${now})
      ON CONFLICT (node_id, node_epoch) DO UPDATE SET max_seq = greatest(s.max_seq, excluded.max_seq),
        received = s.received + excluded.received,
        breaks = greatest(0, s.breaks + ${breaks}::bigint), updated_at = excluded.updated_at`;
  }
}
