import type { Runtime } from '@robustmq/wire';
import { ERROR, type ErrorCode } from './errors.ts';
import type { KafkaLimits } from './limits.ts';
import type { Fetch } from './messages/fetch.ts';
import type { Decoded } from './schema.ts';

type FetchRequest = Decoded<typeof Fetch.request>;
export type WantedTopic = FetchRequest['topics'][number];
export type WantedPartition = WantedTopic['partitions'][number];

const NO_SESSION = 0;
const FIRST_EPOCH = 0;
const LAST_EPOCH = 2 ** 31 - 1;
/** A session that was not used for this long makes room for another. */
const SESSION_IDLE_MS = 120_000;

/** A partition a session remembers, and what its client was last told of it. */
interface Remembered {
  readonly topic: string;
  readonly topicId: string;
  wanted: WantedPartition;
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
}

/** What a session needs to know of an answered partition. */
export interface ToldPartition {
  readonly partitionIndex: number;
  readonly errorCode: ErrorCode;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly records: readonly Buffer[];
}

/** One fetch session (KIP-227): the client names only what changed, and is told only what changed. */
export class FetchSession {
  readonly id: number;
  epoch = FIRST_EPOCH + 1;
  usedMs: number;
  /** In the order they are read; whoever got records goes to the end. */
  readonly partitions = new Map<string, Remembered>();

  constructor(id: number, nowMs: number) {
    this.id = id;
    this.usedMs = nowMs;
  }

  remember({ topic, topicId, partitions }: WantedTopic): void {
    for (const wanted of partitions) {
      const key = keyOf(topic, topicId, wanted.partition);
      const known = this.partitions.get(key);
      if (known !== undefined) known.wanted = wanted;
      else {
        const told = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
        this.partitions.set(key, { topic, topicId, wanted, ...told });
      }
    }
  }
  forget(topic: string, topicId: string, partitions: readonly number[]): void {
    for (const partition of partitions) this.partitions.delete(keyOf(topic, topicId, partition));
  }
  /** All it remembers, as a full request would say it. */
  topics(): WantedTopic[] {
    const topics = new Map<string, WantedTopic>();
    for (const { topic, topicId, wanted } of this.partitions.values()) {
      const key = `${topic}/${topicId}`;
      const known = topics.get(key);
      if (known === undefined) topics.set(key, { topic, topicId, partitions: [wanted] });
      else known.partitions.push(wanted);
    }
    return [...topics.values()];
  }
  /** Whether the client must be told of the partition; remembers that it was. */
  tells(topic: string, topicId: string, row: ToldPartition): boolean {
    const key = keyOf(topic, topicId, row.partitionIndex);
    const known = this.partitions.get(key);
    if (known === undefined) return true;
    const changed =
      known.highWatermark !== row.highWatermark ||
      known.lastStableOffset !== row.lastStableOffset ||
      known.logStartOffset !== row.logStartOffset;
    known.highWatermark = row.highWatermark;
    known.lastStableOffset = row.lastStableOffset;
    known.logStartOffset = row.logStartOffset;
    if (row.records.length > 0) {
      this.partitions.delete(key);
      this.partitions.set(key, known);
    }
    return changed || row.records.length > 0 || row.errorCode !== ERROR.NONE;
  }
}

/** What a Fetch request means with its session. */
export interface FetchPlan {
  readonly topics: readonly WantedTopic[];
  readonly session: FetchSession | null;
  /** Tell only what changed. */
  readonly incremental: boolean;
}

/** The fetch sessions of one namespace. When there is no room a client is given none, and sends full requests. */
export class FetchSessions {
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  readonly #sessions = new Map<number, FetchSession>();
  #partitions = 0;

  constructor(runtime: Runtime, limits: KafkaLimits) {
    this.#runtime = runtime;
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Reads the session fields of a request; an error code when they name no session or the wrong epoch of one. */
  plan(request: FetchRequest): FetchPlan | ErrorCode {
    const { sessionId, sessionEpoch, topics } = request;
    if (sessionEpoch === FIRST_EPOCH || sessionEpoch < 0) {
      if (sessionId !== NO_SESSION) this.#end(sessionId);
      const session = sessionEpoch < 0 ? null : this.#begin(topics);
      return { topics, session, incremental: false };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return ERROR.FETCH_SESSION_ID_NOT_FOUND;
    if (session.epoch !== sessionEpoch) return ERROR.INVALID_FETCH_SESSION_EPOCH;
    session.epoch = session.epoch === LAST_EPOCH ? FIRST_EPOCH + 1 : session.epoch + 1;
    session.usedMs = this.#runtime.monotonicMs();
    const before = session.partitions.size;
    for (const { topic, topicId, partitions } of request.forgottenTopicsData)
      session.forget(topic, topicId, partitions);
    for (const topic of topics) session.remember(topic);
    this.#partitions += session.partitions.size - before;
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, session);
    if (this.#partitions > this.#limits.fetchSessionPartitionsMax) {
      this.#end(sessionId);
      return ERROR.FETCH_SESSION_ID_NOT_FOUND;
    }
    return { topics: session.topics(), session, incremental: true };
  }

  #begin(topics: readonly WantedTopic[]): FetchSession | null {
    const wanted = topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
    if (wanted === 0 || this.#partitions + wanted > this.#limits.fetchSessionPartitionsMax) return null;
    const nowMs = this.#runtime.monotonicMs();
    if (this.#sessions.size >= this.#limits.fetchSessionsMax) {
      const [oldest] = this.#sessions.values();
      if (oldest === undefined || nowMs - oldest.usedMs < SESSION_IDLE_MS) return null;
      this.#end(oldest.id);
    }
    const session = new FetchSession(this.#newId(), nowMs);
    for (const topic of topics) session.remember(topic);
    this.#partitions += session.partitions.size;
    this.#sessions.set(session.id, session);
    return session;
  }

  #newId(): number {
    for (;;) {
      const id = this.#runtime.randomBytes(4).readInt32BE(0) & 0x7fff_ffff;
      if (id !== NO_SESSION && !this.#sessions.has(id)) return id;
    }
  }

  #end(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#partitions -= session.partitions.size;
    this.#sessions.delete(id);
  }
}

function keyOf(topic: string, topicId: string, partition: number): string {
  return `${topic}/${topicId}/${partition}`;
}
