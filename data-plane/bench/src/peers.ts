import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { LAUNCHES, type Launch, type Launched } from './launches.ts';
import { PeerFailure } from './peer-failure.ts';

const CLOCK_TICKS_PER_SECOND = 100;
const START_MS_MAX = 60_000;
/** What a process has to end after SIGTERM. */
const STOP_MS_MAX = 5_000;

/** A server under measurement: its own process, so that its CPU time can be told from the load's. */
export class Peer {
  readonly name: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: boolean;
  readonly #start: () => Promise<Started>;
  #started: Started;

  constructor(name: string, port: number, tls: boolean, start: () => Promise<Started>, started: Started) {
    this.name = name;
    this.port = port;
    this.tls = tls;
    this.#start = start;
    this.#started = started;
    this.username = started.launched.login?.[0] ?? null;
    this.password = started.launched.login?.[1] ?? null;
  }

  /** False for somebody else's server. */
  get isOurs(): boolean {
    return this.name.startsWith('robustmq');
  }

  /** User and system CPU time of the process so far, in microseconds (Linux; 10 ms resolution). */
  cpuMicros(): number {
    const stat = this.#proc('stat');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1e6) / CLOCK_TICKS_PER_SECOND;
  }

  /** Resident memory in KiB. */
  rssKib(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(this.#proc('status'))?.[1] ?? 0);
  }

  /** 99.9th percentile of how late its event loop was since the last question, in ms; null where it does not tell. */
  async loopDelayP999Ms(): Promise<number | null> {
    const { child, launched } = this.#started;
    if (launched.tellsLoopDelay !== true || !child.connected) return null;
    child.send('loop-delay');
    const [answer] = (await once(child, 'message')) as [{ p999Ms: number }];
    return answer.p999Ms;
  }

  #proc(file: 'stat' | 'status'): string {
    try {
      return readFileSync(`/proc/${this.#started.child.pid}/${file}`, 'latin1');
    } catch (cause) {
      throw new PeerFailure(this.name, 'its process ended', { cause });
    }
  }

  /** A new process with nothing of the old one's, on the same port. */
  async restart(): Promise<void> {
    await this.stop();
    this.#started = await this.#start();
  }

  async stop(): Promise<void> {
    const { child, before, folder } = this.#started;
    await end(child);
    if (before !== null) await end(before);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Started {
  readonly child: ChildProcess;
  /** Ends after `child`. */
  readonly before: ChildProcess | null;
  readonly folder: string;
  readonly launched: Launched;
}

/** First port of ten free ones, at or above `from` and below the ephemeral range. */
export async function freeBase(from: number): Promise<number> {
  for (let base = from; base < 32_000; base += 10) {
    const taken = await Promise.all(Array.from({ length: 10 }, (_, offset) => answers(base + offset)));
    if (!taken.includes(true)) return base;
  }
  throw new Error(`no ten free ports from ${from} on`);
}

export interface StartOptions {
  /** Answers when the server is ready. Default: its MQTT port. */
  readonly readyPort?: number;
  /** MQTT over TLS only. */
  readonly tls?: boolean;
  /** Default: the one of that name in `LAUNCHES`. */
  readonly launch?: Launch;
}

/** Starts a peer by name and waits until its port (or `readyPort`) answers. Throws PeerFailure, also when it is not installed. */
export async function startPeer(name: string, port: number, options: StartOptions = {}): Promise<Peer> {
  const start = (): Promise<Started> => startProcess(name, port, options);
  return new Peer(name, port, options.tls ?? false, start, await start());
}

async function startProcess(name: string, port: number, options: StartOptions): Promise<Started> {
  const launch = options.launch ?? LAUNCHES[name];
  if (launch === undefined) throw new PeerFailure(name, `unknown; there are ${Object.keys(LAUNCHES).join(', ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-bench-'));
  const launched = launch({ port, folder, tls: options.tls ?? false });
  let before: Watched | null = null;
  let main: Watched | null = null;
  try {
    if (launched.before !== undefined) before = watch(launched.before);
    main = watch(launched);
    const readyPort = options.readyPort ?? port;
    const deadline = Date.now() + START_MS_MAX;
    while (!(await answers(readyPort))) {
      for (const one of before === null ? [main] : [before, main]) {
        if (one.failure !== null) throw new PeerFailure(name, one.failure);
      }
      if (Date.now() > deadline) throw new PeerFailure(name, `it did not start on port ${port}: ${main.said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { child: main.child, before: before?.child ?? null, folder, launched };
  } catch (error) {
    for (const one of [main, before]) one?.child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A process and the last of what it said. */
interface Watched {
  readonly child: ChildProcess;
  said: string;
  /** Why it is not there any more. */
  failure: string | null;
}

function watch({ command, args, env, tellsLoopDelay }: Omit<Launched, 'login' | 'before'>): Watched {
  const stdio =
    tellsLoopDelay === true ? (['ignore', 'ignore', 'pipe', 'ipc'] as const) : (['ignore', 'ignore', 'pipe'] as const);
  const child = spawn(command, args, { stdio: [...stdio], env: { ...process.env, ...env } });
  const watched: Watched = { child, said: '', failure: null };
  child.stderr!.on('data', (bytes: Buffer) => (watched.said = (watched.said + bytes.toString()).slice(-2000)));
  child.once('exit', (code, signal) => {
    watched.failure ??= `it ended with ${code ?? signal}: ${watched.said.trim()}`;
  });
  child.once('error', (error: NodeJS.ErrnoException) => {
    watched.failure = error.code === 'ENOENT' ? `${basename(command)} is not installed` : error.message;
  });
  return watched;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await gone;
  clearTimeout(timer);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
