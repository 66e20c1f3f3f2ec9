import { Injectable } from '@nestjs/common';
import { ClusterSettings, type SettingsWritten } from '@robustmq/contracts';
import { Database, type ClusterRow, type TenantTx } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import type { Caller } from '../http/caller.ts';
import { Egress } from '../http/egress.ts';
import { ProblemError } from '../http/problem-error.ts';
import { mayChange } from '../http/precondition.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { existingCluster, nextGeneration } from './cluster-change.ts';
import { undoUntil } from '../undo/undo-window.ts';
import { changesBetween } from './settings-change.ts';
import { withRevocations } from './certificate-revocations.ts';
import { openSettings, shownSettings, storedSettings } from './settings-secrets.ts';

/** Revisions of one cluster that are kept; the oldest go. */
const REVISIONS_MAX = 500;

type ClusterCaller = Caller & { readonly params: { readonly tenantId: string; readonly clusterId: string } };

export interface Change {
  /** Audit action and the revision's reason, e.g. `settings.patch`. */
  readonly reason: string;
  readonly dryRun?: boolean;
  /** It cannot be undone. */
  readonly final?: boolean;
  /** The next settings from those in force; may look into the transaction. Throws to refuse. */
  readonly next: (current: ClusterSettings, tx: TenantTx) => Promise<ClusterSettings> | ClusterSettings;
}

/** The settings in force of a row. */
export const settingsOf = (row: Pick<ClusterRow, 'settings'>): ClusterSettings => ClusterSettings.parse(row.settings);

/** Every change of a cluster's settings: one revision, one generation, one audit row, applied without a restart. */
@Injectable()
export class SettingsWriter {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  readonly #keys: KeyRing;
  readonly #egress: Egress;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner, keys: KeyRing, egress: Egress) {
    this.#keys = keys;
    this.#egress = egress;
    this.#database = database;
    this.#write = write;
    this.#provisioner = provisioner;
  }

  /** Carries the change out, or only says what it would do. A change that changes nothing makes no revision. */
  async change(caller: ClusterCaller, change: Change): Promise<SettingsWritten> {
    const { tenantId, clusterId } = caller.params;
    if (change.dryRun) {
      return this.#database.withTenant(tenantId, async (tx) => {
        const row = await existingCluster(tx, clusterId);
        const planned = await this.#plan(caller, row, change, tx);
        return { ...planned.shown, applied: false, dryRun: true };
      });
    }
    const { answer, replayed } = await this.#write.run(caller, change.reason, async (tx) => {
      const row = await nextGeneration(tx, clusterId);
      const { next, shown } = await this.#plan(caller, row, change, tx);
      if (shown.changes.length > 0) await this.#store(tx, caller, row, change.reason, next, shown);
      const target = { type: 'cluster', id: clusterId };
      const detail = { revision: shown.revision, changes: shown.changes.slice(0, 20) };
      const { generation } = row;
      const data = { from: row.settingsRevision, to: shown.revision };
      const undo = data.from === data.to || change.final ? {} : { undo: { until: undoUntil(7 * 24), data } };
      return { answer: { shown, generation }, target, detail, operation: { clusterId, generation, ...undo } };
    });
    const applied = replayed || (await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation));
    return { ...answer.shown, applied, dryRun: false };
  }

  /** Sealed twice, one secret looks different: what counts is what the node gets. */
  #opened = (row: ClusterRow, settings: ClusterSettings): string =>
    JSON.stringify(openSettings(settings, this.#keys, row.id));

  /** The address nodes are to ask is none of the service's own network; the node looks again when it resolves it. */
  #mayAsk({ authentication: { http } }: ClusterSettings): void {
    const objection = http && this.#egress.objection(http.url);
    if (objection !== undefined)
      throw new ProblemError('validation-failed', {
        errors: [{ pointer: '/authentication/http/url', detail: objection }],
      });
  }

  async #plan(caller: Caller, row: ClusterRow, change: Change, tx: TenantTx) {
    mayChange(caller, row.settingsRevision);
    const current = settingsOf(row);
    const wanted = await change.next(current, tx);
    this.#mayAsk(wanted);
    const revoking = await withRevocations(tx, row.id, wanted);
    const next = storedSettings(revoking, current, this.#keys, row.id);
    const changes = changesBetween(shownSettings(current), shownSettings(next));
    // a hidden key that was replaced shows no difference, and still is one
    if (changes.length === 0 && this.#opened(row, current) !== this.#opened(row, next))
      changes.push({ path: '/authentication' });
    const revision = row.settingsRevision + (changes.length > 0 ? 1 : 0);
    return { next, shown: { revision, settings: shownSettings(next), changes } };
  }

  async #store(
    tx: TenantTx,
    caller: Caller,
    row: ClusterRow,
    reason: string,
    next: ClusterSettings,
    shown: Pick<SettingsWritten, 'revision' | 'changes'>,
  ): Promise<void> {
    const { tenantId, id: clusterId } = row;
    const { revision } = shown;
    const settings = json(next);
    await tx.cluster.update({ where: { id: clusterId }, data: { settings, settingsRevision: revision } });
    await tx.settingsRevision.create({
      data: {
        ...{ tenantId, clusterId, revision, settings, reason, changes: json(shown.changes) },
        ...{ authorType: caller.principal!.type, authorId: caller.principal!.id },
      },
    });
    await tx.settingsRevision.deleteMany({ where: { clusterId, revision: { lte: revision - REVISIONS_MAX } } });
  }
}

const json = (value: unknown): object => JSON.parse(JSON.stringify(value)) as object;

/** Two rules or entries cannot have one id, and an id that is not there cannot be changed. */
export function placeOf(list: readonly { readonly id: string }[], id: string): number {
  const index = list.findIndex((one) => one.id === id);
  if (index < 0) throw new ProblemError('not-found');
  return index;
}
