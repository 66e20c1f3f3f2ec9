import type { Namespace, Partition } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, storageError } from '../errors.ts';
import type { ListOffsets, OffsetForLeaderEpoch } from '../messages/fetch.ts';
import { maxTimestampOf } from '../record-batch.ts';
import type { Decoded } from '../schema.ts';

const LATEST = -1;
const EARLIEST = -2;
/** KIP-734, version 7. */
const MAX_TIMESTAMP = -3;
const LEADER_EPOCH = 0;
/** Bytes read at once when the record with the largest timestamp is looked for. */
const SCAN_SIZE_BYTES = 1024 * 1024;

interface OffsetRow {
  partitionIndex: number;
  errorCode: ErrorCode;
  timestamp: number;
  offset: number;
  leaderEpoch: number;
}

/** ListOffsets: ends, or the first offset at or after a time; −1 where there is none. */
export async function handleListOffsets(
  request: Decoded<typeof ListOffsets.request>,
  call: Call<typeof ListOffsets.response>,
): Promise<void> {
  const { namespace } = call.session;
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(
        partitions.map(({ partitionIndex, timestamp }) => listOne(namespace, name, partitionIndex, timestamp)),
      ),
    })),
  );
  call.reply({ topics });
}

async function listOne(
  namespace: Namespace,
  name: string,
  partitionIndex: number,
  timestamp: number,
): Promise<OffsetRow> {
  const row: OffsetRow = { partitionIndex, errorCode: ERROR.NONE, timestamp: -1, offset: -1, leaderEpoch: -1 };
  const partition = namespace.topics.get(name)?.partitions[partitionIndex];
  if (partition === undefined) return { ...row, errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION };
  row.leaderEpoch = LEADER_EPOCH;
  try {
    if (timestamp === LATEST) row.offset = partition.stableOffset;
    else if (timestamp === EARLIEST) row.offset = partition.startOffset;
    else if (timestamp === MAX_TIMESTAMP) await findMaxTimestamp(partition, row);
    else if (timestamp < 0) row.errorCode = ERROR.INVALID_REQUEST;
    else {
      const found = await partition.offsetAtTime(timestamp);
      if (found !== null && found.offset < partition.stableOffset) {
        row.offset = found.offset;
        row.timestamp = found.timestampMs;
      }
    }
  } catch (error) {
    row.errorCode = storageError(error);
  }
  return row;
}

/** The broker keeps no index of the largest timestamp, so the batches are walked. */
async function findMaxTimestamp(partition: Partition, row: OffsetRow): Promise<void> {
  const end = partition.stableOffset;
  for (let at = partition.startOffset; at < end;) {
    const slices = await partition.read(at, SCAN_SIZE_BYTES);
    if (slices.length === 0) return;
    const found = maxTimestampOf(slices);
    if (found.timestampMs > row.timestamp) {
      row.timestamp = found.timestampMs;
      row.offset = found.offset;
    }
    at = endOf(slices, at);
  }
}

function endOf(slices: readonly Buffer[], from: number): number {
  let next = from + 1;
  for (const slice of slices) {
    for (let at = 0; at + 61 <= slice.length;) {
      next = slice.readInt32BE(at) * 2 ** 32 + slice.readUInt32BE(at + 4) + slice.readInt32BE(at + 23) + 1;
      at += 12 + slice.readInt32BE(at + 8);
    }
  }
  return next;
}

/** OffsetForLeaderEpoch: there is one epoch, 0; it ends where the partition ends. */
export function handleOffsetForLeaderEpoch(
  request: Decoded<typeof OffsetForLeaderEpoch.request>,
  call: Call<typeof OffsetForLeaderEpoch.response>,
): void {
  const { namespace } = call.session;
  const topics = request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
      const found = namespace.topics.get(topic)?.partitions[partition];
      if (found === undefined) return { partition, errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION };
      if (currentLeaderEpoch > LEADER_EPOCH) return { partition, errorCode: ERROR.UNKNOWN_LEADER_EPOCH };
      if (leaderEpoch !== LEADER_EPOCH) return { partition, errorCode: ERROR.NONE };
      return { partition, errorCode: ERROR.NONE, leaderEpoch: LEADER_EPOCH, endOffset: found.stableOffset };
    }),
  }));
  call.reply({ topics });
}
