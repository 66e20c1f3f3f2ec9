import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alternate, type Results } from './alternate.ts';
import { KafkaLoadClient } from './kafka-client.ts';
import { diskBytesPerSecond } from './kafka-disk.ts';
import { runLatency, type LatencyMeasured } from './kafka-latency.ts';
import {
  bytesInFlight,
  fill,
  FLUSHED,
  PRODUCE_SCENARIOS,
  runFetch,
  runProduce,
  runTail,
  UNFLUSHED,
  UNFLUSHED_SCENARIOS,
  type KafkaMeasured,
  type KafkaScenario,
} from './kafka-scenarios.ts';
import type { Launch } from './launches.ts';
import { freeBase, startPeer, type Peer } from './peers.ts';
import { median, pairedRatio, rate, ratio, table } from './report.ts';

export interface KafkaBenchOptions {
  readonly rounds: number;
  readonly warmMs: number;
  readonly measureMs: number;
  /** Parts of the names of the rows that are wanted; none = all. */
  readonly only: readonly string[];
  readonly say: (line: string) => void;
}

const NODE = fileURLToPath(new URL('../../node/src/main.mjs', import.meta.url));
const LEGEND = `Every answer waits for the disk unless a row says "not flushed" (acks=1 waits like acks=all). In brackets: CPU µs of
the server per record. The loopback sink does what a server in Node cannot do without: it assembles requests, checks each
batch's CRC, copies it to memory, answers, and sends memory to who fetches; no rules, offsets, metering or disk. The last
column is the disk's own figure seconds before: \`write\` and \`fdatasync\` of as many bytes as the row has under way.
**×** = ours ÷ theirs.`;
const DISK_MS = 300;
/** Below what a stream keeps in memory, and far above it with both write-ahead logs. */
const HOT_BYTES = 16 * 1024 * 1024;
const WARM_BYTES = 640 * 1024 * 1024;
const IDLE_CONNECTIONS = 1_000;
const REST_MS = 1_500;

/** Our node as users start it, with a topic of each durability. */
const ours: Launch = ({ port, folder }) => {
  const file = join(folder, 'standalone.yaml');
  writeFileSync(
    file,
    `listeners:
  mqtt: { host: 127.0.0.1, port: ${port} }
  kafka: { host: 127.0.0.1, port: ${port + 1} }
dataDir: ${JSON.stringify(join(folder, 'data'))}
namespaces:
  - name: bench
    default: true
    credentials: [{ username: bench, password: bench-password }]
    topics:
      - { name: ${FLUSHED}, partitions: 1 }
      - { name: bench-hot, partitions: 1, durability: memory }
      - { name: bench-warm, partitions: 1, durability: memory }
      - { name: ${UNFLUSHED}, partitions: 1, durability: memory }
`,
  );
  return {
    command: process.execPath,
    args: [NODE, 'standalone', '--config', file],
    login: ['bench', 'bench-password'],
  };
};

/** The Kafka part of docs/performance.md. Throws PeerFailure when our node fails. */
export async function benchKafka(options: KafkaBenchOptions): Promise<string> {
  const base = await freeBase(12_200);
  const node = await startPeer('robustmq', base, { readyPort: base + 1, launch: ours });
  const sinkBase = await freeBase(base + 10);
  const sink = await startPeer('sink', sinkBase, { readyPort: sinkBase + 1 });
  try {
    const idle = await idleRow(node, options);
    const parts = [
      await produceTable([node, sink], options),
      await fetchTable([node, sink], options),
      table(['what', 'RobustMQ'], [...(await latencyRows(node, options)), ...idle]),
    ];
    return [LEGEND, ...parts].join('\n\n');
  } finally {
    await node.stop();
    await sink.stop();
  }
}

async function produceTable(peers: readonly Peer[], options: KafkaBenchOptions): Promise<string> {
  const rows: string[][] = [];
  for (const spec of [...PRODUCE_SCENARIOS, ...UNFLUSHED_SCENARIOS].filter(wanted(options))) {
    const limits: number[] = [];
    const measure = async (peer: Peer): Promise<KafkaMeasured> => {
      // the disk's own figure, seconds from ours
      if (peer.isOurs && spec.topic === FLUSHED) limits.push(diskBytesPerSecond(bytesInFlight(spec), DISK_MS));
      return runProduce(peer, onPeer(peer, spec), options.warmMs, options.measureMs);
    };
    const results = await alternate(peers, options.rounds, measure, options.say);
    const [own, sink] = results as [KafkaMeasured[], Results<KafkaMeasured>];
    rows.push([spec.name, cell(own), sinkCell(own, sink), diskCell(own, limits)]);
    options.say(rows.at(-1)!.join('   '));
  }
  return table(['scenario', 'RobustMQ', 'loopback sink', 'write + fdatasync'], rows);
}

/** The sink has one topic. */
function onPeer(peer: Peer, spec: KafkaScenario): KafkaScenario {
  return peer.isOurs ? spec : { ...spec, topic: FLUSHED };
}

async function fetchTable(peers: readonly Peer[], options: KafkaBenchOptions): Promise<string> {
  const rows: string[][] = [];
  const [node, sink] = peers as [Peer, Peer];
  const scenarios = [
    { name: 'fetch, catching up, hot (memory)', topic: 'bench-hot', sizeBytes: HOT_BYTES },
    { name: 'fetch, catching up, warm (file)', topic: 'bench-warm', sizeBytes: WARM_BYTES },
  ].filter(wanted(options));
  if (scenarios.length > 0) {
    // it serves what it was sent first
    await sink.restart();
    await fill(sink, FLUSHED, HOT_BYTES);
  }
  for (const { name, topic, sizeBytes } of scenarios) {
    await fill(node, topic, sizeBytes);
    const measure = (peer: Peer): Promise<KafkaMeasured> =>
      runFetch(peer, peer.isOurs ? topic : FLUSHED, options.measureMs);
    const [own, theirs] = (await alternate(peers, options.rounds, measure, options.say)) as [
      KafkaMeasured[],
      Results<KafkaMeasured>,
    ];
    rows.push([name, cell(own), sinkCell(own, theirs)]);
    options.say(rows.at(-1)!.join('   '));
  }
  const tail = { name: 'fetch at the end, not flushed, 100 × 256 B, while it is produced' };
  if (wanted(options)(tail)) {
    const run = (peer: Peer): Promise<KafkaMeasured> => runTail(peer, options.warmMs, options.measureMs);
    const [own] = (await alternate([node], options.rounds, run, options.say)) as [KafkaMeasured[]];
    rows.push([tail.name, cell(own), '-']);
    options.say(rows.at(-1)!.join('   '));
  }
  return table(['scenario', 'RobustMQ', 'loopback sink'], rows);
}

async function latencyRows(node: Peer, options: KafkaBenchOptions): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [topic, spoken] of [
    [FLUSHED, 'acks=all'],
    [UNFLUSHED, 'not flushed'],
  ] as const) {
    const name = `10,000 msg/s of 256 B end to end, ${spoken}`;
    if (!wanted(options)({ name })) continue;
    const run = (peer: Peer): Promise<LatencyMeasured> => runLatency(peer, topic, options.measureMs + options.warmMs);
    const [own] = (await alternate([node], options.rounds, run, options.say)) as [LatencyMeasured[]];
    const middle = (of: (run: LatencyMeasured) => number): number => median(own.map(of));
    rows.push([
      name,
      `p50 ${middle((r) => r.p50Ms).toFixed(2)} ms, p99 ${middle((r) => r.p99Ms).toFixed(2)} ms at ` +
        `${rate(middle((r) => r.recordsPerSecond))} rec/s (${middle((r) => r.cpuMicrosPerRecord).toFixed(2)})`,
    ]);
    options.say(rows.at(-1)!.join('   '));
  }
  return rows;
}

/** Resident memory that 1,000 clients which logged in and say nothing cost. Before all else, in a fresh process. */
async function idleRow(node: Peer, options: KafkaBenchOptions): Promise<string[][]> {
  const name = `${IDLE_CONNECTIONS} idle connections`;
  if (!wanted(options)({ name })) return [];
  const open = (count: number): Promise<KafkaLoadClient[]> =>
    Promise.all(Array.from({ length: count }, () => KafkaLoadClient.open(node)));
  const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, REST_MS));
  // code that was never run is not memory of a connection
  const first = await open(100);
  for (const client of first) client.socket.destroy();
  await rest();
  const before = node.rssKib();
  const clients: KafkaLoadClient[] = [];
  while (clients.length < IDLE_CONNECTIONS) clients.push(...(await open(100)));
  await rest();
  const bytes = ((node.rssKib() - before) * 1024) / IDLE_CONNECTIONS;
  for (const client of clients) client.socket.destroy();
  const row = [name, `${(bytes / 1024).toFixed(1)} KiB each; ${Math.round(before / 1024)} MiB without them`];
  options.say(row.join('   '));
  return [row];
}

function wanted({ only }: KafkaBenchOptions): (row: { readonly name: string }) => boolean {
  return ({ name }) => only.length === 0 || only.some((part) => name.includes(part));
}

function cell(runs: readonly KafkaMeasured[]): string {
  const middle = (of: (run: KafkaMeasured) => number): number => median(runs.map(of));
  const records = rate(middle((run) => run.recordsPerSecond));
  const megabytes = middle((run) => run.megabytesPerSecond).toFixed(1);
  return `${records} rec/s, ${megabytes} MB/s (${middle((run) => run.cpuMicrosPerRecord).toFixed(2)})`;
}

function sinkCell(own: readonly KafkaMeasured[], sink: Results<KafkaMeasured>): string {
  if (typeof sink === 'string') return sink;
  const share = pairedRatio(
    own.map((run) => run.megabytesPerSecond),
    sink.map((run) => run.megabytesPerSecond),
  );
  return `${cell(sink)} **×${ratio(share)}**`;
}

function diskCell(own: readonly KafkaMeasured[], limits: readonly number[]): string {
  if (limits.length === 0) return '-';
  const share = pairedRatio(
    own.map((run) => run.megabytesPerSecond * 1e6),
    limits,
  );
  return `${(median(limits) / 1e6).toFixed(1)} MB/s **×${ratio(share)}**`;
}
