import { join } from 'node:path';
import { StoreError } from '../store-error.ts';
import type { OnDamage } from './damage.ts';
import type { Disk, DiskFile } from './disk.ts';
import { FrameBatch, type SlabPool } from './frame-batch.ts';
import {
  findFrame,
  FRAME_HEADER_BYTES,
  FRAME_KINDS,
  frameBytesAreGood,
  readFrameHeader,
  type FrameHeader,
} from './frame.ts';
import { RunMaker, SegmentIndex, type Interval } from './segment-index.ts';

/** Version of the index file's layout, in its first frame. */
const INDEX_VERSION = 1;

/** One file that holds chunks of many streams, synced and never written again. */
export interface SharedLog {
  readonly number: number;
  readonly path: string;
  readonly indexPath: string;
  readonly sizeBytes: number;
  /** Bytes of the parts that streams still hold, and those parts. */
  liveBytes: number;
  readonly parts: Set<Part>;
}

/** What one stream has in one shared log. */
export interface Part {
  readonly shared: SharedLog;
  readonly streamId: number;
  /** Offsets `[base, next)`. */
  readonly base: number;
  readonly next: number;
  readonly maxTimestampMs: number;
  /** Bytes of its frames; those of other streams may lie between them. */
  readonly sizeBytes: number;
  /** Where its intervals lie in the index file. */
  readonly indexAt: number;
  readonly indexBytes: number;
}

/** A part that is to be: which stream, and where its frames lie. */
export interface PartPlan {
  readonly streamId: number;
  readonly runs: RunMaker;
}

/** What is known of streams while the files are looked at. */
export interface StreamKnowledge {
  /** False when a stream of this number is gone, or its parts in a log of this number are void. */
  holds(streamId: number, logNumber: number): boolean;
}

/**
 * The shared logs of a store: full write-ahead logs that stay where their bytes are, and files that a checkpoint filled
 * with the small parts of many streams. Which parts a log has is in its index, one frame for each stream; an index that
 * is lost, damaged or another file's is made anew from the log. A log is deleted when no stream holds a part of it.
 */
export class SharedLogs {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #slabs: SlabPool;
  readonly #onDamage: OnDamage;
  readonly #logs = new Set<SharedLog>();
  readonly #byStream = new Map<number, Set<Part>>();
  #nextNumber = 1;
  #partCount = 0;

  constructor(disk: Disk, directory: string, slabs: SlabPool, onDamage: OnDamage) {
    this.#disk = disk;
    this.#directory = directory;
    this.#slabs = slabs;
    this.#onDamage = onDamage;
  }

  get directory(): string {
    return this.#directory;
  }
  /** The number of the next log. Parts in logs below it are all there are. */
  get nextNumber(): number {
    return this.#nextNumber;
  }
  /** Parts in memory, about 150 bytes each. */
  get partCount(): number {
    return this.#partCount;
  }
  get logs(): ReadonlySet<SharedLog> {
    return this.#logs;
  }
  get streams(): ReadonlyMap<number, ReadonlySet<Part>> {
    return this.#byStream;
  }
  partsOf(streamId: number): readonly Part[] {
    return [...(this.#byStream.get(streamId) ?? [])];
  }

  /** Reads what is there. No number up to `numberMin` is given again. */
  async load(knowledge: StreamKnowledge, numberMin: number): Promise<void> {
    this.#nextNumber = numberMin + 1;
    const names = await this.#disk.list(this.#directory);
    const numbers = names.map(logNumber).filter((number) => number !== null);
    for (const name of names) {
      // A log that was not finished, or an index whose log is gone.
      const isIndexOfNone = name.endsWith('.index') && !names.includes(name.replace('.index', '.log'));
      if (name.endsWith('.new') || isIndexOfNone) await this.#disk.unlink(join(this.#directory, name));
    }
    // The process before may have died between giving a log its name and the sync of that; on the strength of the log
    // what else has its chunks will be deleted.
    if (numbers.length > 0) await this.#disk.syncDirectory(this.#directory);
    for (const number of numbers.sort((a, b) => a - b)) {
      this.#nextNumber = Math.max(this.#nextNumber, number + 1);
      await this.#loadLog(number, knowledge);
    }
  }
  /** Deletes logs of which nobody holds anything. */
  async sweep(): Promise<void> {
    for (const log of this.#logs) if (log.parts.size === 0) await this.#delete(log);
  }

  /**
   * Gives a synced file outside the directory a second name inside, as a log with these parts; that name stays over a
   * loss of power once it resolves. null where the file system has no second names.
   */
  async keep(path: string, sizeBytes: number, plans: readonly PartPlan[]): Promise<readonly Part[] | null> {
    const log = this.#newLog(sizeBytes);
    const parts = await this.#writeIndex(log, await this.#identityOf(path), plans);
    try {
      if (!(await this.#disk.link(path, log.path))) throw new StoreError('io', `${log.path}: EEXIST`);
    } catch {
      // An error that is more than that meets the copying that is done instead.
      await this.#disk.unlink(log.indexPath);
      return null;
    }
    await this.#disk.syncDirectory(this.#directory);
    return this.#hold(log, parts);
  }
  /** Makes the synced file at `newPath` a log with these parts. */
  async finish(sizeBytes: number, plans: readonly PartPlan[]): Promise<readonly Part[]> {
    const log = this.#newLog(sizeBytes);
    const parts = await this.#writeIndex(log, await this.#identityOf(this.newPath), plans);
    await this.#disk.rename(this.newPath, log.path);
    await this.#disk.syncDirectory(this.#directory);
    return this.#hold(log, parts);
  }
  /** Where a log is written that is not finished. */
  get newPath(): string {
    return join(this.#directory, 'log.new');
  }

  /** The intervals of a part, from the index or, when that is damaged, from the log. */
  async intervalsOf(part: Part, file: DiskFile): Promise<Interval[]> {
    const bytes = Buffer.allocUnsafe(part.indexBytes);
    try {
      const index = await this.#disk.open(part.shared.indexPath, 'read');
      try {
        const got = await index.read(bytes, part.indexAt);
        const found = SegmentIndex.decode(bytes.subarray(0, got), part.shared.sizeBytes, true);
        if (found.encodedBytes === part.indexBytes) return found.intervals;
      } finally {
        await index.close();
      }
    } catch {
      // Gone like a damaged one: the log has it all.
    }
    this.#reportIndex(part.shared.indexPath, `stream ${part.streamId}: read from the log`);
    const runs = (await scanLog(file)).get(part.streamId);
    return (runs?.intervals ?? []).filter((interval) => interval.next > part.base && interval.base < part.next);
  }

  /** Nobody reads the part any more. A log without parts is deleted. */
  async release(part: Part): Promise<void> {
    const { shared } = part;
    if (!shared.parts.delete(part)) return;
    shared.liveBytes -= part.sizeBytes;
    this.#partCount--;
    const held = this.#byStream.get(part.streamId);
    held?.delete(part);
    if (held?.size === 0) this.#byStream.delete(part.streamId);
    if (shared.parts.size === 0) await this.#delete(shared);
  }
  async releaseStream(streamId: number): Promise<void> {
    for (const part of this.partsOf(streamId)) await this.release(part);
  }

  async #loadLog(number: number, knowledge: StreamKnowledge): Promise<void> {
    const path = join(this.#directory, logFileName(number));
    const indexPath = path.replace(/log$/, 'index');
    const file = await this.#disk.open(path, 'read');
    try {
      const log: SharedLog = { number, path, indexPath, sizeBytes: await file.size(), liveBytes: 0, parts: new Set() };
      const identity = await headOf(file);
      let parts = await this.#readIndex(log, identity);
      if (parts === null) {
        const plans = Array.from(await scanLog(file), ([streamId, runs]) => ({ streamId, runs }));
        parts = await this.#writeIndex(log, identity, plans);
        this.#reportIndex(indexPath, 'rebuilt from the log');
      }
      this.#hold(
        log,
        parts.filter((part) => knowledge.holds(part.streamId, number)),
      );
    } finally {
      await file.close();
    }
  }
  async #identityOf(path: string): Promise<Buffer> {
    const file = await this.#disk.open(path, 'read');
    try {
      return await headOf(file);
    } finally {
      await file.close();
    }
  }
  #newLog(sizeBytes: number): SharedLog {
    const number = this.#nextNumber++;
    const path = join(this.#directory, logFileName(number));
    return { number, path, indexPath: path.replace(/log$/, 'index'), sizeBytes, liveBytes: 0, parts: new Set() };
  }
  #hold(log: SharedLog, parts: readonly Part[]): readonly Part[] {
    this.#logs.add(log);
    for (const part of parts) {
      log.parts.add(part);
      log.liveBytes += part.sizeBytes;
      this.#partCount++;
      const held = this.#byStream.get(part.streamId);
      if (held === undefined) this.#byStream.set(part.streamId, new Set([part]));
      else held.add(part);
    }
    return parts;
  }
  async #delete(log: SharedLog): Promise<void> {
    this.#logs.delete(log);
    await this.#disk.unlink(log.path);
    await this.#disk.unlink(log.indexPath);
  }
  #reportIndex(file: string, detail: string): void {
    this.#onDamage({ kind: 'index', file, position: 0, detail });
  }

  /** Not synced: an index that is torn is made anew. Its first frame tells which file it is of, and how long it is. */
  async #writeIndex(log: SharedLog, identity: Buffer, plans: readonly PartPlan[]): Promise<Part[]> {
    const batch = new FrameBatch(this.#slabs);
    batch.addRecord(FRAME_KINDS.sharedIndex, INDEX_VERSION, plans.length, identity);
    const parts: Part[] = [];
    for (const { streamId, runs } of plans) {
      const { base, next, maxTimestampMs, sizeBytes } = runs;
      const bytes = SegmentIndex.encode(runs.intervals);
      const [indexAt, indexBytes] = [batch.sizeBytes + FRAME_HEADER_BYTES, bytes.length];
      batch.addChunk(streamId, { baseOffset: base, nextOffset: next, timestampMs: maxTimestampMs, bytes });
      parts.push({ shared: log, streamId, base, next, maxTimestampMs, sizeBytes, indexAt, indexBytes });
    }
    await this.#disk.unlink(log.indexPath);
    const file = await this.#disk.open(log.indexPath, 'create');
    try {
      await file.write(batch.seal(), 0);
    } finally {
      await file.close();
    }
    batch.release();
    return parts;
  }
  /** null when it is not there, damaged, or of another file. */
  async #readIndex(log: SharedLog, identity: Buffer): Promise<Part[] | null> {
    const data = await readWhole(this.#disk, log.indexPath);
    const first = data === null ? null : readFrameHeader(data, 0);
    if (data === null || first === null || first.kind !== FRAME_KINDS.sharedIndex) return null;
    if (first.streamId !== INDEX_VERSION || !frameBytesAreGood(data, 0, first)) return null;
    let at = FRAME_HEADER_BYTES + first.length;
    if (!data.subarray(FRAME_HEADER_BYTES, at).equals(identity)) return null;
    const parts: Part[] = [];
    while (parts.length < first.base) {
      const header = readFrameHeader(data, at);
      if (header === null || !frameBytesAreGood(data, at, header)) return null;
      const indexAt = at + FRAME_HEADER_BYTES;
      const indexBytes = header.length;
      at = indexAt + indexBytes;
      const { intervals } = SegmentIndex.decode(data.subarray(indexAt, at), log.sizeBytes, true);
      if (intervals.length === 0) return null;
      const sizeBytes = intervals.reduce((sum, { start, end }) => sum + end - start, 0);
      const { streamId, base, next, timestampMs: maxTimestampMs } = header;
      parts.push({ shared: log, streamId, base, next, maxTimestampMs, sizeBytes, indexAt, indexBytes });
    }
    return parts;
  }
}

function logFileName(number: number): string {
  return `${String(number).padStart(10, '0')}.log`;
}
function logNumber(fileName: string): number | null {
  const match = /^(\d{10})\.log$/.exec(fileName);
  return match === null ? null : Number(match[1]);
}

/** What tells one log from any other: the header of its first frame, and its size. */
async function headOf(file: DiskFile): Promise<Buffer> {
  const head = Buffer.alloc(FRAME_HEADER_BYTES + 8);
  await file.read(head.subarray(0, FRAME_HEADER_BYTES), 0);
  head.writeDoubleBE(await file.size(), FRAME_HEADER_BYTES);
  return head;
}
async function readWhole(disk: Disk, path: string): Promise<Buffer | null> {
  let file: DiskFile;
  try {
    file = await disk.open(path, 'read');
  } catch {
    return null;
  }
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/** Where the frames of each stream lie. Damaged bytes are found by whoever reads them. */
async function scanLog(file: DiskFile): Promise<Map<number, RunMaker>> {
  const bytes = Buffer.allocUnsafeSlow(await file.size());
  const data = bytes.subarray(0, await file.read(bytes, 0));
  const found = new Map<number, RunMaker>();
  let at = 0;
  while (at !== -1 && at < data.length) {
    const header: FrameHeader | null = readFrameHeader(data, at);
    if (header === null) {
      at = findFrame(data, at + 1, () => true);
      continue;
    }
    const end = at + FRAME_HEADER_BYTES + header.length;
    if (header.kind === FRAME_KINDS.chunk && header.next > header.base) {
      let runs = found.get(header.streamId);
      if (runs === undefined) found.set(header.streamId, (runs = new RunMaker()));
      if (runs.intervals.length === 0 || header.base >= runs.next) runs.add(header, at, end);
    }
    at = end;
  }
  return found;
}
