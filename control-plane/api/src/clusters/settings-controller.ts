import { Controller } from '@nestjs/common';
import { ClusterSettings, type SettingsRevision } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import type { z } from 'zod';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { validated } from '../http/validation.ts';
import { existingCluster } from './cluster-change.ts';
import { mergePatch } from './settings-change.ts';
import { shownSettings } from './settings-secrets.ts';
import { settingsOf, SettingsWriter } from './settings-writer.ts';

/** A cluster's settings and their revisions. */
@Controller()
export class SettingsController {
  readonly #database: Database;
  readonly #writer: SettingsWriter;
  constructor(database: Database, writer: SettingsWriter) {
    this.#database = database;
    this.#writer = writer;
  }

  @Route('getSettings')
  async get(@Input() { params }: RouteInput<'getSettings'>): Promise<RouteOutput<'getSettings'>> {
    const row = await this.#database.withTenant(params.tenantId, (tx) => existingCluster(tx, params.clusterId));
    const applied = row.observedGeneration >= row.generation;
    return { revision: row.settingsRevision, settings: shownSettings(settingsOf(row)), applied };
  }

  @Route('setSettings')
  set(@Input() input: RouteInput<'setSettings'>): Promise<RouteOutput<'setSettings'>> {
    const dryRun = input.query.dry_run === 'true';
    return this.#writer.change(input, { reason: 'settings.set', dryRun, next: () => input.body });
  }

  @Route('patchSettings')
  patch(@Input() input: RouteInput<'patchSettings'>): Promise<RouteOutput<'patchSettings'>> {
    const dryRun = input.query.dry_run === 'true';
    const next = (current: ClusterSettings): ClusterSettings =>
      validated(ClusterSettings, mergePatch(current, input.body), 'body');
    return this.#writer.change(input, { reason: 'settings.patch', dryRun, next });
  }

  @Route('rollbackSettings')
  rollback(@Input() input: RouteInput<'rollbackSettings'>): Promise<RouteOutput<'rollbackSettings'>> {
    const { clusterId, revision } = input.params;
    const dryRun = input.query.dry_run === 'true';
    return this.#writer.change(input, {
      ...{ reason: 'settings.rollback', dryRun },
      next: async (_current, tx) => {
        if (revision === 0) return ClusterSettings.parse({});
        const row = await tx.settingsRevision.findFirst({ where: { clusterId, revision } });
        if (!row) throw notFound();
        return ClusterSettings.parse(row.settings);
      },
    });
  }

  @Route('listSettingsRevisions')
  async revisions(
    @Input() { params, query }: RouteInput<'listSettingsRevisions'>,
  ): Promise<RouteOutput<'listSettingsRevisions'>> {
    const before = readCursor(query.cursor, 1)?.[0];
    if (before !== undefined && !/^\d{1,9}$/.test(before)) throw new ProblemError('validation-failed');
    return this.#database.withTenant(params.tenantId, async (tx) => {
      const { id: clusterId } = await existingCluster(tx, params.clusterId);
      const rows = await tx.settingsRevision.findMany({
        where: { clusterId, ...(before === undefined ? {} : { revision: { lt: Number(before) } }) },
        orderBy: { revision: 'desc' },
        take: query.limit + 1,
      });
      const page = pageOf(rows, query.limit, (row) => [String(row.revision)]);
      return { ...page, items: page.items.map(revisionOf) };
    });
  }

  @Route('getSettingsRevision')
  async revision(@Input() { params }: RouteInput<'getSettingsRevision'>): Promise<RouteOutput<'getSettingsRevision'>> {
    const { clusterId, revision } = params;
    const row = await this.#database.withTenant(params.tenantId, async (tx) => {
      await existingCluster(tx, clusterId);
      return tx.settingsRevision.findFirst({ where: { clusterId, revision } });
    });
    if (!row) throw notFound();
    return { ...revisionOf(row), settings: shownSettings(settingsOf(row)) };
  }
}

type Revision = z.output<typeof SettingsRevision>;

const revisionOf = (row: {
  revision: number;
  at: Date;
  authorType: string;
  authorId: string;
  reason: string;
  changes: unknown;
}): Revision => ({
  ...{ revision: row.revision, at: row.at.toISOString(), reason: row.reason },
  author: { type: row.authorType as Revision['author']['type'], id: row.authorId },
  changes: row.changes as Revision['changes'],
});
