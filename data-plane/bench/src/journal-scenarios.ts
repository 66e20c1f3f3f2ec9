import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median, pairedRatio, ratio } from './report.ts';

/** Where `npm test` installs RocksDB, which is too large for a dependency. */
const OPTIONAL = fileURLToPath(new URL('../../../node_modules/.cache/robustmq-optional/node_modules', import.meta.url));
const MAIN = fileURLToPath(new URL('../../sim/src/speed/main.ts', import.meta.url));

/** What `sim/src/speed` measured: bytes per second by round, and the medium's own limit in the same rounds. */
export interface JournalSpeed {
  readonly name: string;
  readonly limit: string;
  readonly ours: readonly number[];
  readonly limits: readonly number[];
}

/** Runs the measurements in a process of their own; `onSpeed` is told of each as it is done. Throws when one fails. */
export async function journalSpeeds(
  args: readonly string[],
  onSpeed: (speed: JournalSpeed) => void,
): Promise<JournalSpeed[]> {
  const nodePath = [process.env['NODE_PATH'], OPTIONAL].filter((path) => path !== undefined).join(delimiter);
  const env = { ...process.env, NODE_PATH: nodePath };
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env });
  const ended = once(child, 'close');
  const speeds: JournalSpeed[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const speed = JSON.parse(line) as JournalSpeed;
    speeds.push(speed);
    onSpeed(speed);
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`the measurements of the journal ended with ${code}`);
  return speeds;
}

/** A row of the report. */
export function journalRow({ name, limit, ours, limits }: JournalSpeed): string[] {
  const range = (values: readonly number[]): string => values.map(megabytes).join(' to ');
  const ends = (values: readonly number[]): number[] => [Math.min(...values), Math.max(...values)];
  return [
    name,
    `${megabytes(median(ours))} MB/s (${range(ends(ours))})`,
    `${limit} ${megabytes(median(limits))} MB/s (${range(ends(limits))})`,
    `**×${ratio(pairedRatio(ours, limits))}**`,
  ];
}
function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
