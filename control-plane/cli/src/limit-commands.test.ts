import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFakeControlPlane, type FakeControlPlane, type FakeOptions } from '@robustmq/client/testing';
import { afterEach, expect, it } from 'vitest';
import { recorder } from './testing/recording-terminal.ts';

const open: (FakeControlPlane | Server)[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function signedUp(options: FakeOptions = {}) {
  const plane = await startFakeControlPlane(options);
  open.push(plane);
  const ctl = recorder(plane.url);
  await ctl.exec(['signup', '--email', 'a@b.test', '--password', 'long enough', '--tenant', 'Acme']);
  await ctl.exec(['cluster', 'create', 'orders']);
  await ctl.exec(['topic', 'create', 't', '-c', 'orders']);
  return { plane, ...ctl };
}

it('--dry-run: says what would be, and does nothing', async () => {
  const { plane, exec, json } = await signedUp();
  const { clusters } = plane.state.tenants[0]!;
  const before = JSON.stringify([clusters[0]!.cluster, clusters[0]!.topics]);
  const made = await exec(['cluster', 'create', 'more', '--plan', 'dedicated', '--dry-run']);
  expect(made).toMatchObject({ code: 0, notes: 'Nothing was changed.\n' });
  expect(made.out).toMatch(/would do: +createCluster\n/);
  expect(made.out).toMatch(/cost in 30 days: +129\.60 USD \(now 0\.00 USD\)\ndifference: +\+129\.60 USD\n/);
  expect(made.out).toMatch(/clusters +1 +2 +50 +48\n/);
  const at = ['-c', 'orders', '--dry-run'];
  for (const args of [
    ['cluster', 'update', 'orders', '--label', 'team=a', '--dry-run'],
    ['cluster', 'delete', 'orders', '--purge', '--dry-run'],
    ['topic', 'create', 'new', ...at],
    ['topic', 'update', 't', '--partitions', '3', ...at],
    ['topic', 'update', 't', '--retention-ms', '-1', ...at],
    ['topic', 'delete', 't', '--undo-hours', '5', ...at],
  ])
    expect(await json(...args), args.join(' ')).toMatchObject({ dryRun: true });
  expect(clusters).toHaveLength(1);
  expect(JSON.stringify([clusters[0]!.cluster, clusters[0]!.topics])).toBe(before);
});

it('quota: limits with where they come from, and soft limits', async () => {
  const item = { name: 'topicsMax', limit: 5, source: 'tenant', softLimit: 4, used: 5, level: '100' };
  const warning = { quota: 'topicsMax', level: 'soft', value: 4, limit: 5, since: new Date(0).toISOString() };
  const bodies: unknown[] = [];
  const { exec, json } = await signedUp({
    answers: {
      getClusterQuotas: () => ({ items: [item], warnings: [warning] }),
      setSoftLimits: ({ body }) => {
        bodies.push(body);
        return { items: [{ ...item, softLimit: 3 }], warnings: [] };
      },
    },
  });
  const listed = await exec(['quota', 'list', '-c', 'orders']);
  expect(listed.out).toMatch(/topicsMax +5 +4 +5 +the operator, for the tenant +100 %\n/);
  expect(listed.notes).toContain('topicsMax 4 of 5 (soft)');
  expect(await json('quota', 'list', '-c', 'orders')).toMatchObject({ items: [item] });
  await exec(['quota', 'soft', 'topicsMax=3', 'storageBytesMax=10G', '-c', 'orders']);
  expect((await exec(['quota', 'soft', '--clear', '-c', 'orders'])).code).toBe(0);
  expect(bodies).toEqual([{ topicsMax: 3, storageBytesMax: 10 * 2 ** 30 }, {}]);
  expect((await exec(['quota', 'soft', '-c', 'orders'])).code).toBe(2);
  expect((await exec(['quota', 'soft', 'topicsMax', '-c', 'orders'])).code).toBe(2);
  expect((await exec(['quota', 'soft', 'topicsMany=3', '-c', 'orders'])).code).toBe(1);
});

it('api-key rotate: a new key, shown once; the name must be one key’s', async () => {
  const asked: { params: object; body: unknown }[] = [];
  const { exec, json } = await signedUp({
    answers: {
      rotateApiKey: ({ params, body }) => {
        asked.push({ params, body });
        return { name: 'ci', key: 'rmq_new', overlapUntil: null };
      },
    },
  });
  const { id } = await json('api-key', 'create', 'ci');
  const rotated = await exec(['api-key', 'rotate', 'ci', '--overlap', '60']);
  expect(rotated).toMatchObject({ code: 0 });
  expect(rotated.out).toMatch(/key: +rmq_new\n/);
  expect(rotated.notes).toContain('shown this once');
  expect(asked).toEqual([{ params: expect.objectContaining({ apiKeyId: id }), body: { overlapSeconds: 60 } }]);
  expect((await exec(['api-key', 'rotate', 'nobody'])).code).toBe(3);
  expect((await exec(['api-key', 'rotate', 'ci', '--overlap', 'x'])).code).toBe(2);
});

it('fleet quota: the operator’s overrides, shown and replaced', async () => {
  const asked: { method: string; url: string; token: string; body: unknown }[] = [];
  const view = { tenant: { topicsMax: 5 }, clusters: [{ clusterId: 'c', name: 'orders', overrides: {}, quotas: {} }] };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      asked.push({
        method,
        url,
        token: String(headers.authorization),
        body: text === '' ? undefined : JSON.parse(text),
      });
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(view));
    });
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { exec } = recorder(url, { ROBUSTMQ_OPERATOR_TOKEN: 'op' });
  expect((await exec(['fleet', 'quota', 'show', 'a'])).out).toMatch(/all clusters +topicsMax=5\norders +c +none\n/);
  const set = ['fleet', 'quota', 'set', 'a', '--reason', 'ticket 1'];
  await exec([...set, 'topicsMax=5']);
  await exec([...set, '--clear', '-c', 'c']);
  const [tenant, cluster] = [
    '/v1/operator/tenants/a/quota-overrides',
    '/v1/operator/tenants/a/clusters/c/quota-overrides',
  ];
  expect(asked).toEqual([
    { method: 'GET', url: tenant, token: 'Bearer op', body: undefined },
    { method: 'PUT', url: tenant, token: 'Bearer op', body: { quotas: { topicsMax: 5 }, reason: 'ticket 1' } },
    { method: 'PUT', url: cluster, token: 'Bearer op', body: { quotas: {}, reason: 'ticket 1' } },
  ]);
  expect((await exec(set)).code).toBe(2);
  expect((await exec(['fleet', 'quota', 'set', 'a', 'topicsMax=5'])).code).toBe(2);
});
