import { join } from 'node:path';
import {
  BatchBuilder,
  Journal,
  readNextOffset,
  type JournalOptions,
  type Stream,
  type StreamName,
  type StreamPolicy,
} from '@robustmq/journal';
import { FileObjectStore, MemoryLogStore, openLogStore, type LogStore } from '@robustmq/store';
import { MACHINE } from '../soak/soak-streams.ts';
import { diskWrite, diskWriteInThreads, memoryCopy, pageCacheRead } from './medium.ts';

const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
const MIB = 1024 * 1024;
/** Bytes appended before the next wait: what one flush carries. Two are on their way, as with busy clients. */
const BURST_BYTES = 1 * MIB;
/** Records of 100 bytes come in batches of so many: a producer's linger. */
const SMALL_RECORDS = 100;
const SMALL_VALUE_BYTES = 100;
const LARGE_VALUE_BYTES = 16 * 1024;
const READ_BYTES = MIB;

export interface SpeedOptions {
  readonly directory: string;
  readonly rounds: number;
  readonly measureMs: number;
  /** Bytes of the stream that is read back. */
  readonly readBytes: number;
}
/** One line: what was measured, and its limit measured in the same round, per round. Bytes per second. */
export interface Speed {
  readonly name: string;
  readonly limit: string;
  readonly ours: number[];
  readonly limits: number[];
}

/** What is appended: by which engine, in values of which size, to how many streams. */
export interface AppendCase {
  readonly engine: string;
  readonly valueBytes: number;
  readonly streams: number;
}
/** Every case of some engines, as words: `file/16384/1`. */
export const appendCases = (engines: readonly string[]): string[] =>
  engines.flatMap((engine) =>
    [LARGE_VALUE_BYTES, SMALL_VALUE_BYTES].flatMap((valueBytes) =>
      [1, 1000].map((streams) => `${engine}/${valueBytes}/${streams}`),
    ),
  );
/** The case that words name. Throws for words that name none. */
export function appendCase(words: string): AppendCase {
  const [engine = '', valueBytes = '', streams = ''] = words.split('/');
  if (!appendCases([engine]).includes(words)) throw new Error(`no case of appending is called ${words}`);
  return { engine, valueBytes: Number(valueBytes), streams: Number(streams) };
}

/**
 * One case of appending, beside the medium's limit and, for a file and one stream, the limit of Node's own calls. Each
 * case deserves a process of its own: what one leaves on the heap slows the next.
 */
export async function appendSpeeds(options: SpeedOptions, one: AppendCase): Promise<Speed[]> {
  const { engine, valueBytes, streams } = one;
  const what = valueBytes === SMALL_VALUE_BYTES ? `${SMALL_RECORDS} × 100 B batches` : '16 KiB chunks';
  const speed: Speed = {
    name: `append, ${engine}, ${what}, ${streams === 1 ? '1 stream' : '1,000 streams'}`,
    limit: engine === 'memory' ? 'memcpy' : 'write + fdatasync',
    ours: [],
    limits: [],
  };
  const inThreads: Speed = { ...speed, limit: 'O_DSYNC writes in threads', ours: [], limits: [] };
  const { directory, measureMs } = options;
  for (let round = 0; round < options.rounds; round++) {
    speed.limits.push(
      engine === 'memory'
        ? memoryCopy(BURST_BYTES, measureMs / 2)
        : diskWrite(directory, BURST_BYTES, measureMs, 64 * MIB),
    );
    speed.ours.push(await append(options, `${engine}-${valueBytes}-${streams}-${round}`, engine, streams, valueBytes));
    if (engine !== 'file' || streams !== 1) continue;
    inThreads.limits.push(await diskWriteInThreads(directory, BURST_BYTES, measureMs, 64 * MIB));
    inThreads.ours.push(speed.ours.at(-1)!);
  }
  return inThreads.limits.length > 0 ? [speed, inThreads] : [speed];
}

function batchOf(valueBytes: number): Buffer {
  const builder = new BatchBuilder();
  const value = Buffer.alloc(valueBytes, 'v');
  for (let i = 0; i < (valueBytes === SMALL_VALUE_BYTES ? SMALL_RECORDS : 1); i++) builder.add(null, value, null, 0);
  return builder.build();
}
async function append(
  { directory, measureMs }: SpeedOptions,
  name: string,
  engine: string,
  streamCount: number,
  valueBytes: number,
): Promise<number> {
  const store = await openLogStore(engine, { directory: join(directory, name) });
  const journal = new Journal({ store, runtime: MACHINE });
  try {
    const streams: Stream[] = [];
    for (let i = 0; i < streamCount; i++) streams.push(await journal.open(`s${i}` as StreamName, KEEP));
    const batch = batchOf(valueBytes);
    let bytes = 0;
    let next = 0;
    const burst = (): Promise<void> => {
      let commit = journal.current;
      for (let sent = 0; sent < BURST_BYTES; sent += batch.length) {
        // The journal keeps what it is given: a client's bytes are new each time.
        commit = streams[next++ % streamCount]!.append(Buffer.from(batch));
      }
      return commit.promise();
    };
    let before = burst();
    await before;
    before = burst();
    const began = performance.now();
    while (performance.now() - began < measureMs) {
      const after = burst();
      await before;
      bytes += Math.ceil(BURST_BYTES / batch.length) * batch.length;
      before = after;
    }
    const seconds = (performance.now() - began) / 1000;
    await before;
    return bytes / seconds;
  } finally {
    await journal.close();
  }
}

/** Reading a stream from its first record to its last, from each tier, and the start of a node. */
export async function readSpeeds(options: SpeedOptions): Promise<Speed[]> {
  const { directory, readBytes, rounds } = options;
  const warm: Speed = { name: 'catch-up read, warm (file)', limit: 'page-cache read', ours: [], limits: [] };
  const checked: Speed = { name: warm.name, limit: 'read + CRC-32C', ours: [], limits: [] };
  const hot: Speed = { name: 'catch-up read, hot (tail cache)', limit: 'memcpy', ours: [], limits: [] };
  const cold: Speed = { name: 'catch-up read, cold (file-objects)', limit: 'page-cache read', ours: [], limits: [] };
  const start: Speed = { name: 'start on a full write-ahead log', limit: 'page-cache read', ours: [], limits: [] };
  for (let round = 0; round < rounds; round++) {
    const place = join(directory, `read-${round}`);
    const opened = await filled(place, readBytes);
    hot.limits.push(memoryCopy(READ_BYTES, 200));
    hot.ours.push(await readAll(opened.stream));
    await opened.journal.close();
    start.limits.push(pageCacheRead(directory, readBytes, READ_BYTES));
    const began = performance.now();
    const again = await journalAt(place, {});
    const stream = await again.journal.open('s' as StreamName, KEEP);
    await stream.append(batchOf(LARGE_VALUE_BYTES)).promise();
    start.ours.push(readBytes / ((performance.now() - began) / 1000));
    await again.journal.close();
    const checkpointed = await journalAt(place, { tailCacheBytesMax: 0 });
    const warmStream = await checkpointed.journal.open('s' as StreamName, KEEP);
    warm.limits.push(pageCacheRead(directory, readBytes, READ_BYTES));
    checked.limits.push(pageCacheRead(directory, readBytes, READ_BYTES, LARGE_VALUE_BYTES));
    warm.ours.push(await readAll(warmStream));
    checked.ours.push(warm.ours.at(-1)!);
    await checkpointed.journal.close();
    cold.limits.push(pageCacheRead(directory, readBytes, READ_BYTES));
    cold.ours.push(await readCold(join(directory, `cold-${round}`), readBytes));
  }
  return [hot, warm, checked, cold, start];
}

async function journalAt(
  directory: string,
  options: Partial<JournalOptions>,
): Promise<{ journal: Journal; store: LogStore }> {
  const store = await openLogStore('file', { directory });
  return { store, journal: new Journal({ store, runtime: MACHINE, ...options }) };
}
async function filled(
  directory: string,
  sizeBytes: number,
  options: Partial<JournalOptions> = {},
): Promise<{ journal: Journal; stream: Stream }> {
  const { journal } = await journalAt(directory, { tailCacheBytesMax: sizeBytes * 2, ...options });
  const stream = await journal.open('s' as StreamName, KEEP);
  await fill(stream, sizeBytes);
  return { journal, stream };
}
async function fill(stream: Stream, sizeBytes: number): Promise<void> {
  const batch = batchOf(LARGE_VALUE_BYTES);
  for (let sent = 0; sent < sizeBytes;) {
    let commit = null;
    for (let end = sent + 4 * MIB; sent < end; sent += batch.length) commit = stream.append(Buffer.from(batch));
    await commit!.promise();
  }
}
async function readAll(stream: Stream): Promise<number> {
  let bytes = 0;
  const began = performance.now();
  for (let at = stream.startOffset; at < stream.stableOffset;) {
    const batches = await stream.read(at, READ_BYTES);
    for (const batch of batches) bytes += batch.length;
    at = readNextOffset(batches.at(-1)!);
  }
  return bytes / ((performance.now() - began) / 1000);
}
/** A stream that is all in object storage, read by a journal that has nothing of it in memory. */
async function readCold(directory: string, sizeBytes: number): Promise<number> {
  const objects = await FileObjectStore.open({ directory, runtime: MACHINE });
  try {
    const store = new MemoryLogStore();
    const journal = new Journal({ store, runtime: MACHINE, objects, tailCacheBytesMax: 0, coldCacheBytesMax: 8 * MIB });
    const stream = await journal.open('s' as StreamName, { ...KEEP, tier: { coldAfterMs: 0 } });
    await fill(stream, sizeBytes);
    for (let tries = 0; tries < 100 && stream.tiers().warmBytes > 0; tries++) {
      await journal.runTiering(Date.now() + tries * 700_000);
    }
    const speed = await readAll(stream);
    await journal.close();
    return speed;
  } finally {
    await objects.close();
  }
}
