import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '@robustmq/db';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { freePort } from '@robustmq/db/testing';
import type { Cluster } from '@robustmq/contracts';
import { createApp, listen } from '../app.ts';
import type { Settings } from '../settings.ts';
import { TestAgent } from '../testing/test-agent.ts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let one: TestApi;
/** The second process of the same control plane, as far as one test process can be two: its own pool, ports and timers. */
let two: { api: TestApi; database: Database; app: NestFastifyApplication };
let agent: TestAgent;
let owner: SignedUp;

beforeAll(async () => {
  one = await startTestApi();
  const settings: Settings = { ...one.settings, httpPort: await freePort(), agentPort: await freePort() };
  const database = await Database.open({ url: settings.databaseUrl });
  const app = await createApp(settings, one.keys, database);
  await listen(app, settings);
  const base = `http://127.0.0.1:${settings.httpPort}`;
  const call: TestApi['call'] = async (method, path, options = {}) => {
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  };
  const api: TestApi = {
    ...one,
    ...{ url: base, app, database, call, agentAddress: `127.0.0.1:${settings.agentPort}` },
  };
  two = { api, database, app };
  owner = await one.signUp();
  // the agent's stream is held by the second process alone
  agent = await TestAgent.joined(two.api);
});
afterAll(async () => {
  agent.close();
  await one.stop();
});

const asOwner = (body?: object) => ({ token: owner.token, ...(body === undefined ? {} : { body }) });

describe('two processes on one database', () => {
  it('serve a cluster made at one through the agent held by the other, and look into it', async () => {
    const made = await one.call<Cluster>('POST', `${owner.at}/clusters`, asOwner({ name: 'shared' }));
    const at = `${owner.at}/clusters/${made.body.id}`;
    for (const api of [one, two.api])
      await until(
        () => api.call<Cluster>('GET', at, asOwner()),
        (answer) => answer.body.phase === 'Ready',
      );
    agent.answer = (view) => (view === 'clients' ? { reply: { items: [], next: null } } : undefined);
    const looks = await Promise.all([one, two.api].map((api) => api.call('GET', `${at}/clients`, asOwner())));
    expect(looks.map((look) => [look.status, look.body])).toEqual([
      [200, { items: [] }],
      [200, { items: [] }],
    ]);
    agent.answer = () => ({ error: { code: 'conflict', message: 'no' } });
    expect((await one.call('GET', `${at}/groups`, asOwner())).status).toBe(409);
  });

  it('take a repeated request once, wherever it arrives', async () => {
    const headers = { 'idempotency-key': 'both' };
    const send = (api: TestApi) =>
      api.call<{ id: string }>('POST', `${owner.at}/api-keys`, { ...asOwner({ name: 'k', role: 'viewer' }), headers });
    const answers = await Promise.all([send(one), send(two.api)]);
    const ids = new Set(answers.filter((answer) => answer.status === 201).map((answer) => answer.body.id));
    expect(ids.size).toBe(1);
    for (const answer of answers) expect([201, 409]).toContain(answer.status);
    const other = await two.api.call('POST', `${owner.at}/api-keys`, {
      ...asOwner({ name: 'other', role: 'viewer' }),
      headers,
    });
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
  });

  // last: the second process does not come back
  it('go on when one of them dies: the agent dials the other, and work that was promised is done', async () => {
    await two.app.close();
    await two.database.close();
    const made = await one.call<Cluster>('POST', `${owner.at}/clusters`, asOwner({ name: 'after' }));
    expect((await one.call('GET', `${owner.at}/clusters/${made.body.id}/clients`, asOwner())).status).toBe(503);
    const next = new TestAgent(one.agentAddress);
    const { agentId, epoch, controlPublicKeyPem, token } = agent;
    Object.assign(next, { agentId, epoch, controlPublicKeyPem, token });
    await next.open({ haveVersion: 0 });
    await until(
      () => one.call<Cluster>('GET', `${owner.at}/clusters/${made.body.id}`, asOwner()),
      (answer) => answer.body.phase === 'Ready',
    );
    next.close();
  });
});
