import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { StartError } from './start-error.ts';

const RESTART_DELAY_MS_MIN = 250;
const RESTART_DELAY_MS_MAX = 5_000;
/** A child that lives this long is healthy: its next restart waits the minimum again. */
const HEALTHY_AFTER_MS = 20_000;
const STDERR_TAIL_BYTES = 4_096;

export interface ChildOptions {
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  /** Options of Node itself, such as `--watch`. */
  readonly nodeArgs?: readonly string[];
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** Told of deaths and restarts, in a sentence. */
  readonly say: (line: string) => void;
}

/**
 * One supervised process: its output goes to `<home>/logs/<name>.log`; when it dies it is started again after a growing
 * delay, until `stop`. The IPC channel tells it when this process is gone.
 */
export class Child {
  readonly #options: ChildOptions;
  readonly #log: WriteStream;
  #process: ChildProcess | null = null;
  #stopping = false;
  #restartDelayMs = RESTART_DELAY_MS_MIN;
  #startedAt = 0;
  #stderrTail = '';
  /** False until the first start was declared good by `waitUntil`: an exit before that is a failed start, not a crash. */
  #settled = false;
  #firstExit: ((code: number | null) => void) | null = null;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#log = createWriteStream(join(options.home, 'logs', `${options.name}.log`), { flags: 'a', mode: 0o600 });
  }

  get name(): string {
    return this.#options.name;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  start(): void {
    const { script, args = [], nodeArgs = [], env, cwd } = this.#options;
    this.#startedAt = Date.now();
    this.#stderrTail = '';
    const child = spawn(process.execPath, [...nodeArgs, script, ...args], {
      env: { NODE_COMPILE_CACHE: join(this.#options.home, 'run/compiled'), ...env },
      ...(cwd === undefined ? {} : { cwd }),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#process = child;
    child.stdout!.pipe(this.#log, { end: false });
    child.stderr!.pipe(this.#log, { end: false });
    child.stderr!.on('data', (bytes: Buffer) => {
      this.#stderrTail = (this.#stderrTail + bytes.toString('utf8')).slice(-STDERR_TAIL_BYTES);
    });
    child.on('error', (error) => this.#options.say(`${this.#options.name}: ${error.message}`));
    child.on('exit', (code, signal) => this.#onExit(code, signal));
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#process = null;
    if (this.#stopping) return;
    if (!this.#settled) {
      this.#firstExit?.(code);
      return;
    }
    if (Date.now() - this.#startedAt > HEALTHY_AFTER_MS) this.#restartDelayMs = RESTART_DELAY_MS_MIN;
    const { name, say } = this.#options;
    say(`${name} ended (${signal ?? `code ${code}`}); starting it again`);
    setTimeout(() => !this.#stopping && this.start(), this.#restartDelayMs).unref();
    this.#restartDelayMs = Math.min(this.#restartDelayMs * 2, RESTART_DELAY_MS_MAX);
  }

  /** Waits for the first start: resolves once `isReady` says so; throws StartError with the child's own sentence if it ends. */
  async waitUntil(isReady: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let exit: { code: number | null } | null = null;
    this.#firstExit = (code) => (exit = { code });
    for (;;) {
      if (exit) throw new StartError(this.#failure());
      if (await isReady()) break;
      if (Date.now() > deadline) {
        throw new StartError(
          `${this.#options.name} did not become ready in ${timeoutMs / 1000} s; its log is ${this.logFile}.`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    this.#settled = true;
  }

  /** For a helper of developers that nobody waits for. */
  startUnawaited(): void {
    this.#settled = true;
    this.start();
  }

  get logFile(): string {
    return join(this.#options.home, 'logs', `${this.#options.name}.log`);
  }

  #failure(): string {
    const sentence = this.#stderrTail.trim().split('\n').at(-1) ?? '';
    return sentence && !sentence.startsWith('{')
      ? `${this.#options.name}: ${sentence.replace(/^robust-server: /, '')}`
      : `${this.#options.name} ended at its start; its log is ${this.logFile}.`;
  }

  /** From now on an exit is no crash: Ctrl-C reaches every process of the terminal's group before `stop` is called. */
  expectExit(): void {
    this.#stopping = true;
  }

  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }
}
