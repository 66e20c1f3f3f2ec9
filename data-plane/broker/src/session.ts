import type { Connection, Receiver, Session, SubscribeOptions, SubscribeOutcome } from './broker-types.ts';
import type { Commit } from '@robustmq/journal';
import type { SessionInbox } from './inbox.ts';
import type { Sessions } from './sessions.ts';
import type { Subscription } from './subscription.ts';
import type { Will } from './wills.ts';

/** One subscriber. Owned by `Sessions`, which does everything that concerns more than this one. */
export class BrokerSession implements Session {
  readonly clientId: string;
  readonly subscriptions = new Map<string, Subscription>();
  readonly #sessions: Sessions;
  /** Set for a session that outlives its connection. */
  inbox: SessionInbox | null = null;
  receiver: Receiver | null = null;
  connection: Connection | null = null;
  will: Will | null = null;
  /** When the will is published although the session goes on; Infinity = not scheduled. Milliseconds since the epoch. */
  willDueMs = Infinity;
  /** null while connected. */
  detachedAtMs: number | null = null;
  isEnded = false;
  /** Who opened it last, and from where; empty = not known since a restart. */
  principal = '';
  /** Its last client came with rules of its own (`Admission.acl`). */
  hasRules = false;
  remoteAddress = '';
  attachedAtMs = 0;
  #expirySeconds: number;
  /** Packet ids of exactly-once publishes not released, of a session without inbox; null = none yet. */
  #held: Set<number> | null = null;

  constructor(clientId: string, expirySeconds: number, sessions: Sessions) {
    this.clientId = clientId;
    this.#expirySeconds = expirySeconds;
    this.#sessions = sessions;
  }

  get expirySeconds(): number {
    return this.#expirySeconds;
  }
  set expirySeconds(seconds: number) {
    // a session without inbox ends with its connection, whatever it is told later
    if (seconds === this.#expirySeconds || this.inbox === null) return;
    this.#expirySeconds = seconds;
    this.#sessions.expiryChanged(this);
  }
  /** When the session ends unless somebody connects. */
  get expiresAtMs(): number {
    return this.detachedAtMs === null ? Infinity : this.detachedAtMs + this.#expirySeconds * 1000;
  }

  /** Whether the ACL lets it have messages of this topic, be it online or not. */
  mayRead(topic: string): boolean {
    return this.#sessions.mayRead(this, topic);
  }

  subscribe(filter: string, options: SubscribeOptions): SubscribeOutcome {
    return this.#sessions.subscribe(this, filter, options);
  }
  unsubscribe(filter: string): { existed: boolean; commit: Commit | null } {
    return this.#sessions.unsubscribe(this, filter);
  }
  holdsPacketId(id: number): boolean {
    const held = this.inbox === null ? this.#held : this.inbox.held;
    return held !== null && held.has(id);
  }
  holdPacketId(id: number): Commit | null {
    if (this.inbox !== null) return this.#sessions.holdPacketId(this.inbox, id);
    (this.#held ??= new Set()).add(id);
    return null;
  }
  releasePacketId(id: number): Commit | null {
    if (this.inbox !== null) return this.#sessions.releasePacketId(this.inbox, id);
    this.#held?.delete(id);
    return null;
  }
  detach(publishWill: boolean): void {
    this.#sessions.detach(this, publishWill);
  }
}
