import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { freePort } from '@robustmq/db/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Problem, Session, SsoDomain, SsoProvider } from '@robustmq/contracts';
import { OPERATOR_TOKEN, startTestApi, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { ISSUER_CLIENT, startTestIssuer, type TestIssuer } from '../testing/test-issuer.ts';

const PORTAL = 'https://cloud.example';
const BACK = `${PORTAL}/login/sso`;
interface Started {
  authorizationUrl: string;
  binding: string;
  state: string;
}

let api: TestApi;
let issuer: TestIssuer;
let owner: SignedUp;
let provider: SsoProvider;
const records = new Map<string, string[][]>();
const domain = `d${randomBytes(4).toString('hex')}.example`;
const address = (name: string) => `${name}@${domain}`;

const call = <T = Problem>(method: string, path: string, token?: string, body?: unknown) =>
  api.call<T>(method, path, { ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) });
const start = (email: string, more: object = {}) =>
  call<Started & Problem>('POST', '/v1/auth/sso/start', undefined, { email, ...more });
const finish = (body: object) => call<Session & Problem>('POST', '/v1/auth/sso/finish', undefined, body);

/** The whole way of a browser. */
async function enter(subject: string, email: string) {
  issuer.subject = subject;
  const begun = await start(email);
  expect(begun.status).toBe(200);
  const back = await issuer.browse(begun.body.authorizationUrl);
  return finish({ binding: begun.body.binding, ...Object.fromEntries(back) });
}
const patch = (body: object, token = owner.token) =>
  call<SsoProvider & Problem>('PATCH', `${owner.at}/sso/providers/${provider.id}`, token, body);
const memberOf = async (email: string) => {
  const { body } = await call<{ items: { email: string; role: string; userId: string }[] }>(
    'GET',
    `${owner.at}/members?limit=200`,
    owner.token,
  );
  return body.items.find((one) => one.email === email);
};

beforeAll(async () => {
  issuer = await startTestIssuer([BACK, 'http://127.0.0.1/callback']);
  api = await startTestApi({
    ...{ egressPrivate: true, publicUrl: PORTAL },
    resolveTxt: (name) => {
      const found = records.get(name);
      return found ? Promise.resolve(found) : Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
    },
  });
  owner = await api.signUp('Acme');
  const made = await call<SsoProvider>('POST', `${owner.at}/sso/providers`, owner.token, {
    ...{ name: 'Acme login', issuer: issuer.url, clientId: ISSUER_CLIENT.id, clientSecret: ISSUER_CLIENT.secret },
    groupRoles: [{ group: 'platform', role: 'developer' }],
  });
  expect(made.status).toBe(201);
  provider = made.body;
});
beforeEach(() => {
  issuer.refuses = false;
});
afterAll(async () => {
  await issuer.close();
  await api.stop();
});

describe('a domain', () => {
  it('is one tenant’s, and proven by DNS', async () => {
    expect((await start(address('ada'))).status).toBe(404);
    const claimed = await call<SsoDomain>('POST', `${owner.at}/sso/domains`, owner.token, {
      domain: domain.toUpperCase(),
    });
    expect(claimed.body).toMatchObject({ domain, verifiedAt: null, record: { name: `_robustmq-challenge.${domain}` } });
    const verify = () => call<SsoDomain & Problem>('POST', `${owner.at}/sso/domains/${domain}:verify`, owner.token);
    expect(await verify()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    records.set(claimed.body.record.name, [
      ['v=spf1'],
      [claimed.body.record.value.slice(0, 9), claimed.body.record.value.slice(9)],
    ]);
    expect(await verify()).toMatchObject({ status: 200, body: { verifiedBy: 'dns' } });
    expect((await verify()).status).toBe(200);

    const other = await api.signUp('Other');
    const theirs = await call<SsoDomain>('POST', `${other.at}/sso/domains`, other.token, { domain });
    expect(theirs.status).toBe(201);
    records.get(`_robustmq-challenge.${domain}`)!.push([theirs.body.record.value]);
    const taken = await call('POST', `${other.at}/sso/domains/${domain}:verify`, other.token);
    expect(taken).toMatchObject({ status: 409, body: { detail: expect.stringContaining('Another tenant') } });
    const approve = `/v1/operator/tenants/${other.tenantId}/sso-domains/${domain}/approve`;
    expect((await call('POST', approve, OPERATOR_TOKEN)).status).toBe(409);
    expect((await call('POST', approve, 'somebody')).status).toBe(401);
  });

  it('may be vouched for by the operator, in the tenant’s audit log', async () => {
    const other = await api.signUp('Intranet');
    await call('POST', `${other.at}/sso/domains`, other.token, { domain: 'intranet-of.example' });
    const approve = `/v1/operator/tenants/${other.tenantId}/sso-domains/intranet-of.example/approve`;
    expect(await call('POST', approve, OPERATOR_TOKEN)).toMatchObject({
      status: 200,
      body: { verifiedBy: 'operator' },
    });
    const { body } = await call<{ items: { action: string }[] }>('GET', `${other.at}/audit-events`, other.token);
    expect(body.items[0]).toMatchObject({ action: 'sso-domain.verify', actor: { type: 'system', id: 'operator' } });
  });

  it.each(['localhost', 'gmail.com', 'a..b', '-a.example', '127.0.0.1', 'x y.example'])(
    'is refused: %s',
    async (wrong) => {
      const answer = await call('POST', `${owner.at}/sso/domains`, owner.token, { domain: wrong });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/domain' }] } });
    },
  );
});

describe('who comes through the provider', () => {
  it('joins with the role of the group, else with the default, and is in that tenant alone', async () => {
    issuer.people.set('s-grace', { email: address('Grace'), email_verified: true, groups: ['other', 'platform'] });
    const grace = await enter('s-grace', address('grace'));
    expect(grace).toMatchObject({
      status: 200,
      body: { user: { email: address('grace') }, tenants: [{ role: 'developer' }] },
    });
    expect(await memberOf(address('grace'))).toMatchObject({ role: 'developer' });
    issuer.people.set('s-linus', { email: address('linus'), email_verified: true });
    const linus = await enter('s-linus', address('linus'));
    expect(linus.body.tenants[0]).toMatchObject({ role: 'viewer', id: owner.tenantId });
    const me = await call<{ tenants: object[] }>('GET', '/v1/me', linus.body.accessToken);
    expect(me.body.tenants).toHaveLength(1);
    // the role follows the groups
    issuer.people.set('s-linus', { email: address('linus'), email_verified: true, groups: ['platform'] });
    expect((await enter('s-linus', address('linus'))).body.tenants[0]).toMatchObject({ role: 'developer' });
    const { body } = await call<{ items: { action: string }[] }>('GET', `${owner.at}/audit-events`, owner.token);
    expect(body.items.map((one) => one.action)).toEqual(
      expect.arrayContaining(['sso.login', 'member.add', 'member.update']),
    );
  });

  it('is good in no other tenant, refreshed tokens included', async () => {
    const elsewhere = await api.signUp('Elsewhere');
    await call('POST', `${elsewhere.at}/members`, elsewhere.token, { email: address('grace'), role: 'admin' });
    const grace = await enter('s-grace', address('grace'));
    expect(grace.body.tenants).toHaveLength(1);
    for (const token of [
      grace.body.accessToken,
      (await call<Session>('POST', '/v1/auth/refresh', undefined, { refreshToken: grace.body.refreshToken })).body
        .accessToken,
    ]) {
      expect(await call('GET', elsewhere.at, token)).toMatchObject({ status: 403, body: { code: 'sso-required' } });
      expect((await call('GET', owner.at, token)).status).toBe(200);
    }
  });

  it('is refused in words, and the tenant reads it', async () => {
    const cases = [
      ['s-none', {}, 'does not tell your e-mail'],
      ['s-unsure', { email: address('unsure') }, 'verified'],
      ['s-no', { email: address('no'), email_verified: false }, 'verified'],
      ['s-far', { email: 'somebody@elsewhere.example', email_verified: true }, 'not proven'],
    ] as const;
    for (const [subject, said, words] of cases) {
      issuer.people.set(subject, said);
      const answer = await enter(subject, address('x'));
      expect(answer).toMatchObject({
        status: 403,
        body: { code: 'sso-refused', detail: expect.stringContaining(words) },
      });
    }
    issuer.refuses = true;
    expect((await enter('s-grace', address('grace'))).body.detail).toContain('access_denied');
    const { body } = await call<{ items: { action: string; result: string }[] }>(
      'GET',
      `${owner.at}/audit-events`,
      owner.token,
    );
    expect(body.items[0]).toMatchObject({ action: 'sso.login', result: 'failed' });
  });

  it('must be a member already where nobody joins by signing in, and needs a role', async () => {
    issuer.people.set('s-new', { email: address('new'), email_verified: true });
    await patch({ joins: false });
    expect((await enter('s-new', address('new'))).body.detail).toContain('no member');
    await patch({ joins: true, defaultRole: null });
    expect((await enter('s-new', address('new'))).body.detail).toContain('groups');
    await patch({ defaultRole: 'viewer' });
    expect((await enter('s-new', address('new'))).status).toBe(200);
  });
});

describe('somebody who was removed', () => {
  it('does not come back by signing in, until invited again; a removal that is undone never was', async () => {
    issuer.people.set('s-gone', { email: address('gone'), email_verified: true });
    const gone = await enter('s-gone', address('gone'));
    const member = `${owner.at}/members/${gone.body.user.id}`;
    const removed = await api.call('DELETE', member, { token: owner.token });
    expect((await call('GET', owner.at, gone.body.accessToken)).status).toBe(404);
    const again = await enter('s-gone', address('gone'));
    expect(again).toMatchObject({ status: 403, body: { detail: expect.stringContaining('removed') } });
    // another subject with the same address is the same person
    issuer.people.set('s-gone-2', { email: address('gone'), email_verified: true });
    expect((await enter('s-gone-2', address('gone'))).status).toBe(403);
    const undo = `${owner.at}/operations/${removed.headers.get('operation-id')}:undo`;
    expect((await call('POST', undo, owner.token)).status).toBe(200);
    expect((await enter('s-gone', address('gone'))).status).toBe(200);

    expect((await call('DELETE', member, owner.token)).status).toBe(204);
    const body = { email: address('gone'), role: 'viewer' };
    const withdrawn = await call<{ id: string }>('POST', `${owner.at}/invitations`, owner.token, body);
    await call('DELETE', `${owner.at}/invitations/${withdrawn.body.id}`, owner.token);
    expect((await enter('s-gone', address('gone'))).status).toBe(403);
    expect((await call('POST', `${owner.at}/invitations`, owner.token, body)).status).toBe(201);
    expect((await enter('s-gone', address('gone'))).status).toBe(200);
    expect(await memberOf(address('gone'))).toMatchObject({ role: 'viewer' });
    expect((await call('DELETE', member, owner.token)).status).toBe(204);
    expect((await call('POST', `${owner.at}/members`, owner.token, body)).status).toBe(201);
    expect((await enter('s-gone', address('gone'))).status).toBe(200);
  });
});

describe('taking an account over', () => {
  it('is not possible by an address nobody vouches for, nor by one of a foreign domain', async () => {
    const victim = await api.signUp('Victim');
    issuer.people.set('s-thief', { email: victim.email, email_verified: true });
    expect((await enter('s-thief', address('thief'))).body.detail).toContain('not proven');
    const local = await call<Session>('POST', '/v1/auth/signup', undefined, {
      ...{ email: address('known'), password: 'correct horse battery', tenantName: 'Known' },
    });
    issuer.people.set('s-known', { email: address('known'), email_verified: false });
    expect((await enter('s-known', address('known'))).body.detail).toContain('verified');
    expect((await call('GET', '/v1/me', local.body.accessToken)).status).toBe(200);
  });

  it('by signing up before somebody opens nothing: password and sessions end when the owner of the address comes', async () => {
    const password = 'correct horse battery';
    const early = await call<Session>('POST', '/v1/auth/signup', undefined, {
      email: address('late'),
      password,
      tenantName: 'Trap',
    });
    issuer.people.set('s-late', { email: address('late'), email_verified: true });
    const late = await enter('s-late', address('late'));
    expect(late.body.user.id).toBe(early.body.user.id);
    expect((await call('POST', '/v1/auth/login', undefined, { email: address('late'), password })).status).toBe(401);
    expect((await call('POST', '/v1/auth/refresh', undefined, { refreshToken: early.body.refreshToken })).status).toBe(
      401,
    );
  });

  it('another subject with the same address is the same person; a subject keeps its person when its address changes', async () => {
    const before = await memberOf(address('grace'));
    issuer.people.set('s-grace', { email: address('married'), email_verified: true });
    const renamed = await enter('s-grace', address('grace'));
    expect(renamed.body.user).toEqual({ id: before!.userId, email: address('grace') });
  });

  it('of an owner needs a provider an owner set up; nobody maps a group to what they lack', async () => {
    const admin = await api.signUp();
    await call('POST', `${owner.at}/members`, owner.token, { email: admin.email, role: 'admin' });
    issuer.people.set('s-boss', { email: address('boss'), email_verified: true });
    expect((await enter('s-boss', address('boss'))).status).toBe(200);
    const boss = await memberOf(address('boss'));
    await call('PATCH', `${owner.at}/members/${boss!.userId}`, owner.token, { role: 'owner' });
    expect((await enter('s-boss', address('boss'))).body.tenants[0]).toMatchObject({ role: 'owner' });
    const toOwner = await patch({ groupRoles: [{ group: 'platform', role: 'owner' }] }, admin.token);
    expect(toOwner).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await patch({ name: 'By an admin' }, admin.token)).toMatchObject({
      status: 200,
      body: { forOwners: false },
    });
    expect((await enter('s-boss', address('boss'))).body.detail).toContain('more rights');
    const owners = [
      { group: 'heads', role: 'owner' },
      { group: 'platform', role: 'developer' },
    ];
    expect(await patch({ name: 'By an owner', groupRoles: owners })).toMatchObject({
      status: 200,
      body: { forOwners: true },
    });
    expect((await enter('s-boss', address('boss'))).status).toBe(200);
    expect((await patch({ name: 'Again' }, admin.token)).status).toBe(403);
    await patch({ groupRoles: [{ group: 'platform', role: 'developer' }] });
  });
});

describe('a sign-in', () => {
  it('is finished by who began it, in time, once', async () => {
    issuer.subject = 's-linus';
    const [mine, theirs] = [await start(address('linus')), await start(address('linus'))];
    const back = Object.fromEntries(await issuer.browse(mine.body.authorizationUrl));
    expect((await finish({ ...back, binding: theirs.body.binding })).body.detail).toContain('another sign-in');
    expect((await finish({ ...back, binding: `x${mine.body.binding.slice(1)}` })).body.detail).toContain(
      'not begun here',
    );
    expect((await finish({ ...back, binding: mine.body.binding, code: 'made-up' })).body.code).toBe('sso-refused');
    expect((await finish({ ...back, binding: mine.body.binding })).status).toBe(200);
    expect((await finish({ ...back, binding: mine.body.binding })).body.detail).toContain('invalid_grant');
    const url = new URL(mine.body.authorizationUrl);
    expect(url.searchParams.get('code_challenge_method')).toBe('S256');
    expect(url.searchParams.get('nonce')!.length).toBeGreaterThan(20);
    expect(mine.body.binding).not.toContain(url.searchParams.get('state')!);
  });

  it('comes back to the portal or to this machine, and nowhere else', async () => {
    for (const redirectUri of ['https://evil.example/login/sso', `${PORTAL}/other`, 'http://127.0.0.1@evil.example/'])
      expect(await start(address('x'), { redirectUri })).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/redirectUri' }] },
      });
    const local = await start(address('x'), { redirectUri: 'http://127.0.0.1:12345/callback' });
    expect(new URL(local.body.authorizationUrl).searchParams.get('redirect_uri')).toBe(
      'http://127.0.0.1:12345/callback',
    );
  });

  it('ends with the provider: its sessions are over when it is switched off', async () => {
    const linus = await enter('s-linus', address('linus'));
    await patch({ enabled: false });
    expect((await call('POST', '/v1/auth/refresh', undefined, { refreshToken: linus.body.refreshToken })).status).toBe(
      401,
    );
    expect((await start(address('linus'))).status).toBe(404);
    await patch({ enabled: true });
  });
});

describe('a tenant that is entered through its provider alone', () => {
  it('lets owners in with their password, and nobody else', async () => {
    const member = await api.signUp();
    await call('POST', `${owner.at}/members`, owner.token, { email: member.email, role: 'developer' });
    expect(await call('PATCH', owner.at, owner.token, { ssoRequired: true })).toMatchObject({
      status: 200,
      body: { ssoRequired: true },
    });
    expect(await call('GET', owner.at, member.token)).toMatchObject({ status: 403, body: { code: 'sso-required' } });
    expect((await call('GET', owner.at, owner.token)).status).toBe(200);
    const linus = await enter('s-linus', address('linus'));
    expect((await call('GET', owner.at, linus.body.accessToken)).status).toBe(200);
    expect((await patch({ enabled: false })).status).toBe(409);
    expect((await call('DELETE', `${owner.at}/sso/providers/${provider.id}`, owner.token)).status).toBe(409);
    expect((await call('DELETE', `${owner.at}/sso/domains/${domain}`, owner.token)).status).toBe(409);
    await call('PATCH', owner.at, owner.token, { ssoRequired: false });
    const lonely = await api.signUp('Lonely');
    expect((await call('PATCH', lonely.at, lonely.token, { ssoRequired: true })).status).toBe(409);
  });
});

describe('a provider', () => {
  it('keeps its secret, and is one tenant’s', async () => {
    const { body } = await call<{ items: object[] }>('GET', `${owner.at}/sso/providers`, owner.token);
    expect(JSON.stringify(body)).not.toContain(ISSUER_CLIENT.secret);
    expect(body.items[0]).toMatchObject({ hasSecret: true, redirectUri: BACK });
    const rows = await api.database.withTenant(owner.tenantId, (tx) => tx.ssoProvider.findMany());
    expect(Buffer.from(rows[0]!.sealedSecret!).toString('latin1')).not.toContain(ISSUER_CLIENT.secret);
    const audit = await call('GET', `${owner.at}/audit-events?limit=200`, owner.token);
    expect(JSON.stringify(audit.body)).not.toContain(ISSUER_CLIENT.secret);
    const other = await api.signUp('Other');
    const again = await call('POST', `${other.at}/sso/providers`, other.token, {
      name: 'x',
      issuer: issuer.url,
      clientId: ISSUER_CLIENT.id,
    });
    expect(again).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });

  it('is checked: a wrong secret, an issuer that is another’s, one that is away', async () => {
    const path = `${owner.at}/sso/providers/${provider.id}:check`;
    expect((await call<{ problems: string[] }>('POST', path, owner.token)).body.problems).toEqual([]);
    const impostor = await impostorOf(issuer.url);
    const made = await call<SsoProvider>('POST', `${owner.at}/sso/providers`, owner.token, {
      name: 'x',
      issuer: impostor.url,
      clientId: 'x',
    });
    const checked = await call<{ problems: string[] }>(
      'POST',
      `${owner.at}/sso/providers/${made.body.id}:check`,
      owner.token,
    );
    expect(checked.body.problems).toHaveLength(1);
    impostor.server.close();
    expect((await call('DELETE', `${owner.at}/sso/providers/${made.body.id}`, owner.token)).status).toBe(204);
    await patch({ clientSecret: 'a wrong secret' });
    expect((await enter('s-linus', address('linus'))).body.detail).toContain('invalid_client');
    await patch({ clientSecret: ISSUER_CLIENT.secret });
    await issuer.close();
    await patch({ name: 'Away' });
    expect(await start(address('x'))).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });

  it('is never a private address where tenants are strangers', async () => {
    const strict = await startTestApi();
    const person = await strict.signUp();
    for (const wrong of [
      'http://login.example.com',
      'https://127.0.0.1',
      'https://[::1]',
      'https://x.internal',
      'https://a.example/?x=1',
    ])
      expect(
        await strict.call('POST', `${person.at}/sso/providers`, {
          token: person.token,
          body: { name: 'x', issuer: wrong, clientId: 'x' },
        }),
      ).toMatchObject({ status: 400, body: { errors: [{ pointer: '/issuer' }] } });
    await strict.stop();
  });
});

/** Serves somebody else's discovery document. */
async function impostorOf(real: string): Promise<{ url: string; server: Server }> {
  const port = await freePort();
  const text = await (await fetch(`${real}/.well-known/openid-configuration`)).text();
  const server = createServer((_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(text),
  );
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${port}`, server };
}
