import { Plan, Quotas, type BilledLevel } from '@robustmq/contracts';
import type { TenantTx } from '@robustmq/db';
import * as LIMITS from './limits.ts';

/** A limit and what of it is in use; `used` is null where only the node knows. */
export interface Limit {
  readonly limit: number;
  readonly used: number | null;
}

/** Where a tenant stands: what a write is compared by, before and after it. */
export interface Levels {
  readonly limits: ReadonlyMap<string, Limit>;
  readonly billed: readonly BilledLevel[];
}

/** Topics and partitions a cluster has, those made by clients included. */
export async function topicsOf(tx: TenantTx, clusterId: string): Promise<{ topics: number; partitions: number }> {
  const [used] = await tx.$queryRaw<{ topics: number; partitions: number }[]>`
    SELECT count(*)::int AS topics, coalesce(sum(partitions), 0)::int AS partitions FROM (
      SELECT name, partitions FROM topics WHERE cluster_id = ${clusterId}::uuid AND deleted_generation IS NULL
      UNION ALL
      SELECT o.name, o.partitions FROM topic_observations o WHERE o.cluster_id = ${clusterId}::uuid
        AND NOT EXISTS (SELECT FROM topics t WHERE t.cluster_id = o.cluster_id AND t.name = o.name)) all_topics`;
  return used!;
}

/** The scope is the tenant's; `clusterId` is the cluster of the request's path. */
export async function levelsOf(tx: TenantTx, clusterId: string | undefined): Promise<Levels> {
  const limits = new Map<string, Limit>(await tenantLimits(tx));
  if (clusterId !== undefined) for (const [name, limit] of await clusterLimits(tx, clusterId)) limits.set(name, limit);
  return { limits, billed: await billedLevels(tx) };
}

async function tenantLimits(tx: TenantTx): Promise<[string, Limit][]> {
  return [
    [
      'clusters',
      { limit: LIMITS.CLUSTERS_MAX, used: await tx.cluster.count({ where: { phase: { not: 'Deleted' } } }) },
    ],
    ['apiKeys', { limit: LIMITS.API_KEYS_MAX, used: await tx.apiKey.count() }],
    ['roles', { limit: LIMITS.ROLES_MAX, used: await tx.customRole.count() }],
    [
      'invitations',
      { limit: LIMITS.INVITATIONS_MAX, used: await tx.invitation.count({ where: { acceptedAt: null } }) },
    ],
    ['webhooks', { limit: LIMITS.WEBHOOKS_MAX, used: await tx.webhook.count() }],
    ['identityProviders', { limit: LIMITS.PROVIDERS_MAX, used: await tx.ssoProvider.count() }],
    ['domains', { limit: LIMITS.DOMAINS_MAX, used: await tx.ssoDomain.count() }],
  ];
}

async function clusterLimits(tx: TenantTx, clusterId: string): Promise<[string, Limit][]> {
  const row = await tx.cluster.findUnique({ where: { id: clusterId } });
  if (!row || row.phase === 'Deleted') return [];
  const { topics, partitions } = await topicsOf(tx, clusterId);
  const stored = await tx.topicObservation.aggregate({ where: { clusterId }, _sum: { storedBytes: true } });
  const used: Partial<Record<keyof Quotas, number>> = {
    ...{ topicsMax: topics, partitionsMax: partitions, connectionsMax: row.connections },
    storageBytesMax: Number(stored._sum.storedBytes ?? 0n),
  };
  const quotas = Object.entries(Quotas.parse(row.quotas)) as [keyof Quotas, number][];
  const live = { clusterId, notAfter: { gt: new Date() } };
  return [
    ['credentials', { limit: LIMITS.CREDENTIALS_MAX, used: await tx.credential.count({ where: { clusterId } }) }],
    ['certificates', { limit: LIMITS.CERTIFICATES_MAX, used: await tx.clientCertificate.count({ where: live }) }],
    ...quotas.map(([name, limit]): [string, Limit] => [name, { limit, used: used[name] ?? null }]),
  ];
}

/** Partitions and dedicated nodes that run: paused, suspended and deleted clusters are counted for neither. */
async function billedLevels(tx: TenantTx): Promise<BilledLevel[]> {
  const rows = await tx.$queryRaw<{ plan: string; clusters: number; partitions: number }[]>`
    SELECT c.plan, count(*)::int AS clusters, coalesce(sum(p.partitions), 0)::int AS partitions
    FROM clusters c
    LEFT JOIN LATERAL (
      SELECT sum(partitions) AS partitions FROM (
        SELECT t.partitions FROM topics t WHERE t.cluster_id = c.id AND t.deleted_generation IS NULL
        UNION ALL
        SELECT o.partitions FROM topic_observations o WHERE o.cluster_id = c.id
          AND NOT EXISTS (SELECT FROM topics t WHERE t.cluster_id = o.cluster_id AND t.name = o.name)) one
    ) p ON true
    WHERE c.phase <> 'Deleted' AND c.paused_at IS NULL AND c.restore_until IS NULL AND c.deletion_requested_at IS NULL
    GROUP BY c.plan ORDER BY c.plan`;
  return rows
    .flatMap(({ plan, clusters, partitions }): BilledLevel[] => {
      const parts = { plan: Plan.parse(plan), meter: 'partition_seconds' as const, level: partitions };
      return plan === 'serverless' ? [parts] : [parts, { ...parts, meter: 'node_seconds', level: clusters }];
    })
    .filter(({ level }) => level > 0);
}
