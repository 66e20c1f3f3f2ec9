import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NamespaceSpec } from '@robustmq/contracts/data-plane';
import type { AgentConfig } from './agent-config.ts';
import { Agent } from './agent.ts';
import { LINK_TIMING } from './control-link.ts';
import { FakeControlPlane } from './testing/fake-control-plane.ts';
import { clusterId, eventually, freePorts, namespaceSpec, scratchDirectory, testLog } from './testing/fixtures.ts';
import { Device, deviceCredential } from './testing/mqtt-device.ts';

const NODE_MAIN = fileURLToPath(new URL('../../node/src/main.mjs', import.meta.url));
const FAST = { ...LINK_TIMING, leaseMs: 50, silenceMs: 2_000, pollMs: 50, reconnectFirstMs: 20, reconnectMaxMs: 200 };
const CONNECTIONS_MAX = 2;
const DENIED = 0x87;
const QUOTA_EXCEEDED = 0x97;

function shop(): NamespaceSpec {
  const base = namespaceSpec(1, 1, undefined, 'shop');
  return NamespaceSpec.parse({
    ...base,
    quotas: { ...base.quotas, connectionsMax: CONNECTIONS_MAX },
    credentials: [deviceCredential()],
    topics: [{ name: 'sensors', partitions: 1 }],
    settings: {
      acl: { rules: [{ id: 'r', effect: 'deny', pattern: 'secret/#', patternType: 'filter', actions: ['write'] }] },
    },
  });
}

describe('a blackout of the control plane', { timeout: 240_000 }, () => {
  let control: FakeControlPlane;
  let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
  let agent: Agent | undefined;
  let config: AgentConfig;
  beforeEach(async () => {
    scratch = await scratchDirectory();
    control = new FakeControlPlane();
    await control.start();
    config = {
      dir: join(scratch.dir, 'agent'),
      link: `http://127.0.0.1:${control.port}`,
      joinToken: control.joinToken,
      bind: '127.0.0.1',
      publicHost: 'localhost',
      sharedPorts: await freePorts(),
      nodeMainPath: NODE_MAIN,
      usageWindowMs: 500,
    };
  });
  afterEach(async () => {
    await agent?.close(true);
    control.stop();
    await scratch.remove();
  });
  const start = async (): Promise<void> => {
    agent = new Agent(config, testLog, FAST);
    await agent.start();
  };
  const isServed = () => agent!.reconciler.report()[0]?.phase === 'ready' && agent!.reconciler.shared!.reachable;

  /** Ten messages that are acknowledged, and everything that must not be. */
  async function drill(): Promise<void> {
    const { mqtt } = config.sharedPorts;
    const devices: Device[] = [];
    for (let i = 0; i < CONNECTIONS_MAX; i++) {
      const device = await Device.open(mqtt, `d${i}`);
      if (typeof device === 'number') throw new Error(`refused with ${device}`);
      devices.push(device);
    }
    expect(await Device.open(mqtt, 'one-too-many')).toBe(QUOTA_EXCEEDED);
    expect(await devices[0]!.publish('secret/x', 99)).toBe(DENIED);
    for (let id = 1; id <= 10; id++) expect(await devices[1]!.publish('sensors/x', id)).toBe(0);
    for (const device of devices) device.close();
    await eventually('they are gone', async () => {
      const device = await Device.open(mqtt, 'last');
      if (typeof device === 'number') return false;
      device.close();
      return true;
    });
    expect(await Device.open(mqtt, 'd0', 'wrong')).not.toBeInstanceOf(Device);
  }

  it('is noticed by no client: agent and node restart, rules and quotas hold, and usage is exact after it', async () => {
    control.desire([shop()]);
    await start();
    await eventually('served', isServed, () => agent!.reconciler.report());
    await drill();
    control.stop();
    await drill();
    await agent!.close(true);
    await start();
    await eventually('served after a restart without control plane', isServed, () => agent!.reconciler.report());
    await drill();
    process.kill(agent!.reconciler.shared!.node.pid!, 'SIGKILL');
    await eventually('the node is gone', () => !agent!.reconciler.shared!.reachable);
    await eventually('served after a crash of the node', isServed, () => agent!.reconciler.report());
    await drill();
    await control.start();
    const total = (meter: string): number =>
      [...control.usage.values()]
        .filter((window) => window.meter === meter && window.protocol === 'mqtt' && window.clusterId === clusterId(1))
        .reduce((sum, { value }) => sum + Number(value), 0);
    await eventually(
      'usage',
      () => total('messages_in') >= 40,
      () => [...control.usage.values()],
    );
    // Another window, so that what would be counted twice had the time to come.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(total('messages_in')).toBe(40);
    expect(total('ingress_bytes')).toBe(40 * 'sensors/xx'.length);
  });
});
