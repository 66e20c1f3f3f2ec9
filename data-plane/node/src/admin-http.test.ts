import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_QUOTAS, type NamespaceObserved, type NamespaceSpec } from '@robustmq/contracts/data-plane';
import { SILENT_LOG } from '@robustmq/wire';
import { AdminServer, socketPathIn, SOCKET_PATH_BYTES_MAX, type AdminTarget } from './admin-http.ts';
import { NodeError } from './node-error.ts';
import { AdminClient } from './testing/spawned-node.ts';
import { systemRuntime } from './runtime.ts';

vi.setConfig({ testTimeout: 30_000 });

const CLUSTER = '01975c00-0000-7000-8000-000000000001';
const TENANT = '01975c00-0000-7000-8000-0000000000aa';
const SPEC = {
  clusterId: CLUSTER,
  tenantId: TENANT,
  key: 'demo-abcdef',
  generation: 3,
  plan: 'serverless',
  node: 'shared',
  quotas: DEFAULT_QUOTAS.serverless,
  credentials: [],
  topics: [{ name: 'sensors', partitions: 2 }],
};

/** Answers with what it was asked. */
class EchoTarget implements AdminTarget {
  readonly calls: unknown[] = [];
  running = 0;
  overlaps = 0;
  health = () => ({ nodeId: 'n', nodeEpoch: 'e', pid: 1, version: '1', ready: true, listeners: [] });
  async applyNamespace(spec: NamespaceSpec): Promise<NamespaceObserved> {
    if (++this.running > 1) this.overlaps++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    this.running--;
    this.calls.push(spec);
    if (spec.generation === 13) throw new Error('unlucky');
    return {
      clusterId: spec.clusterId,
      observedGeneration: spec.generation,
      phase: 'ready',
      endpointsReachable: false,
      topics: [],
      connections: 0,
    };
  }
  async removeNamespace(clusterId: string): Promise<void> {
    this.calls.push(clusterId);
  }
  finishRemovals = async () => ({ streams: 3 });
  namespaces = () => [];
  async view(clusterId: string, view: string, query: unknown) {
    if (view === 'nothing') throw new NodeError('not-found', 'there is no view nothing');
    return { clusterId, view, query };
  }
  async usage(afterSeq: number, limit: number) {
    this.calls.push([afterSeq, limit]);
    return { nodeEpoch: 'e', windows: [] };
  }
  async trimUsage(throughSeq: number): Promise<void> {
    this.calls.push(throughSeq);
  }
  openUsage = () => ({ nodeEpoch: 'e', windowStartMs: 0, usage: [] });
  metrics = async () => 'up 1\n';
}

let dir: string;
let socket: string;
let target: EchoTarget;
let server: AdminServer;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'node-admin-'));
  socket = socketPathIn(dir);
  target = new EchoTarget();
  server = new AdminServer(target, 'secret', systemRuntime(SILENT_LOG));
  writeFileSync(socket, 'left behind');
  await server.open(socket);
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

interface Reply {
  readonly status: number;
  readonly text: string;
}
function call(method: string, path: string, body?: unknown, token: string | null = 'secret'): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    const outgoing = request({ socketPath: socket, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });
}

it('opens its socket for the owner alone', () => {
  expect(statSync(socket).mode & 0o777).toBe(0o600);
});

it.each([[null], ['wrong'], ['secret2'], ['']])('answers 401 to token %j', async (token) => {
  for (const [method, path] of [
    ['GET', '/v1/health'],
    ['GET', '/metrics'],
    ['PUT', `/v1/namespaces/${CLUSTER}`],
    ['GET', '/nothing'],
  ] as const) {
    expect(await call(method, path, undefined, token)).toMatchObject({ status: 401 });
  }
  expect(target.calls).toEqual([]);
});

describe('routes', () => {
  it('answer reads', async () => {
    expect(JSON.parse((await call('GET', '/v1/health')).text)).toMatchObject({ nodeId: 'n', ready: true });
    expect(await call('GET', '/v1/namespaces')).toEqual({ status: 200, text: '[]' });
    expect(await call('GET', '/metrics')).toEqual({ status: 200, text: 'up 1\n' });
    expect((await call('GET', '/v1/usage?afterSeq=7&limit=9')).status).toBe(200);
    expect((await call('GET', '/v1/usage')).status).toBe(200);
    expect(target.calls).toEqual([
      [7, 9],
      [0, 1000],
    ]);
    expect(JSON.parse((await call('GET', '/v1/usage/open')).text)).toEqual({
      nodeEpoch: 'e',
      windowStartMs: 0,
      usage: [],
    });
  });

  it('apply and remove a namespace, with the defaults of the contract', async () => {
    expect(JSON.parse((await call('PUT', `/v1/namespaces/${CLUSTER}`, SPEC)).text)).toMatchObject({
      observedGeneration: 3,
    });
    expect(target.calls[0]).toMatchObject({
      topics: [{ durability: 'flushed', retentionMs: 604_800_000 }],
      topicsRemoved: [],
    });
    expect(await call('DELETE', `/v1/namespaces/${CLUSTER}`)).toEqual({ status: 204, text: '' });
    expect(await call('DELETE', '/v1/usage?throughSeq=4')).toEqual({ status: 204, text: '' });
    expect(target.calls.slice(1)).toEqual([CLUSTER, 4]);
  });

  it('change one namespace at a time', async () => {
    await Promise.all([1, 2, 3].map((generation) => call('PUT', `/v1/namespaces/${CLUSTER}`, { ...SPEC, generation })));
    expect(target.overlaps).toBe(0);
    expect(target.calls.map((c) => (c as NamespaceSpec).generation)).toEqual([1, 2, 3]);
  });

  it.each([
    ['PUT', `/v1/namespaces/${CLUSTER}`, '{', 400],
    ['PUT', `/v1/namespaces/${CLUSTER}`, { ...SPEC, generation: 0 }, 400],
    ['PUT', `/v1/namespaces/${TENANT}`, SPEC, 400],
    ['PUT', '/v1/namespaces/not-an-id', SPEC, 400],
    ['PUT', `/v1/namespaces/${CLUSTER}`, { ...SPEC, generation: 13 }, 500],
    ['POST', `/v1/namespaces/${CLUSTER}`, SPEC, 405],
    ['DELETE', '/v1/usage', undefined, 400],
    ['GET', '/v1/usage?afterSeq=-1', undefined, 400],
    ['GET', '/v1/usage?limit=99999', undefined, 400],
    ['GET', '/v2/health', undefined, 404],
  ])('answer %s %s %j with %i', async (method, path, body, status) => {
    const reply = await call(method, path, body);
    expect(reply.status).toBe(status);
    expect(JSON.parse(reply.text)).toMatchObject({ code: expect.any(String), message: expect.any(String) });
  });
});

it('moves the socket where the run directory is too deep for one', () => {
  const deep = `/${'d'.repeat(150)}`;
  expect(socketPathIn(deep).length).toBeLessThanOrEqual(SOCKET_PATH_BYTES_MAX);
  expect(socketPathIn(deep)).toBe(socketPathIn(deep));
  expect(socketPathIn(deep)).not.toBe(socketPathIn(`${deep}2`));
  expect(socketPathIn('/run/node')).toBe('/run/node/admin.sock');
});

it('hands a view its query and says what is refused', async () => {
  const path = `/v1/namespaces/${CLUSTER}/views`;
  const admin = new AdminClient(socket, 'secret');
  expect(await admin.json('POST', `${path}/clients`, { limit: 3 })).toEqual({
    ...{ clusterId: CLUSTER, view: 'clients', query: { limit: 3 } },
  });
  expect(await admin.json('POST', `${path}/clients`)).toMatchObject({ query: {} });
  expect(await admin.call('POST', `${path}/nothing`, {})).toMatchObject({
    ...{ status: 404, text: '{"code":"not-found","message":"there is no view nothing"}' },
  });
  expect(await admin.call('POST', `${path}/clients`, 'x'.repeat(70_000))).toMatchObject({ status: 413 });
});
