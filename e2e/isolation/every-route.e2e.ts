import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { ROUTE_EXAMPLES, ROUTES, Session, type RouteName } from '@robustmq/contracts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { kafkaOf, mqttOf } from '../support/clients.ts';
import { unique, type TestCluster } from '../support/cloud.ts';
import { eventually } from '../support/process.ts';
import { isolationOf, type Attempt } from './isolation-document.ts';

interface Operation {
  readonly operationId: string;
  readonly 'x-permission'?: string;
  readonly requestBody?: object;
}
interface Tenant {
  readonly token: string;
  readonly at: string;
  readonly ids: Record<string, string>;
  readonly cluster: TestCluster;
}

const url = String(inject('sharedCloud').env['ROBUSTMQ_URL']);
const DOCUMENT = new URL('../../docs/conformance/isolation.md', import.meta.url);
const tried: string[] = [];
const attempts: Attempt[] = [];
let us: Tenant;
let them: Tenant;

async function call(method: string, path: string, token?: string, body?: unknown) {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, string> };
}

/** A tenant with a ready cluster and one of everything a route may name. */
async function tenant(label: string): Promise<Tenant> {
  const name = `${label}-${unique()}`;
  const account = { email: `${name}@example.com`, password: `correct horse ${name}`, tenantName: name };
  const session = Session.parse((await call('POST', '/v1/auth/signup', undefined, account)).body);
  const [token, tenantId] = [session.accessToken, session.tenants[0]!.id];
  const at = `/v1/tenants/${tenantId}`;
  const make = async (path: string, body: object) => (await call('POST', at + path, token, body)).body;
  const { id: clusterId } = await make('/clusters', { name: 'same' });
  const inCluster = `/clusters/${clusterId}`;
  const ready = await eventually('the cluster is ready', 120_000, async () => {
    const { body } = await call('GET', at + inCluster, token);
    return body['phase'] === 'Ready' ? (body as unknown as TestCluster) : undefined;
  });
  const credential = await make(`${inCluster}/credentials`, { name: 'app' });
  await make(`${inCluster}/topics`, { name: 'data' });
  const example = (route: RouteName) => ROUTE_EXAMPLES[route]!.body as object;
  const [rule, entry, role, key] = [
    await make(`${inCluster}/acl-rules`, { ...example('createAclRule'), principal: 'nobody' }),
    await make(`${inCluster}/blacklist`, example('createBlacklistEntry')),
    await make('/roles', example('createRole')),
    await make('/api-keys', example('createApiKey')),
  ];
  const invitation = await make('/invitations', { email: `guest-${name}@example.com`, role: 'viewer' });
  const sso = await make('/sso/providers', {
    ...{ name: 'login', issuer: 'https://login.example.com', clientId: name },
  });
  await make('/sso/domains', { domain: `${name.toLowerCase()}.example.com` });
  await make(`${inCluster}/certificate-authority`, {});
  const certificate = await make(`${inCluster}/certificates`, example('issueCertificate'));
  const operations = (await call('GET', `${at}/operations`, token)).body as unknown as { items: { id: string }[] };
  const ids: Record<string, string> = {
    ...{ ssoProviderId: sso['id']!, domain: `${name.toLowerCase()}.example.com`, serial: certificate['serial']! },
    operationId: operations.items[0]!.id,
    ...{ tenantId, clusterId: clusterId!, userId: session.user.id, topicName: 'data', groupName: 'same-group' },
    ...{ credentialId: credential['id']!, ruleId: rule['id']!, entryId: entry['id']!, roleId: role['id']! },
    ...{ apiKeyId: key['id']!, invitationId: invitation['id']!, clientId: 'same-id', revision: '1' },
  };
  const { username, password } = credential as { username: string; password: string };
  const cluster = { name: 'same', id: clusterId!, username, password, endpoints: ready.endpoints };
  return { token, at, ids, cluster };
}

beforeAll(async () => {
  [us, them] = await Promise.all([tenant('ours'), tenant('theirs')]);
});
afterAll(() => {
  if (process.env['ROBUSTMQ_WRITE_ISOLATION'] === undefined) return;
  writeFileSync(DOCUMENT, isolationOf(readFileSync(DOCUMENT, 'utf8'), tried, attempts));
});

describe('every route of the OpenAPI document', () => {
  it('answers a stranger as if there were nothing', async () => {
    tried.length = 0;
    const { body: document } = await call('GET', '/v1/openapi.json');
    const paths = (document as unknown as { paths: Record<string, Record<string, Operation>> }).paths;
    for (const [path, operations] of Object.entries(paths))
      for (const [method, operation] of Object.entries(operations)) {
        if (operation['x-permission'] === undefined) continue;
        const name = operation.operationId as RouteName;
        const { body, query = {} } = ROUTE_EXAMPLES[name] ?? {};
        const ask = (ids: Record<string, string>) => {
          const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => ids[key] ?? FALLBACK[key] ?? randomUUID());
          const target = `${filled}?${new URLSearchParams(query).toString()}`;
          return call(method.toUpperCase(), target, them.token, operation.requestBody ? (body ?? {}) : undefined);
        };
        const foreign = await ask(us.ids);
        const absent = await ask({ ...us.ids, tenantId: randomUUID() });
        expect(foreign, name).toMatchObject({ status: 404, body: { code: 'not-found' } });
        expect(said(foreign), name).toEqual(said(absent));
        if (/\{(?!tenantId)\w+\}/.test(path)) {
          const crossed = await ask({ ...us.ids, tenantId: them.ids['tenantId']! });
          expect(crossed, name).toMatchObject({ status: 404, body: { code: 'not-found' } });
        }
        tried.push(name);
      }
    const wanted = Object.entries(ROUTES).filter(([, route]) => typeof route.access === 'object');
    expect([...tried].sort()).toEqual(wanted.map(([name]) => name).sort());
  });
});

/** Names of parameters that are no ids. */
const FALLBACK: Record<string, string> = { delayedId: 'd', format: 'csv', code: 'X' };

/** An answer without what differs between any two requests. */
const said = ({ status, body }: { status: number; body: Record<string, string> }) => {
  const { requestId: _id, instance: _instance, ...rest } = body;
  return { status, ...rest };
};

describe('a stranger with a stock client', () => {
  const attempt = (what: string, outcome: string, work: () => Promise<void>) =>
    it(what, async () => {
      await work();
      if (!attempts.some((one) => one.what === what)) attempts.push({ what, outcome });
    });
  /** Their credential with our cluster's name where the protocol has room for it. */
  const forged = () => {
    const ourKey = us.cluster.username.split('@')[1]!;
    return { ...them.cluster, username: `app@${ourKey}` };
  };

  attempt('MQTT: another cluster’s name behind the user name', 'refused at CONNECT', async () => {
    await expect(mqttOf(forged())).rejects.toThrow(/not authorized|bad user/i);
  });

  attempt('MQTT: `#`, `$share` and retained messages, one client id in both', 'own messages only', async () => {
    const ours = await mqttOf(us.cluster, { clientId: 'same-id' });
    const theirs = await mqttOf(them.cluster, { clientId: 'same-id' });
    const seen: string[] = [];
    theirs.on('message', (_topic, payload) => seen.push(payload.toString()));
    await theirs.subscribeAsync(['#', '$share/g/#'], { qos: 1 });
    await ours.publishAsync('data/1', 'ours', { qos: 1, retain: true });
    await theirs.publishAsync('data/1', 'theirs', { qos: 1 });
    await eventually('their own message', 60_000, () => seen.includes('theirs') || undefined);
    await theirs.subscribeAsync('data/+', { qos: 1 });
    await theirs.publishAsync('data/2', 'last', { qos: 1 });
    await eventually('their last message', 60_000, () => seen.includes('last') || undefined);
    expect(ours.connected && theirs.connected).toBe(true);
    expect(new Set(seen)).toEqual(new Set(['theirs', 'last']));
    await Promise.all([ours.endAsync(), theirs.endAsync()]);
  });

  attempt(
    'MQTT: another tenant named in user properties, client id and response topic',
    'own messages only',
    async () => {
      const ourKey = us.cluster.username.split('@')[1]!;
      const ours = await mqttOf(us.cluster, { clientId: 'listener' });
      const seen: string[] = [];
      ours.on('message', (_topic, payload) => seen.push(payload.toString()));
      await ours.subscribeAsync('#', { qos: 1 });
      const userProperties = { tenant: us.ids['tenantId']!, cluster: ourKey, namespace: us.ids['clusterId']! };
      const theirs = await mqttOf(them.cluster, {
        ...{ clientId: `${ourKey}@listener`, protocolVersion: 5, properties: { userProperties } },
      });
      await theirs.publishAsync(`${ourKey}/forged`, 'forged', {
        ...{ qos: 1, properties: { userProperties, responseTopic: `${ourKey}/answer` } },
      });
      await theirs.publishAsync('forged', 'forged', { qos: 1, properties: { userProperties } });
      await ours.publishAsync('last', 'last', { qos: 1 });
      await eventually('our last message', 60_000, () => seen.includes('last') || undefined);
      expect(seen).not.toContain('forged');
      await Promise.all([ours.endAsync(), theirs.endAsync()]);
    },
  );

  attempt('Kafka: another cluster’s name behind the user name', 'refused at SASL', async () => {
    const admin = kafkaOf(forged(), { retry: { retries: 0 } }).admin();
    await expect(admin.connect()).rejects.toThrow(/auth|sasl/i);
    await admin.disconnect();
  });

  attempt('Kafka: topics, groups and offsets by the same names', 'own ones only', async () => {
    const ours = kafkaOf(us.cluster).admin();
    const theirs = kafkaOf(them.cluster).admin();
    await Promise.all([ours.connect(), theirs.connect()]);
    await ours.createTopics({ topics: [{ topic: 'secret' }] });
    await ours.setOffsets({ groupId: 'same-group', topic: 'data', partitions: [{ partition: 0, offset: '0' }] });
    expect(await theirs.listTopics()).not.toContain('secret');
    expect((await theirs.listGroups()).groups.map(({ groupId }) => groupId)).not.toContain('same-group');
    const [offsets] = await theirs.fetchOffsets({ groupId: 'same-group', topics: ['data'] });
    expect(offsets!.partitions[0]!.offset).toBe('-1');
    await expect(theirs.fetchTopicOffsets('secret')).rejects.toThrow();
    await Promise.all([ours.disconnect(), theirs.disconnect()]);
  });
});

it('is what the document says', () => {
  if (process.env['ROBUSTMQ_WRITE_ISOLATION'] !== undefined) return;
  const document = readFileSync(DOCUMENT, 'utf8');
  expect(document).toBe(isolationOf(document, tried, attempts));
});
