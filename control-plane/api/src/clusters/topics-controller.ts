import { Controller } from '@nestjs/common';
import { Quotas } from '@robustmq/contracts';
import { Database, type ClusterRow, type TenantTx } from '@robustmq/db';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { existingCluster, nextGeneration } from './cluster-change.ts';

type TopicBody = RouteOutput<'createTopic'>;

/** A cluster's topics: those asked for here, and those clients made. */
@Controller()
export class TopicsController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner) {
    this.#database = database;
    this.#write = write;
    this.#provisioner = provisioner;
  }

  @Route('listTopics')
  async list(@Input() { params, query }: RouteInput<'listTopics'>): Promise<RouteOutput<'listTopics'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    return this.#database.withTenant(params.tenantId, async (tx) => {
      const cluster = await existingCluster(tx, params.clusterId);
      const rows = await topicsAfter(tx, cluster, after ?? '', query.limit + 1);
      return pageOf(rows, query.limit, (row) => [row.name]);
    });
  }

  @Route('createTopic')
  async create(@Input() input: RouteInput<'createTopic'>): Promise<TopicBody> {
    const { tenantId, clusterId } = input.params;
    const { name, partitions, bindings, durability, retentionMs, retentionBytes } = input.body;
    const { answer, replayed } = await this.#write.run(input, 'topic.create', async (tx) => {
      const cluster = await nextGeneration(tx, clusterId);
      await mayCreate(tx, cluster, name, partitions);
      await tx.topic.create({
        data: {
          ...{ tenantId, clusterId, name, partitions, durability, generation: cluster.generation },
          ...{ retentionMs, retentionBytes, ...(bindings === undefined ? {} : { bindings }) },
        },
      });
      const shown: TopicBody = { name, partitions, origin: 'api', ready: false, storedBytes: 0 };
      const target = { type: 'topic', id: `${clusterId}/${name}` };
      return { answer: { shown, generation: cluster.generation }, target, detail: { name, partitions, clusterId } };
    });
    if (replayed) return answer.shown;
    const ready = await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
    return { ...answer.shown, ready };
  }

  @Route('deleteTopic')
  async remove(@Input() input: RouteInput<'deleteTopic'>): Promise<void> {
    const { tenantId, clusterId, topicName } = input.params;
    const { answer } = await this.#write.run(input, 'topic.delete', async (tx) => {
      const cluster = await nextGeneration(tx, clusterId);
      const where = { tenantId_clusterId_name: { tenantId, clusterId, name: topicName } };
      const desired = await tx.topic.findUnique({ where });
      const observed = await tx.topicObservation.findUnique({ where });
      if (desired ? desired.deletedGeneration !== null : !observed) throw notFound();
      const deletedGeneration = cluster.generation;
      await tx.topic.upsert({
        where,
        update: { deletedGeneration },
        // a topic that a client made: the row says that it must go
        create: {
          ...{ tenantId, clusterId, name: topicName, partitions: observed?.partitions ?? 1, durability: 'flushed' },
          ...{ retentionMs: -1, retentionBytes: -1, generation: deletedGeneration, deletedGeneration },
        },
      });
      const target = { type: 'topic', id: `${clusterId}/${topicName}` };
      return { answer: { generation: deletedGeneration }, target, detail: { name: topicName, clusterId } };
    });
    await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
  }
}

/** The cluster is locked: names and quotas are looked at and used up in one go. */
async function mayCreate(tx: TenantTx, cluster: ClusterRow, name: string, partitions: number): Promise<void> {
  const { tenantId, id: clusterId } = cluster;
  const where = { tenantId_clusterId_name: { tenantId, clusterId, name } };
  const [desired, observed] = [await tx.topic.findUnique({ where }), await tx.topicObservation.findUnique({ where })];
  if (desired && desired.deletedGeneration !== null)
    throw new ProblemError('conflict', { detail: `The topic "${name}" is still being deleted.` });
  if (desired ?? observed) throw new ProblemError('name-taken', { detail: `The cluster has a topic named "${name}".` });
  const quotas = Quotas.parse(cluster.quotas);
  const [used] = await tx.$queryRaw<{ topics: number; partitions: number }[]>`
    SELECT count(*)::int AS topics, coalesce(sum(partitions), 0)::int AS partitions FROM (
      SELECT name, partitions FROM topics WHERE cluster_id = ${clusterId}::uuid AND deleted_generation IS NULL
      UNION ALL
      SELECT o.name, o.partitions FROM topic_observations o WHERE o.cluster_id = ${clusterId}::uuid
        AND NOT EXISTS (SELECT FROM topics t WHERE t.cluster_id = o.cluster_id AND t.name = o.name)) all_topics`;
  if (used!.topics >= quotas.topicsMax)
    throw new ProblemError('quota-exceeded', { detail: `The cluster has its ${quotas.topicsMax} topics.` });
  if (used!.partitions + partitions > quotas.partitionsMax)
    throw new ProblemError('quota-exceeded', {
      detail: `The cluster has ${used!.partitions} of its ${quotas.partitionsMax} partitions.`,
    });
}

/** Desired and observed topics merged by name; topics that are to go are left out. */
async function topicsAfter(tx: TenantTx, cluster: ClusterRow, after: string, limit: number): Promise<TopicBody[]> {
  const rows = await tx.$queryRaw<
    { name: string; desired: boolean; served: boolean; partitions: number; storedBytes: bigint }[]
  >`
    SELECT coalesce(t.name, o.name) AS name, t.name IS NOT NULL AS desired,
      (o.name IS NOT NULL OR t.generation <= ${cluster.observedGeneration}) AS served,
      coalesce(o.partitions, t.partitions) AS partitions, coalesce(o.stored_bytes, 0) AS "storedBytes"
    FROM (SELECT * FROM topics WHERE cluster_id = ${cluster.id}::uuid) t
    FULL JOIN (SELECT * FROM topic_observations WHERE cluster_id = ${cluster.id}::uuid) o ON o.name = t.name
    WHERE t.deleted_generation IS NULL AND coalesce(t.name, o.name) COLLATE "C" > ${after}
    ORDER BY coalesce(t.name, o.name) COLLATE "C" LIMIT ${limit}`;
  return rows.map((row) => ({
    name: row.name,
    partitions: row.partitions,
    origin: row.desired ? 'api' : 'client',
    ready: row.served,
    storedBytes: Number(row.storedBytes),
  }));
}
