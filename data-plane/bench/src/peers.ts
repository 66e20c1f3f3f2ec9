import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerFailure } from './peer-failure.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const CLOCK_TICKS_PER_SECOND = 100;
const START_MS_MAX = 60_000;

/** A server under measurement: its own process, so that its CPU time can be told from the load's. */
export class Peer {
  readonly name: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: string | null;
  readonly #start: () => Promise<Started>;
  #started: Started;

  constructor(name: string, port: number, start: () => Promise<Started>, started: Started) {
    this.name = name;
    this.port = port;
    this.#start = start;
    this.#started = started;
    this.username = started.login?.[0] ?? null;
    this.password = started.login?.[1] ?? null;
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
    const { child, folder } = this.#started;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await gone;
      clearTimeout(timer);
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly login: [string, string] | null;
}

type Launch = (port: number, folder: string) => { command: string; args: string[]; login: [string, string] | null };

/** Our own node as users start it: authentication, ACL, limits, metering and the flushed journal all on. */
const robust =
  (topics: string): Launch =>
  (port, folder) => {
    const file = join(folder, 'standalone.yaml');
    writeFileSync(
      file,
      `listeners:
  mqtt: { host: 127.0.0.1, port: ${port} }
  kafka: { host: 127.0.0.1, port: ${port + 1} }
dataDir: ${JSON.stringify(join(folder, 'data'))}
namespaces:
  - name: bench
    default: true
    credentials: [{ username: bench, password: bench-password }]
${topics}`,
    );
    return {
      command: process.execPath,
      args: [join(ROOT, 'data-plane/node/src/main.mjs'), 'standalone', '--config', file],
      login: ['bench', 'bench-password'],
    };
  };

export const LAUNCHES: Record<string, Launch> = {
  robustmq: robust(''),
  'robustmq captured': robust('    topics: [{ name: bench, partitions: 1 }]\n'),
  mosquitto: (port, folder) => {
    const file = join(folder, 'mosquitto.conf');
    writeFileSync(
      file,
      `listener ${port} 127.0.0.1
allow_anonymous true
max_queued_messages 1000000
max_inflight_messages 1000
set_tcp_nodelay true
persistence false
log_type none
`,
    );
    return { command: 'mosquitto', args: ['-c', file], login: null };
  },
  aedes: (port) => ({
    command: process.execPath,
    args: [join(ROOT, 'data-plane/bench/src/aedes-server.ts'), String(port)],
    login: null,
  }),
  sink: (port) => ({
    command: process.execPath,
    args: [join(ROOT, 'data-plane/bench/src/kafka-sink.ts'), String(port + 1)],
    login: null,
  }),
};

/** First port of ten free ones, at or above `from` and below the ephemeral range. */
export async function freeBase(from: number): Promise<number> {
  for (let base = from; base < 32_000; base += 10) {
    const taken = await Promise.all(Array.from({ length: 10 }, (_, offset) => answers(base + offset)));
    if (!taken.includes(true)) return base;
  }
  throw new Error(`no ten free ports from ${from} on`);
}

/** Starts a peer by name and waits until its port (or `readyPort`) answers. Throws PeerFailure. */
export async function startPeer(name: string, port: number, readyPort = port): Promise<Peer> {
  const start = (): Promise<Started> => startProcess(name, port, readyPort);
  return new Peer(name, port, start, await start());
}

async function startProcess(name: string, port: number, readyPort: number): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'robustmq-bench-'));
  const { command, args, login } = LAUNCHES[name]!(port, folder);
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  let ended = false;
  child.stderr.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-2000)));
  child.once('exit', () => (ended = true));
  child.once('error', (error) => {
    said = error.message;
    ended = true;
  });
  const deadline = Date.now() + START_MS_MAX;
  while (!(await answers(readyPort))) {
    if (ended || Date.now() > deadline) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      throw new PeerFailure(name, `it did not start on port ${port}: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { child, folder, login };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
