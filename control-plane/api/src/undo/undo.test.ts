import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation, Problem } from '@robustmq/contracts';
import { Provisioner } from '../provisioning/provisioner.ts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let viewer: SignedUp;
let at: string;
let clusterId: string;

const call = <T = Problem>(method: string, path: string, body?: unknown, token = owner.token) =>
  api.call<T>(method, path, { token, ...(body === undefined ? {} : { body }) });
const newest = async (): Promise<Operation> =>
  (await call<{ items: Operation[] }>('GET', `${owner.at}/operations?limit=1`)).body.items[0]!;
const undo = (id: string, token = owner.token) =>
  call<Omit<Operation, 'status'> & Omit<Problem, 'status'> & { status: string | number }>(
    'POST',
    `${owner.at}/operations/${id}:undo`,
    undefined,
    token,
  );
const namespace = () => agent.desired!.namespaces.find((one) => one.clusterId === clusterId)!;
const make = async (path: string, body: object) => (await call<{ id: string }>('POST', path, body)).body;
/** Deletes, and answers the operation that can be undone. */
async function deleted(path: string): Promise<Operation> {
  const answer = await call('DELETE', path);
  expect(answer.status).toBeLessThan(300);
  const operation = await newest();
  expect(answer.headers.get('operation-id')).toBe(operation.id);
  return operation;
}

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
  viewer = await api.signUp();
  await call('POST', `${owner.at}/members`, { email: viewer.email, role: 'viewer' });
  clusterId = (await make(`${owner.at}/clusters`, { name: 'undone' })).id;
  at = `${owner.at}/clusters/${clusterId}`;
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

describe('an operation', () => {
  it('is polled until its cluster serves what was asked for', async () => {
    const operation = await newest();
    expect(operation).toMatchObject({ kind: 'cluster.create', clusterId, undoUntil: null });
    const done = await until(
      () => call<Operation>('GET', `${owner.at}/operations/${operation.id}`),
      (answer) => answer.body.status !== 'running',
    );
    expect(done.body).toMatchObject({ status: 'done', error: null, actor: { type: 'user', id: owner.userId } });
    expect((await undo(operation.id)).body.detail).toBe('This cannot be undone.');
  });

  it('is its tenant’s', async () => {
    const other = await api.signUp();
    const { id } = await newest();
    expect((await call('GET', `${other.at}/operations/${id}`, undefined, other.token)).status).toBe(404);
    expect((await call('POST', `${other.at}/operations/${id}:undo`, undefined, other.token)).status).toBe(404);
  });
});

describe('undo', () => {
  it('brings a credential back as it was, once, for who may make credentials', async () => {
    const made = await make(`${at}/credentials`, { name: 'sensor' });
    const before = namespace().credentials;
    const operation = await deleted(`${at}/credentials/${made.id}`);
    expect(operation).toMatchObject({ kind: 'credential.delete', undoUntil: expect.any(String) });
    const listed = await call<{ items: Operation[] }>('GET', `${owner.at}/operations?undoable=true`);
    expect(listed.body.items.map((one) => one.id)).toEqual([operation.id]);
    const row = await api.database.withTenant(owner.tenantId, (tx) =>
      tx.operation.findUnique({ where: { id: operation.id } }),
    );
    expect(Buffer.from(row!.undoData!).toString('latin1')).not.toContain('storedKey');
    expect(await undo(operation.id, viewer.token)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await undo(operation.id)).toMatchObject({ status: 200, body: { status: 'undone', undoUntil: null } });
    expect(namespace().credentials).toEqual(before);
    expect((await undo(operation.id)).body.detail).toBe('It was undone already.');
    const events = await call<{ items: { action: string }[] }>('GET', `${owner.at}/audit-events?limit=1`);
    expect(events.body.items[0]).toMatchObject({ action: 'operation.undo', detail: { kind: 'credential.delete' } });
  });

  it('does not put something over what took its place', async () => {
    const made = await make(`${at}/credentials`, { name: 'replaced' });
    const operation = await deleted(`${at}/credentials/${made.id}`);
    await make(`${at}/credentials`, { name: 'replaced' });
    expect(await undo(operation.id)).toMatchObject({ status: 409, body: { code: 'name-taken' } });
  });

  it('brings a key back that works again, and a webhook, a role, a member', async () => {
    const key = await call<{ id: string; key: string }>('POST', `${owner.at}/api-keys`, { name: 'k', role: 'viewer' });
    const keyGone = await deleted(`${owner.at}/api-keys/${key.body.id}`);
    expect((await call('GET', owner.at, undefined, key.body.key)).status).toBe(401);
    expect((await undo(keyGone.id)).status).toBe(200);
    expect((await call('GET', owner.at, undefined, key.body.key)).status).toBe(200);
    const webhook = await make(`${owner.at}/webhooks`, { url: 'https://hooks.example.com/a', events: ['*'] });
    const role = await make(`${owner.at}/roles`, { name: 'r', permissions: ['tenant:read'] });
    for (const path of [`/webhooks/${webhook.id}`, `/roles/${role.id}`, `/members/${viewer.userId}`])
      expect((await undo((await deleted(owner.at + path)).id)).status).toBe(200);
    const hooks = await call<{ items: { id: string }[] }>('GET', `${owner.at}/webhooks`);
    expect(hooks.body.items).toMatchObject([{ id: webhook.id, url: 'https://hooks.example.com/a' }]);
    expect((await call('GET', owner.at, undefined, viewer.token)).status).toBe(200);
  });

  it('takes a change of settings back while nothing was changed after', async () => {
    await call('PATCH', `${at}/settings`, { mqtt: { sharedStrategy: 'sticky' } });
    const first = await newest();
    await call('PATCH', `${at}/settings`, { mqtt: { keepAliveSecondsMax: 60 } });
    const second = await newest();
    expect((await undo(first.id)).body.detail).toContain('changed since, to revision 2');
    expect((await undo(second.id)).status).toBe(200);
    const now = await call<{ revision: number; settings: { mqtt: object } }>('GET', `${at}/settings`);
    expect(now.body).toMatchObject({
      revision: 3,
      settings: { mqtt: { sharedStrategy: 'sticky', keepAliveSecondsMax: 65_535 } },
    });
    expect(namespace().settings.mqtt.keepAliveSecondsMax).toBe(65_535);
  });

  it('brings a topic back that was deleted with a window; hidden meanwhile, gone when it is over', async () => {
    for (const name of ['kept', 'lost']) await make(`${at}/topics`, { name });
    const operation = await deleted(`${at}/topics/kept?undo_hours=2`);
    const names = async () =>
      (await call<{ items: { name: string }[] }>('GET', `${at}/topics`)).body.items.map((one) => one.name);
    expect(await names()).toEqual(['lost']);
    const hidden = namespace();
    expect(hidden.topics.map((one) => one.name).sort()).toEqual(['kept', 'lost']);
    expect(hidden.settings.acl.rules).toMatchObject([{ effect: 'deny', pattern: 'kept', protocols: ['kafka'] }]);
    expect((await call('GET', `${at}/topics/kept`)).status).toBe(404);
    expect((await call('DELETE', `${at}/topics/kept`)).status).toBe(404);
    expect((await call('POST', `${at}/topics`, { name: 'kept' })).body.code).toBe('conflict');
    expect((await undo(operation.id)).status).toBe(200);
    expect((await names()).sort()).toEqual(['kept', 'lost']);
    expect(namespace().settings.acl.rules).toEqual([]);

    const last = await deleted(`${at}/topics/lost?undo_hours=1`);
    const past = new Date(Date.now() - 1_000);
    await api.database.withTenant(owner.tenantId, async (tx) => {
      await tx.topic.updateMany({ where: { name: 'lost' }, data: { hiddenUntil: past } });
      await tx.outbox.updateMany({ where: { kind: 'expire-topic' }, data: { dueAt: past } });
      await tx.operation.update({ where: { id: last.id }, data: { undoUntil: past } });
    });
    await api.app.get(Provisioner).sweep();
    await until(
      () => Promise.resolve(namespace().topics.map((one) => one.name)),
      (topics) => topics.length === 1,
    );
    expect((await undo(last.id)).body.detail).toContain('over');
  });

  it('brings a cluster back, with everything', async () => {
    const operation = await deleted(at);
    expect(operation).toMatchObject({ kind: 'cluster.delete', status: 'done' });
    expect((await call('GET', at)).status).toBe(404);
    expect((await undo(operation.id)).status).toBe(200);
    expect((await call('GET', at)).status).toBe(200);
    expect(namespace()).toMatchObject({ suspended: null, topics: [{ name: 'kept' }] });
  });
});
