import {
  BatchBuilder,
  Journal,
  readNextOffset,
  type Stream,
  type StreamName,
  type StreamPolicy,
} from '@robustmq/journal';
import { openLogStore, type LogStore } from '@robustmq/store';
import { join } from 'node:path';
import { MACHINE } from '../soak/soak-streams.ts';

const KEEP: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };
/** Records of one batch, and bytes of one value, of the small messages. */
const BATCH_RECORDS = 500;
const VALUE_BYTES = 100;
const READ_BYTES = 1024 * 1024;
/** Batches on their way to the disk at a time. */
const OPEN_BYTES_MAX = 32 * 1024 * 1024;
const LARGE_BYTES = 1024 * 1024;

export interface Sizes {
  readonly messages: number;
  readonly streams: number;
  readonly restartBytes: number;
}
type Figures = Readonly<Record<string, number>>;

/** Every measurement by its name. */
export const SCALES = { messages, streams, restart } as const satisfies Record<
  string,
  (directory: string, sizes: Sizes) => Promise<Figures>
>;
export type ScaleName = keyof typeof SCALES;

export function measure(name: ScaleName, directory: string, sizes: Sizes): Promise<Figures> {
  return SCALES[name](directory, sizes);
}

async function open(directory: string): Promise<{ journal: Journal; store: LogStore }> {
  const store = await openLogStore('file', { directory: join(directory, 'log') });
  return { store, journal: new Journal({ store, runtime: MACHINE }) };
}
/** A real collection, where the process was started with --expose-gc; then what is in use. */
function memory(): { heapBytes: number; rssBytes: number } {
  globalThis.gc?.();
  const { heapUsed, rss, external } = process.memoryUsage();
  return { heapBytes: heapUsed + external, rssBytes: rss };
}
const round = (value: number, digits = 0): number => Number(value.toFixed(digits));
const since = (began: number): number => (performance.now() - began) / 1000;

/** Small messages into one stream, flushed, then read from the first to the last in another process's place. */
async function messages(directory: string, { messages: count }: Sizes): Promise<Figures> {
  let { journal } = await open(directory);
  let stream = await journal.open('messages' as StreamName, KEEP);
  const builder = new BatchBuilder();
  const value = Buffer.alloc(VALUE_BYTES, 'v');
  let most = 0;
  let began = performance.now();
  for (let sent = 0; sent < count;) {
    for (; sent < count && journal.unflushedBytes < OPEN_BYTES_MAX / 2;) {
      for (let i = 0; i < BATCH_RECORDS && sent < count; i++, sent++) builder.add(null, value, null, 1_700_000_000_000);
      stream.append(builder.build());
    }
    most = Math.max(most, process.memoryUsage().rss);
    await journal.current.promise();
  }
  const appendSeconds = since(began);
  const bytes = stream.sizeBytes;
  await journal.close();
  began = performance.now();
  ({ journal } = await open(directory));
  stream = await journal.open('messages' as StreamName, KEEP);
  const openSeconds = since(began);
  began = performance.now();
  const read = await drain(stream);
  const drainSeconds = since(began);
  if (read !== count) throw new Error(`${read} of ${count} messages came back`);
  most = Math.max(most, process.memoryUsage().rss);
  await stream.trim(stream.stableOffset);
  await journal.close();
  return {
    messages: count,
    megabytes: round(bytes / 1e6),
    appendSeconds: round(appendSeconds, 2),
    appendsPerSecond: round(count / appendSeconds),
    openSeconds: round(openSeconds, 3),
    drainSeconds: round(drainSeconds, 2),
    drainsPerSecond: round(count / drainSeconds),
    mostRssMegabytes: round(most / 1e6),
  };
}
async function drain(stream: Stream): Promise<number> {
  let at = stream.startOffset;
  while (at < stream.stableOffset) {
    const batches = await stream.read(at, READ_BYTES);
    if (batches.length === 0) break;
    at = readNextOffset(batches.at(-1)!);
  }
  return at - stream.startOffset;
}

/** Many streams open in one journal: what they take, idle and used, and whether one flush serves all of them. */
async function streams(directory: string, { streams: count }: Sizes): Promise<Figures> {
  let { journal } = await open(directory);
  const name = (i: number): StreamName => `ns:n:partition4:${i}:0` as StreamName;
  const openAll = async (): Promise<Stream[]> => {
    const opened: Stream[] = [];
    for (let i = 0; i < count; i += 100) {
      const some = Array.from({ length: Math.min(100, count - i) }, (_, k) => journal.open(name(i + k), KEEP));
      opened.push(...(await Promise.all(some)));
    }
    return opened;
  };
  // What the first ones load and compile is no stream's.
  await Promise.all(Array.from({ length: Math.ceil(count / 100) }, (_, i) => journal.open(name(i), KEEP)));
  await journal.current.promise();
  const before = memory();
  let began = performance.now();
  let all = await openAll();
  await journal.current.promise();
  const makeSeconds = since(began);
  const idle = memory();
  const builder = new BatchBuilder();
  const appendAll = async (): Promise<void> => {
    for (const stream of all) {
      builder.add(null, Buffer.alloc(VALUE_BYTES), null, 1_700_000_000_000);
      stream.append(builder.build());
    }
    await journal.current.promise();
  };
  await appendAll();
  began = performance.now();
  const turns = 10;
  for (let turn = 0; turn < turns; turn++) await appendAll();
  const appendSeconds = since(began);
  const used = memory();
  await journal.close();
  began = performance.now();
  ({ journal } = await open(directory));
  all = [await journal.open(name(0), KEEP)];
  await appendAll();
  const firstAppendSeconds = since(began);
  began = performance.now();
  all = await openAll();
  const reopenSeconds = since(began);
  await journal.close();
  return {
    streams: count,
    makeSeconds: round(makeSeconds, 2),
    idleBytesPerStream: round((idle.heapBytes - before.heapBytes) / count),
    usedBytesPerStream: round((used.heapBytes - before.heapBytes) / count),
    appendsPerSecond: round((turns * count) / appendSeconds),
    firstAppendSeconds: round(firstAppendSeconds, 3),
    reopenSeconds: round(reopenSeconds, 2),
  };
}

/** A start with much on the disk: from the beginning of the process's work to its first acknowledged append. */
async function restart(directory: string, { restartBytes }: Sizes): Promise<Figures> {
  let { journal } = await open(directory);
  const names = Array.from({ length: 20 }, (_, i) => `ns:n:partition4:${i}:0` as StreamName);
  let all = await Promise.all(names.map((name) => journal.open(name, KEEP)));
  const builder = new BatchBuilder();
  const value = Buffer.alloc(LARGE_BYTES);
  let began = performance.now();
  for (let bytes = 0; bytes < restartBytes;) {
    for (const stream of all) {
      builder.add(null, value, null, 1_700_000_000_000);
      stream.append(builder.build());
      bytes += LARGE_BYTES;
    }
    await journal.current.promise();
  }
  const writeSeconds = since(began);
  const size = all.reduce((sum, stream) => sum + stream.sizeBytes, 0);
  await journal.close();
  const before = memory();
  began = performance.now();
  ({ journal } = await open(directory));
  all = await Promise.all(names.map((name) => journal.open(name, KEEP)));
  builder.add(null, Buffer.alloc(VALUE_BYTES), null, 1_700_000_000_000);
  await all[0]!.append(builder.build()).promise();
  const firstAppendSeconds = since(began);
  const after = memory();
  began = performance.now();
  const first = (await all[0]!.read(0, 1)).length;
  const firstReadSeconds = since(began);
  if (first !== 1) throw new Error('the first record is not there');
  await journal.close();
  return {
    gigabytes: round(size / 1024 ** 3, 2),
    writeSeconds: round(writeSeconds, 1),
    firstAppendSeconds: round(firstAppendSeconds, 3),
    firstReadSeconds: round(firstReadSeconds, 3),
    heapMegabytes: round((after.heapBytes - before.heapBytes) / 1e6, 1),
  };
}
