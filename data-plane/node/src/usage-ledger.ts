import type {
  ClusterId,
  OpenUsageReply,
  UsageProtocol,
  UsageShares,
  UsageWindow,
} from '@robustmq/contracts/data-plane';
import type { Log, LogStore } from '@robustmq/store';
import { WireError, type Cancel, type Runtime } from '@robustmq/wire';
import { NodeError } from './node-error.ts';
import { namesPerList, sharesOf, type ShareDeltas } from './usage-share-lists.ts';
import { applyRecord, CounterSet, encodeRecord, STORAGE_SLOT } from './usage-record.ts';

/** Names of the ledger's own logs in the node's medium. No namespace can have one: they are not stream names. */
export const USAGE_TOTALS_LOG = 'usage-totals';
export const USAGE_WINDOWS_LOG = 'usage-windows';

/** Totals are persisted at least this often while they change. */
const PERSIST_PERIOD_MS = 1_000;
/** Stored bytes and node time grow all the time; a crash may lose this much of their integral. */
const LEVEL_PERSIST_PERIOD_MS = 10_000;
/** A checkpoint replaces the totals log when it has grown by this and by twice the last checkpoint. */
const CHECKPOINT_BYTES_MIN = 2 ** 20;
/** Windows in one chunk of the windows log. */
const WINDOWS_PER_CHUNK_MAX = 500;
/** Windows one call of `windows` returns at most. */
export const WINDOWS_PER_READ_MAX = 5_000;
const READ_BYTES = 2 ** 20;
/** A clock this far behind the open window is reported: its window cannot close before the clock has caught up. */
const CLOCK_BEHIND_WARN_MS = 600_000;

/** Cumulative counters of one namespace and protocol in this process. The object stays readable after its namespace went. */
export interface LiveCounters {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What a namespace stores now; hot bytes lie on the medium as well. Requests count since this process began. */
export interface StorageLevels {
  readonly hotBytes: number;
  readonly warmBytes: number;
  readonly coldBytes: number;
  readonly partitions: number;
  readonly objectRequests: number;
}

/** Where the ledger reads from. All visits are synchronous. */
export interface UsageSource {
  /** Counters that may have moved since the last call: what is touched per flush. */
  visitChanged(visit: (namespaceId: string, protocol: UsageProtocol, counters: LiveCounters) => void): void;
  /** All counters, with the milliseconds their connections have been open in this process, open ones up to now. */
  visitAll(
    visit: (namespaceId: string, protocol: UsageProtocol, counters: LiveCounters, connectionMs: number) => void,
  ): void;
  visitStorage(visit: (namespaceId: string, stored: StorageLevels) => void): void;
  /** Namespaces that pay for the node's running time. */
  visitDedicated(visit: (namespaceId: string) => void): void;
  /** Who and what caused the counts since the last call; in memory only, so a crash forgets them. */
  takeShares?(namespaceId: string, protocol: UsageProtocol): ShareDeltas;
}

export interface UsageLedgerOptions {
  readonly store: LogStore;
  readonly runtime: Runtime;
  readonly source: UsageSource;
  readonly nodeId: string;
  readonly windowMs: number;
  /** Makes the medium flush soon; `beforeFlush` is called in it. Resolves when what was appended is stable. */
  readonly flush: () => Promise<void>;
  /** The medium refused an append. The process should end. */
  readonly onFailed: (error: unknown) => void;
}

/** A counter set and the process counters that feed it now. */
interface Fed {
  readonly set: CounterSet;
  live: LiveCounters | null;
  /** What of `live` is in the totals already. */
  counted: Counted;
  /** Round of the last `visitAll` that had it. */
  seen: number;
}
interface Counted {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
  connectionMs: number;
}

/** One entry of the windows log: cluster, protocol, meter, value, cumulative, and shares where there are any. */
type LoggedWindow = readonly [
  string,
  UsageWindow['protocol'],
  UsageWindow['meter'],
  string,
  string,
  (UsageShares | undefined)?,
];
interface LoggedWindows {
  readonly windowStartMs: number;
  readonly windows: readonly LoggedWindow[];
}

/**
 * Exact usage counters that survive a crash. Totals ride in the group commit of the messages they count (`beforeFlush`),
 * so a message that was acknowledged is counted, and are cut into windows whose value is the difference of two
 * totals; a window is served only once it is stable, and never changes after. Window `seq` n lies at offset n − 1 of
 * the windows log. Windows never overlap or go back: while the clock is behind, the open one stays open.
 * Counters of deleted clusters stay (some 300 bytes each), for their totals belong to the epoch.
 */
export class UsageLedger {
  readonly #options: UsageLedgerOptions;
  readonly #totalsLog: Log;
  readonly #windowsLog: Log;
  readonly #sets = new Map<string, Fed>();
  /** By counters object, so that one which comes back is never counted twice. */
  readonly #counted = new WeakMap<LiveCounters, Counted>();
  /** What of this process's requests to object storage is in the totals. */
  readonly #objectRequests = new Map<string, number>();
  #epoch = '';
  #windowStartMs = 0;
  #levelsAtMs: number;
  #levelsLoggedAtMs: number;
  #round = 0;
  /** Windows up to this one are in the last checkpoint's closed quantities. */
  #checkpointSeq = 0;
  #checkpointBytes = 0;
  #bytesSinceCheckpoint = 0;
  #timer: Cancel | null = null;
  #clockReported = false;

  private constructor(options: UsageLedgerOptions, totalsLog: Log, windowsLog: Log) {
    this.#options = options;
    this.#totalsLog = totalsLog;
    this.#windowsLog = windowsLog;
    this.#levelsAtMs = options.runtime.monotonicMs();
    this.#levelsLoggedAtMs = this.#levelsAtMs;
  }

  /** Reads the logs, and makes the node epoch when there is none. Throws NodeError `data-corrupt`, StoreError. */
  static async open(options: UsageLedgerOptions): Promise<UsageLedger> {
    const { store } = options;
    const ledger = new UsageLedger(options, await store.open(USAGE_TOTALS_LOG), await store.open(USAGE_WINDOWS_LOG));
    try {
      await ledger.#recover();
    } catch (cause) {
      if (!(cause instanceof WireError) && !(cause instanceof SyntaxError)) throw cause;
      throw new NodeError('data-corrupt', `the usage logs cannot be read: ${cause.message}`, { cause });
    }
    return ledger;
  }

  /** Random id of the data directory, 32 hex digits: totals only compare within it. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Samples and closes windows from now on. */
  start(): void {
    this.#levelsAtMs = this.#options.runtime.monotonicMs();
    this.#round++;
    this.#schedule();
  }

  /** Persists the last totals; the open window goes on after the next start. */
  async stop(): Promise<void> {
    this.#timer?.();
    this.#timer = null;
    this.#sampleAll();
    this.#log([...this.#sets.values()]);
    await this.#options.flush();
  }

  /** Called right before each flush of the medium: the messages in it are counted in it. */
  readonly beforeFlush = (): void => {
    const changed: Fed[] = [];
    this.#options.source.visitChanged((namespaceId, protocol, counters) => {
      const fed = this.#feed(namespaceId, protocol, counters);
      addCounted(fed);
      if (fed.set.changed) changed.push(fed);
    });
    this.#log(changed);
  };

  /** Stable windows with seq > `afterSeq`, in order, at most `limit`. Trimmed ones are gone. */
  async windows(afterSeq: number, limit: number): Promise<readonly UsageWindow[]> {
    const log = this.#windowsLog;
    const found: UsageWindow[] = [];
    const count = Math.min(limit, WINDOWS_PER_READ_MAX);
    let at = Math.max(afterSeq, log.startOffset);
    while (at < log.stableOffset && found.length < count) {
      for (const chunk of await log.read(at, READ_BYTES)) {
        if (chunk.nextOffset > log.stableOffset) return found;
        const { windowStartMs, windows } = JSON.parse(chunk.bytes.toString()) as LoggedWindows;
        for (let i = at - chunk.baseOffset; i < windows.length && found.length < count; i++)
          found.push(this.#toWindow(chunk.baseOffset + i + 1, windowStartMs, windows[i]!));
        at = chunk.nextOffset;
        if (found.length >= count) break;
      }
    }
    return found;
  }

  /** Forgets windows through `throughSeq`: somebody else keeps them now. Unstable ones stay. */
  async trim(throughSeq: number): Promise<void> {
    const before = Math.min(throughSeq, this.#windowsLog.stableOffset);
    if (before <= this.#windowsLog.startOffset) return;
    // What was closed is known from the windows, or from a checkpoint behind them. Without either, the next start would
    // cut the same counts into windows once more.
    if (before > this.#checkpointSeq) {
      this.#checkpoint();
      await this.#options.flush();
    }
    await this.#windowsLog.trim(before);
  }

  /** What the window that is open holds so far. For people: it still grows, and is not what is billed. */
  openWindow(): OpenUsageReply {
    this.#sampleAll();
    const usage: OpenUsageReply['usage'] = [];
    for (const { set } of this.#sets.values()) {
      set.slots.forEach(({ meter }, i) => {
        const value = set.quantity(i) - set.closed[i]!;
        if (value > 0n) {
          const clusterId = set.clusterId as ClusterId;
          usage.push({
            clusterId,
            protocol: set.protocol,
            meter,
            value: String(value),
            cumulative: String(set.quantity(i)),
          });
        }
      });
    }
    return { nodeEpoch: this.#epoch, windowStartMs: this.#windowStartMs, usage };
  }

  /** One round: samples, closes the window when it is over, persists what changed. The timer calls it. */
  tick(): void {
    const { runtime, windowMs } = this.#options;
    const nowMs = runtime.nowMs();
    this.#sampleAll();
    const over = nowMs >= this.#windowStartMs + windowMs;
    const levelsDue = over || runtime.monotonicMs() - this.#levelsLoggedAtMs >= LEVEL_PERSIST_PERIOD_MS;
    if (levelsDue) this.#levelsLoggedAtMs = runtime.monotonicMs();
    const due = [...this.#sets.values()].filter(({ set }) => levelsDue || set.protocol !== 'storage');
    let appended = this.#log(due);
    // Totals first: in the order of the medium a window is never stable without the totals it was cut from.
    if (over) appended = this.#closeWindow(nowMs) || appended;
    else if (nowMs < this.#windowStartMs - CLOCK_BEHIND_WARN_MS) this.#reportClock(nowMs);
    if (appended) void this.#options.flush().catch((error: unknown) => this.#options.onFailed(error));
  }

  #schedule(): void {
    const { runtime, windowMs } = this.#options;
    const untilBoundaryMs = this.#windowStartMs + windowMs - runtime.nowMs();
    const delayMs = Math.max(1, Math.min(PERSIST_PERIOD_MS, untilBoundaryMs));
    this.#timer = runtime.after(delayMs, () => {
      this.#schedule();
      try {
        this.tick();
      } catch (error) {
        this.#options.onFailed(error);
      }
    });
  }

  #closeWindow(nowMs: number): boolean {
    const closed: LoggedWindow[] = [];
    const { source } = this.#options;
    const namesMax = namesPerList(this.#sets.size);
    for (const { set } of this.#sets.values()) {
      const isStorage = set.protocol === 'storage';
      const deltas = isStorage ? undefined : source.takeShares?.(set.clusterId, set.protocol);
      set.slots.forEach(({ meter }, i) => {
        const cumulative = set.quantity(i);
        const value = cumulative - set.closed[i]!;
        if (value === 0n) return;
        set.closed[i] = cumulative;
        const shares = deltas === undefined ? undefined : sharesOf(meter, value, deltas, namesMax);
        const window = [set.clusterId, set.protocol, meter, String(value), String(cumulative)] as const;
        closed.push(shares === undefined ? window : [...window, shares]);
      });
    }
    const log = this.#windowsLog;
    for (let at = 0; at < closed.length; at += WINDOWS_PER_CHUNK_MAX) {
      const windows = closed.slice(at, at + WINDOWS_PER_CHUNK_MAX);
      const entry: LoggedWindows = { windowStartMs: this.#windowStartMs, windows };
      const bytes = Buffer.from(JSON.stringify(entry));
      const baseOffset = log.endOffset;
      log.append({ baseOffset, nextOffset: baseOffset + windows.length, timestampMs: nowMs, bytes });
    }
    this.#windowStartMs = nowMs - (nowMs % this.#options.windowMs);
    this.#clockReported = false;
    // Should the windows be trimmed before the next total changes, this alone says that their minute is over.
    if (closed.length > 0) this.#bytesSinceCheckpoint += this.#append(encodeRecord(this.#windowStartMs, [], null));
    return closed.length > 0;
  }

  /** Appends the changed totals; with them, when it is time, a checkpoint in place of everything before. */
  #log(due: readonly Fed[]): boolean {
    const changed = due.filter(({ set }) => set.changed).map(({ set }) => set);
    if (changed.length === 0) return false;
    if (this.#bytesSinceCheckpoint >= Math.max(CHECKPOINT_BYTES_MIN, 2 * this.#checkpointBytes)) this.#checkpoint();
    else this.#bytesSinceCheckpoint += this.#append(encodeRecord(this.#windowStartMs, changed, null));
    return true;
  }

  #checkpoint(): void {
    const at = this.#totalsLog.endOffset;
    const sets = [...this.#sets.values()].map(({ set }) => set);
    const checkpoint = { epoch: this.#epoch, windowsSeq: this.#windowsLog.endOffset };
    this.#checkpointSeq = checkpoint.windowsSeq;
    this.#checkpointBytes = this.#append(encodeRecord(this.#windowStartMs, sets, checkpoint));
    this.#bytesSinceCheckpoint = 0;
    this.#options
      .flush()
      .then(() => this.#totalsLog.trim(at))
      .catch((error: unknown) => this.#options.runtime.log.warn({ error }, 'the usage log could not be trimmed'));
  }

  #append(bytes: Buffer): number {
    const log = this.#totalsLog;
    const baseOffset = log.endOffset;
    log.append({ baseOffset, nextOffset: baseOffset + 1, timestampMs: this.#options.runtime.nowMs(), bytes });
    return bytes.length;
  }

  #sampleAll(): void {
    const { source, runtime } = this.#options;
    const round = ++this.#round;
    source.visitAll((namespaceId, protocol, counters, connectionMs) => {
      const fed = this.#feed(namespaceId, protocol, counters);
      fed.seen = round;
      addCounted(fed);
      addConnectionMs(fed, connectionMs);
    });
    for (const fed of this.#sets.values()) {
      if (fed.live === null || fed.seen === round) continue;
      addCounted(fed);
      fed.live = null;
    }
    const elapsedMs = Math.floor(runtime.monotonicMs() - this.#levelsAtMs);
    if (elapsedMs <= 0) return;
    this.#levelsAtMs += elapsedMs;
    const elapsed = BigInt(elapsedMs);
    source.visitStorage((namespaceId, stored) => this.#addStorage(namespaceId, stored, elapsed));
    source.visitDedicated((namespaceId) => {
      this.#set(namespaceId, 'storage').set.totals[STORAGE_SLOT.node]! += elapsed;
    });
  }

  #addStorage(namespaceId: string, levels: StorageLevels, elapsedMs: bigint): void {
    const { hotBytes, warmBytes, coldBytes, partitions, objectRequests } = levels;
    const counted = this.#objectRequests.get(namespaceId) ?? 0;
    if (warmBytes + coldBytes + hotBytes + partitions + (objectRequests - counted) === 0) return;
    const { totals } = this.#set(namespaceId, 'storage').set;
    const integrate = (slot: number, level: number): void => {
      totals[slot]! += BigInt(Math.floor(level)) * elapsedMs;
    };
    // What is stored, without the copies in memory: the sum of the two tiers below it, to the byte.
    integrate(STORAGE_SLOT.stored, Math.floor(warmBytes) + Math.floor(coldBytes));
    integrate(STORAGE_SLOT.hot, hotBytes);
    integrate(STORAGE_SLOT.warm, warmBytes);
    integrate(STORAGE_SLOT.cold, coldBytes);
    integrate(STORAGE_SLOT.partitions, partitions);
    totals[STORAGE_SLOT.objectRequests]! += BigInt(Math.max(0, objectRequests - counted));
    this.#objectRequests.set(namespaceId, objectRequests);
  }

  #feed(namespaceId: string, protocol: UsageProtocol, counters: LiveCounters): Fed {
    const fed = this.#set(namespaceId, protocol);
    if (fed.live === counters) return fed;
    // The namespace was made again; what its former counters still hold is taken before they are let go.
    addCounted(fed);
    fed.live = counters;
    fed.seen = this.#round;
    fed.counted = this.#counted.get(counters) ?? newCounted();
    this.#counted.set(counters, fed.counted);
    return fed;
  }

  #set(clusterId: string, protocol: UsageProtocol): Fed {
    const key = `${protocol} ${clusterId}`;
    let fed = this.#sets.get(key);
    if (fed === undefined) {
      fed = newFed(new CounterSet(this.#sets.size, clusterId, protocol));
      this.#sets.set(key, fed);
    }
    return fed;
  }

  #reportClock(nowMs: number): void {
    if (this.#clockReported) return;
    this.#clockReported = true;
    const openWindow = new Date(this.#windowStartMs).toISOString();
    this.#options.runtime.log.error(
      { openWindow, now: new Date(nowMs).toISOString() },
      'the clock went back: the open usage window closes when the clock has caught up',
    );
  }

  #toWindow(seq: number, windowStartMs: number, logged: LoggedWindow): UsageWindow {
    const [clusterId, protocol, meter, value, cumulative, shares] = logged;
    return {
      seq,
      nodeId: this.#options.nodeId,
      nodeEpoch: this.#epoch,
      clusterId: clusterId as ClusterId,
      protocol,
      meter,
      windowStartMs,
      value,
      cumulative,
      ...(shares === undefined ? {} : { shares }),
    };
  }

  async #recover(): Promise<void> {
    const { runtime, windowMs } = this.#options;
    const sets = new Map<number, CounterSet>();
    let windowsSeq = 0;
    for await (const { bytes } of chunksOf(this.#totalsLog)) {
      const { windowStartMs, checkpoint } = applyRecord(bytes, sets);
      this.#windowStartMs = Math.max(this.#windowStartMs, windowStartMs);
      this.#bytesSinceCheckpoint += bytes.length;
      if (checkpoint !== null) ({ epoch: this.#epoch, windowsSeq } = checkpoint);
    }
    this.#checkpointSeq = windowsSeq;
    for (const set of sets.values()) this.#sets.set(`${set.protocol} ${set.clusterId}`, newFed(set));
    for await (const { baseOffset, bytes } of chunksOf(this.#windowsLog)) {
      const entry = JSON.parse(bytes.toString()) as LoggedWindows;
      this.#windowStartMs = Math.max(this.#windowStartMs, entry.windowStartMs + windowMs);
      entry.windows.forEach((window, i) => {
        if (baseOffset + i >= windowsSeq) this.#applyClosed(window);
      });
    }
    const nowMs = runtime.nowMs();
    if (this.#windowStartMs === 0) this.#windowStartMs = nowMs - (nowMs % windowMs);
    if (this.#epoch !== '') return;
    this.#epoch = runtime.randomBytes(16).toString('hex');
    this.#checkpoint();
    await this.#options.flush();
  }

  /** A window says what was counted at least, should the medium have lost totals that were written before it. */
  #applyClosed([clusterId, protocol, meter, , cumulative]: LoggedWindow): void {
    const { set } = this.#set(clusterId, protocol);
    const slot = set.slots.findIndex((s) => s.meter === meter);
    const { rawPerUnit } = set.slots[slot]!;
    set.closed[slot] = BigInt(cumulative);
    if (set.quantity(slot) < set.closed[slot]) set.totals[slot] = set.closed[slot] * rawPerUnit;
  }
}

function newFed(set: CounterSet): Fed {
  return { set, live: null, counted: newCounted(), seen: 0 };
}
function newCounted(): Counted {
  return { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0, connectionMs: 0 };
}

/** Adds what the process counters have grown by since the last time. Slots as in usage-record.ts. */
function addCounted({ set: { totals }, live, counted }: Fed): void {
  if (live === null) return;
  if (live.messagesIn !== counted.messagesIn || live.bytesIn !== counted.bytesIn) {
    totals[0]! += BigInt(live.messagesIn - counted.messagesIn);
    totals[2]! += BigInt(live.bytesIn - counted.bytesIn);
    counted.messagesIn = live.messagesIn;
    counted.bytesIn = live.bytesIn;
  }
  if (live.messagesOut !== counted.messagesOut || live.bytesOut !== counted.bytesOut) {
    totals[1]! += BigInt(live.messagesOut - counted.messagesOut);
    totals[3]! += BigInt(live.bytesOut - counted.bytesOut);
    counted.messagesOut = live.messagesOut;
    counted.bytesOut = live.bytesOut;
  }
}
function addConnectionMs({ set: { totals }, counted }: Fed, connectionMs: number): void {
  const grownMs = Math.floor(connectionMs) - counted.connectionMs;
  if (grownMs <= 0) return;
  totals[4]! += BigInt(grownMs);
  counted.connectionMs += grownMs;
}

async function* chunksOf(log: Log): AsyncGenerator<{ baseOffset: number; bytes: Buffer }> {
  for (let at = log.startOffset; at < log.endOffset;) {
    const chunks = await log.read(at, READ_BYTES);
    if (chunks.length === 0) return;
    for (const chunk of chunks) {
      yield chunk;
      at = chunk.nextOffset;
    }
  }
}
