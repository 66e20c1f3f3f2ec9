import type { Commit, KeyedStore, Namespace, Topic } from '@robustmq/broker';
import type { Cancel, Runtime } from '@robustmq/wire';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { KafkaLimits } from '../limits.ts';
import { SharePartition } from './share-partition.ts';

const KIND = 'kafka-share-partitions';
const SWEEP_PERIOD_MS = 500;
/** As Apache Kafka's defaults for group.share.*. */
export const HEARTBEAT_INTERVAL_MS = 5_000;
const SESSION_TIMEOUT_MS = 45_000;
export const LOCK_MS = 30_000;
const JOIN = 0;
const LEAVE = -1;

export class ShareMember {
  readonly memberId: string;
  rackId: string | null = null;
  clientId = '';
  clientHost = '';
  epoch = 0;
  subscribed: readonly string[] = [];
  seenMs = 0;
  /** What the last answer told; null = nothing yet. */
  told: string | null = null;
  /** Partitions of its session as `topicId/index`; null = it has none. */
  session: Set<string> | null = null;
  sessionEpoch = 0;

  constructor(memberId: string) {
    this.memberId = memberId;
  }
}

export class ShareGroup {
  readonly groupId: string;
  epoch = 0;
  readonly members = new Map<string, ShareMember>();
  /** By `topicId/index`. */
  readonly partitions = new Map<string, SharePartition>();
  /** What the assignment was made for. */
  #madeFor = '';
  #assignment = new Map<string, readonly string[]>();

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  assignmentOf(memberId: string): readonly string[] {
    return this.#assignment.get(memberId) ?? [];
  }

  /** Each partition is with somebody and, where there are enough, each member has one; true when it changed. */
  assign(topicOf: (name: string) => Topic | undefined): boolean {
    const wanted = new Map<string, ShareMember[]>();
    for (const member of this.members.values()) {
      for (const name of member.subscribed) wanted.set(name, [...(wanted.get(name) ?? []), member]);
    }
    const made: string[] = [];
    const assignment = new Map<string, string[]>();
    for (const [name, members] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const topic = topicOf(name);
      if (topic === undefined) continue;
      const count = topic.partitions.length;
      made.push(`${topic.idHex}:${count}:${members.map(({ memberId }) => memberId).join()}`);
      for (let i = 0; i < Math.max(count, members.length); i++) {
        const { memberId } = members[i % members.length]!;
        assignment.set(memberId, [...(assignment.get(memberId) ?? []), `${topic.idHex}/${i % count}`]);
      }
    }
    const madeFor = made.join(' ');
    if (madeFor === this.#madeFor) return false;
    this.#madeFor = madeFor;
    this.#assignment = assignment;
    this.epoch++;
    return true;
  }
}

export interface ShareHeartbeat {
  readonly groupId: string;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly rackId: string | null;
  readonly subscribedTopicNames: readonly string[] | null;
  readonly clientId: string;
  readonly clientHost: string;
}
export interface ShareHeartbeatOutcome {
  readonly errorCode: ErrorCode;
  readonly errorMessage: string | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  /** null = as told before. */
  readonly assignment: readonly string[] | null;
  /** To be stable before the answer. */
  readonly commits: readonly Commit[];
}

/**
 * The share groups (KIP-932) of one namespace. Where each stands in a partition, which records are done and how often the
 * others were delivered is stored; members and locks are not: after a restart members join anew and what they had comes again.
 */
export class ShareGroups {
  readonly #namespace: Namespace;
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  readonly #store: KeyedStore;
  readonly #groups = new Map<string, ShareGroup>();
  #cancelSweep: Cancel | null = null;

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.#namespace = namespace;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#store = namespace.keyed(KIND);
    for (const [key, value] of this.#store.entries()) {
      try {
        const [groupId, partition] = JSON.parse(key) as [string, string];
        this.#groupOf(groupId).partitions.set(partition, SharePartition.from(value));
      } catch (error) {
        runtime.log.error({ error, key }, 'kafka: where a share group stands is damaged');
      }
    }
  }

  get hasMembers(): boolean {
    for (const { members } of this.#groups.values()) if (members.size > 0) return true;
    return false;
  }
  get(groupId: string): ShareGroup | undefined {
    return this.#groups.get(groupId);
  }
  list(): readonly ShareGroup[] {
    return [...this.#groups.values()];
  }

  heartbeat(request: ShareHeartbeat, isOfAnotherKind: boolean): ShareHeartbeatOutcome {
    const { groupId, memberId, memberEpoch } = request;
    if (groupId === '' || groupId.length > this.#limits.groupIdLengthMax || memberId === '' || memberEpoch < LEAVE) {
      return failed(ERROR.INVALID_REQUEST, 'a group id, a member id and an epoch of at least -1 are needed');
    }
    if (isOfAnotherKind) return failed(ERROR.GROUP_ID_NOT_FOUND, 'the group is not a share group');
    const group = this.#groups.get(groupId);
    const known = group?.members.get(memberId);
    if (memberEpoch !== JOIN && (group === undefined || known === undefined)) {
      return failed(ERROR.UNKNOWN_MEMBER_ID, 'there is no such member');
    }
    if (memberEpoch === LEAVE) {
      const commits = this.#drop(group!, known!);
      return { ...failed(ERROR.NONE, null), memberId, memberEpoch, commits };
    }
    if (known !== undefined && memberEpoch > known.epoch) {
      return failed(ERROR.FENCED_MEMBER_EPOCH, `the member is at epoch ${known.epoch}`);
    }
    const joined = known ?? this.#join(request);
    if (!(joined instanceof ShareMember)) return joined;
    return this.#beat(this.#groups.get(groupId)!, joined, request);
  }

  #join({ groupId, memberId, subscribedTopicNames }: ShareHeartbeat): ShareMember | ShareHeartbeatOutcome {
    if (subscribedTopicNames === null) return failed(ERROR.INVALID_REQUEST, 'a member joins with its topics');
    const group = this.#groups.get(groupId);
    if (group === undefined && this.#groups.size >= this.#limits.groupsPerNamespaceMax) {
      return failed(ERROR.GROUP_MAX_SIZE_REACHED, 'the cluster has all the groups it may have');
    }
    if ((group?.members.size ?? 0) >= this.#limits.membersPerGroupMax) {
      return failed(ERROR.GROUP_MAX_SIZE_REACHED, 'the group has all the members it may have');
    }
    const member = new ShareMember(memberId);
    this.#groupOf(groupId).members.set(memberId, member);
    this.#cancelSweep ??= this.#runtime.every(SWEEP_PERIOD_MS, () => this.#sweep());
    return member;
  }

  #beat(group: ShareGroup, member: ShareMember, request: ShareHeartbeat): ShareHeartbeatOutcome {
    const { subscribedTopicNames: names, rackId, memberEpoch } = request;
    member.seenMs = this.#runtime.monotonicMs();
    member.clientId = request.clientId;
    member.clientHost = request.clientHost;
    if (rackId !== null) member.rackId = rackId;
    if (names !== null) member.subscribed = [...new Set(names)].sort();
    group.assign((name) => this.#namespace.topics.get(name));
    member.epoch = group.epoch;
    const assigned = group.assignmentOf(member.memberId);
    const commits: Commit[] = [];
    for (const key of assigned) {
      if (group.partitions.has(key)) continue;
      const commit = this.#begin(group, key);
      if (commit !== null) commits.push(commit);
    }
    const told = [...assigned].sort().join();
    const assignment = memberEpoch === JOIN || told !== member.told ? assigned : null;
    member.told = told;
    const { memberId, epoch } = member;
    return { errorCode: ERROR.NONE, errorMessage: null, memberId, memberEpoch: epoch, assignment, commits };
  }

  /** A group begins at a partition's end (share.auto.offset.reset = latest). */
  #begin(group: ShareGroup, key: string): Commit | null {
    const [topicId = '', index] = key.split('/');
    const partition = this.#namespace.topics.byId(topicId)?.partitions[Number(index)];
    if (partition === undefined) return null;
    const begun = new SharePartition(partition.stableOffset);
    group.partitions.set(key, begun);
    return this.save(group, key, begun);
  }

  /** Stores where a group stands. */
  save(group: ShareGroup, key: string, partition: SharePartition): Commit {
    return this.#store.set(JSON.stringify([group.groupId, key]), partition.stored());
  }

  /** What a member holds is free again; its session is over. */
  endSession(group: ShareGroup, member: ShareMember): Commit[] {
    member.session = null;
    const commits: Commit[] = [];
    for (const [key, partition] of group.partitions) {
      if (partition.release((who) => who === member.memberId)) commits.push(this.save(group, key, partition));
    }
    return commits;
  }

  /** Forgets a group nobody is in: null = somebody is. */
  remove(groupId: string): readonly Commit[] | null {
    const group = this.#groups.get(groupId);
    if (group === undefined) return [];
    if (group.members.size > 0) return null;
    this.#groups.delete(groupId);
    return [...group.partitions.keys()].map((key) => this.#store.delete(JSON.stringify([groupId, key])));
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #groupOf(groupId: string): ShareGroup {
    let group = this.#groups.get(groupId);
    if (group === undefined) this.#groups.set(groupId, (group = new ShareGroup(groupId)));
    return group;
  }

  #drop(group: ShareGroup, member: ShareMember): Commit[] {
    group.members.delete(member.memberId);
    const commits = this.endSession(group, member);
    group.assign((name) => this.#namespace.topics.get(name));
    if (group.members.size === 0 && group.partitions.size === 0) this.#groups.delete(group.groupId);
    return commits;
  }

  /** Members that gave no sign of life, locks that ended, topics that are gone. */
  #sweep(): void {
    const nowMs = this.#runtime.monotonicMs();
    for (const group of [...this.#groups.values()]) {
      for (const member of [...group.members.values()]) {
        if (nowMs - member.seenMs > SESSION_TIMEOUT_MS) this.#drop(group, member);
      }
      for (const [key, partition] of group.partitions) {
        if (this.#namespace.topics.byId(key.slice(0, key.indexOf('/'))) === undefined) {
          group.partitions.delete(key);
          this.#store.delete(JSON.stringify([group.groupId, key]));
          partition.wake();
        } else if (partition.release((_, untilMs) => untilMs <= nowMs)) this.save(group, key, partition);
      }
    }
    if (!this.hasMembers) this.close();
  }
}

function failed(errorCode: ErrorCode, errorMessage: string | null): ShareHeartbeatOutcome {
  return { errorCode, errorMessage, memberId: null, memberEpoch: 0, assignment: null, commits: [] };
}
