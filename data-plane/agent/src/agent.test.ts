import { readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentConfig } from './agent-config.ts';
import { Agent } from './agent.ts';
import { LINK_TIMING } from './control-link.ts';
import type { NodePorts } from './plan.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import {
  clusterId,
  eventually as eventuallySeen,
  FAKE_NODE,
  freePorts,
  namespaceSpec,
  scratchDirectory,
  testLog,
} from './testing/fixtures.ts';
import { closeWindow } from './testing/fake-node-client.ts';

const FAST = { ...LINK_TIMING, leaseMs: 50, silenceMs: 2_000, pollMs: 50, reconnectFirstMs: 20, reconnectMaxMs: 200 };

describe('Agent with a control plane and nodes', { timeout: 180_000 }, () => {
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let sharedPorts: NodePorts;
  let agent: Agent;

  const config = (): AgentConfig => ({
    dir: join(scratch.dir, 'agent'),
    link: `http://127.0.0.1:${control.port}`,
    joinToken: control.joinToken,
    bind: '127.0.0.1',
    publicHost: 'localhost',
    sharedPorts,
    nodeMainPath: FAKE_NODE,
    usageWindowMs: 100,
  });
  const startAgent = async (): Promise<void> => {
    agent = new Agent(config(), testLog, FAST);
    await agent.start();
  };
  const seen = () => ({
    statuses: control.statuses,
    versionTaken: control.applied.at(-1),
    nodes: agent.reconciler.lanes.map(({ nodeId, failure, reachable, node }) => ({
      ...{ nodeId, reachable, pid: node.pid, failure: failure?.message },
    })),
  });
  const eventually = (what: string, ready: () => boolean | Promise<boolean>) => eventuallySeen(what, ready, seen);
  const phaseOf = (n: number) => control.statuses.find((one) => one.clusterId === clusterId(n));
  const isReady =
    (n: number, generation = 1) =>
    () => {
      const seen = phaseOf(n);
      return seen?.phase === 'ready' && seen.observedGeneration === generation && seen.endpointsReachable;
    };

  beforeEach(async () => {
    scratch = await scratchDirectory();
    sharedPorts = await freePorts();
    control = new FakeControlPlane();
    await control.start();
  });
  afterEach(async () => {
    await agent?.close(true);
    control.stop();
    await scratch.remove();
  });

  it('joins a control plane that lost its database anew when it is given a token, and serves on until then', async () => {
    control.desire([namespaceSpec(1), namespaceSpec(2)]);
    control.desire([namespaceSpec(1), namespaceSpec(2)]);
    await startAgent();
    await eventually('cluster 1 ready', isReady(1));
    const old = { ...config() };
    await agent.close(true);
    control.stop();
    control.forgetEverything();
    await control.start();
    // without a new token: it says so, keeps its identity and serves
    agent = new Agent({ ...old, joinToken: undefined }, testLog, FAST);
    await agent.start();
    await eventually('it asked', () => control.unknownAgents > 0);
    expect(agent.identity?.agentId).not.toBe(control.agentId);
    const served = (): boolean => agent.reconciler.report().filter(({ phase }) => phase === 'ready').length === 2;
    await eventually('both are served', served);
    await agent.close(true);
    await startAgent();
    control.desire([namespaceSpec(3)]);
    await eventually('cluster 3 ready', isReady(3));
    expect(agent.identity?.agentId).toBe(control.agentId);
    await eventually('the old ones are gone', () => phaseOf(1)?.phase !== 'ready');
    await agent.close(true);
    await startAgent();
    await eventually('cluster 3 after a restart', isReady(3));
    expect(control.enrolments).toBe(1);
  });

  it('enrols once, serves what is desired, and reports it reachable', async () => {
    control.desire([namespaceSpec(1)]);
    await startAgent();
    await eventually('cluster 1 ready', isReady(1));
    expect(control.endpoints).toEqual({ host: 'localhost', ...sharedPorts, amqp: 0 });
    control.desire([namespaceSpec(1, 2), namespaceSpec(2)]);
    await eventually('generation 2', isReady(1, 2));
    await eventually('cluster 2', isReady(2));
    await eventually('applied', () => control.applied.at(-1)?.version === control.version);
    expect(control.applied.at(-1)?.error).toBe('');
    await agent.close(true);
    await startAgent();
    expect(control.enrolments).toBe(1);
  });

  it('makes a node for a dedicated cluster, and removes it with its data after taking its last usage', async () => {
    const ports = await freePorts();
    control.desire([namespaceSpec(1), namespaceSpec(2, 1, ports)]);
    await startAgent();
    await eventually('dedicated cluster ready', isReady(2));
    control.desire([namespaceSpec(1)]);
    await eventually('cluster 2 deleted', () => phaseOf(2)?.phase === 'deleted');
    const thief = createServer().listen(ports.mqtt, '127.0.0.1');
    await eventually('its ports are free', () => thief.listening);
    thief.close();
    await eventually('last usage', () => [...control.usage.values()].some((one) => one.clusterId === clusterId(2)));
    const nodes = (): Promise<string[]> => readdir(join(scratch.dir, 'agent', 'nodes'));
    await eventually('its directory is gone', async () => (await nodes()).join() === 'shared');
    await eventually('cluster 1 unharmed', isReady(1));
  });

  it('keeps the node of a removed cluster until nothing of it is left in S3', async () => {
    control.desire([namespaceSpec(2, 1, await freePorts(), 'lingering-2')]);
    agent = new Agent({ ...config(), s3: { bucket: 'cold', region: 'eu', prefix: 'cloud/' } }, testLog, FAST);
    await agent.start();
    await eventually('ready', isReady(2));
    const nodes = join(scratch.dir, 'agent', 'nodes');
    const written = JSON.parse(await readFile(join(nodes, clusterId(2), 'config.json'), 'utf8')) as {
      tiering: { engine: string; prefix: string };
    };
    expect(written.tiering).toMatchObject({ engine: 's3', bucket: 'cold' });
    expect(written.tiering.prefix).toMatch(new RegExp(`^cloud/[0-9a-f]{16}/${clusterId(2)}/$`));
    control.desire([]);
    const lane = agent.reconciler.lanes.find(({ nodeId }) => nodeId === clusterId(2))!;
    await eventually('it waits', () => lane.failure?.message.includes('has not deleted its last objects') === true);
    expect(await readdir(nodes)).toContain(clusterId(2));
    await eventually('its directory is gone', async () => (await readdir(nodes)).join() === 'shared');
  });

  it('reports which port is taken, and takes the next block', async () => {
    const ports = await freePorts();
    const thief = createServer().listen(ports.kafka, '127.0.0.1');
    control.desire([namespaceSpec(2, 1, ports)]);
    await startAgent();
    await eventually('failed', () => phaseOf(2)?.phase === 'failed');
    expect(phaseOf(2)?.error).toBe(`port ${ports.kafka} in use`);
    control.desire([namespaceSpec(2, 1, await freePorts())]);
    await eventually('ready on other ports', isReady(2));
    thief.close();
  });

  it('reports a namespace its node refuses, and serves the others', async () => {
    control.desire([namespaceSpec(1), namespaceSpec(2, 1, undefined, 'refused-2')]);
    await startAgent();
    await eventually('refused', () => phaseOf(2)?.phase === 'failed');
    expect(phaseOf(2)?.error).toBe('no room for this namespace');
    control.desire([namespaceSpec(1, 2), namespaceSpec(3), namespaceSpec(2, 1, undefined, 'refused-2')]);
    await eventually('cluster 3', isReady(3));
    // Another tenant's failure is nobody else's to read.
    expect([phaseOf(1)?.error, phaseOf(3)?.error]).toEqual([undefined, undefined]);
    await eventually('cluster 1', isReady(1, 2));
  });

  it('restarts a killed node and serves again', async () => {
    control.desire([namespaceSpec(1)]);
    await startAgent();
    await eventually('ready', isReady(1));
    const { pid } = agent.reconciler.shared!.node;
    process.kill(pid!, 'SIGKILL');
    await eventually('another process', () => {
      const now = agent.reconciler.shared!.node.pid;
      return now !== undefined && now !== pid;
    });
    await eventually('ready again', isReady(1));
  });

  it('adopts running nodes after it was killed itself', async () => {
    control.desire([namespaceSpec(1), namespaceSpec(2, 1, await freePorts())]);
    await startAgent();
    await eventually('ready', () => isReady(1)() && isReady(2)());
    const pids = agent.reconciler.lanes.map((lane) => lane.node.pid);
    await agent.close(false);
    control.statuses = [];
    await startAgent();
    await eventually('ready', () => isReady(1)() && isReady(2)());
    expect(agent.reconciler.lanes.map((lane) => lane.node.pid)).toEqual(pids);
    process.kill(pids[0]!, 'SIGKILL');
    await eventually('an adopted node is restarted too', () => {
      const now = agent.reconciler.lanes[0]!.node.pid;
      return now !== undefined && now !== pids[0];
    });
  });

  it('serves from its own disk while the control plane is gone, and delivers usage when it is back', async () => {
    control.desire([namespaceSpec(1)]);
    await startAgent();
    await eventually('ready', isReady(1));
    await agent.close(true);
    control.stop();
    agent = new Agent({ ...config(), joinToken: undefined }, testLog, FAST);
    await agent.start();
    const lane = agent.reconciler.shared!;
    await eventually('namespace served', () => lane.namespaces.length === 1);
    for (let i = 0; i < 5; i += 1) await closeWindow(lane.node.directory, clusterId(1), '3');
    await control.start();
    await eventually('connected', () => agent.connected);
    await eventually('usage', () => control.usage.size === 5);
  });

  it('works by polling alone where streams are cut', async () => {
    control.streams = false;
    control.desire([namespaceSpec(1)]);
    await startAgent();
    await eventually('ready by polling', isReady(1));
    control.desire([namespaceSpec(1, 2)]);
    await eventually('generation 2 by polling', isReady(1, 2));
    expect(agent.connected).toBe(false);
  });

  it('counts usage once when acknowledgements are lost', async () => {
    control.desire([namespaceSpec(1)]);
    control.loseUsageAcks = true;
    await startAgent();
    await eventually('ready', isReady(1));
    const { directory } = agent.reconciler.shared!.node;
    for (let i = 0; i < 3; i += 1) await closeWindow(directory, clusterId(1), '2');
    await eventually('sent more than once', () => control.usageCalls > 2 && control.usage.size === 3);
    control.loseUsageAcks = false;
    const calls = control.usageCalls;
    await eventually('acknowledged', () => control.usageCalls > calls);
    expect(control.usage.size).toBe(3);
  });

  it('deletes nothing before it knows what is desired', async () => {
    control.desire([namespaceSpec(1)]);
    await startAgent();
    await eventually('ready', isReady(1));
    await agent.close(true);
    for (const name of ['state.bin', 'state.previous.bin']) {
      await rm(join(scratch.dir, 'agent', name), { force: true });
    }
    control.stop();
    agent = new Agent({ ...config(), joinToken: undefined }, testLog, FAST);
    await agent.start();
    const lane = agent.reconciler.shared!;
    await eventually('at rest', () => lane.atRest && lane.node.admin !== undefined);
    expect(lane.namespaces).toHaveLength(1);
  });

  it('gives up with one sentence when the shared node cannot have its ports', async () => {
    const thief = createServer().listen(sharedPorts.mqtt, '127.0.0.1');
    agent = new Agent(config(), testLog, FAST);
    await expect(agent.start()).rejects.toThrow(`port ${sharedPorts.mqtt} in use`);
    thief.close();
  });

  it('gives up when the shared node cannot run at the very first start', async () => {
    const broken = { ...config(), nodeMainPath: join(scratch.dir, 'nowhere.mjs') };
    agent = new Agent(broken, testLog, FAST);
    await expect(agent.start()).rejects.toMatchObject({ code: 'node-start-failed' });
    await agent.close(true);
    expect(control.enrolments).toBe(0);
  });

  it('gives up with one sentence when the join token is refused', async () => {
    control.enrolments = 1;
    agent = new Agent(config(), testLog, FAST);
    await expect(agent.start()).rejects.toThrow(/refused the join token/);
  });
});
