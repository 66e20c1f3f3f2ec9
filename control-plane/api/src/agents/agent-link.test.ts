import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Cluster, OperatorAgents } from '@robustmq/contracts';
import { joinToken, TestAgent } from '../testing/test-agent.ts';
import { OPERATOR_TOKEN, startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { Agents } from '@robustmq/db';
import { AgentPokes } from '../provisioning/agent-pokes.ts';
import type { StateUpdate } from './agent-frames.ts';

let api: TestApi;
let owner: SignedUp;
const agents: TestAgent[] = [];

beforeAll(async () => {
  api = await startTestApi();
  owner = await api.signUp();
});
afterEach(() => agents.splice(0).forEach((agent) => agent.close()));
afterAll(() => api.stop());

const fresh = (): TestAgent => {
  const agent = new TestAgent(api.agentAddress);
  agents.push(agent);
  return agent;
};
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 0,
    (error: { code: number }) => error.code,
  );

describe('enrolment', () => {
  it('takes a token once, and gives the same key the same identity when its reply was lost', async () => {
    const token = await joinToken(api);
    const agent = fresh();
    await agent.enrol(token);
    const first = agent.agentId;
    expect(agent.controlPublicKeyPem).toContain('PUBLIC KEY');
    await agent.enrol(token);
    expect(agent.agentId).toBe(first);
    const thief = fresh();
    await expect(thief.enrol(token)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('used already'),
    });
  });

  it('lets one of many with one token win', async () => {
    const token = await joinToken(api);
    const codes = await Promise.all([1, 2, 3, 4].map(() => codeOf(fresh().enrol(token))));
    expect(codes.sort()).toEqual([0, 9, 9, 9]);
  });

  it('refuses expired and unknown tokens, wrong signatures and wrong keys', async () => {
    const short = await joinToken(api, 'local', 1);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await expect(fresh().enrol(short)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: expect.stringContaining('expired'),
    });
    expect(await codeOf(fresh().enrol('rmqj_unknown'))).toBe(status.UNAUTHENTICATED);
    const token = await joinToken(api);
    expect(await codeOf(fresh().enrol(token, fresh().sign(token)))).toBe(status.UNAUTHENTICATED);
    const request = { joinToken: token, publicKeyPem: 'x', agentVersion: '', signature: '' };
    expect(await codeOf(fresh().call('Enroll', request))).toBe(status.INVALID_ARGUMENT);
    await fresh().enrol(token);
  });

  it('is for operators alone', async () => {
    for (const token of [owner.token, 'x', undefined]) {
      const answer = await api.call('POST', '/v1/operator/join-tokens', { ...(token ? { token } : {}), body: {} });
      expect(answer.status).toBe(401);
    }
  });
});

describe('authentication', () => {
  it('refuses old, future, replayed and forged assertions, and calls without a token', async () => {
    const agent = fresh();
    await agent.enrol(await joinToken(api));
    const wrong = (changes: Parameters<TestAgent['authenticate']>[0]) => codeOf(agent.authenticate(changes));
    expect(await wrong({ issuedAtMs: Date.now() - 6 * 60_000 })).toBe(status.UNAUTHENTICATED);
    expect(await wrong({ issuedAtMs: Date.now() + 6 * 60_000 })).toBe(status.UNAUTHENTICATED);
    expect(await wrong({ signature: fresh().sign('x') })).toBe(status.UNAUTHENTICATED);
    expect(await wrong({ nonce: 'nonce-of-twelve' })).toBe(0);
    expect(await wrong({ nonce: 'nonce-of-twelve' })).toBe(status.UNAUTHENTICATED);
    for (const token of ['', 'x', owner.token]) {
      expect(await codeOf(agent.call('PullState', { haveVersion: 0 }, token))).toBe(status.UNAUTHENTICATED);
      agent.token = token;
      expect(await codeOf(agent.open())).toBe(status.UNAUTHENTICATED);
    }
  });

  it('gives tokens that are no access tokens of people', async () => {
    const agent = fresh();
    await agent.join(await joinToken(api));
    expect((await api.call('GET', '/v1/me', { token: agent.token })).status).toBe(401);
  });
});

describe('a session', () => {
  const create = async (name: string, region: string) => {
    const body = { name, region };
    return (await api.call<Cluster>('POST', `${owner.at}/clusters`, { token: owner.token, body })).body;
  };

  it('must begin with Hello of its own agent', async () => {
    const agent = fresh();
    await agent.join(await joinToken(api));
    const real = agent.agentId;
    agent.agentId = '00000000-0000-7000-8000-000000000000';
    expect(await codeOf(agent.open())).toBe(status.PERMISSION_DENIED);
    agent.agentId = real;
  });

  it('shows as connected to the operator while it is open', async () => {
    const agent = await TestAgent.joined(api, 'shown');
    agents.push(agent);
    const list = async () =>
      (await api.call<OperatorAgents>('GET', '/v1/operator/agents', { token: OPERATOR_TOKEN })).body.items.find(
        (one) => one.id === agent.agentId,
      )!;
    expect(await list()).toMatchObject({
      connected: true,
      region: 'shown',
      version: 'test',
      epoch: 1,
      endpoints: { mqtt: 1883 },
    });
  });

  it('gets the whole signed state again after a reconnect, when it has an older one', async () => {
    const agent = await TestAgent.joined(api, 'again');
    agents.push(agent);
    const cluster = await create('again', 'again');
    await until(
      async () => agent.desired,
      (state) => state?.namespaces[0]?.clusterId === cluster.id,
    );
    agent.stream!.cancel();
    agent.frames.length = 0;
    await agent.open();
    expect(agent.frames.some((frame) => frame.state)).toBe(false);
    agent.stream!.cancel();
    agent.frames.length = 0;
    await agent.open({ haveVersion: 0 });
    await until(async () => agent.frames.some((frame) => frame.state), Boolean);
    // unary twin
    const pulled = await agent.call<StateUpdate>('PullState', { haveVersion: 0, endpointsJson: '' });
    expect(JSON.parse(pulled.desiredJson)).toEqual(agent.desired);
    const latest = await agent.call<StateUpdate>('PullState', { haveVersion: agent.version, endpointsJson: '' });
    expect(latest).toEqual({ version: agent.version, desiredJson: '', signature: '' });
  });

  it('of a newer epoch supersedes the older, which is told and cannot come back', async () => {
    const old = await TestAgent.joined(api, 'epochs');
    agents.push(old);
    const clone = fresh();
    Object.assign(clone, {
      agentId: old.agentId,
      epoch: 2,
      token: old.token,
      controlPublicKeyPem: old.controlPublicKeyPem,
    });
    await clone.open();
    old.stream!.write({ lease: { seq: 2, agentTimeMs: Date.now() } });
    await until(
      async () => old.frames.at(-1)?.superseded,
      (frame) => frame?.byEpoch === 2,
    );
    await old.open();
    expect(old.frames.at(-1)?.superseded).toEqual({ byEpoch: 2 });
  });

  it('may be replaced by polling: state, status and readiness without a stream', async () => {
    const agent = await TestAgent.joined(api, 'polling');
    agents.push(agent);
    agent.stream!.cancel();
    const cluster = await create('polled', 'polling');
    const pull = () => agent.call<StateUpdate>('PullState', { haveVersion: 0, endpointsJson: '' });
    const update = await until(pull, (one) => one.desiredJson.includes(cluster.id));
    agent.stream = undefined;
    agent.take(update);
    await agent.call('PushStatus', { version: agent.version, namespacesJson: JSON.stringify(agent.observed()) });
    const read = await api.call<Cluster>('GET', `${owner.at}/clusters/${cluster.id}`, { token: owner.token });
    expect(read.body.phase).toBe('Ready');
  });

  it('ignores what an agent says about clusters that are not its own', async () => {
    const mine = await TestAgent.joined(api, 'mine');
    const other = await TestAgent.joined(api, 'other');
    agents.push(mine, other);
    mine.serve = (spec) => ({
      clusterId: spec.clusterId,
      observedGeneration: 0,
      phase: 'applying',
      endpointsReachable: false,
      topics: [],
      connections: 0,
    });
    const cluster = await create('not-yours', 'mine');
    await until(
      async () => mine.desired?.namespaces.length,
      (count) => count === 1,
    );
    const lie = { clusterId: cluster.id, observedGeneration: 1, phase: 'ready', endpointsReachable: true };
    await other.call('PushStatus', { version: 99, namespacesJson: JSON.stringify([lie]) });
    const read = await api.call<Cluster>('GET', `${owner.at}/clusters/${cluster.id}`, { token: owner.token });
    expect(read.body.phase).toBe('Provisioning');
  });

  it('survives nonsense only as an error of that call', async () => {
    const agent = await TestAgent.joined(api, 'nonsense');
    agents.push(agent);
    for (const namespacesJson of ['', '{', '[{}]', 'null'])
      expect(await codeOf(agent.call('PushStatus', { version: 1, namespacesJson }))).toBe(status.INVALID_ARGUMENT);
    expect(await codeOf(agent.call('PushUsage', { seq: 1, windowsJson: '[]', signature: 'x' }))).toBe(
      status.UNAUTHENTICATED,
    );
    expect(await codeOf(agent.call('PushUsage', { seq: 1, windowsJson: '[1]', signature: agent.sign('[1]') }))).toBe(
      status.INVALID_ARGUMENT,
    );
    expect((await api.call('GET', '/health/ready')).status).toBe(200);
  });
});

describe('pokes', () => {
  it('come also when another process raised the version', async () => {
    const agent = fresh();
    await agent.enrol(await joinToken(api));
    let poked = 0;
    const release = api.app.get(AgentPokes).hold(agent.agentId, () => (poked += 1));
    await until(
      () => Promise.resolve(poked),
      (count) => count === 1,
    );
    await api.database.withTenant(owner.tenantId, (tx) => Agents.nextVersion(tx, agent.agentId));
    await until(
      () => Promise.resolve(poked),
      (count) => count === 2,
    );
    release();
  });
});

describe('an agent that nobody knows', () => {
  it('is told so, and no more', async () => {
    const agent = fresh();
    await agent.enrol(await joinToken(api));
    agent.agentId = '01890000-0000-7000-8000-000000000000';
    await expect(agent.authenticate()).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: expect.stringContaining('does not know the agent'),
    });
  });
});
