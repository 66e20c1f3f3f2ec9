import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { permissionsOf, Role, TenantId, UserId, type Session, type TenantSummary } from '@robustmq/contracts';
import { Database, SSO_SESSION_MS, type UserRow } from '@robustmq/db';
import { KeyRing } from './key-ring.ts';
import { ACCESS_TOKEN_SECONDS, ALGORITHM, AUDIENCE_API, ISSUER, newRefreshToken, REFRESH_TOKEN_MS } from './tokens.ts';

/** Makes sessions: a short access token and a refresh token of which only a digest is stored. */
@Injectable()
export class Sessions {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #jwt: JwtService;
  constructor(database: Database, keys: KeyRing, jwt: JwtService) {
    this.#database = database;
    this.#keys = keys;
    this.#jwt = jwt;
  }

  /** A new session with a new family of refresh tokens. */
  async start(
    user: Pick<UserRow, 'id' | 'email'>,
    from: { readonly ip: string | null; readonly userAgent: string | null },
    sso?: { readonly ssoTenantId: string; readonly ssoProviderId: string },
  ): Promise<Session> {
    const refreshToken = newRefreshToken();
    const hash = this.#keys.digest(refreshToken);
    const expiresAt = sso ? new Date(Date.now() + SSO_SESSION_MS) : refreshExpiry();
    const familyId = await this.#database.identity.startRefreshFamily(user.id, hash, expiresAt, { ...from, ...sso });
    return this.#session(user, refreshToken, familyId, new Date(), sso?.ssoTenantId);
  }

  /** The next session of a family; undefined when the token is unknown, expired, revoked or was used before. */
  async rotate(refreshToken: string): Promise<Session | undefined> {
    const next = newRefreshToken();
    const result = await this.#database.identity.rotateRefresh(
      this.#keys.digest(refreshToken),
      this.#keys.digest(next),
      new Date(),
      refreshExpiry(),
    );
    if (result.kind !== 'rotated') return undefined;
    const user = await this.#database.identity.user(result.userId);
    const sso = result.ssoTenantId ?? undefined;
    return user ? this.#session(user, next, result.familyId, result.authenticatedAt, sso) : undefined;
  }

  /** Ends a family, and within two seconds the access tokens of its sessions. */
  end(refreshToken: string): Promise<void> {
    return this.#database.identity.endRefreshFamily(this.#keys.digest(refreshToken), new Date());
  }

  /** `only`: a session through the identity provider of one tenant sees no other. */
  async tenantsOf(userId: string, only?: string): Promise<TenantSummary[]> {
    const rows = await this.#database.identity.tenantsOf(userId);
    return rows
      .filter((row) => only === undefined || row.id === only)
      .map((row) => ({
        id: TenantId.parse(row.id),
        name: row.name,
        role: Role.parse(row.role),
        permissions: [...permissionsOf(Role.parse(row.role), row.custom)],
      }));
  }

  /** A short token that says who, in which session, and when they last proved it. */
  accessToken(
    userId: string,
    sessionId: string | undefined,
    authenticatedAt: Date,
    ssoTenantId?: string,
  ): Promise<string> {
    return this.#jwt.signAsync(
      {
        ...(sessionId === undefined ? {} : { sid: sessionId }),
        ...(ssoTenantId === undefined ? {} : { sso: ssoTenantId }),
        auth_time: Math.floor(authenticatedAt.getTime() / 1000),
      },
      {
        ...{ subject: userId, issuer: ISSUER, audience: AUDIENCE_API, algorithm: ALGORITHM },
        ...{ expiresIn: ACCESS_TOKEN_SECONDS, secret: this.#keys.jwtKey },
      },
    );
  }

  async #session(
    user: Pick<UserRow, 'id' | 'email'>,
    refreshToken: string,
    sessionId: string,
    authenticatedAt: Date,
    ssoTenantId?: string,
  ): Promise<Session> {
    const [tenants, accessToken] = await Promise.all([
      this.tenantsOf(user.id, ssoTenantId),
      this.accessToken(user.id, sessionId, authenticatedAt, ssoTenantId),
    ]);
    const who = { id: UserId.parse(user.id), email: user.email };
    return { accessToken, expiresIn: ACCESS_TOKEN_SECONDS, refreshToken, user: who, tenants };
  }
}

const refreshExpiry = (): Date => new Date(Date.now() + REFRESH_TOKEN_MS);
