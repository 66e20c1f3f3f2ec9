import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Webhook, WebhookDelivery } from '@robustmq/contracts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let owner: SignedUp;
let receiver: Server;
let url: string;
/** What the receiver answers, and what it got. */
let answer: number[] = [];
const received: { headers: IncomingHttpHeaders; text: string }[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let text = '';
    request.on('data', (bytes: Buffer) => (text += bytes.toString()));
    request.on('end', () => {
      received.push({ headers: request.headers, text });
      const status = answer.shift() ?? 204;
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(receiver.address() as { port: number }).port}/hook`;
  api = await startTestApi({ egressPrivate: true, webhookBackoffMs: [10, 10], webhookFailingMsMax: 3_600_000 });
  owner = await api.signUp();
});
afterAll(async () => {
  await api.stop();
  receiver.close();
});
beforeEach(() => {
  answer = [];
  received.length = 0;
});

const call = <T>(method: string, path: string, body?: unknown) =>
  api.call<T>(method, `${owner.at}/webhooks${path}`, { token: owner.token, ...(body === undefined ? {} : { body }) });
const make = async (events: string[]) => (await call<Webhook & { secret: string }>('POST', '', { url, events })).body;
const deliveries = async (id: string) =>
  (await call<{ items: WebhookDelivery[] }>('GET', `/${id}/deliveries`)).body.items;
const settled = (id: string, count = 1) =>
  until(
    () => deliveries(id),
    (items) => items.length >= count && items.every(({ status }) => status !== 'pending'),
  );

describe('a webhook', () => {
  it('is told what happens in the tenant, signed, and nothing else', async () => {
    const { id, secret } = await make(['role.*']);
    expect(secret).toMatch(/^whsec_/);
    expect(JSON.stringify((await call('GET', '')).body)).not.toContain(secret);
    const post = (path: string, body: object) => api.call('POST', owner.at + path, { token: owner.token, body });
    await post('/api-keys', { name: 'unheard', role: 'viewer' });
    await post('/roles', { name: 'Readers', permissions: ['tenant:read'] });
    const [delivery] = await settled(id);
    expect(delivery).toMatchObject({ event: 'role.create', status: 'delivered', attempts: 1, responseStatus: 204 });
    const [message] = received;
    const headers = message!.headers as Record<string, string>;
    expect(headers['webhook-id']).toBe(delivery!.id);
    const body = new Verifier(secret).verify(message!.text, headers);
    expect(body).toMatchObject({
      type: 'role.create',
      data: { tenantId: owner.tenantId, detail: { name: 'Readers' } },
    });
    expect(() => new Verifier(secret).verify(`${message!.text} `, headers)).toThrow();
    expect(received).toHaveLength(1);
    await call('DELETE', `/${id}`);
  });

  it('hears a message again until it takes it, under the same id, and no redirect is followed', async () => {
    const { id } = await make(['nothing.*']);
    answer = [500, 302];
    expect((await call('POST', `/${id}:test`)).status).toBe(202);
    const [delivery] = await settled(id);
    expect(delivery).toMatchObject({ event: 'webhook.test', status: 'delivered', attempts: 3 });
    expect(new Set(received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery!.id]));
    expect((await call<{ items: Webhook[] }>('GET', '')).body.items.find((one) => one.id === id)).toMatchObject({
      failingSince: null,
    });
    await call('DELETE', `/${id}`);
  });

  it('has a message given up after the last attempt, and sent again when asked', async () => {
    const { id } = await make(['nothing.*']);
    answer = [503, 503, 503];
    await call('POST', `/${id}:test`);
    const [failed] = await settled(id);
    expect(failed).toMatchObject({
      status: 'failed',
      attempts: 3,
      responseStatus: 503,
      error: 'The server answered 503.',
    });
    expect((await call('POST', `/${id}/deliveries/${failed!.id}:replay`)).status).toBe(202);
    const again = await until(
      () => deliveries(id),
      ([first]) => first!.status === 'delivered',
    );
    expect(again[0]!.id).toBe(failed!.id);
    expect(new Set(received.map(({ text }) => text)).size).toBe(1);
    await call('DELETE', `/${id}`);
  });

  it('that is gone for good is switched off, which is written down; switched on, it hears again', async () => {
    const { id } = await make(['nothing.*']);
    answer = [410];
    await call('POST', `/${id}:test`);
    const find = async () => (await call<{ items: Webhook[] }>('GET', '')).body.items.find((one) => one.id === id)!;
    expect(await until(find, (one) => !one.enabled)).toMatchObject({ enabled: false });
    const events = await api.call<{ items: { action: string }[] }>('GET', `${owner.at}/audit-events`, {
      token: owner.token,
    });
    expect(events.body.items.map(({ action }) => action)).toContain('webhook.switch-off');
    expect(await settled(id)).toMatchObject([{ status: 'failed' }]);
    expect((await call('PATCH', `/${id}`, { enabled: true })).body).toMatchObject({
      enabled: true,
      failingSince: null,
    });
    await call('POST', `/${id}:test`);
    expect((await settled(id, 2)).map(({ status }) => status)).toContain('delivered');
    await call('DELETE', `/${id}`);
  });

  it('gets a new secret, and the old one signs no more', async () => {
    const { id, secret } = await make(['nothing.*']);
    const rotated = await call<{ secret: string }>('POST', `/${id}:rotate-secret`);
    await call('POST', `/${id}:test`);
    await settled(id);
    const [{ headers, text }] = received as [{ headers: Record<string, string>; text: string }];
    expect(() => new Verifier(secret).verify(text, headers)).toThrow();
    expect(new Verifier(rotated.body.secret).verify(text, headers)).toMatchObject({ type: 'webhook.test' });
    await call('DELETE', `/${id}`);
  });
});
