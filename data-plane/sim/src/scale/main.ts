import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measure, SCALES, type ScaleName, type Sizes } from './scale.ts';

/**
 * `npm run scale -w data-plane/sim -- [name …] [--directory D] [--share 0.01]`: what the journal holds and how fast it
 * is back, one line of JSON per measurement. `--share` makes everything that much smaller.
 */
const args = process.argv.slice(2);
const option = (name: string, otherwise: string): string => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : args.splice(at, 2)[1]!;
};
const parent = option('--directory', tmpdir());
const share = Number(option('--share', '1'));
const names = (args.length === 0 ? Object.keys(SCALES) : args) as ScaleName[];
const sizes: Sizes = {
  messages: Math.ceil(10_000_000 * share),
  streams: Math.ceil(10_000 * share),
  restartBytes: Math.ceil(10 * 1024 ** 3 * share),
};
for (const name of names) {
  if (!Object.hasOwn(SCALES, name)) throw new Error(`${name}; there are ${Object.keys(SCALES).join(', ')}`);
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, 'robustmq-scale-'));
  try {
    process.stdout.write(`${JSON.stringify({ name, ...(await measure(name, directory, sizes)) })}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
