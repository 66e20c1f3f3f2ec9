import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { openLogStore } from '@robustmq/store';
import { appendCase, appendCases, appendSpeeds, readSpeeds, type SpeedOptions } from './journal-speed.ts';

/**
 * `npm run bench -- journal` starts this once per case: one line of JSON per measurement. `--list` prints the cases,
 * `--case C` measures one. `--rounds N`, `--seconds S` per append, `--megabytes M` read back, `--directory D` on the disk
 * that is to be measured.
 */
// as a node runs (data-plane/node/src/main.mjs): Buffers count in the heap's limit
setFlagsFromString('--external-memory-accounted-in-global-limit');
setFlagsFromString('--heap-growing-percent=50');

const args = process.argv.slice(2);
/** The case of reading back, from every tier. */
const READS = 'reads';
const option = (name: string, otherwise: string): string => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : args[at + 1]!;
};
const parent = option('--directory', tmpdir());
mkdirSync(parent, { recursive: true });
const directory = mkdtempSync(join(parent, 'robustmq-speed-'));
const options: SpeedOptions = {
  directory,
  rounds: Number(option('--rounds', '3')),
  measureMs: Number(option('--seconds', '1')) * 1000,
  readBytes: Number(option('--megabytes', '256')) * 1024 * 1024,
};

async function hasRocksDb(): Promise<boolean> {
  try {
    await (await openLogStore('rocksdb', { directory: join(directory, 'probe') })).close();
    return true;
  } catch {
    return false;
  }
}

try {
  if (args.includes('--list')) {
    const engines = (await hasRocksDb()) ? ['memory', 'file', 'rocksdb'] : ['memory', 'file'];
    for (const words of [...appendCases(engines), READS]) process.stdout.write(`${words}\n`);
  } else {
    const words = option('--case', READS);
    const speeds = words === READS ? await readSpeeds(options) : await appendSpeeds(options, appendCase(words));
    for (const speed of speeds) process.stdout.write(`${JSON.stringify(speed)}\n`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
