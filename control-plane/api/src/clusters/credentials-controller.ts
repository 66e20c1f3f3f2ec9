import { Controller } from '@nestjs/common';
import { CredentialId } from '@robustmq/contracts';
import { Database, type ClusterRow } from '@robustmq/db';
import { base62 } from '../auth/tokens.ts';
import { CREDENTIALS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { undoUntil } from '../undo/undo-window.ts';
import { existingCluster, nextGeneration } from './cluster-change.ts';
import { passwordVerifiers } from './password-verifiers.ts';

/** 32 characters of base62: 190 bits. */
const PASSWORD_LENGTH = 32;

/** A cluster's credentials. Passwords are made here, shown once, and kept only as verifiers. */
@Controller()
export class CredentialsController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #provisioner: Provisioner;
  constructor(database: Database, write: TenantWrite, provisioner: Provisioner) {
    this.#database = database;
    this.#write = write;
    this.#provisioner = provisioner;
  }

  @Route('listCredentials')
  async list(@Input() { params, query }: RouteInput<'listCredentials'>): Promise<RouteOutput<'listCredentials'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    return this.#database.withTenant(params.tenantId, async (tx) => {
      const cluster = await existingCluster(tx, params.clusterId);
      const rows = await tx.credential.findMany({
        where: { clusterId: cluster.id, ...(after === undefined ? {} : { id: { gt: after } }) },
        orderBy: { id: 'asc' },
        take: query.limit + 1,
      });
      const page = pageOf(rows, query.limit, (row) => [row.id]);
      return { ...page, items: page.items.map((row) => credentialOf(row, cluster)) };
    });
  }

  @Route('createCredential')
  async create(@Input() input: RouteInput<'createCredential'>): Promise<RouteOutput<'createCredential'>> {
    const { tenantId, clusterId } = input.params;
    const { name } = input.body;
    const password = base62(PASSWORD_LENGTH);
    const verifiers = await passwordVerifiers(password);
    const { answer, replayed } = await this.#write.run(input, 'credential.create', async (tx) => {
      const cluster = await nextGeneration(tx, clusterId);
      if ((await tx.credential.count({ where: { clusterId } })) >= CREDENTIALS_MAX)
        throw new ProblemError('conflict', { detail: `A cluster has at most ${CREDENTIALS_MAX} credentials.` });
      const [row] = await tx.credential.createManyAndReturn({
        data: [{ tenantId, clusterId, name, verifiers, generation: cluster.generation }],
        skipDuplicates: true,
      });
      if (!row) throw new ProblemError('name-taken', { detail: `The cluster has a credential named "${name}".` });
      const target = { type: 'credential', id: row.id };
      const shown = { ...credentialOf(row, cluster), password };
      const { generation } = cluster;
      return {
        answer: { shown, generation },
        target,
        detail: { name, clusterId },
        operation: { clusterId, generation },
      };
    });
    if (replayed) return answer.shown;
    const propagated = await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
    return { ...answer.shown, propagated };
  }

  @Route('deleteCredential')
  async remove(@Input() input: RouteInput<'deleteCredential'>): Promise<void> {
    const { tenantId, clusterId, credentialId } = input.params;
    const { answer } = await this.#write.run(input, 'credential.delete', async (tx) => {
      const row = await tx.credential.findFirst({ where: { id: credentialId, clusterId } });
      if (!row) throw notFound();
      const { generation } = await nextGeneration(tx, clusterId);
      await tx.credential.deleteMany({ where: { id: credentialId, clusterId } });
      const target = { type: 'credential', id: credentialId };
      const { id, name, verifiers } = row;
      const undo = { until: undoUntil(), data: { id, name, verifiers, createdAt: row.createdAt } };
      const operation = { clusterId, generation, undo };
      return { answer: { generation }, target, detail: { name, clusterId }, operation };
    });
    await this.#provisioner.kickAndWait(tenantId, clusterId, answer.generation);
  }
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly generation: number;
  readonly createdAt: Date;
}

const credentialOf = (row: Row, cluster: ClusterRow) => ({
  id: CredentialId.parse(row.id),
  name: row.name,
  username: `${row.name}@${cluster.key}`,
  propagated: cluster.observedGeneration >= row.generation,
  createdAt: row.createdAt.toISOString(),
});
