import { WorkQueue, type ClusterRow, type TenantTx } from '@robustmq/db';
import { notFound, ProblemError } from '../http/problem-error.ts';
import type { WriteOutcome } from '../http/tenant-write.ts';
import { undoUntil } from '../undo/undo-window.ts';
import { nextGeneration } from './cluster-change.ts';

const at = (cluster: Pick<ClusterRow, 'tenantId' | 'id'>, name: string) => ({
  tenantId_clusterId_name: { tenantId: cluster.tenantId, clusterId: cluster.id, name },
});
/** The outbox key of the end of a topic's window. */
const keyOf = (clusterId: string, name: string): string => `${clusterId}/${name}`;

/**
 * Deletes a topic at the end of a window. Until then it is hidden: not listed, its name not free, Kafka clients refused;
 * its data and what MQTT goes on to capture are kept, so that taking it back loses nothing. The cluster is locked.
 */
export async function hide(
  tx: TenantTx,
  cluster: ClusterRow,
  name: string,
  hours: number,
): Promise<WriteOutcome<{ generation: number }>> {
  const { id: clusterId, tenantId, generation } = cluster;
  const row = await tx.topic.findUnique({ where: at(cluster, name) });
  if (!row && (await tx.topicObservation.findUnique({ where: at(cluster, name) })))
    throw new ProblemError('conflict', { detail: 'A client made this topic: it can only be deleted at once.' });
  if (!row || row.deletedGeneration !== null || row.hiddenUntil !== null) throw notFound();
  const until = undoUntil(hours);
  await tx.topic.update({ where: at(cluster, name), data: { hiddenUntil: until } });
  await WorkQueue.promiseAt(tx, 'expire-topic', keyOf(clusterId, name), tenantId, until);
  return {
    answer: { generation },
    target: { type: 'topic', id: `${clusterId}/${name}` },
    detail: { name, clusterId, undoHours: hours },
    operation: { clusterId, generation, undo: { until, data: { name } } },
  };
}

/** Takes the deletion back. The cluster is locked. Throws `not-found` when the window is over. */
export async function unhide(tx: TenantTx, cluster: ClusterRow, name: string): Promise<void> {
  const shown = await tx.topic.updateMany({
    where: { clusterId: cluster.id, name, hiddenUntil: { gt: new Date() }, deletedGeneration: null },
    data: { hiddenUntil: null },
  });
  if (shown.count === 0) throw notFound();
  await WorkQueue.done(tx, 'expire-topic', keyOf(cluster.id, name));
}

/** The window of a topic is over, unless it was taken back: from here on it is deleted for good. */
export async function expireTopic(tx: TenantTx, key: string): Promise<void> {
  const [clusterId = '', name = ''] = key.split(/\/(.*)/s);
  const where = { clusterId, name, hiddenUntil: { lte: new Date() }, deletedGeneration: null };
  const due = await tx.topic.findFirst({ where });
  const cluster = due && (await tx.cluster.findUnique({ where: { id: clusterId } }));
  if (cluster && cluster.phase !== 'Deleted' && cluster.deletionRequestedAt === null) {
    const { generation } = await nextGeneration(tx, clusterId);
    await tx.topic.updateMany({ where, data: { deletedGeneration: generation, hiddenUntil: null } });
  }
  await WorkQueue.done(tx, 'expire-topic', key);
}
