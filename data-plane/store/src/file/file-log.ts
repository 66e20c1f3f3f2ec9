import { ChunkRun } from '../chunk-run.ts';
import type { Chunk, Log } from '../log.ts';
import { StoreError } from '../store-error.ts';
import { FRAME_KINDS } from './frame.ts';
import type { FrameBatch } from './frame-batch.ts';
import { RunMaker } from './segment-index.ts';
import type { Part } from './shared-log.ts';
import type { RegisteredStream, Registry } from './registry.ts';
import type { StreamSegments } from './stream-segments.ts';

/** Runs of a stream in one write-ahead log that are kept track of however short they are. */
const TRACKED_RUNS_MIN = 8;

/** What a log asks of the store it belongs to. */
export interface FileLogHost {
  readonly registry: Registry;
  /** Mean size of runs from which a stream is read from a full write-ahead log. */
  readonly keptRunBytesMin: number;
  /** The frames of the next flush. */
  readonly batch: FrameBatch;
  /** Throws when the store takes no more. */
  checkWritable(): void;
  checkOpen(): void;
  /** The chunk's frame lies at `[start, end)` of that batch. */
  placing(log: FileLog, chunk: Chunk, start: number, end: number): void;
  /** The log has chunks since the last flush. */
  dirty(log: FileLog): void;
  /** The log has chunks in the write-ahead log being written. */
  hasActive(log: FileLog): void;
  flush(): Promise<void>;
  /** Runs one piece of work on segment files at a time, in order. */
  maintain<T>(run: () => Promise<T>): Promise<T>;
  /** As `maintain`, for work that flushes inside: such a flush never waits for a checkpoint. */
  maintainWithFlush<T>(run: () => Promise<T>): Promise<T>;
}

/**
 * One stream of a file store. Its chunks lie, oldest first, in the segments, in `#sealed` (the full write-ahead log
 * whose checkpoint is under way), and in `#active`; the last two are in memory and bounded by two write-ahead logs.
 */
export class FileLog implements Log {
  readonly stream: RegisteredStream;
  readonly segments: StreamSegments;
  readonly #host: FileLogHost;
  #sealed = new ChunkRun();
  #active = new ChunkRun();
  /** Where the chunks of both lie in their write-ahead logs; null when that is not known of all of them. */
  #sealedRuns: RunMaker | null = null;
  #activeRuns: RunMaker | null = new RunMaker();
  #endOffset = 0;
  /** End of what the write-ahead log or the segments hold: with the start of the stream, what is stable. */
  #writtenOffset = 0;
  #removed = false;
  /** The removal is stable. */
  #gone = false;
  #isDirty = false;
  /** The end is not known until a truncation is done. */
  #truncating = false;
  /** Size of the segments before the checkpoint that is copying `#sealed` into them; null when none is. */
  #sizeBeforeCheckpoint: number | null = null;
  /** `endOffset` as of the flush that is running; belongs to the store. */
  flushingOffset = 0;

  constructor(stream: RegisteredStream, segments: StreamSegments, host: FileLogHost) {
    this.stream = stream;
    this.segments = segments;
    this.#host = host;
  }

  get startOffset(): number {
    return this.stream.startOffset;
  }
  get endOffset(): number {
    return this.#endOffset;
  }
  get stableOffset(): number {
    return Math.max(this.#writtenOffset, this.startOffset);
  }
  get sizeBytes(): number {
    const segments = this.#sizeBeforeCheckpoint ?? this.segments.sizeBytes;
    return segments + this.#sealed.sizeBytes + this.#active.sizeBytes;
  }
  get removed(): boolean {
    return this.#removed;
  }

  append(chunk: Chunk): void {
    this.#check();
    this.#host.checkWritable();
    if (this.#truncating || chunk.baseOffset !== this.#endOffset || chunk.nextOffset <= chunk.baseOffset) {
      throw new StoreError('not-contiguous', `${this.stream.name} ends at ${this.#endOffset}, got ${chunk.baseOffset}`);
    }
    const { batch } = this.#host;
    const start = batch.sizeBytes;
    batch.addChunk(this.stream.id, chunk);
    this.#host.placing(this, chunk, start, batch.sizeBytes);
    if (this.#active.count === 0) this.#host.hasActive(this);
    this.#active.push(chunk);
    this.#endOffset = chunk.nextOffset;
    this.#markDirty();
  }

  async read(from: number, bytesMax: number): Promise<readonly Chunk[]> {
    this.#check();
    this.#checkRange(from);
    let found: Chunk[] = [];
    let expected = from;
    if (from < this.#memoryStart()) {
      found = await this.#readSegments(from, bytesMax);
      expected = found.at(-1)?.nextOffset ?? from;
      if (found.length === 0) this.#checkRange(from);
    }
    let bytes = 0;
    for (const chunk of found) bytes += chunk.bytes.length;
    for (const run of [this.#sealed, this.#active]) {
      for (let i = run.indexOf(expected); i < run.count && (found.length === 0 || bytes < bytesMax); i++) {
        const chunk = run.at(i)!;
        if (found.length > 0 && (chunk.baseOffset !== expected || bytes + chunk.bytes.length > bytesMax)) return found;
        if (chunk.baseOffset > expected) throw this.#hole(expected, chunk.baseOffset);
        found.push(chunk);
        bytes += chunk.bytes.length;
        expected = chunk.nextOffset;
      }
    }
    if (found.length === 0 && from < this.#endOffset) throw this.#hole(from, this.#endOffset);
    return found;
  }

  async seekTime(timestampMs: number): Promise<number> {
    this.#check();
    const base = this.segments.isEmpty ? null : await this.segments.seekTime(timestampMs, this.startOffset);
    if (base !== null) return Math.max(base, this.startOffset);
    for (const run of [this.#sealed, this.#active]) {
      const chunk = run.at(run.indexOfTime(timestampMs, run.indexOf(this.startOffset)));
      if (chunk !== undefined) return Math.max(chunk.baseOffset, this.startOffset);
    }
    return this.#endOffset;
  }

  seekSize(bytesMax: number): number {
    let bytes = this.#sealed.sizeBytes + this.#active.sizeBytes;
    if (bytes <= bytesMax) {
      const found = this.segments.seekSize(bytesMax - bytes);
      return Math.max(found ?? Math.min(this.#memoryStart(), this.#endOffset), this.startOffset);
    }
    for (const run of [this.#sealed, this.#active]) {
      for (let i = 0; i < run.count; i++) {
        const chunk = run.at(i)!;
        if (bytes <= bytesMax) return Math.max(chunk.baseOffset, this.startOffset);
        bytes -= chunk.bytes.length;
      }
    }
    return this.#endOffset;
  }

  truncate(to: number): Promise<void> {
    return this.#host.maintainWithFlush(async () => {
      this.#check();
      this.#host.checkWritable();
      if (to >= this.#endOffset) return;
      if (to < this.startOffset) throw this.#outOfRange(to);
      this.#host.batch.addRecord(FRAME_KINDS.truncate, this.stream.id, to);
      this.#truncating = true;
      try {
        this.#cut(to);
        await this.#host.flush();
        await this.#cutSegments(to);
      } finally {
        this.#truncating = false;
      }
    });
  }

  async trim(before: number): Promise<void> {
    this.#check();
    this.#host.checkWritable();
    if (before <= this.startOffset) return;
    if (before > this.#endOffset) throw this.#outOfRange(before);
    this.#host.registry.trim(this.stream.id, before);
    this.#host.batch.addRecord(FRAME_KINDS.trim, this.stream.id, before);
    await this.#host.flush();
    // Only now may bytes go, from memory too, where a checkpoint takes them from: had the trim been lost with the power,
    // the stream would still begin below them.
    this.#sealed.dropBelow(before);
    this.#active.dropBelow(before);
    await this.#host.maintain(async () => {
      if (!this.#removed) await this.segments.trim(before);
    });
  }

  /** The rest is called by the store alone. */

  /** Loads what the segments hold; everything there is stable, and so is where the stream begins. */
  async load(replayedFrom: number | null): Promise<void> {
    await this.segments.load(replayedFrom);
    // A loss of power may have brought back segments that were trimmed, and any of them without those behind it.
    await this.segments.trim(this.startOffset);
    this.#endOffset = Math.max(this.segments.endOffset, this.startOffset);
    this.#writtenOffset = this.#endOffset;
  }
  /** Brings a chunk of an old write-ahead log back; returns the offset of a hole in front of it, or null. */
  replay(baseOffset: number, nextOffset: number, timestampMs: number, bytes: Buffer | null): number | null {
    const end = this.#endOffset;
    if (nextOffset <= end) return null;
    if (bytes !== null) this.#sealed.push({ baseOffset, nextOffset, timestampMs, bytes });
    this.#endOffset = nextOffset;
    this.#writtenOffset = nextOffset;
    return baseOffset > end ? end : null;
  }
  async replayTruncate(to: number): Promise<void> {
    this.#cut(to);
    await this.#cutSegments(to);
  }
  replayTrim(): void {
    this.#sealed.dropBelow(this.startOffset);
    this.#endOffset = Math.max(this.#endOffset, this.startOffset);
  }
  makeStable(offset: number): void {
    // A truncation may have taken back what the flush carried.
    this.#writtenOffset = Math.max(this.#writtenOffset, Math.min(offset, this.#endOffset));
  }
  /** Called when the flush that will carry its chunks begins. */
  beginFlush(): void {
    this.#isDirty = false;
    this.flushingOffset = this.#endOffset;
  }
  /**
   * What is active and written belongs to a full write-ahead log now; the run sealed before must be checkpointed. Chunks
   * of the flush that begins the next log stay active: a segment must never hold what its log may still lose.
   */
  seal(): void {
    this.#sealed = this.#active;
    this.#sealedRuns = this.#activeRuns;
    this.#activeRuns = new RunMaker();
    this.#active = new ChunkRun();
    const unwritten: Chunk[] = [];
    while ((this.#sealed.last?.nextOffset ?? 0) > this.#writtenOffset) unwritten.push(this.#sealed.pop()!);
    for (const chunk of unwritten.reverse()) this.#active.push(chunk);
  }
  /** A chunk was written to the write-ahead log. Small ones far apart are not kept track of: they will be copied. */
  placed({ baseOffset: base, nextOffset: next, timestampMs }: Chunk, start: number, end: number): void {
    const runs = this.#activeRuns;
    if (runs === null) return;
    runs.add({ base, next, timestampMs }, start, end);
    const count = runs.intervals.length;
    if (count > TRACKED_RUNS_MIN && runs.sizeBytes < count * this.#host.keptRunBytesMin) this.#activeRuns = null;
  }
  /** Where the sealed chunks lie in the full write-ahead log, when they can be read from there; null when they cannot. */
  get keepableRuns(): RunMaker | null {
    const runs = this.#sealedRuns;
    if (runs === null || this.#gone || runs.next !== this.#sealed.last?.nextOffset) return null;
    if (runs.base > this.#sealed.first!.baseOffset) return null;
    return runs.sizeBytes < runs.intervals.length * this.#host.keptRunBytesMin ? null : runs;
  }
  /** The sealed chunks that the segments do not have. */
  get unsavedChunks(): readonly Chunk[] {
    const chunks: Chunk[] = [];
    if (this.#gone) return chunks;
    for (let i = 0; i < this.#sealed.count; i++) {
      const chunk = this.#sealed.at(i)!;
      if (chunk.baseOffset >= this.segments.endOffset) chunks.push(chunk);
    }
    return chunks;
  }
  get sealedBytes(): number {
    return this.#sealed.sizeBytes;
  }
  get isGone(): boolean {
    return this.#gone;
  }
  /** The sealed chunks are in this part of a shared log now, and leave memory. */
  adopt(part: Part): void {
    this.segments.adopt(part);
    this.#sealed = new ChunkRun();
  }
  get hasActive(): boolean {
    return this.#active.count > 0;
  }
  get hasSealed(): boolean {
    return this.#sealed.count > 0;
  }
  /** Moves the sealed chunks into segments. Only when that is done and synced they leave memory. */
  async checkpoint(): Promise<void> {
    if (this.#gone) return;
    const chunks = this.unsavedChunks;
    this.#sizeBeforeCheckpoint = this.segments.sizeBytes;
    try {
      await this.segments.write(chunks);
      this.#sealed = new ChunkRun();
    } finally {
      this.#sizeBeforeCheckpoint = null;
    }
  }
  /** Nobody may use it any more; its chunks are kept until the removal is stable. */
  markRemoved(): void {
    this.#removed = true;
  }
  /** The removal is stable. */
  forget(): void {
    this.#gone = true;
    this.#sealed = new ChunkRun();
    this.#active = new ChunkRun();
  }

  #memoryStart(): number {
    return (this.#sealed.first ?? this.#active.first)?.baseOffset ?? this.#endOffset;
  }
  async #readSegments(from: number, bytesMax: number): Promise<Chunk[]> {
    try {
      return await this.segments.read(from, bytesMax);
    } catch (error) {
      // Trimmed, truncated or removed while it was read: that is the answer then, not the missing file.
      this.#check();
      this.#checkRange(from);
      throw error;
    }
  }
  #cut(to: number): void {
    this.#sealedRuns = null;
    this.#activeRuns = null;
    const active = this.#active.dropFrom(to) ?? to;
    const sealed = this.#sealed.dropFrom(to) ?? to;
    this.#endAt(Math.min(this.#endOffset, to, active, sealed));
  }
  /** Cuts the segments; a chunk of theirs that straddled `to` takes the end down to its base. */
  async #cutSegments(to: number): Promise<void> {
    const removedFrom = await this.segments.truncate(to);
    if (removedFrom !== null) this.#endAt(Math.min(this.#endOffset, removedFrom));
  }
  #endAt(offset: number): void {
    this.#endOffset = Math.max(this.startOffset, offset);
    this.#writtenOffset = Math.min(this.#writtenOffset, this.#endOffset);
  }
  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#host.dirty(this);
  }
  #check(): void {
    this.#host.checkOpen();
    if (this.#removed) throw new StoreError('closed', this.stream.name);
  }
  #checkRange(from: number): void {
    if (from < this.startOffset || from > this.#endOffset) throw this.#outOfRange(from);
  }
  #outOfRange(offset: number): StoreError {
    const where = `${this.stream.name} at ${offset}, holds ${this.startOffset} to ${this.#endOffset}`;
    return new StoreError('offset-out-of-range', where);
  }
  #hole(from: number, resumeAt: number): StoreError {
    const where = `stream ${this.stream.id} (${this.stream.name}), offsets ${from} to ${resumeAt - 1} are lost`;
    return new StoreError('corrupt', where, { resumeAt });
  }
}
