import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ClusterSettings,
  type AclRule,
  type BlacklistEntry,
  type Settings,
  type SettingsWritten,
} from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { changesBetween, mergePatch } from './settings-change.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let at: string;
let clusterId: string;

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
  const made = await call<{ id: string }>('POST', `${owner.at}/clusters`, { name: 'set' });
  clusterId = made.body.id;
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

const call = <T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  api.call<T>(method, path, { token: owner.token, ...(body === undefined ? {} : { body }), headers });
const desired = () => agent.desired!.namespaces.find((one) => one.clusterId === clusterId)!;

describe('settings', () => {
  it('begin as nobody has touched them', async () => {
    const read = await call<Settings>('GET', `${at}/settings`);
    expect(read.body).toEqual({ revision: 0, settings: ClusterSettings.parse({}), applied: true });
    expect(read.headers.get('etag')).toBe('"0"');
  });

  it('are only tried out with dry_run', async () => {
    const tried = await call<SettingsWritten>('PATCH', `${at}/settings?dry_run=true`, {
      kafka: { defaultPartitions: 3 },
    });
    expect(tried).toMatchObject({ status: 200, body: { revision: 1, dryRun: true, applied: false } });
    expect(tried.body.changes).toEqual([{ path: '/kafka/defaultPartitions', from: 1, to: 3 }]);
    expect((await call<Settings>('GET', `${at}/settings`)).body.revision).toBe(0);
    const wrong = await call('PATCH', `${at}/settings?dry_run=true`, { kafka: { defaultPartitions: 0 } });
    expect(wrong).toMatchObject({ status: 400, body: { errors: [{ pointer: '/kafka/defaultPartitions' }] } });
  });

  it('reach the agent with every change, and each change is a revision that says who and what', async () => {
    const set = await call<SettingsWritten>('PATCH', `${at}/settings`, { kafka: { defaultPartitions: 3 } });
    expect(set.body).toMatchObject({ revision: 1, applied: true, dryRun: false });
    expect(desired().settings.kafka.defaultPartitions).toBe(3);
    const put = await call<SettingsWritten>('PUT', `${at}/settings`, { mqtt: { sharedStrategy: 'sticky' } });
    expect(put.body.changes).toEqual([
      { path: '/mqtt/sharedStrategy', from: 'round-robin', to: 'sticky' },
      { path: '/kafka/defaultPartitions', from: 3, to: 1 },
    ]);
    expect(put.headers.get('etag')).toBe('"2"');
    const same = await call<SettingsWritten>('PUT', `${at}/settings`, { mqtt: { sharedStrategy: 'sticky' } });
    expect(same.body).toMatchObject({ revision: 2, changes: [] });
    const list = await call<{ items: { revision: number; author: { id: string }; reason: string }[] }>(
      'GET',
      `${at}/settings/revisions`,
    );
    expect(list.body.items.map((one) => `${one.revision} ${one.reason}`)).toEqual([
      '2 settings.set',
      '1 settings.patch',
    ]);
    expect(list.body.items[0]!.author.id).toBe(owner.userId);
  });

  it('are refused when somebody else was faster', async () => {
    const stale = await call('PATCH', `${at}/settings`, { kafka: { defaultPartitions: 9 } }, { 'if-match': '"1"' });
    expect(stale).toMatchObject({ status: 412, body: { code: 'precondition-failed' } });
    expect((await call('PATCH', `${at}/settings`, {}, { 'if-match': '"2"' })).status).toBe(200);
    expect((await call('PATCH', `${at}/settings`, {}, { 'if-match': 'nonsense' })).status).toBe(400);
  });

  it('roll back to any revision, and that is a revision too', async () => {
    const back = await call<SettingsWritten>('POST', `${at}/settings/revisions/1/rollback`);
    expect(back.body).toMatchObject({ revision: 3, settings: { kafka: { defaultPartitions: 3 } } });
    expect(desired().settings.mqtt.sharedStrategy).toBe('round-robin');
    expect((await call('POST', `${at}/settings/revisions/99/rollback`)).status).toBe(404);
    const first = await call<{ settings: { kafka: object } }>('GET', `${at}/settings/revisions/1`);
    expect(first.body.settings.kafka).toMatchObject({ defaultPartitions: 3 });
  });

  it('say where clients may come from, as addresses and blocks alone', async () => {
    const allowedAddresses = ['192.0.2.7', '198.51.100.0/24', '2001:db8::/32'];
    expect((await call('PATCH', `${at}/settings`, { network: { allowedAddresses } })).status).toBe(200);
    expect(desired().settings.network).toEqual({ allowedAddresses });
    for (const wrong of ['198.51.100.0/33', 'example.com', '', '10.0.0']) {
      const refused = await call('PATCH', `${at}/settings`, { network: { allowedAddresses: [wrong] } });
      expect(refused).toMatchObject({ status: 400, body: { errors: [{ pointer: '/network/allowedAddresses/0' }] } });
    }
    const back = await call('POST', `${at}/settings/revisions/3/rollback`);
    expect(back).toMatchObject({ status: 200, body: { settings: { network: { allowedAddresses: [] } } } });
  });

  it('hide symmetric keys, keep them when they come back hidden, and refuse private ones', async () => {
    const jwt = { algorithms: ['HS256'], keys: [{ kty: 'oct', kid: 'a', k: 'c2VjcmV0' }] };
    const set = await call<SettingsWritten>('PATCH', `${at}/settings`, { authentication: { jwt } });
    expect(JSON.stringify(set.body)).not.toContain('c2VjcmV0');
    expect(desired().settings.authentication.jwt?.keys[0]).toMatchObject({ k: 'c2VjcmV0' });
    const { settings } = (await call<Settings>('GET', `${at}/settings`)).body;
    await call('PUT', `${at}/settings`, { ...settings, kafka: { autoCreateTopics: false } });
    expect(desired().settings.authentication.jwt?.keys[0]).toMatchObject({ k: 'c2VjcmV0' });
    const revision = await call('GET', `${at}/settings/revisions/6`);
    expect(JSON.stringify(revision.body)).not.toContain('c2VjcmV0');
    const unknown = { algorithms: ['HS256'], keys: [{ kty: 'oct', kid: 'b', k: '***' }] };
    expect((await call('PATCH', `${at}/settings`, { authentication: { jwt: unknown } })).status).toBe(400);
    const secret = { algorithms: ['ES256'], keys: [{ kty: 'EC', d: 'x' }] };
    expect((await call('PATCH', `${at}/settings`, { authentication: { jwt: secret } })).status).toBe(400);
    const audit = await call('GET', `${owner.at}/audit-events?limit=200`);
    expect(JSON.stringify(audit.body)).not.toContain('c2VjcmV0');
  });
});

describe('ACL rules and the blacklist', () => {
  it('are single entries of the settings', async () => {
    const rule = { effect: 'deny', pattern: 'admin/#', patternType: 'filter', actions: ['write'] };
    const made = await call<AclRule>('POST', `${at}/acl-rules`, rule);
    expect(made).toMatchObject({ status: 201, body: { ...rule, principal: '*' } });
    expect(desired().settings.acl.rules).toEqual([made.body]);
    expect((await call('POST', `${at}/acl-rules`, { ...rule, id: made.body.id })).body).toMatchObject({
      code: 'name-taken',
    });
    const changed = await call<AclRule>('PUT', `${at}/acl-rules/${made.body.id}`, { ...rule, effect: 'allow' });
    expect(changed.body).toMatchObject({ id: made.body.id, effect: 'allow' });
    const list = await call<{ items: AclRule[]; whenNoRuleMatches: string }>('GET', `${at}/acl-rules`);
    expect(list.body).toEqual({ items: [changed.body], whenNoRuleMatches: 'allow' });
    expect((await call('DELETE', `${at}/acl-rules/${made.body.id}`)).status).toBe(204);
    expect((await call('DELETE', `${at}/acl-rules/${made.body.id}`)).status).toBe(404);
    expect(desired().settings.acl.rules).toEqual([]);
  });

  it('page, and a repeated request makes one entry', async () => {
    const headers = { 'idempotency-key': 'ban-once' };
    const entry = { kind: 'address', value: '10.0.0.0/8' };
    const first = await call<BlacklistEntry>('POST', `${at}/blacklist`, entry, headers);
    const again = await call<BlacklistEntry>('POST', `${at}/blacklist`, entry, headers);
    expect(again.body).toEqual(first.body);
    await call('POST', `${at}/blacklist`, { kind: 'user', value: 'mallory', id: 'zz' });
    const page = await call<{ items: BlacklistEntry[]; nextCursor: string }>('GET', `${at}/blacklist?limit=1`);
    const rest = await call<{ items: BlacklistEntry[] }>('GET', `${at}/blacklist?cursor=${page.body.nextCursor}`);
    expect([...page.body.items, ...rest.body.items].map((one) => one.value)).toEqual(['10.0.0.0/8', 'mallory']);
    expect((await call('DELETE', `${at}/blacklist/zz`)).status).toBe(204);
    expect(desired().settings.blacklist).toHaveLength(1);
  });
});

describe('a topic’s policy', () => {
  interface Shown {
    partitions: number;
    origin: string;
    tier?: object;
    retentionMs?: number;
    cleanup?: string;
  }
  const topic = (name: string) => desired().topics.find((one) => one.name === name);

  it('is given at creation, changed in place, and reaches the agent', async () => {
    const body = { name: 'tiered', engine: 'rocksdb', cleanup: 'compact', tier: { coldAfterMs: 60_000 } };
    expect((await call<Shown>('POST', `${at}/topics`, body)).body).toMatchObject(body);
    expect(topic('tiered')).toMatchObject(body);
    const patch = { partitions: 4, retentionMs: 1_000, tier: { coldAfterMs: 1 } };
    expect(await call<Shown>('PATCH', `${at}/topics/tiered`, patch)).toMatchObject({ status: 200, body: patch });
    expect(topic('tiered')).toMatchObject({ ...patch, engine: 'rocksdb', cleanup: 'compact' });
    expect((await call<Shown>('GET', `${at}/topics/tiered`)).body).toMatchObject({ ...patch, origin: 'api' });
    expect((await call('PATCH', `${at}/topics/tiered`, { partitions: 2 })).status).toBe(409);
    expect((await call('PATCH', `${at}/topics/tiered`, { engine: 'file' })).status).toBe(400);
    expect((await call('PATCH', `${at}/topics/none`, { retentionMs: 1 })).status).toBe(404);
  });

  it('of a topic that a client made keeps what the node serves', async () => {
    const serve = agent.serve;
    agent.serve = (spec) => {
      const observed = serve(spec);
      const known = observed.topics.some((one) => one.name === 'wild');
      return known
        ? observed
        : { ...observed, topics: [...observed.topics, { name: 'wild', partitions: 2, storedBytes: 5 }] };
    };
    agent.report();
    await until(
      () => call<Shown>('GET', `${at}/topics/wild`),
      (answer) => answer.status === 200,
    );
    expect((await call<Shown>('PATCH', `${at}/topics/wild`, { retentionMs: 7, retentionBytes: 8 })).status).toBe(200);
    expect(topic('wild')).toMatchObject({ partitions: 2, retentionMs: 7, retentionBytes: 8 });
    agent.serve = serve;
  });
});

describe('differences', () => {
  it('are found by field, by id in lists, and as a whole elsewhere', () => {
    const rules = (...ids: string[]) => ({ rules: ids.map((id) => ({ id, on: true })) });
    expect(changesBetween(rules('a', 'b'), rules('b', 'a'))).toEqual([]);
    expect(changesBetween(rules('a'), rules('a', 'b/c'))).toEqual([
      { path: '/rules/b~1c', to: { id: 'b/c', on: true } },
    ]);
    expect(changesBetween({ list: [1] }, { list: [2] })).toEqual([{ path: '/list', from: [1], to: [2] }]);
  });

  it('merge as RFC 7396 says', () => {
    expect(mergePatch({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: null, e: 3 }, d: [2] })).toEqual({
      a: { c: 2, e: 3 },
      d: [2],
    });
    expect(mergePatch({}, JSON.parse('{"__proto__":{"x":1}}'))).toEqual({});
  });
});
