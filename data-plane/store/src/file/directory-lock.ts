import { createHash } from 'node:crypto';
import { realpathSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { StoreError } from '../store-error.ts';

/**
 * One process per directory. The lock is a bound unix socket named after the directory's device and inode: the kernel
 * lets go of it when the process dies, however it dies, so there is nothing stale to judge. On Linux its name is in the
 * abstract namespace (one per network namespace: containers that share a volume must not both run a node on it).
 */
export class DirectoryLock {
  readonly #server: Server;
  private constructor(server: Server) {
    this.#server = server;
  }

  /** Takes the lock or throws StoreError `locked`. */
  static async take(directory: string): Promise<DirectoryLock> {
    const { dev, ino } = statSync(realpathSync(directory), { bigint: true });
    const name = `robustmq-store-${dev}-${ino}`;
    if (platform() === 'linux') return new DirectoryLock(await bind(`\0${name}`, directory));
    const path = join(tmpdir(), `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.sock`);
    // A socket file outlives its process; nobody answers on a stale one.
    if (await answers(path)) throw new StoreError('locked', directory);
    rmSync(path, { force: true });
    return new DirectoryLock(await bind(path, directory));
  }

  release(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

function bind(address: string, directory: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new StoreError(error.code === 'EADDRINUSE' ? 'locked' : 'io', directory, { cause: error }));
    });
    server.listen(address, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
