import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiKeyCreated, Me, Session } from '@robustmq/contracts';
import type { z } from 'zod';
import { startTestApi, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { LoginThrottle } from './login-throttle.ts';

let api: TestApi;
let owner: SignedUp;

beforeAll(async () => {
  api = await startTestApi();
  owner = await api.signUp('Acme');
});
afterAll(() => api.stop());

const login = (email: string, password: string) =>
  api.call<Session & { code: string }>('POST', '/v1/auth/login', { body: { email, password } });

describe('sign-up and login', () => {
  it('makes person, tenant and owner in one go', async () => {
    const me = await api.call<Me>('GET', '/v1/me', { token: owner.token });
    expect(me.body).toEqual({
      user: { id: owner.userId, email: owner.email, emailVerified: false, mfa: false },
      tenants: [
        { id: owner.tenantId, name: 'Acme', role: 'owner', permissions: expect.arrayContaining(['tenant:own']) },
      ],
    });
  });

  it('refuses a taken address, whatever its case, and short passwords', async () => {
    const taken = await api.call('POST', '/v1/auth/signup', {
      body: { email: owner.email.toUpperCase(), password: 'long enough 1', tenantName: 'x' },
    });
    expect(taken).toMatchObject({ status: 409, body: { code: 'conflict' } });
    const short = await api.call('POST', '/v1/auth/signup', {
      body: { email: 'a@b.test', password: 'x', tenantName: ' ' },
    });
    expect(short.body.errors?.map((error) => error.pointer).sort()).toEqual(['/password', '/tenantName']);
  });

  it('answers a wrong password as an unknown address', async () => {
    const wrong = await login(owner.email, 'not the password');
    const unknown = await login('nobody@example.test', 'not the password');
    const { requestId: a, ...wrongBody } = wrong.body as unknown as Record<string, unknown>;
    const { requestId: b, ...unknownBody } = unknown.body as unknown as Record<string, unknown>;
    expect(wrong.status).toBe(401);
    expect(wrongBody).toEqual(unknownBody);
    expect(a).not.toBe(b);
    expect((await login(owner.email, owner.password)).status).toBe(200);
  });

  it('makes an address wait after repeated failures, known or not', async () => {
    const someone = await api.signUp();
    for (const email of [someone.email, 'never-seen@example.test']) {
      for (let n = 0; n < 5; n += 1) expect((await login(email, 'guess')).status).toBe(401);
      const waiting = await login(email, someone.password);
      expect(waiting).toMatchObject({ status: 429, body: { code: 'too-many-requests' } });
      expect(Number(waiting.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });

  it('doubles the wait, up to a minute, and forgets it after a success', () => {
    let now = 0;
    const throttle = new LoginThrottle(() => now);
    const waits = Array.from({ length: 13 }, () => {
      throttle.failed('a');
      return throttle.waitMs('a');
    });
    expect(waits).toEqual([0, 0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    now = 60_000;
    expect(throttle.waitMs('a')).toBe(0);
    throttle.succeeded('a');
    throttle.failed('a');
    expect(throttle.waitMs('a')).toBe(0);
  });
});

describe('refresh', () => {
  const refresh = (refreshToken: string) => api.call<Session>('POST', '/v1/auth/refresh', { body: { refreshToken } });

  it('rotates, and a token used twice ends its family and no other', async () => {
    const other = (await login(owner.email, owner.password)).body;
    const first = (await login(owner.email, owner.password)).body;
    const second = await refresh(first.refreshToken);
    expect(second.status).toBe(200);
    expect(second.body.refreshToken).not.toBe(first.refreshToken);
    expect((await refresh(first.refreshToken)).status).toBe(401);
    expect((await refresh(second.body.refreshToken)).status).toBe(401);
    expect((await refresh(other.refreshToken)).status).toBe(200);
  });

  it('lets one of two concurrent exchanges win', async () => {
    const session = (await login(owner.email, owner.password)).body;
    const answers = await Promise.all([1, 2, 3].map(() => refresh(session.refreshToken)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401]);
  });

  it('ends with logout, which may be said twice', async () => {
    const session = (await login(owner.email, owner.password)).body;
    for (const _ of [1, 2])
      expect((await api.call('POST', '/v1/auth/logout', { body: { refreshToken: session.refreshToken } })).status).toBe(
        204,
      );
    expect((await refresh(session.refreshToken)).status).toBe(401);
  });
});

describe('access tokens', () => {
  const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const good = () => ({ sub: owner.userId, iss: 'robustmq', aud: 'robustmq-api', iat: now, exp: now + 60 });
  const token = (header: object, claims: object, key: Buffer = api.keys.jwtKey): string => {
    const text = `${base64(header)}.${base64(claims)}`;
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
  };
  const ask = (bearer: string) => api.call('GET', '/v1/me', { token: bearer });

  it('are accepted when signed by us for us, and not in any other form', async () => {
    const header = { alg: 'HS256', typ: 'JWT' };
    expect((await ask(token(header, good()))).status).toBe(200);
    const bad = [
      `${base64({ alg: 'none' })}.${base64(good())}.`,
      token({ alg: 'HS512' }, good()),
      token(header, good(), Buffer.from('another key')),
      token(header, { ...good(), exp: now - 1 }),
      token(header, { ...good(), aud: 'robustmq-agent' }),
      token(header, { ...good(), iss: 'somebody' }),
      token(header, { ...good(), sub: 'x' }),
      'x',
      'rmq_short',
    ];
    for (const bearer of bad) {
      const answer = await ask(bearer);
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    }
    expect((await api.call('GET', '/v1/me')).status).toBe(401);
  });
});

describe('API keys', () => {
  type Created = z.infer<typeof ApiKeyCreated>;
  const make = (body: object) => api.call<Created>('POST', `${owner.at}/api-keys`, { token: owner.token, body });

  it('act with their role in their tenant, are listed without the secret, and end at once', async () => {
    const made = await make({ name: 'ci', role: 'viewer' });
    expect(made.body.key).toMatch(/^rmq_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}$/);
    const { key } = made.body;
    expect((await api.call('GET', `${owner.at}/clusters`, { token: key })).status).toBe(200);
    const write = await api.call('POST', `${owner.at}/clusters`, { token: key, body: { name: 'denied' } });
    expect(write).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const wrong = `${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}`;
    expect((await api.call('GET', `${owner.at}/clusters`, { token: wrong })).status).toBe(401);
    expect((await api.call('GET', '/v1/me', { token: key })).status).toBe(403);
    const list = await api.call<{ items: Created[] }>('GET', `${owner.at}/api-keys`, { token: owner.token });
    expect(list.body.items[0]).toMatchObject({ name: 'ci', prefix: key.slice(0, 12), lastUsedAt: expect.any(String) });
    expect(JSON.stringify(list.body)).not.toContain(key.slice(13));
    expect((await api.call('DELETE', `${owner.at}/api-keys/${made.body.id}`, { token: owner.token })).status).toBe(204);
    expect((await api.call('GET', `${owner.at}/clusters`, { token: key })).status).toBe(401);
  });

  it('expire, and never have more rights than their maker', async () => {
    const expired = await make({ name: 'old', role: 'viewer', expiresAt: new Date(Date.now() - 1000).toISOString() });
    expect((await api.call('GET', owner.at, { token: expired.body.key })).status).toBe(401);
    const admin = await make({ name: 'admin', role: 'admin' });
    const above = await api.call('POST', `${owner.at}/api-keys`, {
      token: admin.body.key,
      body: { name: 'x', role: 'owner' },
    });
    expect(above.status).toBe(403);
  });
});

describe('members', () => {
  it('come and go, the last owner stays, and nobody rises above themselves', async () => {
    const other = await api.signUp('Other');
    const at = `${owner.at}/members`;
    const add = (role: string, token = owner.token) =>
      api.call('POST', at, { token, body: { email: other.email, role } });
    const nobody = await api.call('POST', at, {
      token: owner.token,
      body: { email: 'nobody@example.test', role: 'viewer' },
    });
    expect(nobody.status).toBe(404);
    expect((await add('admin')).status).toBe(201);
    expect((await add('admin')).body.code).toBe('conflict');
    expect((await api.call<Me>('GET', '/v1/me', { token: other.token })).body.tenants).toHaveLength(2);
    const patch = (userId: string, role: string, token: string) =>
      api.call('PATCH', `${at}/${userId}`, { token, body: { role } });
    expect((await patch(other.userId, 'owner', other.token)).status).toBe(403);
    expect((await patch(owner.userId, 'viewer', other.token)).status).toBe(403);
    expect((await patch(owner.userId, 'viewer', owner.token)).body.code).toBe('conflict');
    expect((await api.call('DELETE', `${at}/${owner.userId}`, { token: owner.token })).body.code).toBe('conflict');
    expect((await patch(other.userId, 'owner', owner.token)).status).toBe(200);
    const both = await Promise.all([
      api.call('DELETE', `${at}/${owner.userId}`, { token: other.token }),
      api.call('DELETE', `${at}/${other.userId}`, { token: owner.token }),
    ]);
    // one of the two goes, the other is the last owner, or is no member any more and finds nothing
    expect(both.filter((answer) => answer.status === 204)).toHaveLength(1);
  });
});
