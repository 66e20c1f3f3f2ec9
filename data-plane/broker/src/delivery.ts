import { BatchBuilder, decodeRecords, JournalError, type Commit, type Journal } from '@robustmq/journal';
import type { BatchSealer } from './batch-sealer.ts';
import type { NamespaceRecord, NamespaceSettings } from '@robustmq/meta';
import { fnv1a, type Runtime } from '@robustmq/wire';
import type { Authorization } from './authorization.ts';
import type { Connection, PreparedPublish, PublishOutcome, Refusal } from './broker-types.ts';
import type { OpenConnection } from './connections.ts';
import type { DelayedMessages } from './delayed.ts';
import type { InboxLog } from './inbox-log.ts';
import type { RecordSource } from './record-source.ts';
import { ownedProperties, propertyBytes, toHeaders, toMessage } from './message-record.ts';
import type { Message, QoS } from './message.ts';
import { PublishRun } from './publish-run.ts';
import { refuse } from './refusal.ts';
import type { RetainedMessages } from './retained.ts';
import type { Detour, Route, RouteCache, Target } from './route.ts';
import type { BrokerSession } from './session.ts';
import type { Sessions } from './sessions.ts';
import { parseDelayed } from './special-topic.ts';
import type { SharedGroup, Subscription, SubscriptionIndex } from './subscription.ts';
import { isTopicName, slashName } from './topic-name.ts';
import type { StoredPartition } from './stored-topic.ts';
import type { NamespaceTopics } from './topics.ts';
import type { NamespaceShares, UsageShare } from './usage-shares.ts';

/** What delivery needs from its namespace. */
export interface DeliveryHost {
  readonly sealer: BatchSealer;
  readonly record: NamespaceRecord;
  readonly runtime: Runtime;
  readonly journal: Journal;
  readonly index: SubscriptionIndex;
  readonly routes: RouteCache;
  readonly topics: NamespaceTopics;
  readonly retained: RetainedMessages;
  readonly inboxes: InboxLog;
  readonly isStorageFull: boolean;
  /** Of a namespace that may not grow: why; null = it may. */
  readonly growthRefusal: string | null;
  /** Set while the namespace is served elsewhere. */
  readonly movedRefusal: Refusal | null;
  readonly sessions: Sessions;
  readonly settings: NamespaceSettings;
  readonly delayed: DelayedMessages;
  readonly authorization: Authorization;
  readonly usage: { readonly shares: NamespaceShares };
}

/** Below this many bytes the buffer of lone messages is kept for the next. */
const SINGLE_BYTES_MAX = 65_536;
/** Large messages held in memory while their body is stored, over all namespaces; further ones go through the log. */
const PREPARING_BYTES_MAX = 256 * 2 ** 20;
/** The batch, and what its publisher keeps to publish it. */
const PREPARING_COPIES = 2;
/** Room in a batch of one record for what surrounds its payload; more is made when it does not do. */
const CLAIM_OVERHEAD_BYTES = 4_096;

interface StoredMessage {
  readonly offset: number;
  readonly message: Message;
}
interface LiveDelivery {
  readonly session: BrokerSession;
  readonly message: Message;
  readonly qos: QoS;
  readonly ids: readonly number[] | null;
}

/** Routes messages of one namespace: into the topic that captures them, to live receivers, into inboxes. */
export class Delivery {
  readonly #host: DeliveryHost;
  readonly #outcome: PublishOutcome = { refusal: null, commit: null, takers: 0 };
  /** A run made of one message that stands alone. */
  readonly #single = new PublishRun();
  /** The part of a run that one member of a shared group gets. */
  readonly #share = new PublishRun();
  /** Where the messages of the run being published are stored; null = nowhere yet. */
  #source: RecordSource | null = null;
  #base = 0;
  /** The body of the message being published, where it was stored ahead. */
  #prepared: PreparedPublish | null = null;
  /** A run is being handed out: receivers are being called. */
  #isBusy = false;
  /** State of a xorshift generator: which member of a group gets what needs no better chance. */
  #chance: number;

  constructor(host: DeliveryHost) {
    this.#host = host;
    this.#chance = host.runtime.randomBytes(4).readUInt32LE(0) | 1;
  }

  publish(run: PublishRun, publisher: OpenConnection, prepared: PreparedPublish | null = null): PublishOutcome {
    this.#prepared = prepared;
    const outcome = this.#publish(run, null, publisher);
    this.#prepared = null;
    return outcome;
  }

  /** As `Namespace.prepare`. What will be refused, or means something else, is not stored ahead. */
  prepare(run: PublishRun, publisher: OpenConnection): Promise<PreparedPublish | null> | null {
    if (run.count !== 1) return null;
    const { routes, runtime, inboxes } = this.#host;
    const route = routes.lookup(run.data, run.topicStart, run.topicEnd);
    if (route === null || route.detour !== null || this.#refusal(run, route) !== null) return null;
    if (!publisher.allowsPublish(route.topic, route.partition?.topic.name ?? null)) return null;
    const stream = route.partition?.stream ?? (mayBeOwed(run, route) ? inboxes.storeSource.stream : null);
    const [start, end] = [run.payloadStart[0]!, run.payloadEnd[0]!];
    const { sealer } = this.#host;
    const sizeBytes = (end - start) * PREPARING_COPIES;
    if (stream === null || !stream.takesClaim(end - start)) return null;
    if (sealer.preparingBytes + sizeBytes > PREPARING_BYTES_MAX) return null;
    const builder = new BatchBuilder(end - start + CLAIM_OVERHEAD_BYTES);
    builder.addRange(route.topicBytes, run.data, start, end, toHeaders(run.properties?.[0] ?? null), runtime.nowMs());
    const batch = builder.build();
    const preparing = stream.prepare(batch);
    if (preparing === null) return null;
    sealer.preparingBytes += sizeBytes;
    return preparing.then((claim) => {
      sealer.preparingBytes -= sizeBytes;
      return claim === null ? null : { stream, batch, claim };
    });
  }

  /**
   * Publishes a will. A receiver that is handed a message may lose its connection over it, which ends in a will: that one
   * waits for the end of the turn, for a publish must not begin inside another. `published` runs right behind it.
   */
  publishWill(message: Message, published: () => void): void {
    const publish = (): void => {
      this.publishMessage(message, null);
      published();
    };
    if (this.#isBusy) this.#host.runtime.afterPoll(publish);
    else publish();
  }

  /** `isFinal`: the topic was rewritten already. */
  publishMessage(message: Message, publisher: OpenConnection | null, isFinal = false): PublishOutcome {
    const run = this.#single;
    const topicSize = Buffer.byteLength(message.topic);
    const size = topicSize + message.payload.length;
    // small runs reuse the memory; nobody may keep a view of it
    if (run.data.length < size || run.data.length > SINGLE_BYTES_MAX)
      run.data = Buffer.allocUnsafeSlow(Math.max(size, 1024));
    run.data.write(message.topic, 0, 'utf8');
    message.payload.copy(run.data, topicSize);
    run.reset();
    run.add();
    run.topicStart = 0;
    run.topicEnd = topicSize;
    run.payloadStart[0] = topicSize;
    run.payloadEnd[0] = size;
    run.qos = message.qos;
    run.retain = message.retain;
    run.properties = message.properties === null ? null : [message.properties];
    return this.#publish(run, message, publisher, isFinal);
  }

  /** Retained messages for a new subscription. */
  deliverRetained(subscription: Subscription, messages: readonly Message[]): void {
    const { session, options } = subscription;
    const ids = options.subscriptionId === null ? null : [options.subscriptionId];
    const { inboxes } = this.#host;
    for (const message of messages) {
      const qos = min(message.qos, options.qos);
      if (qos === 0 || session.inbox === null) session.receiver?.deliverMessage(message, qos, true, ids);
      else {
        const base = inboxes.storeMessage(message);
        inboxes.beginOwed(inboxes.storeSource, base, 1, message.payload.length);
        inboxes.owe(session.inbox, qos, true, ids);
        inboxes.endOwed();
      }
    }
  }

  /** Batches that a storing protocol appended to a topic: their records are messages for subscribers. */
  appended(partition: StoredPartition, batches: readonly Buffer[], commit: Commit, publisher: Connection | null): void {
    if (!this.hasSubscribers(partition)) return;
    const stored = this.#decode(partition, batches);
    if (stored.length === 0) return;
    const live: LiveDelivery[] = [];
    let isOwed = false;
    for (const one of stored) {
      if (this.#routeStored(one, this.#host.inboxes.sourceOf(partition), publisher, live)) isOwed = true;
    }
    this.#host.inboxes.endOwed();
    // The records are in the journal already, and a flush of anybody's may carry them: what is owed of them must go with
    // it, for a producer that repeats them after a crash is told that they are there.
    if (isOwed) this.#host.sealer.sealAll();
    if (live.length === 0) return;
    commit.onSettled((error) => {
      if (error !== null) return;
      for (const { session, message, qos, ids } of live) session.receiver?.deliverMessage(message, qos, false, ids);
    });
  }

  #publish(
    run: PublishRun,
    message: Message | null,
    publisher: OpenConnection | null,
    isFinal = false,
  ): PublishOutcome {
    const outcome = this.#outcome;
    outcome.refusal = null;
    outcome.commit = null;
    outcome.takers = 0;
    const host = this.#host;
    const route = host.routes.lookup(run.data, run.topicStart, run.topicEnd);
    outcome.refusal = route === null ? refuse('topic-invalid') : this.#refusal(run, route);
    if (route === null || outcome.refusal !== null) return outcome;
    if (route.isGuarded && !this.#passes(run, route, publisher, isFinal)) return outcome;
    run.topicShare = this.#topicShare(route, publisher);
    if (publisher !== null) countIn(run, publisher);
    this.#source = null;
    if (route.partition !== null) this.#capture(run, route, route.partition, outcome);
    if (run.retain) {
      this.#retain(run, route);
      outcome.commit = host.journal.current;
    }
    this.#isBusy = true;
    const targets = route.targets;
    for (let i = 0; i < targets.length; i++) {
      const target = pick(targets[i]!, publisher);
      if (target !== null) this.#deliver(run, 0, message, route, target);
    }
    for (let i = 0; i < route.groups.length; i++) this.#deliverShared(run, message, route, route.groups[i]!, publisher);
    this.#isBusy = false;
    host.inboxes.endOwed();
    return outcome;
  }

  /** Remembered with the route. What nobody published, or the broker did, is what MQTT subscribers get. */
  #topicShare(route: Route, publisher: OpenConnection | null): UsageShare {
    const protocol = publisher === null ? 'mqtt' : publisher.info.protocol;
    const { share } = route;
    if (share !== null && !share.isLost && route.shareProtocol === protocol) return share;
    route.shareProtocol = protocol;
    return (route.share = this.#host.usage.shares.ofTopic(protocol, route.topic));
  }

  /** Whether the run goes on under its own name. If not, the outcome says what became of it. */
  #passes(run: PublishRun, route: Route, publisher: OpenConnection | null, isFinal: boolean): boolean {
    const { detour, partition } = route;
    const outcome = this.#outcome;
    if (publisher !== null && detour?.kind !== 'rewritten') {
      const captured = partition === null ? null : partition.topic.name;
      if (!publisher.allowsPublish(route.topic, captured)) outcome.refusal = refuse('not-authorized');
      else if (detour?.kind === 'system') outcome.refusal = refuse('not-authorized', 'only the broker publishes there');
      if (outcome.refusal !== null) return false;
    }
    // the broker's own messages, and what was rewritten already, go on
    if (detour === null || detour.kind === 'system' || (isFinal && detour.kind === 'rewritten')) return true;
    this.#detour(run, route, detour, publisher);
    return false;
  }

  /** What is published under a name that means something else, one by one. The outcome is that of all. */
  #detour(
    run: PublishRun,
    route: Route,
    detour: Exclude<Detour, { kind: 'system' }>,
    publisher: OpenConnection | null,
  ): void {
    const outcome = this.#outcome;
    const messages = messagesOf(run, this.#host.runtime.nowMs());
    let takers = 0;
    run.topicShare = this.#topicShare(route, publisher);
    if (detour.kind === 'delayed' && publisher !== null) countIn(run, publisher);
    for (const message of messages) {
      if (detour.kind === 'delayed') outcome.refusal = this.#delay({ ...message, topic: route.topic });
      else this.publishMessage({ ...message, topic: detour.topic }, publisher, true);
      if (outcome.refusal !== null) return;
      takers = Math.max(takers, outcome.takers);
    }
    outcome.takers = Math.max(takers, outcome.takers);
  }
  #delay(message: Message): Refusal | null {
    const { runtime, delayed, settings, journal, isStorageFull } = this.#host;
    const parsed = parseDelayed(message.topic, runtime.nowMs());
    if (parsed === null || parsed === undefined) return refuse('topic-invalid', 'use $delayed/<seconds>/<topic>');
    if (isStorageFull) return this.#noRoom();
    const refusal = delayed.add({ ...message, topic: parsed.topic }, parsed.dueMs, settings.mqtt.delayed);
    if (refusal !== null) return refusal;
    this.#outcome.commit = journal.current;
    this.#outcome.takers = 1;
    return null;
  }

  #refusal(run: PublishRun, route: Route): Refusal | null {
    const sizeMax = this.#host.record.quotas.messageSizeBytesMax;
    for (let i = 0; i < run.count; i++) {
      if (run.payloadEnd[i]! - run.payloadStart[i]! > sizeMax) return refuse('message-too-large');
    }
    const moved = this.#host.movedRefusal;
    if (moved !== null) return moved;
    if (this.#host.isStorageFull && (route.partition !== null || run.retain)) return this.#noRoom();
    return run.retain ? this.#retainRefusal(run, route) : null;
  }

  #noRoom(): Refusal {
    return refuse('quota-storage', this.#host.growthRefusal ?? undefined);
  }
  #retainRefusal(run: PublishRun, route: Route): Refusal | null {
    const { retained, record } = this.#host;
    const last = run.count - 1;
    const sizeBytes = run.payloadEnd[last]! - run.payloadStart[last]!;
    // an empty payload takes a message away
    if (sizeBytes === 0) return null;
    const { retainedMessagesMax = Infinity } = record.quotas;
    const hasRoom = retained.hasRoom(sizeBytes) && (retained.count < retainedMessagesMax || retained.has(route.topic));
    return hasRoom ? null : refuse('quota-storage', 'too many retained messages');
  }

  #capture(run: PublishRun, route: Route, partition: StoredPartition, outcome: PublishOutcome): void {
    const timestampMs = this.#host.runtime.nowMs();
    const { pending } = partition;
    this.#base = pending.nextOffset;
    if (this.#prepared !== null && this.#prepared.stream === partition.stream) pending.addClaimed(this.#prepared);
    else
      for (let i = 0; i < run.count; i++) {
        const headers = run.properties === null ? null : toHeaders(run.properties[i] ?? null);
        pending.add(route.topicBytes, run.data, run.payloadStart[i]!, run.payloadEnd[i]!, headers, timestampMs);
      }
    outcome.takers++;
    if (partition.topic.durability === 'flushed') outcome.commit = this.#host.journal.current;
  }

  #retain(run: PublishRun, route: Route): void {
    const last = run.count - 1;
    this.#host.retained.set({
      topic: route.topic,
      payload: Buffer.from(run.payload(last)),
      qos: run.qos,
      retain: true,
      properties: ownedProperties(run.properties?.[last] ?? null),
      timestampMs: this.#host.runtime.nowMs(),
    });
  }

  /** Hands a run to one session. `from` is where the run begins within the one that was published. */
  #deliver(run: PublishRun, from: number, message: Message | null, route: Route, target: Target): void {
    const { session } = target;
    const { receiver } = session;
    const outcome = this.#outcome;
    const qos = min(run.qos, target.qos);
    const retain = target.retainAsPublished && run.retain;
    if (qos > 0 && session.inbox !== null) {
      const { inboxes } = this.#host;
      const source = this.#source ?? this.#sourceOf(run, route);
      inboxes.beginOwed(source, this.#base + from, run.count, run.payloadEnd[0]! - run.payloadStart[0]!);
      inboxes.owe(session.inbox, qos, retain, target.subscriptionIds);
      outcome.commit = this.#host.journal.current;
      outcome.takers++;
    } else if (receiver !== null) {
      outcome.takers++;
      if (message === null) receiver.deliver(run, qos, retain, target.subscriptionIds);
      else receiver.deliverMessage(message, qos, retain, target.subscriptionIds);
    }
  }

  /** Where the run is stored for the inboxes that are owed it: in the topic that captured it, else stored now, once. */
  #sourceOf(run: PublishRun, route: Route): RecordSource {
    const { inboxes } = this.#host;
    if (route.partition !== null) this.#source = inboxes.sourceOf(route.partition);
    else {
      this.#base = inboxes.storeRun(run, route.topicBytes, this.#prepared);
      this.#source = inboxes.storeSource;
    }
    return this.#source;
  }

  /** Gives the run to members of the group, in parts where the strategy goes by message; to its inbox when none is online. */
  #deliverShared(
    run: PublishRun,
    message: Message | null,
    route: Route,
    group: SharedGroup,
    publisher: OpenConnection | null,
  ): void {
    const { sharedStrategy } = this.#host.settings.mqtt;
    const isSplit = sharedStrategy === 'round-robin' || sharedStrategy === 'random';
    const size = isSplit ? Math.ceil(run.count / Math.max(1, group.members.length)) : run.count;
    for (let from = 0; from < run.count; from += size) {
      const member = this.#memberOf(group, route, publisher);
      const isWhole = size >= run.count;
      if (member === null) {
        if (run.qos === 0) return;
        this.#oweGroup(isWhole ? run : partOf(run, this.#share, from, run.count), run, from, route, group);
        return;
      }
      const target = member.solo;
      // the whole run is stored, whichever part comes first
      if (!isWhole && min(run.qos, target.qos) > 0 && member.session.inbox !== null && this.#source === null) {
        this.#sourceOf(run, route);
      }
      const part = isWhole ? run : partOf(run, this.#share, from, Math.min(run.count, from + size));
      this.#deliver(part, from, message, route, target);
    }
  }
  #memberOf(group: SharedGroup, route: Route, publisher: Connection | null): Subscription | null {
    const { settings, authorization } = this.#host;
    const { sharedStrategy } = settings.mqtt;
    if (sharedStrategy === 'round-robin' && authorization.isOpen) return group.nextInTurn();
    let number = 0;
    if (sharedStrategy === 'hash-topic') number = route.hash;
    else if (sharedStrategy === 'hash-client') number = publisher === null ? 0 : hashOf(publisher.info.clientId);
    else if (sharedStrategy === 'random') number = this.#random();
    return group.nextMember(sharedStrategy, number, authorization.isOpen ? null : route.topic);
  }
  /** Nobody of the group is online: its inbox keeps the run, where some member may come back for it. */
  #oweGroup(part: PublishRun, run: PublishRun, from: number, route: Route, group: SharedGroup): void {
    const inbox = this.#host.sessions.groups.of(group);
    if (inbox === null) return;
    const { inboxes, journal } = this.#host;
    const source = this.#source ?? this.#sourceOf(run, route);
    inboxes.beginOwed(source, this.#base + from, part.count, part.payloadEnd[0]! - part.payloadStart[0]!);
    inboxes.owe(inbox, run.qos, false, null);
    this.#outcome.commit = journal.current;
    this.#outcome.takers++;
  }
  #random(): number {
    let x = this.#chance;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#chance = x;
    return x >>> 0;
  }

  /** Owes a stored record to inboxes at once, and notes who gets it live when it is stable. Whether any is owed it. */
  #routeStored(one: StoredMessage, source: RecordSource, publisher: Connection | null, live: LiveDelivery[]): boolean {
    const topic = Buffer.from(one.message.topic);
    const route = this.#host.routes.lookup(topic, 0, topic.length);
    if (route === null) return false;
    let isOwed = false;
    const { inboxes, sessions } = this.#host;
    const targets = route.targets.map((target) => pick(target, publisher));
    for (const group of route.groups) {
      const member = this.#memberOf(group, route, publisher);
      if (member !== null) targets.push(member.solo);
      else {
        const inbox = sessions.groups.of(group);
        if (inbox === null) continue;
        inboxes.beginOwed(source, one.offset, 1, one.message.payload.length);
        inboxes.owe(inbox, one.message.qos, false, null);
        isOwed = true;
      }
    }
    for (const target of targets) {
      if (target === null) continue;
      const { session, subscriptionIds } = target;
      const qos = min(one.message.qos, target.qos);
      if (qos > 0 && session.inbox !== null) {
        inboxes.beginOwed(source, one.offset, 1, one.message.payload.length);
        inboxes.owe(session.inbox, qos, false, subscriptionIds);
        isOwed = true;
      } else if (session.receiver !== null) live.push({ session, message: one.message, qos, ids: subscriptionIds });
    }
    return isOwed;
  }

  /** Whether anybody could want records of the partition. May say yes too often, never no. */
  hasSubscribers(partition: StoredPartition): boolean {
    const { index } = this.#host;
    if (index.isEmpty) return false;
    return [slashName(partition.topic.name), ...partition.topic.bindings].some((binding) => {
      const first = binding.split('/', 1)[0]!;
      return first === '+' || first === '#' || index.mayMatchFirstLevel(first);
    });
  }

  #decode(partition: StoredPartition, batches: readonly Buffer[]): StoredMessage[] {
    const messages: StoredMessage[] = [];
    try {
      for (const batch of batches) {
        decodeRecords(batch, (record) => {
          const topic = topicOfRecord(record.key(), partition, this.#host.topics);
          messages.push({ offset: record.offset, message: toMessage(record, topic, 1, false) });
        });
      }
    } catch (error) {
      // the batch is stored as sent; whoever reads it as records sees the same fault
      if (!(error instanceof JournalError)) throw error;
      this.#host.runtime.log.warn(
        { stream: partition.stream.name, error },
        'a stored batch is not readable as messages',
      );
    }
    return messages;
  }
}

/** Under which name subscribers get a record: its key when the topic's bindings match it, else the topic's own name. */
export function topicOfRecord(key: Buffer | null, partition: StoredPartition, topics: NamespaceTopics): string {
  if (key !== null && key.length > 0 && key.length <= 65_535) {
    const name = key.toString('utf8');
    if (isTopicName(name) && Buffer.byteLength(name) === key.length && topics.isBound(partition.topic, name))
      return name;
  }
  return slashName(partition.topic.name);
}

/** Whether some inbox could be owed the run. */
function mayBeOwed(run: PublishRun, { targets, groups }: Route): boolean {
  if (run.qos === 0) return false;
  return groups.length > 0 || targets.some(({ session, qos }) => qos > 0 && session.inbox !== null);
}

/** The target for messages of this publisher: less, or nothing, where a subscription asks for no messages of its own. */
function pick(target: Target, publisher: Connection | null): Target | null {
  if (!target.hasNoLocal || publisher === null || target.session.connection !== publisher) return target;
  return target.own;
}

function min(a: QoS, b: QoS): QoS {
  return a < b ? a : b;
}

function hashOf(text: string): number {
  const bytes = Buffer.from(text);
  return fnv1a(bytes, 0, bytes.length);
}

/** The messages of a run as such; they own their bytes. */
function messagesOf(run: PublishRun, timestampMs: number): Omit<Message, 'topic'>[] {
  return Array.from({ length: run.count }, (_, i) => ({
    payload: Buffer.from(run.payload(i)),
    qos: run.qos,
    retain: run.retain,
    properties: ownedProperties(run.properties?.[i] ?? null),
    timestampMs,
  }));
}

function countIn(run: PublishRun, publisher: Connection): void {
  const { usage, share } = publisher;
  usage.messagesIn += run.count;
  let bytes = run.count * (run.topicEnd - run.topicStart);
  for (let i = 0; i < run.count; i++) {
    bytes += run.payloadEnd[i]! - run.payloadStart[i]!;
    if (run.properties !== null) bytes += propertyBytes(run.properties[i] ?? null);
  }
  usage.bytesIn += bytes;
  if (share !== undefined) {
    share.messagesIn += run.count;
    share.bytesIn += bytes;
  }
  if (run.topicShare !== null) {
    run.topicShare.messagesIn += run.count;
    run.topicShare.bytesIn += bytes;
  }
}

/** Messages `[from, to)` of a run as a run that points into the same bytes. */
function partOf(run: PublishRun, part: PublishRun, from: number, to: number): PublishRun {
  part.reset();
  part.data = run.data;
  part.topicStart = run.topicStart;
  part.topicEnd = run.topicEnd;
  part.qos = run.qos;
  part.retain = run.retain;
  part.wireFormat = run.wireFormat;
  part.topicShare = run.topicShare;
  for (let i = from; i < to; i++) {
    const at = part.add();
    part.payloadStart[at] = run.payloadStart[i]!;
    part.payloadEnd[at] = run.payloadEnd[i]!;
    part.packetStart[at] = run.packetStart[i]!;
    part.packetIdAt[at] = run.packetIdAt[i]!;
  }
  part.wireStart = from === 0 ? run.wireStart : run.packetStart[from]!;
  part.wireEnd = to === run.count ? run.wireEnd : run.packetStart[to]!;
  part.properties = run.properties === null ? null : run.properties.slice(from, to);
  return part;
}
