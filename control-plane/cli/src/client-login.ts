import { bodyOf, type Cluster } from '@robustmq/client';
import { listCredentials } from './commands/credential.ts';
import type { Context } from './context.ts';
import { EXIT, Failure, usageFailure } from './failure.ts';

/** User name and password of a messaging client. */
export interface ClientLogin {
  readonly username: string;
  readonly password: string;
}

export interface LoginOptions {
  readonly username?: string;
  readonly password?: string;
}

const POLL_MS = 100;
const PROPAGATION_MS_MAX = 15_000;

function givenLogin(context: Context, options: LoginOptions): ClientLogin | undefined {
  const { env } = context.terminal;
  const username = options.username ?? (env['ROBUSTMQ_USERNAME'] || undefined);
  const password = options.password ?? (env['ROBUSTMQ_PASSWORD'] || undefined);
  if (username === undefined && password === undefined) return undefined;
  if (username === undefined || password === undefined) {
    throw usageFailure('--username and --password belong together.', 'Leave both out to use a temporary credential.');
  }
  return { username, password };
}

async function waitPropagated(context: Context, cluster: Cluster, credentialId: string): Promise<void> {
  const deadline = context.terminal.now() + PROPAGATION_MS_MAX;
  for (;;) {
    const credentials = await listCredentials(context, cluster);
    if (credentials.find((credential) => credential.id === credentialId)?.propagated) return;
    if (context.terminal.now() >= deadline) {
      throw new Failure(
        EXIT.failed,
        `The temporary credential did not reach cluster "${cluster.name}" within ${PROPAGATION_MS_MAX / 1000} s.`,
        `See: robust-ctl cluster status ${cluster.name}`,
      );
    }
    await context.terminal.sleep(POLL_MS);
  }
}

/**
 * Runs `work` with the login given by flags or environment, else with a credential made for it and revoked afterwards,
 * whatever became of `work`.
 */
export async function withClientLogin(
  context: Context,
  cluster: Cluster,
  options: LoginOptions,
  work: (login: ClientLogin) => Promise<void>,
): Promise<void> {
  const given = givenLogin(context, options);
  if (given) return work(given);
  const path = { tenantId: cluster.tenantId, clusterId: cluster.id };
  const name = `ctl-${Array.from(crypto.getRandomValues(new Uint8Array(6)), (b) => b.toString(16).padStart(2, '0')).join('')}`;
  const created = await bodyOf(
    context
      .client()
      .POST('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials', { params: { path }, body: { name } }),
  );
  try {
    if (!created.propagated) await waitPropagated(context, cluster, created.id);
    await work(created);
  } finally {
    await context
      .client()
      .DELETE('/v1/tenants/{tenantId}/clusters/{clusterId}/credentials/{credentialId}', {
        params: { path: { ...path, credentialId: created.id } },
      })
      .catch(() => context.terminal.note(`The temporary credential "${name}" could not be removed; delete it later.`));
  }
}

/** The endpoint a protocol is reached at; throws Failure while there is none. */
export function endpointOf(cluster: Cluster, name: 'mqtt' | 'kafka'): URL {
  const address = cluster.endpoints[name];
  const url = address === undefined ? null : URL.parse(address);
  if (url) return url;
  throw new Failure(
    EXIT.failed,
    `Cluster "${cluster.name}" has no ${name} endpoint (it is ${cluster.phase}).`,
    `Wait for it with: robust-ctl cluster wait ${cluster.name}`,
  );
}

/** Payload bytes as they go into JSON: text where they are UTF-8, else base64 and saying so. */
export function payloadJson(bytes: Uint8Array): { value: string; encoding: 'utf8' | 'base64' } {
  try {
    return { value: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), encoding: 'utf8' };
  } catch {
    return { value: Buffer.from(bytes).toString('base64'), encoding: 'base64' };
  }
}
