import type { Commit, Durability, StreamPolicy } from '@robustmq/journal';
import type { ListenerInfo } from '@robustmq/wire';
import type { Message, QoS } from './message.ts';
import type { PublishRun } from './publish-run.ts';

export type Protocol = 'mqtt' | 'kafka' | 'amqp';

/** Why the broker says no. Each protocol maps code → wire reason in one table of its own. */
export const REFUSALS = {
  'bad-credentials': 'the user name or the password is wrong',
  'namespace-unknown': 'the client named no cluster: send the user name as name@cluster',
  'namespace-mismatch': 'the port, the TLS server name and the user name name different clusters',
  'not-authorized': 'the credential may not do this',
  suspended: 'the cluster is suspended',
  'quota-connections': 'the cluster has all the connections its quota allows',
  'quota-connection-rate': 'the cluster opens connections faster than its quota allows',
  'quota-sessions': 'the cluster has all the sessions its quota allows',
  'quota-topics': 'the cluster has all the topics or partitions its quota allows',
  'quota-storage': 'the cluster stores all the bytes its quota allows',
  'message-too-large': 'the message is larger than the quota allows',
  'topic-invalid': 'the topic name is not valid',
  'topic-unknown': 'there is no such topic',
  'topic-exists': 'the topic exists already',
  'partition-unknown': 'the topic has no such partition',
  'batch-corrupt': 'the record batch fails its checksum or its layout',
  'batch-unsupported': 'the record batch has a format or a codec that is not supported',
  unavailable: 'the broker is not ready',
} as const;
export type RefusalCode = keyof typeof REFUSALS;

/** A refusal as a value; control flow on the hot path throws nothing. */
export interface Refusal {
  readonly refused: RefusalCode;
  /** A sentence for the client and the client-event log. */
  readonly message: string;
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
}

/** The one object a node's protocol servers are given. */
export interface Broker {
  /** Authenticates and binds the connection to its namespace (design.md §4 "Tenancy"). Synchronous: no I/O. */
  admit(request: AdmitRequest): Admission | Refusal;
  /** Writes a client event (a refusal, a limit met) for the tenant to read. Never throws. */
  clientEvent(event: ClientEvent): void;
}

export interface ClientEvent {
  readonly namespace: string | null;
  readonly protocol: Protocol;
  readonly remoteAddress: string;
  readonly clientId: string | null;
  readonly stage: 'connect' | 'authenticate' | 'publish' | 'subscribe' | 'protocol';
  readonly code: string;
  readonly detail: string;
}

export interface Admission {
  readonly namespace: Namespace;
  /** The credential's name, without `@cluster`; `anonymous` where that is allowed. */
  readonly principal: string;
}

/** One cluster's world. Nothing reachable from here belongs to another cluster. */
export interface Namespace {
  readonly id: string;
  readonly name: string;
  readonly messageSizeBytesMax: number;
  /** Whether a protocol may make a topic that a client only names. */
  readonly autoCreateTopics: boolean;
  readonly topics: Topics;
  readonly offsets: GroupOffsets;
  /** Counts the connection and its time until `close()`; refuses over quota. */
  connect(info: ConnectionInfo): Connection | Refusal;
  /**
   * Routes a run of messages: captures it into the topic whose binding matches best, hands it to live subscribers, and
   * owes it to inboxes. The result object is reused: read it before the next call.
   * Counts messages and bytes in. QoS and acknowledgement: see PublishOutcome.
   */
  publish(run: PublishRun, publisher: Connection): PublishOutcome;
  /** The same for one message that stands alone (a will, a record from elsewhere). */
  publishMessage(message: Message, publisher: Connection | null): PublishOutcome;
  /** Opens a subscriber session; see Session. Takes over from a connection that has it. */
  openSession(request: OpenSession): { session: Session; present: boolean } | Refusal;
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
  /** The broker wants the connection gone (deleted cluster, revoked credential, kick). Must not call back into it. */
  disconnect(reason: 'credential-revoked' | 'namespace-deleted' | 'kicked' | 'shutdown'): void;
}

/** One open connection as the broker counts it. */
export interface Connection {
  readonly namespace: Namespace;
  readonly info: ConnectionInfo;
  /** Counters of this namespace and protocol. The broker counts *in*; the protocol adds what it writes *out*. */
  readonly usage: ProtocolUsage;
  /** Milliseconds until the byte rate quotas let more in; 0 = go on. Cheap, but not per message. */
  ingressDelayMs(): number;
  /** The same for what is sent; `moreBytes` = as if so many more, not in `usage` yet, had been sent. */
  egressDelayMs(moreBytes?: number): number;
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
   * live subscribers and inboxes of other protocols. `records` is taken over. Counts messages and bytes in.
   */
  append(records: Buffer, publisher: Connection): { baseOffset: number; commit: Commit } | Refusal;
  /** As Stream.read: whole stable batches from the one holding `offset`. Refuses out of range by JournalError. */
  read(offset: number, bytesMax: number): readonly Buffer[] | Promise<readonly Buffer[]>;
  /** As Stream.offsetAtTime. */
  offsetAtTime(timestampMs: number): Promise<{ offset: number; timestampMs: number } | null>;
  /** Calls back once when `stableOffset` exceeds `offset`; returns a function that forgets it. */
  onStableBeyond(offset: number, callback: () => void): () => void;
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
