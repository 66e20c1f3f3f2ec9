// The portal's API in memory, with some data in it, for work on pages: node tools/fake-api.mjs [port]
import { startFakeControlPlane } from '@robustmq/client/testing';

const port = Number(process.argv[2] ?? 8080);
const fake = await startFakeControlPlane({ port, readyAfterMs: 4000 });

async function call(method, path, body, token) {
  const response = await fetch(fake.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

await call('POST', '/v1/auth/signup', {
  email: 'grace@example.com',
  password: 'long enough',
  tenantName: 'Hopper Ltd',
});
const session = await call('POST', '/v1/auth/signup', {
  email: 'ada@example.com',
  password: 'long enough',
  tenantName: 'Analytical Engines',
});
const at = `/v1/tenants/${session.tenants[0].id}`;
const post = (path, body) => call('POST', at + path, body, session.accessToken);
const orders = await post('/clusters', { name: 'orders' });
await post('/clusters', { name: 'telemetry-eu', plan: 'dedicated' });
await post(`/clusters/${orders.id}/credentials`, { name: 'checkout' });
await post(`/clusters/${orders.id}/credentials`, { name: 'warehouse' });
await post(`/clusters/${orders.id}/topics`, { name: 'orders.created', partitions: 3 });
await post(`/clusters/${orders.id}/topics`, { name: 'sensors' });
await post('/members', { email: 'grace@example.com', role: 'developer' });
await post('/api-keys', { name: 'ci', role: 'developer' });
process.stdout.write(`${fake.url} answers; log in as ada@example.com with "long enough"\n`);
