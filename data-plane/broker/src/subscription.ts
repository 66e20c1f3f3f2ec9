import { fnv1a } from '@robustmq/wire';
import type { SharedStrategy } from '@robustmq/meta';
import type { SubscribeOptions } from './broker-types.ts';
import { FilterTrie } from './filter-trie.ts';
import type { Target } from './route.ts';
import type { BrokerSession } from './session.ts';

/** One subscription of one session. */
export interface Subscription {
  readonly session: BrokerSession;
  /** The filter without `$share/<group>/`. */
  readonly filter: string;
  readonly group: SharedGroup | null;
  readonly isExclusive: boolean;
  readonly options: SubscribeOptions;
  /** What a route holds of it when the session has no other that matches. */
  readonly solo: Target;
}

/** `$share/<name>/<filter>`: each message goes to one member (MQTT 5 §4.8.2). `$queue/<filter>` is the one without name. */
export class SharedGroup {
  readonly name: string;
  readonly filter: string;
  readonly members: Subscription[] = [];
  #turn = 0;
  /** Whom `sticky` goes to. */
  #stuck: Subscription | null = null;

  constructor(name: string, filter: string) {
    this.name = name;
    this.filter = filter;
  }

  /** `nextMember('round-robin', …)` where all may read everything: nearly always, and once per run. */
  nextInTurn(): Subscription | null {
    const { members } = this;
    const count = members.length;
    for (let i = 0, at = this.#turn % count; i < count; i++, at = at + 1 === count ? 0 : at + 1) {
      const member = members[at]!;
      if (member.session.receiver === null) continue;
      this.#turn = at + 1;
      return member;
    }
    return null;
  }
  /**
   * The member online that gets the next message, chosen as the strategy says; null when none is. `number`: the hash that
   * `hash-…` goes by, or a random one. `topic`: members that may not read it are passed over; null = all may.
   */
  nextMember(strategy: SharedStrategy, number: number, topic: string | null): Subscription | null {
    const { members } = this;
    const count = members.length;
    if (strategy === 'sticky' && this.#stuck !== null && isEligible(this.#stuck, topic)) return this.#stuck;
    const inTurn = strategy === 'round-robin' || strategy === 'sticky';
    const start = inTurn ? this.#turn : number % Math.max(1, count);
    for (let i = 0; i < count; i++) {
      const at = (start + i) % count;
      const member = members[at]!;
      if (!isEligible(member, topic)) continue;
      if (inTurn) this.#turn = (at + 1) % count;
      if (strategy === 'sticky') this.#stuck = member;
      return member;
    }
    return null;
  }
  /** A member left. */
  left(member: Subscription): void {
    const at = this.members.indexOf(member);
    if (at >= 0) this.members.splice(at, 1);
    if (this.#stuck === member) this.#stuck = null;
  }
}

function isEligible({ session }: Subscription, topic: string | null): boolean {
  return session.receiver !== null && (topic === null || session.mayRead(topic));
}

const EPOCH_SLOTS = 256;

/**
 * All subscriptions of a namespace by filter, and the epochs that tell cached routes that they are out of date: one per
 * hash of the first level, so churn under `a/…` leaves routes under `b/…` alone; filters that begin with a wildcard, and
 * topics, move them all.
 */
export class SubscriptionIndex {
  readonly #trie = new FilterTrie<Subscription | SharedGroup>();
  readonly #groups = new Map<string, SharedGroup>();
  /** Who has `$exclusive/<filter>`. */
  readonly exclusive = new Map<string, Subscription>();
  readonly #epochs = new Float64Array(EPOCH_SLOTS);
  #epochOfAll = 0;
  #count = 0;

  get isEmpty(): boolean {
    return this.#trie.size === 0;
  }
  /** The group of `$share/<name>/<filter>`, made when it is absent. */
  group(name: string, filter: string): SharedGroup {
    const key = `${name}/${filter}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new SharedGroup(name, filter);
      this.#groups.set(key, group);
      this.#trie.add(filter, group);
    }
    return group;
  }
  add(subscription: Subscription): void {
    this.#count++;
    if (subscription.isExclusive) this.exclusive.set(subscription.filter, subscription);
    if (subscription.group !== null) subscription.group.members.push(subscription);
    else this.#trie.add(subscription.filter, subscription);
    this.#changed(subscription.filter);
  }
  remove(subscription: Subscription): void {
    const { group, filter } = subscription;
    this.#count--;
    if (this.exclusive.get(filter) === subscription) this.exclusive.delete(filter);
    if (group === null) this.#trie.remove(filter, subscription);
    else {
      group.left(subscription);
      if (group.members.length === 0) {
        this.#trie.remove(filter, group);
        this.#groups.delete(`${group.name}/${filter}`);
      }
    }
    this.#changed(filter);
  }
  /** Every shared group that has a member. */
  groups(): Iterable<SharedGroup> {
    return this.#groups.values();
  }
  /** Subscriptions of all sessions, members of groups included. */
  get count(): number {
    return this.#count;
  }
  match(topic: string, found: (Subscription | SharedGroup)[]): void {
    this.#trie.match(topic, found);
  }
  mayMatchFirstLevel(level: string): boolean {
    return this.#trie.mayMatchFirstLevel(level);
  }

  /** Which epoch slot a topic name belongs to. */
  epochSlot(topic: string): number {
    const slash = topic.indexOf('/');
    return slotOf(slash < 0 ? topic : topic.slice(0, slash));
  }
  /** Grows whenever a route in that slot may have changed. */
  epochAt(slot: number): number {
    return this.#epochOfAll + this.#epochs[slot]!;
  }
  /** Topics or bindings changed: every route is out of date. */
  invalidateAll(): void {
    this.#epochOfAll++;
  }

  #changed(filter: string): void {
    const slash = filter.indexOf('/');
    const first = slash < 0 ? filter : filter.slice(0, slash);
    if (first === '+' || first === '#') this.#epochOfAll++;
    else this.#epochs[slotOf(first)]!++;
  }
}

function slotOf(firstLevel: string): number {
  return fnv1a(Buffer.from(firstLevel)) % EPOCH_SLOTS;
}
