#!/usr/bin/env node
// `npm test` and `npm run check`: everything a clean checkout needs is installed, then every test runs. Plain JavaScript for
// any Node.js >= 20. Ends with the line `N passed, N failed, N skipped`; exit code 1 when anything failed.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { install, nodeBinary } from '../server/start.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const BIN = join(ROOT, 'node_modules/.bin');
const checkOnly = process.argv.includes('--check');
const only = process.argv.slice(2).filter((word) => !word.startsWith('--'));
/** A step that hangs is a failed one, long before whoever waits for the whole gives up. */
const STEP_MS_MAX = 25 * 60_000;
/** Tests that failed and passed when they were tried again: shown where nobody can miss them. */
const secondTries = [];
const tally = { passed: 0, failed: 0, skipped: 0 };

/** Clients and servers that we did not write, from Debian: command → package. */
const DEBIAN = {
  mosquitto_pub: 'mosquitto-clients',
  kcat: 'kcat',
  chromium: 'chromium',
  mosquitto: 'mosquitto',
  ceph: 'ceph-common',
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  radosgw: 'radosgw',
  'redis-server': 'redis-server',
};
const DEBIAN_FILES = {
  '/usr/lib/python3/dist-packages/kafka/__init__.py': 'python3-kafka',
  '/usr/lib/python3/dist-packages/confluent_kafka/__init__.py': 'python3-confluent-kafka',
};

const stepEnv = () => ({
  ...process.env,
  NX_DAEMON: 'false',
  NO_COLOR: '1',
  PATH: `${BIN}:${process.env.PATH}`,
});

function run(label, command, args, env = {}) {
  const startedAt = Date.now();
  process.stdout.write(`\n=== ${label}\n`);
  const result = spawnSync(command, args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: STEP_MS_MAX,
    killSignal: 'SIGKILL',
    env: { ...stepEnv(), ...env },
  });
  const good = result.status === 0;
  process.stdout.write(`=== ${label}: ${good ? 'ok' : 'FAILED'} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
  return good;
}

/** A step that is right or wrong as a whole counts as one test. */
function step(label, command, args) {
  if (run(label, command, args)) tally.passed++;
  else tally.failed++;
}

/** Steps that need one core each and touch nothing of each other, two at a time; the output of each comes when it ends. */
async function stepsTogether(steps) {
  const waiting = [...steps];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [label, command, args] = next;
      const startedAt = Date.now();
      const { good, output } = await new Promise((resolve) => {
        const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: stepEnv() });
        const chunks = [];
        child.stdout.on('data', (chunk) => chunks.push(chunk));
        child.stderr.on('data', (chunk) => chunks.push(chunk));
        const limit = setTimeout(() => child.kill('SIGKILL'), STEP_MS_MAX);
        child.once('error', (error) => chunks.push(Buffer.from(`${error.message}\n`)));
        child.once('close', (code) => {
          clearTimeout(limit);
          resolve({ good: code === 0, output: Buffer.concat(chunks) });
        });
      });
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      process.stdout.write(`\n=== ${label}\n`);
      process.stdout.write(output);
      process.stdout.write(`=== ${label}: ${good ? 'ok' : 'FAILED'} (${seconds} s)\n`);
      if (good) tally.passed++;
      else tally.failed++;
    }
  };
  await Promise.all([worker(), worker()]);
}

/** A Vitest run: its words, and what is made of its counts when it has ended. */
function vitestRun(args) {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-test-'));
  const report = join(folder, 'report.json');
  const tries = join(folder, 'second-tries.txt');
  const words = [
    join(ROOT, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--reporter=${join(ROOT, 'e2e/support/second-try-reporter.ts')}`,
    `--outputFile.json=${report}`,
    ...args,
  ];
  const count = (good) => {
    const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
    if (existsSync(tries)) secondTries.push(readFileSync(tries, 'utf8'));
    rmSync(folder, { recursive: true, force: true });
    tally.passed += counts?.numPassedTests ?? 0;
    tally.failed += counts?.numFailedTests ?? 0;
    tally.skipped += (counts?.numPendingTests ?? 0) + (counts?.numTodoTests ?? 0);
    // a file that does not even load, or an unhandled rejection, fails no test of its own
    if (!good && !counts?.numFailedTests) tally.failed++;
  };
  return { words, env: { ROBUSTMQ_SECOND_TRIES: tries }, count };
}

/** A Vitest run; its own counts go into the tally. */
function vitest(label, args) {
  const { words, env, count } = vitestRun(args);
  count(run(label, nodeBinary(), words, env));
}

/** A Vitest run beside another one. One of them speaks as it goes; what the others say is kept until they have ended. */
function vitestBeside(label, args, { isLive }) {
  const { words, env, count } = vitestRun(args);
  const startedAt = Date.now();
  if (isLive) process.stdout.write(`\n=== ${label}\n`);
  const child = spawn(nodeBinary(), words, {
    cwd: ROOT,
    stdio: isLive ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    timeout: STEP_MS_MAX,
    killSignal: 'SIGKILL',
    env: { ...stepEnv(), ...env },
  });
  let output = isLive ? '' : `\n=== ${label}\n`;
  if (!isLive) for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const good = code === 0;
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      process.stdout.write(`${output}=== ${label}: ${good ? 'ok' : 'FAILED'} (${seconds} s)\n`);
      count(good);
      resolve();
    });
  });
}

function installDebianPackages() {
  const missing = Object.entries(DEBIAN)
    .filter(([command]) => spawnSync('which', [command]).status !== 0)
    .map(([, name]) => name);
  missing.push(
    ...Object.entries(DEBIAN_FILES)
      .filter(([file]) => !existsSync(file))
      .map(([, name]) => name),
  );
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0) {
    process.stderr.write(`These tests need these Debian packages: sudo apt-get install ${missing.join(' ')}\n`);
    process.exit(1);
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get update', 'apt-get', ['-qq', 'update'], env);
  if (
    !run(
      `apt-get install ${missing.join(' ')}`,
      'apt-get',
      ['-qq', '-y', '--no-install-recommends', 'install', ...missing],
      env,
    )
  )
    process.exit(1);
}

/** RocksDB weighs 161 MB and is an optional install of the store; without it that engine's tests say why they do not run. */
function installRocksDb() {
  const folder = join(ROOT, 'node_modules/.cache/robustmq-optional');
  if (!existsSync(join(folder, 'node_modules/rocksdb-native/package.json'))) {
    const words = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error'];
    mkdirSync(folder, { recursive: true });
    if (!run('npm install rocksdb-native', 'npm', [...words, 'rocksdb-native@3.18.1'])) return;
  }
  process.env.NODE_PATH = join(folder, 'node_modules');
}

function finish() {
  if (secondTries.length > 0) process.stdout.write(`\n${secondTries.join('')}`);
  process.stdout.write(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped\n`);
  process.exit(tally.failed > 0 ? 1 : 0);
}

const preparingSince = Date.now();
install();
const node = nodeBinary();
const nx = join(ROOT, 'node_modules/nx/dist/bin/nx.js');
step('generate and build', node, [nx, 'run-many', '-t', 'generate', 'build', '--outputStyle=static']);
// what `npm start` would have spent before its first line of output: the quick start's test counts it
process.env.ROBUSTMQ_PREPARED_MS = String(Date.now() - preparingSince);
if (only.length > 0) {
  vitest('chosen tests', only);
  finish();
}
// One lint process per part of the house: the types of all rooms at once outgrow a heap of 4 GiB.
const lint = ['control-plane', 'data-plane', 'billing', 'portal', 'infra', 'e2e'].map((part) => [
  `lint: boundaries and typed rules: ${part}`,
  node,
  [
    '--max-old-space-size=6144',
    join(ROOT, 'node_modules/eslint/bin/eslint.js'),
    '--cache',
    '--cache-location',
    `node_modules/.cache/eslint/${part}`,
    part,
  ],
]);
await stepsTogether([
  ['types', node, [nx, 'run-many', '-t', 'typecheck', '--parallel=1', '--outputStyle=static']],
  ...lint,
  ['lint: oxlint', join(BIN, 'oxlint'), ['--quiet']],
  ['format', node, [join(ROOT, 'node_modules/prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.']],
]);
// Before the unit tests: the store's run against a real object gateway and RocksDB when they are installed.
if (!checkOnly) {
  installDebianPackages();
  installRocksDb();
}
vitest('unit, property and service tests', []);
if (!checkOnly) {
  // Minutes that are metered must pass before they are billed: those tests wait beside the others, on a cloud of their own.
  const metered = ['journeys/usage', 'journeys/invoices'];
  const config = ['--config', 'e2e/vitest.config.ts'];
  const others = metered.flatMap((name) => ['--exclude', `**/${name}.e2e.ts`]);
  await Promise.all([
    vitestBeside('end-to-end tests', [...config, ...others], { isLive: true }),
    vitestBeside('end-to-end tests of what is metered', [...config, ...metered], { isLive: false }),
  ]);
}
finish();
