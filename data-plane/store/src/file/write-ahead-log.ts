import { join } from 'node:path';
import { StoreError } from '../store-error.ts';
import type { OnDamage } from './damage.ts';
import type { Disk, DiskFile } from './disk.ts';
import {
  findFrame,
  FRAME_HEADER_BYTES,
  FRAME_KINDS,
  foreignVersion,
  frameBytesAreGood,
  mendFrameHeader,
  readFrameHeader,
  type FrameHeader,
} from './frame.ts';

/** One file of the write-ahead log that is being appended to. */
export class WriteAheadLog {
  readonly number: number;
  readonly path: string;
  readonly #file: DiskFile;
  #sizeBytes = 0;

  private constructor(number: number, file: DiskFile) {
    this.number = number;
    this.path = file.path;
    this.#file = file;
  }
  static async create(disk: Disk, directory: string, number: number): Promise<WriteAheadLog> {
    const file = await disk.open(join(directory, walFileName(number)), 'create-synced');
    await disk.syncDirectory(directory);
    return new WriteAheadLog(number, file);
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  /** One gathered write that is synced when it resolves. */
  async append(buffers: readonly Buffer[], sizeBytes: number): Promise<void> {
    await this.#file.write(buffers, this.#sizeBytes);
    this.#sizeBytes += sizeBytes;
  }
  close(): Promise<void> {
    return this.#file.close();
  }
}

export function walFileName(number: number): string {
  return `${String(number).padStart(10, '0')}.wal`;
}
/** Number in a file name of the log, or null for another file. */
export function walNumber(fileName: string): number | null {
  const match = /^(\d{10})\.wal$/.exec(fileName);
  return match === null ? null : Number(match[1]);
}

/** One frame that recovery brings back. */
export interface RecoveredFrame {
  readonly header: FrameHeader;
  /** null when they are damaged and only the header is left. */
  readonly bytes: Buffer | null;
}
/** What the files of a log hold. */
export interface RecoveredLog {
  readonly frames: readonly RecoveredFrame[];
  /** Paths of the files, oldest first. */
  readonly paths: readonly string[];
  /** Number of the last flush seen, and of the last file. */
  readonly batch: number;
  readonly number: number;
}

/**
 * Reads the files left behind, oldest first. Flush n + 1 begins only when flush n is synced, and a file only when the
 * one before is complete; so a damaged frame with a later flush or a later file behind it is a hole. A flush without one
 * was whole or nobody was told of it: then all of it is cut off, for its frames may refer to each other across
 * streams. Files are whole in memory: that is where their chunks are served from until the next checkpoint.
 */
export async function recoverLog(disk: Disk, directory: string, onDamage: OnDamage): Promise<RecoveredLog> {
  const numbers = (await disk.list(directory)).map(walNumber).filter((number) => number !== null);
  numbers.sort((a, b) => a - b);
  const frames: RecoveredFrame[] = [];
  const paths: string[] = [];
  let batch = 0;
  for (const number of numbers) {
    const path = join(directory, walFileName(number));
    const file = await disk.open(path, 'write');
    try {
      const bytes = Buffer.allocUnsafeSlow(await file.size());
      const data = bytes.subarray(0, await file.read(bytes, 0));
      const version = foreignVersion(data);
      // A version with harmed bits is followed by frames of ours; one that is really another's by none.
      if (version !== null && findFrame(data, 0, () => true) === -1) {
        throw new StoreError('format-unknown', `${path}: version ${version}`);
      }
      const found = recoverFile(data, path, batch, number === numbers.at(-1), frames, onDamage);
      batch = found.batch;
      if (found.end < data.length) await file.truncate(found.end);
      // The last process may have died between write and sync, and what is read here is called stable.
      await file.sync();
    } finally {
      await file.close();
    }
    paths.push(path);
  }
  return { frames, paths, batch, number: numbers.at(-1) ?? 0 };
}

function recoverFile(
  data: Buffer,
  path: string,
  batchBefore: number,
  isLast: boolean,
  frames: RecoveredFrame[],
  onDamage: OnDamage,
): { end: number; batch: number } {
  let batch = batchBefore;
  let at = 0;
  // Told of only when what they are in is not cut off: a torn write may look like a flipped bit.
  let mends: number[] = [];
  const reportMends = (): void => {
    for (const position of mends) {
      onDamage({
        kind: 'hole',
        file: path,
        position,
        detail: 'a flipped bit in the header of a frame; nothing is lost',
      });
    }
    mends = [];
  };
  while (at < data.length) {
    reportMends();
    const header = readFrameHeader(data, at) ?? mended(at);
    if (header?.kind === FRAME_KINDS.flush) {
      const flush = readFlush(data, at, header.next, mended);
      if (flush === null && isLast && !hasLaterFlush(data, at + header.next, header.base)) return cutOff(at);
      batch = header.base;
      // Harmed after it was synced: frame by frame then.
      at += flush === null ? FRAME_HEADER_BYTES : header.next;
      if (flush !== null) for (const frame of flush) frames.push(frame);
      continue;
    }
    if (header !== null && frameBytesAreGood(data, at, header)) {
      const start = at + FRAME_HEADER_BYTES;
      at = start + header.length;
      if (header.kind === FRAME_KINDS.batch) batch = header.base;
      else frames.push({ header, bytes: data.subarray(start, at) });
      continue;
    }
    if (isLast && !hasLaterFlush(data, at + 1, batch)) return cutOff(at);
    const behind = nextGoodFrame(data, header === null ? at + 1 : at + FRAME_HEADER_BYTES + header.length);
    const what = header === null ? 'frame of an unknown stream' : `stream ${header.streamId}, offset ${header.base}`;
    onDamage({ kind: 'hole', file: path, position: at, detail: `${what} is damaged` });
    if (header !== null) frames.push({ header, bytes: null });
    at = behind === -1 ? data.length : behind;
  }
  reportMends();
  return { end: data.length, batch };

  /** Without this a flipped bit in the first frame of the last flush would hide all that is behind it. */
  function mended(position: number): FrameHeader | null {
    const header = mendFrameHeader(data, position);
    if (header === null) return null;
    mends.push(position);
    return header;
  }
  function cutOff(end: number): { end: number; batch: number } {
    onDamage({ kind: 'torn-tail', file: path, position: end, detail: `${data.length - end} bytes cut off` });
    return { end, batch };
  }
}

/** The frames of the flush at `at`, without the one that begins it; null when any of its bytes are not as written. */
function readFlush(
  data: Buffer,
  at: number,
  sizeBytes: number,
  mended: (position: number) => FrameHeader | null,
): RecoveredFrame[] | null {
  const end = at + sizeBytes;
  const frames: RecoveredFrame[] = [];
  let position = at + FRAME_HEADER_BYTES;
  while (position < end) {
    const header = readFrameHeader(data, position) ?? mended(position);
    if (header === null || !frameBytesAreGood(data, position, header)) return null;
    const start = position + FRAME_HEADER_BYTES;
    position = start + header.length;
    frames.push({ header, bytes: data.subarray(start, position) });
  }
  return position === end ? frames : null;
}

function hasLaterFlush(data: Buffer, from: number, batch: number): boolean {
  const isLater = ({ kind, base }: FrameHeader): boolean =>
    (kind === FRAME_KINDS.flush || kind === FRAME_KINDS.batch) && base > batch;
  return findFrame(data, from, isLater) !== -1;
}

function nextGoodFrame(data: Buffer, from: number): number {
  for (let at = findFrame(data, from, () => true); at !== -1; at = findFrame(data, at + 1, () => true)) {
    if (frameBytesAreGood(data, at, readFrameHeader(data, at)!)) return at;
  }
  return -1;
}
