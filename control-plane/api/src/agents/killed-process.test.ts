import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { auditChainBreak, Database } from '@robustmq/db';
import { freePort, startTestDatabase, type TestDatabase } from '@robustmq/db/testing';
import type { Session } from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { OPERATOR_TOKEN, until, type Answer, type CallOptions, type TestApi } from '../testing/test-api.ts';

/** One real process of the control plane: program and worker in one, as `robust-server` starts it. */
interface Process {
  readonly child: ChildProcess;
  readonly agentAddress: string;
  call<T>(method: string, path: string, options?: CallOptions): Promise<Answer<T>>;
}

const ROOM = fileURLToPath(new URL('../..', import.meta.url));
const WRITES = 40;
const AT_ONCE = 8;
/** Below dist, which git does not know; packages are found from there. */
const outDir = join(ROOM, 'dist', `killed-process-${process.pid}`);
const home = mkdtempSync(join(tmpdir(), 'two processes '));
let database: TestDatabase;
let behind: Database;
const started: ChildProcess[] = [];

beforeAll(async () => {
  // as `npm run build` makes it, in a folder of its own
  const vite = join(ROOM, '../../node_modules/vite/bin/vite.js');
  const args = [vite, 'build', '--outDir', outDir, '--logLevel', 'error'];
  execFileSync(process.execPath, args, { cwd: ROOM, stdio: 'pipe', timeout: 100_000 });
  database = await startTestDatabase();
  behind = await Database.open({ url: database.url });
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await behind.close();
  await database.stop();
  for (const path of [outDir, home]) rmSync(path, { recursive: true, force: true });
});

async function start(): Promise<Process> {
  const [httpPort, agentPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [join(outDir, 'main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...{ PATH: process.env['PATH'], DATABASE_URL: database.url, ROBUSTMQ_HOME: home, ROBUSTMQ_LOG_LEVEL: 'silent' },
      ...{ ROBUSTMQ_HTTP_PORT: String(httpPort), ROBUSTMQ_AGENT_PORT: String(agentPort) },
      ...{ ROBUSTMQ_OPERATOR_TOKEN: OPERATOR_TOKEN, ROBUSTMQ_AGENT_LINK_PLAIN: 'true' },
      ...{ ROBUSTMQ_REQUESTS_PER_MINUTE: '100000', NODE_COMPILE_CACHE: join(home, 'compiled') },
    },
  });
  started.push(child);
  const call = async <T>(
    method: string,
    path: string,
    { token, body, headers }: CallOptions = {},
  ): Promise<Answer<T>> => {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? undefined : JSON.parse(text)) as T,
    };
  };
  const ready = () =>
    until(
      () =>
        call('GET', '/health/ready').then(
          (answer) => answer.status,
          () => 0,
        ),
      (status) => status === 200,
    );
  // a first start compiles everything, and a busy machine takes its time
  await ready().catch(ready);
  return { child, call, agentAddress: `127.0.0.1:${agentPort}` };
}

it('one of two processes is killed amid writes, jobs and an agent’s stream: nothing is lost, nothing happens twice', async () => {
  const [one, two] = [await start(), await start()];
  const agent = await TestAgent.joined(one as unknown as TestApi);
  const password = 'correct horse battery';
  const session = await one.call<Session>('POST', '/v1/auth/signup', {
    body: { email: 'a@example.test', password, tenantName: 'a' },
  });
  const token = session.body.accessToken;
  const tenantId = session.body.tenants[0]!.id;
  const at = `/v1/tenants/${tenantId}`;
  const made = await two.call<{ id: string }>('POST', `${at}/clusters`, { token, body: { name: 'first' } });
  expect(made).toMatchObject({ status: 202 });
  const cluster = `${at}/clusters/${made.body.id}`;
  await until(
    () => two.call<{ phase: string }>('GET', cluster, { token }),
    (answer) => answer.body.phase === 'Ready',
  );

  // half of the writes go to each; a quarter of them done, the process with the agent's stream is killed
  let answered = 0;
  const dead = new Promise<void>((resolve) => one.child.once('exit', () => resolve()));
  const write = async (n: number): Promise<number> => {
    const [path, body] =
      n % 8 === 0 ? [`${at}/clusters`, { name: `more-${n}` }] : [`${cluster}/credentials`, { name: `device-${n}` }];
    const headers = { 'idempotency-key': `write ${n}` };
    const send = (to: Process) =>
      to.call(`POST`, path, { token, body, headers }).then(
        (answer) => answer.status,
        () => 0,
      );
    let status = await send(n % 2 === 0 ? one : two);
    answered += 1;
    if (answered === WRITES / 4) one.child.kill('SIGKILL');
    // whoever got no answer, or was told to come back, sends the same again to who lives
    for (const deadline = Date.now() + 60_000; [0, 409, 503].includes(status) && Date.now() < deadline;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      status = await send(two);
    }
    return status;
  };
  const statuses: number[] = [];
  let taken = 0;
  const worker = async (): Promise<void> => {
    for (let n = taken++; n < WRITES; n = taken++) statuses[n] = await write(n);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await dead;
  expect(statuses.map((status, n) => [n, status])).toEqual(statuses.map((_, n) => [n, n % 8 === 0 ? 202 : 201]));

  // the agent dials the other process and is handed everything
  const next = new TestAgent(two.agentAddress);
  const { agentId, epoch, controlPublicKeyPem, token: agentToken } = agent;
  Object.assign(next, { agentId, epoch, controlPublicKeyPem, token: agentToken });
  await next.open({ haveVersion: 0 });
  const clusters = await until(
    () => two.call<{ items: { phase: string; name: string }[] }>('GET', `${at}/clusters?limit=200`, { token }),
    (answer) => answer.body.items.every((one) => one.phase === 'Ready'),
  );
  expect(clusters.body.items.map((one) => one.name).sort()).toEqual(
    ['first', ...Array.from({ length: WRITES / 8 }, (_, n) => `more-${n * 8}`)].sort(),
  );
  const served = next.desired!.namespaces.find((one) => one.clusterId === made.body.id)!;
  const names = Array.from({ length: WRITES }, (_, n) => n).flatMap((n) => (n % 8 === 0 ? [] : [`device-${n}`]));
  expect(served.credentials.map((one) => one.name).sort()).toEqual(names.sort());
  next.answer = () => ({ reply: { items: [], next: null } });
  expect((await two.call('GET', `${cluster}/clients`, { token })).status).toBe(200);

  // each write has one audit row, in one chain without a gap
  const rows = await behind.withTenant(tenantId, (tx) => tx.auditEvent.findMany({ orderBy: { seq: 'asc' } }));
  expect(auditChainBreak(rows)).toBeUndefined();
  const count = (action: string) => rows.filter((row) => row.action === action).length;
  expect(count('credential.create')).toBe(names.length);
  expect(count('cluster.create')).toBe(1 + WRITES / 8);
  // and no promise is left behind
  await until(
    () => behind.withTenant(tenantId, (tx) => tx.outbox.count({ where: { kind: 'reconcile-cluster' } })),
    (left) => left === 0,
  );
  next.close();
  agent.close();
}, 180_000);
