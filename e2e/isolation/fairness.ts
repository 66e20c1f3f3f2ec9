import { loadavg } from 'node:os';
import { CloudUnderTest, newCluster, newTenant } from '../support/cloud.ts';
import { sleep } from '../support/process.ts';
import { beside, DIMENSIONS, serve } from './fairness-victim.ts';

/**
 * How long a tenant's messages take beside a neighbour on the same node that uses up one dimension, against how long they
 * take alone: `node e2e/isolation/fairness.ts [messages per second] [seconds]`; prints JSON, takes about two minutes. Alone is measured
 * again before every neighbour, for the machine may be busier than it was. Clients and node share the machine: `processor`
 * says what a process that keeps one core busy costs without asking anything of the node.
 */
const PER_SECOND = Number(process.argv[2] ?? 100);
const SECONDS = Number(process.argv[3] ?? 8);

const cloud = await CloudUnderTest.make();
await cloud.start();
try {
  process.stdout.write(`${JSON.stringify(await measure(), null, 2)}\n`);
} finally {
  await cloud.dispose();
}
process.exit(0);

async function measure(): Promise<object> {
  const [quiet, loud] = [await newTenant(cloud, 'quiet'), await newTenant(cloud, 'loud')];
  const [victim, neighbour] = [await newCluster(cloud, quiet), await newCluster(cloud, loud)];
  const figures = async (): Promise<{ p50: number; p99: number }> => {
    const { times } = await serve(victim, PER_SECOND, PER_SECOND * SECONDS);
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)]! * 10) / 10;
    return { p50: at(0.5), p99: at(0.99) };
  };
  await figures(); // what is compiled and opened at first is nobody's load
  const result: Record<string, object> = {};
  for (const dimension of [...DIMENSIONS, 'processor'] as const) {
    const alone = await figures();
    const busy = await beside(neighbour, dimension, figures);
    const times = Math.round((busy.p99 / alone.p99) * 10) / 10;
    const load = Math.round(loadavg()[0]! * 10) / 10;
    result[dimension] = { alone, beside: busy, p99Times: times, load };
    process.stderr.write(`${dimension}: ${JSON.stringify(result[dimension])}\n`);
    await sleep(2_000);
  }
  return result;
}
