import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { alternate, type Results } from './alternate.ts';
import { journalRow, journalSpeeds } from './journal-scenarios.ts';
import { KAFKA_SCENARIOS, runFetch, runProduce, type KafkaMeasured } from './kafka-scenarios.ts';
import { MQTT_SCENARIOS, runMqtt, type Measured } from './mqtt-scenarios.ts';
import { freeBase, startPeer, type Peer } from './peers.ts';
import { pairedRatio, median, rate, ratio, table, writeSection } from './report.ts';

const DOCUMENT = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1.5' },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const measureMs = Number(values.seconds) * 1000;
const WARM_MS = 500;
const conditions = [
  `${rounds} rounds of ${values.seconds} s after ${WARM_MS / 1000} s of warm-up, peers alternating within each round;`,
  `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}.`,
].join(' ');

const sayFailure = (line: string): void => void process.stdout.write(`  ${line}\n`);

async function mqtt(): Promise<void> {
  const names = ['robustmq', 'robustmq captured', 'mosquitto', 'aedes'];
  const peers: Peer[] = [];
  try {
    for (const name of names) peers.push(await startPeer(name, await freeBase(12_100)));
    const rows: string[][] = [];
    for (const spec of MQTT_SCENARIOS) {
      if (values.only && !spec.name.includes(values.only)) continue;
      const results = await alternate(peers, rounds, (peer) => runMqtt(peer, spec, WARM_MS, measureMs), sayFailure);
      rows.push([spec.name, ...cells(results)]);
      process.stdout.write(`${rows.at(-1)!.join('   ')}\n`);
    }
    const legend =
      'Deliveries per second (CPU µs of the server per delivery); **×** = ours ÷ theirs in wall clock, then theirs ÷ ours in CPU.';
    const text = `${legend} ${conditions}\n\n${table(['scenario', 'RobustMQ', 'RobustMQ, captured in a topic', 'mosquitto', 'aedes'], rows)}`;
    process.stdout.write(`\n${text}\n`);
    if (values.write) writeSection(DOCUMENT, 'mqtt', text);
  } finally {
    for (const peer of peers) await peer.stop();
  }
}

function cells(results: readonly Results<Measured>[]): string[] {
  const ours = results[0] as Measured[];
  return results.map((runs, index) => {
    if (typeof runs === 'string') return runs;
    const own = `${rate(median(runs.map((run) => run.deliveriesPerSecond)))} (${median(runs.map((run) => run.cpuMicrosPerDelivery)).toFixed(2)})`;
    if (index < 2) return own;
    const wall = pairedRatio(
      ours.map((run) => run.deliveriesPerSecond),
      runs.map((run) => run.deliveriesPerSecond),
    );
    const cpu = pairedRatio(
      runs.map((run) => run.cpuMicrosPerDelivery),
      ours.map((run) => run.cpuMicrosPerDelivery),
    );
    return `${own} **×${ratio(wall)}** ×${ratio(cpu)}`;
  });
}

async function kafka(): Promise<void> {
  const peers: Peer[] = [];
  try {
    for (const name of ['robustmq captured', 'sink']) {
      const base = await freeBase(12_200);
      peers.push(await startPeer(name, base, base + 1));
    }
    const rows: string[][] = [];
    const cell = (runs: readonly KafkaMeasured[]): string => {
      const middle = (of: (run: KafkaMeasured) => number): number => median(runs.map(of));
      const records = rate(middle((run) => run.recordsPerSecond));
      const megabytes = middle((run) => run.megabytesPerSecond).toFixed(1);
      return `${records} rec/s, ${megabytes} MB/s (${middle((run) => run.cpuMicrosPerRecord).toFixed(2)})`;
    };
    const share = (ours: readonly KafkaMeasured[], sink: readonly KafkaMeasured[]): string =>
      ratio(
        pairedRatio(
          ours.map((run) => run.recordsPerSecond),
          sink.map((run) => run.recordsPerSecond),
        ),
      );
    for (const spec of KAFKA_SCENARIOS) {
      if (values.only && !spec.name.includes(values.only)) continue;
      const measure = (peer: Peer): Promise<KafkaMeasured> => runProduce(peer, spec, WARM_MS, measureMs);
      const results = await alternate(peers, rounds, measure, sayFailure);
      const [ours, sink] = results as [KafkaMeasured[], Results<KafkaMeasured>];
      rows.push([spec.name, cell(ours), typeof sink === 'string' ? sink : `${cell(sink)} **×${share(ours, sink)}**`]);
      process.stdout.write(`${rows.at(-1)!.join('   ')}\n`);
    }
    const fetches = (await alternate(peers.slice(0, 1), rounds, (peer) => runFetch(peer, measureMs), sayFailure))[0];
    rows.push(['fetch from offset 0 to the end, 1 MiB', cell(fetches as KafkaMeasured[]), '-']);
    const legend =
      'Records acknowledged after `fdatasync` (CPU µs of the server per record); the sink checks and stores nothing. **×** = ours ÷ sink.';
    const text = `${legend} ${conditions}\n\n${table(['scenario', 'RobustMQ', 'plain loopback sink'], rows)}`;
    process.stdout.write(`\n${text}\n`);
    if (values.write) writeSection(DOCUMENT, 'kafka', text);
  } finally {
    for (const peer of peers) await peer.stop();
  }
}

/** The journal alone, in a process of its own: each figure beside the medium's own limit of the same round. */
async function journal(): Promise<void> {
  const speeds = await journalSpeeds(['--rounds', values.rounds, '--seconds', values.seconds], (speed) =>
    process.stdout.write(`${journalRow(speed).join('   ')}\n`),
  );
  const legend =
    'Bytes per second, and **×** = ours ÷ the limit of the same medium measured right before it with the plainest calls there are.';
  const machine = `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}.`;
  const rows = table(['what', 'RobustMQ', 'limit', 'ratio'], speeds.map(journalRow));
  const text = `${legend} Medians of ${rounds} rounds (in brackets: lowest to highest); ${machine}\n\n${rows}`;
  process.stdout.write(`\n${text}\n`);
  if (values.write) writeSection(DOCUMENT, 'journal', text);
}

const wanted = positionals.length > 0 ? positionals : ['mqtt', 'kafka'];
if (wanted.includes('mqtt')) await mqtt();
if (wanted.includes('kafka')) await kafka();
if (wanted.includes('journal')) await journal();
