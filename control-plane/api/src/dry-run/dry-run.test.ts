import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DRY_RUN_MEDIA, DryRun, type Problem } from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { rowsOf } from '../testing/row-counts.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let billing: Server;
/** What billing was asked, and what it answers; undefined = it refuses. */
const asked: { path: string; body: { now: object[]; after: object[] } }[] = [];
let prices: object | undefined;
let at: string;
let clusterId: string;
const dir = mkdtempSync(join(tmpdir(), 'dry run '));

const call = <T = Problem>(method: string, path: string, body?: unknown, headers = {}) =>
  api.call<T>(method, path, { token: owner.token, headers, ...(body === undefined ? {} : { body }) });
/** Tries a write; nothing of it is left. */
async function tried(method: string, path: string, body?: unknown): Promise<DryRun> {
  const before = await rowsOf(api, owner.tenantId);
  const answer = await call(method, `${path}${path.includes('?') ? '&' : '?'}dry_run=true`, body);
  expect(await rowsOf(api, owner.tenantId)).toEqual(before);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  expect(answer.headers.get('content-type')).toContain(DRY_RUN_MEDIA);
  expect(answer.headers.get('operation-id')).toBeNull();
  return DryRun.parse(answer.body);
}
/** The refusal of a write that is tried, and that of the write. */
async function refused(method: string, path: string, body?: unknown, headers = {}) {
  const before = await rowsOf(api, owner.tenantId);
  const dry = await call(method, `${path}?dry_run=true`, body, headers);
  expect(await rowsOf(api, owner.tenantId)).toEqual(before);
  const real = await call(method, path, body, headers);
  const told = ({ status, body: { code, detail, errors } }: typeof real) => ({ status, code, detail, errors });
  expect(told(dry)).toEqual(told(real));
  return real.body.code;
}
const quota = (name: string, limit: number, used: number, after: number) => ({
  ...{ name, limit, limitNow: limit, used, after },
});

beforeAll(async () => {
  billing = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      asked.push({ path: request.url!, body: JSON.parse(text) as (typeof asked)[number]['body'] });
      response.writeHead(prices ? 200 : 500).end(JSON.stringify(prices ?? { code: 'internal', message: 'no' }));
    });
  });
  const billingSocket = join(dir, 'billing.sock');
  await new Promise<void>((resolve) => billing.listen(billingSocket, resolve));
  api = await startTestApi({ billingSocket, internalToken: 'x' });
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
  clusterId = (await call<{ id: string }>('POST', `${owner.at}/clusters`, { name: 'orders' })).body.id;
  at = `${owner.at}/clusters/${clusterId}`;
  await until(
    () => call<{ phase: string }>('GET', at),
    (answer) => answer.body.phase === 'Ready',
  );
});
afterAll(async () => {
  agent.close();
  await api.stop();
  billing.close();
  rmSync(dir, { recursive: true });
});

it('a cluster: made, changed, deleted, all of it only tried', async () => {
  const usd = (amount: string) => ({ amount, currency: 'USD' });
  prices = { now: usd('0'), after: usd('12960'), change: usd('12960') };
  const made = await tried('POST', `${owner.at}/clusters`, { name: 'more', plan: 'dedicated' });
  expect(made).toMatchObject({
    ...{ action: 'cluster.create', target: { type: 'cluster', id: null } },
    ...{ changes: { name: 'more', plan: 'dedicated' }, quotas: [quota('clusters', 50, 1, 2)] },
    cost: { days: 30, change: usd('12960') },
  });
  expect(asked.at(-1)).toMatchObject({
    path: `/internal/tenants/${owner.tenantId}/level-prices`,
    body: { days: 30, now: [], after: [{ plan: 'dedicated', meter: 'node_seconds', level: 1 }] },
  });
  const labelled = await tried('PATCH', at, { labels: { team: 'a' } });
  expect(labelled).toMatchObject({ target: { id: clusterId }, quotas: [], cost: null });
  const grown = await tried('PATCH', at, { plan: 'dedicated' });
  expect(grown.quotas.find((one) => one.name === 'partitionsMax')).toEqual({
    ...{ name: 'partitionsMax', limit: 20_000, limitNow: 4_000, used: 0, after: 0 },
  });
  expect(await tried('DELETE', at)).toMatchObject({ action: 'cluster.delete', changes: { restoreDays: 7 } });
  expect((await tried('DELETE', `${at}?restore_days=0`)).changes).toMatchObject({ restoreDays: 0 });
  expect((await call<{ phase: string; version: number }>('GET', at)).body).toMatchObject({
    phase: 'Ready',
    version: 1,
  });
  expect(agent.desired!.namespaces).toHaveLength(1);
});

it('a topic: what is left of the quotas, and no price while billing is away', async () => {
  prices = undefined;
  const made = await tried('POST', `${at}/topics`, { name: 't', partitions: 3 });
  expect(made).toMatchObject({
    ...{ action: 'topic.create', target: { type: 'topic', id: `${clusterId}/t` } },
    ...{ quotas: [quota('topicsMax', 1_000, 0, 1), quota('partitionsMax', 4_000, 0, 3)], cost: null },
    notes: ['Prices cannot be had at the moment.'],
  });
  expect((await call('POST', `${at}/topics`, { name: 't', partitions: 3 })).status).toBe(201);
  expect((await tried('PATCH', `${at}/topics/t`, { partitions: 5 })).quotas).toEqual([
    quota('partitionsMax', 4_000, 3, 5),
  ]);
  expect((await tried('PATCH', `${at}/topics/t`, { retentionMs: 1_000 })).notes[0]).toContain('nothing that costs');
  expect((await tried('DELETE', `${at}/topics/t`)).quotas).toEqual([
    quota('topicsMax', 1_000, 1, 0),
    quota('partitionsMax', 4_000, 3, 0),
  ]);
  // hidden until its window is over, it goes on counting
  expect(await tried('DELETE', `${at}/topics/t?undo_hours=24`)).toMatchObject({
    quotas: [],
    changes: { undoHours: 24 },
  });
});

it('shows no secret, and takes no name: the write that follows is done', async () => {
  const credential = await tried('POST', `${at}/credentials`, { name: 'sensor' });
  expect(credential).toMatchObject({ target: { id: null }, quotas: [quota('credentials', 5_000, 0, 1)] });
  expect(JSON.stringify(credential)).not.toContain('password');
  expect((await call('POST', `${at}/credentials`, { name: 'sensor' })).status).toBe(201);
  const key = await tried('POST', `${owner.at}/api-keys`, { name: 'deploy', role: 'viewer' });
  expect(JSON.stringify(key)).not.toContain('rmq_');
  // the key of a write that was only tried is free for the write
  const once = { 'idempotency-key': 'one' };
  expect((await call('POST', `${at}/topics?dry_run=true`, { name: 'once' }, once)).status).toBe(200);
  expect((await call('POST', `${at}/topics`, { name: 'once' }, once)).status).toBe(201);
});

it('refuses what the write refuses, in the same words', async () => {
  expect(await refused('POST', `${owner.at}/clusters`, { name: 'orders' })).toBe('name-taken');
  expect(await refused('POST', `${owner.at}/clusters`, { name: 'far', region: 'nowhere' })).toBe('validation-failed');
  expect(await refused('POST', `${owner.at}/clusters`, { name: 'NO' })).toBe('validation-failed');
  expect(await refused('PATCH', at, { labels: {} }, { 'if-match': '"99"' })).toBe('precondition-failed');
  expect(await refused('POST', `${at}/topics`, { name: 't' })).toBe('name-taken');
  expect(await refused('PATCH', `${at}/topics/t`, { partitions: 1 })).toBe('conflict');
  expect(await refused('DELETE', `${at}/topics/nothing`)).toBe('not-found');
  expect(await refused('POST', `${at}/credentials`, { name: 'sensor' })).toBe('name-taken');
  await api.database.withTenant(owner.tenantId, (tx) =>
    tx.cluster.update({ where: { id: clusterId }, data: { deletionProtection: true } }),
  );
  expect(await refused('DELETE', at)).toBe('conflict');
  const viewer = await api.signUp();
  await call('POST', `${owner.at}/members`, { email: viewer.email, role: 'viewer' });
  const denied = await api.call('DELETE', `${at}?dry_run=true`, { token: viewer.token });
  expect(denied).toMatchObject({ status: 403, body: { code: 'forbidden' } });
});

it('is refused where a write cannot be tried, and when it is half asked for', async () => {
  const wrong = { status: 400, body: { errors: [{ pointer: '?dry_run' }] } };
  expect(await call('POST', `${at}/topics/t/records?dry_run=true`, { value: 'x' })).toMatchObject(wrong);
  expect(await call('POST', `${at}/topics?dry_run=yes`, { name: 'y' })).toMatchObject(wrong);
  expect(await call('POST', `${at}/topics?dry_run=true&dry_run=false`, { name: 'y' })).toMatchObject(wrong);
  expect((await call('POST', `${at}/topics?dry_run=false`, { name: 'y' })).status).toBe(201);
});
