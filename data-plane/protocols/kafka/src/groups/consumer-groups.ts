import type { Commit, KeyedStore, Namespace } from '@robustmq/broker';
import type { Cancel, Runtime } from '@robustmq/wire';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { KafkaLimits } from '../limits.ts';
import { ASSIGNORS } from './assignors.ts';
import { MatchedTopics } from './matched-topics.ts';
import { ConsumerGroup, ConsumerMember, type TopicsByName } from './consumer-group.ts';

const KIND = 'kafka-consumer-groups';
const EXPIRY_PERIOD_MS = 500;
/** As Apache Kafka's defaults for group.consumer.*. */
export const HEARTBEAT_INTERVAL_MS = 5_000;
const SESSION_TIMEOUT_MS = 45_000;

const JOIN = 0;
const LEAVE_FOR_A_WHILE = -2;

/** A ConsumerGroupHeartbeat with what the connection knows; partitions are `topicId/index`, null = as before. */
export interface ConsumerHeartbeat {
  readonly groupId: string;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly rebalanceTimeoutMs: number;
  readonly subscribedTopicNames: readonly string[] | null;
  /** null = as before, '' = none. */
  readonly subscribedTopicRegex: string | null;
  /** Whether the member may know of a topic that matches its pattern. */
  readonly maySee: (topic: string) => boolean;
  readonly serverAssignor: string | null;
  readonly owned: readonly string[] | null;
  readonly clientId: string;
  readonly clientHost: string;
}

export interface HeartbeatOutcome {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  /** null = as told before. */
  readonly assignment: ReadonlySet<string> | null;
  /** To be stable before the answer; null = nothing was changed. */
  readonly commit: Commit | null;
}

interface StoredMember {
  readonly id: string;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly rebalanceTimeoutMs: number;
  readonly subscribed: readonly string[];
  /** Absent in what was stored before patterns were served. */
  readonly pattern?: string | null;
  readonly matched?: readonly string[];
  readonly assignor: string | null;
  readonly assigned: readonly string[];
  readonly revoking: readonly string[];
  readonly away: boolean;
}

/** The groups of the new protocol (KIP-848) of one namespace, stored at each change and found again after a restart. */
export class ConsumerGroups {
  readonly #namespace: Namespace;
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  readonly #store: KeyedStore;
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #topics: TopicsByName;
  readonly #patterns: MatchedTopics;
  #cancelSweep: Cancel | null = null;

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.#namespace = namespace;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#store = namespace.keyed(KIND);
    this.#patterns = new MatchedTopics(namespace, runtime, limits.topicPatternsMax);
    this.#topics = (name) => {
      const topic = namespace.topics.get(name);
      return topic === undefined ? undefined : { idHex: topic.idHex, partitions: topic.partitions.length };
    };
    for (const [groupId, value] of [...this.#store.entries()]) this.#restore(groupId, value);
  }

  get hasMembers(): boolean {
    return this.#groups.size > 0;
  }
  get(groupId: string): ConsumerGroup | undefined {
    return this.#groups.get(groupId);
  }
  list(): readonly ConsumerGroup[] {
    return [...this.#groups.values()];
  }

  /** One heartbeat; `isClassic` tells that the name belongs to a group of the older protocol with members. */
  heartbeat(request: ConsumerHeartbeat, isClassic: boolean): HeartbeatOutcome {
    const refused = this.#check(request, isClassic);
    if (refused !== null) return refused;
    if (request.memberEpoch < JOIN) return this.#leave(request);
    const joins = request.memberEpoch === JOIN;
    const group = this.#groups.get(request.groupId) ?? (joins ? this.#make(request.groupId) : undefined);
    if (group === undefined) return failed(ERROR.UNKNOWN_MEMBER_ID, 'there is no such member');
    const member = joins ? this.#join(group, request) : this.#known(group, request);
    if (!(member instanceof ConsumerMember)) return member;
    const nowMs = this.#runtime.monotonicMs();
    member.seenMs = nowMs;
    const updated = update(member, request);
    const changed = this.#match(member, request) || updated;
    const retargeted = group.retarget(this.#topics, changed || member.told === null);
    const moved = group.reconcile(member, request.owned, nowMs);
    const commit = changed || retargeted || moved ? this.#save(group) : null;
    const tells = [...member.assigned].sort().join();
    const assignment = joins || request.owned !== null || tells !== member.told ? member.assigned : null;
    member.told = tells;
    const { memberId, epoch } = member;
    return { errorCode: ERROR.NONE, errorMessage: null, memberId, memberEpoch: epoch, assignment, commit };
  }

  /** Whether a member may commit: it is there, at its epoch (KIP-848 fencing). */
  mayCommit(group: ConsumerGroup, memberId: string, epoch: number): ErrorCode {
    if (epoch < 0 && group.members.size === 0) return ERROR.NONE;
    const member = group.members.get(memberId);
    if (member === undefined) return ERROR.UNKNOWN_MEMBER_ID;
    return member.epoch === epoch ? ERROR.NONE : ERROR.STALE_MEMBER_EPOCH;
  }
  /** The same for OffsetFetch, which asks it only of who says it is a member. */
  mayFetch(groupId: string, memberId: string | null, epoch: number): ErrorCode {
    if (memberId === null || memberId === '' || epoch < 0) return ERROR.NONE;
    const group = this.#groups.get(groupId);
    if (group === undefined) return ERROR.NONE;
    return this.mayCommit(group, memberId, epoch);
  }

  remove(groupId: string): void {
    if (this.#groups.delete(groupId)) this.#store.delete(groupId);
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #check(request: ConsumerHeartbeat, isClassic: boolean): HeartbeatOutcome | null {
    const { groupId, memberEpoch, serverAssignor } = request;
    if (groupId === '' || groupId.length > this.#limits.groupIdLengthMax) {
      return failed(ERROR.INVALID_REQUEST, 'the group id is empty or too long');
    }
    if (isClassic) return failed(ERROR.GROUP_ID_NOT_FOUND, 'the group is one of the classic protocol');
    const pattern = request.subscribedTopicRegex ?? '';
    const fault = pattern === '' ? null : this.#patterns.fault(pattern);
    if (fault !== null) return failed(ERROR.INVALID_REGULAR_EXPRESSION, fault);
    if (serverAssignor !== null && ASSIGNORS[serverAssignor] === undefined) {
      return failed(ERROR.UNSUPPORTED_ASSIGNOR, `the assignors are ${Object.keys(ASSIGNORS).join(', ')}`);
    }
    if (memberEpoch < LEAVE_FOR_A_WHILE) return failed(ERROR.INVALID_REQUEST, `member epoch ${memberEpoch}`);
    const names = request.subscribedTopicNames !== null || pattern !== '';
    if (memberEpoch === JOIN && (!names || request.rebalanceTimeoutMs < 0)) {
      return failed(ERROR.INVALID_REQUEST, 'a member joins with its topics and its rebalance timeout');
    }
    if (memberEpoch === LEAVE_FOR_A_WHILE && request.instanceId === null) {
      return failed(ERROR.INVALID_REQUEST, 'only a static member leaves for a while');
    }
    return null;
  }

  /** Looks at what the member's pattern matches now; true when the group's assignment depends on it. */
  #match(member: ConsumerMember, { maySee }: ConsumerHeartbeat): boolean {
    const { pattern, matched } = member;
    if (pattern === null && matched.length === 0) return false;
    const names = pattern === null ? [] : this.#patterns.names(pattern).filter(maySee);
    if (names.join('\0') === matched.join('\0')) return false;
    member.matched = names;
    return true;
  }

  #make(groupId: string): ConsumerGroup | undefined {
    if (this.#groups.size >= this.#limits.groupsPerNamespaceMax) return undefined;
    const group = new ConsumerGroup(groupId);
    this.#groups.set(groupId, group);
    this.#watch();
    return group;
  }

  #join(group: ConsumerGroup, request: ConsumerHeartbeat): ConsumerMember | HeartbeatOutcome {
    const memberId = request.memberId === '' ? this.#runtime.randomBytes(16).toString('hex') : request.memberId;
    const before = request.instanceId === null ? undefined : group.byInstance(request.instanceId);
    if (before !== undefined && before.memberId !== memberId) {
      if (!before.away) return failed(ERROR.UNRELEASED_INSTANCE_ID, 'another member has the instance id');
      return replaced(group, before, memberId);
    }
    const known = group.members.get(memberId);
    if (known !== undefined) {
      known.away = false;
      known.told = null;
      // who joins anew has let go of everything
      known.revoking.clear();
      known.previousEpoch = known.epoch = 0;
      return known;
    }
    if (group.members.size >= this.#limits.membersPerGroupMax) {
      return failed(ERROR.GROUP_MAX_SIZE_REACHED, 'the group has all the members it may have');
    }
    const member = new ConsumerMember(memberId);
    group.members.set(memberId, member);
    return member;
  }

  #known(group: ConsumerGroup, request: ConsumerHeartbeat): ConsumerMember | HeartbeatOutcome {
    const member = group.members.get(request.memberId);
    if (member === undefined) return failed(ERROR.UNKNOWN_MEMBER_ID, 'there is no such member');
    if (request.instanceId !== null && request.instanceId !== member.instanceId) {
      return failed(ERROR.FENCED_INSTANCE_ID, 'the instance id belongs to another member');
    }
    const errorCode = group.checkEpoch(member, request.memberEpoch, request.owned);
    return errorCode === ERROR.NONE ? member : failed(errorCode, `the member is at epoch ${member.epoch}`);
  }

  #leave(request: ConsumerHeartbeat): HeartbeatOutcome {
    const group = this.#groups.get(request.groupId);
    const member = group?.members.get(request.memberId);
    if (group === undefined || member === undefined) return failed(ERROR.UNKNOWN_MEMBER_ID, 'there is no such member');
    if (request.memberEpoch === LEAVE_FOR_A_WHILE) {
      member.away = true;
      member.seenMs = this.#runtime.monotonicMs();
    } else this.#drop(group, member);
    const { memberId, memberEpoch } = request;
    const commit = this.#save(group);
    return { errorCode: ERROR.NONE, errorMessage: null, memberId, memberEpoch, assignment: null, commit };
  }

  #drop(group: ConsumerGroup, member: ConsumerMember): void {
    group.members.delete(member.memberId);
    group.target.delete(member.memberId);
    group.retarget(this.#topics, true);
  }

  #save(group: ConsumerGroup): Commit {
    if (group.members.size === 0) {
      this.#groups.delete(group.groupId);
      if (this.#groups.size === 0) this.close();
      return this.#store.delete(group.groupId);
    }
    const members: StoredMember[] = [...group.members.values()].map((member) => ({
      id: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      epoch: member.epoch,
      previousEpoch: member.previousEpoch,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      subscribed: member.subscribed,
      pattern: member.pattern,
      matched: member.matched,
      assignor: member.assignor,
      assigned: [...member.assigned],
      revoking: [...member.revoking],
      away: member.away,
    }));
    return this.#store.set(group.groupId, Buffer.from(JSON.stringify({ epoch: group.epoch, members })));
  }

  #restore(groupId: string, value: Buffer): void {
    try {
      this.#groups.set(groupId, this.#restored(groupId, value));
      this.#watch();
    } catch (error) {
      // its members join anew, as after a group that ran empty
      this.#runtime.log.error({ error, group: groupId }, 'kafka: a stored group is damaged');
    }
  }
  #restored(groupId: string, value: Buffer): ConsumerGroup {
    const stored = JSON.parse(value.toString()) as { epoch: number; members: readonly StoredMember[] };
    if (!Number.isSafeInteger(stored.epoch)) throw new TypeError('no epoch');
    const group = new ConsumerGroup(groupId);
    for (const one of stored.members) {
      const { id, assigned, revoking, ...rest } = one;
      if (!Array.isArray(rest.subscribed)) throw new TypeError(`member ${id} without a subscription`);
      const member = Object.assign(new ConsumerMember(id), { pattern: null, matched: [], ...rest });
      member.assigned = new Set(assigned);
      member.revoking = new Set(revoking);
      member.seenMs = member.revokingSinceMs = this.#runtime.monotonicMs();
      member.told = [...member.assigned].sort().join();
      group.members.set(id, member);
    }
    group.restored(stored.epoch);
    return group;
  }

  #watch(): void {
    this.#cancelSweep ??= this.#runtime.every(EXPIRY_PERIOD_MS, () => this.#sweep());
  }

  /** Removes who gave no sign of life, or does not give back what it must. */
  #sweep(): void {
    const nowMs = this.#runtime.monotonicMs();
    for (const group of [...this.#groups.values()]) {
      const lost = [...group.members.values()].filter(
        (member) =>
          nowMs - member.seenMs > SESSION_TIMEOUT_MS ||
          (member.revoking.size > 0 && nowMs - member.revokingSinceMs > member.rebalanceTimeoutMs),
      );
      for (const member of lost) this.#drop(group, member);
      if (lost.length > 0) this.#save(group);
    }
    if (this.#namespace.topics.list().length === 0 && this.#groups.size === 0) this.close();
  }
}

/** A static member is back under a new member id: it has what it had. */
function replaced(group: ConsumerGroup, before: ConsumerMember, memberId: string): ConsumerMember {
  const member = new ConsumerMember(memberId);
  member.assigned = before.assigned;
  member.subscribed = before.subscribed;
  member.pattern = before.pattern;
  member.matched = before.matched;
  member.assignor = before.assignor;
  member.rebalanceTimeoutMs = before.rebalanceTimeoutMs;
  member.told = '';
  group.members.delete(before.memberId);
  group.members.set(memberId, member);
  group.target.set(memberId, group.target.get(before.memberId) ?? new Set());
  group.target.delete(before.memberId);
  return member;
}

/** Takes over what a heartbeat says anew; true when the group's assignment depends on it. */
function update(member: ConsumerMember, request: ConsumerHeartbeat): boolean {
  member.clientId = request.clientId;
  member.clientHost = request.clientHost;
  if (request.rebalanceTimeoutMs >= 0) member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
  if (request.rackId !== null) member.rackId = request.rackId;
  if (request.instanceId !== null) member.instanceId = request.instanceId;
  const { subscribedTopicNames: names, serverAssignor } = request;
  const subscribed = names !== null && [...new Set(names)].sort().join('\0') !== member.subscribed.join('\0');
  if (subscribed) member.subscribed = [...new Set(names)].sort();
  if (request.subscribedTopicRegex !== null) member.pattern = request.subscribedTopicRegex || null;
  const assignor = serverAssignor !== null && serverAssignor !== member.assignor;
  if (assignor) member.assignor = serverAssignor;
  return subscribed || assignor;
}

function failed(errorCode: ErrorCode, errorMessage: string): HeartbeatOutcome {
  return { errorCode, errorMessage, memberId: null, memberEpoch: 0, assignment: null, commit: null };
}
