import type { Topic } from '@robustmq/broker';
import type { NodeViewQuery, NodeViewReply } from '@robustmq/contracts';
import { decodeRecords, type RecordView } from '@robustmq/journal';
import { NodeError } from './node-error.ts';
import { isoTime, VIEW_BYTES_MAX } from './view-page.ts';

type Records = NodeViewReply<'records'>;
type ShownRecord = Records['items'][number];

const READ_BYTES = 262_144;
/** Batches looked at for one answer: a search for a rare key ends, and `nextOffset` tells where to go on. */
const BYTES_LOOKED_AT_MAX = 8 * 2 ** 20;
const HEADERS_SHOWN_MAX = 100;
/** Keys and header values people are shown. */
const TEXT_BYTES_SHOWN_MAX = 4_096;

/**
 * Records of one partition for people: from an offset, a time or the beginning; with `key` only those of that key.
 * Bounded in records, in bytes looked at and in bytes answered.
 */
export async function recordsOf(topic: Topic, query: NodeViewQuery<'records'>): Promise<Records> {
  const partition = topic.partitions[query.partition];
  if (partition === undefined) throw new NodeError('not-found', `${topic.name} has no partition ${query.partition}`);
  const wantedKey = query.key === undefined ? null : Buffer.from(query.key, 'base64');
  let at = await startOf(partition, query);
  const items: ShownRecord[] = [];
  let answerBytes = 0;
  for (let looked = 0; at < partition.stableOffset && looked < BYTES_LOOKED_AT_MAX;) {
    const batches = await partition.read(at, READ_BYTES);
    if (batches.length === 0) break;
    for (const batch of batches) {
      looked += batch.length;
      let isFull = false;
      const from = at;
      decodeRecords(batch, (record) => {
        if (record.offset < from) return true;
        if (items.length >= query.limit || answerBytes >= VIEW_BYTES_MAX / 2) return !(isFull = true);
        at = record.offset + 1;
        if (wantedKey !== null && !wantedKey.equals(record.key() ?? NO_KEY)) return true;
        const shown = shownRecord(record, query);
        answerBytes += Buffer.byteLength(JSON.stringify(shown));
        // The first one always goes: a page that stays empty would never end.
        if (items.length > 0 && answerBytes >= VIEW_BYTES_MAX - TEXT_BYTES_SHOWN_MAX) {
          at = record.offset;
          return !(isFull = true);
        }
        items.push(shown);
        return true;
      });
      if (isFull) return { items, nextOffset: at };
      at = Math.max(at, Number(batch.readBigInt64BE(0)) + batch.readInt32BE(LAST_OFFSET_DELTA_AT) + 1);
    }
  }
  return { items, nextOffset: at };
}

const NO_KEY = Buffer.alloc(0);
/** RecordBatch v2: baseOffset int64 … lastOffsetDelta int32 at byte 23. */
const LAST_OFFSET_DELTA_AT = 23;

async function startOf(
  partition: Topic['partitions'][number],
  { fromOffset, fromTime }: NodeViewQuery<'records'>,
): Promise<number> {
  const { startOffset, stableOffset } = partition;
  if (fromTime !== undefined) return (await partition.offsetAtTime(Date.parse(fromTime)))?.offset ?? stableOffset;
  return Math.min(Math.max(fromOffset ?? startOffset, startOffset), stableOffset);
}

function shownRecord(record: RecordView, { partition, valueBytesMax }: NodeViewQuery<'records'>): ShownRecord {
  const [key, value] = [record.key(), record.value()];
  return {
    partition,
    offset: record.offset,
    timestamp: isoTime(Math.max(0, record.timestampMs)),
    key: key?.subarray(0, TEXT_BYTES_SHOWN_MAX).toString('base64') ?? null,
    value: value?.subarray(0, valueBytesMax).toString('base64') ?? null,
    sizeBytes: (key?.length ?? 0) + (value?.length ?? 0),
    headers: (record.headers() ?? []).slice(0, HEADERS_SHOWN_MAX).map(([name, bytes]) => ({
      name,
      value: bytes?.subarray(0, TEXT_BYTES_SHOWN_MAX).toString() ?? null,
    })),
  };
}
