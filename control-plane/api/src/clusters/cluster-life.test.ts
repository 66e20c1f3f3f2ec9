import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_QUOTAS, type Cluster, type ClusterPlan, type Problem } from '@robustmq/contracts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let serial = 0;

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

const call = <T = Cluster & Problem>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) =>
  api.call<T>(method, `${owner.at}/${path}`, {
    token: owner.token,
    headers,
    ...(body === undefined ? {} : { body }),
  });
const spec = (id: string) => agent.desired?.namespaces.find((one) => one.clusterId === id);

async function ready(body: object = {}): Promise<Cluster> {
  const made = await call('POST', 'clusters', { name: `life-${(serial += 1)}`, ...body });
  expect(made.status).toBe(202);
  const read = await until(
    () => call('GET', `clusters/${made.body.id}`),
    (answer) => answer.body.phase === 'Ready',
  );
  return read.body;
}

describe('pause and resume', () => {
  it('refuse clients, keep data and endpoints, and serve again', async () => {
    const { id, endpoints } = await ready();
    await call('POST', `clusters/${id}/topics`, { name: 'kept' });
    const paused = await call('POST', `clusters/${id}:pause`);
    expect(paused).toMatchObject({ status: 200, body: { phase: 'Paused', endpoints } });
    expect(paused.body.pausedAt).not.toBeNull();
    expect(spec(id)).toMatchObject({ suspended: { reason: 'The cluster is paused.' }, topics: [{ name: 'kept' }] });
    expect(await call('POST', `clusters/${id}:pause`)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    const resumed = await call('POST', `clusters/${id}:resume`);
    expect(resumed).toMatchObject({ status: 200, body: { phase: 'Ready', pausedAt: null, endpoints } });
    expect(spec(id)?.suspended).toBeNull();
    expect((await call('POST', `clusters/${id}:resume`)).status).toBe(409);
  });

  it('are written down, and nothing is between {id} and the verb', async () => {
    const { id } = await ready();
    await call('POST', `clusters/${id}:pause`);
    const log = await call<{ items: { action: string }[] }>('GET', 'audit-events');
    expect(log.body.items[0]!.action).toBe('cluster.pause');
    expect((await call('POST', `clusters/${id}:explode`)).status).toBe(405);
    expect((await call('POST', `clusters/not-an-id:pause`)).status).toBe(404);
  });
});

describe('deletion', () => {
  it('can be taken back for days unless it says otherwise, and for good needs a permission of its own', async () => {
    const { body: made } = await call<Cluster>('POST', 'clusters', { name: 'kept' });
    const { body: role } = await call<{ id: string }>('POST', 'roles', {
      ...{ name: 'Tidy', permissions: ['tenant:read', 'cluster:read', 'cluster:delete'] },
    });
    const { body: key } = await call<{ key: string }>('POST', 'api-keys', {
      ...{ name: 'tidy', role: 'custom', scopes: ['tenant:read', 'cluster:read', 'cluster:delete'] },
    });
    expect(role.id).toBeTypeOf('string');
    const asKey = (query: string) =>
      api.call<Cluster>('DELETE', `${owner.at}/clusters/${made.id}${query}`, { token: key.key });
    expect(await asKey('?restore_days=0')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const deleted = await asKey('');
    const days = (Date.parse(deleted.body.restoreUntil!) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(7);
    expect((await call('POST', `clusters/${made.id}:restore`)).status).toBe(200);
    expect((await call('DELETE', `clusters/${made.id}?restore_days=0`)).status).toBe(202);
  });

  it('is refused while the cluster is protected', async () => {
    const { id } = await ready({ deletionProtection: true });
    expect(await call('DELETE', `clusters/${id}`)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect((await call('PATCH', `clusters/${id}`, { deletionProtection: false })).body.deletionProtection).toBe(false);
    expect((await call('DELETE', `clusters/${id}?restore_days=0`)).status).toBe(202);
  });

  it('with a restore window hides the cluster, keeps its data at the agent, and can be taken back', async () => {
    const { id, name, key } = await ready();
    await call('POST', `clusters/${id}/credentials`, { name: 'c' });
    expect((await call('DELETE', `clusters/${id}?restore_days=7`)).body).toMatchObject({ phase: 'Deleted' });
    expect((await call('GET', `clusters/${id}`)).status).toBe(404);
    const list = await call<{ items: Cluster[] }>('GET', 'clusters?deleted=true');
    expect(list.body.items.map((one) => one.id)).toContain(id);
    await until(
      async () => spec(id)?.suspended,
      (suspended) => suspended?.reason === 'The cluster was deleted.',
    );
    const restored = await call('POST', `clusters/${id}:restore`);
    expect(restored).toMatchObject({ status: 200, body: { phase: 'Ready', name, key, restoreUntil: null } });
    expect(spec(id)).toMatchObject({ suspended: null, credentials: [{ name: 'c' }] });
    expect((await call('POST', `clusters/${id}:restore`)).status).toBe(404);
  });

  it('is refused to be taken back when the name is another’s by now', async () => {
    const { id, name } = await ready();
    await call('DELETE', `clusters/${id}?restore_days=30`);
    await ready({ name });
    expect(await call('POST', `clusters/${id}:restore`)).toMatchObject({ status: 409, body: { code: 'name-taken' } });
  });

  it('is final when the window is over', async () => {
    const { id } = await ready();
    await call('DELETE', `clusters/${id}?restore_days=7`);
    const past = new Date(Date.now() - 1_000);
    await api.database.withTenant(owner.tenantId, async (tx) => {
      await tx.cluster.update({ where: { id }, data: { restoreUntil: past } });
      await tx.outbox.updateMany({ where: { kind: 'expire-cluster', key: id }, data: { dueAt: past } });
    });
    expect((await call('POST', `clusters/${id}:restore`)).status).toBe(404);
    await api.app.get(Provisioner).sweep();
    await until(
      async () => spec(id),
      (one) => one === undefined,
    );
    const row = await api.database.withTenant(owner.tenantId, (tx) => tx.cluster.findUnique({ where: { id } }));
    expect(row).toMatchObject({ restoreUntil: null });
  });
});

describe('names, labels and versions', () => {
  it('change, are found by, and are guarded by the ETag', async () => {
    const { id } = await ready({ labels: { team: 'a' } });
    const read = await call('GET', `clusters/${id}`);
    const etag = read.headers.get('etag')!;
    const body = { name: 'renamed', labels: { team: 'b', environment: 'test' } };
    const changed = await call('PATCH', `clusters/${id}`, body, { 'if-match': etag });
    expect(changed).toMatchObject({ status: 200, body });
    expect(changed.headers.get('etag')).not.toBe(etag);
    expect((await call('PATCH', `clusters/${id}`, {}, { 'if-match': etag })).status).toBe(412);
    const found = await call<{ items: Cluster[] }>('GET', 'clusters?label=team%3Db');
    expect(found.body.items.map((one) => one.id)).toEqual([id]);
    const other = await ready();
    expect((await call('PATCH', `clusters/${other.id}`, { name: 'renamed' })).body.code).toBe('name-taken');
    expect((await call('PATCH', `clusters/${id}`, { labels: { 'Not Allowed': 'x' } })).status).toBe(400);
  });
});

describe('a plan', () => {
  it('is tried out without making anything', async () => {
    const before = (await call<{ items: Cluster[] }>('GET', 'clusters')).body.items.length;
    const plan = await call<ClusterPlan>('POST', 'cluster-plans', { name: 'maybe', plan: 'dedicated' });
    expect(plan).toMatchObject({
      status: 200,
      body: { plan: 'dedicated', quotas: DEFAULT_QUOTAS.dedicated, prices: [] },
    });
    expect(plan.body.clusters).toEqual({ used: before, max: 50 });
    const taken = await ready();
    expect((await call('POST', 'cluster-plans', { name: taken.name })).body.code).toBe('name-taken');
  });

  it('changes both ways while nothing is stored, and lists what does not fit', async () => {
    const { id } = await ready();
    const up = await call('PATCH', `clusters/${id}`, { plan: 'dedicated' });
    expect(up).toMatchObject({ status: 200, body: { plan: 'dedicated', quotas: DEFAULT_QUOTAS.dedicated } });
    expect(spec(id)).toMatchObject({ node: id, ports: expect.anything() });
    const serve = agent.serve;
    agent.serve = (one) => ({ ...serve(one), topics: [{ name: 'big', partitions: 5_000, storedBytes: 9 }] });
    agent.report();
    await until(
      () => call<{ items: unknown[] }>('GET', `clusters/${id}/topics`),
      (answer) => answer.body.items.length === 1,
    );
    const down = await call('PATCH', `clusters/${id}`, { plan: 'serverless' });
    expect(down.status).toBe(409);
    expect(down.body.errors?.map((one) => one.pointer)).toEqual(['/quotas/partitionsMax', '/plan']);
    agent.serve = serve;
    agent.report();
  });
});
