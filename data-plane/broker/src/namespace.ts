import type { Commit, Journal, Stream, StreamPolicy } from '@robustmq/journal';
import {
  DEFAULT_SETTINGS,
  type CredentialRecord,
  type Meta,
  type NamespaceRecord,
  type NamespaceSettings,
  type Relocation,
} from '@robustmq/meta';
import type { Runtime } from '@robustmq/wire';
import { prove, type AdmissionNamespace } from './admission.ts';
import { Authenticator, type Proven } from './authenticator.ts';
import { Authorization } from './authorization.ts';
import { DelegatedAccess } from './delegated-access.ts';
import { Bans, type Ban } from './bans.ts';
import { NamespaceThrottle, type NodeThrottle } from './byte-rate.ts';
import type { BatchSealer } from './batch-sealer.ts';
import type {
  Admission,
  AdmitRequest,
  ClientEvent,
  Connection,
  ConnectionInfo,
  KeyedStore,
  Namespace,
  OpenSession,
  PreparedPublish,
  Protocol,
  ProtocolUsage,
  PublishOutcome,
  Refusal,
  Session,
} from './broker-types.ts';
import { ClientEventLog } from './client-events.ts';
import { Connections, type OpenConnection } from './connections.ts';
import { Delivery, topicOfRecord } from './delivery.ts';
import { StoredGroupOffsets } from './group-offsets.ts';
import { DelayedMessages } from './delayed.ts';
import { HttpAuthentication, type HttpCaller } from './http-authentication.ts';
import { InboxLog } from './inbox-log.ts';
import type { SessionInbox } from './inbox.ts';
import { KeyedState } from './keyed-state.ts';
import { recoverInboxes } from './inbox-recovery.ts';
import type { Message } from './message.ts';
import type { NamespaceObservation } from './namespace-config.ts';
import type { PublishRun } from './publish-run.ts';
import type { MessageCache, SourceIdentity } from './record-source.ts';
import { isRefusal, refuse } from './refusal.ts';
import { RetainedMessages } from './retained.ts';
import { RouteCache, type Detour } from './route.ts';
import { Sessions } from './sessions.ts';
import { namespaceStream, type StreamKind } from './stream-name.ts';
import { SlowSubscribers } from './slow-subscribers.ts';
import { SystemTopics, type SystemFacts } from './system-topics.ts';
import { TopicRewriter } from './topic-rewrite.ts';
import { SubscriptionIndex, type Subscription } from './subscription.ts';
import type { StoredPartition, StoredTopic } from './stored-topic.ts';
import { NamespaceTopics } from './topics.ts';
import { PROTOCOLS, UsageMeter, type StorageUsage, type UsageTotals } from './usage.ts';
import { StoredWills } from './wills.ts';

/** The broker's own streams are kept until the broker trims them. */
const OWN_STREAM_POLICY: StreamPolicy = { durability: 'flushed', retentionMs: -1, retentionBytes: -1 };

/** What all namespaces of a node share. */
export interface NodeParts {
  readonly meta: Meta;
  readonly journal: Journal;
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  readonly cache: MessageCache;
  readonly throttle: NodeThrottle;
  /** null = nobody outside can be asked. */
  readonly httpCaller: HttpCaller | null;
}

/** The streams of a namespace that are no topic's. */
interface OwnStreams {
  readonly store: Stream;
  readonly events: Stream;
}

/** What a namespace recovers before it is built. */
interface OwnState {
  readonly keyed: KeyedState;
  readonly offsets: StoredGroupOffsets;
  readonly retained: RetainedMessages;
  readonly wills: StoredWills;
  readonly delayed: DelayedMessages;
  readonly streams: OwnStreams;
}

/** One cluster's world: builds its owners and passes calls on. Holds no rules of its own. */
export class BrokerNamespace implements Namespace, AdmissionNamespace {
  readonly id: string;
  readonly meta: Meta;
  readonly journal: Journal;
  readonly sealer: BatchSealer;
  readonly runtime: Runtime;
  readonly usage: UsageMeter;
  readonly events = new ClientEventLog();
  readonly index = new SubscriptionIndex();
  readonly topics: NamespaceTopics;
  readonly routes: RouteCache;
  readonly connections: Connections;
  readonly offsets: StoredGroupOffsets;
  readonly retained: RetainedMessages;
  readonly wills: StoredWills;
  readonly inboxes: InboxLog;
  readonly sessions: Sessions;
  settings: NamespaceSettings;
  readonly authorization = new Authorization();
  readonly delegated: DelegatedAccess;
  readonly bans: Bans;
  readonly delayed: DelayedMessages;
  readonly slow = new SlowSubscribers();
  readonly system: SystemTopics;
  rewriter = new TopicRewriter([]);
  readonly #startedMs: number;
  readonly #keyed: KeyedState;
  readonly #delivery: Delivery;
  readonly #throttle: NamespaceThrottle;
  #record: NamespaceRecord;
  #credentials = new Map<string, CredentialRecord>();
  #authenticator: Authenticator;
  readonly #caller: HttpCaller | null;
  #http: HttpAuthentication | null = null;
  isStorageFull = false;
  /** Of a namespace that may not grow; Infinity for one that may. */
  #storedBytesAllowed = Infinity;
  #isMeasured = false;
  /** True from the moment it is being removed: nothing is let in any more. */
  isClosed = false;

  private constructor(record: NamespaceRecord, parts: NodeParts, own: OwnState) {
    this.id = record.id;
    this.#record = record;
    this.settings = record.settings ?? DEFAULT_SETTINGS;
    this.meta = parts.meta;
    this.journal = parts.journal;
    this.sealer = parts.sealer;
    this.runtime = parts.runtime;
    this.#caller = parts.httpCaller;
    this.usage = new UsageMeter(parts.runtime.monotonicMs());
    this.topics = new NamespaceTopics(this);
    this.routes = new RouteCache(this.index, {
      capture: (topic, key) => this.topics.capture(topic, key),
      detour: (topic) => this.#detourOf(topic),
      isGuarded: () => !this.authorization.isOpen,
    });
    this.#throttle = new NamespaceThrottle(this.usage, () => this.#record.quotas, parts.throttle, parts.runtime);
    this.connections = new Connections(this, this.usage, parts.runtime, this.#throttle, this.authorization);
    this.#keyed = own.keyed;
    this.bans = new Bans(own.keyed.store('$bans'));
    this.delegated = new DelegatedAccess(
      (kind) => own.keyed.store(kind),
      parts.runtime,
      () => ({ acl: this.settings.acl, credentials: this.#record.credentials }),
      () => (this.record = this.#record),
    );
    this.offsets = own.offsets;
    this.retained = own.retained;
    this.wills = own.wills;
    this.delayed = own.delayed;
    this.#startedMs = parts.runtime.monotonicMs();
    this.inboxes = new InboxLog({
      ...own.streams,
      ...parts,
      topicOf: (partition, key) => topicOfRecord(key, partition, this.topics),
      bytesMax: () => this.#record.quotas.inboxBytesMax,
      limits: () => this.settings.mqtt.inbox,
      slowMs: () => {
        const { enabled, thresholdMs } = this.settings.mqtt.slowSubscriber;
        return enabled ? thresholdMs : Infinity;
      },
      onTaken: (inbox, message) => this.#takenLate(inbox, message),
      onDropped: (inbox, cause) => this.#inboxDropped(inbox, cause),
      onLost: (source, from, to) => this.#messagesLost(source.identity, from, to),
    });
    this.#delivery = new Delivery(this);
    this.sessions = new Sessions(this);
    this.system = new SystemTopics({
      nowMs: () => this.runtime.nowMs(),
      hasReaders: () => this.index.mayMatchFirstLevel('$SYS') && !this.isClosed,
      publish: (message) => this.publishWill(message, () => undefined),
      facts: () => this.#facts(),
    });
    this.#authenticator = this.#makeAuthenticator();
    this.record = record;
  }

  /** Builds the namespace and everything it had before a restart. */
  static async open(record: NamespaceRecord, parts: NodeParts): Promise<BrokerNamespace> {
    const { sealer, runtime } = parts;
    const own = (kind: Exclude<StreamKind, 'partition'>): Promise<Stream> =>
      parts.journal.open(namespaceStream(record.id, kind), OWN_STREAM_POLICY);
    const offsets = await own('group-offsets');
    const retained = await own('retained');
    const wills = await own('wills');
    const streams = { store: await own('inbox-store'), events: await own('inbox-events') };
    const namespace = new BrokerNamespace(record, parts, {
      keyed: await KeyedState.recover(await own('keyed'), sealer, runtime),
      offsets: await StoredGroupOffsets.recover(offsets, sealer, runtime),
      retained: await RetainedMessages.recover(retained, sealer, runtime),
      wills: await StoredWills.recover(wills, sealer, runtime),
      delayed: await DelayedMessages.recover(await own('delayed'), sealer, runtime),
      streams,
    });
    await namespace.topics.recover();
    await namespace.#recoverSessions(streams.events);
    namespace.measure();
    namespace.sessions.recoverWills();
    namespace.delayed.start({
      sealer,
      runtime,
      publish: (message, published) => namespace.publishWill(message, published),
    });
    return namespace;
  }

  get record(): NamespaceRecord {
    return this.#record;
  }
  /** Takes over a new record; connections that would not be let in any more as they were are asked to go. */
  set record(record: NamespaceRecord) {
    const before = this.#record;
    const credentials = this.#credentials;
    this.#record = record;
    this.settings = record.settings ?? DEFAULT_SETTINGS;
    const all = [...this.delegated.credentials(), ...record.credentials];
    this.#credentials = new Map(all.map((credential) => [credential.name, credential]));
    this.#authenticator = this.#makeAuthenticator();
    this.#http = this.#makeHttp(before);
    const { acl, blacklist, mqtt } = this.settings;
    const rewrites = (before.settings ?? DEFAULT_SETTINGS).mqtt.rewrite;
    if (record === before || JSON.stringify(rewrites) !== JSON.stringify(mqtt.rewrite)) {
      this.rewriter = new TopicRewriter(mqtt.rewrite);
      this.index.invalidateAll();
    }
    const rules = [...acl.rules, ...this.delegated.rules()];
    if (this.authorization.apply({ ...acl, rules })) this.index.invalidateAll();
    const isAllowedChanged = this.bans.allowOnly(this.settings.network?.allowedAddresses ?? []);
    const isListChanged = this.bans.apply(blacklist) || isAllowedChanged;
    const why = this.#suspended;
    if (why !== null) this.connections.disconnect('suspended', () => true, why);
    this.#revoke(credentials, before);
    this.#limitStorage();
    if (!isListChanged) return;
    const nowMs = this.runtime.nowMs();
    this.connections.disconnect('banned', (info) => this.#banOf(info, nowMs) !== null);
  }
  #makeAuthenticator(): Authenticator {
    const { authentication } = this.settings;
    return new Authenticator(this.#credentials, authentication, this.#record.allowAnonymous, () => this.#scramSecret());
  }
  /** With its answers, as long as nothing about it changes. */
  #makeHttp(before: NamespaceRecord): HttpAuthentication | null {
    const { http } = this.settings.authentication;
    if (http === undefined || this.#caller === null) return null;
    const isSame = JSON.stringify(before.settings?.authentication.http) === JSON.stringify(http);
    return isSame && this.#http !== null
      ? this.#http
      : new HttpAuthentication(http, this.name, this.#caller, this.runtime);
  }
  /** Kept, so that somebody who does not exist is told the same after a restart. */
  #scramSecret(): Buffer {
    const store = this.#keyed.store('$broker');
    const known = store.get('scram-secret');
    if (known !== undefined) return known;
    const secret = this.runtime.randomBytes(32);
    void store.set('scram-secret', secret);
    return secret;
  }
  /** Cuts connections whose credential vanished or changed, or whose way in was closed or changed. */
  #revoke(before: ReadonlyMap<string, CredentialRecord>, record: NamespaceRecord): void {
    const revoked = new Set<string>();
    for (const [name, credential] of before) {
      const now = this.#credentials.get(name);
      if (
        now === undefined ||
        now.sha256.hash !== credential.sha256.hash ||
        now.sha256.salt !== credential.sha256.salt
      ) {
        revoked.add(name);
      }
    }
    const old = (record.settings ?? DEFAULT_SETTINGS).authentication;
    const { authentication } = this.settings;
    const closed = {
      jwt: JSON.stringify(old.jwt) !== JSON.stringify(authentication.jwt),
      x509: JSON.stringify(old.x509) !== JSON.stringify(authentication.x509),
      http: JSON.stringify(old.http) !== JSON.stringify(authentication.http),
      anonymous: !this.#authenticator.allowsAnonymous,
    };
    this.connections.disconnect('credential-revoked', ({ principal, admission }) => {
      const method = admission?.method ?? 'password';
      if (method === 'password' || method === 'scram') return revoked.has(principal);
      return closed[method];
    });
  }

  /** What is counted: everything, of a suspended one its stored bytes, of one that is deleted nothing. */
  get metered(): 'all' | 'storage' | 'none' {
    const { suspended } = this.#record;
    if (this.isClosed) return 'none';
    return suspended === null || suspended === undefined ? 'all' : (suspended.metered ?? 'storage');
  }
  /** Why nobody is let in; null = the namespace is not suspended. */
  get #suspended(): string | null {
    return this.#record.suspended?.reason ?? null;
  }
  get name(): string {
    return this.#record.name;
  }
  get messageSizeBytesMax(): number {
    return this.#record.quotas.messageSizeBytesMax;
  }
  get relocation(): Relocation | null {
    return this.#record.relocation ?? null;
  }
  /** Why nobody more is let in; null = somebody is. */
  get #elsewhere(): Refusal | null {
    const { relocation } = this;
    return relocation === null ? null : { ...refuse(relocation.state), elsewhere: relocation };
  }
  /** Publishing and storing are refused: the cluster is elsewhere, what is taken here would be lost. */
  get movedRefusal(): Refusal | null {
    return this.#record.relocation?.state === 'moved' ? this.#elsewhere : null;
  }
  /** Of a namespace that may not grow: why; null = it may. */
  get growthRefusal(): string | null {
    return this.#record.growthStopped?.reason ?? null;
  }
  get autoCreateTopics(): boolean {
    return this.#record.autoCreateTopics && this.settings.kafka.autoCreateTopics;
  }
  get authenticator(): Authenticator {
    return this.#authenticator;
  }
  keyed(kind: string): KeyedStore {
    return this.#keyed.store(kind);
  }

  /** Decides about somebody who has found this namespace; `name`: what they call themselves here. */
  admit(name: string | null, request: AdmitRequest): Admission | Refusal {
    const outcome = this.#admit(name, request);
    if (!isRefusal(outcome)) return outcome;
    const { protocol, remoteAddress, clientId = null } = request;
    const { refused: code, message: detail } = outcome;
    const stage = code.startsWith('quota') ? 'connect' : 'authenticate';
    this.clientEvent({ namespace: this.id, protocol, remoteAddress, clientId, stage, code, detail });
    return outcome;
  }
  /** As `Broker.ask`. Who would be refused anyway is not asked about. */
  ask(name: string | null, request: AdmitRequest): Promise<AdmitRequest> | null {
    const http = this.#http;
    if (http === null || !this.#isAskedAbout(name, request) || this.isClosed || this.#suspended !== null) return null;
    const nowMs = this.runtime.nowMs();
    const { remoteAddress, clientId = null } = request;
    if (this.bans.find({ remoteAddress, user: name, clientId }, nowMs) !== null) return null;
    if (this.relocation !== null || this.connections.refusal() !== null || http.remembered(name, request) !== null)
      return null;
    // a token that holds needs nobody's word
    if (this.#authenticator.password(name, request.password, nowMs) !== null) return null;
    return http.ask(name, request).then((verdict) => ({ ...request, verdict }));
  }
  #isAskedAbout(name: string | null, { proof }: AdmitRequest): name is string {
    return name !== null && proof === undefined && !this.#authenticator.hasCredential(name);
  }
  /** What the tenant's service said; null = no, or nobody was asked. */
  #provenOutside(name: string | null, request: AdmitRequest): Proven | Refusal | null {
    const http = this.#http;
    if (http === null || !this.#isAskedAbout(name, request)) return null;
    const verdict = request.verdict ?? http.remembered(name, request);
    if (verdict === null || verdict.kind === 'unavailable') {
      return refuse('unavailable', 'the authentication service of the cluster does not answer');
    }
    if (verdict.kind === 'deny') return null;
    const { expiresAtMs, acl } = verdict;
    return { principal: name, method: 'http', expiresAtMs, ...(acl === null ? {} : { acl }) };
  }
  #admit(name: string | null, request: AdmitRequest): Admission | Refusal {
    const { remoteAddress, clientId = null } = request;
    const nowMs = this.runtime.nowMs();
    const ban = this.bans.find({ remoteAddress, user: name, clientId }, nowMs);
    if (ban !== null) return refuse('banned', ban.reason);
    const proven = prove({ namespace: this, name }, request, nowMs) ?? this.#provenOutside(name, request);
    if (proven !== null && 'refused' in proven) return proven;
    if (proven === null) {
      const imposed = this.bans.failed(remoteAddress, name, nowMs);
      if (imposed !== null) this.#tellBan('authenticate', imposed, request.protocol, remoteAddress, clientId);
      return refuse('bad-credentials');
    }
    const { principal, method, expiresAtMs, acl } = proven;
    if (this.#suspended !== null) return refuse('suspended', this.#suspended);
    const refusal = this.#elsewhere ?? this.connections.refusal();
    if (refusal !== null) return refusal;
    return {
      ...{ namespace: this, principal, method },
      ...(Number.isFinite(expiresAtMs) ? { expiresAtMs } : {}),
      ...(acl === undefined ? {} : { acl }),
    };
  }

  connect(info: ConnectionInfo): OpenConnection | Refusal {
    const outcome = this.#connect(info);
    if (!isRefusal(outcome)) return outcome;
    const { protocol, remoteAddress, clientId } = info;
    const { refused: code, message: detail } = outcome;
    this.clientEvent({ namespace: this.id, protocol, remoteAddress, clientId, stage: 'connect', code, detail });
    return outcome;
  }
  #connect(info: ConnectionInfo): OpenConnection | Refusal {
    if (this.isClosed) return refuse('unavailable');
    if (this.#suspended !== null) return refuse('suspended', this.#suspended);
    const nowMs = this.runtime.nowMs();
    const { protocol, clientId, remoteAddress } = info;
    const ban = this.#banOf(info, nowMs);
    if (ban !== null) return refuse('banned', ban.reason);
    const { flapping } = this.settings.mqtt;
    if (protocol === 'mqtt' && flapping.enabled) {
      const imposed = this.bans.connected(clientId, flapping, nowMs);
      if (imposed !== null) {
        this.#tellBan('connect', imposed, protocol, remoteAddress, clientId);
        return refuse('banned', imposed.reason);
      }
    }
    // from now on somebody may be refused something, whatever the cluster's rules are
    if (info.admission?.acl !== undefined && this.authorization.restrict()) this.index.invalidateAll();
    return this.connections.connect(info);
  }
  #banOf({ principal, clientId, remoteAddress }: ConnectionInfo, nowMs: number): Ban | null {
    return this.bans.find({ remoteAddress, user: principal, clientId }, nowMs);
  }
  #tellBan(
    stage: ClientEvent['stage'],
    { kind, value, reason, untilMs }: Ban,
    protocol: Protocol,
    remoteAddress: string,
    clientId: string | null,
  ): void {
    const detail = `${kind} ${value} is kept out until ${new Date(untilMs).toISOString()}: ${reason}`;
    const code = stage === 'connect' ? 'flapping-ban' : 'authentication-ban';
    this.clientEvent({ namespace: this.id, protocol, remoteAddress, clientId, stage, code, detail });
  }
  publish(run: PublishRun, publisher: Connection, prepared: PreparedPublish | null = null): PublishOutcome {
    // every connection of a namespace is its own
    return this.#delivery.publish(run, publisher as OpenConnection, prepared);
  }
  takesClaim(sizeBytes: number): boolean {
    return this.inboxes.storeSource.stream.takesClaim(sizeBytes);
  }
  prepare(run: PublishRun, publisher: Connection): Promise<PreparedPublish | null> | null {
    return this.isClosed ? null : this.#delivery.prepare(run, publisher as OpenConnection);
  }
  publishMessage(message: Message, publisher: Connection | null): PublishOutcome {
    return this.#delivery.publishMessage(message, publisher as OpenConnection | null);
  }
  openSession(request: OpenSession): { session: Session; present: boolean } | Refusal {
    return this.isClosed ? refuse('unavailable') : this.sessions.open(request);
  }
  clientEvent(event: ClientEvent): void {
    this.events.add(event, this.runtime.nowMs());
  }

  topicsChanged(): void {
    this.index.invalidateAll();
    this.authorization.forget();
  }
  hasSubscribers(partition: StoredPartition): boolean {
    return this.#delivery.hasSubscribers(partition);
  }
  transactionCut(partition: StoredPartition, firstOffset: number): void {
    const { topic, index } = partition;
    this.clientEvent({
      namespace: this.id,
      protocol: 'kafka',
      remoteAddress: '',
      clientId: null,
      stage: 'deliver',
      code: 'transaction-cut',
      detail: `partition ${index} of ${topic.name}: the transaction from offset ${firstOffset} on is too large to be delivered whole`,
    });
  }
  topicRemoved(topic: StoredTopic): void {
    this.offsets.removeTopic(topic.name);
    for (const partition of topic.partitions) this.inboxes.removeSource(partition);
  }
  appended(partition: StoredPartition, batches: readonly Buffer[], commit: Commit, publisher: Connection | null): void {
    this.#delivery.appended(partition, batches, commit, publisher);
  }
  publishWill(message: Message, published: () => void): void {
    this.#delivery.publishWill(message, published);
  }
  deliverRetained(subscription: Subscription, messages: readonly Message[]): void {
    this.#delivery.deliverRetained(subscription, messages);
  }

  /** Once a second: wills, expiry, sizes, housekeeping. */
  sweep(): void {
    this.measure();
    this.sessions.sweep(this.runtime.nowMs());
    this.delayed.sweep();
    this.delayed.compact();
    this.inboxes.dropOld();
    this.system.sweep();
    this.offsets.compact();
    this.retained.compact();
    this.wills.compact();
    this.#keyed.compact();
    const nowMs = this.runtime.nowMs();
    this.bans.sweep(nowMs);
    this.slow.sweep(nowMs);
    this.connections.expire(nowMs);
    if (this.relocation !== null) this.connections.leadAway(this.relocation.state);
    for (const topic of this.topics.list()) for (const partition of topic.partitions) partition.prune();
    this.inboxes.compact();
    this.inboxes.trimStore();
  }
  /** Sums what is stored; the quota and the usage integral work with this figure. */
  measure(): void {
    this.usage.advance(this.runtime.monotonicMs());
    let bytes = 0;
    for (const topic of this.topics.list()) bytes += topic.storedBytes;
    this.usage.storedBytes = bytes + this.#ownBytes();
    this.#isMeasured = true;
    this.#limitStorage();
  }
  /** What a namespace had when its growth was stopped is what it may have until it may grow again. */
  #limitStorage(): void {
    const { storedBytes } = this.usage;
    if (this.growthRefusal === null) this.#storedBytesAllowed = Infinity;
    else if (this.#isMeasured && this.#storedBytesAllowed === Infinity) this.#storedBytesAllowed = storedBytes;
    this.isStorageFull = storedBytes >= Math.min(this.#record.quotas.storageBytesMax, this.#storedBytesAllowed);
  }
  /** What is stored where. The namespace's own streams are warm. */
  storage(): StorageUsage {
    let hotBytes = 0;
    let warmBytes = this.#ownBytes();
    let coldBytes = 0;
    let partitions = 0;
    for (const topic of this.topics.list()) {
      partitions += topic.partitions.length;
      for (const { stream } of topic.partitions) {
        hotBytes += stream.meter.hotBytes;
        warmBytes += stream.meter.warmBytes;
        coldBytes += stream.meter.coldBytes;
      }
    }
    const { tenantId } = this.#record;
    return { namespaceId: this.id, tenantId, hotBytes, warmBytes, coldBytes, partitions, objectRequests: 0 };
  }
  topicShare(protocol: Protocol, topic: string): ProtocolUsage {
    return this.usage.shares.ofTopic(protocol, topic);
  }
  totals(): UsageTotals {
    return this.usage.totals(this.id, this.#record.tenantId, this.runtime.monotonicMs());
  }
  /** Goes on counting from totals of an earlier process. */
  restoreUsage(totals: UsageTotals): void {
    this.usage.restore(totals);
    this.#throttle.skip();
  }
  observe(): NamespaceObservation {
    this.measure();
    return {
      id: this.id,
      name: this.name,
      tenantId: this.#record.tenantId,
      observedGeneration: this.#record.generation,
      connections: this.connections.count,
      sessions: this.sessions.count,
      storedBytes: this.usage.storedBytes,
      topics: this.topics.list().map((topic) => ({
        name: topic.name,
        partitions: topic.partitions.length,
        storedBytes: topic.storedBytes,
      })),
    };
  }
  /** Lets nobody in any more and everybody go. */
  shut(reason: 'namespace-deleted' | 'shutdown'): void {
    this.isClosed = true;
    this.connections.disconnect(reason, () => true);
    if (reason === 'namespace-deleted') this.sessions.endAll();
    this.inboxes.close();
    this.delayed.close();
  }

  #detourOf(topic: string): Detour | null {
    if (topic.startsWith('$')) {
      if (topic.startsWith('$delayed/')) return { kind: 'delayed' };
      if (topic.startsWith('$SYS/')) return { kind: 'system' };
    }
    const rewritten = this.rewriter.published(topic);
    return rewritten === null ? null : { kind: 'rewritten', topic: rewritten };
  }
  #facts(): SystemFacts {
    const { protocols, storedBytes } = this.usage;
    const sum = (field: keyof ProtocolUsage): number =>
      PROTOCOLS.reduce((total, one) => total + protocols[one][field], 0);
    return {
      uptimeSeconds: (this.runtime.monotonicMs() - this.#startedMs) / 1000,
      connections: this.connections.count,
      sessions: this.sessions.count,
      subscriptions: this.index.count,
      retained: this.retained.count,
      messagesIn: sum('messagesIn'),
      messagesOut: sum('messagesOut'),
      bytesIn: sum('bytesIn'),
      bytesOut: sum('bytesOut'),
      storedBytes,
    };
  }
  systemValues(filter: string): readonly Message[] {
    return this.system.match(filter);
  }
  tell(clientId: string, what: string, facts: Readonly<Record<string, unknown>>): void {
    this.system.client(clientId, what, facts);
  }
  slowDelivery(clientId: string, topic: string, latencyMs: number): void {
    const { enabled, thresholdMs } = this.settings.mqtt.slowSubscriber;
    if (!enabled || latencyMs < thresholdMs) return;
    if (!this.slow.add({ clientId, topic, latencyMs, atMs: this.runtime.nowMs() })) return;
    const detail = `${topic}: ${latencyMs.toFixed(1)} ms from publish to written`;
    this.#told('deliver', 'slow-subscriber', detail, clientId);
  }
  /** Slow is a reader that was there when the message came and got it late, not one that was away. */
  #takenLate({ owner }: SessionInbox, { topic, timestampMs }: Message): void {
    if (owner === null || timestampMs < owner.attachedAtMs) return;
    this.slowDelivery(owner.clientId, topic, this.runtime.nowMs() - timestampMs);
  }
  #told(stage: ClientEvent['stage'], code: string, detail: string, clientId: string | null): void {
    this.clientEvent({ namespace: this.id, protocol: 'mqtt', remoteAddress: '', clientId, stage, code, detail });
  }

  async #recoverSessions(events: Stream): Promise<void> {
    const state = this.meta.namespaces.get(this.id);
    if (state === undefined) return;
    for (const { record } of state.sessions.values()) this.inboxes.create(record.number);
    await recoverInboxes({
      log: this.inboxes,
      events,
      runtime: this.runtime,
      sessionNumberNext: state.sessionNumberNext,
      partitionSource: ({ topicId, partition }) => {
        const found = this.topics.byId(topicId)?.partitions[partition];
        return found === undefined ? null : this.inboxes.sourceOf(found);
      },
    });
    this.sessions.recover(state.sessions);
  }
  #inboxDropped({ owner }: SessionInbox, cause: 'full' | 'age'): void {
    const clientId = owner?.clientId ?? null;
    if (cause === 'age') {
      return this.#told('deliver', 'inbox-expired', 'messages in the inbox were older than its limit of age', clientId);
    }
    const which = this.settings.mqtt.inbox.whenFull === 'drop-oldest' ? 'oldest' : 'newest';
    this.#told('publish', 'inbox-full', `the inbox met its limit: its ${which} messages were dropped`, clientId);
  }

  #messagesLost(source: SourceIdentity, from: number, to: number): void {
    const topic = source === null ? null : (this.topics.byId(source.topicId)?.name ?? source.topicId);
    const where = source === null ? 'the inbox store' : `partition ${source.partition} of ${topic}`;
    this.clientEvent({
      namespace: this.id,
      protocol: 'mqtt',
      remoteAddress: '',
      clientId: null,
      stage: 'publish',
      code: 'message-lost',
      detail: `${where}: the messages from offset ${from} to ${to - 1} are damaged and skipped by inboxes`,
    });
  }

  #ownBytes(): number {
    return (
      this.#keyed.sizeBytes +
      this.offsets.sizeBytes +
      this.retained.sizeBytes +
      this.wills.sizeBytes +
      this.delayed.sizeBytes +
      this.inboxes.sizeBytes
    );
  }
}
