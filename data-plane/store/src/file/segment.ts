import type { Disk, DiskFile } from './disk.ts';
import type { OnDamage } from './damage.ts';
import {
  findFrame,
  FRAME_HEADER_BYTES,
  FRAME_KINDS,
  frameBytesAreGood,
  readFrameHeader,
  type FrameHeader,
} from './frame.ts';
import { IntervalMaker, SegmentIndex } from './segment-index.ts';
import type { Part, SharedLogs } from './shared-log.ts';

/** Segment files open at a time over all streams of a store, each with its index in memory (at most about 40 KiB). */
export const OPEN_SEGMENTS_MAX = 256;

/** One file of a stream: its chunks from `base` to the base of the next segment. */
export interface Segment {
  readonly streamId: number;
  readonly base: number;
  readonly path: string;
  readonly indexPath: string;
  /** Bytes that were written and synced; of a part those of its own frames. */
  sizeBytes: number;
  /** What it is when it has no file of its own; `path` is the shared log's then. */
  readonly part: Part | null;
  /** Largest timestamp; null until the index was looked at. */
  maxTimestampMs: number | null;
}

/** A segment with its file handle and index. */
export interface OpenSegment {
  readonly file: DiskFile;
  readonly index: SegmentIndex;
}

/**
 * One place in the cache. A segment in use is never closed, so there is one index object for whoever writes and reads.
 */
interface Entry {
  readonly opening: Promise<OpenSegment>;
  users: number;
  dropped: boolean;
}

/** File names: base offset in 16 digits, so that they sort. */
export function segmentFileName(base: number): string {
  return `${String(base).padStart(16, '0')}.segment`;
}
/** Base offset in a segment's file name, or null for another file. */
export function segmentBase(fileName: string): number | null {
  const match = /^(\d{16})\.segment$/.exec(fileName);
  return match === null ? null : Number(match[1]);
}

/** Keeps the segments used last open. */
export class SegmentCache {
  readonly #disk: Disk;
  readonly #onDamage: OnDamage;
  readonly #shared: SharedLogs;
  readonly #entries = new Map<Segment, Entry>();

  constructor(disk: Disk, shared: SharedLogs, onDamage: OnDamage) {
    this.#disk = disk;
    this.#shared = shared;
    this.#onDamage = onDamage;
  }

  /** Runs `use` with the segment open. */
  async use<T>(segment: Segment, use: (open: OpenSegment) => Promise<T>): Promise<T> {
    let entry = this.#entries.get(segment);
    if (entry === undefined) entry = { opening: this.#load(segment), users: 0, dropped: false };
    else this.#entries.delete(segment);
    this.#entries.set(segment, entry);
    entry.users++;
    try {
      this.#evict();
      return await use(await entry.opening);
    } catch (error) {
      // A segment that could not be opened is tried again by the next reader.
      entry.opening.catch(() => this.#forget(segment, entry));
      throw error;
    } finally {
      entry.users--;
      if (entry.dropped && entry.users === 0) await close(entry);
    }
  }
  /** Takes over a segment that is open already. */
  put(segment: Segment, open: OpenSegment): void {
    this.#entries.set(segment, { opening: Promise.resolve(open), users: 0, dropped: false });
    this.#evict();
  }
  /** Closes a segment as soon as nobody reads it. */
  async drop(segment: Segment): Promise<void> {
    const entry = this.#entries.get(segment);
    if (entry === undefined) return;
    this.#entries.delete(segment);
    entry.dropped = true;
    if (entry.users === 0) await close(entry);
  }
  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((segment) => this.drop(segment)));
  }

  #forget(segment: Segment, entry: Entry): void {
    if (this.#entries.get(segment) === entry) this.#entries.delete(segment);
  }
  #evict(): void {
    if (this.#entries.size <= OPEN_SEGMENTS_MAX) return;
    for (const [segment, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#entries.delete(segment);
      // Closing a file that was read or synced loses nothing when it fails.
      close(entry).catch(() => undefined);
      if (this.#entries.size <= OPEN_SEGMENTS_MAX) return;
    }
  }
  async #indexOfPart(part: Part, file: DiskFile): Promise<SegmentIndex> {
    const index = new SegmentIndex();
    index.intervals.push(...(await this.#shared.intervalsOf(part, file)));
    return index;
  }
  async #load(segment: Segment): Promise<OpenSegment> {
    const file = await this.#disk.open(segment.path, segment.part === null ? 'write' : 'read');
    try {
      if (segment.part !== null) return { file, index: await this.#indexOfPart(segment.part, file) };
      const index = await readIndex(this.#disk, segment.indexPath, segment.sizeBytes);
      if (index.coveredBytes < segment.sizeBytes) {
        const rebuilt = await scanSegment(file, segment, index, null, this.#onDamage);
        index.intervals.push(...rebuilt.maker.done);
        // Kept for the next time; an index that cannot be written is only slow.
        await writeIndex(this.#disk, segment.indexPath, index).catch(() => undefined);
        this.#onDamage({
          kind: 'index',
          file: segment.indexPath,
          position: index.encodedBytes,
          detail: `stream ${segment.streamId}: rebuilt from the segment`,
        });
      }
      segment.maxTimestampMs ??= index.maxTimestampMs;
      return { file, index };
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

async function close(entry: Entry): Promise<void> {
  const open = await entry.opening.catch(() => null);
  await open?.file.close();
}

/** The index file's good part; empty when there is no file. */
export async function readIndex(disk: Disk, path: string, segmentBytes: number): Promise<SegmentIndex> {
  let file: DiskFile;
  try {
    file = await disk.open(path, 'read');
  } catch {
    return new SegmentIndex();
  }
  try {
    const bytes = Buffer.allocUnsafe(await file.size());
    return SegmentIndex.decode(bytes.subarray(0, await file.read(bytes, 0)), segmentBytes);
  } finally {
    await file.close();
  }
}

/** Puts a whole index in the place of what is there, synced. */
export async function writeIndex(disk: Disk, path: string, index: SegmentIndex): Promise<void> {
  await disk.unlink(path);
  const file = await disk.open(path, 'create');
  try {
    await file.write([SegmentIndex.encode(index.intervals)], 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

export interface Scan {
  /** Intervals of what was scanned. */
  readonly maker: IntervalMaker;
  /** End of the last good frame: what lies behind is a torn tail. */
  readonly end: number;
  readonly nextOffset: number;
}

/**
 * Walks the frames behind what `index` covers. A damaged frame ends the walk when nothing good follows, or when its
 * offset is `replayedFrom` or above (the write-ahead log holds it and everything behind it); else it is reported as a
 * hole and stepped over. Reads the rest of the segment into memory: one segment at most.
 */
export async function scanSegment(
  file: DiskFile,
  segment: Segment,
  index: SegmentIndex,
  replayedFrom: number | null,
  onDamage: OnDamage,
): Promise<Scan> {
  const start = index.coveredBytes;
  const bytes = Buffer.allocUnsafe(Math.max(0, segment.sizeBytes - start));
  const data = bytes.subarray(0, await file.read(bytes, start));
  const maker = new IntervalMaker(start);
  const isOurs = (header: FrameHeader): boolean =>
    header.kind === FRAME_KINDS.chunk && header.streamId === segment.streamId && header.next > header.base;
  let at = 0;
  let nextOffset = index.nextOffset ?? segment.base;
  while (at < data.length) {
    const header = readFrameHeader(data, at);
    if (header !== null && isOurs(header) && header.base >= nextOffset && frameBytesAreGood(data, at, header)) {
      at += FRAME_HEADER_BYTES + header.length;
      maker.add(header, start + at);
      nextOffset = header.next;
      continue;
    }
    if (replayedFrom !== null && nextOffset >= replayedFrom) break;
    const behind = findGoodFrame(data, at + 1, isOurs);
    if (behind === -1) break;
    onDamage({
      kind: 'hole',
      file: segment.path,
      position: start + at,
      detail: `stream ${segment.streamId}: chunks from offset ${nextOffset} on are damaged`,
    });
    maker.stretch(start + behind);
    at = behind;
  }
  maker.close();
  return { maker, end: start + at, nextOffset };
}

function findGoodFrame(data: Buffer, from: number, accept: (header: FrameHeader) => boolean): number {
  for (let at = findFrame(data, from, accept); at !== -1; at = findFrame(data, at + 1, accept)) {
    if (frameBytesAreGood(data, at, readFrameHeader(data, at)!)) return at;
  }
  return -1;
}
