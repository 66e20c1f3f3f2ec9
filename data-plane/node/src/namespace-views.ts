import type { BrokerNode, Message, Partition, Topic } from '@robustmq/broker';
import { NODE_VIEWS, NodeViewName, type NodeView, type NodeViewQuery, type NodeViewReply } from '@robustmq/contracts';
import { isFilter } from '@robustmq/broker';
import type { StreamTierReport } from '@robustmq/journal';
import { NodeError } from './node-error.ts';
import { recordsOf } from './record-view.ts';
import { isoTime, isoTimeOrNull, numberKey, pageOf } from './view-page.ts';

/** The live views of node-views.ts over the broker's owners: read now, kept nowhere, one page at a time. */

type Namespace = NonNullable<ReturnType<BrokerNode['byId']>>;
/** Bytes of a retained or delayed message that people are shown. */
const MESSAGE_BYTES_SHOWN_MAX = 4_096;

/** What views need besides the namespace. */
export interface ViewSurroundings {
  readonly nowMs: () => number;
  /** Consumer groups as Kafka has them; absent = only what they committed is known. */
  readonly groups?: GroupViews | undefined;
}
export interface GroupViews {
  list(namespaceId: string): readonly LiveGroup[];
}
/** A group with members, as its coordinator sees it. */
export interface LiveGroup {
  readonly name: string;
  readonly state: string;
  readonly protocolType: string;
  readonly members: readonly { memberId: string; clientId: string; host: string; partitions: number }[];
}

type Answer<V extends NodeView> = (
  namespace: Namespace,
  query: NodeViewQuery<V>,
  around: ViewSurroundings,
) => NodeViewReply<V> | Promise<NodeViewReply<V>>;

const VIEWS: { readonly [V in NodeView]: Answer<V> } = {
  clients: (namespace, query) =>
    pageOf(
      [...namespace.connections.list()].filter(({ info }) => info.clientId.startsWith(query.prefix ?? '')),
      ({ info, connectedAtMs }) => `${info.clientId}\n${numberKey(connectedAtMs)}\n${info.remoteAddress}`,
      query,
      ({ info: { clientId, protocol, principal, remoteAddress }, connectedAtMs }) => ({
        ...{ clientId, protocol, principal, remoteAddress },
        connectedAt: isoTime(connectedAtMs),
      }),
    ),
  'kick-client': (namespace, { clientId }) => {
    const wanted = [...namespace.connections.list()].filter(({ info }) => info.clientId === clientId);
    for (const { info } of wanted) info.disconnect('kicked');
    return { done: wanted.length > 0 };
  },
  sessions: (namespace, query) =>
    pageOf(
      [...namespace.sessions.list().values()].filter(({ clientId }) => clientId.startsWith(query.prefix ?? '')),
      ({ clientId }) => clientId,
      query,
      ({ clientId, connection, expirySeconds, subscriptions, inbox }) => ({
        clientId,
        connected: connection !== null,
        // Infinity has no JSON; MQTT 5 §3.1.2.11.2 spells "until it is ended" so.
        expirySeconds: Number.isFinite(expirySeconds) ? expirySeconds : 0xffff_ffff,
        subscriptions: subscriptions.size,
        inboxMessages: inbox?.depth ?? 0,
        inboxBytes: inbox?.owedBytes ?? 0,
      }),
    ),
  subscriptions: (namespace, query) =>
    pageOf(
      [...namespace.sessions.list().values()]
        .filter(({ clientId }) => query.clientId === undefined || clientId === query.clientId)
        .flatMap(({ clientId, subscriptions }) =>
          Array.from(subscriptions, ([filter, { options }]) => ({ clientId, filter, qos: options.qos as number })),
        ),
      ({ clientId, filter }) => `${clientId}\n${filter}`,
      query,
      (subscription) => subscription,
    ),
  retained: (namespace, query) => {
    if (!isFilter(query.filter)) throw refused('validation-failed', `"${query.filter}" is not an MQTT topic filter`);
    return pageOf(namespace.retained.match(query.filter), ({ topic }) => topic, query, messageView);
  },
  'delete-retained': (namespace, { topic }) => {
    const done = namespace.retained.match(topic).some((message) => message.topic === topic);
    const gone: Message = { topic, payload: Buffer.alloc(0), qos: 0, retain: true, properties: null, timestampMs: 0 };
    if (done) namespace.retained.set(gone);
    return { done };
  },
  delayed: (namespace, query) =>
    pageOf(
      namespace.delayed.list(),
      ({ dueMs, id }) => `${numberKey(dueMs)}\n${id}`,
      query,
      ({ id, dueMs, message: { topic, payload } }) => ({
        ...{ id, topic, dueAt: isoTime(dueMs) },
        sizeBytes: payload.length,
      }),
    ),
  'cancel-delayed': (namespace, { id }) => ({ done: namespace.delayed.cancel(id) }),
  'slow-subscribers': (namespace) => {
    const items = namespace.slow.list(namespace.settings.mqtt.slowSubscriber);
    return { items: items.map(({ atMs, ...one }) => ({ ...one, at: isoTime(atMs) })), next: null };
  },
  events: (namespace, query) =>
    // Newest first; many may have one millisecond, so the place in the log is part of the key.
    pageOf(
      namespace.events.list().map((event, i) => ({ event, i })),
      ({ event, i }) => `${numberKey(8.64e15 - event.timeMs)}\n${numberKey(1e6 - i)}`,
      query,
      ({ event: { timeMs, protocol, clientId, remoteAddress, stage, code, detail } }) => ({
        ...{ at: isoTime(timeMs), protocol, clientId, remoteAddress, stage, code, detail },
      }),
    ),
  bans: (namespace, _query, { nowMs }) => ({
    items: namespace.bans
      .list(nowMs())
      .map(({ kind, value, reason, untilMs }) => ({ kind, value, reason, until: isoTimeOrNull(untilMs) })),
    next: null,
  }),
  unban: (namespace, { kind, value }) => ({ done: namespace.bans.lift(kind, value) }),
  inbox: () => notYet('inbox'),
  'clear-inbox': () => notYet('clear-inbox'),
  'end-session': () => notYet('end-session'),
  topics: (namespace, query) => pageOf(namespace.topics.list(), ({ name }) => name, query, topicView),
  'topic-tiers': (namespace, query) => ({ partitions: topicOf(namespace, query.topic).partitions.map(partitionTiers) }),
  groups: (namespace, query, { groups }) => {
    const live = new Map((groups?.list(namespace.id) ?? []).map((group) => [group.name, group]));
    const names = new Set([...live.keys(), ...namespace.offsets.groups()]);
    return pageOf(
      names,
      (name) => name,
      query,
      (name) => groupView(namespace, name, live.get(name)),
    );
  },
  'reset-offsets': (namespace, query, { groups }) => resetOffsets(namespace, query, groups),
  records: (namespace, query) => recordsOf(topicOf(namespace, query.topic), query),
};

/** Answers a view. Throws NodeError with a code of contracts/problems.ts: not-found, validation-failed, conflict. */
export async function answerView(
  broker: BrokerNode,
  namespaceId: string,
  name: string,
  query: unknown,
  around: ViewSurroundings,
): Promise<unknown> {
  const view = NodeViewName.safeParse(name);
  if (!view.success) throw refused('not-found', `there is no view ${name}`);
  const namespace = broker.byId(namespaceId);
  if (namespace === undefined) throw refused('not-found', 'the node does not serve this cluster');
  const { query: asked, reply } = NODE_VIEWS[view.data];
  const parsed = asked.safeParse(query);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refused('validation-failed', `${issue?.path.join('.') || 'query'}: ${issue?.message}`);
  }
  const answer = VIEWS[view.data] as (n: Namespace, q: unknown, a: ViewSurroundings) => unknown;
  return reply.parse(await answer(namespace, parsed.data, around));
}

function topicOf(namespace: Namespace, name: string): Topic {
  const topic = namespace.topics.get(name);
  if (topic === undefined) throw refused('not-found', `there is no topic ${name}`);
  return topic;
}

function topicView(topic: Topic): NodeViewReply<'topics'>['items'][number] {
  const { name, bindings = [], durability, retentionMs, retentionBytes, cleanup = 'delete', partitions } = topic;
  return {
    ...{ name, bindings: [...bindings], durability, retentionMs, retentionBytes, cleanup },
    partitions: partitions.map((partition) => partitionView(partition, partition.tiers())),
  };
}
function partitionView(
  partition: Partition,
  tiers: StreamTierReport,
): NodeViewReply<'topics'>['items'][number]['partitions'][number] {
  const { index, startOffset, endOffset, stableOffset, sizeBytes } = partition;
  const { hotBytes, warmBytes, coldBytes } = tiers;
  return { partition: index, startOffset, endOffset, stableOffset, sizeBytes, hotBytes, warmBytes, coldBytes };
}
function partitionTiers(partition: Partition): NodeViewReply<'topic-tiers'>['partitions'][number] {
  const tiers = partition.tiers();
  return {
    ...partitionView(partition, tiers),
    objects: tiers.objects.map(({ key, baseOffset, nextOffset, sizeBytes, cold, warm, compacted }) => ({
      ...{ key, baseOffset, nextOffset, sizeBytes, cold, warm, compacted },
    })),
    moves: tiers.moves.map(({ atMs, ...move }) => ({ at: isoTime(atMs), ...move })),
  };
}

function messageView({
  topic,
  qos,
  retain,
  timestampMs,
  payload,
  properties,
}: Message): NodeViewReply<'retained'>['items'][number] {
  const shown = payload.subarray(0, MESSAGE_BYTES_SHOWN_MAX).toString('base64');
  const texts: Record<string, string> = {};
  for (const [name, value] of properties?.headers ?? []) texts[name] = value.toString();
  if (properties?.contentType !== undefined) texts['content-type'] = properties.contentType;
  if (properties?.responseTopic !== undefined) texts['response-topic'] = properties.responseTopic;
  if (properties?.expirySeconds !== undefined) texts['message-expiry'] = String(properties.expirySeconds);
  return {
    ...{ topic, qos, retain, timestamp: isoTime(timestampMs), sizeBytes: payload.length },
    ...{ value: shown, properties: texts },
  };
}

function groupView(
  namespace: Namespace,
  name: string,
  live: LiveGroup | undefined,
): NodeViewReply<'groups'>['items'][number] {
  const offsets = namespace.offsets.all(name).map(({ topic, partition, offset }) => {
    const endOffset = namespace.topics.get(topic)?.partitions[partition]?.stableOffset ?? offset;
    return { topic, partition, offset, endOffset, lag: Math.max(0, endOffset - offset) };
  });
  const { state = 'Empty', protocolType = 'consumer', members = [] } = live ?? {};
  return { name, state, protocolType, members: [...members], offsets };
}

/** KIP-122: only while nobody is in the group, whose members would commit over it. */
async function resetOffsets(
  namespace: Namespace,
  { topic: name, group, to }: NodeViewQuery<'reset-offsets'>,
  groups: GroupViews | undefined,
): Promise<NodeViewReply<'reset-offsets'>> {
  const topic = topicOf(namespace, name);
  const live = groups?.list(namespace.id).find((one) => one.name === group);
  if (live === undefined && !namespace.offsets.groups().includes(group))
    throw refused('not-found', `there is no group ${group}`);
  if ((live?.members.length ?? 0) > 0) throw refused('conflict', `group ${group} has members: stop them first`);
  const offsets = await Promise.all(
    topic.partitions.map(async (partition) => ({ partition: partition.index, offset: await resetTo(partition, to) })),
  );
  const commits = offsets.map((one) => ({ ...one, topic: name, leaderEpoch: -1, metadata: '' }));
  await namespace.offsets.commit(group, commits).promise();
  return { offsets };
}
async function resetTo(partition: Partition, to: NodeViewQuery<'reset-offsets'>['to']): Promise<number> {
  const { startOffset, stableOffset } = partition;
  if (to === 'earliest') return startOffset;
  if (to === 'latest') return stableOffset;
  const wanted = typeof to === 'number' ? to : (await partition.offsetAtTime(Date.parse(to)))?.offset;
  return Math.min(Math.max(wanted ?? stableOffset, startOffset), stableOffset);
}

function notYet(view: string): never {
  throw refused('unavailable', `this version of the node does not answer ${view}`);
}
function refused(code: ViewErrorCode, sentence: string): NodeError {
  return new NodeError(code, sentence);
}
type ViewErrorCode = 'not-found' | 'validation-failed' | 'conflict' | 'unavailable';
