import type { BlacklistEntry } from '@robustmq/meta';
import { AddressSet } from './address-set.ts';
import type { KeyedStore } from './broker-types.ts';

/** Bans the broker imposed itself, of one namespace; the one that ends first makes room. */
const BANS_MAX = 10_000;
/** Client ids, and addresses, whose connects and failures are counted at a time; beyond, nothing new is counted. */
const COUNTED_MAX = 100_000;
/** Wrong proofs within a window that keep out one user from one address, and one address altogether … */
const FAILURES_OF_USER_MAX = 20;
const FAILURES_OF_ADDRESS_MAX = 300;
const FAILURES_WINDOW_MS = 60_000;
/** … for so long. */
const FAILURES_BAN_MS = 60_000;

export type BanKind = BlacklistEntry['kind'] | 'user-at-address';
/** Somebody who is kept out. `untilMs` Infinity = until it is lifted. */
export interface Ban {
  readonly kind: BanKind;
  readonly value: string;
  readonly reason: string;
  readonly untilMs: number;
}
/** What is known of somebody who wants in; null or empty = not known. */
export interface BanSubject {
  readonly remoteAddress: string;
  readonly user: string | null;
  readonly clientId: string | null;
}

/** Counts per key within a window that begins with the key's first count. */
class WindowCounts {
  readonly #counts = new Map<string, { count: number; endsMs: number }>();

  add(key: string, windowMs: number, nowMs: number): number {
    let entry = this.#counts.get(key);
    if (entry === undefined || entry.endsMs <= nowMs) {
      if (entry === undefined && this.#counts.size >= COUNTED_MAX) return 0;
      this.#counts.set(key, (entry = { count: 0, endsMs: nowMs + windowMs }));
    }
    return ++entry.count;
  }
  forget(key: string): void {
    this.#counts.delete(key);
  }
  sweep(nowMs: number): void {
    for (const [key, { endsMs }] of this.#counts) if (endsMs <= nowMs) this.#counts.delete(key);
  }
}

/**
 * Who is kept out of one namespace: the tenant's blacklist, and bans the broker imposed, which survive restarts. Looked at
 * once per connection.
 */
export class Bans {
  readonly #store: KeyedStore;
  readonly #imposed = new Map<string, Ban>();
  readonly #connects = new WindowCounts();
  readonly #failures = new WindowCounts();
  #listed: readonly Ban[] = [];
  #byValue = new Map<string, Ban>();
  /** Lengths of the listed prefixes of client ids; each is in `#byValue`. */
  #prefixLengths: ReadonlySet<number> = new Set();
  #blocks: readonly Ban[] = [];
  #addresses = new AddressSet();
  #blacklist: readonly BlacklistEntry[] = [];
  #allowedBlocks: readonly string[] = [];
  /** Where clients may come from; empty = anywhere. */
  #allowed = new AddressSet();

  constructor(store: KeyedStore) {
    this.#store = store;
    for (const [key, value] of store.entries()) {
      const ban = JSON.parse(value.toString()) as Ban;
      this.#imposed.set(key, ban);
    }
  }

  /** Takes over the tenant's list; returns whether anything changed. */
  apply(blacklist: readonly BlacklistEntry[]): boolean {
    if (JSON.stringify(blacklist) === JSON.stringify(this.#blacklist)) return false;
    this.#blacklist = blacklist;
    this.#listed = blacklist.map(({ kind, value, reason, until }) => {
      return { kind, value, reason, untilMs: until === null ? Infinity : Date.parse(until) };
    });
    this.#byValue = new Map();
    for (const ban of this.#listed) {
      const key = keyOf(ban.kind, ban.value);
      if ((this.#byValue.get(key)?.untilMs ?? 0) < ban.untilMs) this.#byValue.set(key, ban);
    }
    const prefixes = this.#listed.filter(({ kind }) => kind === 'client-id-prefix');
    this.#prefixLengths = new Set(prefixes.map(({ value }) => value.length));
    this.#blocks = this.#listed.filter(({ kind }) => kind === 'address');
    this.#addresses = new AddressSet(this.#blocks.map(({ value }) => value));
    return true;
  }

  /** Takes over where clients may come from; returns whether anything changed. A text that is no address allows nobody. */
  allowOnly(blocks: readonly string[]): boolean {
    if (JSON.stringify(blocks) === JSON.stringify(this.#allowedBlocks)) return false;
    this.#allowedBlocks = blocks;
    this.#allowed = new AddressSet(blocks);
    return true;
  }

  /** Why somebody is kept out; null = they are not. */
  find({ remoteAddress, user, clientId }: BanSubject, nowMs: number): Ban | null {
    if (this.#allowedBlocks.length > 0 && !this.#allowed.has(remoteAddress)) {
      const reason = 'the cluster lets in clients of other addresses alone';
      return { kind: 'address', value: remoteAddress, reason, untilMs: Infinity };
    }
    // most clusters ban nobody, and every connection asks twice
    if (this.#listed.length === 0 && this.#imposed.size === 0) return null;
    const isOn = (ban: Ban | undefined): ban is Ban => ban !== undefined && ban.untilMs > nowMs;
    const keys = [keyOf('address', remoteAddress)];
    if (clientId !== null) keys.push(keyOf('client-id', clientId));
    for (const length of clientId === null ? [] : this.#prefixLengths) {
      if (length <= clientId!.length) keys.push(keyOf('client-id-prefix', clientId!.slice(0, length)));
    }
    if (user !== null) keys.push(keyOf('user', user), keyOf('user-at-address', `${user}@${remoteAddress}`));
    for (const key of keys) {
      const ban = [this.#byValue.get(key), this.#imposed.get(key)].find(isOn);
      if (ban !== undefined) return ban;
    }
    if (!this.#addresses.has(remoteAddress)) return null;
    // somebody is kept out who comes from here: whose block it is, is looked for then
    const isHit = (ban: Ban): boolean => isOn(ban) && new AddressSet([ban.value]).has(remoteAddress);
    return this.#blocks.find(isHit) ?? null;
  }

  /** A client id connected; the ban that came of it, if one did. */
  connected(
    clientId: string,
    flapping: { readonly connectsMax: number; readonly windowSeconds: number; readonly banSeconds: number },
    nowMs: number,
  ): Ban | null {
    const connects = this.#connects.add(clientId, flapping.windowSeconds * 1000, nowMs);
    if (connects <= flapping.connectsMax) return null;
    this.#connects.forget(clientId);
    const reason = `connected more than ${flapping.connectsMax} times within ${flapping.windowSeconds} s`;
    return this.#impose('client-id', clientId, reason, nowMs + flapping.banSeconds * 1000);
  }
  /** Somebody could not prove who they are; the ban that came of it, if one did. */
  failed(remoteAddress: string, user: string | null, nowMs: number): Ban | null {
    const untilMs = nowMs + FAILURES_BAN_MS;
    const pair = `${user ?? ''}@${remoteAddress}`;
    const ofUser = this.#failures.add(keyOf('user-at-address', pair), FAILURES_WINDOW_MS, nowMs);
    const ofAddress = this.#failures.add(keyOf('address', remoteAddress), FAILURES_WINDOW_MS, nowMs);
    const reason = 'too many wrong passwords';
    if (ofAddress === FAILURES_OF_ADDRESS_MAX) return this.#impose('address', remoteAddress, reason, untilMs);
    if (user !== null && ofUser === FAILURES_OF_USER_MAX) return this.#impose('user-at-address', pair, reason, untilMs);
    return null;
  }

  /** All that hold now: the tenant's first. */
  list(nowMs: number): readonly Ban[] {
    return [...this.#listed, ...this.#imposed.values()].filter(({ untilMs }) => untilMs > nowMs);
  }
  /** Lifts a ban the broker imposed; false when there is none (the tenant's own list is the control plane's). */
  lift(kind: string, value: string): boolean {
    const key = keyOf(kind, value);
    if (!this.#imposed.delete(key)) return false;
    void this.#store.delete(key);
    return true;
  }
  /** Forgets what has run out. */
  sweep(nowMs: number): void {
    this.#connects.sweep(nowMs);
    this.#failures.sweep(nowMs);
    for (const { kind, value, untilMs } of this.#imposed.values()) if (untilMs <= nowMs) this.lift(kind, value);
  }

  #impose(kind: BanKind, value: string, reason: string, untilMs: number): Ban {
    if (this.#imposed.size >= BANS_MAX) {
      const [first] = [...this.#imposed.values()].sort((a, b) => a.untilMs - b.untilMs);
      if (first !== undefined) this.lift(first.kind, first.value);
    }
    const ban = { kind, value, reason, untilMs };
    this.#imposed.set(keyOf(kind, value), ban);
    void this.#store.set(keyOf(kind, value), Buffer.from(JSON.stringify(ban)));
    return ban;
  }
}

function keyOf(kind: string, value: string): string {
  return `${kind} ${value}`;
}
