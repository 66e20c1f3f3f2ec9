import { Controller } from '@nestjs/common';
import { Operation, Permission } from '@robustmq/contracts';
import { Database, isUniqueViolation, type TenantTx } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { operationContext, TenantWrite } from '../http/tenant-write.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { undoStepOf } from './undo-steps.ts';

type Row = NonNullable<Awaited<ReturnType<TenantTx['operation']['findUnique']>>>;
interface ClusterState {
  readonly observedGeneration: number;
  readonly phase: string;
  readonly lastError: string | null;
}

/** What is under way, and what can be taken back: one mechanism over the operations that writes leave behind. */
@Controller()
export class UndoController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #keys: KeyRing;
  readonly #provisioner: Provisioner;
  constructor(database: Database, write: TenantWrite, keys: KeyRing, provisioner: Provisioner) {
    this.#database = database;
    this.#write = write;
    this.#keys = keys;
    this.#provisioner = provisioner;
  }

  @Route('listOperations')
  async list(@Input() { params, query }: RouteInput<'listOperations'>): Promise<RouteOutput<'listOperations'>> {
    const before = readCursor(query.cursor, 1)?.[0];
    const { undoable, clusterId } = query;
    return this.#database.withTenant(params.tenantId, async (tx) => {
      const rows = await tx.operation.findMany({
        where: {
          ...(before === undefined ? {} : { id: { lt: before } }),
          ...(clusterId === undefined ? {} : { clusterId }),
          ...(undoable === 'true' ? { undoUntil: { gt: new Date() }, undoneAt: null } : {}),
        },
        orderBy: { id: 'desc' },
        take: query.limit + 1,
      });
      const page = pageOf(rows, query.limit, (row) => [row.id]);
      const clusters = await statesOf(tx, page.items);
      return { ...page, items: page.items.map((row) => shown(row, clusters)) };
    });
  }

  @Route('getOperation')
  async get(@Input() { params }: RouteInput<'getOperation'>): Promise<Operation> {
    return this.#database.withTenant(params.tenantId, (tx) => read(tx, params.operationId));
  }

  @Route('undoOperation')
  async undo(@Input() input: RouteInput<'undoOperation'>): Promise<Operation> {
    const { tenantId, operationId: id } = input.params;
    const { answer } = await this.#write
      .run(input, 'operation.undo', async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM operations WHERE id = ${id}::uuid FOR UPDATE`;
        const row = await tx.operation.findUnique({ where: { id } });
        if (!row) throw notFound();
        const step = this.#stepOf(row, input.permissions);
        const data: unknown = JSON.parse(this.#keys.unseal(row.undoData!, operationContext(tenantId, id)));
        const { clusterId } = row;
        const generation = await step({ tx, caller: input, tenantId, clusterId, data });
        await tx.operation.update({ where: { id }, data: { undoneAt: new Date(), undoData: null } });
        return {
          answer: { operation: await read(tx, id), clusterId, generation: generation ?? null },
          target: { type: row.targetType, id: row.targetId },
          detail: { operationId: id, kind: row.kind },
        };
      })
      .catch((error: unknown) => {
        if (isUniqueViolation(error))
          throw new ProblemError('name-taken', { detail: 'In the meantime something else has its name.' });
        throw error;
      });
    if (answer.clusterId !== null && answer.generation !== null)
      await this.#provisioner.kickAndWait(tenantId, answer.clusterId, answer.generation);
    return answer.operation;
  }

  /** Throws `conflict` when it cannot be taken back, `forbidden` when the caller may not. */
  #stepOf(row: Row, permissions: ReadonlySet<Permission>): NonNullable<ReturnType<typeof undoStepOf>> {
    const wanted = Permission.safeParse(row.permission).data;
    if (wanted === undefined || !permissions.has(wanted))
      throw new ProblemError('forbidden', { detail: `Undoing this needs the permission ${row.permission}.` });
    if (row.undoneAt !== null) throw new ProblemError('conflict', { detail: 'It was undone already.' });
    const step = undoStepOf(row.kind);
    if (step === undefined || row.undoUntil === null || row.undoData === null)
      throw new ProblemError('conflict', { detail: 'This cannot be undone.' });
    if (row.undoUntil <= new Date()) throw new ProblemError('conflict', { detail: 'The time to undo this is over.' });
    return step;
  }
}

async function read(tx: TenantTx, id: string): Promise<Operation> {
  const row = await tx.operation.findUnique({ where: { id } });
  if (!row) throw notFound();
  return shown(row, await statesOf(tx, [row]));
}

/** What the clusters of the operations are at, by id. */
async function statesOf(tx: TenantTx, rows: readonly Row[]): Promise<ReadonlyMap<string, ClusterState>> {
  const ids = [...new Set(rows.flatMap((row) => (row.clusterId === null ? [] : [row.clusterId])))];
  const clusters = await tx.cluster.findMany({
    where: { id: { in: ids } },
    select: { id: true, observedGeneration: true, phase: true, lastError: true },
  });
  return new Map(clusters.map((cluster) => [cluster.id, cluster]));
}

function statusOf(row: Row, cluster: ClusterState | undefined): Operation['status'] {
  if (row.undoneAt !== null) return 'undone';
  if (row.generation === null || !cluster || cluster.phase === 'Deleted') return 'done';
  if (cluster.observedGeneration >= row.generation) return row.kind === 'cluster.delete' ? 'running' : 'done';
  return cluster.phase === 'Failed' ? 'failed' : 'running';
}

function shown(row: Row, clusters: ReadonlyMap<string, ClusterState>): Operation {
  const cluster = row.clusterId === null ? undefined : clusters.get(row.clusterId);
  const status = statusOf(row, cluster);
  const open = row.undoneAt === null && row.undoUntil !== null && row.undoUntil > new Date() && row.undoData !== null;
  return {
    ...{ id: row.id, kind: row.kind, target: { type: row.targetType, id: row.targetId }, clusterId: row.clusterId },
    ...{ status, error: status === 'failed' ? (cluster?.lastError ?? null) : null },
    actor: { type: Operation.shape.actor.shape.type.parse(row.actorType), id: row.actorId },
    startedAt: row.createdAt.toISOString(),
    undoUntil: open ? row.undoUntil!.toISOString() : null,
  };
}
