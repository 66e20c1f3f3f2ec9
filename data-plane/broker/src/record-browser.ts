import {
  CONTROL_BIT,
  decodeRecords,
  JournalError,
  readAttributes,
  readBaseOffset,
  readNextOffset,
} from '@robustmq/journal';
import type { RecordView } from '@robustmq/journal';
import { producerOf } from './control-batch.ts';
import type { StoredPartition } from './stored-topic.ts';
import { isoTime, type RecordsView, type StoredRecordView } from './view-words.ts';

/** Read at a time, and looked through for one answer at most. */
const READ_BYTES = 256 * 1024;
const LOOKED_THROUGH_BYTES_MAX = 8 * 2 ** 20;
const HEADERS_MAX = 100;

/** Where to begin (the first that is given counts) and how much to show. */
export interface BrowseQuery {
  /** base64. */
  readonly key?: string | undefined;
  readonly fromOffset?: number | undefined;
  readonly fromTime?: string | undefined;
  readonly limit: number;
  readonly valueBytesMax: number;
}

/**
 * Records of one partition for people: committed ones, in order. Damaged stretches are passed over. The answer may be short
 * of `limit` where much had to be looked through; go on at `nextOffset`.
 */
export async function browseRecords(partition: StoredPartition, query: BrowseQuery): Promise<RecordsView> {
  const items: StoredRecordView[] = [];
  const end = partition.lastStableOffset;
  let at = Math.max(partition.startOffset, await beginOf(partition, query));
  let left = LOOKED_THROUGH_BYTES_MAX;
  while (at < end && items.length < query.limit && left > 0) {
    try {
      const batches = await partition.read(at, READ_BYTES);
      if (batches.length === 0) break;
      for (const batch of batches) {
        left -= batch.length;
        at = Math.max(at, show(partition, batch, at, end, query, items));
        if (items.length >= query.limit) break;
      }
    } catch (error) {
      if (!(error instanceof JournalError)) throw error;
      // trimmed while it was read, or damaged
      const resumeAt = error.code === 'offset-out-of-range' ? partition.startOffset : (error.resumeAt ?? end);
      if (resumeAt <= at) break;
      at = resumeAt;
    }
  }
  return { items, nextOffset: Math.max(at, partition.startOffset) };
}

async function beginOf(partition: StoredPartition, { key, fromOffset, fromTime }: BrowseQuery): Promise<number> {
  if (key !== undefined) {
    return (await partition.stream.offsetOfKey(Buffer.from(key, 'base64'))) ?? partition.stableOffset;
  }
  if (fromOffset !== undefined) return fromOffset;
  if (fromTime === undefined) return partition.startOffset;
  return (await partition.offsetAtTime(Date.parse(fromTime)))?.offset ?? partition.stableOffset;
}

/** Adds the records of a batch that count; returns where to go on. */
function show(
  partition: StoredPartition,
  batch: Buffer,
  from: number,
  end: number,
  { limit, valueBytesMax }: BrowseQuery,
  items: StoredRecordView[],
): number {
  const next = readNextOffset(batch);
  if ((readAttributes(batch) & CONTROL_BIT) !== 0 || isAborted(partition, batch)) return next;
  let at = next;
  decodeRecords(batch, (record) => {
    if (record.offset < from || record.offset >= end) return true;
    if (items.length >= limit) {
      at = record.offset;
      return false;
    }
    items.push(toView(partition.index, record, valueBytesMax));
    return true;
  });
  return at;
}

function isAborted(partition: StoredPartition, batch: Buffer): boolean {
  const base = readBaseOffset(batch);
  const producerId = producerOf(batch);
  if (producerId < 0) return false;
  return partition.abortedTransactions(base, base + 1).some((aborted) => aborted.producerId === producerId);
}

function toView(partition: number, record: RecordView, valueBytesMax: number): StoredRecordView {
  const key = record.key();
  const value = record.value();
  const text = (bytes: Buffer | null): string | null => bytes?.subarray(0, valueBytesMax).toString('base64') ?? null;
  return {
    partition,
    offset: record.offset,
    timestamp: isoTime(Math.max(0, record.timestampMs)),
    key: text(key),
    value: text(value),
    sizeBytes: (key?.length ?? 0) + (value?.length ?? 0),
    headers: (record.headers() ?? []).slice(0, HEADERS_MAX).map(([name, bytes]) => ({ name, value: text(bytes) })),
  };
}
