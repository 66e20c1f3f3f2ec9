import { fnv1a } from '@robustmq/wire';
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
  readonly options: SubscribeOptions;
  /** What a route holds of it when the session has no other that matches. */
  readonly solo: Target;
}

/** `$share/<name>/<filter>`: each message goes to one member (MQTT 5 §4.8.2). */
export class SharedGroup {
  readonly name: string;
  readonly filter: string;
  readonly members: Subscription[] = [];
  #turn = 0;

  constructor(name: string, filter: string) {
    this.name = name;
    this.filter = filter;
  }

  /** The next member in turn that is online, else the next that has an inbox; null when there is neither. */
  nextMember(): Subscription | null {
    const count = this.members.length;
    let offline: Subscription | null = null;
    for (let i = 0; i < count; i++) {
      const member = this.members[(this.#turn + i) % count]!;
      if (member.session.receiver !== null) {
        this.#turn = (this.#turn + i + 1) % count;
        return member;
      }
      if (offline === null && member.session.inbox !== null) offline = member;
    }
    if (offline !== null) this.#turn = (this.members.indexOf(offline) + 1) % count;
    return offline;
  }
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
  readonly #epochs = new Float64Array(EPOCH_SLOTS);
  #epochOfAll = 0;

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
    if (subscription.group !== null) subscription.group.members.push(subscription);
    else this.#trie.add(subscription.filter, subscription);
    this.#changed(subscription.filter);
  }
  remove(subscription: Subscription): void {
    const { group, filter } = subscription;
    if (group === null) this.#trie.remove(filter, subscription);
    else {
      const at = group.members.indexOf(subscription);
      if (at >= 0) group.members.splice(at, 1);
      if (group.members.length === 0) {
        this.#trie.remove(filter, group);
        this.#groups.delete(`${group.name}/${filter}`);
      }
    }
    this.#changed(filter);
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
