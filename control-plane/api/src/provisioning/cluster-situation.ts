import { ClusterPhase, Plan } from '@robustmq/contracts';
import { Agents, WorkQueue, type ClusterRow, type TenantTx } from '@robustmq/db';
import { conditionsOf, isServed, nextStep, phaseOf, type ClusterSituation, type ConditionRow } from './plan.ts';

/** A cluster's row, locked until the transaction ends; null when the tenant has no such cluster. */
export async function lockedCluster(tx: TenantTx, clusterId: string): Promise<ClusterRow | null> {
  await tx.$queryRaw`SELECT 1 FROM clusters WHERE id = ${clusterId}::uuid FOR UPDATE`;
  return tx.cluster.findUnique({ where: { id: clusterId } });
}

/** What `plan.ts` decides upon. */
export const situationOf = (row: ClusterRow): ClusterSituation => ({
  plan: Plan.parse(row.plan),
  generation: row.generation,
  deletionRequested: row.deletionRequestedAt !== null,
  agentId: row.agentId,
  portBase: row.portBase,
  handedGeneration: row.handedGeneration,
  observedGeneration: row.observedGeneration,
  endpointsReachable: row.endpointsReachable,
  phase: ClusterPhase.parse(row.phase),
  lastError: row.lastError,
  restorable: row.restoreUntil !== null,
  paused: row.pausedAt !== null,
  suspended: row.suspendedReason !== null,
});

/** Writes phase and conditions that follow from the row, and withdraws the promised work once nothing is left of it. */
export async function settle(tx: TenantTx, row: ClusterRow, now: Date): Promise<ClusterRow> {
  const situation = situationOf(row);
  const phase = phaseOf(situation);
  const before = row.conditions as unknown as ConditionRow[];
  const conditions = conditionsOf(situation, before, now);
  const changed = phase !== row.phase || JSON.stringify(conditions) !== JSON.stringify(before);
  const updated = changed
    ? await tx.cluster.update({
        where: { id: row.id },
        data: { phase, conditions: conditions.map((condition) => ({ ...condition })) },
      })
    : row;
  if (nextStep({ ...situation, phase }) === 'rest' && (phase === 'Deleted' || isServed(situation)))
    await WorkQueue.done(tx, 'reconcile-cluster', row.id);
  return updated;
}

/** The cluster's data is gone from every machine: nothing is left but the row that usage and bills refer to. */
export async function finishRemoval(tx: TenantTx, row: ClusterRow, now: Date): Promise<void> {
  await Agents.freePorts(tx, row.id);
  const where = { tenantId: row.tenantId, clusterId: row.id };
  await tx.credential.deleteMany({ where });
  await tx.topic.deleteMany({ where });
  await tx.topicObservation.deleteMany({ where });
  const gone = await tx.cluster.update({
    where: { id: row.id },
    data: { phase: 'Deleted', portBase: null, endpointsReachable: false, connections: 0, lastError: null },
  });
  await settle(tx, gone, now);
}
