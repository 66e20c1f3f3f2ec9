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

/** Runs each case in a process of its own, so that none pays for the heap of another; `onSpeed` is told of each as it is done. Throws when one fails. */
export async function journalSpeeds(
  args: readonly string[],
  onSpeed: (speed: JournalSpeed) => void,
): Promise<JournalSpeed[]> {
  const nodePath = [process.env['NODE_PATH'], OPTIONAL].filter((path) => path !== undefined).join(delimiter);
  const env = { ...process.env, NODE_PATH: nodePath };
  const linesOf = async (more: readonly string[]): Promise<string[]> => {
    const child = spawn(process.execPath, [MAIN, ...args, ...more], { stdio: ['ignore', 'pipe', 'inherit'], env });
    const ended = once(child, 'close');
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`the measurements of the journal (${more.join(' ')}) ended with ${code}`);
    return lines;
  };
  const speeds: JournalSpeed[] = [];
  for (const words of await linesOf(['--list'])) {
    for (const line of await linesOf(['--case', words])) {
      const speed = JSON.parse(line) as JournalSpeed;
      speeds.push(speed);
      onSpeed(speed);
    }
  }
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
