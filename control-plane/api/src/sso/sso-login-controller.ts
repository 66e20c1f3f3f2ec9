import { Controller, Inject } from '@nestjs/common';
import { GroupRole } from '@robustmq/contracts';
import { appendAudit, Database, type SsoRefusal, type TenantTx } from '@robustmq/db';
import { z } from 'zod';
import { KeyRing } from '../auth/key-ring.ts';
import { NOBODY } from '../auth/passwords.ts';
import { Sessions } from '../auth/sessions.ts';
import { sameText } from '../auth/tokens.ts';
import type { Caller } from '../http/caller.ts';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';
import { refusedBy, shortOf, SsoClient, type SsoClaims } from './sso-client.ts';
import { portalRedirect } from './sso-controller.ts';

/** From `start` to `finish` at most, in seconds. */
const LOGIN_SECONDS = 10 * 60;
const CONTEXT = 'sso-login';

/** What `binding` holds, sealed: whoever began keeps it, so nothing is stored here and nobody else can finish. */
const Binding = z.object({
  tenantId: z.uuid(),
  providerId: z.uuid(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  redirectUri: z.string(),
  expiresAt: z.int(),
});

const WORDS: Record<SsoRefusal, string> = {
  'email-missing': 'Your identity provider does not tell your e-mail address.',
  'email-unverified': 'Your identity provider does not say that your e-mail address is verified.',
  'domain-not-proven': 'Your e-mail address is in a domain that this tenant has not proven.',
  'not-a-member': 'You are no member of this tenant, and its administrators let nobody join by signing in.',
  removed: 'You were removed from this tenant. Ask its owners to invite you again.',
  'no-role': 'None of your groups gives you a role in this tenant. Ask its administrators.',
  'beyond-reach':
    'You have more rights than whoever set the identity provider up: use your password, or let an owner save the provider.',
};

type ProviderRow = NonNullable<Awaited<ReturnType<TenantTx['ssoProvider']['findUnique']>>>;

/** Sign-in through a tenant's identity provider: authorization code with PKCE, state, nonce and a bound beginner. */
@Controller()
export class SsoLoginController {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #client: SsoClient;
  readonly #sessions: Sessions;
  readonly #settings: Settings;
  constructor(
    database: Database,
    keys: KeyRing,
    client: SsoClient,
    sessions: Sessions,
    @Inject(SETTINGS) settings: Settings,
  ) {
    this.#database = database;
    this.#keys = keys;
    this.#client = client;
    this.#sessions = sessions;
    this.#settings = settings;
  }

  @Route('ssoStart')
  async start(@Input() { body }: RouteInput<'ssoStart'>): Promise<RouteOutput<'ssoStart'>> {
    const redirectUri = this.#redirect(body.redirectUri);
    const domain = body.email.slice(body.email.lastIndexOf('@') + 1);
    const tenantId = await this.#database.sso.tenantOfDomain(domain);
    const provider =
      tenantId === undefined
        ? null
        : await this.#database.withTenant(tenantId, (tx) =>
            tx.ssoProvider.findFirst({
              where: { enabled: true, ...(body.providerId === undefined ? {} : { id: body.providerId }) },
              orderBy: { id: 'asc' },
            }),
          );
    if (!provider)
      throw new ProblemError('not-found', {
        detail: `No identity provider is set up for ${domain}: use your password.`,
      });
    const { url, ...request } = await this.#client.begin(provider, redirectUri);
    const expiresAt = Date.now() + LOGIN_SECONDS * 1000;
    const kept: z.infer<typeof Binding> = {
      tenantId: provider.tenantId,
      providerId: provider.id,
      expiresAt,
      ...request,
    };
    return {
      authorizationUrl: url,
      binding: this.#keys.seal(JSON.stringify(kept), CONTEXT).toString('base64url'),
      state: request.state,
      expiresInSeconds: LOGIN_SECONDS,
      provider: { id: provider.id, name: provider.name },
    };
  }

  @Route('ssoFinish')
  async finish(@Input() input: RouteInput<'ssoFinish'>): Promise<RouteOutput<'ssoFinish'>> {
    const { body } = input;
    const kept = this.#opened(body.binding);
    const { tenantId, providerId } = kept;
    const provider = await this.#database.withTenant(tenantId, (tx) =>
      tx.ssoProvider.findUnique({ where: { id: providerId } }),
    );
    if (!provider?.enabled) throw refusedBy('The identity provider is not set up any more.');
    try {
      if (!sameText(body.state, kept.state)) throw refusedBy('The answer belongs to another sign-in. Begin again.');
      if (body.error !== undefined || body.code === undefined)
        throw refusedBy(`The identity provider refused the sign-in (${shortOf(body.error ?? 'no_code')}).`);
      const claims = await this.#client.finish(provider, kept, { code: body.code, state: body.state, iss: body.iss });
      return await this.#enter(input, provider, claims);
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'sso-refused') await this.#refused(input, provider, error);
      throw error;
    }
  }

  async #enter(input: Caller, provider: ProviderRow, claims: SsoClaims): Promise<RouteOutput<'ssoFinish'>> {
    const { tenantId, id: providerId } = provider;
    const group = z
      .array(GroupRole)
      .parse(provider.groupRoles)
      .find((one) => claims.groups.includes(one.group));
    const byDefault =
      provider.defaultRole === null ? null : { role: provider.defaultRole, customRoleId: provider.defaultCustomRoleId };
    const entered = await this.#database.sso.enter({
      ...{ tenantId, providerId, subject: claims.subject, email: claims.email, emailVerified: claims.emailVerified },
      grant: group ? { role: group.role, customRoleId: group.customRoleId ?? null } : byDefault,
      mapped: group !== undefined,
      ...{ joins: provider.joins, reach: provider.reach, noPassword: NOBODY, ip: input.ip, requestId: input.requestId },
    });
    if (entered.kind === 'refused') throw refusedBy(WORDS[entered.reason]);
    const from = { ip: input.ip, userAgent: input.userAgent ?? null };
    const user = { id: entered.userId, email: entered.email };
    return this.#sessions.start(user, from, { ssoTenantId: tenantId, ssoProviderId: providerId });
  }

  /** The portal's page, or a loopback address a command listens on (RFC 8252 §7.3). Throws `validation-failed`. */
  #redirect(wanted: string | undefined): string {
    const portal = portalRedirect(this.#settings);
    if (wanted === undefined || wanted === portal) return portal;
    const url = URL.parse(wanted);
    const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url?.hostname ?? '');
    if (url?.protocol === 'http:' && loopback && url.username === '' && url.search === '' && url.hash === '')
      return url.href;
    throw new ProblemError('validation-failed', {
      errors: [{ pointer: '/redirectUri', detail: `must be ${portal} or an http address of this machine` }],
    });
  }

  #opened(binding: string): z.infer<typeof Binding> {
    try {
      const kept = Binding.parse(JSON.parse(this.#keys.unseal(Buffer.from(binding, 'base64url'), CONTEXT)));
      if (kept.expiresAt > Date.now()) return kept;
    } catch {
      // damaged, somebody else's, or not ours at all: the answer is the same
    }
    throw refusedBy('The sign-in took too long, or was not begun here. Begin again.');
  }

  /** A sign-in that failed is told in the tenant's audit log. */
  async #refused(input: Caller, provider: ProviderRow, error: ProblemError): Promise<void> {
    await this.#database.withTenant(provider.tenantId, (tx) =>
      appendAudit(tx, provider.tenantId, {
        actor: { type: 'system', id: `sso:${provider.id}`, ip: input.ip },
        ...{ action: 'sso.login', target: { type: 'sso-provider', id: provider.id }, result: 'failed' },
        ...{ requestId: input.requestId, detail: { reason: error.detail } },
      }),
    );
  }
}
