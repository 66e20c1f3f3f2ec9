import { randomUUID } from 'node:crypto';
import { appendAudit } from './audit.ts';
import type { PrismaClient } from './generated/prisma/client.ts';
import { inScope } from './tenant-tx.ts';
import { uuidv7 } from './uuid.ts';

export interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly passwordHash: string;
}

export interface TenantOfUser {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  /** Permissions of a role the tenant made; empty for built-in ones. */
  readonly custom: readonly string[];
}

export interface PresentedApiKey {
  readonly id: string;
  readonly tenantId: string;
  readonly role: string;
  readonly scopes: readonly string[];
  readonly addresses: readonly string[];
  readonly keyHash: string;
  readonly previousHash: string | null;
  readonly previousUntil: Date | null;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** `reused`: the token had been exchanged before, and its whole family is revoked now. */
export type RefreshResult =
  | {
      readonly kind: 'rotated';
      readonly userId: string;
      readonly familyId: string;
      readonly authenticatedAt: Date;
      /** The tenant whose identity provider the session came through. */
      readonly ssoTenantId: string | null;
    }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'reused' };

export class AddressTakenError extends Error {}

/** A session through an identity provider ends so long after the sign-in: whoever left the company is asked again. */
export const SSO_SESSION_MS = 12 * 3600_000;

/**
 * Questions asked before it is known which tenant a caller belongs to. People and refresh tokens belong to no tenant;
 * memberships and API keys are read through the narrow read-only policies `own_memberships` and `presented_key`.
 */
export class Identity {
  readonly #client: PrismaClient;
  constructor(client: PrismaClient) {
    this.#client = client;
  }

  /** Person, tenant, owner membership and the tenant's first audit row, in one transaction. Throws `AddressTakenError`. */
  async signUp(input: {
    readonly email: string;
    readonly passwordHash: string;
    readonly tenantName: string;
    readonly ip: string | null;
    readonly requestId: string;
  }): Promise<{ userId: string; tenantId: string }> {
    const tenantId = uuidv7();
    const userId = uuidv7();
    await inScope(this.#client, { setting: 'app.tenant_id', value: tenantId }, async (tx) => {
      const made = await tx.user.createMany({
        data: [{ id: userId, email: input.email, passwordHash: input.passwordHash }],
        skipDuplicates: true,
      });
      if (made.count === 0) throw new AddressTakenError();
      await tx.tenant.create({ data: { id: tenantId, name: input.tenantName } });
      await tx.membership.create({ data: { tenantId, userId, role: 'owner' } });
      await appendAudit(tx, tenantId, {
        actor: { type: 'user', id: userId, ip: input.ip },
        action: 'tenant.create',
        target: { type: 'tenant', id: tenantId },
        result: 'ok',
        requestId: input.requestId,
        detail: { name: input.tenantName },
      });
    });
    return { userId, tenantId };
  }

  /** `email` in lower case. */
  userByEmail(email: string): Promise<UserRow | null> {
    return this.#client.user.findUnique({ where: { email } });
  }

  user(id: string): Promise<UserRow | null> {
    return this.#client.user.findUnique({ where: { id } });
  }

  /** The tenants a person belongs to, with their role in each, oldest first. */
  tenantsOf(userId: string): Promise<TenantOfUser[]> {
    return inScope(this.#client, { setting: 'app.user_id', value: userId }, async (tx) => {
      const rows = await tx.membership.findMany({
        where: { userId },
        include: { tenant: { select: { name: true } }, customRole: { select: { permissions: true } } },
        orderBy: { createdAt: 'asc' },
      });
      return rows.map((row) => ({
        id: row.tenantId,
        name: row.tenant.name,
        role: row.role,
        custom: row.customRole?.permissions ?? [],
      }));
    });
  }

  /** Starts a family of refresh tokens. */
  async startRefreshFamily(
    userId: string,
    tokenHash: string,
    expiresAt: Date,
    from: {
      readonly ip: string | null;
      readonly userAgent: string | null;
      readonly ssoTenantId?: string;
      readonly ssoProviderId?: string;
    } = { ip: null, userAgent: null },
  ): Promise<string> {
    const familyId = randomUUID();
    await this.#client.refreshToken.create({ data: { userId, tokenHash, expiresAt, familyId, ...from } });
    return familyId;
  }

  /**
   * Exchanges one token for the next of its family. The conditional update lets exactly one of two concurrent exchanges
   * win; the other is reuse, and reuse ends the family (OAuth 2.0 Security BCP, RFC 9700 §4.14.2).
   */
  async rotateRefresh(tokenHash: string, nextHash: string, now: Date, expiresAt: Date): Promise<RefreshResult> {
    return this.#client.$transaction(async (tx) => {
      const token = await tx.refreshToken.findUnique({ where: { tokenHash } });
      if (!token || token.revokedAt !== null || token.expiresAt <= now) return { kind: 'unknown' };
      const won = await tx.refreshToken.updateMany({
        where: { id: token.id, usedAt: null, revokedAt: null },
        data: { usedAt: now },
      });
      if (won.count === 0) {
        await tx.refreshToken.updateMany({
          where: { familyId: token.familyId, revokedAt: null },
          data: { revokedAt: now },
        });
        return { kind: 'reused' };
      }
      const { familyId, authenticatedAt, ssoTenantId, ssoProviderId } = token;
      const ssoEnd = new Date(authenticatedAt.getTime() + SSO_SESSION_MS);
      await tx.refreshToken.create({
        data: {
          ...{ familyId, userId: token.userId, tokenHash: nextHash, authenticatedAt, ssoTenantId, ssoProviderId },
          ...{ ip: token.ip, userAgent: token.userAgent },
          expiresAt: ssoTenantId !== null && ssoEnd < expiresAt ? ssoEnd : expiresAt,
        },
      });
      return { kind: 'rotated', userId: token.userId, familyId, authenticatedAt, ssoTenantId };
    });
  }

  /** Ends the family of a token; unknown tokens are no error. */
  async endRefreshFamily(tokenHash: string, now: Date): Promise<void> {
    const token = await this.#client.refreshToken.findUnique({ where: { tokenHash }, select: { familyId: true } });
    if (!token) return;
    await this.#client.refreshToken.updateMany({
      where: { familyId: token.familyId, revokedAt: null },
      data: { revokedAt: now },
    });
  }

  /** Removes tokens that expired before `before`; answers how many. */
  async forgetRefreshTokens(before: Date): Promise<number> {
    return (await this.#client.refreshToken.deleteMany({ where: { expiresAt: { lt: before } } })).count;
  }

  /** The key with this prefix, for the caller to compare hashes in constant time. */
  findApiKey(prefix: string): Promise<PresentedApiKey | null> {
    return inScope(this.#client, { setting: 'app.api_key_prefix', value: prefix }, (tx) =>
      tx.apiKey.findUnique({
        where: { prefix },
        select: {
          ...{ id: true, tenantId: true, role: true, scopes: true, addresses: true, keyHash: true },
          ...{ previousHash: true, previousUntil: true, expiresAt: true, lastUsedAt: true },
        },
      }),
    );
  }
}
