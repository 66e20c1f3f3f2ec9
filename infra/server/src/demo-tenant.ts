import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterPage, Cluster, CredentialCreated, Session, type Cluster as ClusterBody } from '@robustmq/contracts';
import type { z } from 'zod';
import { writePrivately } from './secrets.ts';

/** What the banner shows of the demo tenant. Kept in `<home>/demo.json`, which only its owner can read. */
export interface Demo {
  readonly email: string;
  readonly password: string;
  readonly cluster: ClusterBody;
  readonly username: string;
  readonly credentialPassword: string;
}

interface Kept {
  email: string;
  password: string;
  username?: string;
  credentialPassword?: string;
}

const READY_TIMEOUT_MS = 30_000;

/** Makes the demo tenant, its cluster and a credential through the public API, each step only if it was not done before. */
export async function ensureDemo(baseUrl: string, home: string): Promise<Demo> {
  const file = join(home, 'demo.json');
  const keep = (kept: Kept): Kept => {
    writePrivately(file, JSON.stringify(kept, null, 2));
    return kept;
  };
  // Written before the sign-up: killed in between, the next start signs up with the same address and password.
  let kept: Kept = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as Kept)
    : keep({ email: 'demo@example.com', password: randomBytes(12).toString('base64url') });

  const session = await signIn(baseUrl, kept);
  const call = caller(baseUrl, session.accessToken);
  const clusters = `/v1/tenants/${session.tenants[0]!.id}/clusters`;
  const found = await call('GET', `${clusters}?name=demo`, undefined, ClusterPage);
  let cluster = found.items[0] ?? (await call('POST', clusters, { name: 'demo' }, Cluster));
  if (kept.username === undefined) {
    const name = `demo-${randomBytes(3).toString('hex')}`;
    const made = await call('POST', `${clusters}/${cluster.id}/credentials`, { name }, CredentialCreated);
    kept = keep({ ...kept, username: made.username, credentialPassword: made.password });
  }
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (cluster.phase !== 'Ready' || cluster.observedGeneration < cluster.generation) {
    if (Date.now() > deadline) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
    cluster = await call('GET', `${clusters}/${cluster.id}`, undefined, Cluster);
  }
  return {
    email: kept.email,
    password: kept.password,
    cluster,
    username: kept.username!,
    credentialPassword: kept.credentialPassword!,
  };
}

async function signIn(baseUrl: string, kept: Kept): Promise<Session> {
  const { email, password } = kept;
  const call = caller(baseUrl, null);
  try {
    return await call('POST', '/v1/auth/login', { email, password }, Session);
  } catch (error) {
    if (!(error instanceof CallError) || error.status !== 401) throw error;
    return await call('POST', '/v1/auth/signup', { email, password, tenantName: 'Demo' }, Session);
  }
}

class CallError extends Error {
  readonly status: number;
  constructor(method: string, path: string, status: number, body: string) {
    super(`${method} ${path} answered ${status}: ${body.slice(0, 300)}`);
    this.status = status;
  }
}

function caller(baseUrl: string, accessToken: string | null) {
  return async <T extends z.ZodType>(method: string, path: string, body: unknown, shape: T): Promise<z.output<T>> => {
    const response = await fetch(baseUrl + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(accessToken ? { authorization: `Bearer ${accessToken}` } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new CallError(method, path, response.status, text);
    return shape.parse(JSON.parse(text));
  };
}
