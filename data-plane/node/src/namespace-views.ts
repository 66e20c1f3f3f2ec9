import { isFilter, isRefusal, type BrokerNode, type NamespaceViews, type Partition } from '@robustmq/broker';
import {
  NODE_VIEWS,
  NodeViewName,
  type NodeView,
  type NodeViewQuery,
  type NodeViewReply,
} from '@robustmq/contracts/data-plane';
import type { LiveGroup } from '@robustmq/kafka';
import { NodeError, type NodeErrorCode } from './node-error.ts';

/**
 * The live views of node-views.ts: the broker's own answers, checked against the contract, and consumer groups, which the
 * broker knows by what they committed and a protocol by who is in them.
 */

type Namespace = NonNullable<ReturnType<BrokerNode['byId']>>;
/** Bytes of JSON one answer may have. */
export const VIEW_BYTES_MAX = 1_048_576;

/** Groups of a namespace that have a coordinator now; absent = only what was committed is known. */
export type LiveGroups = (namespaceId: string) => readonly LiveGroup[];

interface Looked {
  readonly views: NamespaceViews;
  readonly namespace: Namespace;
  readonly groups: readonly LiveGroup[];
}
type Answer<V extends NodeView> = (looked: Looked, query: NodeViewQuery<V>) => unknown;

const VIEWS: { readonly [V in NodeView]: Answer<V> } = {
  clients: ({ views }, query) => views.clients(query),
  'kick-client': ({ views }, query) => views.kickClient(query),
  sessions: ({ views }, query) => views.sessions(query),
  'end-session': ({ views }, query) => views.endSession(query),
  subscriptions: ({ views }, query) => views.subscriptions(query),
  retained: ({ views }, query) => {
    if (isFilter(query.filter)) return views.retained(query);
    throw new NodeError('validation-failed', `"${query.filter}" is not an MQTT topic filter`);
  },
  'delete-retained': ({ views }, query) => views.deleteRetained(query),
  inbox: ({ views }, query) => views.inbox(query),
  'clear-inbox': ({ views }, query) => views.clearInbox(query),
  delayed: ({ views }, query) => views.delayed(query),
  'cancel-delayed': ({ views }, query) => views.cancelDelayed(query),
  'slow-subscribers': ({ views }) => views.slowSubscribers(),
  events: ({ views }, query) => views.events(query),
  explain: ({ views }, { action, resource, name, ...subject }) => views.explain(subject, action, resource, name),
  bans: ({ views }) => views.bans(),
  unban: ({ views }, query) => views.unban(query),
  topics: ({ views }, query) => views.topics(query),
  'topic-tiers': ({ views }, query) => views.topicTiers(query),
  records: ({ views }, query) => views.records(query),
  groups: groupsPage,
  'reset-offsets': resetOffsets,
  produce: ({ views }, query) => produced(views, query),
};

/**
 * Answers a view. Throws NodeError with a code of contracts/problems.ts: not-found, validation-failed, conflict,
 * payload-too-large.
 */
export async function answerView(
  broker: BrokerNode,
  namespaceId: string,
  name: string,
  query: unknown,
  groups: LiveGroups = () => [],
): Promise<unknown> {
  const view = NodeViewName.safeParse(name);
  if (!view.success) throw new NodeError('not-found', `there is no view ${name}`);
  const [namespace, views] = [broker.byId(namespaceId), broker.views(namespaceId)];
  if (namespace === undefined || views === undefined)
    throw new NodeError('not-found', 'the node does not serve this cluster');
  const { query: asked, reply } = NODE_VIEWS[view.data];
  const parsed = asked.safeParse(query);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new NodeError('validation-failed', `${issue?.path.join('.') || 'query'}: ${issue?.message}`);
  }
  const answer = VIEWS[view.data] as (looked: Looked, query: unknown) => unknown;
  const answered = await answer({ views, namespace, groups: groups(namespaceId) }, parsed.data);
  if (isRefused(answered)) throw new NodeError('not-found', answered.message);
  const shown = reply.parse(answered);
  if (Buffer.byteLength(JSON.stringify(shown)) > VIEW_BYTES_MAX)
    throw new NodeError('payload-too-large', `the answer is above ${VIEW_BYTES_MAX} bytes: ask with a smaller limit`);
  return shown;
}

/** What the broker refuses in a view is a topic, partition or session that is not there. */
function isRefused(answer: unknown): answer is { message: string } {
  return typeof answer === 'object' && answer !== null && isRefusal(answer as Parameters<typeof isRefusal>[0]);
}

function groupsPage({ namespace, groups }: Looked, { after, limit }: NodeViewQuery<'groups'>): NodeViewReply<'groups'> {
  const live = new Map(groups.map((group) => [group.name, group]));
  const names = [...new Set([...live.keys(), ...namespace.offsets.groups()])].sort();
  const behind = after === undefined ? names : names.filter((name) => name > after);
  const shown = behind.slice(0, limit);
  return {
    items: shown.map((name) => groupView(namespace, name, live.get(name))),
    next: behind.length > shown.length ? shown.at(-1)! : null,
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
  const lagAt = new Map(offsets.map(({ topic, partition, lag }) => [`${topic}/${partition}`, lag]));
  return {
    ...{ name, state, protocolType, offsets },
    members: members.map(({ assigned, ...member }) => ({
      ...member,
      assigned: [...assigned],
      lag: assigned.reduce((sum, { topic, partition }) => sum + (lagAt.get(`${topic}/${partition}`) ?? 0), 0),
    })),
  };
}

const bytesOf = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text, 'base64'));
/** The broker's refusals of a record as the codes of contracts/problems.ts; others are `not-found`. */
const PRODUCE_REFUSALS: Readonly<Partial<Record<string, NodeErrorCode>>> = {
  ...{ 'not-authorized': 'forbidden', 'quota-storage': 'quota-exceeded', 'message-too-large': 'payload-too-large' },
  ...{ suspended: 'conflict', unavailable: 'too-many-requests' },
};
async function produced(views: NamespaceViews, query: NodeViewQuery<'produce'>): Promise<unknown> {
  const { key, value, headers, ...where } = query;
  const record = {
    ...{ key: bytesOf(key), value: bytesOf(value) },
    headers: headers.map((one) => [one.name, bytesOf(one.value)] as const),
  };
  const answer = await views.produce(where, record);
  if (!isRefusal(answer)) return { ...answer, timestamp: new Date(answer.timestampMs).toISOString() };
  throw new NodeError(PRODUCE_REFUSALS[answer.refused] ?? 'not-found', answer.message);
}

/** KIP-122: only while nobody is in the group, whose members would commit over it. */
async function resetOffsets(
  { namespace, groups }: Looked,
  { topic: name, group, to }: NodeViewQuery<'reset-offsets'>,
): Promise<NodeViewReply<'reset-offsets'>> {
  const topic = namespace.topics.get(name);
  if (topic === undefined) throw new NodeError('not-found', `there is no topic ${name}`);
  const live = groups.find((one) => one.name === group);
  if (live === undefined && !namespace.offsets.groups().includes(group))
    throw new NodeError('not-found', `there is no group ${group}`);
  if ((live?.members.length ?? 0) > 0) throw new NodeError('conflict', `group ${group} has members: stop them first`);
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
