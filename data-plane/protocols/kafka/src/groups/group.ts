import type { Cancel, Runtime } from '@robustmq/wire';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { KafkaLimits } from '../limits.ts';
import {
  type Abandonable,
  GroupMember,
  type JoinOutcome,
  type JoinRequest,
  NO_ASSIGNMENT,
  type OnJoined,
  type OnSynced,
} from './group-member.ts';
import { type StoredGroup, storedMember, subscribedTopics } from './stored-group.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

/** How long the first generation of a group waits for more members, so that a fleet that starts together joins once. */
const INITIAL_REBALANCE_DELAY_MS = 150;
const CLIENT_ID_IN_MEMBER_ID_MAX = 128;
const NO_GENERATION = -1;

/** Who speaks, as every request but JoinGroup says it. */
export interface MemberClaim {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
}

/**
 * One consumer group: members, generation, state. Invariants: a generation has one protocol all its members support and
 * one leader among them; assignments belong to exactly one generation; who waits is answered exactly once.
 */
export class Group {
  readonly groupId: string;
  state: GroupState = 'Empty';
  generationId = 0;
  protocolType: string | null = null;
  protocolName: string | null = null;
  leaderId: string | null = null;
  readonly members = new Map<string, GroupMember>();
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  /** Static members: instance id → member id (KIP-345). */
  readonly #instances = new Map<string, string>();
  /** Ids given out by MEMBER_ID_REQUIRED and not used yet → monotonic time at which they lapse. */
  readonly #promised = new Map<string, number>();
  #cancelDeadline: Cancel | null = null;
  /** The first generation is still gathering. */
  #gathering = false;

  /** Told of each stable generation and of each change of its members: time to store it. */
  readonly #onStable: (group: Group) => void;

  constructor(groupId: string, runtime: Runtime, limits: KafkaLimits, onStable: (group: Group) => void) {
    this.groupId = groupId;
    this.#onStable = onStable;
    this.#runtime = runtime;
    this.#limits = limits;
  }

  /** What `restore` takes, null when there is no stable generation. */
  get stored(): StoredGroup | null {
    const { generationId, protocolType, protocolName, leaderId } = this;
    if (this.state !== 'Stable' || protocolType === null || protocolName === null || leaderId === null) return null;
    const members = [...this.members.values()].map(storedMember);
    return { generationId, protocolType, protocolName, leaderId, members };
  }

  /** Goes on with a generation of before a restart: its members heartbeat on without a rebalance. */
  restore(stored: StoredGroup): void {
    this.generationId = stored.generationId;
    this.protocolType = stored.protocolType;
    this.protocolName = stored.protocolName;
    this.leaderId = stored.leaderId;
    this.state = 'Stable';
    for (const one of stored.members) {
      const member = new GroupMember(one.memberId, one.instanceId);
      member.clientId = one.clientId;
      member.clientHost = one.clientHost;
      member.sessionTimeoutMs = one.sessionTimeoutMs;
      member.rebalanceTimeoutMs = one.rebalanceTimeoutMs;
      member.protocols = one.protocols.map(([name, bytes]) => ({ name, metadata: Buffer.from(bytes, 'base64') }));
      member.metadataBytes = member.protocols.reduce((sum, { metadata }) => sum + metadata.length, 0);
      member.assignment = Buffer.from(one.assignment, 'base64');
      member.seenMs = this.#runtime.monotonicMs();
      this.members.set(member.memberId, member);
      if (member.instanceId !== null) this.#instances.set(member.instanceId, member.memberId);
    }
  }

  /** Whether a member reads the topic, as far as its metadata tells. */
  subscribes(topic: string): boolean {
    for (const member of this.members.values()) {
      if (subscribedTopics(member.metadataOf(this.protocolName)).includes(topic)) return true;
    }
    return false;
  }

  /** Nobody is in it and nobody is about to join. */
  get vacant(): boolean {
    return this.members.size === 0 && this.#promised.size === 0;
  }

  join(request: JoinRequest, answer: OnJoined, call: Abandonable): void {
    const errorCode = this.#checkJoin(request);
    if (errorCode !== ERROR.NONE) return answer(joinFailure(errorCode, request.memberId));
    const { memberId, groupInstanceId } = request;
    if (memberId === '') {
      if (groupInstanceId !== null && this.#instances.has(groupInstanceId)) {
        return this.#replaceStatic(request, groupInstanceId, answer, call);
      }
      const newId = this.#newMemberId(groupInstanceId ?? request.clientId);
      if (request.memberIdRequired) {
        this.#promised.set(newId, this.#runtime.monotonicMs() + request.sessionTimeoutMs);
        return answer(joinFailure(ERROR.MEMBER_ID_REQUIRED, newId));
      }
      return this.#add(newId, request, answer, call);
    }
    if (this.#promised.delete(memberId)) return this.#add(memberId, request, answer, call);
    const member = this.#find(request);
    if (typeof member === 'number') return answer(joinFailure(member, memberId));
    this.#rejoin(member, request, answer, call);
  }

  sync(
    request: MemberClaim & {
      readonly protocolType: string | null;
      readonly protocolName: string | null;
      readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
    },
    answer: OnSynced,
    call: Abandonable,
  ): void {
    const refuse = (errorCode: ErrorCode): void =>
      answer({ errorCode, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT });
    const member = this.#claimed(request);
    if (typeof member === 'number') return refuse(member);
    const { protocolType, protocolName } = request;
    if (
      (protocolType !== null && protocolType !== this.protocolType) ||
      (protocolName !== null && protocolName !== this.protocolName)
    ) {
      return refuse(ERROR.INCONSISTENT_GROUP_PROTOCOL);
    }
    member.seenMs = this.#runtime.monotonicMs();
    if (this.state === 'PreparingRebalance') return refuse(ERROR.REBALANCE_IN_PROGRESS);
    if (this.state === 'Stable') return answer(this.#synced(member));
    const sizeBytes = request.assignments.reduce((sum, { assignment }) => sum + assignment.length, 0);
    if (sizeBytes > this.#limits.groupSizeBytesMax) return refuse(ERROR.GROUP_MAX_SIZE_REACHED);
    member.onSynced = answer;
    call.onAbandoned = () => {
      if (member.onSynced === answer) member.onSynced = null;
    };
    if (member.memberId === this.leaderId) this.#assign(request.assignments);
  }

  heartbeat(claim: MemberClaim): ErrorCode {
    const member = this.#claimed(claim);
    if (typeof member === 'number') return member;
    member.seenMs = this.#runtime.monotonicMs();
    return this.state === 'PreparingRebalance' ? ERROR.REBALANCE_IN_PROGRESS : ERROR.NONE;
  }

  leave(memberId: string, instanceId: string | null): ErrorCode {
    if (instanceId === null && this.#promised.delete(memberId)) {
      this.#completeIfGathered();
      return ERROR.NONE;
    }
    const id = instanceId !== null && memberId === '' ? (this.#instances.get(instanceId) ?? '') : memberId;
    const member = this.#find({ memberId: id, groupInstanceId: instanceId });
    if (typeof member === 'number') return member;
    this.#remove(member);
    return ERROR.NONE;
  }

  /** Whether a member of this generation may commit offsets (KIP-98 style fencing by generation). */
  mayCommit(claim: MemberClaim): ErrorCode {
    // an assigned-by-hand consumer or an admin tool commits without membership; only into a group nobody is in
    if (claim.generationId < 0 && this.members.size === 0) return ERROR.NONE;
    const member = this.#claimed(claim);
    if (typeof member === 'number') return member;
    if (this.state === 'CompletingRebalance') return ERROR.REBALANCE_IN_PROGRESS;
    member.seenMs = this.#runtime.monotonicMs();
    return ERROR.NONE;
  }

  /** Removes members that gave no sign of life for their session timeout. */
  expire(nowMs: number): void {
    for (const [memberId, lapsesMs] of this.#promised) if (lapsesMs <= nowMs) this.#promised.delete(memberId);
    for (const member of [...this.members.values()]) {
      const waiting = member.onJoined !== null || member.onSynced !== null;
      if (!waiting && nowMs - member.seenMs > member.sessionTimeoutMs) this.#remove(member);
    }
    this.#completeIfGathered();
  }

  /** Answers everybody who waits; nothing happens after it. */
  close(): void {
    this.#cancelDeadline?.();
    this.state = 'Dead';
    for (const member of this.members.values()) {
      member.answerJoin(joinFailure(ERROR.COORDINATOR_NOT_AVAILABLE, member.memberId));
      this.#answerSyncFailure(member, ERROR.COORDINATOR_NOT_AVAILABLE);
    }
    this.members.clear();
  }

  #checkJoin(request: JoinRequest): ErrorCode {
    const { members } = this;
    const limits = this.#limits;
    const known = members.has(request.memberId);
    if (members.size > 0) {
      const others = [...members.values()].filter((member) => member.memberId !== request.memberId);
      const shared = request.protocols.some(({ name }) => others.every((member) => member.supports(name)));
      if (request.protocolType !== this.protocolType || !shared) return ERROR.INCONSISTENT_GROUP_PROTOCOL;
    }
    if (!known && members.size + this.#promised.size >= limits.membersPerGroupMax) {
      const reserved = this.#promised.has(request.memberId) || this.#instances.has(request.groupInstanceId ?? '');
      if (!reserved) return ERROR.GROUP_MAX_SIZE_REACHED;
    }
    let sizeBytes = request.protocols.reduce((sum, { metadata }) => sum + metadata.length, 0);
    for (const member of members.values()) sizeBytes += member.metadataBytes + member.assignment.length;
    return sizeBytes > limits.groupSizeBytesMax ? ERROR.GROUP_MAX_SIZE_REACHED : ERROR.NONE;
  }

  #newMemberId(prefix: string): string {
    return `${prefix.slice(0, CLIENT_ID_IN_MEMBER_ID_MAX)}-${this.#runtime.randomBytes(16).toString('hex')}`;
  }

  /** The member a request names; fenced when its instance id belongs to a newer member id. */
  #find(claim: { readonly memberId: string; readonly groupInstanceId: string | null }): GroupMember | ErrorCode {
    if (claim.groupInstanceId !== null) {
      const current = this.#instances.get(claim.groupInstanceId);
      if (current === undefined) return ERROR.UNKNOWN_MEMBER_ID;
      if (current !== claim.memberId) return ERROR.FENCED_INSTANCE_ID;
    }
    return this.members.get(claim.memberId) ?? ERROR.UNKNOWN_MEMBER_ID;
  }

  /** As `#find`, and of the current generation. */
  #claimed(claim: MemberClaim): GroupMember | ErrorCode {
    const member = this.#find(claim);
    if (typeof member === 'number') return member;
    return claim.generationId === this.generationId ? member : ERROR.ILLEGAL_GENERATION;
  }

  #add(memberId: string, request: JoinRequest, answer: OnJoined, call: Abandonable): void {
    const member = new GroupMember(memberId, request.groupInstanceId);
    if (this.members.size === 0) this.protocolType = request.protocolType;
    this.members.set(memberId, member);
    if (member.instanceId !== null) this.#instances.set(member.instanceId, memberId);
    this.#await(member, request, answer, call);
    this.#prepare();
  }

  /** Records a JoinGroup that is answered when the group has gathered. */
  #await(member: GroupMember, request: JoinRequest, answer: OnJoined, call: Abandonable): void {
    member.update(request);
    member.seenMs = this.#runtime.monotonicMs();
    member.onJoined = answer;
    call.onAbandoned = () => {
      if (member.onJoined === answer) member.onJoined = null;
    };
  }

  #rejoin(member: GroupMember, request: JoinRequest, answer: OnJoined, call: Abandonable): void {
    member.seenMs = this.#runtime.monotonicMs();
    const same = member.sameProtocols(request);
    const leads = member.memberId === this.leaderId;
    // a repeat by a client that missed the answer changes nothing; in Stable the leader rejoins to rebalance
    if (same && (this.state === 'CompletingRebalance' || (this.state === 'Stable' && !leads))) {
      return answer(this.#joined(member));
    }
    this.#await(member, request, answer, call);
    this.#prepare();
  }

  /** A static member is back under its instance id: it gets a new member id, the old one is fenced (KIP-345). */
  #replaceStatic(request: JoinRequest, instanceId: string, answer: OnJoined, call: Abandonable): void {
    const old = this.members.get(this.#instances.get(instanceId)!)!;
    const memberId = this.#newMemberId(instanceId);
    const member = new GroupMember(memberId, instanceId);
    member.assignment = old.assignment;
    this.members.delete(old.memberId);
    this.members.set(memberId, member);
    this.#instances.set(instanceId, memberId);
    old.answerJoin(joinFailure(ERROR.FENCED_INSTANCE_ID, old.memberId));
    this.#answerSyncFailure(old, ERROR.FENCED_INSTANCE_ID);
    const led = this.leaderId === old.memberId;
    const unchanged = old.sameProtocols(request);
    if (led) this.leaderId = memberId;
    this.#await(member, request, answer, call);
    if (this.state !== 'Stable' || !unchanged) return this.#prepare();
    // nothing changed for the group: same generation, no rebalance
    this.#onStable(this);
    const told = this.#joined(member);
    if (!led) return member.answerJoin(told);
    // a leader that cannot skip the assignment must not think it leads, else it would assign anew
    if (!request.skipsAssignment) return member.answerJoin({ ...told, leader: old.memberId, members: [] });
    member.answerJoin({ ...told, skipAssignment: true });
  }

  #remove(member: GroupMember): void {
    this.members.delete(member.memberId);
    if (member.instanceId !== null && this.#instances.get(member.instanceId) === member.memberId) {
      this.#instances.delete(member.instanceId);
    }
    if (this.leaderId === member.memberId) this.leaderId = null;
    member.answerJoin(joinFailure(ERROR.UNKNOWN_MEMBER_ID, member.memberId));
    this.#answerSyncFailure(member, ERROR.UNKNOWN_MEMBER_ID);
    if (this.state === 'PreparingRebalance') this.#completeIfGathered();
    else if (this.state === 'Stable' || this.state === 'CompletingRebalance') this.#prepare();
  }

  /** Begins (or goes on) gathering for the next generation. */
  #prepare(): void {
    if (this.state === 'PreparingRebalance') return this.#completeIfGathered();
    for (const member of this.members.values()) this.#answerSyncFailure(member, ERROR.REBALANCE_IN_PROGRESS);
    this.#gathering = this.state === 'Empty';
    this.state = 'PreparingRebalance';
    this.#deadline(this.#gathering ? INITIAL_REBALANCE_DELAY_MS : this.#rebalanceTimeoutMs(), () => {
      const first = this.#gathering;
      this.#gathering = false;
      if (!first) return this.#complete();
      this.#deadline(this.#rebalanceTimeoutMs(), () => this.#complete());
      this.#completeIfGathered();
    });
    this.#completeIfGathered();
  }

  #rebalanceTimeoutMs(): number {
    let longestMs = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) longestMs = Math.max(longestMs, rebalanceTimeoutMs);
    return Math.min(longestMs, this.#limits.rebalanceTimeoutMsMax);
  }

  #deadline(delayMs: number, run: () => void): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#runtime.after(delayMs, run);
  }

  #completeIfGathered(): void {
    if (this.state !== 'PreparingRebalance' || this.#gathering || this.#promised.size > 0) return;
    for (const member of this.members.values()) if (member.onJoined === null) return;
    this.#complete();
  }

  /** Ends the gathering: who has not rejoined is out, unless it is static and its session goes on. */
  #complete(): void {
    for (const member of [...this.members.values()]) {
      if (member.onJoined !== null || member.instanceId !== null) continue;
      this.members.delete(member.memberId);
      if (this.leaderId === member.memberId) this.leaderId = null;
    }
    this.generationId++;
    this.#cancelDeadline?.();
    if (this.members.size === 0) {
      this.state = 'Empty';
      this.protocolName = this.leaderId = null;
      return;
    }
    const present = [...this.members.values()].filter((member) => member.onJoined !== null);
    if (present.length === 0) {
      this.generationId--;
      return this.#deadline(this.#rebalanceTimeoutMs(), () => this.#complete());
    }
    this.state = 'CompletingRebalance';
    this.protocolName = this.#electProtocol();
    const leader = this.leaderId === null ? undefined : this.members.get(this.leaderId);
    this.leaderId = leader?.onJoined ? leader.memberId : present[0]!.memberId;
    const nowMs = this.#runtime.monotonicMs();
    for (const member of this.members.values()) {
      member.seenMs = nowMs;
      member.assignment = NO_ASSIGNMENT;
    }
    // a leader that never assigns must not hold the others for ever
    this.#deadline(this.#rebalanceTimeoutMs(), () => this.#removeUnsynced());
    for (const member of present) member.answerJoin(this.#joined(member));
  }

  #removeUnsynced(): void {
    for (const member of [...this.members.values()]) if (member.onSynced === null) this.#remove(member);
  }

  /** Among the protocols all members support, the one most members like best. */
  #electProtocol(): string {
    const members = [...this.members.values()];
    const votes = new Map<string, number>();
    for (const member of members) {
      const vote = member.protocols.find(({ name }) => members.every((other) => other.supports(name)));
      if (vote !== undefined) votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
    }
    let elected = '';
    let most = 0;
    for (const [name, count] of votes) if (count > most) [elected, most] = [name, count];
    return elected;
  }

  #joined(member: GroupMember): JoinOutcome {
    const leads = member.memberId === this.leaderId;
    return {
      errorCode: ERROR.NONE,
      generationId: this.generationId,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leader: this.leaderId ?? '',
      skipAssignment: false,
      memberId: member.memberId,
      members: leads
        ? [...this.members.values()].map((other) => ({
            memberId: other.memberId,
            groupInstanceId: other.instanceId,
            metadata: other.metadataOf(this.protocolName),
          }))
        : [],
    };
  }

  #synced(member: GroupMember) {
    const { protocolType, protocolName } = this;
    return { errorCode: ERROR.NONE, protocolType, protocolName, assignment: member.assignment };
  }

  #answerSyncFailure(member: GroupMember, errorCode: ErrorCode): void {
    member.answerSync({ errorCode, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT });
  }

  /** The leader's word: members it does not name get nothing. */
  #assign(assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[]): void {
    for (const { memberId, assignment } of assignments) {
      const member = this.members.get(memberId);
      if (member !== undefined) member.assignment = Buffer.from(assignment);
    }
    this.state = 'Stable';
    this.#cancelDeadline?.();
    const nowMs = this.#runtime.monotonicMs();
    for (const member of this.members.values()) {
      if (member.onSynced !== null) member.seenMs = nowMs;
      member.answerSync(this.#synced(member));
    }
    this.#onStable(this);
  }
}

/** A JoinGroup answer that carries an error. */
export function joinFailure(errorCode: ErrorCode, memberId: string): JoinOutcome {
  return {
    errorCode,
    generationId: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}
