import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeHealth } from '@robustmq/contracts/data-plane';
import { z } from 'zod';
import { AgentError } from './agent-error.ts';
import { pause } from './backoff.ts';
import { readFileIfAny } from './durable-file.ts';
import { NodeAdminClient } from './node-admin-client.ts';
import type { NodeDirectory, NodeSettings } from './node-directory.ts';
import { storageVariables } from './node-tiering.ts';
import type { NodePorts } from './plan.ts';
import { isNodeProcess } from './process-identity.ts';

/** A node reads its whole journal before it is ready; one that is alive is given this long. */
const START_TIMEOUT_MS = 300_000;
const POLL_MS = 20;
/** How often a node that is not our child (adopted after a crash of the agent) is looked for. */
const WATCH_MS = 200;
const STOP_GRACE_MS = 4_000;

/** What a node writes into `node.json` once it listens. */
const NodeRunFile = z.object({ pid: z.int().positive(), adminSocket: z.string().optional() });

/** How nodes are started; one for all nodes of an agent. */
export interface NodeProgram {
  readonly execPath: string;
  readonly mainPath: string;
  readonly settings: NodeSettings;
}

interface Running {
  readonly pid: number;
  readonly admin: NodeAdminClient;
  readonly health: NodeHealth;
  readonly ports: NodePorts | undefined;
  readonly gone: Promise<void>;
}

/**
 * One node as a process. A node outlives a killed agent, so `start` first looks for one that is already there: pid from
 * node.json, checked by command line, then by its answer to our token on the admin socket. `onGone` is called once for
 * every running node that ended without `stop`.
 */
export class NodeProcess {
  readonly directory: NodeDirectory;
  readonly #program: NodeProgram;
  readonly #onGone: () => void;
  #running: Running | undefined;
  #startingPid: number | undefined;
  #stopping = false;

  constructor(directory: NodeDirectory, program: NodeProgram, onGone: () => void) {
    this.directory = directory;
    this.#program = program;
    this.#onGone = onGone;
  }

  /** Admin endpoint of the running node; undefined while there is none. */
  get admin(): NodeAdminClient | undefined {
    return this.#running?.admin;
  }
  get pid(): number | undefined {
    return this.#running?.pid;
  }
  /** Health as of the start, with the listeners. */
  get health(): NodeHealth | undefined {
    return this.#running?.health;
  }
  get ports(): NodePorts | undefined {
    return this.#running?.ports;
  }

  /** Takes over a node that an earlier agent left running. False when there is none. */
  async adopt(): Promise<boolean> {
    if (this.#running) return true;
    const run = await this.#readRunFile();
    if (!run || !(await isNodeProcess(run.pid, this.directory.configPath))) return false;
    const alive = (): Promise<boolean> => isNodeProcess(run.pid, this.directory.configPath);
    const deadline = Date.now() + START_TIMEOUT_MS;
    let ended = false;
    const ready = await this.#waitReady(run.pid, async () => (ended ||= !(await alive())), deadline);
    if (!ready) return false;
    await this.#take(run.pid, ready, this.#watch(alive));
    return true;
  }

  /**
   * Makes the node run and be ready. With `ports` undefined the last ones are used. Throws `node-port-in-use` or
   * `node-start-failed` with the node's own sentence.
   */
  async start(ports: NodePorts | undefined): Promise<void> {
    if (await this.adopt()) return;
    const wanted = ports ?? (await this.directory.ports());
    if (!wanted) throw new AgentError('node-start-failed', `node ${this.directory.nodeId} has no ports`);
    await this.directory.prepare(this.#program.settings, wanted);
    const { pid, ended, hasEnded } = await this.#spawn();
    this.#startingPid = pid;
    const ready = await this.#waitReady(pid, async () => hasEnded(), Date.now() + START_TIMEOUT_MS);
    this.#startingPid = undefined;
    if (ready) return this.#take(pid, ready, ended);
    if (!hasEnded()) {
      await this.#signal(pid, 'SIGKILL');
      await ended;
      throw new AgentError('node-start-failed', `the node was not ready after ${START_TIMEOUT_MS / 1000} s`);
    }
    throw await this.#startFailure();
  }

  /** SIGTERM, and SIGKILL after 4 s. Resolves when the process is gone; nothing running is fine too. */
  async stop(): Promise<void> {
    const running = this.#running;
    const pid = running?.pid ?? this.#startingPid ?? (await this.#readRunFile())?.pid;
    if (pid === undefined || !(await isNodeProcess(pid, this.directory.configPath))) return;
    this.#stopping = true;
    try {
      await this.#signal(pid, 'SIGTERM');
      const killAtMs = Date.now() + STOP_GRACE_MS;
      while (await isNodeProcess(pid, this.directory.configPath)) {
        if (Date.now() > killAtMs) await this.#signal(pid, 'SIGKILL');
        await pause(POLL_MS, NEVER);
      }
      await running?.gone;
    } finally {
      this.#stopping = false;
    }
  }

  /** Kills a node that runs but no longer answers; `onGone` follows. */
  async kill(): Promise<void> {
    if (this.#running) await this.#signal(this.#running.pid, 'SIGKILL');
  }

  async #signal(pid: number, signal: NodeJS.Signals): Promise<void> {
    if (!(await isNodeProcess(pid, this.directory.configPath))) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  async #spawn(): Promise<{ pid: number; ended: Promise<void>; hasEnded: () => boolean }> {
    const log = await open(this.directory.logPath, 'a', 0o600);
    const startError = await open(this.directory.startErrorPath, 'w', 0o600);
    try {
      // Own process group: a Ctrl-C in the terminal reaches the agent, which stops its nodes in order. No pipes and no
      // IPC: neither would outlive a killed agent.
      const child = spawn(this.#program.execPath, [this.#program.mainPath, '--config', this.directory.configPath], {
        detached: true,
        stdio: ['ignore', log.fd, startError.fd],
        env: nodeEnvironment(storageVariables(this.#program.settings.s3)),
      });
      let hasEnded = false;
      const ended = new Promise<void>((resolve) => {
        const end = (): void => {
          hasEnded = true;
          resolve();
        };
        child.once('exit', end);
        child.once('error', end);
      });
      if (child.pid === undefined) {
        await ended;
        throw new AgentError('node-start-failed', `the program ${this.#program.execPath} cannot be run`);
      }
      child.unref();
      return { pid: child.pid, ended, hasEnded: () => hasEnded };
    } finally {
      await log.close();
      await startError.close();
    }
  }

  /** Polls until node.json names `pid` and health says ready; undefined when the process ended or time is up. */
  async #waitReady(
    pid: number,
    hasEnded: () => Promise<boolean>,
    deadlineMs: number,
  ): Promise<{ admin: NodeAdminClient; health: NodeHealth } | undefined> {
    let admin: NodeAdminClient | undefined;
    while (!(await hasEnded()) && Date.now() < deadlineMs) {
      const run = await this.#readRunFile();
      if (run?.pid === pid) {
        admin ??= new NodeAdminClient({
          socketPath: run.adminSocket ?? join(await this.directory.runDir(), 'admin.sock'),
          token: await this.directory.adminToken(),
        });
        const health = await admin.health().catch(() => undefined);
        if (health?.ready && health.pid === pid) return { admin, health };
      }
      await pause(POLL_MS, NEVER);
    }
    admin?.close();
    return undefined;
  }

  async #take(pid: number, ready: { admin: NodeAdminClient; health: NodeHealth }, ended: Promise<void>): Promise<void> {
    const ports = await this.directory.ports();
    const gone = ended.then(() => {
      ready.admin.close();
      this.#running = undefined;
      if (!this.#stopping) this.#onGone();
    });
    this.#running = { pid, ...ready, ports, gone };
  }

  async #watch(alive: () => Promise<boolean>): Promise<void> {
    while (await alive()) {
      await new Promise<void>((resolve) => void setTimeout(resolve, WATCH_MS).unref());
    }
  }

  async #readRunFile(): Promise<z.infer<typeof NodeRunFile> | undefined> {
    try {
      const bytes = await readFileIfAny(join(await this.directory.runDir(), 'node.json'));
      return bytes ? NodeRunFile.parse(JSON.parse(bytes.toString('utf8'))) : undefined;
    } catch {
      // Half written: the next poll reads it whole.
      return undefined;
    }
  }

  async #startFailure(): Promise<AgentError> {
    const text = await readFile(this.directory.startErrorPath, 'utf8').catch(() => '');
    const sentence = text.trim().split('\n').at(-1) ?? '';
    const port = /port (\d+)[^\d]*in use|EADDRINUSE[^\n]*:(\d+)/i.exec(text);
    if (port) return new AgentError('node-port-in-use', `port ${port[1] ?? port[2]} in use`);
    return new AgentError('node-start-failed', sentence || `node ${this.directory.nodeId} ended before it was ready`);
  }
}

const NEVER = new AbortController().signal;

/** Of the agent's environment nodes get what a program needs to run at all, and the keys to their object storage. */
function nodeEnvironment(storage: readonly string[]): NodeJS.ProcessEnv {
  const kept = [
    'PATH',
    'HOME',
    'TMPDIR',
    'LANG',
    'TZ',
    'NODE_OPTIONS',
    'NODE_ENV',
    'ROBUSTMQ_EGRESS_PRIVATE',
    ...storage,
  ];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
