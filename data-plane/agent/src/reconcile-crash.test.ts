import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DesiredState } from '@robustmq/contracts/data-plane';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyStep } from './apply.ts';
import { listNodeDirectories, NodeDirectory } from './node-directory.ts';
import { NodeProcess, type NodeProgram } from './node-process.ts';
import { desiredNodes, planNode, type NodePorts } from './plan.ts';
import { clusterId, FAKE_NODE, freePorts, namespaceSpec, scratchDirectory } from './testing/fixtures.ts';
import { UsageCollector } from './usage-collector.ts';
import { UsageSpool } from './usage-spool.ts';

const NEVER = new AbortController().signal;
const PROGRAM: NodeProgram = {
  execPath: process.execPath,
  mainPath: FAKE_NODE,
  settings: { bind: '127.0.0.1', publicHost: 'localhost', usageWindowMs: undefined },
};
class Crash extends Error {}

describe('a crash between any two steps', { timeout: 180_000 }, () => {
  let nodesDir: string;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let sharedPorts: NodePorts;
  let dedicatedPorts: NodePorts;

  beforeEach(async () => {
    scratch = await scratchDirectory();
    nodesDir = join(scratch.dir, 'nodes');
    sharedPorts = await freePorts();
    dedicatedPorts = await freePorts();
  });
  afterEach(async () => {
    for (const id of await listNodeDirectories(nodesDir)) {
      await new NodeProcess(new NodeDirectory(nodesDir, id), PROGRAM, () => undefined).stop();
    }
    await scratch.remove();
  });

  /** One life of an agent: everything in memory is new, and it ends after `steps` steps. Answers the steps it did. */
  async function life(desired: DesiredState, steps: number): Promise<number> {
    const spool = await UsageSpool.open(join(scratch.dir, 'spool'));
    const usage = await UsageCollector.open(spool);
    let done = 0;
    try {
      const ids = new Set([...desiredNodes(desired, sharedPorts).keys(), ...(await listNodeDirectories(nodesDir))]);
      for (const id of ids) {
        const node = new NodeProcess(new NodeDirectory(nodesDir, id), PROGRAM, () => undefined);
        for (let rest = false; !rest;) {
          const hasData = await node.directory.exists();
          if (hasData) await node.adopt();
          const namespaces = node.admin ? await node.admin.namespaces() : [];
          const state = node.admin ? 'ready' : 'absent';
          const seen = {
            nodeId: id,
            hasData,
            process: state,
            ports: node.ports,
            namespaces,
            drainHopeless: false,
            hasObjectsElsewhere: false,
          } as const;
          const plan = planNode(desired, sharedPorts, seen);
          for (const step of plan) {
            if (done === steps) throw new Crash();
            await applyStep(step, { node, usage, signal: NEVER });
            done += 1;
          }
          rest = plan.length === 0;
        }
      }
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    await spool.close();
    return done;
  }

  /** What the machine looks like from outside. */
  async function world(): Promise<object> {
    const nodes: Record<string, unknown> = {};
    for (const id of (await readdir(nodesDir)).sort()) {
      const node = new NodeProcess(new NodeDirectory(nodesDir, id), PROGRAM, () => undefined);
      const running = await node.adopt();
      nodes[id] = { running, ports: node.ports, namespaces: await node.admin?.namespaces() };
    }
    return nodes;
  }

  const state = (version: number, ...namespaces: DesiredState['namespaces']): DesiredState => ({
    agentId: 'a',
    version,
    namespaces,
  });
  const full = () => state(1, namespaceSpec(1), namespaceSpec(2, 1, dedicatedPorts));
  const reduced = () => state(2, namespaceSpec(1, 2));

  it('leads to the same world when it is run again, while building', async () => {
    await life(full(), Infinity);
    const expected = await world();
    expect(Object.keys(expected)).toEqual([clusterId(2), 'shared']);
    await life(state(3), Infinity);
    for (let steps = 0; ; steps += 1) {
      const done = await life(full(), steps);
      await life(full(), Infinity);
      expect(await world()).toEqual(expected);
      await life(state(3), Infinity);
      if (done < steps) break;
    }
  });

  it('leads to the same world when it is run again, while tearing down, and every last usage window is kept', async () => {
    let lives = 0;
    for (let steps = 0; ; steps += 1) {
      await life(full(), Infinity);
      const done = await life(reduced(), steps);
      await life(reduced(), Infinity);
      lives += 1;
      expect(await world()).toMatchObject({ shared: { running: true, ports: sharedPorts } });
      expect(await listNodeDirectories(nodesDir)).toEqual(['shared']);
      await life(state(3), Infinity);
      if (done < steps) break;
    }
    const spooled = await UsageSpool.open(join(scratch.dir, 'spool'));
    const batch = await spooled.peek(1_000);
    const epochs = batch!.windows.filter((one) => one.clusterId === clusterId(2)).map((one) => one.nodeEpoch);
    expect(new Set(epochs).size).toBe(lives);
    await spooled.close();
  });

  it('after a start adopts the process that the dead agent left', async () => {
    const directory = new NodeDirectory(nodesDir, 'shared');
    // Started, and its agent dies before it knows: nobody awaits the start.
    void new NodeProcess(directory, PROGRAM, () => undefined).start(sharedPorts);
    const runFile = join(await directory.runDir(), 'node.json');
    for (;;) {
      const text = await readFile(runFile, 'utf8').catch(() => undefined);
      if (text) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const next = new NodeProcess(directory, PROGRAM, () => undefined);
    await next.start(sharedPorts);
    const { pid } = JSON.parse(await readFile(runFile, 'utf8')) as { pid: number };
    expect(next.pid).toBe(pid);
  });
});
