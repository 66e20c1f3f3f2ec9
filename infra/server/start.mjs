#!/usr/bin/env node
// `npm start` on a fresh clone. Plain JavaScript for any Node.js >= 20: installs, builds what is stale, then hands over to
// robust-server on the Node 24 that the install brought. Ends when npm does, so that nothing is left behind.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const NODE_MAJOR_MIN = 20;
/** An installed release (infra/install): its packages are there and everything is built. */
const IS_RELEASE = existsSync(join(ROOT, 'release.json'));

export function fail(sentence) {
  process.stderr.write(`robust-server: ${sentence}\n`);
  process.exit(1);
}

/** Runs one step, silent when it is quick and works; with its own output when it fails. */
function step(label, command, args) {
  const startedAt = Date.now();
  const slow = setTimeoutLine(label);
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', env: stepEnv(), maxBuffer: 64 << 20 });
  slow.done();
  if (result.error || result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    const full = /ENOSPC/.test(`${result.stderr}`) ? ' The disk is full: free some space and start again.' : '';
    fail(`${label} failed (${result.error?.message ?? `exit code ${result.status}`}).${full}`);
  }
  process.stdout.write(`  ✓ ${label} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
}

/** spawnSync blocks timers, so the line that says what is going on is printed before the step, not after a second of it. */
function setTimeoutLine(label) {
  process.stdout.write(`  … ${label}\n`);
  return { done() {} };
}

function stepEnv() {
  return {
    ...process.env,
    NX_DAEMON: 'false',
    CHECKPOINT_DISABLE: '1',
    PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
  };
}

const digestOf = (parts) => createHash('sha256').update(parts.join('\n')).digest('hex');
const readStamp = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** Every file below the folders, as path, size and time of change: cheap enough to ask at every start. */
function fingerprint(folders) {
  const rows = [];
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (['node_modules', 'dist', 'generated', '.nx'].includes(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else {
        const { size, mtimeMs } = statSync(path);
        rows.push(`${relative(ROOT, path)} ${size} ${mtimeMs}`);
      }
    }
  };
  for (const folder of folders) visit(join(ROOT, folder));
  return digestOf(rows.sort());
}

/** Installs what package-lock.json says, unless exactly that is installed. */
export function install() {
  if (IS_RELEASE) return;
  const stamp = join(ROOT, 'node_modules/.robustmq-installed');
  const wanted = digestOf([readFileSync(join(ROOT, 'package-lock.json'), 'utf8'), process.arch]);
  if (readStamp(stamp) === wanted) return;
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm?.endsWith('.js')) step('install packages (about a minute)', process.execPath, [npm, ...args]);
  else step('install packages (about a minute)', 'npm', args);
  writeFileSync(stamp, wanted);
}

/** Builds the API and the portal and makes generated code, when any source of theirs changed. */
export function build() {
  if (IS_RELEASE) return;
  const stamp = join(ROOT, 'node_modules/.robustmq-built');
  const wanted = fingerprint([
    'control-plane/contracts',
    'control-plane/db',
    'control-plane/api',
    'control-plane/client',
    'portal',
  ]);
  const outputs = ['control-plane/api/dist/main.js', 'portal/dist/index.html', 'control-plane/db/src/generated'];
  if (readStamp(stamp) === wanted && outputs.every((path) => existsSync(join(ROOT, path)))) return;
  step('build the control plane and the portal', nodeBinary(), [
    join(ROOT, 'node_modules/nx/dist/bin/nx.js'),
    'run-many',
    '-t',
    'build',
    'generate',
    '--outputStyle=static',
  ]);
  writeFileSync(stamp, wanted);
}

/** The Node 24 that came with the packages, else this one if it is new enough. */
export function nodeBinary() {
  const bundled = join(ROOT, `node_modules/node-linux-${process.arch}/bin/node`);
  if (existsSync(bundled)) return bundled;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 24 || (major === 24 && minor >= 11)) return process.execPath;
  return fail(
    `There is no Node.js 24 package for ${process.platform}-${process.arch}: install Node.js 24.11 or newer and start again.`,
  );
}

function handOver() {
  const child = spawn(nodeBinary(), [join(ROOT, 'infra/server/src/main.ts'), 'start', ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NX_DAEMON: 'false' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal));
  // npm runs scripts through a shell, which `exec` in package.json replaces: our parent is npm. Killed, it tells nobody.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event) {
    setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 1000).unref();
  }
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
    fail(`Node.js ${process.versions.node} is too old: install Node.js ${NODE_MAJOR_MIN} or newer.`);
  }
  mkdirSync(join(ROOT, 'node_modules'), { recursive: true });
  process.stdout.write('RobustMQ Cloud\n');
  install();
  build();
  handOver();
}
