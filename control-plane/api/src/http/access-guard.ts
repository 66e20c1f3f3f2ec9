import { createHash } from 'node:crypto';
import { BlockList, isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import {
  DryRunQuery,
  permissionsOf,
  Role,
  ROUTES,
  type Permission,
  type Route as RouteData,
  type RouteName,
} from '@robustmq/contracts';
import { appendAudit, Database } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { apiKeyPrefix, sameText } from '../auth/tokens.ts';
import type { Caller, CheckedRequest, Principal } from './caller.ts';
import { readIfMatch } from './precondition.ts';
import { notFound, ProblemError } from './problem-error.ts';
import { ROUTE_METADATA, UNLISTED_METADATA } from './route.ts';
import { refuseUnstorable, validated } from './validation.ts';

/** Who asks for what, before anything of the request is looked at. */
type Asker = Pick<Caller, 'route' | 'principal' | 'params' | 'ip' | 'requestId' | 'userAgent'>;

/** Role and permissions in one tenant. */
interface Standing {
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
  /** Whether the person has a second factor; undefined for keys. */
  readonly mfa?: boolean;
}

/** `lastUsedAt` of an API key is written at most this often, in milliseconds. */
const LAST_USED_EVERY_MS = 60_000;

/**
 * The one gate of the contract's routes, in this order: who is it, does the path exist for them, may their role do it,
 * are the values right. Somebody else's tenant is not found before anything of the request is looked at.
 */
@Injectable()
export class AccessGuard extends AuthGuard('jwt') {
  readonly #reflector: Reflector;
  readonly #database: Database;
  readonly #keys: KeyRing;

  constructor(reflector: Reflector, database: Database, keys: KeyRing) {
    super();
    this.#reflector = reflector;
    this.#database = database;
    this.#keys = keys;
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // the agent link authenticates its own calls
    const places = [context.getHandler(), context.getClass()];
    const name = this.#reflector.getAllAndOverride<RouteName | undefined>(ROUTE_METADATA, places);
    if (name === undefined) {
      if (this.#reflector.getAllAndOverride<boolean | undefined>(UNLISTED_METADATA, places)) return true;
      throw new Error(`handler ${context.getHandler().name} is neither a route nor marked unlisted`);
    }
    const route: RouteData = ROUTES[name];
    const request = context.switchToHttp().getRequest<CheckedRequest>();
    const principal = route.access === 'public' ? undefined : await this.#principal(context, request);
    const params = pathParams(route, request);
    const userAgent = request.headers['user-agent']?.slice(0, 300) ?? null;
    const who: Asker = { route: name, principal, params, ip: request.ip, requestId: request.id, userAgent };
    const standing = typeof route.access === 'object' ? await this.#roleIn(params['tenantId']!, principal!) : undefined;
    const role = standing?.role;
    const permissions = standing?.permissions ?? new Set<Permission>();
    if (typeof route.access === 'object' && !permissions.has(route.access.permission)) {
      await this.#auditDenied(route, who);
      throw new ProblemError('forbidden', {
        detail: `This needs the permission ${route.access.permission}, which your role ${role} does not have.`,
      });
    }
    if (route.stepUp && standing?.mfa === true && principal?.type === 'user') refuseStale(principal.authenticatedAt);
    refuseUnstorable(request.body);
    const key = idempotencyKey(route, request);
    const once = { idempotencyKey: key, requestHash: key === undefined ? '' : requestHash(request) };
    const query = route.query ? validated(route.query, request.query ?? {}, 'query') : undefined;
    const body = route.body ? validated(route.body, request.body ?? {}, 'body') : undefined;
    const dryRun = isDryRun(route, request);
    const ifMatch = route.method === 'get' ? undefined : readIfMatch(request.headers['if-match']);
    request.caller = { ...who, ...once, dryRun, ifMatch, role, permissions, query, body };
    return true;
  }

  /** An API key or an access token. Whatever is wrong with it, the answer is the same. */
  async #principal(context: ExecutionContext, request: CheckedRequest): Promise<Principal> {
    const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer?.startsWith('rmq_')) return this.#apiKey(bearer, request.ip);
    await super.canActivate(context);
    return (request as CheckedRequest & { user: Principal }).user;
  }

  async #apiKey(key: string, ip: string): Promise<Principal> {
    const prefix = apiKeyPrefix(key);
    const row = prefix === undefined ? null : await this.#database.identity.findApiKey(prefix);
    const now = new Date();
    const digest = this.#keys.digest(key);
    const old = row?.previousUntil && row.previousUntil > now ? row.previousHash : null;
    const matches = sameText(digest, row?.keyHash ?? '') || sameText(digest, old ?? '');
    if (!row || !matches || (row.expiresAt && row.expiresAt <= now)) throw unauthenticated();
    if (row.addresses.length > 0 && !isWithin(ip, row.addresses)) throw unauthenticated();
    if (!row.lastUsedAt || now.getTime() - row.lastUsedAt.getTime() > LAST_USED_EVERY_MS) {
      await this.#database.withTenant(row.tenantId, (tx) =>
        tx.apiKey.updateMany({ where: { id: row.id }, data: { lastUsedAt: now, lastUsedIp: ip } }),
      );
    }
    const role = Role.parse(row.role);
    return { type: 'api-key', id: row.id, tenantId: row.tenantId, role, permissions: keyPermissions(role, row.scopes) };
  }

  /** The caller's role in the tenant; `not-found` when they have none, as when there is no such tenant. */
  async #roleIn(tenantId: string, principal: Principal): Promise<Standing> {
    if (principal.type === 'api-key') {
      if (principal.tenantId !== tenantId) throw notFound();
      return { role: principal.role, permissions: principal.permissions };
    }
    const membership = await this.#database.withTenant(tenantId, (tx) =>
      tx.membership.findUnique({
        where: { tenantId_userId: { tenantId, userId: principal.id } },
        select: {
          role: true,
          customRole: { select: { permissions: true } },
          user: { select: { totpConfirmedAt: true } },
          tenant: { select: { mfaRequired: true, ssoRequired: true } },
        },
      }),
    );
    if (!membership) throw notFound();
    const role = Role.parse(membership.role);
    const mfa = membership.user.totpConfirmedAt !== null;
    refuseWrongEntrance(principal.ssoTenantId, tenantId, role, membership.tenant.ssoRequired);
    // whoever came through the provider was asked there for what the tenant wants
    if (membership.tenant.mfaRequired && !mfa && principal.ssoTenantId === undefined)
      throw new ProblemError('mfa-setup-required');
    return { role, permissions: permissionsOf(role, membership.customRole?.permissions), mfa };
  }

  /** A member tried a write above their role: the tenant can read that. */
  async #auditDenied(route: RouteData, caller: Asker): Promise<void> {
    if (route.method === 'get') return;
    const tenantId = caller.params['tenantId']!;
    await this.#database.withTenant(tenantId, (tx) =>
      appendAudit(tx, tenantId, {
        actor: { type: caller.principal!.type, id: caller.principal!.id, ip: caller.ip },
        action: caller.route,
        target: { type: route.tag, id: String(Object.values(caller.params).at(-1)) },
        result: 'denied',
        requestId: caller.requestId,
      }),
    );
  }

  override handleRequest<T>(error: unknown, user: T | false): T {
    // a token that is wrong is no error here: this is the session that could not be looked up
    if (error instanceof Error) throw error;
    if (!user) throw unauthenticated();
    return user;
  }
}

/** Dangerous actions want a proof of the second factor that is at most so old, in milliseconds. */
const STEP_UP_MS = 15 * 60_000;

function refuseStale(authenticatedAt: Date): void {
  if (Date.now() - authenticatedAt.getTime() > STEP_UP_MS) throw new ProblemError('step-up-required');
}

/** A session through a provider is good in that tenant; a tenant may want one from everybody but its owners. */
function refuseWrongEntrance(through: string | undefined, tenantId: string, role: Role, required: boolean): void {
  if (through !== undefined && through !== tenantId)
    throw new ProblemError('sso-required', {
      detail: 'You signed in through the identity provider of another tenant: sign in for this one.',
    });
  if (required && through === undefined && role !== 'owner') throw new ProblemError('sso-required');
}

/** A key may do what its role may, narrowed to its scopes; a `custom` key may do exactly its scopes. */
export function keyPermissions(role: Role, scopes: readonly string[]): ReadonlySet<Permission> {
  const scoped = permissionsOf('custom', scopes);
  if (role === 'custom') return scoped;
  const all = permissionsOf(role);
  return scopes.length === 0 ? all : new Set([...all].filter((one) => scoped.has(one)));
}

/** Whether the address is in one of the CIDR blocks; an IPv4-mapped address counts as IPv4. */
export function isWithin(address: string, blocks: readonly string[]): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const list = new BlockList();
  for (const block of blocks) {
    const [net = '', bits] = block.split('/');
    const family = isIPv6(net) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(net, family);
    else list.addSubnet(net, Number(bits), family);
  }
  return list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}

const unauthenticated = (): ProblemError =>
  new ProblemError('unauthenticated', { headers: { 'www-authenticate': 'Bearer realm="robustmq"' } });

/** Path parameters in their checked form. One of the wrong shape names nothing that exists. */
function pathParams(route: RouteData, request: CheckedRequest): Record<string, string> {
  if (!route.params) return {};
  const result = route.params.safeParse(request.params);
  if (!result.success) throw notFound();
  return result.data as Record<string, string>;
}

/** Whether the write is only to be tried. One that cannot be is refused: nobody who asks for a trial gets the real thing. */
function isDryRun(route: RouteData, request: CheckedRequest): boolean {
  const asked = (request.query ?? {}) as Record<string, unknown>;
  const own = route.query !== undefined && 'dry_run' in route.query.shape;
  if (asked['dry_run'] === undefined || route.method === 'get' || own) return false;
  if (validated(DryRunQuery, asked, 'query').dry_run === 'false') return false;
  if (route.dryRun) return true;
  throw new ProblemError('validation-failed', {
    errors: [{ pointer: '?dry_run', detail: 'this request cannot be tried without being carried out' }],
  });
}

function idempotencyKey(route: RouteData, request: CheckedRequest): string | undefined {
  const header = request.headers['idempotency-key'];
  if (route.method !== 'post' || route.access === 'public' || header === undefined) return undefined;
  if (typeof header !== 'string' || !/^[\x20-\x7e]{1,255}$/.test(header))
    throw new ProblemError('bad-request', { detail: 'Idempotency-Key must be 1 to 255 printable ASCII characters.' });
  return header;
}

const requestHash = (request: CheckedRequest): string =>
  createHash('sha256')
    .update(`${request.method} ${request.url} ${JSON.stringify(request.body ?? null)}`)
    .digest('hex');
