/** A member as an assignor sees it. Partitions are `topicId/index`. */
export interface AssignedMember {
  readonly memberId: string;
  /** Ids of the topics it is subscribed to. */
  readonly topicIds: ReadonlySet<string>;
  /** What the last assignment gave it. */
  readonly owned: ReadonlySet<string>;
}
/** Partitions of a topic that somebody is subscribed to. */
export interface AssignableTopic {
  readonly topicId: string;
  readonly partitions: number;
}
/** Member id → its partitions. Every partition goes to exactly one of the members subscribed to its topic. */
export type Assignment = Map<string, Set<string>>;
export type Assign = (members: readonly AssignedMember[], topics: readonly AssignableTopic[]) => Assignment;

/** `range`: of each topic a run of neighbours to each member, in the order of member ids. */
export const assignRange: Assign = (members, topics) => {
  const out: Assignment = new Map(members.map(({ memberId }) => [memberId, new Set()]));
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  for (const { topicId, partitions } of topics) {
    const subscribers = sorted.filter(({ topicIds }) => topicIds.has(topicId));
    if (subscribers.length === 0) continue;
    const least = Math.floor(partitions / subscribers.length);
    const extra = partitions % subscribers.length;
    let next = 0;
    subscribers.forEach(({ memberId }, i) => {
      const end = next + least + (i < extra ? 1 : 0);
      for (; next < end; next++) out.get(memberId)!.add(`${topicId}/${next}`);
    });
  }
  return out;
};

/**
 * `uniform`: loads that differ as little as subscriptions allow, and who has a partition keeps it as far as that permits.
 * Where all members have the same subscription the loads differ by one at most.
 */
export const assignUniform: Assign = (members, topics) => {
  const out: Assignment = new Map(members.map(({ memberId }) => [memberId, new Set()]));
  const subscribers = new Map(
    topics.map(({ topicId }) => [topicId, members.filter(({ topicIds }) => topicIds.has(topicId))]),
  );
  const total = topics.reduce(
    (sum, { topicId, partitions }) => sum + (subscribers.get(topicId)!.length > 0 ? partitions : 0),
    0,
  );
  const least = members.length === 0 ? 0 : Math.floor(total / members.length);
  let extra = members.length === 0 ? 0 : total % members.length;
  const owners = ownersOf(members);
  const left: string[] = [];
  const held: string[] = [];
  for (const { topicId, partitions } of topics) {
    for (let index = 0; index < partitions; index++) {
      const partition = `${topicId}/${index}`;
      const owner = owners.get(partition);
      if (owner?.topicIds.has(topicId) !== true) left.push(partition);
      else if (out.get(owner.memberId)!.size < least) out.get(owner.memberId)!.add(partition);
      else held.push(partition);
    }
  }
  for (const partition of held) {
    const mine = out.get(owners.get(partition)!.memberId)!;
    if (mine.size === least && extra > 0) {
      extra--;
      mine.add(partition);
    } else left.push(partition);
  }
  for (const partition of left) {
    const candidates = subscribers.get(partition.slice(0, partition.lastIndexOf('/')))!;
    let lightest: Set<string> | null = null;
    for (const { memberId } of candidates) {
      const mine = out.get(memberId)!;
      if (lightest === null || mine.size < lightest.size) lightest = mine;
    }
    lightest?.add(partition);
  }
  return out;
};

function ownersOf(members: readonly AssignedMember[]): Map<string, AssignedMember> {
  const owners = new Map<string, AssignedMember>();
  for (const member of members) for (const partition of member.owned) owners.set(partition, member);
  return owners;
}

/** By the name clients ask for; the first is the default. */
export const ASSIGNORS: Readonly<Record<string, Assign>> = { uniform: assignUniform, range: assignRange };
export const DEFAULT_ASSIGNOR = 'uniform';
