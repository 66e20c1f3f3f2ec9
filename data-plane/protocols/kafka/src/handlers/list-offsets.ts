import type { Partition } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, storageError } from '../errors.ts';
import type { ListOffsets, OffsetForLeaderEpoch } from '../messages/fetch.ts';
import type { Decoded } from '../schema.ts';

const LATEST = -1;
const EARLIEST = -2;
/** KIP-734, version 7. */
const MAX_TIMESTAMP = -3;
/** KIP-405, version 8: the first offset that is not only in object storage. */
const EARLIEST_LOCAL = -4;
/** KIP-1005, version 9: the last offset that is in object storage. */
const LATEST_TIERED = -5;
const SINCE: Readonly<Record<number, number>> = { [MAX_TIMESTAMP]: 7, [EARLIEST_LOCAL]: 8, [LATEST_TIERED]: 9 };
const READ_COMMITTED = 1;
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
  const committed = request.isolationLevel === READ_COMMITTED;
  const topics = await Promise.all(
    request.topics.map(async ({ name, partitions }) => ({
      name,
      partitions: await Promise.all(partitions.map((wanted) => listOne(name, wanted, committed, call))),
    })),
  );
  call.reply({ topics });
}

async function listOne(
  name: string,
  wanted: { partitionIndex: number; timestamp: number; currentLeaderEpoch: number },
  committed: boolean,
  call: Call,
): Promise<OffsetRow> {
  const { partitionIndex, timestamp, currentLeaderEpoch } = wanted;
  const row: OffsetRow = { partitionIndex, errorCode: ERROR.NONE, timestamp: -1, offset: -1, leaderEpoch: -1 };
  if (!call.allows('describe', 'topic', name)) return { ...row, errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED };
  const partition = call.session.namespace.topics.get(name)?.partitions[partitionIndex];
  if (partition === undefined) return { ...row, errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION };
  if (currentLeaderEpoch > LEADER_EPOCH) return { ...row, errorCode: ERROR.UNKNOWN_LEADER_EPOCH };
  const end = committed ? partition.lastStableOffset : partition.stableOffset;
  row.leaderEpoch = LEADER_EPOCH;
  try {
    if (timestamp === LATEST) row.offset = end;
    else if (timestamp === EARLIEST) row.offset = partition.startOffset;
    else if (timestamp < 0) await findSpecial(partition, timestamp, row, call.version);
    else {
      const found = await partition.offsetAtTime(timestamp);
      if (found !== null && found.offset < end) {
        row.offset = found.offset;
        row.timestamp = found.timestampMs;
      }
    }
  } catch (error) {
    row.errorCode = storageError(error);
  }
  return row;
}

async function findSpecial(partition: Partition, timestamp: number, row: OffsetRow, version: number): Promise<void> {
  const since = SINCE[timestamp];
  if (since === undefined || version < since) row.errorCode = ERROR.UNSUPPORTED_VERSION;
  else if (timestamp === MAX_TIMESTAMP) await findMaxTimestamp(partition, row);
  else {
    const tiered = partition.tiers().objects.filter(({ cold }) => cold);
    const behind = tiered.reduce((highest, { nextOffset }) => Math.max(highest, nextOffset), -1);
    const away = tiered.filter(({ warm }) => !warm).reduce((highest, one) => Math.max(highest, one.nextOffset), -1);
    if (timestamp === EARLIEST_LOCAL) row.offset = Math.max(partition.startOffset, away);
    else row.offset = behind < 0 ? -1 : behind - 1;
  }
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
      if (!call.allows('describe', 'topic', topic)) return { partition, errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED };
      if (found === undefined) return { partition, errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION };
      if (currentLeaderEpoch > LEADER_EPOCH) return { partition, errorCode: ERROR.UNKNOWN_LEADER_EPOCH };
      if (leaderEpoch !== LEADER_EPOCH) return { partition, errorCode: ERROR.NONE };
      return { partition, errorCode: ERROR.NONE, leaderEpoch: LEADER_EPOCH, endOffset: found.stableOffset };
    }),
  }));
  call.reply({ topics });
}
