import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '@robustmq/contracts';
import { isWithin } from '../http/access-guard.ts';
import { startTestApi, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let owner: SignedUp;
let person: SignedUp;

beforeAll(async () => {
  api = await startTestApi();
  [owner, person] = [await api.signUp('Mine'), await api.signUp('Theirs')];
});
afterAll(() => api.stop());

interface Made extends Problem {
  id: string;
  key: string;
  role: string;
  lastUsedIp: string;
}
const call = <T = Made>(method: string, path: string, body?: unknown, token = owner.token) =>
  api.call<T>(method, `${owner.at}${path}`, { token, ...(body === undefined ? {} : { body }) });

describe('a role of the tenant’s own', () => {
  it('is published beside the built-in ones and decides what its members may do', async () => {
    const permissions = ['tenant:read', 'cluster:read', 'member:write'];
    const role = await call('POST', '/roles', { name: 'Greeter', permissions });
    expect(role).toMatchObject({ status: 201, body: { permissions } });
    expect((await call('POST', '/roles', { name: 'Greeter', permissions })).body.code).toBe('name-taken');
    const list = await call<{ builtIn: { name: string }[]; items: object[] }>('GET', '/roles');
    expect(list.body.items).toEqual([role.body]);
    expect(list.body.builtIn.map((one) => one.name)).toContain('auditor');

    const member = { email: person.email, role: 'custom', customRoleId: role.body.id };
    expect((await call('POST', '/members', { email: person.email, role: 'custom' })).status).toBe(400);
    expect(await call('POST', '/members', member)).toMatchObject({ status: 201, body: { role: 'custom' } });
    expect((await call('GET', '/clusters', undefined, person.token)).status).toBe(200);
    expect((await call('GET', '/usage', undefined, person.token)).status).toBe(403);
    const me = await api.call<{ tenants: { id: string; permissions: string[] }[] }>('GET', '/v1/me', {
      token: person.token,
    });
    expect(me.body.tenants.find((one) => one.id === owner.tenantId)?.permissions).toEqual(permissions);
  });

  it('gives nobody what its giver lacks, neither directly nor by growing', async () => {
    const stranger = await api.signUp();
    const add = (role: string) => call('POST', '/members', { email: stranger.email, role }, person.token);
    expect(await add('viewer')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const grow = { name: 'More', permissions: ['billing:write'] };
    expect((await call('POST', '/roles', grow, person.token)).status).toBe(403);
    const { body } = await call<{ items: { id: string; name: string }[] }>('GET', '/roles');
    const own = body.items[0]!;
    expect((await call('PUT', `/roles/${own.id}`, grow, person.token)).status).toBe(403);
    expect((await call('DELETE', `/members/${owner.userId}`, undefined, person.token)).status).toBe(403);
    expect((await call('DELETE', `/roles/${own.id}`)).body.code).toBe('conflict');
    const shrunk = { name: own.name, permissions: ['tenant:read'] };
    expect((await call('PUT', `/roles/${own.id}`, shrunk)).status).toBe(200);
    expect((await call('GET', '/clusters', undefined, person.token)).status).toBe(403);
    await call('DELETE', `/members/${person.userId}`);
    expect((await call('DELETE', `/roles/${own.id}`)).status).toBe(204);
  });
});

describe('an API key', () => {
  const make = async (body: object) => (await call('POST', '/api-keys', { name: 'k', role: 'admin', ...body })).body;
  const get = (path: string, token: string) => call('GET', path, undefined, token);

  it('is narrowed by its scopes and cannot make a mightier one', async () => {
    const { key } = await make({ scopes: ['cluster:read', 'api-key:write'] });
    expect((await get('/clusters', key)).status).toBe(200);
    expect((await get('/audit-events', key)).status).toBe(403);
    expect((await call('POST', '/api-keys', { name: 'x', role: 'viewer' }, key)).status).toBe(403);
    const child = { name: 'x', role: 'custom', scopes: ['cluster:read'] };
    expect((await call('POST', '/api-keys', child, key)).status).toBe(201);
    expect((await call('POST', '/api-keys', { name: 'x', role: 'custom' })).status).toBe(400);
  });

  it('works from its addresses alone', async () => {
    const { key } = await make({ addresses: ['10.0.0.0/8', '2001:db8::/32'] });
    expect((await get('/clusters', key)).status).toBe(401);
    const here = await make({ addresses: ['127.0.0.0/8', '::1'] });
    expect((await get('/clusters', here.key)).status).toBe(200);
    expect((await call('POST', '/api-keys', { name: 'x', role: 'viewer', addresses: ['10.0.0.0/99'] })).status).toBe(
      400,
    );
  });

  it('is rotated with an overlap, and shows when and from where it was used', async () => {
    const { id, key } = await make({});
    const next = await call('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 60 });
    expect(next.body.key).not.toBe(key);
    for (const secret of [key, next.body.key]) expect((await get('/clusters', secret)).status).toBe(200);
    const last = await call('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 });
    for (const secret of [key, next.body.key]) expect((await get('/clusters', secret)).status).toBe(401);
    expect((await get('/clusters', last.body.key)).status).toBe(200);
    const { body } = await call<{ items: Made[] }>('GET', '/api-keys?limit=200');
    expect(body.items.find((one) => one.id === id)?.lastUsedIp).toMatch(/127\.0\.0\.1/);
  });
});

describe('address lists', () => {
  it.each([
    ['10.1.2.3', ['10.0.0.0/8'], true],
    ['::ffff:10.1.2.3', ['10.0.0.0/8'], true],
    ['11.0.0.1', ['10.0.0.0/8', '11.0.0.1'], true],
    ['11.0.0.2', ['10.0.0.0/8', '11.0.0.1'], false],
    ['2001:db8::1', ['2001:db8::/32'], true],
    ['2001:db9::1', ['2001:db8::/32', '0.0.0.0/0'], false],
  ])('%s in %j: %s', (address, blocks, inside) => expect(isWithin(address, blocks)).toBe(inside));
});
