import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cluster } from '@robustmq/contracts';
import { TestAgent } from '../testing/test-agent.ts';
import { OPERATOR_TOKEN, startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { Provisioner } from './provisioner.ts';
import { Reconcile } from './reconcile.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;
let reconcile: Reconcile;
let serial = 0;

beforeAll(async () => {
  api = await startTestApi();
  owner = await api.signUp();
  reconcile = api.app.get(Reconcile);
  agent = await TestAgent.joined(api);
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

const cluster = (id: string) =>
  api.database.withTenant(owner.tenantId, (tx) => tx.cluster.findUnique({ where: { id } }));
const outbox = () => api.database.withTenant(owner.tenantId, (tx) => tx.outbox.findMany());

/** What a commit of the create request leaves behind when the process dies right after it. */
async function created(plan: string): Promise<string> {
  const provisioner = api.app.get(Provisioner);
  const kick = provisioner.kick.bind(provisioner);
  provisioner.kick = () => Promise.resolve();
  const body = { name: `crash-${(serial += 1)}`, plan };
  const made = await api.call<Cluster>('POST', `${owner.at}/clusters`, { token: owner.token, body });
  provisioner.kick = kick;
  return made.body.id;
}

/** The parts of a row in which two histories could differ. */
const world = async (id: string) => {
  const row = (await cluster(id))!;
  const { phase, generation, observedGeneration, handedGeneration, agentId, lastError, endpointsReachable } = row;
  return {
    phase,
    generation,
    observedGeneration,
    handedGeneration,
    agentId,
    lastError,
    endpointsReachable,
    ports: row.portBase !== null,
  };
};

describe.each(['serverless', 'dedicated'])('reconcile of a %s cluster', (plan) => {
  it.each([0, 1, 2, 3, 4])('killed after %i steps comes to the same world when it runs again', async (steps) => {
    const id = await created(plan);
    expect((await cluster(id))!.phase).toBe('Pending');
    for (let count = 0; count < steps; count += 1) await reconcile.step(owner.tenantId, id);
    expect((await outbox()).some((work) => work.key === id) || (await cluster(id))!.phase === 'Ready').toBe(true);
    await reconcile.run(owner.tenantId, id);
    await until(
      () => cluster(id),
      (row) => row!.phase === 'Ready',
    );
    expect(await world(id)).toEqual({
      ...{ phase: 'Ready', generation: 1, observedGeneration: 1, handedGeneration: 1, agentId: agent.agentId },
      ...{ lastError: null, endpointsReachable: true, ports: plan === 'dedicated' },
    });
    expect((await outbox()).map((work) => work.key)).not.toContain(id);
  });

  it.each([0, 1, 2])('killed %i steps into its deletion comes to the same world when it runs again', async (steps) => {
    const id = await created(plan);
    await reconcile.run(owner.tenantId, id);
    await until(
      () => cluster(id),
      (row) => row!.phase === 'Ready',
    );
    const provisioner = api.app.get(Provisioner);
    const kick = provisioner.kick.bind(provisioner);
    provisioner.kick = () => Promise.resolve();
    await api.call('DELETE', `${owner.at}/clusters/${id}?restore_days=0`, { token: owner.token });
    provisioner.kick = kick;
    for (let count = 0; count < steps; count += 1) await reconcile.step(owner.tenantId, id);
    await reconcile.run(owner.tenantId, id);
    await until(
      () => cluster(id),
      (row) => row!.phase === 'Deleted',
    );
    expect(await world(id)).toMatchObject({ generation: 2, handedGeneration: 2, ports: false });
    expect((await outbox()).map((work) => work.key)).not.toContain(id);
  });

  it('run by many at once does nothing twice', async () => {
    const id = await created(plan);
    const before = (await api.database.agents.agent(agent.agentId))!.desiredVersion;
    await Promise.all(Array.from({ length: 6 }, () => reconcile.run(owner.tenantId, id)));
    await until(
      () => cluster(id),
      (row) => row!.phase === 'Ready',
    );
    expect((await api.database.agents.agent(agent.agentId))!.desiredVersion).toBe(before + 1n);
  });
});

/** A region is known from the moment an agent is invited to it. */
const invite = (region: string) =>
  api.call('POST', '/v1/operator/join-tokens', { token: OPERATOR_TOKEN, body: { region } });

describe('the sweep', () => {
  it('finishes what a killed process left, through the queue', async () => {
    const id = await created('serverless');
    await api.app.get(Provisioner).sweep();
    await until(
      () => cluster(id),
      (row) => row!.phase === 'Ready',
    );
  });

  it('places a cluster of a region whose agent comes later', async () => {
    await invite('moon');
    const body = { name: 'elsewhere', region: 'moon' };
    const made = await api.call<Cluster>('POST', `${owner.at}/clusters`, { token: owner.token, body });
    const read = async () =>
      (await api.call<Cluster>('GET', `${owner.at}/clusters/${made.body.id}`, { token: owner.token })).body;
    await until(
      async () => (await outbox()).length,
      (count) => count === 1,
    );
    expect(await read()).toMatchObject({
      phase: 'Pending',
      conditions: [{ type: 'AgentConnected', status: 'False', reason: 'NoAgent' }, {}, {}, {}, {}],
    });
    const moon = await TestAgent.joined(api, 'moon');
    await api.app.get(Provisioner).sweep();
    await until(read, (one) => one.phase === 'Ready');
    moon.close();
  });

  it('deletes a cluster that was never placed without asking anybody', async () => {
    await invite('mars');
    const body = { name: 'nowhere', region: 'mars' };
    const made = await api.call<Cluster>('POST', `${owner.at}/clusters`, { token: owner.token, body });
    await api.call('DELETE', `${owner.at}/clusters/${made.body.id}?restore_days=0`, { token: owner.token });
    await until(
      () => cluster(made.body.id),
      (row) => row!.phase === 'Deleted',
    );
  });
});
