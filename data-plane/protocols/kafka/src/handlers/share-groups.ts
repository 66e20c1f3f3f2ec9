import type { Commit, Partition, Topic } from '@robustmq/broker';
import type { Cancel } from '@robustmq/wire';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, storageError } from '../errors.ts';
import type {
  ShareAcknowledge,
  ShareFetch,
  ShareGroupDescribe,
  ShareGroupHeartbeat,
} from '../messages/share-groups.ts';
import { baseOffsetOf, batchSizeAt, LAST_OFFSET_DELTA_AT } from '../record-batch.ts';
import type { Decoded, Encodable } from '../schema.ts';
import { HEARTBEAT_INTERVAL_MS, LOCK_MS, type ShareGroup, type ShareMember } from '../share/share-groups.ts';
import type { AcquiredRange, AcknowledgementBatch, SharePartition } from '../share/share-partition.ts';
import { countOut } from './fetch.ts';
import { whenStable } from './security.ts';

const LEADER_EPOCH = 0;
const OPEN = 0;
const CLOSE = -1;
const EPOCH_MAX = 2 ** 31 - 1;
const NOT_STORED = 'where the group stands could not be stored';

/** ShareGroupHeartbeat (KIP-932). */
export function handleShareGroupHeartbeat(
  request: Decoded<typeof ShareGroupHeartbeat.request>,
  call: Call<typeof ShareGroupHeartbeat.response>,
): void {
  const { world } = call.session;
  const refuse = (errorCode: ErrorCode, errorMessage: string): void =>
    call.reply({ errorCode, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0, assignment: null });
  if (!call.allows('read', 'group', request.groupId)) {
    return refuse(ERROR.GROUP_AUTHORIZATION_FAILED, 'the group may not be used');
  }
  if (request.subscribedTopicNames?.some((name) => !call.allows('describe', 'topic', name)) === true) {
    return refuse(ERROR.TOPIC_AUTHORIZATION_FAILED, 'a topic may not be read');
  }
  const { groupId } = request;
  const isOfAnotherKind = world.groups.hasMembersIn(groupId) || world.consumerGroups.get(groupId) !== undefined;
  const who = { clientId: call.clientId, clientHost: `/${call.connection.transport.remoteAddress}` };
  const { commits, assignment, ...told } = world.shareGroups.heartbeat({ ...request, ...who }, isOfAnotherKind);
  whenStable(commits, (isStable) => {
    if (!isStable) return refuse(ERROR.COORDINATOR_NOT_AVAILABLE, NOT_STORED);
    call.reply({
      ...told,
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
      assignment: assignment === null ? null : { topicPartitions: byTopic(assignment) },
    });
  });
}

function byTopic(keys: Iterable<string>): { topicId: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const key of keys) {
    const [topicId = '', index] = key.split('/');
    const known = topics.get(topicId);
    if (known === undefined) topics.set(topicId, [Number(index)]);
    else known.push(Number(index));
  }
  return [...topics].map(([topicId, partitions]) => ({ topicId, partitions: partitions.sort((a, b) => a - b) }));
}

/** ShareGroupDescribe (KIP-932). */
export function handleShareGroupDescribe(
  request: Decoded<typeof ShareGroupDescribe.request>,
  call: Call<typeof ShareGroupDescribe.response>,
): void {
  const groups = request.groupIds.map((groupId) => {
    const empty = { groupId, groupState: '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] };
    if (!call.allows('describe', 'group', groupId)) return { ...empty, errorCode: ERROR.GROUP_AUTHORIZATION_FAILED };
    const group = call.session.world.shareGroups.get(groupId);
    if (group === undefined) return { ...empty, errorCode: ERROR.GROUP_ID_NOT_FOUND, errorMessage: 'no share group' };
    return { ...describe(group, call), errorCode: ERROR.NONE };
  });
  call.reply({ groups });
}

/** As DescribeGroups and ListGroups say it. */
export function shareGroupState(group: ShareGroup): 'Stable' | 'Empty' {
  return group.members.size > 0 ? 'Stable' : 'Empty';
}

function describe(group: ShareGroup, call: Call) {
  const { topics } = call.session.namespace;
  return {
    groupId: group.groupId,
    groupState: shareGroupState(group),
    groupEpoch: group.epoch,
    assignmentEpoch: group.epoch,
    assignorName: 'simple',
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: member.subscribed,
      assignment: {
        topicPartitions: byTopic(group.assignmentOf(member.memberId)).map((one) => ({
          ...one,
          topicName: topics.byId(one.topicId)?.name ?? '',
        })),
      },
    })),
  };
}

interface Session {
  readonly group: ShareGroup;
  readonly member: ShareMember;
  /** It ends with this request. */
  readonly isLast: boolean;
}
interface SessionRequest {
  readonly groupId: string | null;
  readonly memberId: string | null;
  readonly shareSessionEpoch: number;
}

/** Finds a member's session and moves its epoch on; 0 begins one where `mayOpen`. */
function sessionOf(request: SessionRequest, mayOpen: boolean, call: Call): Session | ErrorCode {
  const { groupId, memberId, shareSessionEpoch: epoch } = request;
  if (groupId === null || memberId === null) return ERROR.INVALID_REQUEST;
  if (!call.allows('read', 'group', groupId)) return ERROR.GROUP_AUTHORIZATION_FAILED;
  const group = call.session.world.shareGroups.get(groupId);
  const member = group?.members.get(memberId);
  if (group === undefined || member === undefined) return ERROR.SHARE_SESSION_NOT_FOUND;
  if (epoch === OPEN) {
    if (!mayOpen) return ERROR.INVALID_SHARE_SESSION_EPOCH;
    member.session = new Set();
    member.sessionEpoch = 1;
    return { group, member, isLast: false };
  }
  if (member.session === null) return ERROR.SHARE_SESSION_NOT_FOUND;
  if (epoch === CLOSE) return { group, member, isLast: true };
  if (epoch !== member.sessionEpoch) return ERROR.INVALID_SHARE_SESSION_EPOCH;
  member.sessionEpoch = epoch === EPOCH_MAX ? 1 : epoch + 1;
  return { group, member, isLast: false };
}

interface Acknowledging {
  readonly topicId: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly acknowledgementBatches: readonly AcknowledgementBatch[];
  }[];
}

/** Acknowledges; error codes by `topicId/index` of those that were named. */
function acknowledge(topics: readonly Acknowledging[], session: Session, commits: Commit[], call: Call) {
  const codes = new Map<string, ErrorCode>();
  for (const { topicId, partitions } of topics) {
    for (const { partitionIndex, acknowledgementBatches } of partitions) {
      if (acknowledgementBatches.length === 0) continue;
      const key = `${topicId}/${partitionIndex}`;
      codes.set(key, acknowledgeOne(key, acknowledgementBatches, session, commits, call));
    }
  }
  return codes;
}

function acknowledgeOne(
  key: string,
  batches: readonly AcknowledgementBatch[],
  { group, member }: Session,
  commits: Commit[],
  call: Call,
): ErrorCode {
  const { namespace, world } = call.session;
  const topic = namespace.topics.byId(key.slice(0, key.indexOf('/')));
  if (topic === undefined) return ERROR.UNKNOWN_TOPIC_ID;
  if (!call.allows('read', 'topic', topic.name)) return ERROR.TOPIC_AUTHORIZATION_FAILED;
  const partition = group.partitions.get(key);
  if (partition === undefined) return ERROR.UNKNOWN_TOPIC_OR_PARTITION;
  const errorCode = partition.acknowledge(member.memberId, batches);
  if (errorCode === ERROR.NONE) commits.push(world.shareGroups.save(group, key, partition));
  return errorCode;
}

/** ShareAcknowledge (KIP-932): answered when it is stable. */
export function handleShareAcknowledge(
  request: Decoded<typeof ShareAcknowledge.request>,
  call: Call<typeof ShareAcknowledge.response>,
): void {
  const session = sessionOf(request, false, call);
  if (typeof session === 'number') return call.reply({ errorCode: session, responses: [] });
  const commits: Commit[] = [];
  const codes = acknowledge(request.topics, session, commits, call);
  if (session.isLast) commits.push(...call.session.world.shareGroups.endSession(session.group, session.member));
  const currentLeader = { leaderId: call.server.nodeId, leaderEpoch: LEADER_EPOCH };
  whenStable(commits, (isStable) => {
    const responses = request.topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partitionIndex }) => {
        const code = codes.get(`${topicId}/${partitionIndex}`) ?? ERROR.NONE;
        const errorCode = isStable || code !== ERROR.NONE ? code : ERROR.KAFKA_STORAGE_ERROR;
        return { partitionIndex, errorCode, currentLeader };
      }),
    }));
    call.reply({ errorCode: ERROR.NONE, responses });
  });
}

/** ShareFetch (KIP-932): acknowledges, then acquires; waits for records where nothing was named to acknowledge. */
export function handleShareFetch(
  request: Decoded<typeof ShareFetch.request>,
  call: Call<typeof ShareFetch.response>,
): void {
  const refuse = (errorCode: ErrorCode): void =>
    call.reply({ errorCode, acquisitionLockTimeoutMs: LOCK_MS, responses: [] });
  const opens = request.shareSessionEpoch === OPEN;
  if (opens && request.topics.some((topic) => topic.partitions.some((p) => p.acknowledgementBatches.length > 0))) {
    return refuse(ERROR.INVALID_REQUEST);
  }
  const session = sessionOf(request, true, call);
  if (typeof session === 'number') return refuse(session);
  const commits: Commit[] = [];
  const codes = acknowledge(request.topics, session, commits, call);
  const { member, group } = session;
  if (session.isLast) commits.push(...call.session.world.shareGroups.endSession(group, member));
  else {
    for (const { topicId, partitions } of request.topics) {
      for (const { partitionIndex } of partitions) member.session!.add(`${topicId}/${partitionIndex}`);
    }
    for (const { topicId, partitions } of request.forgottenTopicsData) {
      for (const partitionIndex of partitions) member.session!.delete(`${topicId}/${partitionIndex}`);
    }
  }
  whenStable(commits, (isStable) => {
    if (!isStable) for (const [key, code] of codes) if (code === ERROR.NONE) codes.set(key, ERROR.KAFKA_STORAGE_ERROR);
    new PendingShareFetch(request, session, codes, call).attempt();
  });
}

type FetchRequest = Decoded<typeof ShareFetch.request>;
type FetchCall = Call<typeof ShareFetch.response>;
type Row = Encodable<typeof ShareFetch.response>['responses'][number]['partitions'][number];

/** What was delivered of one partition. */
interface Delivered {
  readonly topic: Topic;
  readonly firstOffset: number;
  readonly records: readonly Buffer[];
}

class PendingShareFetch {
  readonly #request: FetchRequest;
  readonly #session: Session;
  readonly #codes: ReadonlyMap<string, ErrorCode>;
  readonly #call: FetchCall;
  readonly #rows = new Map<string, Row>();
  readonly #delivered: Delivered[] = [];
  #bytes = 0;
  #count = 0;
  #isOver = false;
  #reading = false;
  #cancelTimer: Cancel | null = null;
  readonly #forget: (() => void)[] = [];

  constructor(request: FetchRequest, session: Session, codes: ReadonlyMap<string, ErrorCode>, call: FetchCall) {
    this.#request = request;
    this.#session = session;
    this.#codes = codes;
    this.#call = call;
    for (const [key, acknowledgeErrorCode] of codes) this.#row(key, { acknowledgeErrorCode });
  }

  #row(key: string, change: Partial<Row>): void {
    const nothing = { errorCode: ERROR.NONE, acknowledgeErrorCode: ERROR.NONE, records: null, acquiredRecords: [] };
    const currentLeader = { leaderId: this.#call.server.nodeId, leaderEpoch: LEADER_EPOCH };
    const partitionIndex = Number(key.slice(key.indexOf('/') + 1));
    const before = this.#rows.get(key) ?? { partitionIndex, currentLeader, ...nothing };
    this.#rows.set(key, { ...before, ...change });
  }

  /** Reads what is free; answers, or waits for more. */
  attempt(): void {
    if (this.#isOver || this.#reading) return;
    this.#reading = true;
    this.#readAll().catch((error: unknown) => this.#call.connection.refuse(error));
  }

  async #readAll(): Promise<void> {
    const { session, memberId } = this.#session.member;
    for (const key of this.#session.isLast ? [] : [...(session ?? [])]) {
      if (this.#bytes >= this.#request.maxBytes || this.#count >= this.#request.maxRecords) break;
      const partition = this.#partitionOf(key);
      if (partition !== null) await this.#readOne(key, memberId, ...partition);
    }
    this.#reading = false;
    if (this.#isOver) return;
    const { maxWaitMs } = this.#request;
    const isDone = this.#count > 0 || this.#codes.size > 0 || this.#rows.size > 0 || this.#session.isLast;
    if (isDone || maxWaitMs <= 0) return this.#reply();
    this.#wait(Math.min(maxWaitMs, this.#call.server.limits.fetchWaitMsMax));
  }

  /** null = it has an error, which is told. */
  #partitionOf(key: string): readonly [Topic, Partition, SharePartition] | null {
    const { namespace } = this.#call.session;
    const topic = namespace.topics.byId(key.slice(0, key.indexOf('/')));
    const partition = topic?.partitions[Number(key.slice(key.indexOf('/') + 1))];
    const shared = this.#session.group.partitions.get(key);
    if (topic === undefined) this.#row(key, { errorCode: ERROR.UNKNOWN_TOPIC_ID });
    else if (!this.#call.allows('read', 'topic', topic.name)) {
      this.#row(key, { errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED });
    } else if (partition === undefined || shared === undefined) {
      this.#row(key, { errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION });
    } else return [topic, partition, shared];
    return null;
  }

  async #readOne(key: string, memberId: string, topic: Topic, partition: Partition, shared: SharePartition) {
    shared.trim(partition.startOffset);
    const from = shared.nextOffset();
    if (from === null || from >= partition.stableOffset) return;
    let slices: readonly Buffer[];
    try {
      const { fetchSizeBytesMax } = this.#call.server.limits;
      const bytesMax = Math.min(this.#request.maxBytes - this.#bytes, fetchSizeBytesMax);
      slices = await partition.read(from, Math.max(1, bytesMax));
    } catch (error) {
      return this.#row(key, { errorCode: storageError(error) });
    }
    // while it was read the member may have gone, or another one may have been given the records
    const isStill = this.#session.group.members.get(memberId) === this.#session.member;
    if (this.#isOver || !isStill || this.#session.member.session === null) return;
    const acquired: AcquiredRange[] = [];
    const records: Buffer[] = [];
    const untilMs = this.#call.server.runtime.monotonicMs() + LOCK_MS;
    for (const batch of batchesOf(slices)) {
      if (this.#count >= this.#request.maxRecords) break;
      const base = baseOffsetOf(batch);
      const last = base + batch.readInt32BE(LAST_OFFSET_DELTA_AT);
      const ranges = shared.acquire(memberId, Math.max(base, from), last, untilMs);
      if (ranges.length === 0) continue;
      acquired.push(...ranges);
      records.push(batch);
      this.#bytes += batch.length;
      for (const { firstOffset, lastOffset } of ranges) this.#count += lastOffset - firstOffset + 1;
    }
    if (acquired.length === 0) return;
    this.#row(key, { records, acquiredRecords: merged(acquired) });
    this.#delivered.push({ topic, firstOffset: acquired[0]!.firstOffset, records });
  }

  #wait(waitMs: number): void {
    const { runtime } = this.#call.server;
    if (this.#cancelTimer === null) {
      this.#cancelTimer = runtime.after(waitMs, () => this.#reply());
      this.#call.onAbandoned = () => this.#stop();
    }
    const wake = (): void => runtime.afterPoll(() => this.#again());
    for (const key of this.#session.member.session ?? []) {
      const found = this.#partitionOf(key);
      if (found === null) continue;
      const [, partition, shared] = found;
      shared.waiters.add(wake);
      this.#forget.push(() => shared.waiters.delete(wake));
      if (!shared.isFull) this.#forget.push(partition.onStableBeyond(shared.endOffset, wake));
    }
  }

  #again(): void {
    if (this.#isOver) return;
    this.#forgetAll();
    this.attempt();
  }

  #reply(): void {
    if (this.#isOver) return;
    this.#stop();
    const call = this.#call;
    const topics = new Map<string, Row[]>();
    for (const [key, row] of this.#rows) {
      const topicId = key.slice(0, key.indexOf('/'));
      topics.set(topicId, [...(topics.get(topicId) ?? []), row]);
    }
    const { connection } = call.session;
    call.onSent = () => {
      for (const { topic, firstOffset, records } of this.#delivered) {
        countOut(connection, { topic, fetchOffset: firstOffset, records });
      }
    };
    call.reply({
      errorCode: ERROR.NONE,
      throttleTimeMs: call.connection.mute(call.session.egressDelayMs(call.clientId, this.#bytes)),
      acquisitionLockTimeoutMs: LOCK_MS,
      responses: [...topics].map(([topicId, partitions]) => ({ topicId, partitions })),
    });
  }

  #stop(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#forgetAll();
  }
  #forgetAll(): void {
    for (const forget of this.#forget.splice(0)) forget();
  }
}

function* batchesOf(slices: readonly Buffer[]): Generator<Buffer> {
  for (const slice of slices) {
    for (let at = 0, size = batchSizeAt(slice, 0); size > 0; size = batchSizeAt(slice, (at += size))) {
      yield slice.subarray(at, at + size);
    }
  }
}

/** Neighbours with the same count as one. */
function merged(ranges: readonly AcquiredRange[]): AcquiredRange[] {
  const out: { firstOffset: number; lastOffset: number; deliveryCount: number }[] = [];
  for (const range of ranges) {
    const before = out.at(-1);
    if (before?.lastOffset === range.firstOffset - 1 && before.deliveryCount === range.deliveryCount) {
      before.lastOffset = range.lastOffset;
    } else out.push({ ...range });
  }
  return out;
}
