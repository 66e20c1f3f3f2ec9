import { join } from 'node:path';
import type { Chunk } from '../log.ts';
import { StoreError } from '../store-error.ts';
import type { OnDamage } from './damage.ts';
import type { Disk } from './disk.ts';
import { FrameBatch, type SlabPool } from './frame-batch.ts';
import { findFrame, FRAME_HEADER_BYTES, FRAME_KINDS, frameBytesAreGood, readFrameHeader } from './frame.ts';
import { IntervalMaker, SegmentIndex } from './segment-index.ts';
import type { ReadAheads } from './read-ahead.ts';
import {
  readIndex,
  scanSegment,
  segmentBase,
  segmentFileName,
  writeIndex,
  type OpenSegment,
  type Segment,
  type SegmentCache,
} from './segment.ts';
import type { Part, SharedLogs } from './shared-log.ts';

/** Bytes handed to the kernel in one write of a checkpoint: small, because framing them is work of the event loop. */
const WRITE_BYTES_MAX = 1024 * 1024;

/** What the segments of all streams of a store share. */
export interface SegmentWorld {
  readonly disk: Disk;
  readonly cache: SegmentCache;
  readonly shared: SharedLogs;
  readonly aheads: ReadAheads;
  readonly slabs: SlabPool;
  readonly segmentBytesMax: number;
  readonly onDamage: OnDamage;
  /** A stream got its directory: the one that holds them must be synced before the write-ahead log goes. */
  onNewDirectory(): void;
  /** Syncs that directory if it must be. */
  syncNewDirectories(): Promise<void>;
  /** What the stream has in the shared logs there are now is void: they hold what was taken back. */
  onVoided(streamId: number): void;
}

/**
 * The part of one stream that left the write-ahead log: its segment files. `write`, `truncate`, `trim` and `remove` are
 * called one at a time (the store's maintenance queue); reads may run beside them.
 */
export class StreamSegments {
  readonly #world: SegmentWorld;
  readonly #directory: string;
  readonly #streamId: number;
  #segments: Segment[] = [];
  #directoryExists = false;
  /** A loss of power might take a file whose content is synced. */
  #nameUnsynced = false;
  #endOffset = 0;
  #sizeBytes = 0;
  /** Where the last read ended: one that goes on there has its next bytes read ahead. */
  #readEnd = -1;

  constructor(world: SegmentWorld, directory: string, streamId: number) {
    this.#world = world;
    this.#directory = directory;
    this.#streamId = streamId;
  }
  /** Offset after the last chunk in the segments. */
  get endOffset(): number {
    return this.#endOffset;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  /**
   * Finds the files and repairs the tail. `replayedFrom` is the lowest offset the write-ahead log will bring back, null
   * when it has nothing of this stream.
   */
  async load(replayedFrom: number | null): Promise<void> {
    const names = await this.#world.disk.list(this.#directory);
    this.#directoryExists = names.length > 0;
    for (const name of names) {
      if (name !== finished(name)) await this.#world.disk.unlink(join(this.#directory, name));
    }
    // The process before may have died between the sync of a file and that of its name.
    this.#nameUnsynced = this.#directoryExists && replayedFrom !== null;
    if (this.#nameUnsynced) this.#world.onNewDirectory();
    const bases = names.map(segmentBase).filter((base) => base !== null);
    for (const base of bases.sort((a, b) => a - b)) {
      const segment = this.#segment(base);
      const file = await this.#world.disk.open(segment.path, 'read');
      segment.sizeBytes = await file.size();
      await file.close();
      this.#segments.push(segment);
    }
    // A crash may leave a last segment without a single good frame; then the one before it is the tail.
    while (this.#segments.length > 0 && !(await this.#loadTail(this.#segments.at(-1)!, replayedFrom))) {
      await this.#unlink(this.#segments.pop()!);
    }
    await this.#loadParts(this.#world.shared.partsOf(this.#streamId));
    this.#sizeBytes = this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /**
   * Appends chunks, synced when it resolves, but for a directory that is new (`SegmentWorld.onNewDirectory`). Only then
   * `endOffset` moves and reads see them.
   */
  async write(chunks: readonly Chunk[]): Promise<void> {
    let at = 0;
    while (at < chunks.length) {
      let tail = this.#segments.at(-1);
      const isNew = tail === undefined || tail.part !== null || tail.sizeBytes >= this.#world.segmentBytesMax;
      if (tail === undefined || isNew) {
        tail = await this.#create(chunks[at]!.baseOffset);
        this.#segments.push(tail);
      }
      const segment = tail;
      const sizeBefore = segment.sizeBytes;
      at = await this.#world.cache.use(segment, (open) => this.#fill(segment, open, chunks, at));
      this.#sizeBytes += segment.sizeBytes - sizeBefore;
      this.#endOffset = chunks[at - 1]!.nextOffset;
      // Behind the sync of the file, which on journaling file systems has carried the name along. Before the next segment
      // is made: one that survives without the one in front of it would hide what the write-ahead log has of that.
      if (isNew) await this.#syncDirectory();
    }
    if (this.#nameUnsynced) await this.#syncDirectory();
  }

  /**
   * Whole chunks in order from the one that holds `from`; empty when the segments end before it. Throws `corrupt` when
   * that chunk is damaged.
   */
  async read(from: number, bytesMax: number): Promise<Chunk[]> {
    const isSequential = from === this.#readEnd;
    const found = await this.#read(from, bytesMax, isSequential);
    this.#readEnd = found.at(-1)?.nextOffset ?? -1;
    return found;
  }
  async #read(from: number, bytesMax: number, isSequential: boolean): Promise<Chunk[]> {
    const found: Chunk[] = [];
    let bytes = 0;
    let expected = from;
    for (let number = this.#segmentOf(from); number < this.#segments.length; number++) {
      const segment: Segment = this.#segments[number]!;
      if (segment.base > expected) {
        if (found.length > 0) return found;
        throw this.#corrupt(segment.path, expected, segment.base);
      }
      let part: { chunks: Chunk[]; full: boolean };
      try {
        part = await this.#world.cache.use(segment, (open) =>
          this.#readSegment(segment, open, expected, bytesMax - bytes, found.length > 0),
        );
      } catch (error) {
        // What was in a shared log may have moved to a file of its own before it was opened.
        if (segment.part === null || this.#segments.includes(segment)) throw error;
        if (this.#segments.length === 0 || found.length > 0) return found;
        number = this.#segmentOf(expected) - 1;
        continue;
      }
      for (const chunk of part.chunks) {
        found.push(chunk);
        bytes += chunk.bytes.length;
      }
      if (part.full) {
        if (isSequential) this.#readAhead(segment, found.at(-1)!.nextOffset, bytesMax);
        return found;
      }
      if (part.chunks.length > 0) expected = part.chunks.at(-1)!.nextOffset;
      // The list may have changed while the file was read.
      number = this.#segments.indexOf(segment);
      if (number === -1) {
        if (segment.part === null || found.length > 0 || this.#segments.length === 0) return found;
        number = this.#segmentOf(expected) - 1;
      }
    }
    return found;
  }

  /** Reads what the next read will ask for, while the caller looks at what this one found. */
  #readAhead(segment: Segment, from: number, bytesMax: number): void {
    void this.#world.cache
      .use(segment, async (open) => {
        const span = spansOf(open.index, from, bytesMax).next().value;
        if (span === undefined || open.index.intervals.at(-1)!.next <= from) return;
        const { start } = span.first;
        const { end } = span.last;
        const reading = readBytes(open, start, end);
        this.#world.aheads.begin(this, segment, start, end, () => reading);
        await reading;
      })
      .catch(() => undefined);
  }

  /** Base of the first chunk with a timestamp ≥ `timestampMs` that ends above `above`, or null. */
  async seekTime(timestampMs: number, above: number): Promise<number | null> {
    for (const segment of this.#segments.slice(this.#segmentOf(above))) {
      if (segment.maxTimestampMs !== null && segment.maxTimestampMs < timestampMs) continue;
      const found = await this.#world.cache.use(segment, async (open) => {
        for (const interval of open.index.intervals.slice(open.index.indexOf(above))) {
          if (interval.maxTimestampMs < timestampMs) continue;
          const data = await readBytes(open, interval.start, interval.end);
          for (const { header } of walk(data, this.#streamId)) {
            if (header.timestampMs >= timestampMs && header.next > above) return header.base;
          }
        }
        return null;
      });
      if (found !== null) return found;
    }
    return null;
  }

  /** As Log.seekSize, in whole segments; null when even the newest segment exceeds `bytesMax`. */
  seekSize(bytesMax: number): number | null {
    let bytes = 0;
    let found: number | null = null;
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      bytes += this.#segments[i]!.sizeBytes;
      if (bytes > bytesMax) break;
      found = this.#segments[i]!.base;
    }
    return found;
  }

  /** Drops chunks that reach to or above `to`; returns the base of the lowest one dropped, null when there was none. */
  async truncate(to: number): Promise<number | null> {
    let removedFrom: number | null = null;
    // Shared logs cannot be cut, and made anew from one an index would bring back what is cut here.
    this.#world.onVoided(this.#streamId);
    await this.unshare(() => true);
    while (this.#segments.length > 0 && this.#segments.at(-1)!.base >= to) {
      const gone = this.#segments.pop()!;
      removedFrom = gone.base;
      this.#endOffset = gone.base;
      this.#sizeBytes -= gone.sizeBytes;
      await this.#unlink(gone);
    }
    const tail = this.#segments.at(-1);
    if (tail !== undefined && this.#endOffset > to) {
      removedFrom = await this.#world.cache.use(tail, (open) => this.#truncateTail(tail, open, to));
      if (tail.sizeBytes === 0) await this.#unlink(this.#segments.pop()!);
    }
    // Once the write-ahead log that says so is gone, nothing but this keeps the files from coming back.
    if (removedFrom !== null) await this.#world.disk.syncDirectory(this.#directory);
    return removedFrom;
  }

  async #truncateTail(tail: Segment, open: OpenSegment, to: number): Promise<number> {
    const { intervals } = open.index;
    const kept = open.index.indexOf(to);
    const cut = intervals[kept]!;
    const data = await readBytes(open, cut.start, cut.end);
    const maker = new IntervalMaker(cut.start);
    let next = cut.base;
    let end = cut.start;
    let removedFrom = intervals[kept + 1]?.base ?? cut.next;
    for (const { header, position } of walk(data, this.#streamId)) {
      if (header.next > to) {
        removedFrom = header.base;
        break;
      }
      end = cut.start + position + FRAME_HEADER_BYTES + header.length;
      maker.add(header, end);
      next = header.next;
    }
    maker.close();
    this.#world.aheads.drop(this);
    await open.file.truncate(end);
    await open.file.sync();
    intervals.splice(kept, intervals.length, ...maker.done);
    // Were the old index to come back after a loss of power, it would describe what is written here next.
    await writeIndex(this.#world.disk, tail.indexPath, open.index);
    this.#sizeBytes -= tail.sizeBytes - end;
    tail.sizeBytes = end;
    tail.maxTimestampMs = open.index.maxTimestampMs;
    this.#endOffset = next;
    return removedFrom;
  }

  /** Deletes segments that lie wholly below `before`. */
  async trim(before: number): Promise<void> {
    while (this.#segments.length > 0) {
      const next = this.#segments[1]?.base ?? this.#endOffset;
      if (next > before) return;
      const gone = this.#segments.shift()!;
      this.#sizeBytes -= gone.sizeBytes;
      await this.#unlink(gone);
    }
  }

  /** Deletes everything. */
  async remove(): Promise<void> {
    this.#world.aheads.drop(this);
    const gone = this.#segments.splice(0);
    this.#sizeBytes = 0;
    for (const segment of gone) await this.#world.cache.drop(segment);
    await this.#world.shared.releaseStream(this.#streamId);
    await this.#world.disk.removeDirectory(this.#directory);
  }

  /** Takes over what lies in a shared log, behind all there is. */
  adopt(part: Part): void {
    this.#segments.push(segmentOfPart(part));
    this.#sizeBytes += part.sizeBytes;
    this.#endOffset = part.next;
  }
  /** Files were found whose names may not be synced: a write must come before the write-ahead log goes. */
  get hasUnsyncedNames(): boolean {
    return this.#nameUnsynced;
  }
  /** Copies parts into files of the stream's own, synced, several that follow each other into one, and releases them. */
  async unshare(which: (part: Part) => boolean): Promise<void> {
    const released: Part[] = [];
    for (let at = 0; at < this.#segments.length; at++) {
      const group = this.#groupAt(at, which);
      if (group.length === 0) continue;
      const own = await this.#copy(group);
      this.#segments.splice(at, group.length, ...(own === null ? [] : [own]));
      if (own === null) at--;
      for (const segment of group) {
        await this.#world.cache.drop(segment);
        this.#sizeBytes -= segment.sizeBytes;
        released.push(segment.part!);
      }
      this.#sizeBytes += own?.sizeBytes ?? 0;
    }
    if (released.length === 0) return;
    await this.#world.syncNewDirectories();
    for (const part of released) await this.#world.shared.release(part);
  }
  #groupAt(from: number, which: (part: Part) => boolean): Segment[] {
    const group: Segment[] = [];
    let bytes = 0;
    for (let at = from; at < this.#segments.length; at++) {
      const segment = this.#segments[at]!;
      if (segment.part === null || !which(segment.part)) break;
      if (bytes > 0 && bytes + segment.sizeBytes > this.#world.segmentBytesMax) break;
      bytes += segment.sizeBytes;
      group.push(segment);
    }
    return group;
  }
  /**
   * A new file with all that can be read of a group; null when that is nothing. It gets its name when it is whole and
   * synced: until then no write-ahead log has what it holds, so a start must not take a part of it for all.
   */
  async #copy(group: readonly Segment[]): Promise<Segment | null> {
    const { disk, cache } = this.#world;
    const own = this.#segment(group[0]!.base);
    await this.#makeDirectory();
    await disk.unlink(own.indexPath);
    await disk.unlink(unfinished(own.path));
    const open: OpenSegment = { file: await disk.open(unfinished(own.path), 'create'), index: new SegmentIndex() };
    try {
      for (const source of group) {
        for (let at = source.base; at < source.part!.next;) {
          const { chunks, resumeAt } = await this.#readToCopy(source, at);
          if (chunks.length === 0 && resumeAt === null) break;
          if (chunks.length > 0) await this.#fill(own, open, chunks, 0, Infinity);
          at = resumeAt ?? chunks.at(-1)!.nextOffset;
        }
      }
    } catch (error) {
      await open.file.close();
      throw error;
    }
    if (own.sizeBytes === 0) {
      await open.file.close();
      await disk.unlink(unfinished(own.path));
      return null;
    }
    await disk.rename(unfinished(own.path), own.path);
    await this.#syncDirectory();
    cache.put(own, open);
    return own;
  }
  async #readToCopy(source: Segment, from: number): Promise<{ chunks: readonly Chunk[]; resumeAt: number | null }> {
    try {
      const { chunks } = await this.#world.cache.use(source, (open) =>
        this.#readSegment(source, open, from, WRITE_BYTES_MAX, false),
      );
      return { chunks, resumeAt: null };
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'corrupt' || error.resumeAt === null) throw error;
      this.#world.onDamage({ kind: 'hole', file: source.path, position: 0, detail: error.where });
      return { chunks: [], resumeAt: error.resumeAt };
    }
  }

  /**
   * Puts what the shared logs have between the stream's own files. Indexes still name what was copied: that is released.
   * An own file that damage cut short of the part it was copied from goes.
   */
  async #loadParts(parts: readonly Part[]): Promise<void> {
    if (parts.length === 0) return;
    const ends = new Map<Segment, number>();
    for (const own of this.#segments) {
      const next = await this.#world.cache.use(own, (open) => Promise.resolve(open.index.nextOffset));
      ends.set(own, next ?? own.base);
    }
    for (const part of parts) {
      const half = this.#segments.findIndex((own) => own.base === part.base && ends.get(own)! < part.next);
      if (half !== -1) await this.#unlink(this.#segments.splice(half, 1)[0]!);
      const segment = segmentOfPart(part);
      ends.set(segment, part.next);
      this.#segments.push(segment);
    }
    const covered = this.#segments.filter((own) => own.part === null).map((own) => ends.get(own)!);
    if (parts.some((part) => covered.some((end) => end >= part.next))) {
      // The process before may have died between giving a copy its name and the sync of that.
      await this.#syncDirectory();
      this.#world.onNewDirectory();
      await this.#world.syncNewDirectories();
    }
    const all = this.#segments.toSorted((a, b) => a.base - b.base || ends.get(b)! - ends.get(a)!);
    this.#segments = [];
    this.#endOffset = 0;
    for (const segment of all) {
      if (segment.part !== null && ends.get(segment)! <= this.#endOffset)
        await this.#world.shared.release(segment.part);
      else {
        this.#segments.push(segment);
        this.#endOffset = Math.max(this.#endOffset, ends.get(segment)!);
      }
    }
  }

  #segment(base: number): Segment {
    const path = join(this.#directory, segmentFileName(base));
    const indexPath = `${path.slice(0, -'.segment'.length)}.index`;
    return { streamId: this.#streamId, base, path, indexPath, sizeBytes: 0, maxTimestampMs: null, part: null };
  }
  /** Number of the last segment with a base at or below `offset`, at least 0. */
  #segmentOf(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle]!.base <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  async #loadTail(segment: Segment, replayedFrom: number | null): Promise<boolean> {
    const { disk, cache, onDamage } = this.#world;
    const file = await disk.open(segment.path, 'write');
    const index = await readIndex(disk, segment.indexPath, segment.sizeBytes);
    const indexed = index.intervals.length;
    const scan = await scanSegment(file, segment, index, replayedFrom, onDamage);
    index.intervals.push(...scan.maker.done);
    if (scan.end < segment.sizeBytes) {
      const lost = segment.sizeBytes - scan.end;
      const detail = `stream ${this.#streamId}: ${lost} bytes behind offset ${scan.nextOffset} cut off`;
      onDamage({ kind: 'torn-tail', file: segment.path, position: scan.end, detail });
      await file.truncate(scan.end);
    }
    if (scan.end === 0) {
      await file.close();
      return false;
    }
    // What was found behind the index may never have been synced, and its log is deleted without writing it again.
    if (scan.end !== segment.sizeBytes || index.intervals.length !== indexed) {
      await file.sync();
      segment.sizeBytes = scan.end;
      await writeIndex(disk, segment.indexPath, index);
    }
    segment.maxTimestampMs = index.maxTimestampMs;
    this.#endOffset = scan.nextOffset;
    cache.put(segment, { file, index });
    return true;
  }

  async #syncDirectory(): Promise<void> {
    await this.#world.disk.syncDirectory(this.#directory);
    this.#nameUnsynced = false;
  }
  async #makeDirectory(): Promise<void> {
    if (this.#directoryExists) return;
    await this.#world.disk.makeDirectory(this.#directory);
    this.#world.onNewDirectory();
    this.#directoryExists = true;
  }
  async #create(base: number): Promise<Segment> {
    const { disk, cache } = this.#world;
    await this.#makeDirectory();
    const segment = this.#segment(base);
    await disk.unlink(segment.indexPath);
    const file = await disk.open(segment.path, 'create');
    cache.put(segment, { file, index: new SegmentIndex() });
    return segment;
  }

  /** Writes chunks from number `from` on until the segment is full; returns the number of the next one. */
  async #fill(
    segment: Segment,
    open: OpenSegment,
    chunks: readonly Chunk[],
    from: number,
    bytesMax = this.#world.segmentBytesMax,
  ): Promise<number> {
    const maker = new IntervalMaker(segment.sizeBytes);
    let at = from;
    let end = segment.sizeBytes;
    while (at < chunks.length && (end < bytesMax || at === from)) {
      const batch = new FrameBatch(this.#world.slabs);
      const position = end;
      while (at < chunks.length && batch.sizeBytes < WRITE_BYTES_MAX) {
        const chunk = chunks[at++]!;
        batch.addChunk(this.#streamId, chunk);
        end = position + batch.sizeBytes;
        maker.add({ base: chunk.baseOffset, next: chunk.nextOffset, timestampMs: chunk.timestampMs }, end);
        if (end >= bytesMax) break;
      }
      await open.file.write(batch.seal(), position);
      batch.release();
    }
    maker.close();
    await open.file.sync();
    await this.#appendIndex(segment, open.index.encodedBytes, maker);
    open.index.intervals.push(...maker.done);
    segment.sizeBytes = end;
    segment.maxTimestampMs = Math.max(segment.maxTimestampMs ?? -Infinity, ...maker.done.map((i) => i.maxTimestampMs));
    return at;
  }

  /** Not synced: an index that lags or is torn is completed from the segment. */
  async #appendIndex(segment: Segment, at: number, maker: IntervalMaker): Promise<void> {
    const { disk } = this.#world;
    const file = await disk.open(segment.indexPath, at === 0 ? 'create' : 'write');
    try {
      await file.write([SegmentIndex.encode(maker.done)], at);
    } finally {
      await file.close();
    }
  }
  async #unlink(segment: Segment): Promise<void> {
    this.#world.aheads.drop(this);
    await this.#world.cache.drop(segment);
    if (segment.part !== null) return this.#world.shared.release(segment.part);
    await this.#world.disk.unlink(segment.path);
    await this.#world.disk.unlink(segment.indexPath);
  }

  /** Reads one span of intervals at a time until `bytesMax` is reached or the segment ends. */
  async #readSegment(
    segment: Segment,
    open: OpenSegment,
    from: number,
    bytesMax: number,
    some: boolean,
  ): Promise<{ chunks: Chunk[]; full: boolean }> {
    const chunks: Chunk[] = [];
    let bytes = 0;
    let expected = from;
    for (const { first, last } of spansOf(open.index, from, bytesMax)) {
      const ahead = await this.#world.aheads.take(this, segment, first.start, last.end);
      const data = ahead ?? (await readBytes(open, first.start, last.end));
      for (const { header, position } of walk(data, this.#streamId)) {
        if (header.next <= expected) continue;
        const have = some || chunks.length > 0;
        if (have && bytes + header.length > bytesMax) return { chunks, full: true };
        if (header.base > expected || !frameBytesAreGood(data, position, header)) {
          if (have) return { chunks, full: true };
          throw this.#corrupt(segment.path, expected, header.base > expected ? header.base : header.next);
        }
        const start = position + FRAME_HEADER_BYTES;
        chunks.push({
          baseOffset: header.base,
          nextOffset: header.next,
          timestampMs: header.timestampMs,
          bytes: data.subarray(start, start + header.length),
        });
        bytes += header.length;
        expected = header.next;
      }
    }
    return { chunks, full: bytes >= bytesMax };
  }

  #corrupt(path: string, from: number, resumeAt: number): StoreError {
    return new StoreError('corrupt', `stream ${this.#streamId}, offsets ${from} to ${resumeAt - 1}, ${path}`, {
      resumeAt,
    });
  }
}

async function readBytes(open: OpenSegment, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(end - start);
  const got = await open.file.read(bytes, start);
  return bytes.subarray(0, got);
}

/** Intervals that are read at once: neighbours, until `bytesMax` is reached. */
function* spansOf(index: SegmentIndex, from: number, bytesMax: number) {
  const { intervals } = index;
  let bytes = 0;
  for (let i = index.indexOf(from); i < intervals.length; i++) {
    const first = intervals[i]!;
    let last = first;
    while (bytes + last.end - first.start < bytesMax && intervals[i + 1]?.start === last.end) last = intervals[++i]!;
    bytes += last.end - first.start;
    yield { first, last };
  }
}

/** The name of a segment that is being copied, and what it will be called. */
function unfinished(path: string): string {
  return `${path}.new`;
}
function finished(path: string): string {
  return path.replace(/\.new$/, '');
}

function segmentOfPart(part: Part): Segment {
  const { streamId, base, maxTimestampMs, sizeBytes, shared } = part;
  return { streamId, base, path: shared.path, indexPath: shared.indexPath, sizeBytes, maxTimestampMs, part };
}

/** The frames of a stretch that begins with one, stepping over headers that are damaged. Bytes are not checked. */
function* walk(data: Buffer, streamId: number) {
  const isOurs = (header: { kind: number; streamId: number }): boolean =>
    header.kind === FRAME_KINDS.chunk && header.streamId === streamId;
  let position = 0;
  while (position !== -1 && position < data.length) {
    const header = readFrameHeader(data, position);
    if (header === null) {
      position = findFrame(data, position + 1, isOurs);
      continue;
    }
    if (isOurs(header)) yield { header, position };
    position += FRAME_HEADER_BYTES + header.length;
  }
}
