import { mkdir, open, readdir, stat, truncate, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { UsageWindow } from '@robustmq/contracts/data-plane';
import { AgentError } from './agent-error.ts';
import { readFileIfAny, replaceFile, syncDirectory } from './durable-file.ts';

/** Bytes of unacknowledged windows kept; beyond it `append` refuses and the windows stay at their nodes. */
export const SPOOL_BYTES_MAX = 2 ** 30;
/** Windows older than this are no longer billed by the control plane; they are still delivered, and it is logged. */
export const SPOOL_AGE_DAYS_MAX = 35;
const SEGMENT_BYTES_MAX = 4 * 2 ** 20;
const READ_CHUNK_BYTES = 2 ** 20;

interface Segment {
  readonly path: string;
  readonly firstPosition: number;
  sizeBytes: number;
}

/** A run of windows in spool order. `throughPosition` is the position of the last one. */
export interface SpooledWindows {
  readonly windows: readonly UsageWindow[];
  readonly throughPosition: number;
}

const encodeLine = (position: number, window: UsageWindow): string => {
  const body = JSON.stringify([position, window]);
  return `${crc32(body).toString(16).padStart(8, '0')} ${body}\n`;
};

function decodeLine(line: string): { position: number; window: UsageWindow } | undefined {
  const body = line.slice(9);
  if (line[8] !== ' ' || crc32(body).toString(16).padStart(8, '0') !== line.slice(0, 8)) return undefined;
  try {
    const parsed = JSON.parse(body) as [number, unknown];
    return { position: parsed[0], window: UsageWindow.parse(parsed[1]) };
  } catch {
    return undefined;
  }
}

/**
 * Usage windows on the agent's own disk, between the node that closed them and the control plane that commits them.
 * Positions 1, 2, 3 … never repeat. Files hold one line per window, `crc32 [position, window]`; `append` resolves after
 * `fdatasync`, and only then may the node forget. A torn tail is cut at open: its windows are still at the node.
 * One owner: calls of `append`, `peek` and `acknowledge` are serialised here.
 */
export class UsageSpool {
  readonly #dir: string;
  readonly #bytesMax: number;
  #segments: Segment[] = [];
  #writer: FileHandle | undefined;
  #nextPosition = 1;
  #acknowledged = 0;
  #readFrom: { segment: Segment; offset: number } | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** Lines that were damaged in the middle of a file: the disk lost them, and somebody should know. */
  damagedLines = 0;

  private constructor(dir: string, bytesMax: number) {
    this.#dir = dir;
    this.#bytesMax = bytesMax;
  }

  /** Opens or makes the spool, cuts a torn tail and finds the first window that is not acknowledged. */
  static async open(dir: string, bytesMax = SPOOL_BYTES_MAX): Promise<UsageSpool> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const spool = new UsageSpool(dir, bytesMax);
    await spool.#recover();
    return spool;
  }

  /** Windows that are not acknowledged. Positions are dense, so it is a subtraction. */
  get pending(): number {
    return this.#nextPosition - 1 - this.#acknowledged;
  }

  /** Bytes on disk. */
  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /**
   * Resolves when the windows would survive power loss. Throws `spool-full`, having kept nothing, or `spool-failed`,
   * having kept perhaps some: both mean that the node must not forget yet.
   */
  append(windows: readonly UsageWindow[]): Promise<void> {
    return this.#serialised(async () => {
      if (windows.length === 0) return;
      const bytes = Buffer.from(windows.map((window, i) => encodeLine(this.#nextPosition + i, window)).join(''));
      if (this.sizeBytes + bytes.length > this.#bytesMax) {
        throw new AgentError('spool-full', `the usage spool holds its limit of ${this.#bytesMax} bytes`);
      }
      const segment = await this.#writable();
      try {
        await this.#writer!.write(bytes, 0, bytes.length, segment.sizeBytes);
        await this.#writer!.datasync();
      } catch (error) {
        // After a failed write or sync the page cache cannot be trusted: read the directory again from disk.
        await this.#recover();
        throw new AgentError('spool-failed', `the usage spool cannot be written: ${String(error)}`, { cause: error });
      }
      segment.sizeBytes += bytes.length;
      this.#nextPosition += windows.length;
    });
  }

  /** The oldest unacknowledged windows, at most `limit`; the same ones again until `acknowledge`. */
  peek(limit: number): Promise<SpooledWindows | undefined> {
    return this.#serialised(async () => {
      const windows: UsageWindow[] = [];
      let throughPosition = this.#acknowledged;
      let at: { segment: Segment; offset: number } | undefined = this.#readFrom ?? this.#start();
      while (at && windows.length < limit) {
        const { lines, nextOffset } = await readLines(at.segment, at.offset);
        if (nextOffset === at.offset) {
          at = this.#after(at.segment);
          continue;
        }
        for (const line of lines) {
          const entry = decodeLine(line.text);
          if (entry && entry.position > this.#acknowledged) {
            windows.push(entry.window);
            throughPosition = entry.position;
            if (windows.length === limit) break;
          } else if (windows.length === 0) {
            // Acknowledged lines at the front are never read twice.
            this.#readFrom = { segment: at.segment, offset: line.endOffset };
          }
        }
        at = { segment: at.segment, offset: nextOffset };
      }
      return windows.length === 0 ? undefined : { windows, throughPosition };
    });
  }

  /** Forgets everything through `position`. Forgetting less than that after a crash only means sending it again. */
  acknowledge(position: number): Promise<void> {
    return this.#serialised(async () => {
      if (position <= this.#acknowledged) return;
      this.#acknowledged = Math.min(position, this.#nextPosition - 1);
      await replaceFile(join(this.#dir, 'acknowledged'), String(this.#acknowledged));
      while (this.#segments.length > 1 && this.#segments[1]!.firstPosition <= this.#acknowledged + 1) {
        const [oldest] = this.#segments.splice(0, 1);
        if (this.#readFrom?.segment === oldest) this.#readFrom = undefined;
        await unlink(oldest!.path);
      }
    });
  }

  /** Highest `seq` held from a node's epoch, so that fetching after a crash goes on where the disk is. */
  async lastSeqs(): Promise<Map<string, number>> {
    const seqs = new Map<string, number>();
    for (const segment of this.#segments) {
      for await (const { window } of entriesOf(segment)) {
        const key = `${window.nodeId}/${window.nodeEpoch}`;
        seqs.set(key, Math.max(seqs.get(key) ?? 0, window.seq));
      }
    }
    return seqs;
  }

  /** Waits for what is under way and closes the file. */
  close(): Promise<void> {
    return this.#serialised(async () => {
      await this.#writer?.close();
      this.#writer = undefined;
    });
  }

  #serialised<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#queue.then(work, work);
    this.#queue = run.catch(() => undefined);
    return run;
  }

  #start(): { segment: Segment; offset: number } | undefined {
    const first = this.#segments[0];
    return first && { segment: first, offset: 0 };
  }

  #after(segment: Segment): { segment: Segment; offset: number } | undefined {
    const next = this.#segments[this.#segments.indexOf(segment) + 1];
    return next && { segment: next, offset: 0 };
  }

  async #writable(): Promise<Segment> {
    const last = this.#segments.at(-1);
    if (last && this.#writer && last.sizeBytes < SEGMENT_BYTES_MAX) return last;
    await this.#writer?.close();
    this.#writer = undefined;
    const name = `${String(this.#nextPosition).padStart(16, '0')}.spool`;
    const segment: Segment = { path: join(this.#dir, name), firstPosition: this.#nextPosition, sizeBytes: 0 };
    this.#writer = await open(segment.path, 'w', 0o600);
    await syncDirectory(this.#dir);
    if (last?.path === segment.path) this.#segments.pop();
    this.#segments.push(segment);
    return segment;
  }

  async #recover(): Promise<void> {
    await this.#writer?.close().catch(() => undefined);
    this.#writer = undefined;
    this.#readFrom = undefined;
    const saved = Number((await readFileIfAny(join(this.#dir, 'acknowledged')))?.toString('utf8') ?? '0');
    this.#acknowledged = Number.isSafeInteger(saved) && saved >= 0 ? saved : 0;
    this.#nextPosition = this.#acknowledged + 1;
    this.#segments = [];
    const names = (await readdir(this.#dir)).filter((name) => /^\d{16}\.spool$/.test(name)).sort();
    for (const name of names) {
      const path = join(this.#dir, name);
      const segment: Segment = { path, firstPosition: Number(name.slice(0, 16)), sizeBytes: (await stat(path)).size };
      await this.#recoverSegment(segment, name === names.at(-1));
      this.#segments.push(segment);
    }
    const last = this.#segments.at(-1);
    if (last) this.#writer = await open(last.path, 'r+');
  }

  async #recoverSegment(segment: Segment, isLast: boolean): Promise<void> {
    let offset = 0;
    let goodThrough = 0;
    let badBefore = 0;
    for (;;) {
      const { lines, nextOffset } = await readLines(segment, offset);
      for (const line of lines) {
        const entry = decodeLine(line.text);
        if (!entry) {
          badBefore += 1;
          continue;
        }
        this.damagedLines += badBefore;
        badBefore = 0;
        goodThrough = line.endOffset;
        this.#nextPosition = Math.max(this.#nextPosition, entry.position + 1);
      }
      if (nextOffset === offset) break;
      offset = nextOffset;
    }
    if (isLast && goodThrough < segment.sizeBytes) {
      await truncate(segment.path, goodThrough);
      segment.sizeBytes = goodThrough;
    }
  }
}

interface Line {
  readonly text: string;
  readonly endOffset: number;
}

/** Whole lines from `offset`, about a mebibyte of them; `nextOffset === offset` at the end of the file. */
async function readLines(segment: Segment, offset: number): Promise<{ lines: Line[]; nextOffset: number }> {
  const handle = await open(segment.path, 'r');
  try {
    for (let wanted = READ_CHUNK_BYTES; ; wanted *= 2) {
      const buffer = Buffer.alloc(Math.min(wanted, Math.max(0, segment.sizeBytes - offset)));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      const bytes = buffer.subarray(0, bytesRead);
      const end = bytes.lastIndexOf(0x0a);
      if (end < 0 && bytesRead > 0 && offset + bytesRead < segment.sizeBytes) continue;
      if (end < 0) return { lines: [], nextOffset: offset };
      const lines: Line[] = [];
      for (let from = 0; from <= end;) {
        const to = bytes.indexOf(0x0a, from);
        lines.push({ text: bytes.toString('utf8', from, to), endOffset: offset + to + 1 });
        from = to + 1;
      }
      return { lines, nextOffset: offset + end + 1 };
    }
  } finally {
    await handle.close();
  }
}

async function* entriesOf(segment: Segment): AsyncGenerator<{ position: number; window: UsageWindow }> {
  let offset = 0;
  for (;;) {
    const { lines, nextOffset } = await readLines(segment, offset);
    for (const line of lines) {
      const entry = decodeLine(line.text);
      if (entry) yield entry;
    }
    if (nextOffset === offset) return;
    offset = nextOffset;
  }
}
