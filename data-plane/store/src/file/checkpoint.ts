import type { Chunk } from '../log.ts';
import type { Disk } from './disk.ts';
import type { FileLog } from './file-log.ts';
import { FrameBatch, type SlabPool } from './frame-batch.ts';
import { RunMaker } from './segment-index.ts';
import type { Part, PartPlan, SharedLog, SharedLogs } from './shared-log.ts';

/** A stream with so much in one checkpoint gets it into a file of its own. */
const OWN_BYTES_MIN = 1024 * 1024;
/** Streams synced at a time: few, for every sync takes one of libuv's four threads from the flush. */
const OWN_STREAMS_AT_A_TIME = 2;
/** Bytes of a shared log handed to the kernel in one write: small, because framing them is work of the event loop. */
const WRITE_BYTES_MAX = 1024 * 1024;
/** Bytes of a shared log between two syncs: small, so that no flush waits long behind one. */
const SYNC_BYTES_MAX = 8 * 1024 * 1024;
/** A log of which less than this share is held is emptied. */
const LIVE_SHARE_MIN = 0.25;
/** Streams whose parts are copied behind one checkpoint. */
const TIDIED_STREAMS_MAX = 64;

/** A full write-ahead log on its way into the segments. */
export interface SealedLog {
  readonly paths: readonly string[];
  readonly logs: readonly FileLog[];
  /** Size of the one file whose chunks' places are known; null for what a restart found. */
  readonly sizeBytes: number | null;
  readonly number: number;
}

export interface CheckpointWorld {
  readonly disk: Disk;
  readonly slabs: SlabPool;
  readonly shared: SharedLogs;
  /** Streams that get files of their own whatever their size, when they are not more. */
  readonly ownStreamsMax: number;
  /** Parts kept in memory. */
  readonly partsMax: number;
  /** Whether there is a process to stop, and the rest may go to the next start. */
  mayStop(streamsLeft: number): boolean;
  /** The registry on disk knows all these streams, and what is written so far has its names. */
  saveNames(): Promise<void>;
}

/**
 * Moves what a full write-ahead log holds to where it stays, and answers whether all of it is there. Streams with long
 * runs are read from the log itself, which gets a second name among the shared logs; few or large other ones get files
 * of their own; the small rest is sorted into one new shared log, so that ten thousand streams cost one sync. In memory
 * nothing changes until all of it is stable.
 */
export async function runCheckpoint(world: CheckpointWorld, sealed: SealedLog, mayKeep: boolean): Promise<boolean> {
  const kept = mayKeep ? keepable(sealed) : new Map<FileLog, RunMaker>();
  const others = sealed.logs.filter((log) => !kept.has(log));
  if (!(await copy(world, others))) return false;
  await world.saveNames();
  if (kept.size === 0) return true;
  const plans = Array.from(kept, ([log, runs]) => ({ streamId: log.stream.id, runs }));
  const parts = await world.shared.keep(sealed.paths[0]!, sealed.sizeBytes!, plans);
  if (parts !== null) {
    await adopt(world, [...kept.keys()], parts);
    return true;
  }
  if (!(await copy(world, [...kept.keys()]))) return false;
  await world.saveNames();
  return true;
}

/** The streams that are read from the log itself; none when that would keep more that is dead than alive. */
function keepable({ logs, sizeBytes }: SealedLog): Map<FileLog, RunMaker> {
  const kept = new Map<FileLog, RunMaker>();
  if (sizeBytes === null) return kept;
  let bytes = 0;
  for (const log of logs) {
    const runs = log.keepableRuns;
    if (runs === null || log.removed) continue;
    kept.set(log, runs);
    bytes += runs.sizeBytes;
  }
  return bytes * 2 < sizeBytes ? new Map() : kept;
}

async function copy(world: CheckpointWorld, logs: readonly FileLog[]): Promise<boolean> {
  const isFew = logs.length <= world.ownStreamsMax;
  const getsOwn = (log: FileLog): boolean => isFew || log.sealedBytes >= OWN_BYTES_MIN || log.segments.hasUnsyncedNames;
  const own = logs.filter(getsOwn);
  const small = logs.filter((log) => !getsOwn(log));
  if (small.length > 0) await copySorted(world, small);
  const rest = own.values();
  let left = own.length;
  const work = async (): Promise<void> => {
    for (const log of rest) {
      if (world.mayStop(left)) return;
      await log.checkpoint();
      left--;
    }
  };
  await Promise.all(Array.from({ length: OWN_STREAMS_AT_A_TIME }, work));
  return left === 0;
}

/** Writes the chunks of many streams, stream by stream, into one new shared log. */
async function copySorted(world: CheckpointWorld, logs: readonly FileLog[]): Promise<void> {
  const { disk, shared, slabs } = world;
  await disk.unlink(shared.newPath);
  const file = await disk.open(shared.newPath, 'create');
  const plans: PartPlan[] = [];
  const owners: FileLog[] = [];
  let position = 0;
  try {
    let batch = new FrameBatch(slabs);
    let unsynced = 0;
    const write = async (): Promise<void> => {
      await file.write(batch.seal(), position);
      position += batch.sizeBytes;
      unsynced += batch.sizeBytes;
      batch.release();
      batch = new FrameBatch(slabs);
      if (unsynced < SYNC_BYTES_MAX) return;
      await file.sync();
      unsynced = 0;
    };
    for (const log of logs) {
      const runs = new RunMaker();
      for (const chunk of log.unsavedChunks) {
        const start = position + batch.sizeBytes;
        batch.addChunk(log.stream.id, chunk);
        runs.add(headerOf(chunk), start, position + batch.sizeBytes);
        if (batch.sizeBytes >= WRITE_BYTES_MAX) await write();
      }
      if (runs.intervals.length === 0) continue;
      plans.push({ streamId: log.stream.id, runs });
      owners.push(log);
    }
    if (batch.sizeBytes > 0) await write();
    await file.sync();
  } finally {
    await file.close();
  }
  if (plans.length === 0) return disk.unlink(shared.newPath);
  // A name that the registry does not know yet would make its part an orphan's at the next start.
  await world.saveNames();
  await adopt(world, owners, await shared.finish(position, plans));
}
function headerOf({ baseOffset, nextOffset, timestampMs }: Chunk): { base: number; next: number; timestampMs: number } {
  return { base: baseOffset, next: nextOffset, timestampMs };
}
/** What was trimmed meanwhile is adopted too: the trim may not be stable yet, and lets it go when it is. */
async function adopt({ shared }: CheckpointWorld, logs: readonly FileLog[], parts: readonly Part[]): Promise<void> {
  for (const [i, part] of parts.entries()) {
    if (logs[i]!.isGone) await shared.release(part);
    else logs[i]!.adopt(part);
  }
}

/**
 * Gives streams with the most parts files of their own while there are too many, and empties logs that are mostly dead.
 * A bounded piece of it each time, and less while flushes wait for the next checkpoint (`isAwaited`).
 */
export async function tidyShared(
  { shared, partsMax }: CheckpointWorld,
  openStream: (id: number) => Promise<FileLog | null>,
  isAwaited: () => boolean,
): Promise<void> {
  let budget = TIDIED_STREAMS_MAX;
  const mayGoOn = (): boolean => budget > 0 && (shared.partCount > 2 * partsMax || !isAwaited());
  const unshare = async (id: number, only: SharedLog | null): Promise<void> => {
    budget--;
    const log = await openStream(id);
    if (log !== null && !log.removed) await log.segments.unshare((part) => only === null || part.shared === only);
  };
  if (shared.partCount > partsMax) {
    const most = [...shared.streams].sort(([, a], [, b]) => b.size - a.size).slice(0, budget);
    for (const [id] of most) if (shared.partCount > partsMax && mayGoOn()) await unshare(id, null);
  }
  for (const log of shared.logs) {
    if (!mayGoOn()) return;
    if (log.liveBytes >= log.sizeBytes * LIVE_SHARE_MIN) continue;
    for (const { streamId } of [...log.parts]) if (mayGoOn()) await unshare(streamId, log);
  }
}
