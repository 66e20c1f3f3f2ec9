import { afterAll, beforeAll, expect, it } from 'vitest';
import { DEFAULT_QUOTAS, type ClusterQuotas, type Problem } from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { OPERATOR_TOKEN, startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let at: string;
let clusterId: string;

const call = <T = Problem>(method: string, path: string, body?: unknown, token = owner.token) =>
  api.call<T>(method, path, { token, ...(body === undefined ? {} : { body }) });
const override = (below: string, quotas: object, token = OPERATOR_TOKEN) =>
  call('PUT', `/v1/operator/tenants/${owner.tenantId}${below}/quota-overrides`, { quotas, reason: 'ticket 12' }, token);
const quotas = async () => (await call<ClusterQuotas>('GET', `${at}/quotas`)).body;
const one = async (name: string) => (await quotas()).items.find((item) => item.name === name)!;
const spec = () => agent.desired!.namespaces.find((namespace) => namespace.clusterId === clusterId)!;

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
  clusterId = (await call<{ id: string }>('POST', `${owner.at}/clusters`, { name: 'limited' })).body.id;
  at = `${owner.at}/clusters/${clusterId}`;
  await until(
    () => call<{ phase: string }>('GET', at),
    (answer) => answer.body.phase === 'Ready',
  );
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

it('the operator replaces single quotas of a tenant and of a cluster; the node has them, the tenant sees from where', async () => {
  expect(await one('topicsMax')).toMatchObject({ limit: 1_000, source: 'plan', softLimit: 800, used: 0, level: 'ok' });
  expect((await override('', { topicsMax: 5, connectionsMax: 70 })).status).toBe(200);
  expect(spec().quotas).toMatchObject({
    topicsMax: 5,
    connectionsMax: 70,
    partitionsMax: DEFAULT_QUOTAS.serverless.partitionsMax,
  });
  expect((await override(`/clusters/${clusterId}`, { topicsMax: 4 })).status).toBe(200);
  expect(spec().quotas).toMatchObject({ topicsMax: 4, connectionsMax: 70 });
  expect(await one('topicsMax')).toMatchObject({ limit: 4, source: 'cluster' });
  expect(await one('connectionsMax')).toMatchObject({ limit: 70, source: 'tenant' });
  const made = await call<{ quotas: object }>('POST', `${owner.at}/clusters`, { name: 'another' });
  expect(made.body.quotas).toMatchObject({ topicsMax: 5 });
  const seen = await call('GET', `/v1/operator/tenants/${owner.tenantId}/quota-overrides`, undefined, OPERATOR_TOKEN);
  expect(seen.body).toMatchObject({ tenant: { topicsMax: 5 }, clusters: [{ overrides: { topicsMax: 4 } }, {}] });
  const events = await call<{ items: object[] }>('GET', `${owner.at}/audit-events?limit=3`);
  expect(events.body.items[1]).toMatchObject({
    ...{
      action: 'quota.override',
      actor: { type: 'system', id: 'operator' },
      target: { type: 'cluster', id: clusterId },
    },
    detail: { quotas: { topicsMax: 4 }, reason: 'ticket 12' },
  });
});

it('refuses who is not the operator, and what is no quota', async () => {
  expect((await override('', {}, owner.token)).status).toBe(401);
  expect((await override('', { topicsMax: -1 })).status).toBe(400);
  expect((await override('', { nothing: 1 })).status).toBe(400);
  const nobody = `/v1/operator/tenants/${clusterId}/quota-overrides`;
  expect((await call('PUT', nobody, { quotas: {}, reason: 'x' }, OPERATOR_TOKEN)).status).toBe(404);
  expect((await call('GET', nobody, undefined, OPERATOR_TOKEN)).status).toBe(404);
});

it('warns at the soft limit, at 90 and at 100 percent, once until the value went down', async () => {
  const report = async (connections: number) => {
    agent.report(agent.observed().map((observed) => ({ ...observed, connections })));
    await until(
      () => one('connectionsMax'),
      (item) => item.used === connections,
    );
  };
  const warnings = async () =>
    (
      await call<{ items: { action: string; target: { id: string }; detail: { level: string; value: number } }[] }>(
        'GET',
        `${owner.at}/audit-events?limit=200`,
      )
    ).body.items
      .filter((event) => event.action === 'quota.warning' && event.target.id === clusterId)
      .map((event) => `${event.detail.level} ${event.detail.value}`);
  expect((await call('PUT', `${at}/quotas/soft-limits`, { connectionsMax: 71 })).body.errors?.[0]?.pointer).toBe(
    '/connectionsMax',
  );
  expect((await call('PUT', `${at}/quotas/soft-limits`, { connectionsMax: 20 })).status).toBe(200);
  await report(19);
  expect(await warnings()).toEqual([]);
  await report(21);
  await report(25);
  expect(await warnings()).toEqual(['soft 21']);
  await report(70);
  expect(await warnings()).toEqual(['100 70', '90 70', 'soft 21']);
  expect(await one('connectionsMax')).toMatchObject({ level: '100', softLimit: 20 });
  expect((await quotas()).warnings).toHaveLength(3);
  await report(1);
  expect((await quotas()).warnings).toEqual([]);
  await report(22);
  expect(await warnings()).toEqual(['soft 22', '100 70', '90 70', 'soft 21']);
});

it('says what a change of plan would do, both ways, and changes nothing', async () => {
  const up = await call('POST', `${at}:plan`, { plan: 'dedicated' });
  expect(up).toMatchObject({
    ...{ status: 200, body: { from: 'serverless', to: 'dedicated', fits: true, misfits: [], prices: [] } },
  });
  expect(up.body).toMatchObject({ quotas: { now: { topicsMax: 4 }, then: { topicsMax: 4, partitionsMax: 20_000 } } });
  await api.database.withTenant(owner.tenantId, (tx) =>
    tx.topicObservation.createMany({
      data: Array.from({ length: 6 }, (_, n) => ({
        ...{
          tenantId: owner.tenantId,
          clusterId,
          name: `t${n}`,
          partitions: 1,
          storedBytes: 10n,
          observedAt: new Date(),
        },
      })),
    }),
  );
  const down = await call<{ fits: boolean; misfits: { pointer: string }[] }>('POST', `${at}:plan`, {
    plan: 'dedicated',
  });
  expect(down.body.fits).toBe(false);
  expect(down.body.misfits.map((misfit) => misfit.pointer)).toEqual(['/quotas/topicsMax', '/plan']);
  expect((await call<{ plan: string }>('GET', at)).body.plan).toBe('serverless');
});
