import type { Commit } from '@robustmq/journal';
import type { NamespaceRecord } from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import type { OpenSession, Refusal, SubscribeOptions, SubscribeOutcome } from './broker-types.ts';
import type { Message } from './message.ts';
import { refuse } from './refusal.ts';
import type { RetainedMessages } from './retained.ts';
import { BrokerSession } from './session.ts';
import type { Subscription, SubscriptionIndex } from './subscription.ts';
import { parseFilter } from './topic-name.ts';

/** What the sessions of a namespace need from it. */
export interface SessionHost {
  readonly record: NamespaceRecord;
  readonly runtime: Runtime;
  readonly index: SubscriptionIndex;
  readonly retained: RetainedMessages;
  publishWill(message: Message): void;
  deliverRetained(subscription: Subscription, messages: readonly Message[]): void;
}

/** All sessions of one namespace by client id: opening, take-over, subscriptions, wills, expiry. */
export class Sessions {
  readonly #host: SessionHost;
  readonly #byClientId = new Map<string, BrokerSession>();
  /** Sessions that wait for a time: a will's or their own end. */
  readonly #waiting = new Set<BrokerSession>();

  constructor(host: SessionHost) {
    this.#host = host;
  }

  get count(): number {
    return this.#byClientId.size;
  }

  open(request: OpenSession): { session: BrokerSession; present: boolean } | Refusal {
    const existing = this.#byClientId.get(request.clientId);
    if (existing !== undefined) {
      const resumes = !request.cleanStart && existing.expirySeconds > 0;
      this.#takeOver(existing, resumes);
      if (resumes) return { session: this.#attach(existing, request), present: true };
    }
    if (request.expirySeconds > 0 && this.#byClientId.size >= this.#host.record.quotas.sessionsMax) {
      return refuse('quota-sessions');
    }
    const session = new BrokerSession(request.clientId, request.expirySeconds, this);
    this.#byClientId.set(request.clientId, session);
    return { session: this.#attach(session, request), present: false };
  }

  subscribe(session: BrokerSession, text: string, options: SubscribeOptions): SubscribeOutcome {
    const parsed = parseFilter(text);
    if (parsed === null || session.isEnded) return { refusal: refuse('topic-invalid', 'the filter is not valid') };
    const { index, retained, runtime } = this.#host;
    const known = session.subscriptions.get(text);
    if (known !== undefined) index.remove(known);
    const group = parsed.group === null ? null : index.group(parsed.group, parsed.filter);
    const subscription: Subscription = { session, filter: parsed.filter, group, options };
    session.subscriptions.set(text, subscription);
    index.add(subscription);
    const wantsRetained = options.retainHandling === 0 || (options.retainHandling === 1 && known === undefined);
    // shared subscriptions get no retained messages (MQTT 5 §4.8.2)
    if (group === null && wantsRetained && retained.count > 0) {
      // at the end of the turn, so that the subscriber is answered first
      runtime.afterPoll(() => this.#sendRetained(text, subscription));
    }
    return { refusal: null, qos: options.qos, commit: null };
  }

  unsubscribe(session: BrokerSession, text: string): { existed: boolean; commit: Commit | null } {
    const known = session.subscriptions.get(text);
    if (known === undefined) return { existed: false, commit: null };
    session.subscriptions.delete(text);
    this.#host.index.remove(known);
    return { existed: true, commit: null };
  }

  detach(session: BrokerSession, publishWill: boolean): void {
    if (session.receiver === null || session.isEnded) return;
    session.receiver = null;
    session.connection = null;
    session.detachedAtMs = this.#host.runtime.nowMs();
    if (!publishWill) session.will = null;
    const will = session.will;
    if (will !== null) {
      if (will.delaySeconds <= 0) this.#publishWill(session);
      else session.willDueMs = session.detachedAtMs + will.delaySeconds * 1000;
    }
    if (session.expirySeconds <= 0) this.#end(session);
    else this.#waiting.add(session);
  }

  expiryChanged(session: BrokerSession): void {
    if (session.detachedAtMs !== null) this.#waiting.add(session);
  }

  /** Publishes wills and ends sessions whose time has come. */
  sweep(nowMs: number): void {
    for (const session of this.#waiting) {
      if (session.willDueMs <= nowMs) this.#publishWill(session);
      if (session.expiresAtMs <= nowMs) this.#end(session);
      else if (session.receiver !== null) this.#waiting.delete(session);
    }
  }

  /** Ends every session: the namespace goes. */
  endAll(): void {
    for (const session of [...this.#byClientId.values()]) {
      session.will = null;
      this.#end(session);
    }
  }

  /** The connection that has the session loses it; the session ends unless it is resumed. */
  #takeOver(session: BrokerSession, resumes: boolean): void {
    const receiver = session.receiver;
    session.receiver = null;
    session.connection = null;
    session.willDueMs = Infinity;
    if (receiver !== null) receiver.sessionLost('taken-over');
    // MQTT 5 §3.1.3.2.2: a delayed will is not sent when the session goes on, and at once when it ends
    if (resumes) {
      if (receiver !== null && session.will !== null && session.will.delaySeconds <= 0) this.#publishWill(session);
      session.will = null;
    } else this.#end(session);
  }

  #attach(session: BrokerSession, request: OpenSession): BrokerSession {
    session.connection = request.connection;
    session.receiver = request.receiver;
    session.detachedAtMs = null;
    session.willDueMs = Infinity;
    session.will = request.will;
    session.expirySeconds = request.expirySeconds;
    this.#waiting.delete(session);
    return session;
  }

  #end(session: BrokerSession): void {
    if (session.isEnded) return;
    session.isEnded = true;
    const receiver = session.receiver;
    session.receiver = null;
    for (const subscription of session.subscriptions.values()) this.#host.index.remove(subscription);
    session.subscriptions.clear();
    this.#waiting.delete(session);
    if (this.#byClientId.get(session.clientId) === session) this.#byClientId.delete(session.clientId);
    this.#publishWill(session);
    if (receiver !== null) receiver.sessionLost('ended');
  }

  #publishWill(session: BrokerSession): void {
    const will = session.will;
    session.will = null;
    session.willDueMs = Infinity;
    if (will !== null) this.#host.publishWill({ ...will.message, timestampMs: this.#host.runtime.nowMs() });
  }

  #sendRetained(text: string, subscription: Subscription): void {
    const { session } = subscription;
    if (session.subscriptions.get(text) !== subscription) return;
    const messages = this.#host.retained.match(subscription.filter);
    if (messages.length > 0) this.#host.deliverRetained(subscription, messages);
  }
}
