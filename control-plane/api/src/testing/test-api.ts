import { randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Session, type Problem } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { freePort, startTestDatabase, type TestDatabase } from '@robustmq/db/testing';
import { createApp, listen } from '../app.ts';
import { KeyRing } from '../auth/key-ring.ts';
import type { Settings } from '../settings.ts';

export const OPERATOR_TOKEN = 'operator token of the tests'.replaceAll(' ', '-');

export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** A control plane on a fresh database, listening on loopback. */
export interface TestApi {
  readonly url: string;
  readonly agentAddress: string;
  readonly settings: Settings;
  readonly database: Database;
  readonly app: NestFastifyApplication;
  readonly databaseUrls: TestDatabase;
  readonly keys: KeyRing;
  /** One request; `token` is the bearer. */
  call<T = Problem>(method: string, path: string, options?: CallOptions): Promise<Answer<T>>;
  /** A new person with a tenant of their own. */
  signUp(name?: string): Promise<SignedUp>;
  stop(): Promise<void>;
}

export interface CallOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export interface SignedUp {
  readonly token: string;
  readonly refreshToken: string;
  readonly userId: string;
  readonly email: string;
  readonly password: string;
  readonly tenantId: string;
  /** `/v1/tenants/<id>` */
  readonly at: string;
}

/** Starts everything; `settings` replaces single settings. */
export async function startTestApi(settings: Partial<Settings> = {}): Promise<TestApi> {
  const databaseUrls = await startTestDatabase();
  const full: Settings = {
    databaseUrl: databaseUrls.url,
    redisUrl: undefined,
    bind: '127.0.0.1',
    httpPort: await freePort(),
    agentPort: await freePort(),
    keysFile: '',
    operatorToken: OPERATOR_TOKEN,
    portalDir: undefined,
    billingSocket: undefined,
    internalToken: undefined,
    portRange: { first: 20_000, last: 29_999 },
    logLevel: process.env['TEST_LOG'] ?? 'silent',
    requestsPerMinuteMax: 100_000,
    ...settings,
  };
  const keys = KeyRing.random();
  const database = await Database.open({ url: full.databaseUrl });
  const app = await createApp(full, keys, database);
  await listen(app, full);
  const url = `http://127.0.0.1:${full.httpPort}`;

  const call = async <T>(method: string, path: string, options: CallOptions = {}): Promise<Answer<T>> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    const json = (response.headers.get('content-type') ?? '').includes('json');
    return { status: response.status, headers: response.headers, body: (json ? JSON.parse(text) : text) as T };
  };

  const signUp = async (name = 'acme'): Promise<SignedUp> => {
    const email = `${randomBytes(6).toString('hex')}@example.test`;
    const password = 'correct horse battery';
    const made = await call('POST', '/v1/auth/signup', { body: { email, password, tenantName: name } });
    if (made.status !== 201) throw new Error(`sign-up answered ${made.status} ${JSON.stringify(made.body)}`);
    const session = Session.parse(made.body);
    const tenantId = session.tenants[0]!.id;
    const { accessToken: token, refreshToken } = session;
    return { token, refreshToken, userId: session.user.id, email, password, tenantId, at: `/v1/tenants/${tenantId}` };
  };

  return {
    ...{ url, settings: full, database, app, databaseUrls, keys, call, signUp },
    agentAddress: `127.0.0.1:${full.agentPort}`,
    stop: async () => {
      await app.close();
      await database.close();
      await databaseUrls.stop();
    },
  };
}

/** Asks until `done` holds; a busy machine gets a minute. */
export async function until<T>(ask: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const value = await ask();
    if (done(value)) return value;
    if (Date.now() > deadline) throw new Error(`gave up waiting at ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
