import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  permissionsOf,
  Problem,
  ROUTE_EXAMPLES,
  ROUTES,
  type Role,
  type Route,
  type RouteName,
} from '@robustmq/contracts';
import { auditChainBreak } from '@robustmq/db';
import { TestAgent } from '../testing/test-agent.ts';
import { nestPath } from './route.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let stranger: SignedUp;
const ROLES = ['viewer', 'auditor', 'billing', 'operator', 'developer', 'admin', 'owner'] as const;
const tokens = {} as Record<Role, string>;
const ids: Record<string, string> = {};
/** Of the operator, who has no tenant; the tree below shows no path that begins with another one. */
const FLEET_ROUTES = [
  ...['GET /v1/operator/nodes', 'GET /v1/operator/placement', 'GET /v1/operator/regions', 'GET /v1/operator/releases'],
  'GET /v1/operator/rollouts',
  ...['POST /v1/operator/clusters/:clusterId/move', 'POST /v1/operator/releases'],
];
const routes = Object.entries(ROUTES) as [RouteName, Route][];
const inTenant = routes.filter(([, route]) => typeof route.access === 'object');

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  agent.answer = () => ({ error: { code: 'not-found', message: '' } });
  [owner, stranger] = [await api.signUp('Mine'), await api.signUp('Theirs')];
  tokens.owner = owner.token;
  for (const role of ROLES.filter((one) => one !== 'owner')) {
    const person = await api.signUp();
    const body = { email: person.email, role };
    expect((await api.call('POST', `${owner.at}/members`, { token: owner.token, body })).status).toBe(201);
    tokens[role] = person.token;
  }
  const post = async (path: string, body: object) =>
    (await api.call<{ id: string }>('POST', owner.at + path, { token: owner.token, body })).body;
  const cluster = await post('/clusters', { name: 'orders' });
  const get = () => api.call<{ phase: string }>('GET', `${owner.at}/clusters/${cluster.id}`, { token: owner.token });
  await until(get, (answer) => answer.body.phase === 'Ready');
  const credential = await post(`/clusters/${cluster.id}/credentials`, { name: 'c' });
  await post(`/clusters/${cluster.id}/topics`, { name: 'the.topic' });
  const key = await post('/api-keys', { name: 'k', role: 'viewer' });
  Object.assign(ids, { tenantId: owner.tenantId, clusterId: cluster.id, credentialId: credential.id });
  const rule = await post(`/clusters/${cluster.id}/acl-rules`, ROUTE_EXAMPLES.createAclRule!.body as object);
  Object.assign(ids, { ruleId: rule.id, entryId: 'nobody', revision: '0', clientId: 'c', delayedId: 'd' });
  const role = await post('/roles', ROUTE_EXAMPLES.createRole!.body as object);
  Object.assign(ids, {
    groupName: 'g',
    ssoProviderId: randomUUID(),
    operationId: randomUUID(),
    serial: 'CAFE',
    domain: 'nobodys.example',
    roleId: role.id,
    invitationId: randomUUID(),
    sessionId: randomUUID(),
    invoiceId: randomUUID(),
    budgetId: randomUUID(),
    webhookId: randomUUID(),
    deliveryId: randomUUID(),
  });
  Object.assign(ids, { apiKeyId: key.id, topicName: 'the.topic', userId: owner.userId });
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

const fill = (path: string, values: Record<string, string>) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!);
/** A body that is wrong everywhere, so that a request that passes the gate changes nothing. */
const body = (route: Route) => (route.body ? { body: [] } : {});
const request = (route: Route, token: string | undefined, values = ids, query: Readonly<Record<string, string>> = {}) =>
  api.call(route.method.toUpperCase(), `${fill(route.path, values)}?${new URLSearchParams(query).toString()}`, {
    ...(token ? { token } : {}),
    ...body(route),
  });

describe('every route of the contract', () => {
  it('is served, and nothing else is served under /v1', () => {
    const fastify = api.app.getHttpAdapter().getInstance();
    const served = (method: string, path: string) =>
      (fastify as { hasRoute(route: { method: string; url: string }): boolean }).hasRoute({ method, url: path });
    const wanted = routes.map(([, route]) => `${route.method.toUpperCase()} ${nestPath(route.path)}`);
    for (const one of wanted) expect(served(...(one.split(' ') as [string, string])), one).toBe(true);
    const tree = (fastify as { printRoutes(options: object): string }).printRoutes({ commonPrefix: false });
    const extra = tree
      .split('\n')
      .flatMap((line) => {
        const match = /(\/v1\/\S*) \(([^)]*)\)/.exec(line);
        return match ? match[2]!.split(', ').map((method) => `${method} ${match[1]}`) : [];
      })
      .filter((one) => !one.startsWith('HEAD ') && !wanted.includes(one));
    expect(extra.sort()).toEqual(
      [
        ...['GET /v1/openapi.json', 'GET /v1/operator/agents', 'GET /v1/operator/billing/:report|:action'],
        ...FLEET_ROUTES,
        'GET /v1/operator/mails',
        'GET /v1/operator/tenants/:tenantId/quota-overrides',
        ...['POST /v1/operator/billing/:report|:action', 'POST /v1/operator/join-tokens'],
        'POST /v1/operator/link-certificate/rotate',
        ...['POST /v1/operator/tenants/:tenantId/sso-domains/:domain/approve', 'POST /v1/webhooks/stripe'],
        'PUT /v1/operator/tenants/:tenantId/clusters/:clusterId/quota-overrides',
        'PUT /v1/operator/tenants/:tenantId/quota-overrides',
      ].sort(),
    );
  });

  it.each(routes.filter(([, route]) => route.access !== 'public'))('%s wants a signed-in caller', async (_, route) => {
    expect(await request(route, undefined)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
  });

  it.each(inTenant)('%s finds nothing in somebody else’s tenant, as if it did not exist', async (_, route) => {
    const theirs = await request(route, stranger.token);
    const absent = await request(route, stranger.token, { ...ids, tenantId: randomUUID() });
    const malformed = await request(route, stranger.token, { ...ids, tenantId: 'x' });
    for (const answer of [theirs, absent, malformed]) {
      expect(answer).toMatchObject({ status: 404, body: { code: 'not-found' } });
      expect({ ...answer.body, requestId: '', instance: '' }).toEqual({ ...theirs.body, requestId: '', instance: '' });
    }
  });

  const below = inTenant.filter(([, route]) => /\{(?!tenantId)\w+\}/.test(route.path));
  it.each(below)('%s does not reach somebody else’s things through the caller’s own tenant', async (name, route) => {
    const values = { ...ids, tenantId: stranger.tenantId };
    const { body: example = {}, query = {} } = ROUTE_EXAMPLES[name] ?? {};
    const path = `${fill(route.path, values)}?${new URLSearchParams(query).toString()}`;
    const answer = await api.call(route.method.toUpperCase(), path, {
      token: stranger.token,
      ...(route.body ? { body: example } : {}),
    });
    // billing is away here and cannot even look; its own tests ask it for other tenants' ids
    if (route.tag === 'billing') expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    else expect(answer).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  const matrix = inTenant.flatMap(([name, route]) => ROLES.map((role) => [name, role, route] as const));
  it.each(matrix)('%s answers the role %s as the contract says', async (name, role, route) => {
    if (typeof route.access !== 'object') return;
    const allowed = permissionsOf(role).has(route.access.permission);
    // an allowed write without a body would be carried out: it is enough that others are refused
    if (allowed && route.method !== 'get' && !route.body) return;
    const query = route.method === 'get' ? ROUTE_EXAMPLES[name]?.query : {};
    const answer = await request(route, tokens[role], ids, query);
    if (!allowed) expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    else if (route.body) expect(answer).toMatchObject({ status: 400, body: { code: 'validation-failed' } });
    // a live look has no node behind it here, and some things are not there to be found
    else expect([200, 404, 503]).toContain(answer.status);
  });

  it('leaves a chain of audit rows, refused writes included', async () => {
    const listed: { action: string; result: string; seq: number }[] = [];
    for (let cursor = ''; ;) {
      const { body: page } = await api.call<{ items: typeof listed; nextCursor?: string }>(
        'GET',
        `${owner.at}/audit-events?limit=200${cursor}`,
        { token: tokens.admin },
      );
      listed.push(...page.items);
      if (page.nextCursor === undefined) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
    const actions = new Set(listed.map((event) => `${event.action} ${event.result}`));
    for (const wanted of ['tenant.create ok', 'cluster.create ok', 'credential.create ok', 'createTopic denied'])
      expect(actions).toContain(wanted);
    expect(listed.map((event) => event.seq)).toEqual(listed.map((_, n, all) => all.length - n));
    const rows = await api.database.withTenant(owner.tenantId, (tx) =>
      tx.auditEvent.findMany({ orderBy: { seq: 'asc' } }),
    );
    expect(auditChainBreak(rows)).toBeUndefined();
    const altered = rows.map((row, n) => (n === 3 ? { ...row, actorId: 'somebody else' } : row));
    expect(auditChainBreak(altered)?.seq).toBe(4);
    expect(auditChainBreak(rows.filter((_, n) => n !== 5))?.seq).toBe(7);
  });
});

describe('every error', () => {
  const raw = async (method: string, path: string, headers: Record<string, string>, text?: string) => {
    const response = await fetch(api.url + path, { method, headers, ...(text === undefined ? {} : { body: text }) });
    return { response, problem: Problem.parse(await response.json()) };
  };
  const json = { 'content-type': 'application/json' };

  it.each([
    ['an unknown path', 'GET', '/v1/nothing', {}, undefined, 'not-found'],
    ['an unknown method', 'PUT', '/v1/me', {}, undefined, 'method-not-allowed'],
    ['malformed JSON', 'POST', '/v1/auth/login', json, '{', 'bad-request'],
    [
      'a body of another type',
      'POST',
      '/v1/auth/login',
      { 'content-type': 'text/plain' },
      'x',
      'unsupported-media-type',
    ],
    [
      'a form',
      'POST',
      '/v1/auth/login',
      { 'content-type': 'application/x-www-form-urlencoded' },
      'a=b',
      'unsupported-media-type',
    ],
    ['a body that is too large', 'POST', '/v1/auth/login', json, `"${'x'.repeat(1 << 20)}"`, 'payload-too-large'],
    ['no body at all', 'POST', '/v1/auth/login', {}, undefined, 'validation-failed'],
    ['__proto__', 'POST', '/v1/auth/login', json, '{"__proto__":{"x":1}}', 'bad-request'],
  ])('is a problem: %s', async (_, method, path, headers, text, code) => {
    const { response, problem } = await raw(method, path, headers as Record<string, string>, text);
    expect(problem).toMatchObject({ code, status: response.status, type: `/problems/${code}`, instance: path });
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(response.headers.get('x-request-id')).toBe(problem.requestId);
  });

  it('points at every wrong value', async () => {
    const answer = await api.call('POST', `${owner.at}/clusters/${ids['clusterId']}/topics`, {
      token: owner.token,
      body: { name: '', partitions: 0, bindings: ['ok', ''] },
    });
    expect(answer.body.errors?.map((error) => error.pointer).sort()).toEqual(['/bindings/1', '/name', '/partitions']);
    const query = await api.call('GET', `${owner.at}/clusters?limit=0&cursor=zzz`, { token: owner.token });
    expect(query.body.errors?.[0]?.pointer).toBe('?limit');
    const cursor = await api.call('GET', `${owner.at}/clusters?cursor=zzz`, { token: owner.token });
    expect(cursor.body.errors?.[0]?.pointer).toBe('?cursor');
  });

  it('keeps a request id that a caller gives, when it is one', async () => {
    const given = await raw('GET', '/v1/nothing', { 'x-request-id': 'my-request-1' });
    expect(given.problem.requestId).toBe('my-request-1');
    const odd = await raw('GET', '/v1/nothing', { 'x-request-id': 'a b<script>' });
    expect(odd.problem.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('says that billing is down and keeps serving', async () => {
    const answer = await api.call('GET', `${owner.at}/invoices/preview`, { token: owner.token });
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });

  it('carries rate limit and security headers', async () => {
    const { headers } = await api.call('GET', '/v1/me', { token: owner.token });
    expect(headers.get('ratelimit-policy')).toBe('"default";q=100000;w=60');
    expect(headers.get('ratelimit')).toMatch(/^"default";r=\d+;t=\d+$/);
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('cache-control')).toBe('no-store');
  });
});

describe('Idempotency-Key', () => {
  const post = (key: string, bodyOf: object, token = owner.token) =>
    api.call<{ id: string; code: string; password?: string }>(
      'POST',
      `${owner.at}/clusters/${ids['clusterId']}/credentials`,
      {
        token,
        body: bodyOf,
        headers: { 'idempotency-key': key },
      },
    );

  it('answers the same result without doing it again, secrets included', async () => {
    const first = await post('once', { name: 'idempotent' });
    const second = await post('once', { name: 'idempotent' });
    expect(first.status).toBe(201);
    expect(second.status).toBe(201);
    expect(second.body.password).toBe(first.body.password);
    expect(second.body.id).toBe(first.body.id);
    const kept = await api.database.withTenant(owner.tenantId, (tx) => tx.idempotencyKey.findMany());
    expect(Buffer.from(kept.at(-1)!.body).toString('latin1')).not.toContain(first.body.password);
  });

  it('refuses another body, and two callers do not meet', async () => {
    expect((await post('once', { name: 'another' })).body.code).toBe('idempotency-key-reused');
    expect((await post('once', { name: 'somebodys' }, tokens.developer)).status).toBe(201);
    expect((await post('\u00e9', { name: 'x' }).catch(() => ({ status: 400 }))).status).toBe(400);
  });

  it('does it once for many at once', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => post('race', { name: 'racing' })));
    const done = answers.filter((answer) => answer.status === 201);
    expect(new Set(done.map((answer) => answer.body.id)).size).toBe(1);
    for (const answer of answers) expect([201, 409]).toContain(answer.status);
    const codes = new Set(answers.filter((answer) => answer.status === 409).map((answer) => answer.body.code));
    expect([...codes].every((code) => code === 'idempotency-in-flight')).toBe(true);
  });

  it('keeps nothing of a refused request', async () => {
    expect((await post('refused', { name: 'racing' })).body.code).toBe('name-taken');
    expect((await post('refused', { name: 'fresh-name' })).status).toBe(201);
  });
});

describe('what JSON can say and a text cannot hold', () => {
  const wrong = ['nul\u0000', '\ud800 half a pair'];
  it.each(wrong)('is pointed at, wherever it stands: %j', async (text) => {
    const signup = await api.call('POST', '/v1/auth/signup', {
      body: { email: 'nul@example.test', password: 'long enough to pass', tenantName: text },
    });
    expect(signup).toMatchObject({ status: 400, body: { errors: [{ pointer: '/tenantName' }] } });
    const key = await api.call('POST', `${owner.at}/api-keys`, {
      token: owner.token,
      body: { name: text, role: 'viewer' },
    });
    expect(key).toMatchObject({ status: 400, body: { errors: [{ pointer: '/name' }] } });
    const topic = await api.call('POST', `${owner.at}/clusters/${ids['clusterId']}/topics`, {
      token: owner.token,
      body: { name: 'odd', bindings: ['fine', text] },
    });
    expect(topic).toMatchObject({ status: 400, body: { errors: [{ pointer: '/bindings/1' }] } });
  });

  it('is refused in a cursor, and so is a body nested without end', async () => {
    const cursor = Buffer.from(JSON.stringify(['\u0000'])).toString('base64url');
    for (const list of ['clusters', 'api-keys', `clusters/${ids['clusterId']}/topics`]) {
      const answer = await api.call('GET', `${owner.at}/${list}?cursor=${cursor}`, { token: owner.token });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '?cursor' }] } });
    }
    const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    const response = await fetch(`${api.url}/v1/auth/login`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: deep },
    });
    expect(response.status).toBe(400);
  });
});

// last: another server in the process takes the place of passport's one strategy
describe('the request budget', () => {
  it('is per caller and says when it is full again', async () => {
    const small = await startTestApi({ requestsPerMinuteMax: 3 });
    const person = await small.signUp();
    for (let n = 0; n < 3; n += 1)
      expect((await small.call('GET', '/v1/me', { token: person.token })).status).toBe(200);
    const refused = await small.call('GET', '/v1/me', { token: person.token });
    expect(refused).toMatchObject({ status: 429, body: { code: 'too-many-requests' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await small.call('GET', '/v1/me')).status).toBe(401);
    expect((await small.call('GET', '/health/ready')).status).toBe(200);
    await small.stop();
  });

  it('is not renewed by making up tokens, neither for sign-in nor elsewhere', async () => {
    const small = await startTestApi({ requestsPerMinuteMax: 4 });
    const login = (n: number) =>
      small.call('POST', '/v1/auth/login', { token: `made-up-${n}`, body: { email: `a${n}@b.test`, password: 'x' } });
    const statuses = [];
    for (let n = 0; n < 6; n += 1) statuses.push((await login(n)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 429, 429]);
    const me = await small.call('GET', '/v1/me', { token: 'made-up-too' });
    expect(me).toMatchObject({ status: 429, body: { code: 'too-many-requests' } });
    expect(Number(me.headers.get('retry-after'))).toBeGreaterThan(0);
    await small.stop();
  });
});
