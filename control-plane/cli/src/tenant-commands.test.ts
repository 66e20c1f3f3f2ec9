import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFakeControlPlane, type FakeControlPlane, type FakeOptions } from '@robustmq/client/testing';
import { afterEach, expect, it } from 'vitest';
import { recorder } from './testing/recording-terminal.ts';

const open: FakeControlPlane[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

const ID = '01975c00-0000-7000-8000-000000000001';
const at = new Date(0).toISOString();

/** A person with a tenant; what is asked of the routes is kept. */
async function signedUp(answers: NonNullable<FakeOptions['answers']>) {
  const asked: { params: object; query: object; body: unknown }[] = [];
  const kept = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [
      name,
      (call: Parameters<typeof answer>[0]) => {
        asked.push({ params: call.params, query: call.query, body: call.body });
        return answer(call);
      },
    ]),
  );
  const plane = await startFakeControlPlane({ answers: kept });
  open.push(plane);
  const ctl = recorder(plane.url);
  await ctl.exec(['signup', '--email', 'a@b.test', '--password', 'long enough', '--tenant', 'Acme']);
  return { asked, ...ctl };
}

it('sso: providers with mapped groups, domains with their record, and who must use it', async () => {
  const provider = {
    id: ID,
    name: 'Acme',
    issuer: 'https://login.example.com',
    redirectUri: 'https://cloud/login/sso',
  };
  const { exec, asked } = await signedUp({
    createSsoProvider: () => provider,
    updateSsoProvider: () => provider,
    createSsoDomain: () => ({ domain: 'example.com', record: { name: '_robustmq-challenge.example.com', value: 'v' } }),
    verifySsoDomain: () => ({ domain: 'example.com' }),
    updateTenant: () => ({ id: ID, name: 'Acme', createdAt: at }),
  });
  const add = ['sso', 'provider', 'add', '--name', 'Acme', '--issuer', provider.issuer, '--client-id', 'c'];
  const made = await exec([...add, '--client-secret', 's', '--group', 'a=b=developer', '--default-role', 'none']);
  expect(made).toMatchObject({ code: 0 });
  expect(made.notes).toContain('https://cloud/login/sso');
  expect(asked.at(-1)!.body).toMatchObject({
    ...{ clientSecret: 's', defaultRole: null, groupRoles: [{ group: 'a=b', role: 'developer' }], enabled: true },
  });
  expect((await exec([...add, '--group', 'x=emperor'])).code).toBe(2);
  await exec(['sso', 'provider', 'update', ID, '--no-enabled']);
  expect(asked.at(-1)!.body).toEqual({ enabled: false });
  expect((await exec(['sso', 'domain', 'add', 'example.com'])).out).toContain('_robustmq-challenge.example.com');
  expect((await exec(['sso', 'domain', 'verify', 'example.com'])).out).toContain('proven');
  await exec(['sso', 'require']);
  expect(asked.at(-1)!.body).toEqual({ ssoRequired: true });
});

it('webhook: made, listed, changed, tested, sent again', async () => {
  const webhook = { id: ID, url: 'https://a.example', events: ['*'], enabled: true, failingSince: null, createdAt: at };
  const delivery = { id: ID, event: 'webhook.test', status: 'pending', attempts: 0, responseStatus: null, error: null };
  const { exec, json, asked } = await signedUp({
    createWebhook: () => ({ ...webhook, secret: 'whsec_x' }),
    listWebhooks: () => ({ items: [webhook] }),
    updateWebhook: () => webhook,
    testWebhook: () => delivery,
    listWebhookDeliveries: () => ({ items: [{ ...delivery, createdAt: at }] }),
    replayWebhookDelivery: () => delivery,
    deleteWebhook: () => undefined,
  });
  expect((await exec(['webhook', 'create', 'https://a.example', '--event', 'cluster.*'])).out).toContain('whsec_x');
  expect(asked.at(-1)!.body).toEqual({ url: 'https://a.example', events: ['cluster.*'] });
  expect(await json('webhook', 'list')).toMatchObject([{ id: ID }]);
  await exec(['webhook', 'update', ID, '--disable']);
  expect(asked.at(-1)!.body).toEqual({ enabled: false });
  expect((await exec(['webhook', 'test', ID])).code).toBe(0);
  expect((await exec(['webhook', 'deliveries', ID])).out).toContain('webhook.test');
  expect((await exec(['webhook', 'replay', ID, ID])).code).toBe(0);
  expect((await exec(['webhook', 'delete', ID])).notes).toContain('undo');
});

it('operation: listed, waited for, undone', async () => {
  let looks = 0;
  const operation = (status: string) => ({
    ...{ id: ID, kind: 'topic.delete', target: { type: 'topic', id: 't' }, status, startedAt: at, undoUntil: at },
    ...{ clusterId: null, error: status === 'failed' ? 'no disk' : null, actor: { type: 'user', id: 'x' } },
  });
  const { exec, asked } = await signedUp({
    listOperations: () => ({ items: [operation('done')] }),
    getOperation: () => operation((looks += 1) === 1 ? 'running' : looks === 2 ? 'done' : 'failed'),
    undoOperation: () => operation('undone'),
  });
  expect((await exec(['operation', 'list', '--undoable'])).out).toContain('topic.delete');
  expect(asked.at(-1)!.query).toMatchObject({ undoable: 'true' });
  expect((await exec(['operation', 'wait', ID])).out).toContain('done');
  expect(await exec(['operation', 'wait', ID])).toMatchObject({ code: 1 });
  expect((await exec(['operation', 'undo', ID])).out).toContain('undone');
});

it('certificate and record: a key goes to a private file, a record as it was written', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'certificates '));
  const issued = { serial: 'CAFE', name: 's', notAfter: at, revokedAt: null, createdAt: at };
  const { exec, asked } = await signedUp({
    issueCertificate: () => ({ ...issued, certificatePem: 'CERT', authorityPem: 'CA', privateKeyPem: 'KEY' }),
    revokeCertificate: () => undefined,
    produceRecord: () => ({ topic: 't', partition: 0, offset: 3, timestamp: at }),
  });
  await exec(['cluster', 'create', 'orders']);
  const keyFile = join(dir, 'key.pem');
  const made = await exec(['certificate', 'issue', 's', '-c', 'orders', '--days', '9', '--key-out', keyFile]);
  expect(made.out).toContain('CERT');
  expect(made.out).not.toContain('KEY');
  expect(readFileSync(keyFile, 'utf8')).toBe('KEY');
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  expect(asked.at(-1)!.body).toEqual({ name: 's', days: 9 });
  expect((await exec(['certificate', 'revoke', 'CAFE', '-c', 'orders'])).code).toBe(0);
  const produce = ['record', 'produce', 't', '-c', 'orders', '--key', 'ff', '--encoding', 'hex', '--header', 'h=00'];
  expect((await exec(produce)).out).toContain('3');
  expect(asked.at(-1)!.body).toMatchObject({ key: 'ff', encoding: 'hex', headers: [{ name: 'h', value: '00' }] });
  expect((await exec([...produce, '--header', 'none'])).code).toBe(2);
  rmSync(dir, { recursive: true });
});

it('audit verify: the log of the server, a file of it, and one that was altered', async () => {
  const published = JSON.parse(
    readFileSync(new URL('../../contracts/published/audit-chain.json', import.meta.url), 'utf8'),
  ) as { rows: object[] } | object[];
  const rows = Array.isArray(published) ? published : published.rows;
  let served: object[] = rows;
  const { exec, json } = await signedUp({
    exportAuditEvents: ({ query }) => ({
      items: served.filter((row) => (row as { seq: number }).seq > Number(query['afterSeq'])),
    }),
  });
  expect(await json('audit', 'verify')).toMatchObject({ rows: rows.length });
  served = rows.map((row, n) => (n === 1 ? { ...row, actorId: 'somebody else' } : row));
  const broken = await exec(['audit', 'verify']);
  expect(broken).toMatchObject({ code: 1 });
  expect(broken.notes).toContain('broken at row 2');
  served = rows.slice(1);
  expect((await exec(['audit', 'verify'])).code).toBe(1);
});

it('sso login: the browser comes back to this machine; what belongs to another sign-in is refused', async () => {
  let state = 'right';
  const session = {
    ...{ accessToken: 'a', expiresIn: 900, refreshToken: 'r', user: { id: ID, email: 'ada@example.com' } },
    tenants: [{ id: ID, name: 'Acme', role: 'viewer' }],
  };
  const { exec, asked } = await signedUp({
    ssoStart: ({ body }) => {
      const back = String(body['redirectUri']);
      // the person signs in, and the provider sends the browser back
      setTimeout(() => void fetch(`${back}?code=the-code&state=${state}`), 20);
      return {
        ...{ authorizationUrl: 'https://login.example.com/auth', binding: 'b', state: 'right', expiresInSeconds: 30 },
        provider: { id: ID, name: 'Acme login' },
      };
    },
    ssoFinish: () => session,
  });
  const done = await exec(['sso', 'login', '--email', 'ada@example.com']);
  expect(done).toMatchObject({ code: 0 });
  expect(done.notes).toContain('https://login.example.com/auth');
  expect(asked.at(-1)!.body).toEqual({ binding: 'b', state: 'right', code: 'the-code' });
  state = 'wrong';
  expect(await exec(['sso', 'login', '--email', 'ada@example.com'])).toMatchObject({ code: 4 });
});
