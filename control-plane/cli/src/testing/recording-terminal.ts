import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../program.ts';
import type { Terminal } from '../terminal.ts';

/** One finished run. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
}

/** Runs command lines with a settings file of their own against `server`, and records what they print. */
export function recorder(server: string, env: Record<string, string> = {}) {
  const config = join(mkdtempSync(join(tmpdir(), 'robust-ctl-')), 'config.json');
  const exec = async (args: string[], stdin: string[] = []): Promise<Run> => {
    let out = '';
    let notes = '';
    const terminal: Terminal = {
      env: { ROBUSTMQ_CONFIG: config, ROBUSTMQ_URL: server, ...env },
      stdin: (async function* () {
        yield* stdin;
      })(),
      stdinIsTty: false,
      stderrIsTty: false,
      out: (text) => void (out += text),
      note: (text) => void (notes += `${text}\n`),
      ask: () => Promise.reject(new Error('nobody is there to answer')),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      now: () => Date.now(),
      onInterrupt: () => () => undefined,
    };
    return { code: await run(args, terminal), out, notes };
  };
  /** The JSON a successful run printed. */
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const done = await exec([...args, '-o', 'json']);
    if (done.code !== 0) throw new Error(`${args.join(' ')} ended with ${done.code}: ${done.notes}`);
    return JSON.parse(done.out) as Record<string, unknown>;
  };
  return { config, exec, json };
}
