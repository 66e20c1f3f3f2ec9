import { join } from 'node:path';
import type { OnDamage } from './damage.ts';
import type { Disk, DiskFile } from './disk.ts';
import { FrameBatch, SlabPool } from './frame-batch.ts';
import {
  findFrame,
  FRAME_HEADER_BYTES,
  FRAME_KINDS,
  frameBytesAreGood,
  readFrameHeader,
  type FrameHeader,
} from './frame.ts';

const FILE = 'registry';
/** The file is written anew when it has this many frames more than twice what is alive. */
const DEAD_FRAMES_MAX = 1000;

/** What the registry knows of a stream. */
export interface RegisteredStream {
  readonly id: number;
  readonly name: string;
  startOffset: number;
  /** What shared logs numbered below this say of the stream is void. */
  sharedFloor: number;
}
interface Entry extends RegisteredStream {
  /** `startOffset` as the write-ahead log holds it; null while it does not hold that the stream exists. */
  stableStartOffset: number | null;
}
/** What a flush says of a stream. */
interface Change {
  readonly entry: Entry;
  readonly startOffset: number;
  readonly removed: boolean;
}

/**
 * Which stream names exist, under which number, and where each begins. In memory it is always current; its file is
 * brought up to date by each checkpoint with what the write-ahead log holds by then, never with more: what a flush says is
 * all there after a crash or not at all. Stream names never become paths.
 */
export class Registry {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #byName = new Map<string, Entry>();
  readonly #byId = new Map<number, Entry>();
  /** Streams whose removal is not stable yet. */
  readonly #removing = new Map<number, Entry>();
  /** Changed since the last flush began, and by the flush that is running. */
  #pending = new Set<Entry>();
  #flushing: readonly Change[] = [];
  /** Ids whose entry in the file is out of date. */
  readonly #changed = new Set<number>();
  #file: DiskFile | null = null;
  #fileBytes = 0;
  #fileFrames = 0;
  #nextId = 1;
  /** `#nextId` as the write-ahead log holds it. */
  #stableNextId = 1;
  /** `#nextId` as the file has it: every lower id is accounted for in the file. */
  #loadedNextId = 1;
  #highestFloor = 0;
  /** Number of the last save in the file. */
  #save = 0;
  /** False when parts of the file are lost: then nothing may be deleted because the registry does not know it. */
  intact = true;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }
  byName(name: string): RegisteredStream | undefined {
    return this.#byName.get(name);
  }
  byId(id: number): RegisteredStream | undefined {
    return this.#byId.get(id);
  }
  /** Makes a stream. */
  define(name: string): RegisteredStream {
    return this.#define(name, this.#nextId);
  }
  /**
   * Brings back a stream that the write-ahead log says was made. Ids below those the file has accounted for are alive
   * or were removed since, and a removed one must not take its name from a stream made after it.
   */
  replayDefine(name: string, id: number): void {
    if (id >= this.#loadedNextId && !this.#byId.has(id)) this.#define(name, id);
  }
  #define(name: string, id: number): RegisteredStream {
    const stream: Entry = { id, name, startOffset: 0, sharedFloor: 0, stableStartOffset: null };
    this.#byName.set(name, stream);
    this.#byId.set(id, stream);
    this.#nextId = Math.max(this.#nextId, id + 1);
    this.#pending.add(stream);
    return stream;
  }
  trim(id: number, startOffset: number): void {
    const stream = this.#byId.get(id);
    if (stream === undefined || startOffset <= stream.startOffset) return;
    stream.startOffset = startOffset;
    this.#pending.add(stream);
  }
  /** Written by the next save; until then the truncation that asks for it is in the write-ahead log. */
  voidShared(id: number, floor: number): void {
    const stream = this.#byId.get(id);
    if (stream === undefined || floor <= stream.sharedFloor) return;
    stream.sharedFloor = floor;
    this.#highestFloor = Math.max(this.#highestFloor, floor);
    this.#changed.add(id);
  }
  /** No number below it may be given to a shared log. */
  get highestFloor(): number {
    return this.#highestFloor;
  }
  remove(id: number): void {
    // An id that was used is never used again, even if nothing else remembers it.
    this.#nextId = Math.max(this.#nextId, id + 1);
    const stream = this.#byId.get(id);
    if (stream === undefined) return;
    this.#byId.delete(id);
    if (this.#byName.get(stream.name) === stream) this.#byName.delete(stream.name);
    this.#removing.set(id, stream);
    this.#pending.add(stream);
  }
  /** The flush that carries all changes until now begins; one at a time. */
  beginFlush(): void {
    if (this.#pending.size === 0) return;
    this.#flushing = Array.from(this.#pending, (entry) => ({
      entry,
      startOffset: entry.startOffset,
      removed: this.#removing.has(entry.id),
    }));
    this.#pending = new Set();
  }
  /** That flush is synced. */
  makeStable(): void {
    if (this.#flushing.length === 0) return;
    for (const { entry, startOffset, removed } of this.#flushing) {
      if (removed) this.#removing.delete(entry.id);
      else entry.stableStartOffset = startOffset;
      this.#stableNextId = Math.max(this.#stableNextId, entry.id + 1);
      this.#changed.add(entry.id);
    }
    this.#flushing = [];
  }

  /** Reads the file; a torn end is cut off (the write-ahead log has what it said). */
  async load(onDamage: OnDamage): Promise<void> {
    const path = join(this.#directory, FILE);
    await this.#disk.unlink(`${path}.new`);
    if (!(await this.#disk.list(this.#directory)).includes(FILE)) return this.#rewrite();
    this.#file = await this.#disk.open(path, 'write');
    const bytes = Buffer.allocUnsafe(await this.#file.size());
    const data = bytes.subarray(0, await this.#file.read(bytes, 0));
    let at = 0;
    while (at < data.length) {
      const header = readFrameHeader(data, at);
      if (header !== null && frameBytesAreGood(data, at, header)) {
        const start = at + FRAME_HEADER_BYTES;
        at = start + header.length;
        this.#apply(header, data.toString('utf8', start, at));
        continue;
      }
      // A save begins only when the one before is synced: damage with a later save behind it is no torn end.
      const laterSave = findFrame(data, at + 1, (h) => h.kind === FRAME_KINDS.batch && h.base > this.#save);
      if (laterSave === -1) {
        onDamage({ kind: 'torn-tail', file: path, position: at, detail: `${data.length - at} bytes cut off` });
        await this.#file.truncate(at);
        break;
      }
      this.intact = false;
      onDamage({ kind: 'hole', file: path, position: at, detail: 'entries of the stream registry are damaged' });
      at = findFrame(data, at + 1, () => true);
    }
    // What was read may be unsynced work of a process that was killed; what it says is not written again.
    await this.#file.sync();
    // So may its name be: killed between rename and sync, all streams would be gone with the next loss of power.
    await this.#disk.syncDirectory(this.#directory);
    this.#loadedNextId = this.intact ? this.#nextId : 1;
    this.#stableNextId = this.#nextId;
    this.#fileBytes = at;
    this.beginFlush();
    this.makeStable();
    this.#changed.clear();
  }

  /** Writes what changed and is stable, and syncs it. */
  async save(): Promise<void> {
    if (this.#changed.size === 0) return;
    if (this.#fileFrames > DEAD_FRAMES_MAX + 4 * this.#byId.size) return this.#rewrite();
    const batch = this.#newSave();
    for (const id of this.#changed) this.#addStream(batch, id);
    this.#changed.clear();
    await this.#file!.write(batch.seal(), this.#fileBytes);
    await this.#file!.sync();
    this.#fileBytes += batch.sizeBytes;
  }
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  #apply(header: FrameHeader, text: string): void {
    this.#fileFrames++;
    if (header.kind === FRAME_KINDS.define && !this.#byId.has(header.streamId)) this.#define(text, header.streamId);
    else if (header.kind === FRAME_KINDS.trim) this.trim(header.streamId, header.base);
    else if (header.kind === FRAME_KINDS.sharedFloor) this.voidShared(header.streamId, header.base);
    else if (header.kind === FRAME_KINDS.remove) this.remove(header.streamId);
    else if (header.kind === FRAME_KINDS.batch) this.#save = header.base;
    else if (header.kind === FRAME_KINDS.nextId) this.#nextId = Math.max(this.#nextId, header.base);
  }
  #newSave(): FrameBatch {
    const batch = new FrameBatch(new SlabPool());
    batch.addRecord(FRAME_KINDS.batch, 0, ++this.#save);
    return batch;
  }
  #addStream(batch: FrameBatch, id: number): void {
    this.#fileFrames += 2;
    const stream = this.#byId.get(id) ?? this.#removing.get(id);
    if (stream === undefined) {
      batch.addRecord(FRAME_KINDS.remove, id, 0);
      return;
    }
    const startOffset = stream.stableStartOffset;
    if (startOffset === null) return;
    batch.addRecord(FRAME_KINDS.define, id, 0, Buffer.from(stream.name));
    if (startOffset > 0) batch.addRecord(FRAME_KINDS.trim, id, startOffset);
    if (stream.sharedFloor > 0) batch.addRecord(FRAME_KINDS.sharedFloor, id, stream.sharedFloor);
  }
  /** Writes the whole registry to a new file that takes the old one's place at once. */
  async #rewrite(): Promise<void> {
    const path = join(this.#directory, FILE);
    await this.close();
    await this.#disk.unlink(`${path}.new`);
    const file = await this.#disk.open(`${path}.new`, 'create');
    const batch = this.#newSave();
    this.#fileFrames = 2;
    batch.addRecord(FRAME_KINDS.nextId, 0, this.#stableNextId);
    for (const id of [...this.#byId.keys(), ...this.#removing.keys()]) this.#addStream(batch, id);
    this.#changed.clear();
    await file.write(batch.seal(), 0);
    await file.sync();
    await this.#disk.rename(`${path}.new`, path);
    await this.#disk.syncDirectory(this.#directory);
    this.#file = file;
    this.#fileBytes = batch.sizeBytes;
  }
}
