#!/usr/bin/env node
// robust-server: runs on any Node.js >= 20 and hands over to the Node 24 that the install brought.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, nodeBinary } from '../start.mjs';

if (process.argv[2] === 'start' || process.argv[2] === 'control-plane') build();
const main = join(fileURLToPath(new URL('.', import.meta.url)), '../src/main.ts');
const child = spawn(nodeBinary(), [main, ...process.argv.slice(2)], {
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
