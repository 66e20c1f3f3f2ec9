import { Resolver } from 'node:dns/promises';
import { domainToASCII } from 'node:url';
import { Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { TenantId, type SsoDomain } from '@robustmq/contracts';
import { appendAudit, Database, isUniqueViolation, type TenantTx } from '@robustmq/db';
import type { FastifyRequest } from 'fastify';
import { sameText } from '../auth/tokens.ts';
import { DOMAINS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route, Unlisted } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { newProof } from './sso-client.ts';

const RECORD = '_robustmq-challenge';
const RESOLVE_TIMEOUT_MS = 5_000;
/** Where everybody has an address: nobody's company. */
const EVERYBODYS = new Set([
  ...['gmail.com', 'googlemail.com', 'outlook.com', 'hotmail.com', 'live.com', 'yahoo.com', 'icloud.com', 'me.com'],
  ...['proton.me', 'protonmail.com', 'gmx.de', 'gmx.net', 'web.de', 'aol.com', 'mail.ru', 'qq.com', '163.com'],
]);

type DomainRow = NonNullable<Awaited<ReturnType<TenantTx['ssoDomain']['findFirst']>>>;

/** A domain in lower-case ASCII. Throws `validation-failed`. */
function domainOf(text: string): string {
  const domain = domainToASCII(text.toLowerCase().replace(/\.$/, ''));
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
  const wrong = (detail: string) => new ProblemError('validation-failed', { errors: [{ pointer: '/domain', detail }] });
  if (!new RegExp(`^(${label}\\.)+[a-z][a-z0-9-]*[a-z0-9]$`).test(domain) || domain.length > 253)
    throw wrong('is no domain, like example.com');
  if (EVERYBODYS.has(domain)) throw wrong('is a domain where everybody can have an address');
  return domain;
}

/** A tenant's e-mail domains. Two may claim one; whoever proves it first has it. */
@Controller()
export class SsoDomainsController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #settings: Settings;
  constructor(database: Database, write: TenantWrite, @Inject(SETTINGS) settings: Settings) {
    this.#database = database;
    this.#write = write;
    this.#settings = settings;
  }

  @Route('listSsoDomains')
  async list(@Input() { params, query }: RouteInput<'listSsoDomains'>): Promise<RouteOutput<'listSsoDomains'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.ssoDomain.findMany({
        where: { tenantId: params.tenantId, ...(after === undefined ? {} : { domain: { gt: after } }) },
        orderBy: { domain: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.domain]);
    return { ...page, items: page.items.map(shown) };
  }

  @Route('createSsoDomain')
  async create(@Input() input: RouteInput<'createSsoDomain'>): Promise<RouteOutput<'createSsoDomain'>> {
    const { tenantId } = input.params;
    const domain = domainOf(input.body.domain);
    const { answer } = await this.#write.run(input, 'sso-domain.create', async (tx) => {
      if ((await tx.ssoDomain.count()) >= DOMAINS_MAX)
        throw new ProblemError('quota-exceeded', { detail: `A tenant claims at most ${DOMAINS_MAX} domains.` });
      const [row] = await tx.ssoDomain.createManyAndReturn({
        data: [{ tenantId, domain, proof: newProof() }],
        skipDuplicates: true,
      });
      if (!row) throw new ProblemError('conflict', { detail: 'The domain is claimed already.' });
      return { answer: shown(row), target: { type: 'sso-domain', id: domain } };
    });
    return answer;
  }

  @Route('verifySsoDomain')
  async verify(@Input() input: RouteInput<'verifySsoDomain'>): Promise<RouteOutput<'verifySsoDomain'>> {
    const { tenantId, domain } = input.params;
    const row = await this.#database.withTenant(tenantId, (tx) =>
      tx.ssoDomain.findUnique({ where: { tenantId_domain: { tenantId, domain } } }),
    );
    if (!row) throw notFound();
    if (row.verifiedAt === null && !(await this.#records(domain)).includes(row.proof))
      throw new ProblemError('conflict', {
        detail: `There is no TXT record ${RECORD}.${domain} with the value ${row.proof} yet. DNS may take a while.`,
      });
    const { answer } = await this.#write.run(input, 'sso-domain.verify', async (tx) => ({
      answer: shown(await proven(tx, tenantId, domain, 'dns')),
      target: { type: 'sso-domain', id: domain },
      detail: { by: 'dns' },
    }));
    return answer;
  }

  @Route('deleteSsoDomain')
  async remove(@Input() input: RouteInput<'deleteSsoDomain'>): Promise<void> {
    const { tenantId, domain } = input.params;
    await this.#write.run(input, 'sso-domain.delete', async (tx) => {
      const removed = await tx.ssoDomain.deleteMany({ where: { tenantId, domain } });
      if (removed.count === 0) throw notFound();
      const tenant = await tx.tenant.findFirst({ select: { ssoRequired: true } });
      const left = await tx.ssoDomain.count({ where: { verifiedAt: { not: null } } });
      if (tenant?.ssoRequired && left === 0)
        throw new ProblemError('conflict', {
          detail: 'The tenant is entered through its identity provider alone: end that first.',
        });
      return { answer: null, target: { type: 'sso-domain', id: domain } };
    });
  }

  /** The operator vouches for a domain that cannot be proven by DNS. */
  @Unlisted()
  @Post('v1/operator/tenants/:tenantId/sso-domains/:domain/approve')
  @HttpCode(200)
  async approve(
    @Req() request: FastifyRequest,
    @Param('tenantId') tenant: string,
    @Param('domain') domain: string,
  ): Promise<SsoDomain> {
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!sameText(given, this.#settings.operatorToken)) throw new ProblemError('unauthenticated');
    const tenantId = TenantId.safeParse(tenant).data;
    if (tenantId === undefined) throw notFound();
    return this.#database.withTenant(tenantId, async (tx) => {
      const row = await proven(tx, tenantId, domain, 'operator');
      await appendAudit(tx, tenantId, {
        actor: { type: 'system', id: 'operator', ip: request.ip },
        ...{ action: 'sso-domain.verify', target: { type: 'sso-domain', id: domain }, result: 'ok' },
        ...{ requestId: request.id, detail: { by: 'operator' } },
      });
      return shown(row);
    });
  }

  /** TXT records of the domain's challenge; none when the name does not exist. Throws `unavailable`. */
  async #records(domain: string): Promise<string[]> {
    const name = `${RECORD}.${domain}`;
    const resolve =
      this.#settings.resolveTxt ??
      ((text: string) => new Resolver({ timeout: RESOLVE_TIMEOUT_MS, tries: 2 }).resolveTxt(text));
    try {
      return (await resolve(name)).map((chunks) => chunks.join(''));
    } catch (error) {
      if (['ENOTFOUND', 'ENODATA'].includes(String(Reflect.get(Object(error), 'code')))) return [];
      throw new ProblemError('unavailable', { detail: 'The DNS servers of the domain do not answer.' });
    }
  }
}

async function proven(tx: TenantTx, tenantId: string, domain: string, by: 'dns' | 'operator'): Promise<DomainRow> {
  const at = { tenantId_domain: { tenantId, domain } };
  const row = await tx.ssoDomain.findUnique({ where: at });
  if (!row) throw notFound();
  if (row.verifiedAt !== null) return row;
  return tx.ssoDomain
    .update({ where: at, data: { verifiedAt: new Date(), verifiedBy: by } })
    .catch((error: unknown) => {
      if (isUniqueViolation(error))
        throw new ProblemError('conflict', {
          detail: 'Another tenant has proven this domain: it must give it up first.',
        });
      throw error;
    });
}

const shown = (row: DomainRow): SsoDomain => ({
  domain: row.domain,
  record: { name: `${RECORD}.${row.domain}`, value: row.proof },
  verifiedAt: row.verifiedAt?.toISOString() ?? null,
  verifiedBy: row.verifiedBy === 'dns' || row.verifiedBy === 'operator' ? row.verifiedBy : null,
  createdAt: row.createdAt.toISOString(),
});
