import { randomBytes } from 'node:crypto';
import { Inject, Injectable, Logger } from '@nestjs/common';
import * as oidc from 'openid-client';
import { KeyRing } from '../auth/key-ring.ts';
import { Egress, EgressRefused } from '../http/egress.ts';
import { ProblemError } from '../http/problem-error.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';

/** What the client needs to know of a provider. */
export interface ProviderAccess {
  readonly id: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly sealedSecret: Uint8Array | null;
  readonly groupsClaim: string;
  readonly updatedAt: Date;
}

/** What was begun, and is needed again when the browser comes back. */
export interface SsoRequest {
  readonly state: string;
  readonly nonce: string;
  /** PKCE (RFC 7636). */
  readonly verifier: string;
  readonly redirectUri: string;
}

/** What the provider said of the person; nothing of it is believed further than the caller decides. */
export interface SsoClaims {
  readonly subject: string;
  readonly email: string | undefined;
  readonly emailVerified: boolean;
  readonly groups: readonly string[];
}

/** Discovery documents are read anew after so long, in milliseconds, and so many are kept. */
const DISCOVERY_MS = 10 * 60_000;
const DISCOVERIES_MAX = 500;
const GROUPS_MAX = 1_000;
const SCOPE = 'openid email profile';

/** The context of a sealed client secret. */
export const secretContext = (providerId: string): string => `sso-provider:${providerId}`;

/** Talks to tenants' identity providers: discovery, PKCE, state, nonce and signatures by openid-client, calls by Egress. */
@Injectable()
export class SsoClient {
  readonly #egress: Egress;
  readonly #keys: KeyRing;
  readonly #insecure: boolean;
  readonly #log = new Logger('sso');
  /** provider and its version → its configuration */
  readonly #known = new Map<string, { readonly configuration: oidc.Configuration; readonly until: number }>();

  constructor(egress: Egress, keys: KeyRing, @Inject(SETTINGS) settings: Settings) {
    this.#egress = egress;
    this.#keys = keys;
    this.#insecure = settings.egressPrivate ?? false;
  }

  /** What is wrong with an issuer's address without asking it. */
  objection(issuer: string): string | undefined {
    const url = URL.parse(issuer);
    if (url && (url.search !== '' || url.hash !== '')) return 'must have no query and no fragment';
    return this.#egress.objection(issuer);
  }

  /** Where the browser goes, and what has to be remembered. Throws `unavailable` when the provider cannot be read. */
  async begin(provider: ProviderAccess, redirectUri: string): Promise<SsoRequest & { readonly url: string }> {
    const configuration = await this.#configuration(provider);
    const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()];
    const url = oidc.buildAuthorizationUrl(configuration, {
      ...{ redirect_uri: redirectUri, scope: SCOPE, state, nonce, response_type: 'code' },
      ...{ code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' },
    });
    return { state, nonce, verifier, redirectUri, url: url.href };
  }

  /** Exchanges the code. Throws `sso-refused` with words for the person, `unavailable` when the provider is away. */
  async finish(
    provider: ProviderAccess,
    request: SsoRequest,
    answer: { readonly code: string; readonly state: string; readonly iss?: string | undefined },
  ): Promise<SsoClaims> {
    const configuration = await this.#configuration(provider);
    const back = new URL(request.redirectUri);
    back.searchParams.set('code', answer.code);
    back.searchParams.set('state', answer.state);
    if (answer.iss !== undefined) back.searchParams.set('iss', answer.iss);
    const tokens = await this.#asked(() =>
      oidc.authorizationCodeGrant(configuration, back, {
        ...{ pkceCodeVerifier: request.verifier, expectedState: request.state, expectedNonce: request.nonce },
        idTokenExpected: true,
      }),
    );
    const claims = tokens.claims();
    if (!claims) throw refusedBy('The provider sent no ID token.');
    // providers may leave all but `sub` to the userinfo endpoint (OpenID Connect Core 5.4)
    const more =
      claims['email'] === undefined && configuration.serverMetadata().userinfo_endpoint !== undefined
        ? await this.#asked(() => oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub))
        : {};
    return claimsOf({ ...more, ...claims }, provider.groupsClaim);
  }

  /** What is wrong with the provider as it describes itself now. */
  async check(provider: ProviderAccess): Promise<{ authorizationEndpoint: string | null; problems: string[] }> {
    try {
      const metadata = (await this.#configuration(provider, true)).serverMetadata();
      const problems: string[] = [];
      const pkce: unknown = metadata.code_challenge_methods_supported;
      if (metadata.authorization_endpoint === undefined) problems.push('It names no authorization endpoint.');
      if (metadata.token_endpoint === undefined) problems.push('It names no token endpoint.');
      if (metadata.jwks_uri === undefined) problems.push('It names no keys (jwks_uri).');
      if (Array.isArray(pkce) && !pkce.includes('S256')) problems.push('It does not support PKCE with S256.');
      return { authorizationEndpoint: metadata.authorization_endpoint ?? null, problems };
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      return { authorizationEndpoint: null, problems: [error.detail ?? error.message] };
    }
  }

  async #configuration(provider: ProviderAccess, anew = false): Promise<oidc.Configuration> {
    const key = `${provider.id} ${provider.updatedAt.getTime()}`;
    const known = this.#known.get(key);
    if (known && known.until > Date.now() && !anew) return known.configuration;
    const secret =
      provider.sealedSecret === null ? undefined : this.#keys.unseal(provider.sealedSecret, secretContext(provider.id));
    const configuration = await this.#asked(() =>
      oidc.discovery(new URL(provider.issuer), provider.clientId, {}, clientAuthOf(secret), {
        [oidc.customFetch]: (url, options) => this.#fetch(url, options),
        execute: this.#insecure ? [oidc.allowInsecureRequests] : [],
      }),
    );
    // the ID token's signature is checked though it came straight from the provider
    oidc.enableNonRepudiationChecks(configuration);
    this.#known.delete(key);
    this.#known.set(key, { configuration, until: Date.now() + DISCOVERY_MS });
    if (this.#known.size > DISCOVERIES_MAX) this.#known.delete(this.#known.keys().next().value!);
    return configuration;
  }

  async #fetch(url: string, options: oidc.CustomFetchOptions): Promise<Response> {
    const { body } = options;
    const text =
      body === null || body === undefined
        ? undefined
        : body instanceof URLSearchParams
          ? body.toString()
          : String(body as string);
    const answer = await this.#egress.send({
      ...{ url, method: options.method === 'POST' ? 'POST' : 'GET', body: text },
      headers: {
        ...options.headers,
        ...(text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
      },
    });
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) if (typeof value === 'string') headers.set(name, value);
    const empty = answer.status === 204 || answer.status === 304;
    return new Response(empty ? null : new Uint8Array(answer.body), { status: answer.status, headers });
  }

  /** Turns what openid-client throws into words for people; what the provider sent is told in its short form alone. */
  async #asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof oidc.ResponseBodyError || error instanceof oidc.AuthorizationResponseError)
        throw refusedBy(`The identity provider refused it (${shortOf(error.error)}). Begin again.`);
      if (error instanceof oidc.WWWAuthenticateChallengeError)
        throw refusedBy(
          `The identity provider refused it (${shortOf(error.cause[0]?.parameters['error'] ?? 'unauthorized')}). Its client secret may be wrong.`,
        );
      const root = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      if (root instanceof EgressRefused || error instanceof EgressRefused)
        throw new ProblemError('unavailable', {
          detail: `The identity provider cannot be asked. ${(root as Error).message}`,
        });
      const code = String(Reflect.get(Object(error), 'code') ?? '');
      this.#log.warn({ code, message: error instanceof Error ? error.message : String(error) }, 'identity provider');
      if (code.startsWith('OAUTH_') && code !== 'OAUTH_RESPONSE_IS_NOT_CONFORM' && code !== 'OAUTH_TIMEOUT')
        throw refusedBy(`What the identity provider answered cannot be trusted (${shortOf(code)}).`);
      throw new ProblemError('unavailable', { detail: 'The identity provider does not answer as it should.' });
    }
  }
}

/** The provider's word for an error, as far as it is one. */
export const shortOf = (text: string): string => (/^[A-Za-z0-9_.-]{1,64}$/.test(text) ? text : 'unknown error');

export const refusedBy = (detail: string): ProblemError => new ProblemError('sso-refused', { detail });

/** `client_secret_basic` unless the provider names only the other way (OpenID Connect Discovery §3). */
function clientAuthOf(secret: string | undefined): oidc.ClientAuth {
  if (secret === undefined) return oidc.None();
  return (server, ...rest) => {
    const ways = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const auth = ways.includes('client_secret_basic') ? oidc.ClientSecretBasic(secret) : oidc.ClientSecretPost(secret);
    return auth(server, ...rest);
  };
}

function claimsOf(claims: Record<string, unknown>, groupsClaim: string): SsoClaims {
  const { email, email_verified: verified } = claims;
  const groups = claims[groupsClaim];
  const list: unknown[] = Array.isArray(groups) ? groups : typeof groups === 'string' ? [groups] : [];
  return {
    subject: String(claims['sub']),
    email: typeof email === 'string' && email.length <= 254 && email.includes('@') ? email.toLowerCase() : undefined,
    // some providers send text; nothing but a clear yes counts
    emailVerified: verified === true || verified === 'true',
    groups: list.filter((one) => typeof one === 'string').slice(0, GROUPS_MAX),
  };
}

/** Random text for a domain's TXT record. */
export const newProof = (): string => `robustmq-domain=${randomBytes(24).toString('base64url')}`;
