import type { KeyedStore, Namespace } from '@robustmq/broker';
import type { Cancel, Runtime } from '@robustmq/wire';
import { ERROR, type ErrorCode } from '../errors.ts';
import type { KafkaLimits } from '../limits.ts';
import { Group, type GroupState, joinFailure, type MemberClaim } from './group.ts';
import type { StoredGroup } from './stored-group.ts';
import { type Abandonable, type JoinRequest, NO_ASSIGNMENT, type OnJoined, type OnSynced } from './group-member.ts';

const KIND = 'kafka-groups';
const EXPIRY_PERIOD_MS = 500;
/** Committed offsets do not keep the type; everything that commits is a consumer. */
const OFFSETS_PROTOCOL_TYPE = 'consumer';

/** A group as DescribeGroups shows it. */
export interface DescribedGroup {
  readonly groupId: string;
  readonly groupState: GroupState;
  readonly protocolType: string;
  readonly protocolData: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly memberMetadata: Buffer;
    readonly memberAssignment: Buffer;
  }[];
}

/**
 * The groups of one namespace. Membership lives in memory (a restart makes every group rejoin); committed offsets are
 * the namespace's. A group without members is forgotten at once.
 */
export class GroupCoordinator {
  readonly #namespace: Namespace;
  readonly #runtime: Runtime;
  readonly #limits: KafkaLimits;
  readonly #store: KeyedStore;
  readonly #groups = new Map<string, Group>();
  /** Runs only while there are groups. */
  #cancelSweep: Cancel | null = null;

  constructor(namespace: Namespace, runtime: Runtime, limits: KafkaLimits) {
    this.#namespace = namespace;
    this.#runtime = runtime;
    this.#limits = limits;
    this.#store = namespace.keyed(KIND);
    for (const [groupId, value] of [...this.#store.entries()]) this.#restore(groupId, value);
  }

  get hasMembers(): boolean {
    return this.#groups.size > 0;
  }

  hasMembersIn(groupId: string): boolean {
    return this.#groups.has(groupId);
  }
  /** Whether a member of the group reads the topic. */
  subscribes(groupId: string, topic: string): boolean {
    return this.#groups.get(groupId)?.subscribes(topic) ?? false;
  }

  join(request: JoinRequest, answer: OnJoined, call: Abandonable): void {
    const { groupId, memberId, sessionTimeoutMs, protocolType, protocols } = request;
    const { sessionTimeoutMsMin, sessionTimeoutMsMax, groupsPerNamespaceMax } = this.#limits;
    const fail = (errorCode: ErrorCode): void => answer(joinFailure(errorCode, memberId));
    if (!this.#validId(groupId)) return fail(ERROR.INVALID_GROUP_ID);
    if (sessionTimeoutMs < sessionTimeoutMsMin || sessionTimeoutMs > sessionTimeoutMsMax) {
      return fail(ERROR.INVALID_SESSION_TIMEOUT);
    }
    if (protocolType === '' || protocols.length === 0) return fail(ERROR.INCONSISTENT_GROUP_PROTOCOL);
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      if (memberId !== '') return fail(ERROR.UNKNOWN_MEMBER_ID);
      if (this.#groups.size >= groupsPerNamespaceMax) return fail(ERROR.GROUP_MAX_SIZE_REACHED);
      group = this.#make(groupId);
    }
    group.join(request, answer, call);
    this.#forgetIfVacant(group);
  }

  sync(
    request: Parameters<Group['sync']>[0] & { readonly groupId: string },
    answer: OnSynced,
    call: Abandonable,
  ): void {
    const group = this.#groups.get(request.groupId);
    if (group !== undefined) return group.sync(request, answer, call);
    answer({
      errorCode: ERROR.UNKNOWN_MEMBER_ID,
      protocolType: null,
      protocolName: null,
      assignment: NO_ASSIGNMENT,
    });
  }

  heartbeat(request: MemberClaim & { readonly groupId: string }): ErrorCode {
    return this.#groups.get(request.groupId)?.heartbeat(request) ?? ERROR.UNKNOWN_MEMBER_ID;
  }

  leave(groupId: string, memberId: string, instanceId: string | null): ErrorCode {
    const group = this.#groups.get(groupId);
    if (group === undefined) return ERROR.UNKNOWN_MEMBER_ID;
    const errorCode = group.leave(memberId, instanceId);
    this.#forgetIfVacant(group);
    return errorCode;
  }

  mayCommit(groupId: string, memberId: string, groupInstanceId: string | null, generationId: number): ErrorCode {
    if (!this.#validId(groupId)) return ERROR.INVALID_GROUP_ID;
    const group = this.#groups.get(groupId);
    if (group !== undefined) return group.mayCommit({ memberId, groupInstanceId, generationId });
    // without the group every generation is over; a commit outside any generation is for consumers without one
    return generationId < 0 ? ERROR.NONE : ERROR.ILLEGAL_GENERATION;
  }

  mayDelete(groupId: string): ErrorCode {
    if (this.#groups.has(groupId)) return ERROR.NON_EMPTY_GROUP;
    return this.#namespace.offsets.groups().includes(groupId) ? ERROR.NONE : ERROR.GROUP_ID_NOT_FOUND;
  }

  list(): { groupId: string; protocolType: string; groupState: GroupState }[] {
    const listed = [...this.#groups.values()].map(({ groupId, protocolType, state }) => ({
      groupId,
      protocolType: protocolType ?? '',
      groupState: state,
    }));
    for (const groupId of this.#namespace.offsets.groups()) {
      if (this.#groups.has(groupId)) continue;
      listed.push({ groupId, protocolType: OFFSETS_PROTOCOL_TYPE, groupState: 'Empty' });
    }
    return listed;
  }

  /** Groups that have members now. */
  ids(): readonly string[] {
    return [...this.#groups.keys()];
  }

  describe(groupId: string): DescribedGroup {
    const group = this.#groups.get(groupId);
    if (group === undefined) {
      const known = this.#namespace.offsets.groups().includes(groupId);
      return {
        groupId,
        groupState: known ? 'Empty' : 'Dead',
        protocolType: known ? OFFSETS_PROTOCOL_TYPE : '',
        protocolData: '',
        members: [],
      };
    }
    const stable = group.state === 'Stable';
    return {
      groupId,
      groupState: group.state,
      protocolType: group.protocolType ?? '',
      protocolData: stable ? (group.protocolName ?? '') : '',
      members: [...group.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: stable ? member.metadataOf(group.protocolName) : NO_ASSIGNMENT,
        memberAssignment: member.assignment,
      })),
    };
  }

  close(): void {
    this.#stopSweep();
    for (const group of this.#groups.values()) group.close();
    this.#groups.clear();
  }

  #validId(groupId: string): boolean {
    return groupId !== '' && groupId.length <= this.#limits.groupIdLengthMax;
  }

  #make(groupId: string): Group {
    const group = new Group(groupId, this.#runtime, this.#limits, (stable) => this.#save(stable));
    this.#groups.set(groupId, group);
    this.#cancelSweep ??= this.#runtime.every(EXPIRY_PERIOD_MS, () => this.#sweep());
    return group;
  }

  /** Nobody waits for it: a crash before it is stable costs the members a rebalance. */
  #save(group: Group): void {
    const { stored } = group;
    if (stored !== null) this.#store.set(group.groupId, Buffer.from(JSON.stringify(stored)));
  }
  #restore(groupId: string, value: Buffer): void {
    try {
      this.#make(groupId).restore(JSON.parse(value.toString()) as StoredGroup);
    } catch (error) {
      this.#groups.delete(groupId);
      this.#runtime.log.error({ error, group: groupId }, 'kafka: a stored group is damaged');
    }
  }

  #forgetIfVacant(group: Group): void {
    if (!group.vacant) return;
    group.close();
    if (this.#store.get(group.groupId) !== undefined) this.#store.delete(group.groupId);
    this.#groups.delete(group.groupId);
    if (this.#groups.size === 0) this.#stopSweep();
  }

  #stopSweep(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #sweep(): void {
    const nowMs = this.#runtime.monotonicMs();
    for (const group of this.#groups.values()) {
      group.expire(nowMs);
      this.#forgetIfVacant(group);
    }
  }
}
