import type { Namespace, Partition } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, storageError } from '../errors.ts';
import type { ListOffsets, OffsetForLeaderEpoch } from '../messages/fetch.ts';
import type { Decoded } from '../schema.ts';

const LATEST = -1;
const EARLIEST = -2;
/** KIP-734, version 7. */
const MAX_TIMESTAMP = -3;
const LEADER_EPOCH = 0;

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

/** The broker finds the first record at or after a time; the largest time that finds one is what is looked for. */
async function findMaxTimestamp(partition: Partition, row: OffsetRow): Promise<void> {
  let low = 0;
  let high = Number.MAX_SAFE_INTEGER;
  while (low <= high) {
    const middle = low + Math.floor((high - low) / 2);
    const found = await partition.offsetAtTime(middle);
    if (found === null || found.offset >= partition.stableOffset) high = middle - 1;
    else {
      row.offset = found.offset;
      row.timestamp = found.timestampMs;
      low = Math.max(middle, found.timestampMs) + 1;
    }
  }
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
