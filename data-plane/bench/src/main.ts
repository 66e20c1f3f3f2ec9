import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { journalRow, journalSpeeds } from './journal-scenarios.ts';
import { benchKafka } from './kafka-bench.ts';
import { benchMqtt } from './mqtt-bench.ts';
import { TIMES } from './mqtt-flow.ts';
import { table, writeSection } from './report.ts';

const DOCUMENT = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    /** Rows whose name has it in it; may be given more than once. */
    only: { type: 'string', multiple: true, default: [] },
    /** Peers of the MQTT rows, with commas between. */
    peers: { type: 'string' },
    /** One short round: whether everything works, not how fast it is. */
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
if (values.write && (values.quick || values.only.length > 0 || values.peers !== undefined)) {
  throw new Error('--write replaces whole tables: run it without --quick, --only and --peers');
}
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const seconds = values.seconds ?? (values.quick ? '0.4' : '1');
const measureMs = Number(seconds) * 1000;
const WARM_MS = values.quick ? 200 : 400;
const conditions = [
  `${rounds} rounds of ${seconds} s after ${WARM_MS / 1000} s of warm-up, peers alternating within each round;`,
  `Node ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}.`,
].join(' ');

async function mqtt(): Promise<void> {
  const text = await benchMqtt({
    rounds,
    times: { ...TIMES, warmMs: WARM_MS, measureMs },
    only: values.only,
    peers: values.peers === undefined ? [] : values.peers.split(','),
    say: (line) => process.stdout.write(`${line}\n`),
  });
  process.stdout.write(`\n${conditions}\n\n${text}\n`);
  if (values.write) writeSection(DOCUMENT, 'mqtt', `${conditions} ${text}`);
}

async function kafka(): Promise<void> {
  const text = await benchKafka({
    rounds,
    warmMs: WARM_MS,
    measureMs,
    only: values.only,
    say: (line) => process.stdout.write(`${line}\n`),
  });
  process.stdout.write(`\n${conditions}\n\n${text}\n`);
  if (values.write) writeSection(DOCUMENT, 'kafka', `${conditions} ${text}`);
}

/** The journal alone, in a process of its own: each figure beside the medium's own limit of the same round. */
async function journal(): Promise<void> {
  const speeds = await journalSpeeds(['--rounds', String(rounds), '--seconds', seconds], (speed) =>
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
