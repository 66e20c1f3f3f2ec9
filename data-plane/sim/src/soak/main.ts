import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killRounds } from './kill-soak.ts';

/** `npm run soak -w data-plane/sim -- [rounds] [seed] [directory]`: kill -9 under mixed load, every record compared. */
const [rounds = '200', seed = '1', parent = tmpdir()] = process.argv.slice(2);
const directory = mkdtempSync(join(parent, 'robustmq-soak-'));
const began = performance.now();
try {
  const result = await killRounds(directory, Number(rounds), Number(seed));
  process.stdout.write(`${JSON.stringify(result)} in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
} finally {
  if (process.exitCode === 0) rmSync(directory, { recursive: true, force: true });
  else process.stdout.write(`the directory is kept: ${directory}\n`);
}
