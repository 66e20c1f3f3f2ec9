import { createHash } from 'node:crypto';
import type { Prisma } from './generated/prisma/client.ts';
import type { TenantTx } from './tenant-tx.ts';
import { WebhookOutbox } from './webhook-outbox.ts';

/** One thing that was done, or refused. `detail` never holds a secret. */
export interface AuditEntry {
  readonly actor: { readonly type: 'user' | 'api-key' | 'system'; readonly id: string; readonly ip: string | null };
  /** `noun.verb`, e.g. `cluster.create` */
  readonly action: string;
  readonly target: { readonly type: string; readonly id: string };
  readonly result: 'ok' | 'denied' | 'failed';
  readonly requestId: string;
  readonly detail?: Record<string, unknown>;
}

/** The columns a row's hash covers. */
export interface AuditRow {
  readonly tenantId: string;
  readonly seq: number;
  readonly at: Date;
  readonly actorType: string;
  readonly actorId: string;
  readonly actorIp: string | null;
  readonly action: string;
  readonly targetType: string;
  readonly targetId: string;
  readonly result: string;
  readonly requestId: string;
  readonly detail: unknown;
  readonly prevHash: string;
}

/** `prevHash` of a tenant's first row. */
export const AUDIT_GENESIS = '0'.repeat(64);

/** JSON with sorted keys: PostgreSQL's jsonb does not keep the order it was given. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}

/** SHA-256 (hex) over the row and its predecessor's hash. */
export function auditHash(row: AuditRow): string {
  const { at, ...rest } = row;
  return createHash('sha256')
    .update(canonical({ ...rest, at: at.toISOString() }))
    .digest('hex');
}

/**
 * Appends one row to the tenant's chain, in the caller's transaction, and promises it to the tenant's webhooks. Takes the tenant's audit lock until commit, so
 * call it last: `seq` has no gaps and `prevHash` no forks.
 */
export async function appendAudit(tx: TenantTx, tenantId: string, entry: AuditEntry, now = new Date()): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`audit:${tenantId}`}, 0))`;
  const last = await tx.auditEvent.findFirst({
    where: { tenantId },
    orderBy: { seq: 'desc' },
    select: { seq: true, hash: true },
  });
  const row: AuditRow = {
    tenantId,
    seq: (last?.seq ?? 0) + 1,
    at: now,
    actorType: entry.actor.type,
    actorId: entry.actor.id,
    actorIp: entry.actor.ip,
    action: entry.action,
    targetType: entry.target.type,
    targetId: entry.target.id,
    result: entry.result,
    requestId: entry.requestId,
    detail: JSON.parse(JSON.stringify(entry.detail ?? {})),
    prevHash: last?.hash ?? AUDIT_GENESIS,
  };
  await tx.auditEvent.create({
    data: { ...row, detail: row.detail as Prisma.InputJsonObject, hash: auditHash(row) },
  });
  if (entry.result !== 'ok') return;
  const { seq, detail, requestId } = row;
  const actor = { type: entry.actor.type, id: entry.actor.id };
  await WebhookOutbox.tell(tx, tenantId, {
    ...{ type: entry.action, timestamp: now.toISOString() },
    data: { ...{ tenantId, seq, actor, target: entry.target, requestId }, detail },
  });
}

/** The first row whose hash or link is wrong, or undefined when the chain holds. `rows` in order of `seq` from 1. */
export function auditChainBreak<T extends AuditRow & { readonly hash: string }>(rows: readonly T[]): T | undefined {
  let prevHash = AUDIT_GENESIS;
  let seq = 1;
  for (const row of rows) {
    const { tenantId, at, actorType, actorId, actorIp, action, targetType, targetId, result, requestId, detail } = row;
    const covered = {
      ...{ tenantId, seq: row.seq, at, actorType, actorId, actorIp, action, targetType, targetId, result },
      ...{ requestId, detail, prevHash: row.prevHash },
    };
    if (row.seq !== seq || row.prevHash !== prevHash || row.hash !== auditHash(covered)) return row;
    prevHash = row.hash;
    seq += 1;
  }
  return undefined;
}
