import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  DRY_RUN_MEDIA,
  permissionsOf,
  PROBLEM_STATUS,
  ROUTES,
  type DryRun,
  type ProblemCode,
  type Role,
  type Route,
  type RouteName,
} from '@robustmq/contracts';
import { Refusal, type Call } from './fake-call.ts';
import { HANDLERS } from './fake-routes.ts';
import { nextId, type FakeState, type FakeTenant } from './fake-state.ts';

export interface FakeOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  readonly endpoints?: FakeState['endpoints'];
  /** Milliseconds from create to Ready; default 0. */
  readonly readyAfterMs?: number;
  /** Called with every request before it is answered; a returned status answers at once. */
  /** Answers of routes that nothing in memory serves, from what was asked. */
  readonly answers?: Partial<Record<RouteName, (asked: Pick<Call, 'params' | 'query' | 'body'>) => unknown>>;
  readonly onRequest?: (name: RouteName, request: IncomingMessage) => ProblemCode | undefined;
}

export interface FakeControlPlane {
  readonly url: string;
  readonly state: FakeState;
  /** Names of the routes called so far, in order. */
  readonly calls: RouteName[];
  close(): Promise<void>;
}

interface Matched {
  readonly name: RouteName;
  readonly params: Record<string, string>;
}

const BODY_BYTES_MAX = 1 << 20;

/** A fixed name wins over a parameter in its place. */
const BY_PARAMETERS = Object.entries(ROUTES).toSorted(
  ([, a], [, b]) => a.path.split('{').length - b.path.split('{').length,
);

function match(method: string, path: string): Matched | undefined {
  for (const [name, route] of BY_PARAMETERS) {
    if (route.method !== method) continue;
    const pattern = new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    const found = pattern.exec(path);
    if (found) {
      const params = Object.entries(found.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)]);
      return { name: name as RouteName, params: Object.fromEntries(params) as Record<string, string> };
    }
  }
  return undefined;
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > BODY_BYTES_MAX) throw new Refusal('bad-request', 'The body is too large.');
  }
  return text === '' ? undefined : JSON.parse(text);
}

/** Who calls, and with which role in the tenant of the path. Throws Refusal as the API would. */
function authorise(
  state: FakeState,
  matched: Matched,
  request: IncomingMessage,
): { userId: string; tenant: FakeTenant | undefined } {
  const { access } = ROUTES[matched.name];
  if (access === 'public') return { userId: '', tenant: undefined };
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const key = state.tenants
    .flatMap((tenant) => tenant.apiKeys.map((apiKey) => ({ tenant, apiKey })))
    .find((k) => k.apiKey.key === token);
  const userId = state.access.get(token) ?? (key ? key.apiKey.id : undefined);
  if (userId === undefined) throw new Refusal('unauthenticated', 'Sign in first.');
  if (access === 'signed-in') return { userId, tenant: undefined };
  const tenant = state.tenants.find((t) => t.id === matched.params['tenantId']);
  const role: Role | undefined =
    key?.tenant === tenant ? key?.apiKey.role : tenant?.members.find((m) => m.userId === userId)?.role;
  if (!tenant || !role) throw new Refusal('not-found', 'There is no such tenant.');
  if (!permissionsOf(role).has(access.permission))
    throw new Refusal('forbidden', `This needs the permission ${access.permission}; your role ${role} lacks it.`);
  return { userId, tenant };
}

function validate(
  matched: Matched,
  body: unknown,
  query: URLSearchParams,
): { body: unknown; query: Record<string, unknown> } {
  const route: (typeof ROUTES)[RouteName] & { body?: unknown; query?: unknown } = ROUTES[matched.name];
  const checked = { body, query: Object.fromEntries(query) as Record<string, unknown> };
  for (const part of ['body', 'query'] as const) {
    const schema = (
      route as unknown as Record<
        string,
        { safeParse(v: unknown): { success: boolean; data?: unknown; error?: unknown } } | undefined
      >
    )[part];
    if (!schema) continue;
    const result = schema.safeParse(checked[part]);
    if (!result.success) {
      const { issues } = result.error as { issues: { path: (string | number)[]; message: string }[] };
      throw new Refusal(
        'validation-failed',
        'Some fields are not valid.',
        issues.map((issue) => ({ pointer: `/${issue.path.join('/')}`, detail: issue.message })),
      );
    }
    (checked as Record<string, unknown>)[part] = result.data;
  }
  return checked;
}

function refuse(response: ServerResponse, refusal: Refusal): void {
  const status = PROBLEM_STATUS[refusal.code];
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(
    JSON.stringify({
      type: `/problems/${refusal.code}`,
      title: refusal.code.replaceAll('-', ' '),
      status,
      code: refusal.code,
      detail: refusal.message,
      requestId: 'req-fake',
      ...(refusal.errors ? { errors: refusal.errors } : {}),
    }),
  );
}

function audit(state: FakeState, tenant: FakeTenant, name: RouteName, userId: string, targetId: string): void {
  tenant.audit.unshift({
    id: nextId(state),
    seq: tenant.audit.length + 1,
    at: new Date().toISOString(),
    actor: { type: 'user', id: userId, ip: '127.0.0.1' },
    action: name,
    target: { type: ROUTES[name].tag, id: targetId },
    result: 'ok',
    requestId: 'req-fake',
    detail: {},
  });
}

/** The answer to a dry run: made up, but in its shape; nothing is done. */
const wouldDo = (name: RouteName, body: unknown): DryRun => ({
  ...{ dryRun: true, action: name, target: { type: ROUTES[name].tag, id: null } },
  ...{ changes: (body ?? {}) as Record<string, unknown>, notes: ['Made up.'] },
  quotas: [{ name: 'clusters', limit: 50, limitNow: 50, used: 1, after: 2 }],
  cost: {
    ...{ days: 30, now: { amount: '0', currency: 'USD' }, after: { amount: '12960', currency: 'USD' } },
    change: { amount: '12960', currency: 'USD' },
  },
});

/**
 * A control plane in memory that serves exactly the routes of `@robustmq/contracts`: same validation, roles, problems and
 * token rotation. For the tests of those who talk to the API; there is no data plane behind it.
 */
export async function startFakeControlPlane(options: FakeOptions = {}): Promise<FakeControlPlane> {
  const state: FakeState = {
    tenants: [],
    access: new Map(),
    refresh: new Map(),
    endpoints: options.endpoints ?? {
      mqtt: 'mqtt://localhost:1883',
      mqttWs: 'ws://localhost:8083',
      kafka: 'kafka://localhost:9092',
    },
    readyAfterMs: options.readyAfterMs ?? 0,
    count: 0,
  };
  const calls: RouteName[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://fake');
    if (url.pathname.startsWith('/health/'))
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    const matched = match((request.method ?? 'GET').toLowerCase(), url.pathname);
    if (!matched) throw new Refusal('not-found', 'There is no such path.');
    calls.push(matched.name);
    const forced = options.onRequest?.(matched.name, request);
    if (forced) throw new Refusal(forced, 'Asked for by the test.');
    const who = authorise(state, matched, request);
    const { body, query } = validate(matched, await readJson(request), url.searchParams);
    if (url.searchParams.get('dry_run') === 'true' && (ROUTES[matched.name] as Route).dryRun)
      return void response
        .writeHead(200, { 'content-type': DRY_RUN_MEDIA })
        .end(JSON.stringify(wouldDo(matched.name, body)));
    const handler = options.answers?.[matched.name] ?? HANDLERS[matched.name];
    if (!handler) throw new Refusal('unavailable', 'Nobody answers this here.');
    const result = handler({ state, params: matched.params, body, query, ...who } as unknown as Call);
    const route = ROUTES[matched.name];
    if (who.tenant && route.method !== 'get') {
      audit(
        state,
        who.tenant,
        matched.name,
        who.userId,
        (result as { id?: string } | undefined)?.id ?? matched.params['clusterId'] ?? '',
      );
    }
    if (result === undefined) return void response.writeHead(route.status).end();
    response.writeHead(route.status, { 'content-type': 'application/json' }).end(JSON.stringify(result));
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      refuse(response, error instanceof Refusal ? error : new Refusal('internal', String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
