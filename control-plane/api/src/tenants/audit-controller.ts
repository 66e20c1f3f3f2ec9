import { Controller } from '@nestjs/common';
import { Database } from '@robustmq/db';
import { pageOf, readCursor } from '../http/cursor.ts';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';

type Event = RouteOutput<'listAuditEvents'>['items'][number];

/** A tenant's audit events, newest first. */
@Controller()
export class AuditController {
  readonly #database: Database;
  constructor(database: Database) {
    this.#database = database;
  }

  @Route('exportAuditEvents')
  async export(@Input() { params, query }: RouteInput<'exportAuditEvents'>): Promise<RouteOutput<'exportAuditEvents'>> {
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.auditEvent.findMany({ where: { seq: { gt: query.afterSeq } }, orderBy: { seq: 'asc' }, take: query.limit }),
    );
    return {
      items: rows.map(({ id: _id, ...row }) => ({ ...row, at: row.at.toISOString(), tenantId: params.tenantId })),
    };
  }

  @Route('listAuditEvents')
  async list(@Input() { params, query }: RouteInput<'listAuditEvents'>): Promise<RouteOutput<'listAuditEvents'>> {
    const before = readCursor(query.cursor, 1)?.[0];
    if (before !== undefined && !/^\d{1,9}$/.test(before)) throw new ProblemError('validation-failed');
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.auditEvent.findMany({
        ...(before === undefined ? {} : { where: { seq: { lt: Number(before) } } }),
        orderBy: { seq: 'desc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [String(row.seq)]);
    const items = page.items.map((row) => ({
      ...{ id: row.id, seq: row.seq, at: row.at.toISOString(), action: row.action, requestId: row.requestId },
      actor: { type: row.actorType as Event['actor']['type'], id: row.actorId, ip: row.actorIp },
      target: { type: row.targetType, id: row.targetId },
      result: row.result as Event['result'],
      detail: row.detail as Record<string, unknown>,
    }));
    return { ...page, items };
  }
}
