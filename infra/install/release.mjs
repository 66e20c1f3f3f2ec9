#!/usr/bin/env node
// `npm run release`: one tarball of everything that a machine needs to run RobustMQ Cloud, and its SHA-256 beside it. What is
// built is in it; what npm knows better (packages, Node 24, PostgreSQL) is installed by install.sh from the lock file in it.
// Plain JavaScript for any Node.js >= 20. `--out DIR` (default dist/); prints the tarball's path as the last line.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, install } from '../server/start.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
/** Workspaces that only make or measure the product. The portal is there as the files that it was built into. */
const LEFT_OUT = ['data-plane/bench', 'data-plane/sim', 'infra/tidy', 'e2e', 'portal'];
const FILES = [
  '.npmrc',
  'README.md',
  'infra/install/install.sh',
  'infra/server/standalone.example.yaml',
  'portal/dist',
];

const readJson = (path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

/** Tests stay at home. Their aids do not: some rooms export theirs. */
const isShipped = (path) => !['node_modules', '.nx'].includes(basename(path)) && !/\.test\.tsx?$/.test(path);

/** The root package without what only makes the product, and the lock file without the same. */
function manifests(workspaces) {
  const { devDependencies: _tools, overrides, scripts, ...manifest } = readJson('package.json');
  // an override that takes its version from a tool we left out
  const { 'openapi-typescript': _types, ...kept } = overrides;
  const slim = { ...manifest, workspaces, overrides: kept, scripts: { start: scripts.start } };
  const lock = readJson('package-lock.json');
  // devOptional: what only tools and optional peers want, 250 MB of it Prisma's own
  const isLeftOut = (path, { resolved, link, dev, devOptional }) =>
    dev ||
    devOptional ||
    LEFT_OUT.some((left) => path === left || path.startsWith(`${left}/`) || (link && resolved === left));
  const packages = Object.fromEntries(
    Object.entries(lock.packages)
      .filter(([path, entry]) => !isLeftOut(path, entry))
      .map(([path, { devDependencies: _alsoTools, ...entry }]) => [path, entry]),
  );
  packages[''] = { ...packages[''], workspaces };
  return { manifest: slim, lock: { ...lock, packages } };
}

/** Workspace folders of the product, with patterns like `billing/*` spelled out as the lock file has them. */
function shippedWorkspaces() {
  const links = Object.values(readJson('package-lock.json').packages).filter(({ link }) => link);
  return links
    .map(({ resolved }) => resolved)
    .filter((path) => !LEFT_OUT.includes(path))
    .sort();
}

function pack(out) {
  const { version } = readJson('package.json');
  const name = `robustmq-${version}`;
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-release-'));
  const stage = join(folder, name);
  try {
    const workspaces = shippedWorkspaces();
    for (const path of [...workspaces, ...FILES]) {
      if (!existsSync(join(ROOT, path))) continue;
      mkdirSync(dirname(join(stage, path)), { recursive: true });
      cpSync(join(ROOT, path), join(stage, path), { recursive: true, filter: isShipped });
    }
    for (const path of workspaces) {
      const { devDependencies: _tools, ...manifest } = readJson(join(path, 'package.json'));
      writeFileSync(join(stage, path, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    }
    const { manifest, lock } = manifests(workspaces);
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    writeFileSync(join(stage, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
    // tells start.mjs that everything is built and installed already
    writeFileSync(join(stage, 'release.json'), `${JSON.stringify({ version })}\n`);
    mkdirSync(out, { recursive: true });
    const tarball = join(out, `${name}.tar.gz`);
    const tar = spawnSync('tar', ['-czf', tarball, '-C', folder, name], { stdio: 'inherit' });
    if (tar.status !== 0) throw new Error(`tar ended with ${tar.status ?? tar.error?.message}`);
    const digest = createHash('sha256').update(readFileSync(tarball)).digest('hex');
    writeFileSync(`${tarball}.sha256`, `${digest}  ${basename(tarball)}\n`);
    return tarball;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { out: { type: 'string', default: join(ROOT, 'dist') } } });
install();
build();
process.stdout.write(`${pack(resolve(values.out))}\n`);
