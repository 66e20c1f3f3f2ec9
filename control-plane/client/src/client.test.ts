import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { allItems, ApiError, bodyOf, ConnectionError, createClient, memoryTokenStore } from './index.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;
const servers: Server[] = [];

async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => handler(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

const noSleep = (): Promise<void> => Promise.resolve();
const tenantId = '01890000-0000-7000-8000-000000000001';

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

describe('createClient', () => {
  it('sends an API key and reads a body', async () => {
    let seen: string | undefined;
    const baseUrl = await serve((request, response) => {
      seen = `${request.method} ${request.url} ${request.headers.authorization}`;
      json(response, 200, { user: { id: 'u', email: 'a@b.c' }, tenants: [] });
    });
    const client = createClient({ baseUrl: `${baseUrl}/`, authentication: { kind: 'api-key', key: 'rmq_k' } });
    const me = await bodyOf(client.GET('/v1/me'));
    expect(me.user.email).toBe('a@b.c');
    expect(seen).toBe('GET /v1/me Bearer rmq_k');
  });

  it('throws the problem the server gave', async () => {
    const baseUrl = await serve((_request, response) => {
      json(
        response,
        400,
        {
          type: '/problems/validation-failed',
          title: 'Not valid',
          status: 400,
          code: 'validation-failed',
          detail: 'The name is taken.',
          requestId: 'r1',
          errors: [{ pointer: '/name', detail: 'too short' }],
        },
        { 'content-type': 'application/problem+json' },
      );
    });
    const client = createClient({ baseUrl });
    const error = await bodyOf(client.GET('/v1/me')).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      status: 400,
      code: 'validation-failed',
      message: 'The name is taken.',
      requestId: 'r1',
      fieldErrors: [{ pointer: '/name', detail: 'too short' }],
    });
  });

  it('names the status when a proxy answers with a page', async () => {
    const baseUrl = await serve((_request, response) => void response.writeHead(500).end('<html>no</html>'));
    await expect(createClient({ baseUrl }).GET('/v1/me')).rejects.toMatchObject({ code: 'http-500', status: 500 });
  });

  it('refreshes once for many refused requests and saves the rotated tokens', async () => {
    let refreshes = 0;
    const baseUrl = await serve((request, response, body) => {
      if (request.url === '/v1/auth/refresh') {
        refreshes++;
        expect(JSON.parse(body)).toEqual({ refreshToken: 'r1' });
        return json(response, 200, { accessToken: 'a2', refreshToken: 'r2', expiresIn: 900, tenants: [] });
      }
      if (request.headers.authorization !== 'Bearer a2')
        return json(response, 401, { code: 'unauthenticated', title: 'x' });
      return json(response, 200, { user: { id: 'u', email: 'a@b.c' }, tenants: [] });
    });
    const store = memoryTokenStore({ accessToken: 'a1', refreshToken: 'r1' });
    const client = createClient({ baseUrl, authentication: { kind: 'session', store } });
    await Promise.all(Array.from({ length: 8 }, () => client.GET('/v1/me')));
    expect(refreshes).toBe(1);
    expect(store.tokens).toEqual({ accessToken: 'a2', refreshToken: 'r2' });
  });

  it('takes the tokens another process has already rotated', async () => {
    const baseUrl = await serve((request, response) => {
      if (request.url === '/v1/auth/refresh') return json(response, 500, {});
      const ok = request.headers.authorization === 'Bearer a9';
      return ok ? json(response, 200, { tenants: [] }) : json(response, 401, { code: 'unauthenticated', title: 'x' });
    });
    const store = memoryTokenStore({ accessToken: 'a1', refreshToken: 'r1' });
    const shared = {
      ...store,
      load: () => store.tokens,
      exclusive: <T>(run: () => Promise<T>): Promise<T> => {
        store.tokens = { accessToken: 'a9', refreshToken: 'r9' };
        return run();
      },
    };
    await createClient({ baseUrl, authentication: { kind: 'session', store: shared } }).GET('/v1/me');
  });

  it('ends the session when the refresh token is refused, and keeps it when the server fails', async () => {
    let status = 503;
    const baseUrl = await serve((request, response) =>
      json(response, request.url === '/v1/auth/refresh' ? status : 401, { code: 'unauthenticated', title: 'Sign in' }),
    );
    const store = memoryTokenStore({ accessToken: 'a1', refreshToken: 'r1' });
    const client = createClient({ baseUrl, authentication: { kind: 'session', store }, sleep: noSleep });
    await expect(client.GET('/v1/me')).rejects.toMatchObject({ status: 503 });
    expect(store.tokens?.refreshToken).toBe('r1');
    status = 401;
    await expect(client.GET('/v1/me')).rejects.toMatchObject({ status: 401 });
    expect(store.tokens).toBeUndefined();
  });

  it('repeats a POST under one Idempotency-Key', async () => {
    const keys: (string | undefined)[] = [];
    const baseUrl = await serve((request, response) => {
      keys.push(request.headers['idempotency-key'] as string | undefined);
      if (keys.length < 3) return json(response, 503, { code: 'unavailable', title: 'x' });
      return json(response, 202, { id: 'c' });
    });
    const client = createClient({ baseUrl, sleep: noSleep });
    const send = client.POST('/v1/tenants/{tenantId}/clusters', {
      params: { path: { tenantId } },
      body: { name: 'one' },
    });
    expect((await bodyOf(send)).id).toBe('c');
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  it('never repeats a login', async () => {
    let logins = 0;
    const baseUrl = await serve((_request, response) => {
      logins++;
      json(response, 503, { code: 'unavailable', title: 'Down' });
    });
    const client = createClient({ baseUrl, sleep: noSleep });
    await expect(client.POST('/v1/auth/login', { body: { email: 'a@b.c', password: 'p' } })).rejects.toBeInstanceOf(
      ApiError,
    );
    expect(logins).toBe(1);
  });

  it('says that nobody answers, and that an answer is late', async () => {
    const closed = createClient({ baseUrl: 'http://127.0.0.1:9', sleep: noSleep });
    await expect(closed.GET('/v1/me')).rejects.toBeInstanceOf(ConnectionError);
    const silent = await serve(() => undefined);
    const late = createClient({ baseUrl: silent, timeoutMs: 30, retriesMax: 0 });
    await expect(late.GET('/v1/me')).rejects.toMatchObject({ name: 'ConnectionError', timedOut: true });
  });
});

describe('allItems', () => {
  it('follows the cursors', async () => {
    const pages: Record<string, { items: number[]; nextCursor?: string }> = {
      first: { items: [1, 2], nextCursor: 'b' },
      b: { items: [3] },
    };
    expect(await allItems((cursor) => Promise.resolve(pages[cursor ?? 'first']!))).toEqual([1, 2, 3]);
  });
});
