#!/usr/bin/env node
// Runs under whatever Node is there; below 24, hands over to the Node that the repository installed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** The nearest node_modules/.bin/node above this file. */
function installedNode() {
  for (let folder = here; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // Keeps the compiled commands between runs, so that a start takes a fraction of a second.
  module.enableCompileCache();
  await import('../src/main.ts');
} else if (process.env['ROBUSTMQ_CTL_HANDED_OVER']) {
  process.stderr.write(`robust-ctl needs Node.js 24 or newer; this is ${process.version}.\n`);
  process.exitCode = 1;
} else {
  const node = installedNode();
  if (node === undefined) {
    process.stderr.write(`robust-ctl needs Node.js 24 or newer; this is ${process.version}. Run npm install first.\n`);
    process.exitCode = 1;
  } else {
    const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
      stdio: 'inherit',
      env: { ...process.env, ROBUSTMQ_CTL_HANDED_OVER: '1' },
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('error', (error) => {
      process.stderr.write(`robust-ctl cannot start ${node}: ${error.message}\n`);
      process.exitCode = 1;
    });
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? (signal === null ? 1 : 130);
    });
  }
}
