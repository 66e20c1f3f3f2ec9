import type { PrismaClient } from './generated/prisma/client.ts';
import { inScope, type TenantTx } from './tenant-tx.ts';

/** What the billing run and the operator's reports read across tenants: ids, to enter each tenant's own scope with. */
export class Money {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Tenants in order of id, after `after`, at most `limit`. */
  tenantIds(after: string | undefined, limit: number): Promise<string[]> {
    return inScope(this.#client, { setting: 'app.billing_run', value: 'on' }, async (tx) => {
      const rows = await tx.tenant.findMany({
        ...(after === undefined ? {} : { where: { id: { gt: after } } }),
        ...{ select: { id: true }, orderBy: { id: 'asc' }, take: limit },
      });
      return rows.map((row) => row.id);
    });
  }
}

/** Public keys (PEM) of the agents that signed windows; agents that are not known are left out. */
export async function agentKeys(tx: TenantTx, agentIds: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.$queryRaw<{ id: string; pem: string }[]>`
    SELECT id::text AS id, public_key_pem AS pem FROM agents WHERE id = ANY(${[...agentIds]}::uuid[])`;
  return new Map(rows.map((row) => [row.id, row.pem]));
}
