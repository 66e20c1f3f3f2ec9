import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { EXIT, Failure } from './failure.ts';

/** What robust-ctl remembers under one name. */
export interface Profile {
  server?: string;
  /** Tenant id; the one commands act on. */
  tenant?: string;
  /** Cluster name or id used where `--cluster` is left out. */
  cluster?: string;
  output?: 'table' | 'json' | 'yaml';
  email?: string;
  accessToken?: string;
  refreshToken?: string;
}

interface ConfigFile {
  version: 1;
  profiles: Record<string, Profile>;
}

const LOCK_RETRY_MS = 20;
/** A refresh takes at most this long (its timeout), so an older lock belongs to a dead process. */
const LOCK_STALE_MS = 45_000;
const LOCK_WAIT_MS_MAX = 60_000;

/** A settings file holds a few profiles; more than this is something else. */
const FILE_SIZE_BYTES_MAX = 1_048_576;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const TEXTS = ['server', 'tenant', 'cluster', 'email', 'accessToken', 'refreshToken'] as const;
const FORMATS: readonly unknown[] = ['table', 'json', 'yaml', undefined];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isProfile = (value: unknown): value is Profile =>
  isRecord(value) &&
  TEXTS.every((key) => value[key] === undefined || typeof value[key] === 'string') &&
  FORMATS.includes(value['output']);

/** The profiles a settings file holds, undefined when it is no such file. */
function profilesIn(text: string): Record<string, Profile> | undefined {
  try {
    const file: unknown = JSON.parse(text);
    if (!isRecord(file) || !isRecord(file['profiles'])) return undefined;
    const { profiles } = file;
    return Object.values(profiles).every(isProfile) ? (profiles as Record<string, Profile>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Creates a directory and those above it. Not Node's `recursive`, which never returns where the system answers ENOENT
 * below a directory that exists, as /proc does.
 */
async function makeDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (found !== undefined) return;
  const above = dirname(path);
  if (above !== path) await makeDirectory(above);
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
}

/** `$ROBUSTMQ_CONFIG`, or `robustmq/config.json` below `$XDG_CONFIG_HOME` or `~/.config`. */
export function configPath(env: Readonly<Record<string, string | undefined>>): string {
  const chosen = env['ROBUSTMQ_CONFIG'];
  if (chosen) return chosen;
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'robustmq', 'config.json');
}

/**
 * The profiles on disk: mode 0600, replaced whole by rename, changed only under a lock file that names its owner, so any
 * number of concurrent runs may refresh tokens without losing one another's.
 */
export class ProfileStore {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** All profiles; none when the file does not exist. Throws Failure when it cannot be understood. */
  async readAll(): Promise<Record<string, Profile>> {
    const damaged = new Failure(
      EXIT.failed,
      `The settings ${this.path} are damaged.`,
      'Remove the file and log in again.',
    );
    let text: string;
    try {
      const file = await stat(this.path);
      if (!file.isFile()) throw new Error('it is not a file');
      if (file.size > FILE_SIZE_BYTES_MAX) throw damaged;
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return {};
      if (error instanceof Failure) throw error;
      throw new Failure(
        EXIT.failed,
        `The settings ${this.path} cannot be read: ${(error as Error).message}`,
        'Choose another file with ROBUSTMQ_CONFIG.',
      );
    }
    const profiles = profilesIn(text);
    if (profiles === undefined) throw damaged;
    return profiles;
  }

  async read(name: string): Promise<Profile> {
    const all = await this.readAll();
    return Object.hasOwn(all, name) ? all[name]! : {};
  }

  /** Changes one profile under the lock; `change` sees the newest state and returns what to keep, undefined = remove. */
  async update(name: string, change: (profile: Profile) => Profile | undefined): Promise<void> {
    await this.exclusive(() => this.updateLocked(name, change));
  }

  /** `update` for callers that are already inside `exclusive`. */
  async updateLocked(name: string, change: (profile: Profile) => Profile | undefined): Promise<void> {
    const all = await this.readAll();
    const next = change(Object.hasOwn(all, name) ? all[name]! : {});
    const profiles = Object.fromEntries(Object.entries(all).filter(([key]) => key !== name));
    if (next !== undefined) profiles[name] = next;
    const partial = `${this.path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    const text = `${JSON.stringify({ version: 1, profiles } satisfies ConfigFile, null, 2)}\n`;
    try {
      await writeFile(partial, text, { mode: 0o600 });
      await chmod(partial, 0o600);
      await rename(partial, this.path);
    } catch (error) {
      await unlink(partial).catch(() => undefined);
      throw this.#notWritable(error);
    }
  }

  /** Runs alone among all processes that use this file. */
  async exclusive<T>(work: () => Promise<T>): Promise<T> {
    await makeDirectory(dirname(this.path)).catch((error: unknown) => {
      throw this.#notWritable(error);
    });
    const lock = `${this.path}.lock`;
    const owner = `${process.pid} ${randomBytes(6).toString('hex')}`;
    await this.#take(lock, owner);
    try {
      return await work();
    } finally {
      // Someone may have taken over a lock that looked dead; theirs stays.
      const holder = await readFile(lock, 'utf8').catch(() => '');
      if (holder === owner) await unlink(lock).catch(() => undefined);
    }
  }

  async #take(lock: string, owner: string): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += LOCK_RETRY_MS) {
      try {
        const file = await open(lock, 'wx', 0o600);
        await file.writeFile(owner);
        await file.close();
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
          throw this.#notWritable(error);
        }
      }
      if (waitedMs > LOCK_WAIT_MS_MAX) {
        throw new Failure(
          EXIT.failed,
          `Another robust-ctl holds ${lock}.`,
          'Remove that file if no other one is running.',
        );
      }
      await this.#removeIfDead(lock);
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
    }
  }

  #notWritable(error: unknown): Failure {
    return new Failure(
      EXIT.failed,
      `The settings ${this.path} cannot be written: ${(error as Error).message}`,
      'Choose another file with ROBUSTMQ_CONFIG.',
    );
  }

  async #removeIfDead(lock: string): Promise<void> {
    const age = await stat(lock).catch(() => undefined);
    if (age && Date.now() - age.mtimeMs > LOCK_STALE_MS) await unlink(lock).catch(() => undefined);
  }
}
