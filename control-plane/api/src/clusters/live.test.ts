import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ViewAnswer } from '../agents/agent-views.ts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let at: string;
const asked: { view: string; query: Record<string, unknown> }[] = [];

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
  const made = await call<{ id: string }>('POST', `${owner.at}/clusters`, { name: 'live' });
  at = `${owner.at}/clusters/${made.body.id}`;
  await until(
    () => call<{ phase: string }>('GET', at),
    (answer) => answer.body.phase === 'Ready',
  );
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

const call = <T>(method: string, path: string, body?: unknown) =>
  api.call<T>(method, path, { token: owner.token, ...(body === undefined ? {} : { body }) });
const answers = (answer: ViewAnswer): void => {
  agent.answer = (view, query) => {
    asked.push({ view, query });
    return answer;
  };
};
const empty = { reply: { items: [], next: null } };
const events = async () =>
  (await call<{ items: { action: string; target: { id: string } }[] }>('GET', `${owner.at}/audit-events`)).body.items;

describe('live looks', () => {
  it.each([
    ['clients?prefix=a&limit=5', 'clients', { prefix: 'a', limit: 5 }],
    ['sessions', 'sessions', { limit: 100 }],
    ['sessions/a%2Fb/inbox', 'inbox', { clientId: 'a/b', limit: 100 }],
    ['subscriptions?clientId=x', 'subscriptions', { clientId: 'x', limit: 100 }],
    ['retained?filter=a%2F%23', 'retained', { filter: 'a/#', limit: 100 }],
    ['delayed', 'delayed', { limit: 100 }],
    ['slow-subscribers', 'slow-subscribers', {}],
    ['events?cursor=next', 'events', { after: 'next', limit: 100 }],
    ['bans', 'bans', {}],
    ['groups', 'groups', { limit: 100 }],
    ['topic-stats', 'topics', { limit: 100 }],
  ])('GET %s asks the node for %s', async (path, view, query) => {
    answers(empty);
    expect(await call('GET', `${at}/${path}`)).toMatchObject({ status: 200, body: { items: [] } });
    expect(asked.at(-1)).toEqual({ view, query });
  });

  it('say which rule decides, as the node knows it', async () => {
    const rule = { effect: 'deny', principal: 's', pattern: 'admin', actions: ['write'] };
    const { body: made } = await call<{ id: string }>('POST', `${at}/acl-rules`, rule);
    answers({ reply: { allowed: false, ruleId: made.id } });
    const denied = await call('GET', `${at}/explain?principal=s&action=write&name=admin`);
    expect(denied.body).toMatchObject({ allowed: false, ruleId: made.id, rule, whenNoRuleMatches: 'allow' });
    expect(asked.at(-1)).toEqual({
      view: 'explain',
      query: {
        ...{ protocol: 'mqtt', principal: 's', clientId: '', remoteAddress: '', resource: 'topic' },
        ...{ action: 'write', name: 'admin' },
      },
    });
    answers({ reply: { allowed: true, ruleId: null } });
    const free = await call('GET', `${at}/explain?principal=s&action=read&name=x`);
    expect(free.body).toMatchObject({ allowed: true, ruleId: null, rule: null });
    expect((await call('GET', `${at}/explain?principal=s&action=fly&name=x`)).status).toBe(400);
  });

  it('hand the node’s cursor on', async () => {
    const client = {
      ...{ clientId: 'c', protocol: 'mqtt', principal: 'p', remoteAddress: '127.0.0.1:1' },
      connectedAt: '2026-01-01T00:00:00Z',
    };
    answers({ reply: { items: [client], next: 'c' } });
    const page = await call('GET', `${at}/clients`);
    expect(page.body).toEqual({ items: [client], nextCursor: 'c' });
  });

  it('read records and tiers of a topic', async () => {
    answers({ reply: { items: [], nextOffset: 7 } });
    const records = await call('GET', `${at}/topics/t/records?partition=2&fromOffset=3&limit=4`);
    expect(records.body).toEqual({ items: [], nextOffset: 7 });
    expect(asked.at(-1)).toEqual({
      view: 'records',
      query: { topic: 't', partition: 2, fromOffset: 3, limit: 4, valueBytesMax: 4_096 },
    });
    answers({ reply: { partitions: [] } });
    expect((await call('GET', `${at}/topics/t/tiers`)).body).toEqual({ partitions: [] });
  });
});

describe('live actions', () => {
  it.each([
    ['DELETE', 'clients/c%201', 'kick-client', { clientId: 'c 1' }, 'client.kick'],
    ['DELETE', 'sessions/c', 'end-session', { clientId: 'c' }, 'session.end'],
    ['DELETE', 'sessions/c/inbox', 'clear-inbox', { clientId: 'c' }, 'inbox.clear'],
    ['DELETE', 'retained?topic=a%2Fb', 'delete-retained', { topic: 'a/b' }, 'retained.delete'],
    ['DELETE', 'delayed/9', 'cancel-delayed', { id: '9' }, 'delayed.cancel'],
    ['DELETE', 'bans?kind=client-id&value=x', 'unban', { kind: 'client-id', value: 'x' }, 'ban.lift'],
  ])('%s %s is done by the node and written down', async (method, path, view, query, action) => {
    answers({ reply: { done: true } });
    expect((await call(method, `${at}/${path}`)).status).toBe(204);
    expect(asked.at(-1)).toEqual({ view, query });
    expect((await events())[0]).toMatchObject({ action });
    answers({ reply: { done: false } });
    expect((await call(method, `${at}/${path}`)).status).toBe(404);
  });

  it('move a group’s offsets, and say why not', async () => {
    answers({ reply: { offsets: [{ partition: 0, offset: 5 }] } });
    const moved = await call('PUT', `${at}/groups/g%2F1/offsets`, { topic: 't', to: 5 });
    expect(moved).toMatchObject({ status: 200, body: { offsets: [{ partition: 0, offset: 5 }] } });
    expect(asked.at(-1)).toEqual({ view: 'reset-offsets', query: { group: 'g/1', topic: 't', to: 5 } });
    answers({ error: { code: 'conflict', message: 'The group has members.' } });
    const refused = await call('PUT', `${at}/groups/g/offsets`, { topic: 't', to: 'latest' });
    expect(refused).toMatchObject({ status: 409, body: { detail: 'The group has members.' } });
  });
});

describe('a node that cannot answer', () => {
  it.each([
    ['in another shape', { reply: { items: 1 } }],
    ['an error nobody knows', { error: { code: 'oops', message: '' } }],
    ['an inner error', { error: { code: 'internal', message: 'stack' } }],
  ])('with %s is unavailable', async (_, answer) => {
    answers(answer);
    expect(await call('GET', `${at}/clients`)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });

  it('because its agent is gone is unavailable at once, and soon when it goes in the middle', async () => {
    agent.answer = () => {
      agent.stream!.cancel();
      return undefined;
    };
    expect(await call('GET', `${at}/clients`)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(await call('GET', `${at}/clients`)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    await agent.open();
    answers(empty);
    await until(
      () => call('GET', `${at}/clients`),
      (answer) => answer.status === 200,
    );
  });
});

describe('a test record', () => {
  const produce = (body: object, headers: Record<string, string> = {}, token = owner.token) =>
    api.call<{ offset: number; code: string; errors?: { pointer: string }[] }>('POST', `${at}/topics/orders/records`, {
      ...{ token, body, headers },
    });

  it('goes to the node as bytes, and its content into no log', async () => {
    answers({ reply: { partition: 1, offset: 7, timestamp: new Date().toISOString() } });
    const text = await produce({
      key: 'k',
      value: 'a secret text',
      headers: [{ name: 'h', value: 'v' }],
      partition: 1,
    });
    expect(text).toMatchObject({ status: 201, body: { topic: 'orders', partition: 1, offset: 7 } });
    const base64 = (value: string) => Buffer.from(value).toString('base64');
    expect(asked.at(-1)).toEqual({
      view: 'produce',
      query: {
        ...{ topic: 'orders', key: base64('k'), value: base64('a secret text'), partition: 1 },
        headers: [{ name: 'h', value: base64('v') }],
      },
    });
    await produce({ value: 'CAFE', encoding: 'hex', asPrincipal: 'sensor' });
    expect(asked.at(-1)!.query).toMatchObject({ key: null, value: 'yv4=', principal: 'sensor' });
    await produce({ encoding: 'base64', key: 'yv4=' });
    expect(asked.at(-1)!.query).toMatchObject({ key: 'yv4=', value: null });
    const [event] = await events();
    expect(event).toMatchObject({ action: 'record.produce', detail: { topic: 'orders', offset: 7 } });
    expect(JSON.stringify(await events())).not.toContain('secret');
  });

  it('is written once however often it is repeated', async () => {
    answers({ reply: { partition: 0, offset: 1, timestamp: new Date().toISOString() } });
    const before = asked.length;
    const key = { 'idempotency-key': 'one record' };
    const first = await produce({ value: 'x' }, key);
    expect((await produce({ value: 'x' }, key)).body).toEqual(first.body);
    expect(asked.length).toBe(before + 1);
    expect((await produce({ value: 'y' }, key)).body.code).toBe('idempotency-key-reused');
  });

  it.each([
    [{ value: 'abc', encoding: 'hex' }, 400, '/value'],
    [{ value: 'a', encoding: 'base64' }, 400, '/value'],
    [{ key: 'zz', encoding: 'hex' }, 400, '/key'],
    [{ headers: [{ name: 'h', value: '?' }], encoding: 'base64' }, 400, '/headers/0/value'],
    [{ value: 'é'.repeat(16_385) }, 413, undefined],
    [{ partition: -1 }, 400, '/partition'],
  ])('is refused before anybody is asked: %j', async (body, status, pointer) => {
    const before = asked.length;
    const answer = await produce(body);
    expect(answer.status).toBe(status);
    if (pointer !== undefined) expect(answer.body.errors?.[0]?.pointer).toBe(pointer);
    expect(asked.length).toBe(before);
  });

  it('meets the node’s own refusals', async () => {
    for (const [code, status] of [
      ['forbidden', 403],
      ['quota-exceeded', 422],
      ['too-many-requests', 429],
      ['not-found', 404],
    ] as const) {
      answers({ error: { code, message: 'no' } });
      expect(await produce({ value: 'x' })).toMatchObject({ status, body: { code } });
    }
  });
});
