import { join } from 'node:path';
import { DesiredState } from '@robustmq/contracts/data-plane';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AgentError } from './agent-error.ts';
import { NodeDirectory } from './node-directory.ts';
import { NodeLane } from './node-lane.ts';
import { NodeProcess } from './node-process.ts';
import type { NodePorts } from './plan.ts';
import { clusterId, FAKE_NODE, namespaceSpec, scratchDirectory, testLog } from './testing/fixtures.ts';
import { UsageCollector } from './usage-collector.ts';
import { UsageSpool } from './usage-spool.ts';

/** A node whose every start fails, the moment the test says so. */
class FailingNode extends NodeProcess {
  readonly startedOn: (NodePorts | undefined)[] = [];
  #fail: (() => void) | undefined;
  override async start(ports: NodePorts | undefined): Promise<void> {
    this.startedOn.push(ports);
    await new Promise<void>((resolve) => (this.#fail = resolve));
    throw new AgentError('node-port-in-use', `port ${ports?.mqtt} in use`);
  }
  fail(): void {
    this.#fail?.();
  }
}

const portsFrom = (mqtt: number): NodePorts => ({ mqtt, mqttWs: mqtt + 1, kafka: mqtt + 2, amqp: mqtt + 3 });
const desiredWith = (version: number, ports: NodePorts): DesiredState =>
  DesiredState.parse({ agentId: clusterId(77), version, namespaces: [namespaceSpec(2, version, ports)] });

/** Waits in real time, while the lane's time stands still. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

let scratch: Awaited<ReturnType<typeof scratchDirectory>>;
beforeEach(async () => {
  scratch = await scratchDirectory();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await scratch.remove();
});

it('does not let a new desired state wait for the delay of a start that was failing when it came', async () => {
  let desired = desiredWith(1, portsFrom(100));
  const spool = await UsageSpool.open(join(scratch.dir, 'spool'));
  const nodes: FailingNode[] = [];
  const program = {
    execPath: '',
    mainPath: FAKE_NODE,
    settings: { bind: '', publicHost: '', usageWindowMs: undefined },
  };
  const lane = new NodeLane(
    (onGone) => {
      nodes.push(new FailingNode(new NodeDirectory(scratch.dir, clusterId(2)), program, onGone));
      return nodes[0]!;
    },
    {
      desired: () => desired,
      sharedPorts: portsFrom(10),
      bind: '127.0.0.1',
      usage: await UsageCollector.open(spool),
      log: testLog,
      onChange: () => undefined,
    },
  );
  const node = nodes[0]!;
  const starts = (count: number): Promise<void> => until(() => node.startedOn.length === count);
  // until the delay between two starts is half a minute
  for (let failures = 0; failures < 10; failures += 1) {
    lane.kick();
    await starts(failures + 1);
    node.fail();
    await until(() => vi.getTimerCount() === 1);
  }
  lane.kick();
  await starts(11);
  desired = desiredWith(2, portsFrom(200));
  lane.kick();
  node.fail();
  await until(() => vi.getTimerCount() === 1);
  vi.advanceTimersByTime(100);
  await starts(12);
  expect(node.startedOn.at(-1)).toEqual(portsFrom(200));
  node.fail();
  await lane.close(false);
  await spool.close();
});
