import type { Connection, Partition, Topic } from '@robustmq/broker';
import type { Cancel } from '@robustmq/wire';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, storageError } from '../errors.ts';
import type { FetchPlan, WantedPartition } from '../fetch-sessions.ts';
import type { Fetch } from '../messages/fetch.ts';
import { batchesBelow, nextOffsetOf, recordsFrom } from '../record-batch.ts';
import type { Decoded } from '../schema.ts';

type FetchRequest = Decoded<typeof Fetch.request>;
type FetchCall = Call<typeof Fetch.response>;

const READ_COMMITTED = 1;
const TOPIC_IDS_SINCE = 13;
const LEADER_EPOCH = 0;

/** One partition of a fetch; also the row of the response. */
interface FetchRow {
  readonly partitionIndex: number;
  readonly topic: Topic | undefined;
  readonly partition: Partition | undefined;
  readonly fetchOffset: number;
  readonly sizeBytesMax: number;
  /** What must be exceeded before another look is worth it. */
  seenOffset: number;
  errorCode: ErrorCode;
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
  abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[] | null;
  records: readonly Buffer[];
}

/** Fetch: long poll, in a session (KIP-227) or not; to readers of committed records nothing beyond the LSO (KIP-98). */
export function handleFetch(request: FetchRequest, call: FetchCall): void {
  const plan = call.session.world.fetchSessions.plan(request);
  if (typeof plan === 'number') return call.reply({ errorCode: plan, responses: [] });
  const owedMs = call.session.egressDelayMs(call.clientId, 0);
  // the quota is used up: nothing is read, and the client is told when to come again (KIP-219)
  if (owedMs > 0) {
    const sessionId = plan.session?.id ?? 0;
    return call.reply({ throttleTimeMs: call.connection.mute(owedMs), sessionId, responses: [] });
  }
  new PendingFetch(request, plan, call).attempt();
}

interface FetchedTopic {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: FetchRow[];
}

class PendingFetch {
  readonly #call: FetchCall;
  readonly #plan: FetchPlan;
  /** Only committed records are asked for. */
  readonly #committed: boolean;
  readonly #rows: FetchRow[] = [];
  readonly #responses: FetchedTopic[];
  readonly #sizeBytesMax: number;
  readonly #sizeBytesMin: number;
  readonly #waitMs: number;
  #sizeBytes = 0;
  #failed = false;
  #timedOut = false;
  #reading = false;
  #wakeScheduled = false;
  #registering = false;
  #done = false;
  #cancelTimer: Cancel | null = null;
  #waiters: (() => void)[] = [];

  constructor(request: FetchRequest, plan: FetchPlan, call: FetchCall) {
    this.#call = call;
    this.#plan = plan;
    this.#committed = request.isolationLevel === READ_COMMITTED;
    const { limits } = call.server;
    this.#sizeBytesMax = Math.min(Math.max(request.maxBytes, 0), limits.fetchSizeBytesMax);
    this.#sizeBytesMin = Math.min(request.minBytes, this.#sizeBytesMax);
    this.#waitMs = Math.min(request.maxWaitMs, limits.fetchWaitMsMax);
    this.#responses = plan.topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map((wanted) => this.#row(topic, topicId, wanted)),
    }));
  }

  #row(name: string, topicId: string, wanted: WantedPartition): FetchRow {
    const byId = this.#call.version >= TOPIC_IDS_SINCE;
    const { topics } = this.#call.session.namespace;
    const topic = byId ? topics.byId(topicId) : topics.get(name);
    const partition = topic?.partitions[wanted.partition];
    const row: FetchRow = {
      partitionIndex: wanted.partition,
      topic,
      partition,
      fetchOffset: wanted.fetchOffset,
      sizeBytesMax: Math.max(wanted.partitionMaxBytes, 0),
      seenOffset: wanted.fetchOffset,
      errorCode: ERROR.NONE,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: -1,
      abortedTransactions: this.#committed ? [] : null,
      records: [],
    };
    if (topic === undefined && byId) row.errorCode = ERROR.UNKNOWN_TOPIC_ID;
    else if (!this.#mayRead(topic?.name ?? name)) row.errorCode = ERROR.TOPIC_AUTHORIZATION_FAILED;
    else if (partition === undefined) row.errorCode = ERROR.UNKNOWN_TOPIC_OR_PARTITION;
    else if (wanted.currentLeaderEpoch > LEADER_EPOCH) row.errorCode = ERROR.UNKNOWN_LEADER_EPOCH;
    if (row.errorCode !== ERROR.NONE) this.#failed = true;
    this.#rows.push(row);
    return row;
  }

  #mayRead(name: string): boolean {
    return this.#call.allows('read', 'topic', name);
  }

  /** Reads what there is; answers, or waits for more. */
  attempt(): void {
    this.#sizeBytes = 0;
    this.#reading = true;
    this.#readFrom(0);
  }

  /** Reads rows in the order of the request (KIP-74); goes on asynchronously only where the broker does. */
  #readFrom(first: number): void {
    for (let i = first; i < this.#rows.length; i++) {
      const row = this.#rows[i]!;
      const slices = this.#read(row);
      if (slices instanceof Promise) {
        slices
          .then(
            (loaded) => {
              this.#accept(row, loaded);
              this.#readFrom(i + 1);
            },
            (error: unknown) => {
              this.#fail(row, storageError(error));
              this.#readFrom(i + 1);
            },
          )
          .catch((error: unknown) => this.#call.connection.refuse(error));
        return;
      }
      this.#accept(row, slices);
    }
    this.#reading = false;
    this.#finish();
  }

  #read(row: FetchRow): readonly Buffer[] | Promise<readonly Buffer[]> {
    const { topic, partition, fetchOffset } = row;
    row.records = [];
    if (topic === undefined || partition === undefined || row.errorCode !== ERROR.NONE) return [];
    if (this.#call.session.namespace.topics.byId(topic.idHex) !== topic) {
      // removed while the fetch waited
      this.#fail(row, ERROR.UNKNOWN_TOPIC_OR_PARTITION);
      return [];
    }
    row.highWatermark = partition.stableOffset;
    row.lastStableOffset = partition.lastStableOffset;
    const limit = this.#committed ? row.lastStableOffset : row.highWatermark;
    row.logStartOffset = partition.startOffset;
    row.seenOffset = Math.max(fetchOffset, partition.stableOffset);
    if (fetchOffset < partition.startOffset || fetchOffset > partition.endOffset) {
      this.#fail(row, ERROR.OFFSET_OUT_OF_RANGE);
      return [];
    }
    const room = Math.min(row.sizeBytesMax, this.#sizeBytesMax - this.#sizeBytes);
    if (fetchOffset >= limit || (room <= 0 && this.#sizeBytes > 0)) return [];
    try {
      return partition.read(fetchOffset, Math.max(room, 1));
    } catch (error) {
      this.#fail(row, storageError(error));
      return [];
    }
  }

  /** Takes batches while there is room; the very first batch of a response always fits (KIP-74). */
  #accept(row: FetchRow, read: readonly Buffer[]): void {
    const slices = this.#committed && read.length > 0 ? this.#onlyDecided(row, read) : read;
    let taken = 0;
    for (const slice of slices) {
      if (this.#sizeBytes > 0 && this.#sizeBytes + slice.length > this.#sizeBytesMax) break;
      this.#sizeBytes += slice.length;
      taken++;
    }
    row.records = taken === slices.length ? slices : slices.slice(0, taken);
  }

  /** Leaves out what is not decided, and tells what was aborted in the rest. */
  #onlyDecided(row: FetchRow, slices: readonly Buffer[]): readonly Buffer[] {
    const { partition, fetchOffset, lastStableOffset } = row;
    const decided = batchesBelow(slices, lastStableOffset);
    const next = nextOffsetOf(decided);
    row.abortedTransactions = next < 0 ? [] : partition!.abortedTransactions(fetchOffset, next);
    return decided;
  }

  #fail(row: FetchRow, errorCode: ErrorCode): void {
    row.errorCode = errorCode;
    if (errorCode !== ERROR.OFFSET_OUT_OF_RANGE) row.highWatermark = row.lastStableOffset = -1;
    this.#failed = true;
  }

  #finish(): void {
    if (this.#done) return;
    const enough = this.#sizeBytes >= this.#sizeBytesMin || this.#failed;
    if (enough || this.#timedOut || this.#waitMs <= 0 || this.#rows.length === 0) return this.#reply();
    if (this.#cancelTimer === null) {
      this.#cancelTimer = this.#call.server.runtime.after(this.#waitMs, this.#onTimeout);
      this.#call.onAbandoned = () => this.#stop();
    }
    // a partition may call back at once: looking again waits until all are registered
    this.#registering = true;
    for (const { partition, seenOffset } of this.#rows) {
      if (partition !== undefined) this.#waiters.push(partition.onStableBeyond(seenOffset, this.#wake));
    }
    this.#registering = false;
  }

  readonly #onTimeout = (): void => {
    this.#timedOut = true;
    this.#wake();
  };

  /** Looks again; with several partitions at the end of the turn, so that one commit goes into one answer. */
  readonly #wake = (): void => {
    if (this.#wakeScheduled || this.#done) return;
    // the last stable offset moves behind the stable one, by the end of the turn
    if (this.#rows.length === 1 && !this.#registering && !this.#committed) return this.#again();
    this.#wakeScheduled = true;
    this.#call.server.runtime.afterPoll(() => {
      this.#wakeScheduled = false;
      this.#again();
    });
  };

  #again(): void {
    // a read that is under way ends in #finish, which sees the time-out
    if (this.#done || this.#reading) return;
    this.#forgetWaiters();
    this.attempt();
  }

  #reply(): void {
    this.#stop();
    const call = this.#call;
    call.onSent = () => {
      for (const row of this.#rows) if (row.records.length > 0) countOut(call.session.connection, row);
    };
    const throttleTimeMs = call.connection.mute(call.session.egressDelayMs(call.clientId, this.#sizeBytes));
    call.reply({ responses: this.#told(), sessionId: this.#plan.session?.id ?? 0, throttleTimeMs });
  }

  /** In a session only what the client does not know yet. */
  #told(): FetchedTopic[] {
    const { session, incremental } = this.#plan;
    if (session === null) return this.#responses;
    const told = [];
    for (const { topic, topicId, partitions } of this.#responses) {
      const rows = partitions.filter((row) => session.tells(topic, topicId, row) || !incremental);
      if (rows.length > 0) told.push({ topic, topicId, partitions: rows });
    }
    return told;
  }

  #stop(): void {
    this.#done = true;
    this.#cancelTimer?.();
    this.#forgetWaiters();
  }

  #forgetWaiters(): void {
    for (const forget of this.#waiters) forget();
    this.#waiters = [];
  }
}

/** Counts what was written of a partition: for the cluster, its credential and its topic. */
/** Counts records that were sent, from an offset on. */
export function countOut(
  connection: Connection,
  { records, fetchOffset, topic }: Pick<FetchRow, 'records' | 'fetchOffset' | 'topic'>,
): void {
  const messages = recordsFrom(records, fetchOffset);
  let bytes = 0;
  for (const slice of records) bytes += slice.length;
  const topicShare = topic === undefined ? undefined : connection.namespace.topicShare?.('kafka', topic.name);
  for (const usage of [connection.usage, connection.share, topicShare]) {
    if (usage === undefined) continue;
    usage.messagesOut += messages;
    usage.bytesOut += bytes;
  }
}
