import { createHash } from 'node:crypto';
import type { UsageWindow } from '@robustmq/contracts';
import type { Prisma, PrismaClient } from './generated/prisma/client.ts';
import { Agents } from './agents.ts';
import { inScope } from './tenant-tx.ts';

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
}

/** SHA-256 (hex) of what a window says; the same window sent again has the same hash. */
export function usageWindowHash(w: UsageWindow): string {
  return createHash('sha256')
    .update(
      JSON.stringify([
        ...[w.nodeId, w.nodeEpoch, w.clusterId, w.protocol, w.meter, w.windowStartMs],
        ...[w.seq, w.value, w.cumulative],
      ]),
    )
    .digest('hex');
}

const identityOf = (w: UsageWindow): string =>
  JSON.stringify([w.nodeId, w.nodeEpoch, w.clusterId, w.protocol, w.meter, w.windowStartMs]);

type Hashed = UsageWindow & { readonly hash: string };

const column = <K extends keyof Hashed>(windows: readonly Hashed[], name: K): string[] =>
  windows.map((w) => String(w[name]));

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
        ${column(windows, 'cumulative')}::numeric[], ${column(windows, 'hash')}::text[])
      AS s(cluster_id, node_id, node_epoch, protocol, meter, start_ms, seq, value, cumulative, hash)
    ), inserted AS (
      INSERT INTO usage_windows (tenant_id, cluster_id, agent_id, node_id, node_epoch, protocol, meter, window_start,
        seq, value, cumulative, payload_hash)
      SELECT ${tenantId}::uuid, cluster_id, ${agentId}::uuid, node_id, node_epoch, protocol, meter,
        to_timestamp(start_ms / 1000.0), seq, value, cumulative, hash
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

/** The hashes stored under the identities of `windows`, to tell a repetition from a contradiction. */
async function storedHashes(tx: Prisma.TransactionClient, windows: readonly Hashed[]): Promise<Map<string, string>> {
  if (windows.length === 0) return new Map();
  const rows = await tx.usageWindow.findMany({
    where: {
      OR: windows.map((w) => ({
        nodeId: w.nodeId,
        nodeEpoch: w.nodeEpoch,
        clusterId: w.clusterId,
        protocol: w.protocol,
        meter: w.meter,
        windowStart: new Date(w.windowStartMs),
      })),
    },
  });
  return new Map(
    rows.map((r) => [
      JSON.stringify([r.nodeId, r.nodeEpoch, r.clusterId, r.protocol, r.meter, r.windowStart.getTime()]),
      r.payloadHash,
    ]),
  );
}

/**
 * Ingestion of usage windows: the one write that comes for many tenants at once. It finds out whose each window is from
 * the placement of its cluster, never from what the window says, and enters each tenant's scope for that tenant's rows.
 */
export class Metering {
  readonly #client: PrismaClient;
  readonly #agents: Agents;
  constructor(client: PrismaClient) {
    this.#client = client;
    this.#agents = new Agents(client);
  }

  /**
   * Takes a batch any number of times, in any order and any split, and counts every window once. When it settles,
   * everything is committed and the batch may be acknowledged. Windows of clusters that are not the agent's, and windows
   * that contradict a stored one, go to quarantine and are never counted.
   */
  async ingest(agentId: string, windows: readonly UsageWindow[], now: Date): Promise<IngestResult> {
    const unique = new Map<string, Hashed>();
    let duplicates = 0;
    const contradicting: Hashed[] = [];
    for (const window of windows) {
      const hashed = { ...window, hash: usageWindowHash(window) };
      const other = unique.get(identityOf(window));
      if (!other) unique.set(identityOf(window), hashed);
      else if (other.hash === hashed.hash) duplicates += 1;
      else contradicting.push(hashed);
    }
    const owners = await this.#agents.tenantsOfClusters(agentId, [
      ...new Set([...unique.values()].map((w) => w.clusterId)),
    ]);
    const byTenant = Map.groupBy(unique.values(), (w) => owners.get(w.clusterId));
    const refused: [Hashed, string][] = contradicting.map((w) => [w, 'contradicts-stored-window']);
    let accepted = 0;
    for (const [tenantId, own] of [...byTenant].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))) {
      if (tenantId === undefined) {
        refused.push(...own.map((w): [Hashed, string] => [w, 'cluster-not-placed-here']));
        continue;
      }
      const outcome = await this.#ingestTenant(tenantId, agentId, own, now);
      accepted += outcome.accepted;
      duplicates += outcome.duplicates;
      refused.push(...outcome.contradicting.map((w): [Hashed, string] => [w, 'contradicts-stored-window']));
    }
    const quarantined = refused.length > 0 ? await this.#quarantine(agentId, refused, now) : 0;
    return { accepted, duplicates: duplicates + refused.length - quarantined, quarantined };
  }

  #ingestTenant(tenantId: string, agentId: string, own: readonly Hashed[], now: Date) {
    return inScope(this.#client, { setting: 'app.tenant_id', value: tenantId }, async (tx) => {
      const inserted = await insertWindows(tx, tenantId, agentId, own);
      const rest = own.filter((w) => !inserted.has(w.hash));
      const stored = await storedHashes(tx, rest);
      const contradicting = rest.filter((w) => stored.get(identityOf(w)) !== w.hash);
      await advanceStreams(
        tx,
        agentId,
        own.filter((w) => inserted.has(w.hash)),
        now,
      );
      return { accepted: inserted.size, duplicates: rest.length - contradicting.length, contradicting };
    });
  }

  /** Keeps refused windows for an operator; answers how many are new. */
  async #quarantine(agentId: string, refused: readonly [Hashed, string][], now: Date): Promise<number> {
    return this.#client.$transaction(async (tx) => {
      const fresh: Hashed[] = [];
      for (const [{ hash, ...window }, reason] of refused) {
        const made = await tx.usageQuarantine.createMany({
          data: [
            {
              agentId,
              nodeId: window.nodeId,
              nodeEpoch: window.nodeEpoch,
              seq: window.seq,
              reason,
              window,
              payloadHash: hash,
              receivedAt: now,
            },
          ],
          skipDuplicates: true,
        });
        if (made.count > 0) fresh.push({ ...window, hash });
      }
      await advanceStreams(tx, agentId, fresh, now);
      return fresh.length;
    });
  }

  /** Nodes whose usage log has positions that never arrived. */
  gaps(): Promise<UsageGap[]> {
    return this.#client.$queryRaw<UsageGap[]>`
      SELECT agent_id::text AS "agentId", node_id AS "nodeId", node_epoch AS "nodeEpoch", max_seq - received AS missing
      FROM usage_streams WHERE max_seq > received`;
  }
}

/** Counts newly kept log positions per node and epoch; `max_seq - received` is what is missing. */
async function advanceStreams(
  tx: Prisma.TransactionClient,
  agentId: string,
  windows: readonly Hashed[],
  now: Date,
): Promise<void> {
  const byNode = Map.groupBy(windows, (w) => JSON.stringify([w.nodeId, w.nodeEpoch]));
  for (const [node, own] of [...byNode].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [nodeId, nodeEpoch] = JSON.parse(node) as [string, string];
    const maxSeq = own.reduce((max, w) => Math.max(max, w.seq), 0);
    await tx.$executeRaw`
      INSERT INTO usage_streams AS s (node_id, node_epoch, agent_id, max_seq, received, updated_at)
      VALUES (${nodeId}, ${nodeEpoch}, ${agentId}::uuid, ${maxSeq}::bigint, ${own.length}::bigint, ${now})
      ON CONFLICT (node_id, node_epoch) DO UPDATE SET max_seq = greatest(s.max_seq, excluded.max_seq),
        received = s.received + excluded.received, updated_at = excluded.updated_at`;
  }
}
