import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { freePort } from '@robustmq/db/testing';
import Provider from 'oidc-provider';

/** What the issuer says of somebody. */
export interface IssuerPerson {
  readonly email?: string;
  readonly email_verified?: boolean | string;
  readonly groups?: readonly string[];
}

export const ISSUER_CLIENT = { id: 'robustmq', secret: 'a secret of the issuer' };

/** A real OpenID Connect provider on loopback; whoever comes is logged in as `subject` without being asked. */
export interface TestIssuer {
  readonly url: string;
  readonly people: Map<string, IssuerPerson>;
  /** Who is at the browser. */
  subject: string;
  /** The form the browser would be shown is refused, as a person can. */
  refuses: boolean;
  /** Goes where the browser is sent, with its cookies, until it is sent back; answers the parameters. */
  browse(authorizationUrl: string): Promise<URLSearchParams>;
  close(): Promise<void>;
}

/** `options` are merged into the provider's configuration; `redirects` are the addresses it sends browsers back to. */
export async function startTestIssuer(
  redirects: readonly string[],
  options: Record<string, unknown> = {},
): Promise<TestIssuer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const people = new Map<string, IssuerPerson>();
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const provider = new Provider(url, {
    clients: [
      {
        ...{ client_id: ISSUER_CLIENT.id, client_secret: ISSUER_CLIENT.secret, redirect_uris: redirects },
        ...{ grant_types: ['authorization_code'], response_types: ['code'], application_type: 'web' },
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'one' }] },
    cookies: { keys: ['only for tests'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['groups'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    findAccount: (_context: unknown, sub: string) => ({
      accountId: sub,
      claims: () => ({ sub, ...people.get(sub) }),
    }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    loadExistingGrant: async (context: {
      oidc: { client: { clientId: string }; session: { accountId: string }; provider: Provider };
    }) => {
      const { client, session } = context.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save(600);
      return grant;
    },
    ...options,
  });
  const handle = provider.callback();
  const issuer: Omit<TestIssuer, 'browse' | 'close'> = { url, people, subject: '', refuses: false };
  const server = createServer((request, response) => {
    if (!request.url?.startsWith('/interaction/')) return handle(request, response);
    const result = issuer.refuses ? { error: 'access_denied' } : { login: { accountId: issuer.subject } };
    void provider.interactionFinished(request, response, result);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(issuer, {
    browse: (at: string) => browse(at, redirects),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

async function browse(at: string, redirects: readonly string[]): Promise<URLSearchParams> {
  const cookies = new Map<string, string>();
  let next = at;
  for (let hop = 0; hop < 10; hop += 1) {
    if (redirects.some((one) => next.startsWith(`${one}?`))) return new URL(next).searchParams;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(next, { redirect: 'manual', headers: { cookie } });
    for (const one of response.headers.getSetCookie()) {
      const [pair = ''] = one.split(';');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      if (value === '') cookies.delete(name);
      else cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location === null)
      throw new Error(`the issuer answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
    next = new URL(location, next).href;
  }
  throw new Error('the issuer sends the browser around for ever');
}
