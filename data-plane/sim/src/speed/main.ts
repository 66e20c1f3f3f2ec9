import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLogStore } from '@robustmq/store';
import { appendSpeeds, readSpeeds, type SpeedOptions } from './journal-speed.ts';

/**
 * `npm run bench -- journal` starts this: one line of JSON per measurement. `--rounds N`, `--seconds S` per append,
 * `--megabytes M` read back, `--directory D` on the disk that is to be measured.
 */
const args = process.argv.slice(2);
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
  const engines = (await hasRocksDb()) ? ['memory', 'file', 'rocksdb'] : ['memory', 'file'];
  for (const speed of await appendSpeeds(options, engines)) process.stdout.write(`${JSON.stringify(speed)}\n`);
  for (const speed of await readSpeeds(options)) process.stdout.write(`${JSON.stringify(speed)}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
