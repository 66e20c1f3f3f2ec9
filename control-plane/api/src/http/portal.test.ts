import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let owner: SignedUp;
let dir: string;
let billing: Server;
let billingAnswer: { status: number; body: string };
const asked: Pick<IncomingMessage, 'url' | 'headers'>[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'robustmq portal '));
  mkdirSync(join(dir, 'assets'));
  writeFileSync(join(dir, 'index.html'), '<!doctype html><title>portal</title>');
  writeFileSync(join(dir, 'assets/app-1a2b.js'), 'export {};');
  billing = createServer((request, response) => {
    asked.push({ url: request.url, headers: request.headers });
    response.writeHead(billingAnswer.status, { 'content-type': 'application/json' }).end(billingAnswer.body);
  });
  await new Promise<void>((done) => billing.listen(join(dir, 'billing.sock'), done));
  api = await startTestApi({ portalDir: dir, billingSocket: join(dir, 'billing.sock'), internalToken: 'internal' });
  owner = await api.signUp();
});
afterAll(async () => {
  await api.stop();
  billing.close();
  rmSync(dir, { recursive: true, force: true });
});

const get = (path: string, accept = 'text/html') => api.call<string>('GET', path, { headers: { accept } });

describe('the portal', () => {
  it('is served at /, its hashed files for ever, its page never from a cache', async () => {
    const page = await get('/');
    expect((await get('/', '*/*')).body).toBe(page.body);
    expect(page.body).toContain('<title>portal</title>');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('content-security-policy')).toContain('connect-src');
    const script = await get('/assets/app-1a2b.js');
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(script.headers.get('content-type')).toContain('javascript');
  });

  it('answers its own page addresses, and no others, with its page', async () => {
    for (const path of ['/clusters/some-id', '/login?next=%2F']) {
      const page = await get(path);
      expect(page).toMatchObject({ status: 200, body: expect.stringContaining('portal') });
      expect(page.headers.get('cache-control')).toBe('no-cache');
    }
    for (const path of ['/v1/nothing', '/health/nothing', '/metrics/x']) expect((await get(path)).status).toBe(404);
    expect((await get('/clusters/some-id', 'application/json')).status).toBe(404);
    expect((await get('/..%2f..%2fetc%2fpasswd', 'text/plain')).status).toBeGreaterThanOrEqual(400);
    expect((await api.call('POST', '/login', { headers: { accept: 'text/html' } })).status).toBe(404);
  });

  it('is the newest one after it was built again, without a restart', async () => {
    rmSync(join(dir, 'assets'), { recursive: true });
    mkdirSync(join(dir, 'assets'));
    writeFileSync(join(dir, 'index.html'), '<!doctype html><title>portal</title><script src="/assets/app-3c4d.js">');
    writeFileSync(join(dir, 'assets/app-3c4d.js'), 'export const built = "again";');
    for (const path of ['/', '/clusters']) expect((await get(path)).body).toContain('app-3c4d.js');
    const script = await get('/assets/app-3c4d.js', '*/*');
    expect(script).toMatchObject({ status: 200, body: expect.stringContaining('again') });
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    // a script that is gone is no page: the browser must not run HTML
    const gone = await get('/assets/app-1a2b.js', '*/*');
    expect(gone).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  it('does not hide documents and health', async () => {
    expect((await get('/docs')).body).toContain('createCluster');
    expect((await get('/health/live', '*/*')).body).toEqual({ status: 'ok' });
    expect((await get('/v1/openapi.json', '*/*')).body).toMatchObject({ openapi: '3.1.0' });
  });
});

describe('the price list', () => {
  it('is billing’s, for everybody', async () => {
    const item = {
      ...{
        plan: 'serverless',
        meter: 'ingress_bytes',
        title: 'Data in',
        unit: 'GiB',
        included: '1',
        unitPrice: '0.06',
      },
      ...{ currency: 'USD', validFrom: '2020-01-01T00:00:00.000Z' },
    };
    const list = { asOf: '2026-11-02T00:00:00Z', items: [item] };
    billingAnswer = { status: 200, body: JSON.stringify(list) };
    expect(await api.call('GET', '/v1/prices')).toMatchObject({ status: 200, body: list });
    expect(asked.at(-1)).toMatchObject({ url: '/internal/prices', headers: { authorization: 'Bearer internal' } });
    billingAnswer = { status: 500, body: '{}' };
    expect(await api.call('GET', '/v1/prices')).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });
});

describe('the bill preview', () => {
  const preview = () => api.call('GET', `${owner.at}/invoices/preview`, { token: owner.token });
  const good = {
    ...{ status: 'preview', periodFrom: '2026-11-01T00:00:00Z', periodTo: '2026-12-01T00:00:00Z' },
    ...{ asOf: '2026-11-02T00:00:00Z', currency: 'USD', lines: [], total: { amount: '0', currency: 'USD' } },
  };

  it('is asked of billing for exactly the caller’s tenant', async () => {
    billingAnswer = { status: 200, body: JSON.stringify(good) };
    expect(await preview()).toMatchObject({ status: 200, body: good });
    expect(asked.at(-1)).toMatchObject({
      url: `/internal/tenants/${owner.tenantId}/invoices/preview`,
      headers: { authorization: 'Bearer internal' },
    });
    const before = asked.length;
    const stranger = await api.signUp();
    expect((await api.call('GET', `${owner.at}/invoices/preview`, { token: stranger.token })).status).toBe(404);
    expect(asked.length).toBe(before);
  });

  it.each([
    ['an error', { status: 500, body: '{"secret":"stack"}' }],
    ['nonsense', { status: 200, body: '{' }],
    ['another shape', { status: 200, body: '{}' }],
  ])('is unavailable when billing answers %s', async (_, answer) => {
    billingAnswer = answer;
    const refused = await preview();
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(JSON.stringify(refused.body)).not.toContain('stack');
  });
});
