import { Controller } from '@nestjs/common';
import { Quotas, TopicPolicy, type UpdateTopicBody } from '@robustmq/contracts';
import { Database, type ClusterRow, type TenantTx, type TopicRow } from '@robustmq/db';
import { z } from 'zod';
import { AgentViews } from '../agents/agent-views.ts';
import { refuseGrowth } from '../billing/standing.ts';
import { topicsOf } from '../dry-run/levels.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { existingCluster, nextGeneration } from './cluster-change.ts';
import { hide } from './topic-window.ts';

type TopicBody = RouteOutput<'createTopic'>;

/** A cluster's topics: those asked for here, and those clients made. */
@Controller()
export class TopicsController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  readonly #views: AgentViews;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner, views: AgentViews) {
    this.#views = views;
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
    const { name, partitions, bindings, durability, retentionMs, retentionBytes, ...policy } = input.body;
    const { answer, replayed } = await this.#write.run(input, 'topic.create', async (tx) => {
      const cluster = await nextGeneration(tx, clusterId);
      await mayCreate(tx, cluster, name, partitions);
      const row = await tx.topic.create({
        data: {
          ...{ tenantId, clusterId, name, partitions, durability, generation: cluster.generation },
          ...{ retentionMs, retentionBytes, policy, ...(bindings === undefined ? {} : { bindings }) },
        },
      });
      const shown = topicOf({ name, desired: row, served: false, partitions, storedBytes: 0 });
      const target = { type: 'topic', id: `${clusterId}/${name}` };
      return { answer: { shown, generation: cluster.generation }, target, detail: { name, partitions, clusterId } };
    });
    if (replayed) return answer.shown;
    const ready = await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
    return { ...answer.shown, ready };
  }

  @Route('getTopic')
  async get(@Input() { params }: RouteInput<'getTopic'>): Promise<TopicBody> {
    return this.#database.withTenant(params.tenantId, async (tx) => {
      const cluster = await existingCluster(tx, params.clusterId);
      return existingTopic(tx, cluster, params.topicName);
    });
  }

  @Route('updateTopic')
  async update(@Input() input: RouteInput<'updateTopic'>): Promise<TopicBody> {
    const { tenantId, clusterId, topicName } = input.params;
    const adopted = await this.#asServed(input.params, input.body);
    const { answer } = await this.#write.run(input, 'topic.update', async (tx) => {
      const cluster = await nextGeneration(tx, clusterId);
      const before = await existingTopic(tx, cluster, topicName);
      const partitions = input.body.partitions ?? before.partitions;
      if (partitions < before.partitions)
        throw new ProblemError('conflict', {
          detail: `The topic has ${before.partitions} partitions: they only grow.`,
        });
      await partitionsLeft(tx, cluster, partitions - before.partitions);
      const { retentionMs, retentionBytes, cleanup, compaction, tier } = input.body;
      const known = before.origin === 'api' ? before : { ...before, ...adopted };
      const change = {
        ...{ partitions, generation: cluster.generation },
        ...{ retentionMs: retentionMs ?? known.retentionMs!, retentionBytes: retentionBytes ?? known.retentionBytes! },
        policy: policyOf({ ...known, ...dropUndefined({ cleanup, compaction, tier }) }),
      };
      await tx.topic.upsert({
        where: { tenantId_clusterId_name: { tenantId, clusterId, name: topicName } },
        update: change,
        create: { tenantId, clusterId, name: topicName, durability: known.durability ?? 'flushed', ...change },
      });
      const target = { type: 'topic', id: `${clusterId}/${topicName}` };
      const shown = await existingTopic(tx, cluster, topicName);
      return { answer: { shown, generation: cluster.generation }, target, detail: { name: topicName, ...input.body } };
    });
    const ready = await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
    return { ...answer.shown, ready };
  }

  /** A topic that a client made keeps what the node serves it with: only the node knows. */
  async #asServed(
    params: RouteInput<'updateTopic'>['params'],
    body: UpdateTopicBody,
  ): Promise<Pick<TopicBody, 'durability' | 'retentionMs' | 'retentionBytes' | 'cleanup'>> {
    const topic = await this.#database.withTenant(params.tenantId, async (tx) =>
      existingTopic(tx, await existingCluster(tx, params.clusterId), params.topicName),
    );
    if (topic.origin === 'api' || (body.retentionMs !== undefined && body.retentionBytes !== undefined)) return {};
    for (let after: string | null | undefined; after !== null;) {
      const page = await this.#views.ask(params, 'topics', { limit: 1_000, ...(after ? { after } : {}) });
      const found = page.items.find((one) => one.name === params.topicName);
      if (found)
        return {
          durability: found.durability === 'memory' ? 'memory' : 'flushed',
          ...{ retentionMs: found.retentionMs, retentionBytes: found.retentionBytes },
          cleanup: TopicPolicy.shape.cleanup.catch(undefined).parse(found.cleanup),
        };
      after = page.next;
    }
    throw notFound();
  }

  @Route('deleteTopic')
  async remove(@Input() input: RouteInput<'deleteTopic'>): Promise<void> {
    const { tenantId, clusterId, topicName } = input.params;
    const hours = input.query.undo_hours;
    const { answer } = await this.#write.run(input, 'topic.delete', async (tx) => {
      const cluster = await nextGeneration(tx, clusterId);
      if (hours > 0) return hide(tx, cluster, topicName, hours);
      const where = { tenantId_clusterId_name: { tenantId, clusterId, name: topicName } };
      const desired = await tx.topic.findUnique({ where });
      const observed = await tx.topicObservation.findUnique({ where });
      if (desired ? desired.deletedGeneration !== null || desired.hiddenUntil !== null : !observed) throw notFound();
      const deletedGeneration = cluster.generation;
      await tx.topic.upsert({
        where,
        update: { deletedGeneration, hiddenUntil: null },
        // a topic that a client made: the row says that it must go
        create: {
          ...{ tenantId, clusterId, name: topicName, partitions: observed?.partitions ?? 1, durability: 'flushed' },
          ...{ retentionMs: -1, retentionBytes: -1, generation: deletedGeneration, deletedGeneration },
        },
      });
      const target = { type: 'topic', id: `${clusterId}/${topicName}` };
      const answer = { generation: deletedGeneration };
      return { answer, target, detail: { name: topicName, clusterId }, operation: { clusterId, ...answer } };
    });
    await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
  }
}

/** The cluster is locked: names and quotas are looked at and used up in one go. */
async function mayCreate(tx: TenantTx, cluster: ClusterRow, name: string, partitions: number): Promise<void> {
  const { tenantId, id: clusterId } = cluster;
  const where = { tenantId_clusterId_name: { tenantId, clusterId, name } };
  const [desired, observed] = [await tx.topic.findUnique({ where }), await tx.topicObservation.findUnique({ where })];
  if (desired && desired.hiddenUntil !== null)
    throw new ProblemError('conflict', { detail: `The topic "${name}" was deleted and can be taken back: undo that.` });
  if (desired && desired.deletedGeneration !== null)
    throw new ProblemError('conflict', { detail: `The topic "${name}" is still being deleted.` });
  if (desired ?? observed) throw new ProblemError('name-taken', { detail: `The cluster has a topic named "${name}".` });
  await topicsLeft(tx, cluster);
  await partitionsLeft(tx, cluster, partitions);
}

async function topicsLeft(tx: TenantTx, cluster: ClusterRow): Promise<void> {
  const { topicsMax } = Quotas.parse(cluster.quotas);
  if ((await topicsOf(tx, cluster.id)).topics >= topicsMax)
    throw new ProblemError('quota-exceeded', { detail: `The cluster has its ${topicsMax} topics.` });
}

async function partitionsLeft(tx: TenantTx, cluster: ClusterRow, more: number): Promise<void> {
  if (more > 0) await refuseGrowth(tx);
  const { partitionsMax } = Quotas.parse(cluster.quotas);
  const { partitions } = await topicsOf(tx, cluster.id);
  if (more > 0 && partitions + more > partitionsMax)
    throw new ProblemError('quota-exceeded', {
      detail: `The cluster has ${partitions} of its ${partitionsMax} partitions.`,
    });
}

interface MergedTopic {
  readonly name: string;
  /** What was asked for; null for a topic that a client made. */
  readonly desired: Pick<
    TopicRow,
    'bindings' | 'durability' | 'retentionMs' | 'retentionBytes' | 'policy' | 'partitions'
  > | null;
  readonly served: boolean;
  readonly partitions: number;
  readonly storedBytes: number;
}

const dropUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as T;

const policyOf = (topic: TopicPolicy): TopicPolicy => {
  const { engine, cleanup, compaction, tier } = topic;
  return dropUndefined({ engine, cleanup, compaction, tier });
};

function topicOf({ name, desired, served, partitions, storedBytes }: MergedTopic): TopicBody {
  const shown = { name, partitions, ready: served, storedBytes };
  if (desired === null) return { ...shown, origin: 'client' };
  return {
    ...{ ...shown, origin: 'api', durability: desired.durability === 'memory' ? 'memory' : 'flushed' },
    ...(desired.bindings === null ? {} : { bindings: z.array(z.string()).parse(desired.bindings) }),
    ...{ retentionMs: Number(desired.retentionMs), retentionBytes: Number(desired.retentionBytes) },
    ...TopicPolicy.parse(desired.policy),
  };
}

/** A topic as desired and observed. Throws `not-found`. */
export async function existingTopic(tx: TenantTx, cluster: ClusterRow, name: string): Promise<TopicBody> {
  const where = { tenantId_clusterId_name: { tenantId: cluster.tenantId, clusterId: cluster.id, name } };
  const desired = await tx.topic.findUnique({ where });
  const observed = await tx.topicObservation.findUnique({ where });
  if (desired ? desired.deletedGeneration !== null || desired.hiddenUntil !== null : !observed) throw notFound();
  return topicOf({
    ...{ name, desired, served: desired === null || desired.generation <= cluster.observedGeneration },
    partitions: Math.max(observed?.partitions ?? 0, desired?.partitions ?? 0),
    storedBytes: Number(observed?.storedBytes ?? 0),
  });
}

/** Desired and observed topics merged by name; topics that are to go are left out. */
async function topicsAfter(tx: TenantTx, cluster: ClusterRow, after: string, limit: number): Promise<TopicBody[]> {
  const names = await tx.$queryRaw<{ name: string }[]>`
    SELECT name FROM (
      SELECT name FROM topics WHERE cluster_id = ${cluster.id}::uuid AND deleted_generation IS NULL
        AND hidden_until IS NULL
      UNION
      SELECT o.name FROM topic_observations o WHERE o.cluster_id = ${cluster.id}::uuid AND NOT EXISTS (
        SELECT FROM topics t WHERE t.cluster_id = o.cluster_id AND t.name = o.name
          AND (t.deleted_generation IS NOT NULL OR t.hidden_until IS NOT NULL))
    ) all_topics WHERE name COLLATE "C" > ${after} ORDER BY name COLLATE "C" LIMIT ${limit}`;
  const where = { clusterId: cluster.id, name: { in: names.map((row) => row.name) } };
  const desired = new Map((await tx.topic.findMany({ where })).map((row) => [row.name, row]));
  const observed = new Map((await tx.topicObservation.findMany({ where })).map((row) => [row.name, row]));
  return names.map(({ name }) => {
    const [wanted, seen] = [desired.get(name), observed.get(name)];
    return topicOf({
      ...{ name, desired: wanted ?? null, storedBytes: Number(seen?.storedBytes ?? 0) },
      served: seen !== undefined || wanted!.generation <= cluster.observedGeneration,
      partitions: seen?.partitions ?? wanted!.partitions,
    });
  });
}
