import { ERROR, type ErrorCode } from '../errors.ts';
import { type AssignableTopic, ASSIGNORS, DEFAULT_ASSIGNOR } from './assignors.ts';

/** States of KIP-848 groups. */
export type ConsumerGroupState = 'Empty' | 'Reconciling' | 'Stable' | 'Dead';

/** One member. Partitions are `topicId/index`. */
export class ConsumerMember {
  readonly memberId: string;
  instanceId: string | null = null;
  rackId: string | null = null;
  clientId = '';
  clientHost = '';
  epoch = 0;
  /** The epoch before, so that a heartbeat whose answer was lost is known. */
  previousEpoch = -1;
  rebalanceTimeoutMs = 0;
  subscribed: readonly string[] = [];
  /** A pattern of topics beside those it names; null = none. */
  pattern: string | null = null;
  /** Topics that match the pattern and that it may see, sorted, as of its last heartbeat but few. */
  matched: readonly string[] = [];
  assignor: string | null = null;
  /** What it may read. */
  assigned = new Set<string>();
  /** What it has been told to give back and has not yet. */
  revoking = new Set<string>();
  /** Left with its instance id and may come back: nobody else gets its partitions. */
  away = false;
  seenMs = 0;
  /** When the revocation under way began, monotonic. */
  revokingSinceMs = 0;
  /** What the last answer told; null = nothing yet. */
  told: string | null = null;

  constructor(memberId: string) {
    this.memberId = memberId;
  }
}

/** Topics by name, as the namespace has them now. */
export type TopicsByName = (name: string) => { readonly idHex: string; readonly partitions: number } | undefined;

/**
 * One group of the new protocol (KIP-848): the server decides who reads what, and each member moves there step by step.
 * Invariant: no partition is with two members; it is given on only after who had it said that it let go, or is gone.
 */
export class ConsumerGroup {
  readonly groupId: string;
  epoch = 0;
  assignorName = DEFAULT_ASSIGNOR;
  readonly members = new Map<string, ConsumerMember>();
  /** Where each member shall get: the assignment of `epoch`. */
  target = new Map<string, Set<string>>();
  /** Topics and partition counts the target was made for. */
  #madeFor = '';

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  get state(): ConsumerGroupState {
    if (this.members.size === 0) return 'Empty';
    for (const member of this.members.values()) {
      if (member.epoch !== this.epoch || member.revoking.size > 0) return 'Reconciling';
      if (!sameSet(member.assigned, this.target.get(member.memberId) ?? NOTHING)) return 'Reconciling';
    }
    return 'Stable';
  }

  byInstance(instanceId: string): ConsumerMember | undefined {
    for (const member of this.members.values()) if (member.instanceId === instanceId) return member;
    return undefined;
  }

  /** Whether the epoch a member says it has is one it can have. */
  checkEpoch(member: ConsumerMember, epoch: number, owned: readonly string[] | null): ErrorCode {
    if (epoch === member.epoch) return ERROR.NONE;
    const repeated = epoch === member.previousEpoch && (owned ?? []).every((one) => member.assigned.has(one));
    return repeated ? ERROR.NONE : ERROR.FENCED_MEMBER_EPOCH;
  }

  /** Makes a new target when members, subscriptions or topics changed; true when it did. */
  retarget(topics: TopicsByName, changed: boolean): boolean {
    const assignable = new Map<string, AssignableTopic>();
    const wanted = [...this.members.values()].map((member) => {
      const topicIds = new Set<string>();
      for (const name of [...member.subscribed, ...member.matched]) {
        const topic = topics(name);
        if (topic === undefined) continue;
        topicIds.add(topic.idHex);
        assignable.set(topic.idHex, { topicId: topic.idHex, partitions: topic.partitions });
      }
      return { memberId: member.memberId, topicIds, owned: this.target.get(member.memberId) ?? NOTHING };
    });
    const list = [...assignable.values()].sort((a, b) => (a.topicId < b.topicId ? -1 : 1));
    const madeFor = list.map(({ topicId, partitions }) => `${topicId}:${partitions}`).join(' ');
    if (!changed && madeFor === this.#madeFor) return false;
    this.#madeFor = madeFor;
    this.assignorName = this.#electAssignor();
    this.target = ASSIGNORS[this.assignorName]!(wanted, list);
    this.epoch++;
    return true;
  }

  /** After a restart: what is stored was made for the topics of then, which are looked at again. */
  restored(epoch: number): void {
    this.epoch = epoch;
    this.target = new Map([...this.members].map(([id, member]) => [id, new Set(member.assigned)]));
  }

  /** Moves a member one step towards its target; true when what it has changed. */
  reconcile(member: ConsumerMember, owned: readonly string[] | null, nowMs: number): boolean {
    const before = `${member.epoch} ${[...member.assigned].join()} ${member.revoking.size}`;
    if (member.revoking.size > 0 && owned !== null && !owned.some((one) => member.revoking.has(one))) {
      member.revoking.clear();
    }
    const target = this.target.get(member.memberId) ?? NOTHING;
    if (member.revoking.size === 0) {
      const surplus = [...member.assigned].filter((one) => !target.has(one));
      if (surplus.length > 0) {
        for (const one of surplus) member.assigned.delete(one);
        // a member that joins has nothing to give back
        if (member.epoch > 0) {
          member.revoking = new Set(surplus);
          member.revokingSinceMs = nowMs;
        }
      }
    }
    if (member.revoking.size === 0) {
      if (member.epoch !== this.epoch) {
        member.previousEpoch = member.epoch;
        member.epoch = this.epoch;
      }
      const taken = this.#takenByOthers(member);
      for (const one of target) if (!taken.has(one)) member.assigned.add(one);
    }
    return before !== `${member.epoch} ${[...member.assigned].join()} ${member.revoking.size}`;
  }

  #takenByOthers(member: ConsumerMember): Set<string> {
    const taken = new Set<string>();
    for (const other of this.members.values()) {
      if (other === member) continue;
      for (const one of other.assigned) taken.add(one);
      for (const one of other.revoking) taken.add(one);
    }
    return taken;
  }

  /** What most members ask for. */
  #electAssignor(): string {
    const votes = new Map<string, number>();
    for (const { assignor } of this.members.values()) {
      if (assignor !== null) votes.set(assignor, (votes.get(assignor) ?? 0) + 1);
    }
    let elected = DEFAULT_ASSIGNOR;
    let most = 0;
    for (const [name, count] of votes) if (count > most) [elected, most] = [name, count];
    return elected;
  }
}

const NOTHING: ReadonlySet<string> & Set<string> = new Set<string>();

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}
