import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export { claimPort as freePort } from '@robustmq/contracts/testing';

const MAIN = fileURLToPath(new URL('../main.mjs', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** A directory that goes when the test is over. */
export class Scratch {
  readonly path = mkdtempSync(join(tmpdir(), 'robustmq-node-'));
  file(name: string, content: string | object): string {
    const path = join(this.path, name);
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A node as its own process, as users and agents start it. */
export class SpawnedNode {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #exited: Promise<number | null>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], ...env },
    });
    this.child.stdout!.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.#exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  get pid(): number {
    return this.child.pid!;
  }
  /** Exit code; null after a signal. */
  exit(): Promise<number | null> {
    return this.#exited;
  }
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#exited;
  }
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.#exited;
  }
  /** A standalone node says so on standard output. */
  async untilReady(): Promise<this> {
    await this.#until(() => Promise.resolve(this.stdout.includes('ready\n')));
    return this;
  }
  /** A managed node says where its admin socket is. */
  async untilManaged(runDir: string, token: string): Promise<AdminClient> {
    const found: { admin?: AdminClient } = {};
    await this.#until(async () => {
      try {
        const run = JSON.parse(await readFile(join(runDir, 'node.json'), 'utf8')) as {
          pid: number;
          adminSocket: string;
        };
        if (run.pid !== this.pid) return false;
        found.admin = new AdminClient(run.adminSocket, token);
        return ((await found.admin.json('GET', '/v1/health')) as { ready: boolean }).ready;
      } catch {
        return false;
      }
    });
    return found.admin!;
  }
  async #until(condition: () => Promise<boolean>): Promise<void> {
    let code: number | null | undefined;
    void this.#exited.then((exitCode) => (code = exitCode));
    for (const deadlineMs = Date.now() + READY_TIMEOUT_MS; !(await condition());) {
      if (code !== undefined) throw new Error(`the node ended with ${code}: ${this.stderr}${this.stdout}`);
      if (Date.now() > deadlineMs) throw new Error(`the node is not ready: ${this.stderr}${this.stdout}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** The agent's side of the admin socket. */
export class AdminClient {
  readonly #socketPath: string;
  readonly #token: string;
  constructor(socketPath: string, token: string) {
    this.#socketPath = socketPath;
    this.#token = token;
  }
  async json(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, text } = await this.call(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
  call(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#token}` };
      const outgoing = request({ socketPath: this.#socketPath, method, path, headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, text }));
      });
      outgoing.on('error', reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
