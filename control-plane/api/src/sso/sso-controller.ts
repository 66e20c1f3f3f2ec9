import { Controller, Inject } from '@nestjs/common';
import { GroupRole, permissionsOf, Role, type SsoProvider } from '@robustmq/contracts';
import { Database, isUniqueViolation, uuidv7, type TenantTx } from '@robustmq/db';
import { z } from 'zod';
import { KeyRing } from '../auth/key-ring.ts';
import { PROVIDERS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import type { Settings } from '../settings.ts';
import { mustHave } from '../tenants/roles-controller.ts';
import { mayGrant } from '../tenants/tenants-controller.ts';
import { SETTINGS } from '../tokens.ts';
import { secretContext, SsoClient } from './sso-client.ts';

type ProviderRow = NonNullable<Awaited<ReturnType<TenantTx['ssoProvider']['findUnique']>>>;
type Grants = Pick<RouteInput<'createSsoProvider'>['body'], 'defaultRole' | 'defaultCustomRoleId' | 'groupRoles'>;

/** Where people come in: refuses a demand that nobody could meet. */
export async function canBeEntered(tx: TenantTx): Promise<void> {
  const [providers, domains] = await Promise.all([
    tx.ssoProvider.count({ where: { enabled: true } }),
    tx.ssoDomain.count({ where: { verifiedAt: { not: null } } }),
  ]);
  if (providers === 0 || domains === 0)
    throw new ProblemError('conflict', {
      detail: 'An enabled identity provider and a proven domain are needed: nobody could enter otherwise.',
    });
}

/** The portal's page the browser comes back to. */
export const portalRedirect = (settings: Settings): string =>
  `${(settings.publicUrl ?? `http://localhost:${settings.httpPort}`).replace(/\/$/, '')}/login/sso`;

/** Identity providers of a tenant. Whoever writes one bounds it: nobody enters with rights its author lacks. */
@Controller()
export class SsoController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #keys: KeyRing;
  readonly #client: SsoClient;
  readonly #settings: Settings;
  constructor(
    database: Database,
    write: TenantWrite,
    keys: KeyRing,
    client: SsoClient,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#database = database;
    this.#write = write;
    this.#keys = keys;
    this.#client = client;
    this.#settings = settings;
  }

  @Route('listSsoProviders')
  async list(@Input() { params, query }: RouteInput<'listSsoProviders'>): Promise<RouteOutput<'listSsoProviders'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.ssoProvider.findMany({
        ...(after === undefined ? {} : { where: { id: { gt: after } } }),
        orderBy: { id: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.id]);
    return { ...page, items: page.items.map((row) => this.#shown(row)) };
  }

  @Route('createSsoProvider')
  async create(@Input() input: RouteInput<'createSsoProvider'>): Promise<RouteOutput<'createSsoProvider'>> {
    const { tenantId } = input.params;
    const { clientSecret, defaultCustomRoleId = null, ...given } = input.body;
    this.#mayAsk(given.issuer);
    const { answer } = await this.#write.run(input, 'sso-provider.create', async (tx) => {
      await mayGive(tx, input, input.body);
      if ((await tx.ssoProvider.count()) >= PROVIDERS_MAX)
        throw new ProblemError('quota-exceeded', {
          detail: `A tenant has at most ${PROVIDERS_MAX} identity providers.`,
        });
      const id = uuidv7();
      const row = await tx.ssoProvider
        .create({
          data: {
            ...{ id, tenantId, ...given, defaultCustomRoleId, reach: [...input.permissions] },
            sealedSecret: clientSecret === undefined ? null : this.#sealed(id, clientSecret),
          },
        })
        .catch(inUse);
      const target = { type: 'sso-provider', id };
      const { name, issuer, clientId, defaultRole, groupRoles } = row;
      return { answer: this.#shown(row), target, detail: { name, issuer, clientId, defaultRole, groupRoles } };
    });
    return answer;
  }

  @Route('updateSsoProvider')
  async update(@Input() input: RouteInput<'updateSsoProvider'>): Promise<RouteOutput<'updateSsoProvider'>> {
    const id = input.params.ssoProviderId;
    const { clientSecret, ...given } = input.body;
    if (given.issuer !== undefined) this.#mayAsk(given.issuer);
    const { answer } = await this.#write.run(input, 'sso-provider.update', async (tx) => {
      const before = await tx.ssoProvider.findUnique({ where: { id } });
      if (!before) throw notFound();
      // whoever lacks what it gives can neither take that over nor take it away
      await mayGive(tx, input, grantsOf(before));
      await mayGive(tx, input, { ...grantsOf(before), ...defined(given) });
      if (given.enabled === false) await mayGo(tx, id);
      const row = await tx.ssoProvider
        .update({
          where: { id },
          data: {
            ...defined(given),
            reach: [...input.permissions],
            ...(clientSecret === undefined ? {} : { sealedSecret: this.#sealed(id, clientSecret) }),
          },
        })
        .catch(inUse);
      const changed = [...Object.keys(given), ...(clientSecret === undefined ? [] : ['clientSecret'])];
      return { answer: this.#shown(row), target: { type: 'sso-provider', id }, detail: { changed, ...given } };
    });
    const moved = given.issuer !== undefined || given.clientId !== undefined;
    if (given.enabled === false || moved) await this.#database.sso.endSessions(id, new Date());
    return answer;
  }

  @Route('deleteSsoProvider')
  async remove(@Input() input: RouteInput<'deleteSsoProvider'>): Promise<void> {
    const id = input.params.ssoProviderId;
    await this.#write.run(input, 'sso-provider.delete', async (tx) => {
      const row = await tx.ssoProvider.findUnique({ where: { id } });
      if (!row) throw notFound();
      await mayGive(tx, input, grantsOf(row));
      await mayGo(tx, id);
      await tx.ssoProvider.delete({ where: { id } });
      return { answer: null, target: { type: 'sso-provider', id }, detail: { name: row.name, issuer: row.issuer } };
    });
    await this.#database.sso.endSessions(id, new Date());
  }

  @Route('checkSsoProvider')
  async check(@Input() { params }: RouteInput<'checkSsoProvider'>): Promise<RouteOutput<'checkSsoProvider'>> {
    const row = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.ssoProvider.findUnique({ where: { id: params.ssoProviderId } }),
    );
    if (!row) throw notFound();
    return { issuer: row.issuer, ...(await this.#client.check(row)) };
  }

  #mayAsk(issuer: string): void {
    const objection = this.#client.objection(issuer);
    if (objection !== undefined)
      throw new ProblemError('validation-failed', { errors: [{ pointer: '/issuer', detail: objection }] });
  }

  #sealed = (id: string, secret: string): Uint8Array<ArrayBuffer> =>
    new Uint8Array(this.#keys.seal(secret, secretContext(id)));

  #shown = (row: ProviderRow): SsoProvider => ({
    ...{ id: row.id, name: row.name, issuer: row.issuer, clientId: row.clientId },
    ...{ hasSecret: row.sealedSecret !== null, groupsClaim: row.groupsClaim, joins: row.joins, enabled: row.enabled },
    ...{ defaultRole: Role.nullable().parse(row.defaultRole), defaultCustomRoleId: row.defaultCustomRoleId },
    groupRoles: z.array(GroupRole).parse(row.groupRoles),
    forOwners: permissionsOf('custom', row.reach).has('tenant:own'),
    redirectUri: portalRedirect(this.#settings),
    createdAt: row.createdAt.toISOString(),
  });
}

const grantsOf = (row: ProviderRow): Grants => ({
  defaultRole: Role.nullable().parse(row.defaultRole),
  defaultCustomRoleId: row.defaultCustomRoleId,
  groupRoles: z.array(GroupRole).parse(row.groupRoles),
});

/** Without the properties that are absent. */
const defined = <T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;

/** Nobody maps a group to what they lack. */
async function mayGive(tx: TenantTx, input: Parameters<typeof mustHave>[0], grants: Grants): Promise<void> {
  const { defaultRole, defaultCustomRoleId, groupRoles } = grants;
  if (defaultRole !== null) await mayGrant(tx, input, { role: defaultRole, customRoleId: defaultCustomRoleId });
  else if (defaultCustomRoleId)
    throw new ProblemError('validation-failed', {
      errors: [{ pointer: '/defaultCustomRoleId', detail: 'belongs to the default role custom' }],
    });
  for (const one of groupRoles) await mayGrant(tx, input, one);
}

/** The last way in stays while the tenant wants everybody to come that way. */
async function mayGo(tx: TenantTx, id: string): Promise<void> {
  const tenant = await tx.tenant.findFirst({ select: { ssoRequired: true } });
  if (!tenant?.ssoRequired) return;
  if ((await tx.ssoProvider.count({ where: { enabled: true, id: { not: id } } })) === 0)
    throw new ProblemError('conflict', {
      detail: 'The tenant is entered through its identity provider alone: end that first.',
    });
}

function inUse(error: unknown): never {
  if (isUniqueViolation(error))
    throw new ProblemError('conflict', { detail: 'A provider with this issuer and client id is set up already.' });
  throw error;
}
