import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unique, type CloudUnderTest, type TestCluster } from './cloud.ts';
import { eventually } from './process.ts';

/** What `npm start` made for whoever runs the platform. */
export const operatorToken = (cloud: CloudUnderTest): string =>
  (JSON.parse(readFileSync(join(cloud.home, 'secrets.json'), 'utf8')) as { operatorToken: string }).operatorToken;

/** One request of the API, without a client in between; rejects with the answer when it is refused. */
export async function rest<T>(
  cloud: CloudUnderTest,
  method: string,
  path: string,
  token: string,
  body?: object,
): Promise<T> {
  const response = await fetch(`${cloud.url}${path}`, {
    method,
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** A person with a tenant of their own, signed up by the API alone. */
export interface Person {
  readonly email: string;
  readonly password: string;
  readonly tenantId: string;
  readonly token: string;
}

export async function newPerson(cloud: CloudUnderTest, label: string): Promise<Person> {
  const [email, password] = [`${label}-${unique()}@example.com`, 'a password of some length'];
  const answer = await rest<{ accessToken: string; tenants: { id: string }[] }>(
    ...([cloud, 'POST', '/v1/auth/signup', '', { email, password, tenantName: `Tenant ${label}` }] as const),
  );
  return { email, password, tenantId: answer.tenants[0]!.id, token: answer.accessToken };
}

/** A ready serverless cluster of a person with stored topics and one credential, made without the CLI. */
export async function newClusterOf(
  cloud: CloudUnderTest,
  { tenantId, token }: Person,
  topics: readonly string[],
): Promise<TestCluster> {
  const name = `c${unique()}`;
  const root = `/v1/tenants/${tenantId}/clusters`;
  const { id } = await rest<{ id: string }>(cloud, 'POST', root, token, { name });
  const cluster = await eventually(`${name} is ready`, 60_000, async () => {
    const shown = await rest<TestCluster & { phase: string }>(cloud, 'GET', `${root}/${id}`, token);
    return shown.phase === 'Ready' ? shown : null;
  });
  for (const topic of topics) await rest(cloud, 'POST', `${root}/${id}/topics`, token, { name: topic });
  const { username, password } = await rest<{ username: string; password: string }>(
    ...([cloud, 'POST', `${root}/${id}/credentials`, token, { name: 'app' }] as const),
  );
  return { name, id, endpoints: cluster.endpoints, username, password };
}
