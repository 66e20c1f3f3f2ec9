import type { Claim, Commit, Durability, Stream, StreamPolicy } from '@robustmq/journal';
import type {
  AclAction,
  AclResource,
  NamespaceSettings,
  Relocation,
  ScramVerifier,
  TopicCompression,
} from '@robustmq/meta';
import type { StreamTierReport } from '@robustmq/journal';
import type { AclRule } from '@robustmq/meta';
import type { ListenerInfo } from '@robustmq/wire';
import type { HttpVerdict } from './http-authentication.ts';
import type { Message, QoS } from './message.ts';
import type { PublishRun } from './publish-run.ts';
import type { TokenAcl } from './token-acl.ts';

export type Protocol = 'mqtt' | 'kafka' | 'amqp';

/** Why the broker says no. Each protocol maps code → wire reason in one table of its own. */
export const REFUSALS = {
  'bad-credentials': 'the user name or the password is wrong',
  'namespace-unknown': 'the client named no cluster: send the user name as name@cluster',
  'namespace-mismatch': 'the port, the TLS server name and the user name name different clusters',
  'not-authorized': 'the credential may not do this',
  banned: 'the client is kept out of the cluster',
  suspended: 'the cluster is suspended',
  'quota-connections': 'the cluster has all the connections its quota allows',
  'quota-connection-rate': 'the cluster opens connections faster than its quota allows',
  'quota-sessions': 'the cluster has all the sessions its quota allows',
  'quota-topics': 'the cluster has all the topics or partitions its quota allows',
  'quota-subscriptions': 'the cluster has all the subscriptions its quota allows',
  'quota-delayed': 'the cluster has all the delayed messages its settings allow',
  'quota-storage': 'the cluster stores all the bytes its quota allows',
  'message-too-large': 'the message is larger than the quota allows',
  'topic-invalid': 'the topic name is not valid',
  'topic-unknown': 'there is no such topic',
  'topic-exists': 'the topic exists already',
  'exclusive-taken': 'another client has the exclusive subscription',
  'partition-unknown': 'the topic has no such partition',
  'batch-corrupt': 'the record batch fails its checksum or its layout',
  'batch-unsupported': 'the record batch has a format or a codec that is not supported',
  draining: 'the cluster is leaving this server: use the other one',
  moved: 'the cluster is served elsewhere',
  unavailable: 'the broker is not ready',
} as const;
export type RefusalCode = keyof typeof REFUSALS;

/** A refusal as a value; control flow on the hot path throws nothing. */
export interface Refusal {
  readonly refused: RefusalCode;
  /** A sentence for the client and the client-event log. */
  readonly message: string;
  /** With `draining` and `moved`: where the cluster is, where its name does not lead there. */
  readonly elsewhere?: Relocation;
}

/** What a connection knows about itself when it asks to be let in. */
export interface AdmitRequest {
  readonly protocol: Protocol;
  readonly listener: ListenerInfo;
  readonly serverName: string | null;
  readonly remoteAddress: string;
  /** `name@cluster`, or a bare name where listener or server name tell the cluster; null = anonymous. */
  readonly username: string | null;
  readonly password: Buffer | null;
  /** A proof other than a password; `username` then only names the namespace (and, for SCRAM, the user). */
  readonly proof?: Proof;
  /** Where it is known already: a client that is kept out is refused here. */
  readonly clientId?: string;
  /** What `Broker.ask` brought; only it makes one. */
  readonly verdict?: HttpVerdict;
}

/** How a client proved who it is. */
export type Proof =
  /** RFC 5802: the ClientProof of the client's final message, over the AuthMessage both sides built. */
  | {
      readonly kind: 'scram';
      readonly mechanism: ScramMechanism;
      readonly authMessage: string;
      readonly clientProof: Buffer;
    }
  /** A signed token (RFC 7519); a password that looks like one is tried as one too. */
  | { readonly kind: 'jwt'; readonly token: string }
  /** The certificate of the TLS client, DER. That it holds the key is TLS's to know. */
  | { readonly kind: 'x509'; readonly certificate: Buffer };
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
export type AuthenticationMethod = 'password' | 'scram' | 'jwt' | 'x509' | 'http' | 'anonymous';

/** The one object a node's protocol servers are given. */
export interface Broker {
  /** Authenticates and binds the connection to its namespace (design.md §4 "Tenancy"). Synchronous: no I/O. */
  admit(request: AdmitRequest): Admission | Refusal;
  /**
   * Asks whoever else must be asked about this client (a service of the tenant's). null = nobody, the usual case; else the
   * request to `admit` with. Never rejects, and resolves within 10 s; one client must not be asked about twice at a time.
   */
  ask?(request: AdmitRequest): Promise<AdmitRequest> | null;
  /**
   * What a SCRAM server needs for its first message (RFC 5802 §5), `serverKey` included. Somebody who does not exist, or
   * has no such verifier, gets one that is always the same and fits no password. `request.username` names the user.
   */
  scramVerifier(request: AdmitRequest, mechanism: ScramMechanism): ScramVerifier;
  /** Writes a client event (a refusal, a limit met) for the tenant to read. Never throws. */
  clientEvent(event: ClientEvent): void;
}

export interface ClientEvent {
  readonly namespace: string | null;
  readonly protocol: Protocol;
  readonly remoteAddress: string;
  readonly clientId: string | null;
  readonly stage: 'connect' | 'authenticate' | 'publish' | 'subscribe' | 'protocol' | 'session' | 'deliver';
  readonly code: string;
  readonly detail: string;
}

export interface Admission {
  readonly namespace: Namespace;
  /** The credential's name, without `@cluster`; `anonymous` where that is allowed. */
  readonly principal: string;
  readonly method?: AuthenticationMethod;
  /** When the proof runs out and the connection is asked to go; absent = never. Milliseconds since the epoch. */
  readonly expiresAtMs?: number;
  /** What the proof says its bearer may do with topics, beside the cluster's rules; ends with the connection. */
  readonly acl?: TokenAcl;
}

/** One cluster's world. Nothing reachable from here belongs to another cluster. */
export interface Namespace {
  readonly id: string;
  /** The part of the usage counters that topics with the first level of `topic` cause; cheap for the same topic again. */
  topicShare?(protocol: Protocol, topic: string): ProtocolUsage;
  readonly name: string;
  readonly messageSizeBytesMax: number;
  /** Whether a protocol may make a topic that a client only names. */
  readonly autoCreateTopics: boolean;
  /** As they are now; a change replaces the object. Protocols read what is theirs when they need it. */
  readonly settings: NamespaceSettings;
  /** Clients are being led away, or everything is elsewhere already; null = neither. */
  readonly relocation?: Relocation | null;
  readonly topics: Topics;
  readonly offsets: GroupOffsets;
  /** Counts the connection and its time until `close()`; refuses over quota. */
  connect(info: ConnectionInfo): Connection | Refusal;
  /**
   * Routes a run of messages: captures it into the topic whose binding matches best, hands it to live subscribers, and
   * owes it to inboxes. The result object is reused: read it before the next call.
   * Counts messages and bytes in. QoS and acknowledgement: see PublishOutcome.
   */
  publish(run: PublishRun, publisher: Connection, prepared?: PreparedPublish | null): PublishOutcome;
  /** Whether `prepare` may be worth it for a payload of this size; cheap. */
  takesClaim?(sizeBytes: number): boolean;
  /**
   * Claim check: puts the body of a run of one large message into object storage ahead of its `publish`, which is given the
   * result. null = not to be done (the usual case), a promise of null = it could not be done now: either way `publish`
   * without it is right. Never rejects. The run is copied; who must keep an order of messages waits.
   */
  prepare?(run: PublishRun, publisher: Connection): Promise<PreparedPublish | null> | null;
  /** The same for one message that stands alone (a will, a record from elsewhere). */
  publishMessage(message: Message, publisher: Connection | null): PublishOutcome;
  /** Opens a subscriber session; see Session. Takes over from a connection that has it. */
  openSession(request: OpenSession): { session: Session; present: boolean } | Refusal;
  /** Durable state of a protocol under a name of its own; the same object for the same `kind` (1 to 64 letters, `-`). */
  keyed(kind: string): KeyedStore;
  /** Rules and users that clients make over their protocol; absent = they cannot. */
  readonly delegated?: Delegated;
  /**
   * A protocol saw a delivery take `latencyMs` (fractions count) from publish to written. Call it for those over
   * `settings.mqtt.slowSubscriber.thresholdMs`; what inboxes hand out late the broker notices itself.
   */
  slowDelivery?(clientId: string, topic: string, latencyMs: number): void;
}

/** A message whose body is stored already, on its way to the stream it will be appended to. */
export interface PreparedPublish {
  readonly stream: Stream;
  readonly batch: Buffer;
  readonly claim: Claim;
}

/**
 * A small durable map of one namespace and kind. All of it is in memory, rebuilt before any client is let in; reads see
 * writes at once, and a commit settles when its write is stable. Writes of one turn share a flush with everything else.
 */
export interface KeyedStore {
  get(key: string): Buffer | undefined;
  /** In no order. Safe against changes while it is walked. */
  entries(): Iterable<readonly [string, Buffer]>;
  /** `value` is copied. */
  set(key: string, value: Buffer): Commit;
  delete(key: string): Commit;
}

/**
 * What whoever may alter the cluster makes over a protocol (Kafka's CreateAcls, AlterUserScramCredentials): durable, beside
 * what the cluster's owner has set, and in force on every protocol. A string is a sentence about why not.
 */
export interface Delegated {
  /** Whether a rule of the owner lets the connection do this; what holds where no rule matches does not count. */
  mayChange(connection: Connection): boolean;
  /** The rules made this way that count now. */
  rules(): readonly AclRule[];
  /** Replaces the one of the same id. The caller has asked `mayChange`. */
  addRule(rule: AclRule, by: Connection): Commit | string;
  /** null = there is none. */
  removeRule(id: string): Commit | null;
  /** All who may come in with a password, the owner's too. */
  users(): readonly DelegatedUser[];
  putUser(name: string, mechanism: ScramMechanism, verifier: ScramVerifier, by: Connection): Commit | string;
  /** null = there is none that was made this way. */
  removeUser(name: string, mechanism: ScramMechanism, by: Connection): Commit | null;
}
export interface DelegatedUser {
  readonly name: string;
  /** Set by the cluster's owner: only the owner changes it. */
  readonly isOwners: boolean;
  readonly iterations: Readonly<Partial<Record<ScramMechanism, number>>>;
}

export interface PublishOutcome {
  refusal: Refusal | null;
  /** Acknowledge when it settles; null = nothing was stored, acknowledge at once (in the order of arrival). */
  commit: Commit | null;
  /** Receivers and topics that took the messages; 0 = nobody did. */
  takers: number;
}

export interface ConnectionInfo {
  readonly protocol: Protocol;
  readonly principal: string;
  readonly clientId: string;
  readonly remoteAddress: string;
  /**
   * The broker wants the connection gone (deleted cluster, revoked credential, kick). Must not call back into it.
   * `detail`: a sentence for the client, where there is more to say than the reason.
   */
  disconnect(reason: DisconnectReason, detail?: string): void;
  /** What `Broker.admit` gave: with it the connection goes when its way in is closed or its proof runs out. */
  readonly admission?: Admission;
}
export type DisconnectReason =
  'credential-revoked' | 'namespace-deleted' | 'kicked' | 'shutdown' | 'suspended' | 'banned' | 'draining' | 'moved';

/** One open connection as the broker counts it. */
export interface Connection {
  readonly namespace: Namespace;
  readonly info: ConnectionInfo;
  /** Counters of this namespace and protocol. The broker counts *in*; the protocol adds what it writes *out*. */
  readonly usage: ProtocolUsage;
  /** The part of `usage` that this connection's credential caused; whoever adds to the one adds the same to the other. */
  readonly share?: ProtocolUsage;
  /** Milliseconds until the byte rate quotas let more in; 0 = go on. Cheap, but not per message. */
  ingressDelayMs(): number;
  /** The same for what is sent; `moreBytes` = as if so many more, not in `usage` yet, had been sent. */
  egressDelayMs(moreBytes?: number): number;
  /**
   * Whether the ACL lets the connection do it. `name`: topic or group as the protocol names it; for MQTT reads also a
   * filter, with or without `$share/<group>/`. Remembered per name, so cheap, and a constant while no rule refuses anything.
   * `publish`, `subscribe` and `Partition.append` ask by themselves; other protocols' reads are theirs to ask for.
   */
  allows(action: AclAction, resource: AclResource, name: string): boolean;
  close(): void;
}

/**
 * Cumulative counters of one namespace and protocol. Bytes of a message = topic + payload + headers as on the wire
 * (MQTT: topic, payload, user property names and values; Kafka: the record batches as sent).
 */
export interface ProtocolUsage {
  messagesIn: number;
  messagesOut: number;
  bytesIn: number;
  bytesOut: number;
}

export interface OpenSession {
  readonly connection: Connection;
  readonly clientId: string;
  /** True: an older session of this client id is ended first. */
  readonly cleanStart: boolean;
  /** How long the session outlives its connection: 0 = not at all, Infinity = until it is ended. */
  readonly expirySeconds: number;
  readonly receiver: Receiver;
  readonly will: { readonly message: Message; readonly delaySeconds: number } | null;
}

/** The delivery side of a connection, called by the broker. */
export interface Receiver {
  /**
   * Live messages for a subscription at `qos` (already min(publish, granted); for QoS ≥ 1 only to sessions without an
   * inbox). `subscriptionIds` are those of all matching subscriptions, null when none has one. `retain` is the flag to send.
   */
  deliver(run: PublishRun, qos: QoS, retain: boolean, subscriptionIds: readonly number[] | null): void;
  /** One message that stands alone: retained on subscribe, or published through another protocol. */
  deliverMessage(message: Message, qos: QoS, retain: boolean, subscriptionIds: readonly number[] | null): void;
  /** The inbox has entries to `take`. May come more than once. */
  inboxReady(): void;
  /** Another connection took the session over, or it was ended. The connection must close without touching the session. */
  sessionLost(reason: 'taken-over' | 'ended'): void;
}

/** A subscriber: live while attached; owns an inbox when it outlives its connection. */
export interface Session {
  readonly clientId: string;
  /** null for a session that ends with its connection. */
  readonly inbox: Inbox | null;
  expirySeconds: number;
  /**
   * Adds or replaces a subscription. Retained messages that match are handed to the receiver (or inbox) after the
   * returned commit (null = at once) per `retainHandling`. `filter` may be `$share/<group>/<filter>`.
   */
  subscribe(filter: string, options: SubscribeOptions): SubscribeOutcome;
  /** Whether the subscription existed, and what to wait for. */
  unsubscribe(filter: string): { existed: boolean; commit: Commit | null };
  /** Exactly-once receive side: ids of QoS 2 publishes that are stored but not released. Survive with the session. */
  holdsPacketId(id: number): boolean;
  holdPacketId(id: number): Commit | null;
  releasePacketId(id: number): Commit | null;
  /**
   * The connection is gone. `publishWill` false after a clean DISCONNECT. The session goes on for `expirySeconds` or ends.
   */
  detach(publishWill: boolean): void;
}

export interface SubscribeOptions {
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 send retained, 1 only if the subscription is new, 2 do not send. */
  readonly retainHandling: 0 | 1 | 2;
  readonly subscriptionId: number | null;
}
export type SubscribeOutcome =
  { readonly refusal: Refusal } | { readonly refusal: null; readonly qos: QoS; readonly commit: Commit | null };

/**
 * Messages owed to one session, in order. An entry is a reference to a stored record plus its state. Sequence numbers
 * grow by one and survive restarts, so a protocol may derive its packet ids from them.
 */
export interface Inbox {
  /** Entries owed and not acknowledged. */
  readonly depth: number;
  /**
   * The next entries that were not taken since attach, in order, at most `max`; may be fewer or none while they are
   * being loaded (`inboxReady` follows). Expired entries are dropped silently.
   */
  take(max: number): readonly InboxEntry[];
  /** QoS 1: the reader has it. QoS 2: the reader has completed it. Unknown sequence numbers are ignored. */
  acknowledge(sequence: number): void;
  /**
   * QoS 2: the reader has received it; only its completion is owed now. Survives restarts once the returned commit has
   * settled (null = it was marked before): only then may the reader be told to forget it [MQTT-4.3.3].
   */
  markReceived(sequence: number): Commit | null;
  /** Makes everything not acknowledged takeable again, in order: called by the protocol on a new attachment. */
  rewind(): void;
}

export interface InboxEntry {
  readonly sequence: number;
  readonly qos: QoS;
  readonly retain: boolean;
  /** True when an earlier attachment was given it already. */
  readonly redelivery: boolean;
  /** True for a QoS 2 entry that was marked received: only its completion (PUBREL) is owed. `message` is null then. */
  readonly received: boolean;
  readonly message: Message | null;
  readonly subscriptionIds: readonly number[] | null;
}

/** The topics of a namespace: named, partitioned, stored. */
export interface Topics {
  get(name: string): Topic | undefined;
  byId(idHex: string): Topic | undefined;
  list(): readonly Topic[];
  /** Resolves when the topic is stable and served; topic-exists too. Refuses: topic-exists, topic-invalid, quota-topics. */
  create(spec: CreateTopic): Promise<Topic | Refusal>;
  /** Whether it would be refused, without doing it. */
  validate(spec: CreateTopic): Refusal | null;
  /** Resolves when the topic and its bytes are gone. Refuses topic-unknown, when that is stable. */
  remove(name: string): Promise<Refusal | null>;
  /**
   * Changes what is given and leaves the rest; resolves when it is stable and applied. Partitions only grow. Refuses:
   * topic-unknown, topic-invalid (fewer partitions, a binding), quota-topics.
   */
  alter(name: string, change: TopicChange): Promise<Topic | Refusal>;
}

export interface TopicChange {
  readonly partitions?: number;
  readonly bindings?: readonly string[];
  readonly retentionMs?: number;
  readonly retentionBytes?: number;
  readonly cleanup?: StreamPolicy['cleanup'];
  readonly compaction?: StreamPolicy['compaction'];
  readonly tier?: StreamPolicy['tier'];
  readonly appendTime?: boolean;
  readonly batchSizeBytesMax?: number;
  /** What batches of Kafka's producers are packed with; absent or `producer` = as they were sent. Kafka's to do. */
  readonly compression?: TopicCompression;
}

export interface CreateTopic {
  readonly name: string;
  readonly partitions: number;
  readonly bindings?: readonly string[];
  readonly durability?: Durability;
  readonly retentionMs?: number;
  readonly retentionBytes?: number;
  /** As of the journal's StreamPolicy; absent = its defaults. */
  readonly cleanup?: StreamPolicy['cleanup'];
  readonly compaction?: StreamPolicy['compaction'];
  readonly tier?: StreamPolicy['tier'];
  /** Which medium holds it; absent = the node's default. */
  readonly engine?: 'memory' | 'file' | 'rocksdb';
  /** Batches get the time they are appended at, whatever their producer says (Kafka's LogAppendTime). */
  readonly appendTime?: boolean;
  /** Most bytes of one batch, below the namespace's `messageSizeBytesMax`; absent or 0 = that alone counts. */
  readonly batchSizeBytesMax?: number;
  /** What batches of Kafka's producers are packed with; absent or `producer` = as they were sent. Kafka's to do. */
  readonly compression?: TopicCompression;
}

export interface Topic {
  /** 16 random bytes, hex. */
  readonly idHex: string;
  readonly name: string;
  readonly partitions: readonly Partition[];
  readonly durability: Durability;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** As the topic was created; absent = the journal's defaults. */
  readonly cleanup?: StreamPolicy['cleanup'];
  readonly compaction?: StreamPolicy['compaction'];
  readonly tier?: StreamPolicy['tier'];
  readonly bindings?: readonly string[];
  /** As of `CreateTopic`. */
  readonly appendTime?: boolean;
  readonly batchSizeBytesMax?: number;
  /** What batches of Kafka's producers are packed with; absent or `producer` = as they were sent. Kafka's to do. */
  readonly compression?: TopicCompression;
}

export interface Partition {
  readonly index: number;
  readonly startOffset: number;
  /** The high watermark: consumers see nothing at or above it. */
  readonly stableOffset: number;
  readonly endOffset: number;
  readonly sizeBytes: number;
  /**
   * Appends the RecordBatches v2 in `records` (checked: layout, CRC, codec, size; kept as sent) and delivers them to
   * live subscribers and inboxes of other protocols. `records` is taken over; in a topic of `appendTime` it is stamped in
   * place. Counts messages and bytes in. `claim` is what
   * `prepare` gave for these records.
   */
  append(
    records: Buffer,
    publisher: Connection,
    claim?: Claim | null,
  ): { baseOffset: number; commit: Commit } | Refusal;
  /**
   * Claim check: puts the body of one large batch into object storage ahead of its `append`. null = not to be done, the
   * usual case; a promise of null = it could not be done now: either way `append` without a claim is right. Never rejects.
   * What is appended to the partition meanwhile gets the offsets before it: who must keep an order waits.
   */
  prepare?(records: Buffer, publisher: Connection): Promise<Claim | null> | null;
  /** Whether `prepare` would take records of this size now; cheap. */
  takesClaim?(sizeBytes: number): boolean;
  /** As Stream.read: whole stable batches from the one holding `offset`. Refuses out of range by JournalError. */
  read(offset: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]>;
  /** As Stream.offsetAtTime. */
  offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null>;
  /** Calls back once when `stableOffset` exceeds `offset`; returns a function that forgets it. */
  onStableBeyond(offset: number, callback: () => void): () => void;
  /** Lets go everything below `before` (DeleteRecords; −1 = all that is stable). Resolves with the new start offset. */
  trim(before: number): Promise<number>;
  /** Where the bytes are. */
  tiers(): StreamTierReport;

  /**
   * Transactions (KIP-98). A batch with attribute bit 4 opens one of its producer, or belongs to the open one: it is
   * stored, and other protocols see its records when `endTransaction` commits, never when it aborts. Survives restarts.
   * Fencing by epoch, and who may end what, is the protocol's. The commit settles when the marker is stable.
   */
  endTransaction(producerId: number, producerEpoch: number, commit: boolean): Commit;
  /** First offset of the oldest open transaction, else `stableOffset`: `read_committed` sees nothing at or above it. */
  readonly lastStableOffset: number;
  /** Open transactions, oldest first. */
  openTransactions(): readonly OpenTransaction[];
  /** Aborted transactions that have records in `[from, to)`, as Fetch tells them. */
  abortedTransactions(from: number, to: number): readonly AbortedTransaction[];
}
export interface OpenTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstOffset: number;
}
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Of the abort marker. */
  readonly lastOffset: number;
}

/** Positions of consumer groups, durable. Group membership itself is the protocol's. */
export interface GroupOffsets {
  /** Groups that have committed anything. */
  groups(): readonly string[];
  get(group: string, topic: string, partition: number): CommittedOffset | undefined;
  all(group: string): readonly (CommittedOffset & { topic: string; partition: number })[];
  /** Acknowledge after the commit settles. */
  commit(group: string, offsets: readonly (CommittedOffset & { topic: string; partition: number })[]): Commit;
  remove(group: string): Commit;
}
export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}
