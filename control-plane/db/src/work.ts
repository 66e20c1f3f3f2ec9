import type { PrismaClient } from './generated/prisma/client.ts';
import type { TenantTx } from './tenant-tx.ts';

/** Work that a committed transaction promised. Ids only: the rows themselves stay behind row-level security. */
export interface DueWork {
  readonly kind: WorkKind;
  readonly key: string;
  readonly tenantId: string;
  readonly attempts: number;
}

export type WorkKind = 'reconcile-cluster' | 'expire-cluster' | 'expire-topic' | 'deliver-webhook' | 'send-mail';

/** Longest pause between two attempts, in milliseconds. */
export const WORK_BACKOFF_MS_MAX = 60_000;

/** The outbox: written in the transaction that makes the work necessary, read by the sweep across tenants. */
export class WorkQueue {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Promises the work in the caller's transaction. Promised twice is promised once, and due at once again. */
  static async promise(tx: TenantTx, kind: WorkKind, key: string, tenantId: string): Promise<void> {
    await tx.$executeRaw`
      INSERT INTO outbox (kind, key, tenant_id) VALUES (${kind}, ${key}, ${tenantId}::uuid)
      ON CONFLICT (kind, key) DO UPDATE SET due_at = now(), attempts = 0`;
  }

  /** Promises the work for a later time; a promise made before is moved to it. */
  static async promiseAt(tx: TenantTx, kind: WorkKind, key: string, tenantId: string, dueAt: Date): Promise<void> {
    await tx.$executeRaw`
      INSERT INTO outbox (kind, key, tenant_id, due_at) VALUES (${kind}, ${key}, ${tenantId}::uuid, ${dueAt})
      ON CONFLICT (kind, key) DO UPDATE SET due_at = excluded.due_at, attempts = 0`;
  }

  /** The work is done, as of the caller's transaction. */
  static async done(tx: TenantTx, kind: WorkKind, key: string): Promise<void> {
    await tx.outbox.deleteMany({ where: { kind, key } });
  }

  /** Work that is due, oldest first; each row taken is due again after a growing pause, so a lost attempt is repeated. */
  async takeDue(kind: WorkKind, limit: number): Promise<DueWork[]> {
    return this.#client.$queryRaw<DueWork[]>`
      UPDATE outbox o SET attempts = o.attempts + 1,
        due_at = now() + make_interval(secs => least(power(2, least(o.attempts, 6)) * 5, ${WORK_BACKOFF_MS_MAX / 1000}))
      FROM (SELECT kind, key FROM outbox WHERE kind = ${kind} AND due_at <= now()
            ORDER BY due_at LIMIT ${limit} FOR UPDATE SKIP LOCKED) due
      WHERE o.kind = due.kind AND o.key = due.key
      RETURNING o.kind, o.key, o.tenant_id::text AS "tenantId", o.attempts`;
  }
}
