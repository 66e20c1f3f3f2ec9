import { Controller } from '@nestjs/common';
import { Role } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { newApiKey, newSecret } from '../auth/tokens.ts';
import { keyPermissions } from '../http/access-guard.ts';
import { API_KEYS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { undoUntil } from '../undo/undo-window.ts';
import { mustHave } from './roles-controller.ts';

/** A tenant's API keys. The key is shown once; only its digest is stored. */
@Controller()
export class ApiKeysController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #keys: KeyRing;
  constructor(database: Database, write: TenantWrite, keys: KeyRing) {
    this.#database = database;
    this.#write = write;
    this.#keys = keys;
  }

  @Route('listApiKeys')
  async list(@Input() { params, query }: RouteInput<'listApiKeys'>): Promise<RouteOutput<'listApiKeys'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.apiKey.findMany({
        ...(after === undefined ? {} : { where: { id: { gt: after } } }),
        orderBy: { id: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.id]);
    return { ...page, items: page.items.map(apiKeyOf) };
  }

  @Route('createApiKey')
  async create(@Input() input: RouteInput<'createApiKey'>): Promise<RouteOutput<'createApiKey'>> {
    const { tenantId } = input.params;
    const { name, role, expiresAt } = input.body;
    const { scopes = [], addresses = [] } = input.body;
    if (role === 'custom' && scopes.length === 0)
      throw new ProblemError('validation-failed', {
        errors: [{ pointer: '/scopes', detail: 'a custom key needs at least one' }],
      });
    mustHave(input, keyPermissions(role, scopes));
    const { key, prefix } = newApiKey();
    const { answer } = await this.#write.run(input, 'api-key.create', async (tx) => {
      if ((await tx.apiKey.count()) >= API_KEYS_MAX)
        throw new ProblemError('quota-exceeded', { detail: `A tenant has at most ${API_KEYS_MAX} API keys.` });
      const row = await tx.apiKey.create({
        data: {
          ...{ tenantId, name, role, prefix, scopes, addresses, keyHash: this.#keys.digest(key) },
          expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
        },
      });
      const target = { type: 'api-key', id: row.id };
      return { answer: { ...apiKeyOf(row), key }, target, detail: { name, role, prefix, scopes, addresses } };
    });
    return answer;
  }

  @Route('rotateApiKey')
  async rotate(@Input() input: RouteInput<'rotateApiKey'>): Promise<RouteOutput<'rotateApiKey'>> {
    const id = input.params.apiKeyId;
    const { overlapSeconds } = input.body;
    const { answer } = await this.#write.run(input, 'api-key.rotate', async (tx) => {
      const row = await tx.apiKey.findUnique({ where: { id } });
      if (!row) throw notFound();
      mustHave(input, keyPermissions(Role.parse(row.role), row.scopes));
      const key = newSecret(row.prefix);
      const previousUntil = new Date(Date.now() + overlapSeconds * 1_000);
      const rotated = await tx.apiKey.update({
        where: { id },
        data: { keyHash: this.#keys.digest(key), previousHash: row.keyHash, previousUntil },
      });
      const target = { type: 'api-key', id };
      return { answer: { ...apiKeyOf(rotated), key }, target, detail: { name: row.name, overlapSeconds } };
    });
    return answer;
  }

  @Route('deleteApiKey')
  async remove(@Input() input: RouteInput<'deleteApiKey'>): Promise<void> {
    const id = input.params.apiKeyId;
    await this.#write.run(input, 'api-key.delete', async (tx) => {
      const row = await tx.apiKey.findUnique({ where: { id } });
      if (!row) throw notFound();
      mustHave(input, keyPermissions(Role.parse(row.role), row.scopes));
      await tx.apiKey.delete({ where: { id } });
      const { tenantId: _, ...data } = row;
      const operation = { undo: { until: undoUntil(), data } };
      return { answer: null, target: { type: 'api-key', id }, detail: { name: row.name }, operation };
    });
  }
}

interface ApiKeyRow {
  id: string;
  name: string;
  role: string;
  prefix: string;
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
  lastUsedIp: string | null;
  scopes: string[];
  addresses: string[];
  previousUntil: Date | null;
}

const apiKeyOf = (row: ApiKeyRow) => ({
  id: row.id,
  name: row.name,
  role: Role.parse(row.role),
  prefix: `rmq_${row.prefix}`,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt?.toISOString() ?? null,
  lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  ...{ lastUsedIp: row.lastUsedIp, scopes: row.scopes, addresses: row.addresses },
  overlapUntil: row.previousUntil && row.previousUntil > new Date() ? row.previousUntil.toISOString() : null,
});
