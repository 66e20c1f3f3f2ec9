import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DryRun,
  openApiDocument,
  PROBLEM_STATUS,
  Problem,
  ROUTE_EXAMPLES,
  ROUTES,
  type Route,
  type RouteName,
} from '@robustmq/contracts';
import { rowsOf } from '../testing/row-counts.ts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type Answer, type SignedUp, type TestApi } from '../testing/test-api.ts';

/**
 * Every route of the contract, called with the example of the OpenAPI document: writes first, then reads, then deletions.
 * Answers have the shape and status that the document says. What cannot succeed here is named, with its refusal.
 */
const REFUSED: Partial<Record<RouteName, string>> = {
  // tokens, codes and passwords that only a mail, an authenticator or a person has
  ...{ acceptInvitation: 'not-found', changePassword: 'invalid-login', confirmMfa: 'invalid-login' },
  ...{ disableMfa: 'invalid-login', stepUp: 'invalid-login', refresh: 'unauthenticated' },
  ...{ resetPassword: 'unauthenticated', verifyEmail: 'unauthenticated', ssoFinish: 'sso-refused' },
  // nothing of the kind is there, or it is there already
  ...{ endSessionOfPerson: 'not-found', restoreCluster: 'not-found', deleteBlacklistEntry: 'not-found' },
  ...{ createCertificateAuthority: 'conflict', planCluster: 'name-taken' },
  // neither DNS, nor a proven domain, nor prices are there
  ...{ verifySsoDomain: 'conflict', ssoStart: 'not-found', forecastTopicTiers: 'unavailable' },
};

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
const ids: Record<string, string> = {};
const document = openApiDocument('1.0.0') as {
  paths: Record<string, Record<string, { responses: Record<string, { content?: object }> }>>;
};
const routes = Object.entries(ROUTES) as [RouteName, Route][];
const VIEWS: Record<string, object> = {
  ...{
    explain: { allowed: true, ruleId: null },
    records: { items: [], nextOffset: 0 },
    'topic-tiers': { partitions: [] },
  },
  ...{ 'reset-offsets': { offsets: [] }, produce: { partition: 0, offset: 0, timestamp: new Date(0).toISOString() } },
};
const DONE = /^(kick-client|end-session|delete-retained|clear-inbox|cancel-delayed|unban)$/;

beforeAll(async () => {
  const nothing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
  api = await startTestApi({ resolveTxt: nothing });
  agent = await TestAgent.joined(api);
  agent.answer = (view) => ({ reply: DONE.test(view) ? { done: true } : (VIEWS[view] ?? { items: [], next: null }) });
  owner = await api.signUp('Mine');
  const grace = await api.call<{ user: { id: string } }>('POST', '/v1/auth/signup', {
    body: { email: 'grace@example.com', password: 'a long sentence is best', tenantName: 'Grace' },
  });
  const post = async (path: string, body: object) =>
    (await api.call<Record<string, string>>('POST', owner.at + path, { token: owner.token, body })).body;
  const member = await api.signUp();
  await post('/members', { email: member.email, role: 'viewer' });
  const cluster = await post('/clusters', { name: 'existing' });
  const at = `/clusters/${cluster['id']}`;
  await until(
    () => api.call<{ phase: string }>('GET', owner.at + at, { token: owner.token }),
    (answer) => answer.body.phase === 'Ready',
  );
  const [credential, rule, entry] = [
    await post(`${at}/credentials`, { name: 'existing' }),
    await post(`${at}/acl-rules`, { id: 'existing', effect: 'allow', pattern: 'x', actions: ['read'] }),
    await post(`${at}/blacklist`, { id: 'existing', kind: 'user', value: 'x' }),
  ];
  await post(`${at}/topics`, { name: 'existing' });
  await post(`${at}/certificate-authority`, {});
  const certificate = await post(`${at}/certificates`, { name: 'existing' });
  const role = await post('/roles', { name: 'existing', permissions: ['tenant:read'] });
  const key = await post('/api-keys', { name: 'existing', role: 'viewer' });
  const webhook = await post('/webhooks', { url: 'https://hooks.example.com/a', events: ['nothing.at-all'] });
  const delivery = await post(`/webhooks/${webhook['id']}:test`, {});
  const invitation = await post('/invitations', { email: 'guest@example.com', role: 'viewer' });
  const sso = await post('/sso/providers', { name: 'x', issuer: 'https://login.invalid', clientId: randomUUID() });
  await post('/sso/domains', { domain: 'existing.example' });
  const gone = await post(`${at}/credentials`, { name: 'gone' });
  const removed = await api.call('DELETE', `${owner.at}${at}/credentials/${gone['id']}`, { token: owner.token });
  Object.assign(ids, {
    ...{ tenantId: owner.tenantId, clusterId: cluster['id'], credentialId: credential['id'], ruleId: rule['id'] },
    ...{ entryId: entry['id'], topicName: 'existing', serial: certificate['serial'], roleId: role['id'] },
    ...{ apiKeyId: key['id'], webhookId: webhook['id'], deliveryId: delivery['id'], invitationId: invitation['id'] },
    ...{ ssoProviderId: sso['id'], domain: 'existing.example', userId: member.userId, revision: '1', clientId: 'c' },
    ...{ delayedId: 'd', groupName: 'g', operationId: removed.headers.get('operation-id'), sessionId: randomUUID() },
    ...{ invoiceId: randomUUID(), budgetId: randomUUID(), format: 'csv' },
  });
  expect(grace.status).toBe(201);
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

const rank = ([name, { method }]: [RouteName, Route]): number =>
  name === 'deleteCluster' ? 3 : method === 'delete' ? 2 : method === 'get' ? 1 : 0;

async function called([name, route]: [RouteName, Route], more: object = {}): Promise<Answer<unknown>> {
  const { body, query = {} } = ROUTE_EXAMPLES[name] ?? {};
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, key: string) => ids[key] ?? 'x');
  return api.call(route.method.toUpperCase(), `${path}?${new URLSearchParams({ ...query, ...more }).toString()}`, {
    ...(route.access === 'public' ? {} : { token: owner.token }),
    ...(body === undefined ? {} : { body }),
  });
}

/** Tries a write: nothing of it is left, whether or not it would be refused. */
async function tried(one: [RouteName, Route]): Promise<Answer<unknown>> {
  const before = await rowsOf(api, owner.tenantId);
  const answer = await called(one, { dry_run: 'true' });
  expect(await rowsOf(api, owner.tenantId), one[0]).toEqual(before);
  return answer;
}

it('every example of the document is answered as the document says', async () => {
  const refused: Record<string, string> = {};
  const wrong: string[] = [];
  for (const one of routes.toSorted((a, b) => rank(a) - rank(b))) {
    const [name, route] = one;
    const dry = route.dryRun ? await tried(one) : undefined;
    const answer = await called(one);
    // tried, a write is refused with what refuses it, and else told in a shape of its own
    if (dry && answer.status === route.status)
      expect(DryRun.safeParse(dry.body), name).toMatchObject({ success: true });
    else if (dry) expect(dry.body, name).toMatchObject({ code: Problem.parse(answer.body).code });
    const { responses } = document.paths[route.path]![route.method]!;
    if (!(String(answer.status) in responses)) wrong.push(`${name} answered ${answer.status}, which it does not say`);
    expect(answer.headers.get('ratelimit'), name).toMatch(/^"default";r=\d+;t=\d+$/);
    if (answer.status === route.status) {
      const shown = route.response.safeParse(answer.body === '' ? undefined : answer.body);
      // nothing that the document does not name, and everything that it does
      const same = shown.success && (answer.body === '' || isDeepStrictEqual(shown.data, answer.body));
      if (!same) wrong.push(`${name} answered another shape: ${JSON.stringify(answer.body)}`);
      if (route.etag !== undefined)
        expect(answer.headers.get('etag'), name).toBe(`"${String(Reflect.get(answer.body as object, route.etag))}"`);
      continue;
    }
    const problem = Problem.parse(answer.body);
    expect(PROBLEM_STATUS[problem.code as keyof typeof PROBLEM_STATUS], name).toBe(answer.status);
    if (route.tag !== 'billing') refused[name] = problem.code;
  }
  expect({ wrong, refused }).toEqual({ wrong: [], refused: REFUSED });
}, 120_000);

const lists = routes.filter(
  ([, { method, query }]) => method === 'get' && query !== undefined && 'cursor' in query.shape,
);
it.each(lists.filter(([, { tag }]) => tag !== 'billing'))(
  '%s refuses a cursor that is none, and takes its own',
  async (name, route) => {
    const path = route.path.replaceAll(/\{(\w+)\}/g, (_, key: string) => ids[key] ?? 'x');
    const fixed = ROUTE_EXAMPLES[name]?.query ?? {};
    const ask = (query: Record<string, string>) =>
      api.call<{ items: unknown[]; nextCursor?: string; errors?: { pointer: string }[] }>(
        'GET',
        `${path}?${new URLSearchParams({ ...fixed, ...query }).toString()}`,
        { token: owner.token },
      );
    expect((await ask({ limit: '0' })).status).toBe(400);
    const first = await ask({ limit: '1' });
    if (first.status !== 200) return;
    expect(first.body.items.length).toBeLessThanOrEqual(1);
    if (first.body.nextCursor === undefined) return;
    const second = await ask({ limit: '1', cursor: first.body.nextCursor });
    expect(second.status).toBe(200);
    expect(second.body.items[0]).not.toEqual(first.body.items[0]);
    const wrong = await ask({ cursor: 'zzz' });
    expect(wrong.body.errors?.[0]?.pointer).toBe('?cursor');
  },
);
