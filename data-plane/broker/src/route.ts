import { fnv1a } from '@robustmq/wire';
import type { Protocol, SubscribeOptions } from './broker-types.ts';
import type { QoS } from './message.ts';
import type { BrokerSession } from './session.ts';
import { SharedGroup, type Subscription, type SubscriptionIndex } from './subscription.ts';
import { isTopicNameBytes } from './topic-name.ts';
import type { StoredPartition } from './stored-topic.ts';
import type { UsageShare } from './usage-shares.ts';

/** Slots of a namespace's route cache: where it begins, and where growth ends. */
const SLOTS_MIN = 64;
const SLOTS_MAX = 65_536;

/** One session's share of a route: all its matching subscriptions in one (MQTT 5 §3.3.4, overlapping subscriptions). */
export interface Target {
  readonly session: BrokerSession;
  /** The highest granted. */
  readonly qos: QoS;
  readonly retainAsPublished: boolean;
  readonly subscriptionIds: readonly number[] | null;
  /** Some subscription asks for no messages of its own session: what is left then; null = nothing. */
  readonly own: Target | null;
  readonly hasNoLocal: boolean;
}

/** A name that means something else: another one, a time to wait, or the broker's own. */
export type Detour =
  { readonly kind: 'rewritten'; readonly topic: string } | { readonly kind: 'delayed' } | { readonly kind: 'system' };

/** What a route is made of besides the subscriptions. */
export interface RouteMaker {
  capture(topic: string, topicBytes: Buffer): StoredPartition | null;
  detour(topic: string): Detour | null;
  /** Whether the ACL may refuse anybody anything; a change makes all routes anew. */
  isGuarded(): boolean;
}

/** Where messages of one topic name go. */
export class Route {
  readonly topic: string;
  readonly topicBytes: Buffer;
  readonly hash: number;
  readonly epochSlot: number;
  readonly epoch: number;
  /** The partition that captures them. */
  readonly partition: StoredPartition | null;
  readonly targets: readonly Target[];
  readonly groups: readonly SharedGroup[];
  /** What happens to a message instead of being delivered under this name; null = nothing special. */
  readonly detour: Detour | null;
  /** Publishing may be refused or mean something else: look closer. */
  readonly isGuarded: boolean;
  /** Where its messages are counted by topic, for the protocol that published last; null until somebody did. */
  share: UsageShare | null = null;
  shareProtocol: Protocol = 'mqtt';

  constructor(topicBytes: Buffer, hash: number, maker: RouteMaker, index: SubscriptionIndex) {
    this.topic = topicBytes.toString('utf8');
    this.topicBytes = topicBytes;
    this.hash = hash;
    this.epochSlot = index.epochSlot(this.topic);
    this.epoch = index.epochAt(this.epochSlot);
    this.detour = maker.detour(this.topic);
    this.isGuarded = this.detour !== null || maker.isGuarded();
    this.partition = this.detour === null ? maker.capture(this.topic, topicBytes) : null;
    const found: (Subscription | SharedGroup)[] = [];
    index.match(this.topic, found);
    const groups: SharedGroup[] = [];
    const bySession = new Map<BrokerSession, Subscription[]>();
    for (const one of found) {
      if (one instanceof SharedGroup) groups.push(one);
      else if (one.session.mayRead(this.topic)) {
        const list = bySession.get(one.session);
        if (list === undefined) bySession.set(one.session, [one]);
        else list.push(one);
      }
    }
    this.groups = groups;
    this.targets = [...bySession.values()].map((subscriptions) => toTarget(subscriptions)!);
  }
}

/** The target of a subscription alone. */
export function soloTarget(session: BrokerSession, options: SubscribeOptions): Target {
  const { qos, retainAsPublished, subscriptionId, noLocal } = options;
  const subscriptionIds = subscriptionId === null ? null : [subscriptionId];
  return { session, qos, retainAsPublished, subscriptionIds, own: null, hasNoLocal: noLocal };
}

/** One target of subscriptions of one session; null when there are none. */
function toTarget(subscriptions: readonly Subscription[]): Target | null {
  const [first] = subscriptions;
  if (first === undefined) return null;
  if (subscriptions.length === 1) return first.solo;
  let qos: QoS = 0;
  let retainAsPublished = false;
  const ids: number[] = [];
  for (const { options } of subscriptions) {
    if (options.qos > qos) qos = options.qos;
    retainAsPublished ||= options.retainAsPublished;
    if (options.subscriptionId !== null) ids.push(options.subscriptionId);
  }
  const local = subscriptions.filter(({ options }) => !options.noLocal);
  const hasNoLocal = local.length < subscriptions.length;
  return {
    session: first.session,
    qos,
    retainAsPublished,
    subscriptionIds: ids.length === 0 ? null : ids,
    own: hasNoLocal ? toTarget(local) : null,
    hasNoLocal,
  };
}

/**
 * Routes by the bytes of the topic name: direct-mapped, compared on a hit, checked against the epoch. Grows while topics
 * push each other out.
 */
export class RouteCache {
  #slots: (Route | null)[] = new Array<Route | null>(SLOTS_MIN).fill(null);
  #conflicts = 0;
  readonly #index: SubscriptionIndex;
  readonly #maker: RouteMaker;

  constructor(index: SubscriptionIndex, maker: RouteMaker) {
    this.#index = index;
    this.#maker = maker;
  }

  /** The route of the topic name in `[start, end)`; null when that is no topic name. */
  lookup(data: Buffer, start: number, end: number): Route | null {
    const hash = fnv1a(data, start, end);
    const slots = this.#slots;
    const slot = hash & (slots.length - 1);
    const cached = slots[slot]!;
    if (cached !== null && cached.hash === hash && isSame(cached.topicBytes, data, start, end)) {
      if (cached.epoch === this.#index.epochAt(cached.epochSlot)) return cached;
    } else {
      if (!isTopicNameBytes(data.subarray(start, end))) return null;
      if (cached !== null && ++this.#conflicts > slots.length / 4) this.#grow();
    }
    const topicBytes = Buffer.allocUnsafeSlow(end - start);
    data.copy(topicBytes, 0, start, end);
    const route = new Route(topicBytes, hash, this.#maker, this.#index);
    this.#slots[hash & (this.#slots.length - 1)] = route;
    return route;
  }

  #grow(): void {
    this.#conflicts = 0;
    if (this.#slots.length >= SLOTS_MAX) return;
    const grown = new Array<Route | null>(this.#slots.length * 4).fill(null);
    for (const route of this.#slots) if (route !== null) grown[route.hash & (grown.length - 1)] = route;
    this.#slots = grown;
  }
}

function isSame(topic: Buffer, data: Buffer, start: number, end: number): boolean {
  if (topic.length !== end - start) return false;
  for (let i = topic.length - 1; i >= 0; i--) if (topic[i] !== data[start + i]) return false;
  return true;
}
