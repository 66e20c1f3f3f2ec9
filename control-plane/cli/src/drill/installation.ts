import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, Failure } from '../failure.ts';

/** A process that an installation started itself. `startedAt` tells it from a later one with the same number. */
export interface OwnProcess {
  readonly role: 'api' | 'billing' | 'database' | 'agent' | 'node';
  readonly pid: number;
  readonly startedAt: string;
}

/** The API first: it must not see its database go. */
const CONTROL_PLANE = ['api', 'billing', 'database'] as const;
const SCRIPTS: readonly (readonly [OwnProcess['role'], string])[] = [
  ['api', 'control-plane/api/dist/main.js'],
  ['billing', 'billing/app/src/main.ts'],
  ['agent', 'data-plane/agent/src/main.mjs'],
];

/**
 * The processes of one running installation, found from its launcher's lock in `home` and from nothing else: a process is
 * only ever signalled when it descends from that launcher, or is a node that the installation's agent wrote down.
 */
export class Installation {
  readonly home: string;
  readonly #launcherPid: number;

  private constructor(home: string, launcherPid: number) {
    this.home = home;
    this.#launcherPid = launcherPid;
  }

  /** Throws Failure `not found` when nothing of this home runs on this machine. */
  static at(home: string): Installation {
    const lock = join(home, 'run/launcher.lock');
    const [pid, startedAt] = existsSync(lock) ? readFileSync(lock, 'utf8').split(' ') : [];
    if (!pid || startedAtOf(Number(pid)) !== startedAt) {
      throw new Failure(
        EXIT.notFound,
        `No installation runs on ${home} on this machine.`,
        'Name its data directory with --home or ROBUSTMQ_HOME. A drill works where `npm start` or robust-server runs.',
      );
    }
    return new Installation(home, Number(pid));
  }

  /** Everything that runs now, in no order. */
  processes(): OwnProcess[] {
    const found: OwnProcess[] = [];
    for (const { pid, command } of descendants(this.#launcherPid)) {
      const role = SCRIPTS.find(([, script]) => command.some((word) => word.endsWith(script)))?.[0];
      if (role) found.push(own(role, pid));
      else if (isDatabase(command, this.home)) {
        // its own children do the work: stopping the postmaster alone stops no query
        found.push(own('database', pid), ...descendants(pid).map((child) => own('database', child.pid)));
      }
    }
    return [...found, ...this.#nodes()];
  }

  #nodes(): OwnProcess[] {
    const nodes = join(this.home, 'agent/nodes');
    if (!existsSync(nodes)) return [];
    return readdirSync(nodes).flatMap((id) => {
      try {
        const { pid } = JSON.parse(readFileSync(join(nodes, id, 'run/node.json'), 'utf8')) as { pid: number };
        return commandOf(pid).includes(join(nodes, id, 'config.json')) ? [own('node', pid)] : [];
      } catch {
        return [];
      }
    });
  }

  /** The parts of the control plane, in the order in which they are to be stopped. */
  controlPlane(): OwnProcess[] {
    const all = this.processes();
    return CONTROL_PLANE.flatMap((role) => all.filter((one) => one.role === role));
  }

  /** Kills without warning, as a power cut does. False when the process had ended by itself. */
  kill(process: OwnProcess): boolean {
    return signal(process, 'SIGKILL');
  }

  of(role: OwnProcess['role']): OwnProcess[] {
    return this.processes().filter((one) => one.role === role);
  }
}

/**
 * Processes that are stopped (SIGSTOP): they hold their connections and answer nobody, which is worse for whoever waits
 * than being gone. A guard lets them go on when this process ends in any way at all, killed included.
 */
export class Frozen {
  readonly #processes: readonly OwnProcess[];
  readonly #guard: ChildProcess;
  #thawed = false;

  constructor(processes: readonly OwnProcess[]) {
    this.#processes = processes;
    // Children continue before their parents: the database is whole before anybody asks it.
    const pids = processes.map(({ pid }) => pid).reverse();
    this.#guard = spawn('sh', ['-c', `read _; kill -CONT ${pids.join(' ')} 2>/dev/null`], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#guard.stdin!.on('error', () => undefined);
    for (const one of processes) signal(one, 'SIGSTOP');
  }

  /** Lets them go on. May be called twice. */
  thaw(): void {
    if (this.#thawed) return;
    this.#thawed = true;
    for (const one of [...this.#processes].reverse()) signal(one, 'SIGCONT');
    this.#guard.stdin!.end('\n');
  }
}

function signal({ pid, startedAt }: OwnProcess, name: NodeJS.Signals): boolean {
  if (startedAtOf(pid) !== startedAt) return false;
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

const own = (role: OwnProcess['role'], pid: number): OwnProcess => ({ role, pid, startedAt: startedAtOf(pid) ?? '' });

const isDatabase = (command: readonly string[], home: string): boolean =>
  /(^|\/)postgres$/.test(command[0] ?? '') && command.some((word) => word.startsWith(join(home, 'postgres')));

/** The words of a command line; empty when there is no such process. */
function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** Parent and start time of a process (proc(5), fields 4 and 22); the name before them may hold spaces and brackets. */
function statOf(pid: number): { parent: number; startedAt: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { parent: Number(fields[1]), startedAt: fields[19]! };
  } catch {
    return undefined;
  }
}
const startedAtOf = (pid: number): string | undefined => statOf(pid)?.startedAt;

function descendants(root: number): { pid: number; command: string[] }[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat) parents.set(Number(name), stat.parent);
  }
  const isBelow = (pid: number): boolean => {
    for (let at = parents.get(pid); at !== undefined && at > 1; at = parents.get(at)) if (at === root) return true;
    return false;
  };
  return [...parents.keys()].filter(isBelow).map((pid) => ({ pid, command: commandOf(pid) }));
}
