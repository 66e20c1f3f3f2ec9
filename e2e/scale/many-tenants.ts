import { readFileSync, readdirSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { CloudUnderTest } from '../support/cloud.ts';
import { descendants, eventually, sleep } from '../support/process.ts';

/**
 * Many tenants on one machine: how fast clusters are made, how the API answers beside them, what an idle cluster costs in
 * memory, and how large the agent's snapshot is. `node e2e/scale/many-tenants.ts [tenants] [clusters per tenant] [seconds]`;
 * prints JSON. Signing up and creating each end after `seconds` with what was reached. Not part of any test run: it takes
 * minutes.
 */
const TENANTS = Number(process.argv[2] ?? 1_000);
const CLUSTERS = Number(process.argv[3] ?? 2);
const PHASE_SECONDS_MAX = Number(process.argv[4] ?? 300);
const READY_MS_MAX = 300_000;
const AT_ONCE = 8;
const READS_PER_SECOND = 50;
const READ_SECONDS = 20;

const cloud = await CloudUnderTest.make({ env: { ROBUSTMQ_REQUESTS_PER_MINUTE: '10000000' } });
await cloud.start();
try {
  process.stdout.write(`${JSON.stringify(await measure(), null, 2)}\n`);
} finally {
  await cloud.dispose();
}
process.exit(0);

interface Owner {
  readonly token: string;
  readonly tenantId: string;
}

async function measure(): Promise<object> {
  const before = await memory();
  const owners: Owner[] = [];
  const signUpMs = await each('sign-ups', TENANTS, async (n) => {
    const body = { email: `s${n}@example.test`, password: `correct horse ${n} battery`, tenantName: `t${n}` };
    const made = await call<{ accessToken: string; tenants: { id: string }[] }>('POST', '/v1/auth/signup', body);
    owners.push({ token: made.accessToken, tenantId: made.tenants[0]!.id });
  });
  const createTimes: number[] = [];
  const startedAt = Date.now();
  const createMs = await each('clusters', owners.length * CLUSTERS, async (n) => {
    const owner = owners[n % owners.length]!;
    const at = performance.now();
    await call('POST', `/v1/tenants/${owner.tenantId}/clusters`, { name: `c${n}` }, owner.token);
    createTimes.push(performance.now() - at);
  });
  const clusters = createTimes.length;
  const ready = await allReady(owners, clusters);
  const readyMs = Date.now() - startedAt;
  await sleep(10_000);
  const after = await memory();
  const reads = await readLoad(owners);
  const perCluster = (which: 'node' | 'agent'): number => round(((after[which] - before[which]) * 1024) / clusters);
  return {
    ...{ tenants: owners.length, clusters, ready },
    signUpsPerSecond: round((owners.length * 1000) / signUpMs),
    createsPerSecond: round((clusters * 1000) / createMs),
    createMs: percentiles(createTimes),
    allReadyAfterSeconds: round(readyMs / 1000),
    readsAt50PerSecondMs: percentiles(reads),
    oneMoreClusterReadyMs: await oneMore(owners[0]!),
    kibPerIdleCluster: { node: perCluster('node'), agent: perCluster('agent') },
    megabytes: { before, after },
    snapshotMiB: round(statSync(join(cloud.home, 'agent/state.bin')).size / 2 ** 20),
    nodeDataMiB: round(sizeOf(join(cloud.home, 'agent/nodes/shared/data')) / 2 ** 20),
    load: loadavg().map(round),
  };
}

/** Waits, up to the limit, until all clusters are `Ready`; resolves to how many are. */
async function allReady(owners: readonly Owner[], clusters: number): Promise<number> {
  const deadline = Date.now() + READY_MS_MAX;
  const waiting = [...owners];
  let ready = 0;
  while (waiting.length > 0 && Date.now() < deadline) {
    const owner = waiting.at(-1)!;
    const path = `/v1/tenants/${owner.tenantId}/clusters`;
    const { items } = await call<{ items: { phase: string }[] }>('GET', path, undefined, owner.token);
    if (items.every(({ phase }) => phase === 'Ready')) {
      ready += items.length;
      waiting.pop();
    } else await sleep(500);
  }
  if (ready < clusters) process.stderr.write(`${clusters - ready} clusters were not ready in time\n`);
  return ready;
}

async function oneMore(owner: Owner): Promise<number> {
  const at = performance.now();
  const path = `/v1/tenants/${owner.tenantId}/clusters`;
  const { id } = await call<{ id: string }>('POST', path, { name: 'one-more' }, owner.token);
  await eventually('ready', 120_000, async () => {
    const { phase } = await call<{ phase: string }>('GET', `${path}/${id}`, undefined, owner.token);
    return phase === 'Ready';
  });
  return round(performance.now() - at);
}

/** Open loop: a request every 20 ms, whatever became of the one before. */
async function readLoad(owners: readonly Owner[]): Promise<number[]> {
  const times: number[] = [];
  const running: Promise<void>[] = [];
  for (let n = 0; n < READS_PER_SECOND * READ_SECONDS; n += 1) {
    const owner = owners[(n * 7919) % owners.length]!;
    const at = performance.now();
    const path = `/v1/tenants/${owner.tenantId}/clusters`;
    running.push(call('GET', path, undefined, owner.token).then(() => void times.push(performance.now() - at)));
    await sleep(1000 / READS_PER_SECOND);
  }
  await Promise.all(running);
  return times;
}

async function call<T>(method: string, path: string, body?: object, token?: string): Promise<T> {
  const response = await fetch(cloud.url + path, {
    method,
    headers: {
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Runs `work` for 0 … count − 1, some at once, until the phase's time is over; resolves to how long it took, in milliseconds. */
async function each(what: string, count: number, work: (n: number) => Promise<void>): Promise<number> {
  const startedAt = Date.now();
  const deadline = startedAt + PHASE_SECONDS_MAX * 1000;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count && Date.now() < deadline; n = next++) {
      await work(n);
      if (n % 100 === 0) process.stderr.write(`${what}: ${n} after ${round((Date.now() - startedAt) / 1000)} s\n`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return Date.now() - startedAt;
}

/** Resident megabytes of node, agent and API. */
async function memory(): Promise<Record<'node' | 'agent' | 'api', number>> {
  const all = await descendants(cloud.pid!);
  const of = (word: string): number => {
    const found = all.find(({ command }) => command.includes(word));
    const text = found ? readFileSync(`/proc/${found.pid}/status`, 'utf8') : '';
    return round(Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024);
  };
  return { node: of('data-plane/node/src'), agent: of('data-plane/agent/src'), api: of('control-plane/api') };
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0);
}

function percentiles(times: number[]): object {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
