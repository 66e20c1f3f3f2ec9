import { pause } from './backoff.ts';
import type { NodeAdminClient } from './node-admin-client.ts';
import type { NodeProcess } from './node-process.ts';
import { AgentError } from './agent-error.ts';
import type { Certificates } from './certificates.ts';
import type { Step } from './plan.ts';
import type { UsageCollector } from './usage-collector.ts';

/** A usage window closes within a minute; a node that has not closed its last one after this long is asked again later. */
const DRAIN_MS_MAX = 90_000;
const DRAIN_POLL_MS = 250;

/** What steps act on: the process and directory of one node, and where its usage goes. */
export interface StepTarget {
  readonly node: NodeProcess;
  readonly usage: Pick<UsageCollector, 'collect'>;
  /** Makes what TLS clients of a cluster are shown; absent = the node has no such listeners. */
  readonly certificates?: Pick<Certificates, 'ensure'> | undefined;
  /** Ends waiting. */
  readonly signal: AbortSignal;
}

/**
 * Does one step. Every step may be done again after a crash in the middle of it and ends in the same world: starting
 * adopts what runs, putting and deleting are idempotent at the node, draining and removing repeat harmlessly.
 */
export async function applyStep(step: Step, target: StepTarget): Promise<void> {
  const { node } = target;
  switch (step.kind) {
    case 'start-node':
      return node.start(step.ports);
    case 'put-namespace':
      await target.certificates?.ensure(step.spec.key);
      await adminOf(node).putNamespace(step.spec);
      return;
    case 'delete-namespace':
      return adminOf(node).deleteNamespace(step.clusterId);
    case 'drain-usage':
      return drainUsage(target);
    case 'drain-objects':
      return drainObjects(node);
    case 'stop-node':
      return node.stop();
    case 'remove-node-data':
      return node.directory.remove();
  }
}

/** Fetches until nothing is left in an open window. Nothing is added to it: the node has no namespace any more. */
async function drainUsage({ node, usage, signal }: StepTarget): Promise<void> {
  const deadline = Date.now() + DRAIN_MS_MAX;
  for (;;) {
    const open = await adminOf(node).openUsage();
    await usage.collect(node.directory.nodeId, open.nodeEpoch, adminOf(node));
    if (open.usage.length === 0) return;
    if (signal.aborted || Date.now() > deadline) {
      throw new AgentError('node-refused', `node ${node.directory.nodeId} has not closed its last usage window`);
    }
    await pause(DRAIN_POLL_MS, signal);
  }
}

/** The lane tries again, with growing delays, for as long as object storage is away. */
async function drainObjects(node: NodeProcess): Promise<void> {
  if ((await adminOf(node).removalsLeft()) > 0) {
    throw new AgentError('node-refused', `node ${node.directory.nodeId} has not deleted its last objects yet`);
  }
}

function adminOf(node: NodeProcess): NodeAdminClient {
  if (!node.admin) throw new AgentError('node-unreachable', `node ${node.directory.nodeId} is not running`);
  return node.admin;
}
