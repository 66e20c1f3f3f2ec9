import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Programs of the Debian packages ceph-mon, ceph-osd, ceph-common and radosgw. */
const PROGRAMS = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin'];
/** Longest wait for any one of the daemons to answer. */
const START_MS_MAX = 90_000;
/** Ports of one kind that one test file may use. */
const LOT_PORTS = 45;
/** Objects live in the OSD's memory, at most so much. */
const STORE_BYTES = 1024 * 1024 * 1024;

export const RADOSGW_CREDENTIALS = { accessKeyId: 'robustmq-key', secretAccessKey: 'robustmq-secret' };

/** Names the first program that is not installed; null when a server can be started. */
export function missingCephProgram(): string | null {
  return PROGRAMS.find((program) => spawnSync('which', [program]).status !== 0) ?? null;
}

/** A Ceph object gateway with one monitor and one OSD in memory, on loopback, in a folder of its own. */
export interface Radosgw {
  readonly endpoint: string;
  /** Makes a bucket of the user's. */
  createBucket(name: string): Promise<void>;
  /** Ends the three daemons and removes the folder. */
  stop(): Promise<void>;
}

/**
 * Starts a gateway with one user (`RADOSGW_CREDENTIALS`); takes 10 to 25 s. Needs root, as Ceph's files do. Test files
 * that may run at the same time say different `lot`s: each has ports of its own.
 */
export async function startRadosgw(lot: 0 | 1 | 2 = 0): Promise<Radosgw> {
  const cluster = new CephCluster(mkdtempSync(join(tmpdir(), 'robustmq-ceph-')), lot * LOT_PORTS);
  try {
    await cluster.start();
    const { endpoint } = cluster;
    return { endpoint, createBucket: (name) => createBucket(endpoint, name), stop: () => cluster.stop() };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class CephCluster {
  readonly #folder: string;
  readonly #daemons: ChildProcess[] = [];
  readonly #shift: number;
  endpoint = '';
  constructor(folder: string, shift: number) {
    this.#shift = shift;
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const folder = this.#folder;
    const [monitorPort, gatewayPort, osdPort] = [
      await freePort(13_300 + this.#shift),
      await freePort(17_480 + this.#shift),
      await freePort(16_800 + this.#shift),
    ];
    const fsid = randomUUID();
    writeFileSync(join(folder, 'ceph.conf'), configuration(folder, fsid, monitorPort, gatewayPort, osdPort));
    for (const name of ['mon', 'osd', 'rgw']) mkdirSync(join(folder, name));
    this.#startMonitor(fsid, monitorPort);
    await this.#until('monitor', () => this.#try('ceph', ['-s', '--connect-timeout', '4']));
    this.#run('ceph', ['auth', 'import', '-i', 'keyring']);
    this.#startOsd();
    await this.#until(
      'OSD',
      () => this.#try('ceph', ['osd', 'stat']) && this.#run('ceph', ['osd', 'stat']).includes('1 up'),
    );
    this.#daemon('radosgw', ['-f', '-n', 'client.rgw', '--keyring', 'keyring']);
    const { accessKeyId, secretAccessKey } = RADOSGW_CREDENTIALS;
    const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
    this.#run('radosgw-admin', ['user', 'create', '--uid=test', '--display-name=test', ...keys]);
    this.endpoint = `http://127.0.0.1:${gatewayPort}`;
    await this.#until('gateway', async () => {
      return fetch(this.endpoint).then(
        (answer) => answer.ok,
        () => false,
      );
    });
  }
  async stop(): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) await ended(daemon);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #startMonitor(fsid: string, port: number): void {
    const all = ['--cap', 'mon', 'allow *'];
    this.#run('ceph-authtool', ['--create-keyring', 'keyring', '--gen-key', '-n', 'mon.', ...all]);
    this.#run('ceph-authtool', ['keyring', '--gen-key', '-n', 'client.admin', ...all, '--cap', 'osd', 'allow *']);
    const gateway = ['--cap', 'mon', 'allow rwx', '--cap', 'osd', 'allow rwx'];
    this.#run('ceph-authtool', ['keyring', '--gen-key', '-n', 'client.rgw', ...gateway]);
    this.#run('monmaptool', ['--create', '--addv', 'a', `[v2:127.0.0.1:${port}]`, '--fsid', fsid, 'monmap']);
    this.#run('ceph-mon', ['-i', 'a', '--mkfs', '--monmap', 'monmap', '--keyring', 'keyring']);
    this.#daemon('ceph-mon', ['-i', 'a', '-f']);
  }
  #startOsd(): void {
    const uuid = randomUUID();
    this.#run('ceph', ['osd', 'new', uuid]);
    const caps = ['mon', 'allow profile osd', 'osd', 'allow *'];
    const keyring = this.#run('ceph', ['auth', 'get-or-create', 'osd.0', ...caps]);
    writeFileSync(join(this.#folder, 'osd/keyring'), keyring);
    this.#run('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', uuid, '--keyring', 'osd/keyring']);
    this.#run('ceph', ['osd', 'crush', 'add', 'osd.0', '1.0', 'root=default']);
    this.#daemon('ceph-osd', ['-i', '0', '-f', '--keyring', 'osd/keyring']);
  }

  #options(): { cwd: string; env: NodeJS.ProcessEnv } {
    return { cwd: this.#folder, env: { ...process.env, CEPH_ARGS: `-c ${join(this.#folder, 'ceph.conf')}` } };
  }
  #run(program: string, words: readonly string[]): string {
    const done = spawnSync(program, words, { ...this.#options(), encoding: 'utf8', timeout: START_MS_MAX });
    if (done.status !== 0) throw new Error(`${program} ${words[0] ?? ''}: ${done.stderr.slice(-2_000)}`);
    return done.stdout;
  }
  #try(program: string, words: readonly string[]): boolean {
    return spawnSync(program, words, { ...this.#options(), timeout: 30_000 }).status === 0;
  }
  #daemon(program: string, words: readonly string[]): void {
    const output = openSync(join(this.#folder, `${program}.out`), 'w');
    this.#daemons.push(spawn(program, words, { ...this.#options(), stdio: ['ignore', output, output] }));
    closeSync(output);
  }
  async #until(what: string, ready: () => boolean | Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; !(await ready()); waitedMs += 200) {
      const dead = this.#daemons.find((daemon) => daemon.exitCode !== null);
      if (waitedMs > START_MS_MAX || dead !== undefined) throw new Error(`${what} did not start: ${this.#lastWords()}`);
      await sleep(200);
    }
  }
  #lastWords(): string {
    const names = ['ceph-mon', 'ceph-osd', 'radosgw'].slice(0, this.#daemons.length);
    return names.map((name) => readFileSync(join(this.#folder, `${name}.out`), 'utf8').slice(-500)).join('\n');
  }
}

function configuration(folder: string, fsid: string, monitor: number, gateway: number, osd: number): string {
  return `[global]
fsid = ${fsid}
mon host = [v2:127.0.0.1:${monitor}/0]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
ms bind port min = ${osd}
ms bind port max = ${osd + 90}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
osd objectstore = memstore
memstore device bytes = ${STORE_BYTES}
keyring = ${folder}/keyring
run dir = ${folder}
admin socket = ${folder}/$name.asok
log file = ${folder}/$name.log
mon data = ${folder}/mon
osd data = ${folder}/osd
rgw data = ${folder}/rgw
mon data avail crit = 1
rgw frontends = beast endpoint=127.0.0.1:${gateway}
`;
}

async function createBucket(endpoint: string, name: string): Promise<void> {
  const admin = new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: RADOSGW_CREDENTIALS,
    forcePathStyle: true,
  });
  await admin.send(new CreateBucketCommand({ Bucket: name }));
  admin.destroy();
}

/** The first port from `from` on that nobody listens on; the range lies below the ephemeral ports. */
async function freePort(from: number): Promise<number> {
  for (let port = from; port < from + LOT_PORTS; port++) {
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port above ${from}`);
}

/** SIGTERM, and SIGKILL for whoever is still there after 5 s: nothing here is worth a clean end. */
async function ended(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  daemon.kill('SIGTERM');
  const late = setTimeout(() => daemon.kill('SIGKILL'), 5_000);
  await exit;
  clearTimeout(late);
}
