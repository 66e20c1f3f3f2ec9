import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { ROUTES, type Route as RouteData, type RouteName } from '@robustmq/contracts';
import { appendAudit, Database, uuidv7, type TenantTx } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { BillingLink } from '../billing/billing-link.ts';
import { DryRunAnswer, dryRunOf, TriedOut, type Tried } from '../dry-run/dry-run.ts';
import { levelsOf } from '../dry-run/levels.ts';
import type { Caller } from './caller.ts';
import { ProblemError } from './problem-error.ts';

/** Operations are listed this long, in milliseconds; what they could be undone with goes with them. */
const OPERATION_MS = 30 * 24 * 3600_000;
/** The context of an operation's sealed undo data. */
export const operationContext = (tenantId: string, id: string): string => `operation:${tenantId}:${id}`;

/** Answers are kept for repetition this long, in milliseconds. */
const IDEMPOTENCY_MS = 7 * 24 * 3600_000;

export interface WriteOutcome<T> {
  /** What the caller gets; kept (sealed) under the Idempotency-Key. */
  readonly answer: T;
  readonly target: { readonly type: string; readonly id: string };
  /** For the audit row; never a secret. */
  readonly detail?: Record<string, unknown>;
  /** Kept when the write takes a while, or can be taken back. */
  readonly operation?: OperationStarted;
}

export interface OperationStarted {
  readonly clusterId?: string;
  /** The write is done when the cluster is observed at this generation. */
  readonly generation?: number;
  /** `data` is what undo-steps.ts needs to take it back; kept sealed. */
  readonly undo?: { readonly until: Date; readonly data: unknown };
}

export interface WriteResult<T> {
  readonly answer: T;
  /** True when the answer is the one of an earlier request with the same Idempotency-Key. */
  readonly replayed: boolean;
}

/**
 * Every write of a tenant's rows: the effect, its audit row and the answer kept for the Idempotency-Key are one
 * transaction, so there is no moment at which one of them exists without the others.
 */
@Injectable()
export class TenantWrite {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #billing: BillingLink;
  constructor(database: Database, keys: KeyRing, billing: BillingLink) {
    this.#database = database;
    this.#keys = keys;
    this.#billing = billing;
  }

  /**
   * Runs `work` in the tenant of the caller's path. `work` has no effect outside of `tx`: it may run twice. A dry run is
   * taken back and ends with the throw of its answer: nothing after the commit of a write happens.
   */
  run<T>(caller: Caller, action: string, work: (tx: TenantTx) => Promise<WriteOutcome<T>>): Promise<WriteResult<T>> {
    if (caller.dryRun) return this.#try(caller, action, work);
    const tenantId = caller.params['tenantId']!;
    return this.#database.withTenant(tenantId, async (tx) => {
      const key = caller.idempotencyKey === undefined ? undefined : storedKey(caller);
      if (key !== undefined) {
        const before = await this.#replay<T>(tx, tenantId, key, caller);
        if (before) return before;
      }
      const outcome = await work(tx);
      if (key !== undefined) await this.#keep(tx, tenantId, key, caller, outcome.answer);
      await appendAudit(tx, tenantId, {
        actor: { type: caller.principal!.type, id: caller.principal!.id, ip: caller.ip },
        action,
        target: outcome.target,
        result: 'ok',
        requestId: caller.requestId,
        ...(outcome.detail ? { detail: outcome.detail } : {}),
      });
      if (outcome.operation) caller.operationId = await this.#operation(tx, caller, action, outcome);
      return { answer: outcome.answer, replayed: false };
    });
  }

  async #try(caller: Caller, action: string, work: (tx: TenantTx) => Promise<WriteOutcome<unknown>>): Promise<never> {
    const { tenantId, clusterId } = caller.params;
    const tried = await this.#database
      .withTenant(tenantId!, async (tx): Promise<Tried> => {
        const before = await levelsOf(tx, clusterId);
        const { target, detail = {} } = await work(tx);
        const after = await levelsOf(tx, clusterId);
        // the throw is what takes the transaction back
        throw new TriedOut({ action, target, detail, before, after });
      })
      .catch((error: unknown): Tried => {
        if (error instanceof TriedOut) return error.tried;
        throw error;
      });
    throw new DryRunAnswer(await dryRunOf(tried, caller.params, this.#billing));
  }

  /** The lock lives as long as the transaction: whoever does not get it asks while the first is being carried out. */
  async #replay<T>(tx: TenantTx, tenantId: string, key: string, caller: Caller): Promise<WriteResult<T> | undefined> {
    const [lock] = await tx.$queryRaw<{ taken: boolean }[]>`
      SELECT pg_try_advisory_xact_lock(hashtextextended(${`idempotency:${tenantId}:${key}`}, 0)) AS taken`;
    if (!lock!.taken) throw new ProblemError('idempotency-in-flight', { headers: { 'retry-after': '1' } });
    const kept = await tx.idempotencyKey.findUnique({ where: { tenantId_key: { tenantId, key } } });
    if (!kept) return undefined;
    if (kept.requestHash !== caller.requestHash) throw new ProblemError('idempotency-key-reused');
    const answer = JSON.parse(this.#keys.unseal(kept.body, `${tenantId}:${key}`)) as T;
    return { answer, replayed: true };
  }

  async #operation(tx: TenantTx, caller: Caller, kind: string, outcome: WriteOutcome<unknown>): Promise<string> {
    const tenantId = caller.params['tenantId']!;
    const { clusterId = null, generation = null, undo } = outcome.operation!;
    const { access }: RouteData = ROUTES[caller.route];
    const id = uuidv7();
    await tx.operation.deleteMany({ where: { createdAt: { lt: new Date(Date.now() - OPERATION_MS) } } });
    await tx.operation.create({
      data: {
        ...{ id, tenantId, kind, targetType: outcome.target.type, targetId: outcome.target.id, clusterId, generation },
        ...{ actorType: caller.principal!.type, actorId: caller.principal!.id },
        permission: typeof access === 'object' ? access.permission : 'tenant:read',
        undoUntil: undo?.until ?? null,
        undoData: undo
          ? new Uint8Array(this.#keys.seal(JSON.stringify(undo.data), operationContext(tenantId, id)))
          : null,
      },
    });
    return id;
  }

  async #keep(tx: TenantTx, tenantId: string, key: string, caller: Caller, answer: unknown): Promise<void> {
    const name: RouteName = caller.route;
    await tx.idempotencyKey.deleteMany({ where: { createdAt: { lt: new Date(Date.now() - IDEMPOTENCY_MS) } } });
    await tx.idempotencyKey.create({
      data: {
        ...{ tenantId, key, requestHash: caller.requestHash, status: ROUTES[name].status },
        body: new Uint8Array(this.#keys.seal(JSON.stringify(answer ?? null), `${tenantId}:${key}`)),
      },
    });
  }
}

/** Two callers of one tenant may use the same key without meeting each other. */
const storedKey = (caller: Caller): string =>
  createHash('sha256')
    .update(`${caller.principal!.type} ${caller.principal!.id} ${caller.idempotencyKey}`)
    .digest('hex');
