import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Problem } from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

interface Issued {
  serial: string;
  certificatePem: string;
  authorityPem: string;
  privateKeyPem?: string;
}

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let at: string;
let clusterId: string;

const call = <T = Problem>(method: string, path: string, body?: unknown) =>
  api.call<T>(method, at + path, { token: owner.token, ...(body === undefined ? {} : { body }) });
const authentication = () =>
  agent.desired!.namespaces.find((one) => one.clusterId === clusterId)!.settings.authentication;
const issue = (body: object) => call<Issued & Problem>('POST', '/certificates', body);

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
  const made = await api.call<{ id: string }>('POST', `${owner.at}/clusters`, {
    token: owner.token,
    body: { name: 'tls' },
  });
  clusterId = made.body.id;
  at = `${owner.at}/clusters/${clusterId}`;
  await until(
    () => call<{ phase: string }>('GET', ''),
    (answer) => answer.body.phase === 'Ready',
  );
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

it('a cluster has an authority of its own, once, beside the tenant’s', async () => {
  expect((await call('GET', '/certificate-authority')).status).toBe(404);
  expect((await issue({ name: 'early' })).status).toBe(404);
  const own = '-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----';
  await call('PATCH', '/settings', { authentication: { x509: { authoritiesPem: own } } });
  const made = await call<{ certificatePem: string; fingerprint: string }>('POST', '/certificate-authority');
  expect(made.status).toBe(201);
  expect((await call('POST', '/certificate-authority')).status).toBe(409);
  expect(new X509Certificate(made.body.certificatePem).ca).toBe(true);
  expect(authentication().x509!.authoritiesPem).toBe(`${own}\n${made.body.certificatePem}`);
  const rows = await api.database.withTenant(owner.tenantId, (tx) => tx.clusterAuthority.findMany());
  expect(Buffer.from(rows[0]!.sealedKey).toString('latin1')).not.toContain('PRIVATE KEY');
});

it('issues certificates: with a key that is shown once, or for a request', async () => {
  const made = await issue({ name: 'sensor-1', days: 30 });
  const certificate = new X509Certificate(made.body.certificatePem);
  expect(certificate.subject).toBe('CN=sensor-1');
  expect(certificate.verify(new X509Certificate(made.body.authorityPem).publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(made.body.privateKeyPem!))).toBe(true);
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  expect(certificate.validToDate.getTime()).toBeLessThan(Date.now() + 31 * 86_400_000);
  const dir = mkdtempSync(join(tmpdir(), 'csr '));
  for (const [key, options] of [
    ['ec', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['rsa', ['-newkey', 'rsa:2048']],
  ] as const) {
    const args = [
      'req',
      ...options,
      '-nodes',
      '-keyout',
      join(dir, key),
      '-subj',
      '/CN=admin/O=Evil',
      '-out',
      join(dir, 'csr'),
    ];
    execFileSync('openssl', args, { stdio: 'pipe' });
    const csrPem = readFileSync(join(dir, 'csr'), 'utf8');
    const signed = await issue({ name: `by-${key}`, csrPem });
    expect(signed.status).toBe(201);
    expect(signed.body.privateKeyPem).toBeUndefined();
    const theirs = new X509Certificate(signed.body.certificatePem);
    expect(theirs.subject).toBe(`CN=by-${key}`);
    expect(theirs.checkPrivateKey(createPrivateKey(readFileSync(join(dir, key))))).toBe(true);
    const altered = Buffer.from(csrPem.replaceAll(/-----[^-]+-----/g, ''), 'base64');
    altered[40]! ^= 1;
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${altered.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
    for (const wrong of [forged, 'nothing', csrPem.slice(0, 200)])
      expect(await issue({ name: 'forged', csrPem: wrong })).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/csrPem' }] },
      });
  }
  execFileSync(
    'openssl',
    ['req', '-newkey', 'rsa:1024', '-nodes', '-keyout', join(dir, 'k'), '-subj', '/CN=x', '-out', join(dir, 'csr')],
    { stdio: 'pipe' },
  );
  expect((await issue({ name: 'weak', csrPem: readFileSync(join(dir, 'csr'), 'utf8') })).status).toBe(400);
  rmSync(dir, { recursive: true });
  const kept = await api.database.withTenant(owner.tenantId, (tx) => tx.auditEvent.findMany());
  expect(JSON.stringify(kept)).not.toContain('PRIVATE KEY');
});

it('revokes: the node has it at once, and no earlier settings take that back', async () => {
  const { revision } = (await call<{ revision: number }>('GET', '/settings')).body;
  const { serial } = (await issue({ name: 'lost' })).body;
  expect((await call('DELETE', `/certificates/${serial.toLowerCase()}`)).status).toBe(204);
  expect((await call('DELETE', `/certificates/${serial}`)).status).toBe(404);
  expect(authentication().x509!.revokedSerials).toEqual([serial]);
  await call('POST', `/settings/revisions/${revision}/rollback`);
  expect(authentication().x509!.revokedSerials).toEqual([serial]);
  await call('PATCH', '/settings', { authentication: { x509: { revokedSerials: [] } } });
  expect(authentication().x509!.revokedSerials).toEqual([serial]);
  const { body } = await call<{ items: { name: string; revokedAt: string | null }[] }>(
    'GET',
    '/certificates?limit=200',
  );
  expect(body.items.filter((one) => one.revokedAt !== null).map((one) => one.name)).toEqual(['lost']);
});

it('headers of an HTTP authentication and symmetric keys are sealed, hidden, and open at the node', async () => {
  const http = { url: 'https://auth.example.com/check', headers: { authorization: 'Bearer of ours' } };
  const k = Buffer.from('a symmetric key').toString('base64url');
  const jwt = { algorithms: ['HS256'], keys: [{ kty: 'oct', k }] };
  expect((await call('PATCH', '/settings', { authentication: { http, jwt } })).status).toBe(200);
  expect(authentication().http!.headers).toEqual(http.headers);
  expect(authentication().jwt!.keys).toEqual([{ kty: 'oct', k }]);
  const seen = JSON.stringify((await call('GET', '/settings')).body);
  const rows = JSON.stringify(
    await api.database.withTenant(owner.tenantId, async (tx) => [
      await tx.cluster.findMany(),
      await tx.settingsRevision.findMany(),
    ]),
    (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  );
  for (const secret of ['Bearer of ours', k]) expect(seen + rows).not.toContain(secret);
  const again = await call<{ changes: object[] }>('PATCH', '/settings', {
    authentication: { http: { headers: { authorization: '***' } } },
  });
  expect(again.body.changes).toEqual([]);
  const { revision } = (await call<{ revision: number }>('GET', '/settings')).body;
  await call('PATCH', '/settings', { authentication: { http: null } });
  await call('POST', `/settings/revisions/${revision}/rollback`);
  expect(authentication().http!.headers).toEqual(http.headers);
  const forged = await call('PATCH', '/settings', {
    authentication: { http: { headers: { authorization: 'sealed:AAAA' } } },
  });
  expect(forged.status).toBe(400);
});

it.each([
  'http://auth.example.com',
  'https://127.0.0.1/',
  'https://169.254.169.254/',
  'https://[::1]/',
  'https://x.internal/',
  'https://u:p@auth.example.com/',
])('does not let nodes ask %s', async (url) => {
  const answer = await call('PATCH', '/settings', { authentication: { http: { url } } });
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/authentication/http/url' }] } });
});
