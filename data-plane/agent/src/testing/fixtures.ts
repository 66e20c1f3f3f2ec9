import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEFAULT_QUOTAS, NamespaceSpec, type UsageWindow } from '@robustmq/contracts/data-plane';
import { claimPorts } from '@robustmq/contracts/testing';
import { pino } from 'pino';
import type { NodePorts } from '../plan.ts';

/** The program of `fake-node.ts`. */
export const FAKE_NODE = fileURLToPath(new URL('./fake-node.ts', import.meta.url));

/** Set ROBUSTMQ_TEST_LOG=1 to see what the agent under test logs. */
export const testLog = pino({ level: process.env['ROBUSTMQ_TEST_LOG'] ? 'debug' : 'silent' });

/** A cluster id that is the same for the same number. */
export const clusterId = (n: number): string => `0193b3a0-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** A namespace as the control plane describes one; `ports` makes it dedicated. */
export const namespaceSpec = (n: number, generation = 1, ports?: NodePorts, key = `cluster-${n}`): NamespaceSpec =>
  NamespaceSpec.parse({
    clusterId: clusterId(n),
    tenantId: clusterId(900 + n),
    key,
    generation,
    plan: ports ? 'dedicated' : 'serverless',
    node: ports ? clusterId(n) : 'shared',
    ...(ports ? { ports } : {}),
    quotas: DEFAULT_QUOTAS.serverless,
    credentials: [],
    topics: [],
    topicsRemoved: [],
  });

/** A usage window of one node. */
export const usageWindow = (seq: number, value = '1'): UsageWindow => ({
  seq,
  nodeId: 'shared',
  nodeEpoch: 'e1',
  clusterId: clusterId(1) as UsageWindow['clusterId'],
  protocol: 'mqtt',
  meter: 'messages_in',
  windowStartMs: seq * 60_000,
  value,
  cumulative: value,
});

/** A directory for one test, and its removal. */
export async function scratchDirectory(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'rmq agent-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Four ports for a node that are nobody else's. */
export async function freePorts(): Promise<NodePorts> {
  const [mqtt, mqttWs, kafka, amqp] = await claimPorts(4);
  return { mqtt: mqtt!, mqttWs: mqttWs!, kafka: kafka!, amqp: amqp! };
}

/** A busy machine with a slow disk needs seconds for one start of a node, which flushes a dozen files. */
export const PATIENCE_MS = 60_000;

/**
 * Waits until `ready` says so; throws after a minute with what it was waiting for and what `seen` shows then.
 */
export async function eventually(
  what: string,
  ready: () => boolean | Promise<boolean>,
  seen?: () => unknown,
): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await ready())) {
    if (Date.now() > deadline) {
      const last = seen === undefined ? '' : `; last seen: ${JSON.stringify(await seen())}`;
      throw new Error(`not so after ${PATIENCE_MS} ms: ${what}${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
