import { decodeRecords, readNextOffset, type Stream } from '@robustmq/journal';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KEYS, keyAt, MACHINE, openSoak, SOAK_STREAMS, valueAt, type Soaked } from './soak-streams.ts';

const LOAD = fileURLToPath(new URL('./load.ts', import.meta.url));
/** A process is killed when it has said at most so many lines more than twenty. */
const LINES_MAX = 900;
const READ_BYTES = 256 * 1024;
/** Names of streams whose beginning nobody but DeleteRecords moves, or nobody at all. */
const TRIMMED = 'trimmed';
const BY_SIZE = new Set(['by-size', 'elsewhere']);

export interface SoakResult {
  readonly rounds: number;
  /** Records acknowledged in all rounds, and records read and compared in all checks. */
  readonly acknowledged: number;
  readonly compared: number;
  /** What was promised and is not so; empty when all is well. */
  readonly violations: readonly string[];
}
/** What a process was told before it died. */
interface Told {
  readonly acknowledged: number[];
  readonly trimAsked: number[];
  readonly trimmed: number[];
}

/**
 * Kills a process under load with SIGKILL, `rounds` times over one directory, and after each compares every record that
 * is there with the only one it can be, and what is there with everything the processes were told.
 */
export async function killRounds(
  directory: string,
  rounds: number,
  seed: number,
  linesMax = LINES_MAX,
): Promise<SoakResult> {
  const told: Told = { acknowledged: zeros(), trimAsked: zeros(), trimmed: zeros() };
  const violations: string[] = [];
  let compared = 0;
  for (let round = 0; round < rounds; round++) {
    await oneLife(directory, seed * 1000 + round, 20 + ((seed + round * 7919) % linesMax), told, violations);
    const soaked = await openSoak(directory);
    compared += await check(soaked, told, (text) => violations.push(`round ${round}: ${text}`));
    if (round === rounds - 1) await endsClean(soaked, violations);
    await soaked.journal.close();
    if (violations.length > 0) break;
  }
  return { rounds, acknowledged: told.acknowledged.reduce((a, b) => a + b, 0), compared, violations };
}

/** Starts a process and kills it when it has said so many lines. */
async function oneLife(
  directory: string,
  seed: number,
  lines: number,
  told: Told,
  violations: string[],
): Promise<void> {
  // Compiling its modules would be most of a short life.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(directory, 'compiled') };
  const child = spawn(process.execPath, [LOAD, directory, String(seed)], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let left = lines;
  let rest = '';
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const line of parts) {
      hear(line, told);
      if (--left === 0) child.kill('SIGKILL');
    }
  });
  const [[code]] = await Promise.all([
    once(child, 'exit') as Promise<[number | null]>,
    once(child.stdout, 'close'),
    once(child.stderr, 'close'),
  ]);
  if (code !== null) violations.push(`the process ended by itself with ${code}: ${complaint.slice(0, 2000)}`);
}
function hear(line: string, told: Told): void {
  const [what, stream, offset] = line.split(' ');
  const list = what === 'a' ? told.acknowledged : what === 't' ? told.trimAsked : told.trimmed;
  list[Number(stream)] = Math.max(list[Number(stream)]!, Number(offset));
}

async function check({ journal, damages }: Soaked, told: Told, violated: (text: string) => void): Promise<number> {
  for (const { kind, detail } of damages) if (kind === 'hole') violated(`damage: ${detail}`);
  let compared = 0;
  for (const [index, { name, policy }] of SOAK_STREAMS.entries()) {
    const stream = await journal.open(name, policy);
    const { startOffset, stableOffset } = stream;
    if (stableOffset < told.acknowledged[index]!) {
      violated(`${name} ends at ${stableOffset}, ${told.acknowledged[index]} is acknowledged`);
    }
    // What was not acknowledged and is there counts from now on: a process has seen it as stable.
    told.acknowledged[index] = stableOffset;
    if (startOffset < told.trimmed[index]!) violated(`${name} begins below an acknowledged trim: ${startOffset}`);
    if (name === TRIMMED && startOffset > told.trimAsked[index]!) violated(`${name} begins at ${startOffset}`);
    if (name !== TRIMMED && !BY_SIZE.has(name) && startOffset > 0) violated(`${name} begins at ${startOffset}`);
    const found = await readAll(stream, index, violated);
    compared += found.size;
    const compacts = policy.cleanup === 'compact';
    const from = compacts ? Math.max(startOffset, stableOffset - KEYS) : startOffset;
    for (let offset = from; offset < stableOffset; offset++) {
      if (!found.has(offset))
        violated(`${name} at ${offset} is not there, ${startOffset} to ${stableOffset} should be`);
    }
  }
  return compared;
}
async function readAll(stream: Stream, index: number, violated: (text: string) => void): Promise<Set<number>> {
  const found = new Set<number>();
  for (let at = stream.startOffset; at < stream.stableOffset;) {
    const batches = await stream.read(at, READ_BYTES);
    if (batches.length === 0) break;
    for (const batch of batches) {
      decodeRecords(batch, (record) => {
        const { offset } = record;
        if (offset < at) return;
        const isRight = record.key()?.toString() === keyAt(offset) && record.value()?.equals(valueAt(index, offset));
        if (isRight !== true) violated(`${stream.name} at ${offset} is not what was sent`);
        found.add(offset);
      });
      at = Math.max(at, readNextOffset(batch));
    }
  }
  return found;
}

/** In the end no object is there that nobody names, and none at all when the streams are gone. */
async function endsClean({ journal, objects }: Soaked, violations: string[]): Promise<void> {
  for (const wait of [0, 4_000_000, 8_000_000]) await journal.runTiering(MACHINE.nowMs() + wait);
  const named = new Set<string>();
  for (const { name, policy } of SOAK_STREAMS) {
    const report = (await journal.open(name, policy)).tiers();
    for (const { key } of [...report.objects.filter(({ cold }) => cold), ...report.claims]) named.add(key);
  }
  for (const key of await keysOf(objects)) {
    if (!key.includes('/manifest/') && !named.delete(key)) violations.push(`an orphan stays: ${key}`);
  }
  for (const key of named) violations.push(`an object is missing: ${key}`);
  for (const { name } of SOAK_STREAMS) await journal.remove(name);
  await journal.runTiering(MACHINE.nowMs());
  for (const key of await keysOf(objects)) violations.push(`an object of a removed stream stays: ${key}`);
}
async function keysOf(objects: Soaked['objects']): Promise<string[]> {
  const keys: string[] = [];
  for (let page = await objects.list(''); page.length > 0; page = await objects.list('', keys.at(-1))) {
    keys.push(...page.map(({ key }) => key));
  }
  return keys;
}
function zeros(): number[] {
  return SOAK_STREAMS.map(() => 0);
}
