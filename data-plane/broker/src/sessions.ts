import { Commit, type Journal } from '@robustmq/journal';
import {
  MetaError,
  type AutoSubscription,
  type Command,
  type Meta,
  type NamespaceRecord,
  type NamespaceSettings,
  type SessionState,
} from '@robustmq/meta';
import type { Authorization } from './authorization.ts';
import { GroupInboxes, isGroupSession } from './group-inboxes.ts';
import type { InboxLog } from './inbox-log.ts';
import type { SessionInbox } from './inbox.ts';
import type { Runtime } from '@robustmq/wire';
import type { Connection, OpenSession, Refusal, SubscribeOptions, SubscribeOutcome } from './broker-types.ts';
import type { Message } from './message.ts';
import { refuse } from './refusal.ts';
import type { RetainedMessages } from './retained.ts';
import { soloTarget } from './route.ts';
import { BrokerSession } from './session.ts';
import type { Subscription, SubscriptionIndex } from './subscription.ts';
import { parseFilter, type ParsedFilter } from './special-topic.ts';
import type { TopicRewriter } from './topic-rewrite.ts';
import type { StoredWills, Will } from './wills.ts';

/** Entries one reader may have been given and not acknowledged: MQTT's packet ids end there. */
const IN_FLIGHT_MAX = 65_535;

/** Subscriptions of one session: bounds what a client can make of its SUBSCRIBEs. */
const SUBSCRIPTIONS_OF_SESSION_MAX = 100_000;

/** What the sessions of a namespace need from it. */
export interface SessionHost {
  readonly record: NamespaceRecord;
  readonly meta: Meta;
  readonly journal: Journal;
  readonly runtime: Runtime;
  readonly inboxes: InboxLog;
  readonly index: SubscriptionIndex;
  readonly retained: RetainedMessages;
  readonly wills: StoredWills;
  readonly authorization: Authorization;
  readonly settings: NamespaceSettings;
  readonly rewriter: TopicRewriter;
  /** `published` runs in the turn of the publish, behind it. */
  publishWill(message: Message, published: () => void): void;
  deliverRetained(subscription: Subscription, messages: readonly Message[]): void;
  /** Current values of `$SYS` topics that a filter matches. */
  systemValues(filter: string): readonly Message[];
  /** Something for whoever watches clients: `connected`, `disconnected`, `subscribed`, `unsubscribed`. */
  tell(clientId: string, what: string, facts: Readonly<Record<string, unknown>>): void;
}

/** All sessions of one namespace by client id: opening, take-over, subscriptions, wills, expiry. */
export class Sessions {
  readonly #host: SessionHost;
  readonly #byClientId = new Map<string, BrokerSession>();
  /** Sessions that wait for a time: a will's or their own end. */
  readonly #waiting = new Set<BrokerSession>();
  readonly groups: GroupInboxes;

  constructor(host: SessionHost) {
    this.#host = host;
    const { meta, runtime, inboxes } = host;
    this.groups = new GroupInboxes({ namespaceId: host.record.id, meta, runtime, inboxes });
  }

  /** All of them, by client id, in the order they were opened. */
  list(): ReadonlyMap<string, BrokerSession> {
    return this.#byClientId;
  }
  get count(): number {
    return this.#byClientId.size;
  }

  /** Brings back the sessions meta has. Those that were connected when the process went are detached as of now. */
  recover(sessions: ReadonlyMap<string, SessionState>): void {
    const nowMs = this.#host.runtime.nowMs();
    for (const state of [...sessions.values()]) {
      const { record, subscriptions } = state;
      if (isGroupSession(record.clientId)) {
        this.groups.recover(state);
        continue;
      }
      const session = new BrokerSession(record.clientId, record.expirySeconds ?? Infinity, this);
      const inbox = this.#host.inboxes.inboxes.get(record.number)!;
      session.principal = record.principal ?? '';
      this.#giveInbox(session, inbox);
      // its reader may have been given as much as could be in flight
      if (record.detachedAtMs === null) inbox.restoreTaken(inbox.head + IN_FLIGHT_MAX);
      session.detachedAtMs = record.detachedAtMs ?? nowMs;
      this.#byClientId.set(record.clientId, session);
      this.#waiting.add(session);
      for (const subscription of subscriptions.values()) this.#add(session, subscription.filter, subscription);
      if (record.detachedAtMs === null) this.#putSession(session);
    }
    this.groups.recovered(this.#host.index.groups());
  }

  /**
   * Wills of connections that were lost with the process: those of sessions that ended with their connection are due now,
   * the others after their delay. Call it when everything else of the namespace is there.
   */
  recoverWills(): void {
    for (const [clientId, will] of this.#host.wills.entries()) {
      const session = this.#byClientId.get(clientId);
      if (session === undefined) this.#publish(clientId, will);
      else {
        session.will = will;
        session.willDueMs = session.detachedAtMs! + will.delaySeconds * 1000;
      }
    }
    this.sweep(this.#host.runtime.nowMs());
  }

  /** The session whose inbox has this number. Not for hot paths. */
  byNumber(number: number): BrokerSession | undefined {
    for (const session of this.#byClientId.values()) if (session.inbox?.number === number) return session;
    return undefined;
  }

  open(request: OpenSession): { session: BrokerSession; present: boolean } | Refusal {
    const { will, connection } = request;
    if (will !== null && !connection.allows('write', 'topic', will.message.topic)) {
      return refuse('not-authorized', `the will's topic ${will.message.topic}`);
    }
    const existing = this.#byClientId.get(request.clientId);
    if (existing !== undefined) {
      const resumes = !request.cleanStart && existing.expirySeconds > 0;
      this.#takeOver(existing, resumes);
      if (resumes) return { session: this.#attach(existing, request), present: true };
    }
    const { record, meta, inboxes } = this.#host;
    const outlives = request.expirySeconds > 0;
    if (outlives && inboxes.inboxes.size >= record.quotas.sessionsMax) return refuse('quota-sessions');
    const stopped = record.growthStopped?.reason;
    if (outlives && stopped !== undefined) return refuse('quota-sessions', stopped);
    const session = new BrokerSession(request.clientId, request.expirySeconds, this);
    if (outlives) {
      const number = meta.namespaces.get(record.id)?.sessionNumberNext;
      if (number === undefined) return refuse('unavailable');
      this.#giveInbox(session, inboxes.create(number));
    }
    this.#byClientId.set(request.clientId, session);
    return { session: this.#attach(session, request), present: false };
  }

  subscribe(session: BrokerSession, text: string, options: SubscribeOptions): SubscribeOutcome {
    const parsed = this.#parse(text);
    if (parsed === null || session.isEnded) return { refusal: refuse('topic-invalid', 'the filter is not valid') };
    const { retained, runtime, record, index } = this.#host;
    if (session.connection?.allows('read', 'topic', parsed.filter) === false)
      return { refusal: refuse('not-authorized') };
    const holder = parsed.isExclusive ? index.exclusive.get(parsed.filter) : undefined;
    if (holder !== undefined && holder.session !== session) return { refusal: refuse('exclusive-taken') };
    const isNew = !session.subscriptions.has(text);
    const { subscriptionsMax = Infinity } = record.quotas;
    if (isNew && (index.count >= subscriptionsMax || session.subscriptions.size >= SUBSCRIPTIONS_OF_SESSION_MAX)) {
      return { refusal: refuse('quota-subscriptions') };
    }
    const subscription = this.#add(session, text, options)!;
    const wantsRetained = options.retainHandling === 0 || (options.retainHandling === 1 && isNew);
    // shared subscriptions get no retained messages (MQTT 5 §4.8.2)
    if (parsed.group === null && wantsRetained && (retained.count > 0 || parsed.filter.startsWith('$SYS'))) {
      // at the end of the turn, so that the subscriber is answered first
      runtime.afterPoll(() => this.#sendRetained(text, subscription));
    }
    if (subscription.group !== null && session.receiver !== null) this.groups.drain(subscription.group);
    this.#host.tell(session.clientId, 'subscribed', { filter: text, qos: options.qos });
    let commit: Commit | null = null;
    if (session.inbox !== null) {
      const { qos, noLocal, retainAsPublished, retainHandling, subscriptionId } = options;
      const put = { filter: text, qos, noLocal, retainAsPublished, retainHandling, subscriptionId };
      const { clientId } = session;
      commit = this.#commit({ kind: 'put-subscription', namespaceId: record.id, clientId, subscription: put });
    }
    return { refusal: null, qos: options.qos, commit };
  }

  unsubscribe(session: BrokerSession, text: string): { existed: boolean; commit: Commit | null } {
    const known = session.subscriptions.get(text);
    if (known === undefined) return { existed: false, commit: null };
    session.subscriptions.delete(text);
    this.#remove(known);
    this.#host.tell(session.clientId, 'unsubscribed', { filter: text });
    if (session.inbox === null) return { existed: true, commit: null };
    const { record } = this.#host;
    const { clientId } = session;
    return {
      existed: true,
      commit: this.#commit({ kind: 'remove-subscription', namespaceId: record.id, clientId, filter: text }),
    };
  }

  holdPacketId(inbox: SessionInbox, id: number): Commit {
    (inbox.held ??= new Set()).add(id);
    return this.#host.inboxes.held(inbox, id);
  }
  /** The id may be used again once the commit has settled: until then a restart would take it for a repetition. */
  releasePacketId(inbox: SessionInbox, id: number): Commit | null {
    if (inbox.held === null || !inbox.held.delete(id)) return null;
    return this.#host.inboxes.released(inbox, id);
  }

  detach(session: BrokerSession, publishWill: boolean): void {
    if (session.receiver === null || session.isEnded) return;
    session.receiver = null;
    session.connection = null;
    this.#host.tell(session.clientId, 'disconnected', { reason: publishWill ? 'lost' : 'closed' });
    session.detachedAtMs = this.#host.runtime.nowMs();
    if (session.inbox !== null) this.#host.inboxes.detached(session.inbox);
    if (!publishWill) this.#forgetWill(session);
    const will = session.will;
    if (will !== null) {
      if (will.delaySeconds <= 0) this.#publishWill(session);
      else session.willDueMs = session.detachedAtMs + will.delaySeconds * 1000;
    }
    if (session.expirySeconds <= 0) this.#end(session);
    else {
      this.#waiting.add(session);
      this.#putSession(session);
    }
  }

  expiryChanged(session: BrokerSession): void {
    if (session.detachedAtMs !== null) this.#waiting.add(session);
    this.#putSession(session);
  }

  /** Ends a session, connected or not; false when there is none. */
  end(clientId: string): boolean {
    const session = this.#byClientId.get(clientId);
    if (session === undefined) return false;
    this.#end(session);
    return true;
  }

  /** Publishes wills and ends sessions whose time has come. */
  sweep(nowMs: number): void {
    for (const session of this.#waiting) {
      if (session.willDueMs <= nowMs) this.#publishWill(session);
      if (session.expiresAtMs <= nowMs) this.#end(session);
      else if (session.receiver !== null) this.#waiting.delete(session);
    }
  }

  /** The namespace goes, and with it, in meta too, its sessions: every receiver is told. */
  endAll(): void {
    for (const session of [...this.#byClientId.values()]) {
      const { receiver } = session;
      session.isEnded = true;
      session.receiver = null;
      session.will = null;
      receiver?.sessionLost('ended');
    }
    this.#byClientId.clear();
    this.#waiting.clear();
  }

  /** The connection that has the session loses it; the session ends unless it is resumed. */
  #takeOver(session: BrokerSession, resumes: boolean): void {
    const receiver = session.receiver;
    session.receiver = null;
    session.connection = null;
    session.willDueMs = Infinity;
    if (receiver !== null) {
      receiver.sessionLost('taken-over');
      this.#host.tell(session.clientId, 'disconnected', { reason: 'taken-over' });
    }
    // MQTT 5 §3.1.3.2.2: a delayed will is not sent when the session goes on, and at once when it ends
    if (resumes) {
      if (receiver !== null && session.will !== null && session.will.delaySeconds <= 0) this.#publishWill(session);
      this.#forgetWill(session);
    } else this.#end(session);
  }

  #attach(session: BrokerSession, request: OpenSession): BrokerSession {
    const { info } = request.connection;
    const hasRules = info.admission?.acl !== undefined;
    const isSameClient = session.principal === info.principal && session.remoteAddress === info.remoteAddress;
    const isSame = isSameClient && !hasRules && !session.hasRules;
    session.hasRules = hasRules;
    session.connection = request.connection;
    this.#limitInbox(session, request.connection);
    session.receiver = request.receiver;
    session.principal = info.principal;
    session.remoteAddress = info.remoteAddress;
    session.attachedAtMs = this.#host.runtime.nowMs();
    // who may read what is part of every route
    if (!isSame && !this.#host.authorization.isOpen) this.#host.index.invalidateAll();
    session.detachedAtMs = null;
    session.willDueMs = Infinity;
    session.will = request.will;
    if (request.will !== null) this.#host.wills.put(session.clientId, request.will);
    this.#waiting.delete(session);
    if (session.expirySeconds === request.expirySeconds) this.#putSession(session);
    else session.expirySeconds = request.expirySeconds;
    this.#host.tell(session.clientId, 'connected', { username: info.principal, address: info.remoteAddress });
    for (const one of this.#host.settings.mqtt.autoSubscribe) this.#autoSubscribe(session, one);
    for (const { group } of session.subscriptions.values()) if (group !== null) this.groups.drain(group);
    return session;
  }

  /** Whether the ACL lets the session have messages of a topic, be it online or not. */
  mayRead(session: BrokerSession, topic: string): boolean {
    const { authorization } = this.#host;
    if (authorization.isOpen) return true;
    if (session.connection !== null) return session.connection.allows('read', 'topic', topic);
    const { principal, clientId, remoteAddress } = session;
    return authorization.decide({ protocol: 'mqtt', principal, clientId, remoteAddress }, 'read', 'topic', topic)
      .allowed;
  }

  /** What was owed to it while it was away was so by the cluster's rules; its token may say less. */
  #limitInbox({ inbox }: BrokerSession, connection: Connection): void {
    if (inbox === null) return;
    inbox.accepts =
      connection.info.admission?.acl !== undefined ? (topic) => connection.allows('read', 'topic', topic) : null;
  }

  /** `{clientId}` and `{username}` that would widen the filter make none of it. */
  #autoSubscribe(
    session: BrokerSession,
    { filter, qos, noLocal, retainAsPublished, retainHandling }: AutoSubscription,
  ): void {
    const { clientId, principal } = session;
    const widens = (field: string, value: string): boolean => filter.includes(field) && /[/+#]/.test(value);
    if (widens('{clientId}', clientId) || widens('{username}', principal)) return;
    const text = filter.replaceAll('{clientId}', clientId).replaceAll('{username}', principal);
    if (session.subscriptions.has(text)) return;
    this.subscribe(session, text, { qos, noLocal, retainAsPublished, retainHandling, subscriptionId: null });
  }

  #giveInbox(session: BrokerSession, inbox: SessionInbox): void {
    session.inbox = inbox;
    inbox.owner = session;
    inbox.onReady = () => session.receiver?.inboxReady();
  }

  #add(session: BrokerSession, text: string, options: SubscribeOptions): Subscription | null {
    const parsed = this.#parse(text);
    if (parsed === null) return null;
    const { index } = this.#host;
    const known = session.subscriptions.get(text);
    if (known !== undefined) index.remove(known);
    const group = parsed.group === null ? null : index.group(parsed.group, parsed.filter);
    const subscription: Subscription = {
      session,
      filter: parsed.filter,
      group,
      isExclusive: parsed.isExclusive,
      options,
      solo: soloTarget(session, options),
    };
    session.subscriptions.set(text, subscription);
    index.add(subscription);
    return subscription;
  }

  #remove(subscription: Subscription): void {
    const { group } = subscription;
    this.#host.index.remove(subscription);
    if (group?.members.length === 0) this.groups.drop(group);
  }
  /** The filter as it is meant: taken apart, and rewritten where a rule says so. */
  #parse(text: string): ParsedFilter | null {
    const parsed = parseFilter(text);
    const rewritten = parsed === null ? null : this.#host.rewriter.subscribed(parsed.filter);
    return parsed === null || rewritten === null ? parsed : { ...parsed, filter: rewritten };
  }

  /** Tells meta how the session stands; nobody waits for it: what follows in the same log is stable no sooner. */
  #putSession(session: BrokerSession): void {
    const { inbox, clientId, expirySeconds, detachedAtMs } = session;
    if (inbox === null || session.isEnded) return;
    const record = {
      clientId,
      number: inbox.number,
      expirySeconds: Number.isFinite(expirySeconds) ? expirySeconds : null,
      detachedAtMs,
      ...(session.principal === '' ? {} : { principal: session.principal }),
    };
    this.#propose({ kind: 'put-session', namespaceId: this.#host.record.id, session: record });
  }

  /** Tells meta something a client waits for: the commit settles when it is stable. It has the sequence of this turn's. */
  #commit(command: Command): Commit {
    const commit = new Commit(this.#host.journal.current.sequence);
    const { log } = this.#host.runtime;
    this.#propose(command, (error) => {
      commit.settle(error, (thrown) => log.error({ error: thrown }, 'a callback of a subscription threw'));
    });
    return commit;
  }
  #propose(command: Command, settled?: (error: Error | null) => void): void {
    this.#host.meta.propose(command).then(
      () => settled?.(null),
      (error: unknown) => {
        // connections that end while the node stops come too late for meta: a restart detaches their sessions itself
        if (!(error instanceof MetaError && error.code === 'closed')) {
          this.#host.runtime.log.error({ error, kind: command.kind }, 'meta refused what a session did');
        }
        settled?.(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #end(session: BrokerSession): void {
    if (session.isEnded) return;
    session.isEnded = true;
    const receiver = session.receiver;
    session.receiver = null;
    for (const subscription of session.subscriptions.values()) this.#remove(subscription);
    session.subscriptions.clear();
    this.#waiting.delete(session);
    if (this.#byClientId.get(session.clientId) === session) this.#byClientId.delete(session.clientId);
    if (session.inbox !== null) {
      this.#host.inboxes.drop(session.inbox);
      this.#propose({ kind: 'remove-session', namespaceId: this.#host.record.id, clientId: session.clientId });
    }
    this.#publishWill(session);
    if (receiver !== null) receiver.sessionLost('ended');
  }

  #publishWill(session: BrokerSession): void {
    const will = session.will;
    session.will = null;
    session.willDueMs = Infinity;
    if (will !== null) this.#publish(session.clientId, will);
  }
  #publish(clientId: string, will: Will): void {
    const message = { ...will.message, timestampMs: this.#host.runtime.nowMs() };
    this.#host.publishWill(message, () => this.#host.wills.forget(clientId, will));
  }
  #forgetWill(session: BrokerSession): void {
    const will = session.will;
    session.will = null;
    if (will !== null) this.#host.wills.forget(session.clientId, will);
  }

  #sendRetained(text: string, subscription: Subscription): void {
    const { session } = subscription;
    if (session.subscriptions.get(text) !== subscription) return;
    const { filter } = subscription;
    const found = [...this.#host.systemValues(filter), ...this.#host.retained.match(filter)];
    const messages = this.#host.authorization.isOpen ? found : found.filter(({ topic }) => session.mayRead(topic));
    if (messages.length > 0) this.#host.deliverRetained(subscription, messages);
  }
}
