import { randomInt } from 'node:crypto';
import { ClusterKey } from '@robustmq/contracts';
import { WorkQueue, type ClusterRow, type TenantTx } from '@robustmq/db';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { lockedCluster, settle } from '../provisioning/cluster-situation.ts';

/**
 * Raises the cluster's generation and promises reconcile, in the caller's transaction; the row stays locked until it
 * commits. Every change of a cluster, its credentials or its topics goes through here. Throws `not-found`, and
 * `conflict` while the cluster is being deleted.
 */
export async function nextGeneration(tx: TenantTx, clusterId: string): Promise<ClusterRow> {
  const row = await lockedCluster(tx, clusterId);
  if (!row || row.phase === 'Deleted') throw notFound();
  if (row.deletionRequestedAt !== null) throw new ProblemError('conflict', { detail: 'The cluster is being deleted.' });
  const next = await tx.cluster.update({ where: { id: clusterId }, data: { generation: { increment: 1 } } });
  await WorkQueue.promise(tx, 'reconcile-cluster', clusterId, next.tenantId);
  return settle(tx, next, new Date());
}

/** The cluster a request reads below. Throws `not-found`. */
export async function existingCluster(tx: TenantTx, clusterId: string): Promise<ClusterRow> {
  const row = await tx.cluster.findUnique({ where: { id: clusterId } });
  if (!row || row.phase === 'Deleted') throw notFound();
  return row;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** `<name>-<6 random base32>`: 30 bits, and the database refuses the rare repetition. */
export function newClusterKey(name: string): ClusterKey {
  const random = Array.from({ length: 6 }, () => BASE32[randomInt(BASE32.length)]).join('');
  return ClusterKey.parse(`${name}-${random}`);
}
