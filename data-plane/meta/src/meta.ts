import type { Chunk, Log, LogStore } from '@robustmq/store';
import type { Runtime } from '@robustmq/wire';
import { isCommand, type Command } from './command.ts';
import { decodeEntry, encodeEntry, type LogEntry } from './log-entry.ts';
import { MetaError } from './meta-error.ts';
import { MetaState, type NamespaceState } from './state.ts';

/** The command log's name in its store; streams of the journal begin differently (broker/stream-name.ts). */
export const META_STREAM = 'meta';
/** Commands in one entry of a snapshot. */
const SNAPSHOT_ENTRY_COMMANDS = 1_000;
const REPLAY_READ_BYTES = 4 * 2 ** 20;

export interface MetaOptions {
  readonly store: LogStore;
  readonly runtime: Runtime;
  /** A snapshot is written when the log holds this many bytes and twice the last snapshot. Default 4 MiB. */
  readonly snapshotBytesMin?: number;
}

type Watcher = (command: Command) => void;

/**
 * The owner of a node's state that is not messages. `propose` → `check` → append → `apply` in one turn, so views follow
 * the order of the log; what a client is told waits for the promise, which resolves when the entry is stable.
 */
export class Meta {
  readonly #store: LogStore;
  readonly #runtime: Runtime;
  readonly #snapshotBytesMin: number;
  readonly #watchers = new Set<Watcher>();
  #log: Log | null = null;
  #state = new MetaState();
  #lostTail = false;
  #snapshotBytes = 0;
  #bytesSinceSnapshot = 0;
  #flushing: Promise<void> | null = null;

  constructor(options: MetaOptions) {
    this.#store = options.store;
    this.#runtime = options.runtime;
    this.#snapshotBytesMin = options.snapshotBytesMin ?? 4 * 2 ** 20;
  }

  /** Reads the log. Throws MetaError `log-corrupt` unless what cannot be read is the very end, which is cut off. */
  async start(): Promise<void> {
    const log = await this.#store.open(META_STREAM);
    const { state, cut } = await replay(log, this.#runtime);
    this.#state = state;
    this.#lostTail = cut;
    this.#bytesSinceSnapshot = log.sizeBytes;
    this.#log = log;
  }

  /** True when `start` had to cut off an unreadable end: something that was stable may be missing. */
  get lostTail(): boolean {
    return this.#lostTail;
  }

  /** Live views: they change with every command. */
  get namespaces(): ReadonlyMap<string, NamespaceState> {
    return this.#state.namespaces;
  }

  /** Calls back after every applied command, in order. Returns a function that stops it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /**
   * Applies the command at once and resolves when it is stable. Rejects with the MetaError of a refused command, having
   * changed nothing, or with the store's error. Proposals of one turn share a flush.
   */
  async propose(command: Command): Promise<void> {
    if (this.#log === null) throw new MetaError('closed', command.kind);
    if (!isCommand(command)) throw new MetaError('command-invalid', (command as { kind: string }).kind);
    this.#state.check(command);
    this.#append([command]);
    this.#state.apply(command);
    for (const watcher of this.#watchers) watcher(command);
    await this.#flush();
  }

  /** Waits for what was proposed. The store stays open: it is the caller's. */
  async close(): Promise<void> {
    if (this.#log === null) return;
    this.#log = null;
    await this.#store.flush();
  }

  /** One flush for all proposals of this turn, and a snapshot before it when the log has grown enough. */
  #flush(): Promise<void> {
    this.#flushing ??= new Promise((resolve, reject) => {
      this.#runtime.afterPoll(() => {
        this.#flushing = null;
        let cut: number | null = null;
        try {
          if (this.#log !== null && this.#isSnapshotDue()) cut = this.#writeSnapshot();
        } catch (error) {
          // The medium failed since the proposals were appended: whoever made them hears it, and nobody else.
          reject(error instanceof Error ? error : new Error(String(error)));
          return;
        }
        this.#store.flush().then(() => {
          resolve();
          if (cut !== null) this.#trim(cut);
        }, reject);
      });
    });
    return this.#flushing;
  }

  #isSnapshotDue(): boolean {
    return this.#bytesSinceSnapshot >= Math.max(this.#snapshotBytesMin, 2 * this.#snapshotBytes);
  }

  /** Returns the offset at which the snapshot begins. Everything below may go once it is stable. */
  #writeSnapshot(): number {
    const begin = this.#log!.endOffset;
    const before = this.#bytesSinceSnapshot;
    this.#append('snapshot-begin');
    let commands: Command[] = [];
    for (const command of this.#state.commands()) {
      commands.push(command);
      if (commands.length === SNAPSHOT_ENTRY_COMMANDS) {
        this.#append(commands);
        commands = [];
      }
    }
    if (commands.length > 0) this.#append(commands);
    this.#append('snapshot-end');
    this.#snapshotBytes = this.#bytesSinceSnapshot - before;
    this.#bytesSinceSnapshot = 0;
    return begin;
  }

  #trim(before: number): void {
    const log = this.#log;
    if (log === null) return;
    log.trim(before).catch((error: unknown) => this.#runtime.log.warn({ error }, 'meta log could not be trimmed'));
  }

  #append(entry: LogEntry): void {
    const log = this.#log!;
    const bytes = encodeEntry(entry);
    const baseOffset = log.endOffset;
    log.append({ baseOffset, nextOffset: baseOffset + 1, timestampMs: this.#runtime.nowMs(), bytes });
    this.#bytesSinceSnapshot += bytes.length;
  }
}

/** The state a log amounts to. A snapshot counts from its end mark on: one that was cut off changes nothing. */
async function replay(log: Log, runtime: Runtime): Promise<{ state: MetaState; cut: boolean }> {
  let state = new MetaState();
  let snapshot: MetaState | null = null;
  for (let at = log.startOffset; at < log.endOffset;) {
    const chunks = await log.read(at, REPLAY_READ_BYTES);
    if (chunks.length === 0) break;
    for (const chunk of chunks) {
      const entry = decodeEntry(chunk.bytes);
      if (entry === null || (typeof entry !== 'string' && !applyAll(snapshot ?? state, entry))) {
        await cutTail(log, chunk, runtime);
        if (snapshot !== null) await dropOpenSnapshot(log);
        return { state, cut: true };
      }
      if (entry === 'snapshot-begin') snapshot = new MetaState();
      else if (entry === 'snapshot-end') {
        state = snapshot ?? state;
        snapshot = null;
      }
      at = chunk.nextOffset;
    }
  }
  if (snapshot !== null) await dropOpenSnapshot(log);
  return { state, cut: false };
}

function applyAll(state: MetaState, commands: readonly Command[]): boolean {
  try {
    for (const command of commands) state.apply(command);
    return true;
  } catch (error) {
    if (error instanceof MetaError) return false;
    throw error;
  }
}

async function cutTail(log: Log, chunk: Chunk, runtime: Runtime): Promise<void> {
  if (chunk.nextOffset < log.endOffset) throw new MetaError('log-corrupt', `entry ${chunk.baseOffset}`);
  runtime.log.warn({ offset: chunk.baseOffset }, 'the last entry of the meta log is unreadable and was cut off');
  await log.truncate(chunk.baseOffset);
}

/** A snapshot without an end would swallow what is appended after it: take it back. */
async function dropOpenSnapshot(log: Log): Promise<void> {
  for (let at = log.endOffset - 1; at >= log.startOffset; at--) {
    const [chunk] = await log.read(at, 1);
    if (chunk && decodeEntry(chunk.bytes) === 'snapshot-begin') {
      await log.truncate(at);
      return;
    }
  }
}
