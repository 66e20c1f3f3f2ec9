import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AgentObserved, Cluster, OperatorAgents, OperatorRollout } from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { OPERATOR_TOKEN, startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { clusterView } from '../clusters/cluster-view.ts';
import { FleetWatch, livenessAfter, LOST_MS, UNKNOWN_MS } from './fleet-watch.ts';

type Agent = OperatorAgents['items'][number];
const GIB = 2 ** 30;

let api: TestApi;
let owner: SignedUp;
const agents: TestAgent[] = [];
beforeAll(async () => {
  api = await startTestApi();
  owner = await api.signUp();
});
afterEach(() => agents.splice(0).forEach((agent) => agent.close()));
afterAll(() => api.stop());

const joined = async (region: string): Promise<TestAgent> => {
  const agent = await TestAgent.joined(api, region);
  agents.push(agent);
  return agent;
};
const operator = <T>(method: string, path: string, body?: object) =>
  api.call<T>(method, `/v1/operator/${path}`, { token: OPERATOR_TOKEN, ...(body ? { body } : {}) });
const agentOf = async (agent: TestAgent): Promise<Agent> =>
  (await operator<OperatorAgents>('GET', 'agents')).body.items.find((one) => one.id === agent.agentId)!;
const create = async (name: string, region: string, plan = 'serverless'): Promise<Cluster> =>
  (await api.call<Cluster>('POST', `${owner.at}/clusters`, { token: owner.token, body: { name, region, plan } })).body;
const get = async (id: string): Promise<Cluster> =>
  (await api.call<Cluster>('GET', `${owner.at}/clusters/${id}`, { token: owner.token })).body;
const rowOf = (id: string) =>
  api.database.withTenant(owner.tenantId, (tx) => tx.cluster.findUnique({ where: { id }, include: { agent: true } }));
const placedOn = (id: string) =>
  api.database.withTenant(owner.tenantId, async (tx) => (await tx.cluster.findUnique({ where: { id } }))?.agentId);

const observed = (changes: Partial<AgentObserved> = {}, node: object = {}): AgentObserved => ({
  ...{ cpus: 4, loadAverage: 0.5, memoryBytes: 8 * GIB, memoryFreeBytes: 4 * GIB },
  ...{ diskBytes: 100 * GIB, diskFreeBytes: 50 * GIB, release: null },
  nodes: [
    {
      ...{ id: 'shared', pid: 1, version: '0.1.0', ready: true, namespaces: 1, connections: 0 },
      ...{ memoryBytes: GIB, crashes: 0, ...node },
    },
  ],
  ...changes,
});
/** What the agent says of itself, and that the control plane has taken it. */
async function says(agent: TestAgent, what: AgentObserved): Promise<void> {
  const message = { version: agent.version, namespacesJson: JSON.stringify(agent.observed()) };
  await agent.call('PushStatus', { ...message, agentJson: JSON.stringify(what) });
  expect((await agentOf(agent)).observed).toEqual(what);
}

describe('placement', () => {
  it('spreads by load, keeps headroom, and says why', async () => {
    const [busy, idle, full] = [await joined('spread'), await joined('spread'), await joined('spread')];
    await says(busy, observed({}, { namespaces: 500, connections: 9_000 }));
    await says(idle, observed({}, { namespaces: 3 }));
    await says(full, observed({ diskFreeBytes: GIB }));
    const cluster = await create('spread', 'spread');
    expect(await until(() => placedOn(cluster.id), Boolean)).toBe(idle.agentId);
    const { body } = await operator<{ items: { agentId: string; eligible: boolean; reasons: string[] }[] }>(
      'GET',
      'placement?region=spread',
    );
    expect(body.items.map(({ agentId, eligible }) => [agentId, eligible])).toEqual([
      [idle.agentId, true],
      [busy.agentId, true],
      [full.agentId, false],
    ]);
    expect(body.items[2]!.reasons).toEqual(['Only 1 % of its disk is free.']);
    expect((await operator('GET', 'placement?plan=x')).status).toBe(400);
  });

  it('leaves cordoned agents out, and what is on them alone', async () => {
    const [first, second] = [await joined('cordon'), await joined('cordon')];
    const cordoned = await operator<Agent>('POST', `agents/${first.agentId}/cordon`, { reason: 'new disk' });
    expect(cordoned.body.cordoned).toMatchObject({ reason: 'new disk' });
    for (const name of ['c1', 'c2']) {
      const cluster = await create(name, 'cordon');
      expect(await until(() => placedOn(cluster.id), Boolean)).toBe(second.agentId);
    }
    await operator('POST', `agents/${second.agentId}/cordon`, {});
    const waiting = await create('c3', 'cordon');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await placedOn(waiting.id)).toBeNull();
    expect((await operator<Agent>('POST', `agents/${first.agentId}/uncordon`)).body.cordoned).toBeNull();
    expect((await operator('POST', `agents/${randomUUID()}/cordon`, {})).status).toBe(404);
    expect((await operator('POST', 'agents/nonsense/cordon', {})).status).toBe(404);
    expect((await api.call('POST', `/v1/operator/agents/${first.agentId}/cordon`, { token: owner.token })).status).toBe(
      401,
    );
  });

  it('drains: clusters lead their clients away, until the cordon ends', async () => {
    const agent = await joined('drain');
    const cluster = await create('drained', 'drain');
    await until(
      () => get(cluster.id),
      ({ phase }) => phase === 'Ready',
    );
    const drained = await operator<Agent>('POST', `agents/${agent.agentId}/drain`, {});
    expect(drained.body).toMatchObject({ cordoned: { reason: 'drained by the operator' } });
    expect(drained.body.drainingSince).not.toBeNull();
    const relocation = async () => agent.desired?.namespaces[0]?.relocation ?? null;
    expect(await until(relocation, Boolean)).toEqual({ state: 'draining', mqtt: null, kafka: null });
    await operator('POST', `agents/${agent.agentId}/uncordon`);
    await until(relocation, (one) => one === null);
  });

  it('refuses to move a cluster whose data is on its machine, and says so', async () => {
    const [from, to] = [await joined('move'), await joined('move')];
    await operator('POST', `agents/${to.agentId}/cordon`, {});
    const cluster = await create('move', 'move');
    await until(
      () => get(cluster.id),
      ({ phase }) => phase === 'Ready',
    );
    const body = { tenantId: owner.tenantId, agentId: to.agentId };
    const refused = await operator<{ detail: string }>('POST', `clusters/${cluster.id}/move`, body);
    expect(refused).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('is not copied') as string },
    });
    expect(await placedOn(cluster.id)).toBe(from.agentId);
    const stranger = { ...body, tenantId: randomUUID() };
    expect((await operator('POST', `clusters/${cluster.id}/move`, stranger)).status).toBe(404);
  });

  it('lists regions and nodes from what agents say', async () => {
    const agent = await joined('lists');
    await says(agent, observed({}, { connections: 12, namespaces: 5 }));
    const { body } = await operator<{ items: { region: string }[] }>('GET', 'regions');
    expect(body.items.find(({ region }) => region === 'lists')).toMatchObject({
      ...{ agents: 1, connected: 1, cordoned: 0, clusters: 5, connections: 12, cpus: 4, memoryFreeBytes: 4 * GIB },
    });
    const nodes = await operator<{ items: { agentId: string }[] }>('GET', 'nodes');
    expect(nodes.body.items).toContainEqual(
      expect.objectContaining({ agentId: agent.agentId, id: 'shared', connections: 12, region: 'lists' }),
    );
  });
});

describe('liveness', () => {
  it('is Unknown after 40 s and False after 3 min', () => {
    expect([0, UNKNOWN_MS - 1, UNKNOWN_MS, LOST_MS - 1, LOST_MS].map(livenessAfter)).toEqual([
      ...['True', 'True', 'Unknown', 'Unknown', 'False'],
    ]);
  });

  it('tells tenant and operator of a lost agent, and starts nothing elsewhere', async () => {
    const agent = await joined('lost');
    const dedicated = await create('lost-dedicated', 'lost', 'dedicated');
    const shared = await create('lost-shared', 'lost');
    for (const { id } of [dedicated, shared])
      await until(
        () => get(id),
        ({ phase }) => phase === 'Ready',
      );
    const other = await joined('lost');
    const hook = await api.call<{ id: string }>('POST', `${owner.at}/webhooks`, {
      token: owner.token,
      body: { url: 'https://hooks.example.com/x', events: ['cluster.*'] },
    });
    expect(hook.status).toBe(201);
    agent.close();
    const watch = api.app.get(FleetWatch);
    const after = (ms: number): Date => new Date(Date.now() + ms);

    await watch.look(after(UNKNOWN_MS + 1_000));
    expect((await agentOf(agent)).liveness).toBe('Unknown');
    await watch.look(after(LOST_MS + 1_000));
    expect((await agentOf(agent)).liveness).toBe('False');
    const lost = clusterView((await rowOf(dedicated.id))!, after(LOST_MS + 1_000));
    expect(lost.conditions.find(({ type }) => type === 'AgentConnected')).toMatchObject({
      ...{ status: 'False', reason: 'AgentLost', message: expect.stringContaining('empty disk') as string },
    });
    for (const { id } of [dedicated, shared]) {
      expect(await placedOn(id)).toBe(agent.agentId);
      expect((await get(id)).phase).toBe('Ready');
    }
    expect(other.desired?.namespaces ?? []).toEqual([]);
    const told = async (): Promise<string[]> => {
      const rows = await api.database.withTenant(owner.tenantId, (tx) =>
        tx.webhookDelivery.findMany({ where: { event: 'cluster.agent-lost' } }),
      );
      const ids = rows.map(({ payload }) => (payload as { data: { clusterId: string } }).data.clusterId);
      return ids.filter((id) => [dedicated.id, shared.id].includes(id as never)).sort();
    };
    expect(await told()).toEqual([dedicated.id, shared.id].sort());
    // looked at again, nobody is told again
    await watch.look(after(LOST_MS + 9_000));
    expect(await told()).toHaveLength(2);
  });
});

describe('a rollout', () => {
  const manifest = (version: string) => ({
    ...{ version, location: `/releases/${version}.tar.gz`, digest: version.replaceAll(/\D/g, '').padEnd(64, 'a') },
    ...{ controlMin: '0.1.0', controlMax: '9.0.0' },
  });
  const publish = async (version: string): Promise<string> =>
    (await operator<{ id: string }>('POST', 'releases', manifest(version))).body.id;
  const state = async (id: string): Promise<OperatorRollout> =>
    (await operator<{ items: OperatorRollout[] }>('GET', 'rollouts')).body.items.find((one) => one.id === id)!;
  /** Agents of other tests are no part of it. */
  const alone = async (): Promise<void> => {
    const everybody = await api.database.agents.list();
    for (const { id } of everybody) await api.database.agents.disable(id, new Date());
  };
  const look = (ms = 0): Promise<void> => api.app.get(FleetWatch).look(new Date(Date.now() + ms));
  const runs = (agent: TestAgent, version: string, more: object = {}, node: object = {}): Promise<void> =>
    says(agent, observed({ release: { version, previous: '0.1.0', failed: null }, ...more }, node));

  it('goes wave by wave, internal agents first, and is done when all run it', async () => {
    await alone();
    const [a, b, c] = [await joined('waves'), await joined('waves'), await joined('waves')];
    await operator('POST', `agents/${c.agentId}/internal`, { internal: true });
    for (const agent of [a, b, c]) await runs(agent, '0.1.0');
    const id = await publish('0.2.0');
    expect((await operator('POST', 'releases', { ...manifest('0.2.0'), digest: 'f'.repeat(64) })).status).toBe(409);
    const begun = await operator<OperatorRollout>('POST', `releases/${id}/rollout`, { soakSeconds: 0 });
    expect(begun).toMatchObject({ status: 202, body: { state: 'running', wave: 0 } });
    expect((await operator('POST', `releases/${id}/rollout`, {})).status).toBe(409);
    expect((await operator('POST', 'releases', { ...manifest('0.9.0'), controlMin: '0.2.0' })).status).toBe(409);
    const wanted = (): (string | undefined)[] => [a, b, c].map((agent) => agent.desired?.release?.version);

    await look();
    await until(
      async () => wanted(),
      (versions) => versions[2] === '0.2.0',
    );
    expect(wanted().slice(0, 2)).toEqual([undefined, undefined]);
    await look();
    expect((await state(begun.body.id)).wave).toBe(0);
    await runs(c, '0.2.0');
    await look(1_000); // the internal wave passes
    await look(1_000); // the first of the others gets it
    await until(
      async () => wanted(),
      (versions) => versions.filter((one) => one === '0.2.0').length === 2,
    );
    const first = a.desired?.release ? a : b;
    await runs(first, '0.2.0');
    for (let n = 0; n < 4; n += 1) await look(1_000);
    await until(
      async () => wanted(),
      (versions) => versions.every((one) => one === '0.2.0'),
    );
    await runs(first === a ? b : a, '0.2.0');
    for (let n = 0; n < 2; n += 1) await look(1_000);
    expect(await state(begun.body.id)).toMatchObject({ state: 'done', reason: null });
  });

  it.each([
    [
      'its node does not get ready',
      { release: { version: '0.1.0', previous: null, failed: { version: '0.3.0', reason: 'it ended' } } },
      {},
      /it ended/,
    ],
    [
      'nodes crash under it',
      { release: { version: '0.3.1', previous: '0.1.0', failed: null } },
      { crashes: 3 },
      /3 nodes crashed/,
    ],
    [
      'clients do not come back',
      { release: { version: '0.3.2', previous: '0.1.0', failed: null } },
      { connections: 5 },
      /5 of 100/,
    ],
  ] as const)('is taken back by itself when %s', async (_, says_, node, reason) => {
    await alone();
    const agent = await joined('back');
    await runs(agent, '0.1.0', {}, { connections: 100 });
    const version =
      'failed' in says_.release && says_.release.failed ? says_.release.failed.version : says_.release.version;
    const id = await publish(version);
    const begun = await operator<OperatorRollout>('POST', `releases/${id}/rollout`, { soakSeconds: 1 });
    await look();
    await until(
      async () => agent.desired?.release?.version,
      (one) => one === version,
    );
    await says(agent, observed(says_, { connections: 100, ...node }));
    await look(2_000);
    expect(await state(begun.body.id)).toMatchObject({
      state: 'rolled-back',
      reason: expect.stringMatching(reason) as string,
    });
    await until(
      async () => agent.desired,
      (desired) => desired !== undefined && desired.release === undefined,
    );
  });

  it('is taken back by the operator, once', async () => {
    await alone();
    const agent = await joined('hand');
    await runs(agent, '0.1.0');
    const id = await publish('0.4.0');
    const begun = await operator<OperatorRollout>('POST', `releases/${id}/rollout`, {});
    await look();
    await until(
      async () => agent.desired?.release?.version,
      (one) => one === '0.4.0',
    );
    const back = await operator<OperatorRollout>('POST', `rollouts/${begun.body.id}/rollback`);
    expect(back.body).toMatchObject({ state: 'rolled-back', reason: 'by the operator' });
    expect((await operator('POST', `rollouts/${begun.body.id}/rollback`)).status).toBe(409);
    await until(
      async () => agent.desired,
      (desired) => desired !== undefined && desired.release === undefined,
    );
  });
});
