import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cluster, CredentialCreated, NamespaceObserved, Topic } from '@robustmq/contracts';
import { startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';
import { TestAgent } from '../testing/test-agent.ts';

let api: TestApi;
let agent: TestAgent;
let owner: SignedUp;

beforeAll(async () => {
  api = await startTestApi();
  agent = await TestAgent.joined(api);
  owner = await api.signUp();
});
afterAll(async () => {
  agent.close();
  await api.stop();
});

const token = () => ({ token: owner.token });
const create = (name: string, plan = 'serverless') =>
  api.call<Cluster>('POST', `${owner.at}/clusters`, { ...token(), body: { name, plan } });
const get = async (id: string) => (await api.call<Cluster>('GET', `${owner.at}/clusters/${id}`, token())).body;
const ready = (id: string) =>
  until(
    () => get(id),
    (cluster) => cluster.phase === 'Ready',
  );

describe('many clusters at once', () => {
  it('leave connections to those who only read, and all become ready', async () => {
    const many = await api.signUp('many');
    const list = () => api.call<{ items: Cluster[] }>('GET', `${many.at}/clusters?limit=200`, { token: many.token });
    const made = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        api.call('POST', `${many.at}/clusters`, { token: many.token, body: { name: `many-${n}` } }),
      ),
    );
    expect(new Set(made.map((answer) => answer.status))).toEqual(new Set([202]));
    const answers: number[] = [];
    await until(
      async () => {
        const answer = await list();
        answers.push(answer.status);
        return answer;
      },
      (answer) => answer.status === 200 && answer.body.items.every((one) => one.phase === 'Ready'),
    );
    expect(new Set(answers)).toEqual(new Set([200]));
  });

  it('of a region nobody knows are refused', async () => {
    const answer = await api.call('POST', `${owner.at}/clusters`, {
      token: owner.token,
      body: { name: 'lost', region: 'atlantis' },
    });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/region' }] } });
  });
});

describe('a cluster', () => {
  it('is readable at once, and ready when its agent serves it', async () => {
    const made = await create('orders');
    expect(made.status).toBe(202);
    expect(made.body).toMatchObject({ phase: 'Pending', generation: 1, observedGeneration: 0, endpoints: {} });
    expect(made.body.key).toMatch(/^orders-[a-z2-7]{6}$/);
    const cluster = await ready(made.body.id);
    expect(cluster.endpoints).toEqual({
      mqtt: 'mqtt://localhost:1883',
      mqttWs: 'ws://localhost:8083',
      kafka: 'kafka://localhost:9092',
    });
    expect(cluster.conditions.map((c) => `${c.type} ${c.status}`).sort()).toEqual([
      'AgentConnected True',
      'CredentialsPropagated True',
      'EndpointsReachable True',
      'Ready True',
      'SpecApplied True',
    ]);
    const spec = agent.desired?.namespaces.find((one) => one.clusterId === cluster.id);
    expect(spec).toMatchObject({ node: 'shared', key: cluster.key, tenantId: owner.tenantId, generation: 1 });
  });

  it('is not ready before its endpoints answer', async () => {
    agent.serve = (spec): NamespaceObserved => ({
      ...{ clusterId: spec.clusterId, observedGeneration: spec.generation, phase: 'ready', connections: 0 },
      ...{ endpointsReachable: false, topics: [] },
    });
    const { body } = await create('unreachable');
    const cluster = await until(
      () => get(body.id),
      (one) => one.observedGeneration === 1,
    );
    expect(cluster.phase).not.toBe('Ready');
    agent.serve = agent.serve = (spec) => ({
      ...{ clusterId: spec.clusterId, observedGeneration: spec.generation, phase: 'ready', connections: 0 },
      ...{ endpointsReachable: true, topics: spec.topics.map((t) => ({ ...t, storedBytes: 0 })) },
    });
    agent.report();
    await ready(body.id);
  });

  it('says why it failed, and leaves that by being served', async () => {
    const before = agent.serve;
    agent.serve = (spec) => ({
      ...before(spec),
      observedGeneration: 0,
      phase: 'failed',
      error: 'the disk is full',
      endpointsReachable: false,
    });
    const { body } = await create('failing');
    const failed = await until(
      () => get(body.id),
      (one) => one.phase === 'Failed',
    );
    expect(failed.lastError).toBe('the disk is full');
    agent.serve = before;
    agent.report();
    expect((await ready(body.id)).lastError).toBeNull();
  });

  it('has a name that is unique in its tenant until it is deleted', async () => {
    const first = await create('twice');
    expect((await create('twice')).body).toMatchObject({ code: 'name-taken' });
    await ready(first.body.id);
    const gone = await api.call<Cluster>('DELETE', `${owner.at}/clusters/${first.body.id}?restore_days=0`, token());
    expect(gone).toMatchObject({ status: 202, body: { phase: 'Deleting' } });
    await until(
      async () => (await api.call('GET', `${owner.at}/clusters/${first.body.id}`, token())).status,
      (status) => status === 404,
    );
    expect((await create('twice')).status).toBe(202);
  });

  it('stays Deleting until the agent says that its data is gone', async () => {
    const { body } = await create('lingering');
    await ready(body.id);
    const report = agent.report.bind(agent);
    agent.report = () =>
      report([
        ...agent.observed(),
        {
          clusterId: body.id,
          observedGeneration: 0,
          phase: 'applying',
          endpointsReachable: false,
          topics: [],
          connections: 0,
        },
      ]);
    await api.call('DELETE', `${owner.at}/clusters/${body.id}?restore_days=0`, token());
    await until(
      async () => agent.desired?.namespaces.some((one) => one.clusterId === body.id),
      (there) => there === false,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await get(body.id)).phase).toBe('Deleting');
    const credential = await api.call('POST', `${owner.at}/clusters/${body.id}/credentials`, {
      ...token(),
      body: { name: 'x' },
    });
    expect(credential).toMatchObject({ status: 409, body: { code: 'conflict' } });
    agent.report = report;
    agent.report([
      ...agent.observed(),
      {
        clusterId: body.id,
        observedGeneration: 0,
        phase: 'deleted',
        endpointsReachable: false,
        topics: [],
        connections: 0,
      },
    ]);
    await until(
      async () => (await api.call('GET', `${owner.at}/clusters/${body.id}`, token())).status,
      (status) => status === 404,
    );
  });

  it('with a node of its own gets ports of its own, also over TLS, and others when one is taken', async () => {
    const before = agent.serve;
    let refused: number | undefined;
    agent.serve = (spec) => {
      if (spec.plan !== 'dedicated') return before(spec);
      refused ??= spec.ports!.mqtt;
      if (spec.ports!.mqtt !== refused) return before(spec);
      return {
        ...before(spec),
        observedGeneration: 0,
        phase: 'failed',
        endpointsReachable: false,
        error: `port ${refused + 2} is in use`,
      };
    };
    const { body } = await create('own-node', 'dedicated');
    const cluster = await ready(body.id);
    const spec = agent.desired!.namespaces.find((one) => one.clusterId === body.id)!;
    expect(spec.node).toBe(body.id);
    const base = refused! + 8;
    expect(spec.ports).toEqual({
      ...{ mqtt: base, mqttWs: base + 1, kafka: base + 2, amqp: base + 3 },
      ...{ mqtts: base + 4, mqttWss: base + 5, kafkaTls: base + 6 },
    });
    expect(cluster.endpoints).toMatchObject({
      kafka: `kafka://localhost:${base + 2}`,
      mqtts: `mqtts://localhost:${base + 4}`,
      mqttWss: `wss://localhost:${base + 5}`,
      kafkaTls: `kafka+ssl://localhost:${base + 6}`,
    });
    const other = await create('own-node-2', 'dedicated');
    await ready(other.body.id);
    expect(agent.desired!.namespaces.find((one) => one.clusterId === other.body.id)!.ports!.mqtt).toBe(base + 8);
    agent.serve = before;
  });
});

describe('a credential', () => {
  it('works once the agent has it, and only verifiers of it are kept', async () => {
    const { body: cluster } = await create('with-credentials');
    await ready(cluster.id);
    const at = `${owner.at}/clusters/${cluster.id}/credentials`;
    const made = await api.call<CredentialCreated>('POST', at, { ...token(), body: { name: 'sensor.1' } });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ username: `sensor.1@${cluster.key}`, propagated: true });
    expect(made.body.password).toMatch(/^[0-9A-Za-z]{32}$/);

    const spec = agent.desired!.namespaces.find((one) => one.clusterId === cluster.id)!.credentials[0]!;
    const { sha256, scramSha256, scramSha512 } = spec.verifiers;
    const salted = Buffer.concat([Buffer.from(sha256.salt, 'base64'), Buffer.from(made.body.password)]);
    expect(createHash('sha256').update(salted).digest('base64')).toBe(sha256.hash);
    for (const [scram, algorithm, bytes] of [
      [scramSha256, 'sha256', 32],
      [scramSha512, 'sha512', 64],
    ] as const) {
      const key = pbkdf2Sync(made.body.password, Buffer.from(scram.salt, 'base64'), scram.iterations, bytes, algorithm);
      const clientKey = createHmac(algorithm, key).update('Client Key').digest();
      expect(createHash(algorithm).update(clientKey).digest('base64')).toBe(scram.storedKey);
      expect(createHmac(algorithm, key).update('Server Key').digest('base64')).toBe(scram.serverKey);
    }

    expect((await api.call('POST', at, { ...token(), body: { name: 'sensor.1' } })).body).toMatchObject({
      code: 'name-taken',
    });
    const chosen = await api.call('POST', at, { ...token(), body: { name: 'x', password: 'mine' } });
    expect(chosen).toMatchObject({
      status: 400,
      body: { code: 'validation-failed', errors: [{ pointer: '/password' }] },
    });
    const list = await api.call<{ items: object[] }>('GET', at, token());
    expect(list.body.items).toHaveLength(1);
    expect(JSON.stringify(list.body)).not.toContain(made.body.password);

    expect((await api.call('DELETE', `${at}/${made.body.id}`, token())).status).toBe(204);
    expect(agent.desired!.namespaces.find((one) => one.clusterId === cluster.id)!.credentials).toEqual([]);
    expect((await api.call('DELETE', `${at}/${made.body.id}`, token())).status).toBe(404);
  });
});

describe('a topic', () => {
  it('is ready when its creation answers; quotas and names are checked', async () => {
    const { body: cluster } = await create('with-topics');
    await ready(cluster.id);
    const at = `${owner.at}/clusters/${cluster.id}/topics`;
    const post = (body: object) => api.call<Topic & { code: string }>('POST', at, { ...token(), body });
    expect(await post({ name: 'a.b', partitions: 3 })).toMatchObject({
      status: 201,
      body: { name: 'a.b', partitions: 3, origin: 'api', ready: true, storedBytes: 0 },
    });
    expect((await post({ name: 'a.b' })).body.code).toBe('name-taken');
    expect((await post({ name: '..' })).body.code).toBe('validation-failed');
    for (let n = 0; n < 15; n += 1) expect((await post({ name: `t${n}`, partitions: 256 })).status).toBe(201);
    expect((await post({ name: 'too-many', partitions: 256 })).body.code).toBe('quota-exceeded');
  });

  it('made by a client is listed, and deleted for good like any other', async () => {
    const { body: cluster } = await create('client-topics');
    await ready(cluster.id);
    const at = `${owner.at}/clusters/${cluster.id}/topics`;
    const before = agent.serve;
    let clientTopic = true;
    agent.serve = (spec) => {
      const observed = before(spec);
      if (spec.clusterId !== cluster.id) return observed;
      if (spec.topicsRemoved.includes('made.by.kafka')) clientTopic = false;
      return clientTopic
        ? { ...observed, topics: [...observed.topics, { name: 'made.by.kafka', partitions: 2, storedBytes: 77 }] }
        : observed;
    };
    agent.report();
    await api.call('POST', at, { ...token(), body: { name: 'z', partitions: 1 } });
    const list = () => api.call<{ items: Topic[]; nextCursor?: string }>('GET', `${at}?limit=1`, token());
    const first = await list();
    expect(first.body.items).toEqual([
      { name: 'made.by.kafka', partitions: 2, origin: 'client', ready: true, storedBytes: 77 },
    ]);
    const second = await api.call<{ items: Topic[] }>('GET', `${at}?limit=1&cursor=${first.body.nextCursor}`, token());
    expect(second.body.items.map((topic) => topic.name)).toEqual(['z']);
    expect(second.body).not.toHaveProperty('nextCursor');
    expect((await api.call('DELETE', `${at}/made.by.kafka`, token())).status).toBe(204);
    expect((await api.call('DELETE', `${at}/made.by.kafka`, token())).status).toBe(404);
    expect((await list()).body.items.map((topic) => topic.name)).toEqual(['z']);
    expect((await api.call('DELETE', `${at}/z`, token())).status).toBe(204);
    expect((await api.call('POST', at, { ...token(), body: { name: 'z' } })).status).toBe(201);
    agent.serve = before;
  });
});
