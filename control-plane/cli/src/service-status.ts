import type { Cluster } from '@robustmq/client';
import { connect } from 'node:net';
import type { Context } from './context.ts';
import { EXIT, Failure } from './failure.ts';
import { fieldsOf, tableOf } from './output.ts';

const PROBE_MS = 2_000;

interface EndpointStatus {
  readonly cluster: string;
  readonly name: string;
  readonly address: string;
  readonly reachable: boolean;
}

/** Whether something accepts TCP connections at `scheme://host:port`. */
function reachable(address: string): Promise<boolean> {
  const url = URL.parse(address);
  if (!url?.port) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) });
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_MS, end(false)).once('connect', end(true)).once('error', end(false));
  });
}

async function health(context: Context, kind: 'live' | 'ready'): Promise<boolean> {
  try {
    const response = await fetch(`${context.server}/health/${kind}`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function probe(clusters: readonly Cluster[]): Promise<EndpointStatus[]> {
  return Promise.all(
    clusters.flatMap((cluster) =>
      Object.entries(cluster.endpoints).map(async ([name, address]) => ({
        cluster: cluster.name,
        name,
        address,
        reachable: await reachable(address),
      })),
    ),
  );
}

const yesNo = (value: boolean): string => (value ? 'yes' : 'NO');
const conditionOf = (cluster: Cluster, type: string): string =>
  cluster.conditions.find((condition) => condition.type === type)?.status ?? 'Unknown';

/**
 * Prints whether the control plane answers and is ready and, for whoever is logged in, every cluster with its conditions
 * and whether its endpoints accept connections from here. Throws Failure when the control plane does not answer.
 */
export async function showStatus(context: Context, name: string | undefined): Promise<void> {
  const [live, ready] = await Promise.all([health(context, 'live'), health(context, 'ready')]);
  if (!live) {
    throw new Failure(
      EXIT.failed,
      `The control plane at ${context.server} does not answer.`,
      'Start it, or choose another one with --server URL.',
    );
  }
  const mine = name !== undefined || context.signedIn();
  const clusters = !mine
    ? []
    : name === undefined
      ? await context.clusters(await context.tenantId())
      : [await context.cluster(name)];
  const endpoints = await probe(clusters);
  const data = {
    server: context.server,
    controlPlane: { live, ready },
    clusters: clusters.map(({ id, name: clusterName, plan, phase, conditions, lastError }) => ({
      id,
      name: clusterName,
      plan,
      phase,
      conditions,
      lastError,
      endpoints: endpoints
        .filter((endpoint) => endpoint.cluster === clusterName)
        .map(({ name: endpoint, address, reachable: up }) => ({ name: endpoint, address, reachable: up })),
    })),
  };
  await context.print(data, () => {
    const head = fieldsOf([
      ['control plane', context.server],
      ['live', yesNo(live)],
      ['ready', yesNo(ready)],
    ]);
    if (clusters.length === 0) return head;
    const table = tableOf(
      [
        { heading: 'CLUSTER', value: (c) => c.name },
        { heading: 'PLAN', value: (c) => c.plan },
        { heading: 'PHASE', value: (c) => c.phase },
        { heading: 'AGENT', value: (c) => conditionOf(c, 'AgentConnected') },
        { heading: 'APPLIED', value: (c) => conditionOf(c, 'SpecApplied') },
        { heading: 'PROBLEM', value: (c) => c.lastError ?? '' },
      ],
      clusters,
    );
    const addresses = tableOf(
      [
        { heading: 'CLUSTER', value: (e) => e.cluster },
        { heading: 'ENDPOINT', value: (e) => e.name },
        { heading: 'ADDRESS', value: (e) => e.address },
        { heading: 'REACHABLE', value: (e) => yesNo(e.reachable) },
      ],
      endpoints,
    );
    return `${head}\n${table}\n${addresses}`;
  });
  if (!mine) context.terminal.note('Log in to see your clusters too.');
  if (!ready) throw new Failure(EXIT.failed, 'The control plane is not ready.');
}
