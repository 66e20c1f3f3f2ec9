import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NamespaceSpec } from '@robustmq/contracts/data-plane';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Agent } from './agent.ts';
import { LINK_TIMING } from './control-link.ts';
import type { NodePorts } from './plan.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import { clusterId, eventually, freePorts, namespaceSpec, scratchDirectory, testLog } from './testing/fixtures.ts';
import { Device, deviceCredential } from './testing/mqtt-device.ts';

const NODE_MAIN = fileURLToPath(new URL('../../node/src/main.mjs', import.meta.url));
const FAST = { ...LINK_TIMING, leaseMs: 50, silenceMs: 2_000, pollMs: 50, reconnectFirstMs: 20, reconnectMaxMs: 200 };
const MESSAGES = 8;
const PAYLOAD = Buffer.alloc(100_000, 7);

/** A cluster whose topic `sensors` goes cold as soon as it is looked at. */
const coldCluster = (n: number, key: string, ports?: NodePorts): NamespaceSpec =>
  NamespaceSpec.parse({
    ...namespaceSpec(n, 1, ports, key),
    credentials: [deviceCredential()],
    topics: [{ name: 'sensors', partitions: 1, tier: { coldAfterBytes: 0 } }],
  });

describe('cold data of real nodes, in files', { timeout: 240_000 }, () => {
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let sharedPorts: NodePorts;
  let agent: Agent | undefined;

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

  const phaseOf = (n: number) => control.statuses.find((one) => one.clusterId === clusterId(n))?.phase;
  /** Files in the node's object storage; none where there is no such node. */
  async function objectsOf(nodeId: string): Promise<string[]> {
    const directory = join(scratch.dir, 'agent/nodes', nodeId, 'objects/objects.d');
    const found = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
    return found.filter((entry) => entry.isFile()).map(({ name }) => name);
  }
  async function fill(port: number, key: string): Promise<void> {
    const device = await Device.open(port, 'd', 'p', key);
    if (typeof device === 'number') throw new Error(`refused with ${device}`);
    for (let id = 1; id <= MESSAGES; id++) expect(await device.publish('sensors', id, PAYLOAD)).toBe(0);
    device.close();
  }

  it('goes cold by the topic’s policy, and goes with its cluster, shared or dedicated', async () => {
    const ports = await freePorts();
    control.desire([coldCluster(1, 'shop'), coldCluster(2, 'bank', ports)]);
    const config = { link: `http://127.0.0.1:${control.port}`, joinToken: control.joinToken, usageWindowMs: 500 };
    const hosts = { bind: '127.0.0.1', publicHost: 'localhost', sharedPorts, nodeMainPath: NODE_MAIN };
    agent = new Agent({ dir: join(scratch.dir, 'agent'), ...config, ...hosts }, testLog, FAST);
    await agent.start();
    await eventually(
      'ready',
      () => phaseOf(1) === 'ready' && phaseOf(2) === 'ready',
      () => control.statuses,
    );
    await Promise.all([fill(sharedPorts.mqtt, 'shop'), fill(ports.mqtt, 'bank')]);
    // one of data and one manifest at least
    await eventually('shared is cold', async () => (await objectsOf('shared')).length >= 2);
    await eventually('dedicated is cold', async () => (await objectsOf(clusterId(2))).length >= 2);
    const coldUsage = (n: number, meter: string): number =>
      [...control.usage.values()]
        .filter((one) => one.clusterId === clusterId(n) && one.meter === meter)
        .reduce((sum, one) => sum + Number(one.value), 0);
    for (const n of [1, 2]) {
      await eventually(
        `cluster ${n} pays for it`,
        () => coldUsage(n, 'cold_byte_seconds') > 0 && coldUsage(n, 'object_requests') > 0,
      );
    }

    control.desire([]);
    await eventually('deleted', () => phaseOf(1) === 'deleted' && phaseOf(2) === 'deleted');
    await eventually('no object is left', async () => (await objectsOf('shared')).length === 0);
    const nodes = join(scratch.dir, 'agent/nodes');
    await eventually('nor the node', async () => (await readdir(nodes)).join() === 'shared');
  });
});
