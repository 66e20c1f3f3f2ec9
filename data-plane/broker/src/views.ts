import { BatchBuilder, type RecordHeaders } from '@robustmq/journal';
import type { AclAction, AclResource } from '@robustmq/meta';
import type { AclDecision, AclSubject } from './acl.ts';
import type { Connection, ConnectionInfo, Refusal } from './broker-types.ts';
import type { Message } from './message.ts';
import { partitionOf } from './murmur2.ts';
import type { BrokerNamespace } from './namespace.ts';
import { pageOf, type Page, type PageQuery } from './page.ts';
import { browseRecords, type BrowseQuery } from './record-browser.ts';
import { refuse } from './refusal.ts';
import type { BrokerSession } from './session.ts';
import type { StoredPartition, StoredTopic } from './stored-topic.ts';
import {
  isoTime,
  type BanView,
  type ClientEventView,
  type ClientView,
  type DelayedView,
  type Done,
  type MessageView,
  type PartitionView,
  type RecordsView,
  type SessionView,
  type SlowSubscriberView,
  type SubscriptionView,
  type TopicTiersView,
  type TopicView,
} from './view-words.ts';

/** Bytes of a message's payload that are shown. */
const VALUE_BYTES_MAX = 4_096;
const PROPERTIES_MAX = 100;
const NEVER_EXPIRES_SECONDS = 0xffff_ffff;
/** Bans listed at most. */
const BANS_MAX = 10_000;

/**
 * What can be looked at and done live in one namespace; the names and answers are those of the control plane's
 * `NODE_VIEWS`. Nothing here is on a hot path; a page costs at most one pass over what it lists.
 */
export class NamespaceViews {
  readonly #namespace: BrokerNamespace;

  constructor(namespace: BrokerNamespace) {
    this.#namespace = namespace;
  }

  clients(query: PageQuery & { readonly prefix?: string | undefined }): Page<ClientView> {
    const { prefix = '' } = query;
    const all = [...this.#namespace.connections.list()].filter(({ info }) => info.clientId.startsWith(prefix));
    const { items, next } = pageOf(all, ({ info, serial }) => `${info.clientId}\n${padded(serial)}`, query);
    return {
      next,
      items: items.map(({ info: { clientId, protocol, principal, remoteAddress }, connectedAtMs }) => {
        return { clientId, protocol, principal, remoteAddress, connectedAt: isoTime(connectedAtMs) };
      }),
    };
  }
  kickClient({ clientId }: { readonly clientId: string }): Done {
    return { done: this.#namespace.connections.disconnect('kicked', (info) => info.clientId === clientId) > 0 };
  }

  sessions(query: PageQuery & { readonly prefix?: string | undefined }): Page<SessionView> {
    const { prefix = '' } = query;
    const all = this.#sessions((clientId) => clientId.startsWith(prefix));
    const { items, next } = pageOf(all, ({ clientId }) => clientId, query);
    return { items: items.map(toSessionView), next };
  }
  endSession({ clientId }: { readonly clientId: string }): Done {
    return { done: this.#namespace.sessions.end(clientId) };
  }
  subscriptions(query: PageQuery & { readonly clientId?: string | undefined }): Page<SubscriptionView> {
    const { clientId, after, limit } = query;
    const afterClient = after?.split('\n', 1)[0] ?? '';
    const isListed = (id: string, count: number): boolean => count > 0 && id >= afterClient;
    const sessions = this.#sessions((id, { subscriptions }) => {
      return clientId === undefined ? isListed(id, subscriptions.size) : id === clientId;
    });
    // as many sessions as could be needed, and no more: each has at least one
    const { items } = pageOf(sessions, (session) => session.clientId, { limit: limit + 2 });
    const all = items.flatMap((session) =>
      [...session.subscriptions].map(([filter, { options }]) => ({
        clientId: session.clientId,
        filter,
        qos: options.qos,
      })),
    );
    return pageOf(all, (one) => `${one.clientId}\n${one.filter}`, query);
  }

  retained(query: PageQuery & { readonly filter?: string | undefined }): Page<MessageView> {
    const { filter = '#' } = query;
    const { items, next } = pageOf(this.#namespace.retained.match(filter), ({ topic }) => topic, query);
    return { items: items.map(toMessageView), next };
  }
  deleteRetained({ topic }: { readonly topic: string }): Done {
    return { done: this.#namespace.retained.remove(topic) };
  }

  /** What a session is owed, in order; `next` is a sequence number. Resolves when it was read. */
  async inbox(query: PageQuery & { readonly clientId: string }): Promise<Page<MessageView> | Refusal> {
    const { clientId, after, limit } = query;
    const inbox = this.#namespace.sessions.list().get(clientId)?.inbox ?? null;
    if (inbox === null) return refuse('topic-unknown', 'there is no such session, or it has no inbox');
    const items: MessageView[] = [];
    const begin = after === undefined ? 0 : Number(after) + 1;
    for (const { sequence, source, offset, qos } of inbox.entriesFrom(begin, limit + 1)) {
      if (items.length === limit) return { items, next: String(sequence - 1) };
      const message = await this.#namespace.inboxes.read(source, offset);
      if (message !== null) items.push({ ...toMessageView(message), qos });
    }
    return { items, next: null };
  }
  clearInbox({ clientId }: { readonly clientId: string }): Done {
    const inbox = this.#namespace.sessions.list().get(clientId)?.inbox ?? null;
    if (inbox === null) return { done: false };
    for (const { sequence } of [...inbox.entries()]) inbox.acknowledge(sequence);
    return { done: true };
  }

  delayed(query: PageQuery): Page<DelayedView> {
    const { items, next } = pageOf(this.#namespace.delayed.list(), ({ id }) => padded(Number(id)), query);
    return {
      next,
      items: items.map(({ id, dueMs, message }) => {
        return { id, dueAt: isoTime(dueMs), topic: message.topic, sizeBytes: message.payload.length };
      }),
    };
  }
  cancelDelayed({ id }: { readonly id: string }): Done {
    return { done: this.#namespace.delayed.cancel(id) };
  }

  slowSubscribers(): Page<SlowSubscriberView> {
    const { slow, settings } = this.#namespace;
    const items = slow.list(settings.mqtt.slowSubscriber).map(({ clientId, topic, latencyMs, atMs }) => {
      return { clientId, topic, latencyMs, at: isoTime(atMs) };
    });
    return { items, next: null };
  }
  /** The newest first. */
  events(query: PageQuery): Page<ClientEventView> {
    const { items, next } = this.#namespace.events.page(query);
    return {
      next,
      items: items.map(({ timeMs, protocol, clientId, remoteAddress, stage, code, detail }) => {
        return { at: isoTime(timeMs), protocol, clientId, remoteAddress, stage, code, detail };
      }),
    };
  }

  bans(): Page<BanView> {
    const { bans, runtime } = this.#namespace;
    const items = bans.list(runtime.nowMs()).slice(0, BANS_MAX);
    return {
      next: null,
      items: items.map(({ kind, value, reason, untilMs }) => {
        return { kind, value, reason, until: Number.isFinite(untilMs) ? isoTime(untilMs) : null };
      }),
    };
  }
  /** Lifts a ban the broker imposed; the tenant's own list is changed where it is kept. */
  unban({ kind, value }: { readonly kind: string; readonly value: string }): Done {
    return { done: this.#namespace.bans.lift(kind, value) };
  }

  topics(query: PageQuery): Page<TopicView> {
    const { items, next } = pageOf(this.#namespace.topics.list(), ({ name }) => name, query);
    return { items: items.map(toTopicView), next };
  }
  topicTiers({ topic }: { readonly topic: string }): TopicTiersView | Refusal {
    const found = this.#namespace.topics.get(topic);
    if (found === undefined) return refuse('topic-unknown');
    return {
      partitions: found.partitions.map((partition) => {
        const { objects, moves } = partition.tiers();
        return {
          ...toPartitionView(partition),
          objects: objects.map(({ key, baseOffset, nextOffset, sizeBytes, cold, warm, compacted }) => {
            return { key, baseOffset, nextOffset, sizeBytes, cold, warm, compacted };
          }),
          moves: moves.map(({ atMs, kind, reason, baseOffset, nextOffset, sizeBytes }) => {
            return { at: isoTime(atMs), kind, reason, baseOffset, nextOffset, sizeBytes };
          }),
        };
      }),
    };
  }
  /** The message browser. Resolves when it was read. */
  async records(
    query: BrowseQuery & { readonly topic: string; readonly partition: number },
  ): Promise<RecordsView | Refusal> {
    const topic = this.#namespace.topics.get(query.topic);
    if (topic === undefined) return refuse('topic-unknown');
    const partition = topic.partitions[query.partition];
    return partition === undefined ? refuse('partition-unknown') : browseRecords(partition, query);
  }

  /**
   * One record from outside the protocols, counted as Kafka's: resolves when it is stable. Refused as a producer would be;
   * `unavailable` while the rate quotas let nothing more in.
   */
  async produce(
    where: { readonly topic: string; readonly partition?: number | undefined; readonly principal?: string | undefined },
    record: { readonly key: Buffer | null; readonly value: Buffer | null; readonly headers: RecordHeaders },
  ): Promise<{ readonly partition: number; readonly offset: number; readonly timestampMs: number } | Refusal> {
    const topic = this.#namespace.topics.get(where.topic);
    if (topic === undefined) return refuse('topic-unknown');
    const index = where.partition ?? (record.key === null ? 0 : partitionOf(record.key, topic.partitions.length));
    const partition = topic.partitions[index];
    if (partition === undefined) return refuse('partition-unknown');
    const publisher = outsidePublisher(this.#namespace, where.principal);
    if (publisher.ingressDelayMs() > 0) return refuse('unavailable', 'the rate quota is used up');
    const timestampMs = this.#namespace.connections.nowMs();
    const builder = new BatchBuilder(1_024);
    builder.add(record.key, record.value, record.headers.length === 0 ? null : record.headers, timestampMs);
    const appended = partition.append(builder.build(), publisher);
    if ('refused' in appended) return appended;
    await appended.commit.promise();
    return { partition: index, offset: appended.baseOffset, timestampMs };
  }

  /** What the ACL says about somebody, connected or not, and which rule decides. */
  explain(subject: AclSubject, action: AclAction, resource: AclResource, name: string): AclDecision {
    return this.#namespace.authorization.decide(subject, action, resource, name);
  }

  *#sessions(which: (clientId: string, session: BrokerSession) => boolean): Generator<BrokerSession> {
    for (const [clientId, session] of this.#namespace.sessions.list()) if (which(clientId, session)) yield session;
  }
}

/** A publisher without a connection. Without a principal nobody's rules are asked. */
function outsidePublisher(namespace: BrokerNamespace, principal: string | undefined): Connection {
  const info: ConnectionInfo = {
    ...{ protocol: 'kafka', principal: principal ?? '', clientId: '', remoteAddress: '' },
    disconnect: () => undefined,
  };
  const subject = { protocol: 'kafka', principal: info.principal, clientId: '', remoteAddress: '' } as const;
  return {
    ...{ namespace, info, usage: namespace.usage.protocols.kafka },
    ingressDelayMs: () => namespace.connections.throttle.ingressDelayMs(),
    egressDelayMs: () => 0,
    allows: (action, resource, name) =>
      principal === undefined || namespace.authorization.decide(subject, action, resource, name).allowed,
    close: () => undefined,
  };
}

function toSessionView({ clientId, receiver, expirySeconds, subscriptions, inbox }: BrokerSession): SessionView {
  return {
    clientId,
    connected: receiver !== null,
    expirySeconds: Math.min(expirySeconds, NEVER_EXPIRES_SECONDS),
    subscriptions: subscriptions.size,
    inboxMessages: inbox?.depth ?? 0,
    inboxBytes: inbox?.owedBytes ?? 0,
  };
}
function toMessageView({ topic, qos, retain, timestampMs, payload, properties }: Message): MessageView {
  const shown: Record<string, string> = {};
  if (properties?.contentType !== undefined) shown['content-type'] = properties.contentType;
  if (properties?.responseTopic !== undefined) shown['response-topic'] = properties.responseTopic;
  if (properties?.correlationData !== undefined)
    shown['correlation-data'] = properties.correlationData.toString('base64');
  if (properties?.expirySeconds !== undefined) shown['message-expiry'] = String(properties.expirySeconds);
  for (const [name, value] of (properties?.headers ?? []).slice(0, PROPERTIES_MAX)) {
    Object.defineProperty(shown, name, { value: value.toString('utf8'), enumerable: true, configurable: true });
  }
  return {
    topic,
    qos,
    retain,
    timestamp: isoTime(timestampMs),
    sizeBytes: payload.length,
    value: payload.subarray(0, VALUE_BYTES_MAX).toString('base64'),
    properties: shown,
  };
}
function toTopicView(topic: StoredTopic): TopicView {
  const { name, bindings, durability, retentionMs, retentionBytes, cleanup = 'delete', partitions } = topic;
  return {
    name,
    bindings: [...bindings],
    durability,
    retentionMs,
    retentionBytes,
    cleanup,
    partitions: partitions.map(toPartitionView),
  };
}
function toPartitionView({
  index,
  startOffset,
  endOffset,
  stableOffset,
  sizeBytes,
  stream,
}: StoredPartition): PartitionView {
  const { hotBytes, warmBytes, coldBytes } = stream.meter;
  return { partition: index, startOffset, endOffset, stableOffset, sizeBytes, hotBytes, warmBytes, coldBytes };
}
function padded(serial: number): string {
  return String(serial).padStart(16, '0');
}
