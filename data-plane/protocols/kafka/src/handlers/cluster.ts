import type { Namespace, Topic } from '@robustmq/broker';
import { authorizedOperations } from '../authorized-operations.ts';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, REFUSAL_ERRORS } from '../errors.ts';
import type { ApiVersions, DescribeCluster, Metadata } from '../messages/cluster.ts';
import { type Decoded, type Encodable, ZERO_UUID } from '../schema.ts';
import { CLUSTER } from './transactions.ts';

type MetadataResponse = Encodable<typeof Metadata.response>;
type TopicMetadata = MetadataResponse['topics'][number];
const LEADER_EPOCH = 0;

/** ApiVersions: the list is the API table itself. */
export function handleApiVersions(
  _request: Decoded<typeof ApiVersions.request>,
  call: Call<typeof ApiVersions.response>,
): void {
  const { listedApis } = call.server;
  call.reply({
    errorCode: ERROR.NONE,
    apiKeys: listedApis,
    // a minimum of 0 would be refused by clients of version 3 (KIP-584, KAFKA-17011)
    supportedFeatures: FEATURES.map(([name, level]) => ({
      name,
      minVersion: call.version > 3 ? 0 : 1,
      maxVersion: level,
    })),
    finalizedFeaturesEpoch: 0,
    finalizedFeatures: FEATURES.map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
  });
}

/** What clients turn on by these names: groups of KIP-848, share groups (KIP-932), an epoch per transaction (KIP-890). */
const FEATURES = [
  ['group.version', 1],
  ['share.version', 1],
  ['transaction.version', 2],
] as const;

/** Metadata: one broker, this node; leader of everything. Creates absent topics when the request allows it. */
export async function handleMetadata(
  request: Decoded<typeof Metadata.request>,
  call: Call<typeof Metadata.response>,
): Promise<void> {
  const { namespace } = call.session;
  const { nodeId } = call.server;
  const asked = request.topics;
  const all = asked === null || (call.version === 0 && asked.length === 0);
  const topics: TopicMetadata[] = [];
  if (all) {
    for (const topic of namespace.topics.list()) {
      if (call.allows('describe', 'topic', topic.name)) topics.push(describeTopic(topic, nodeId));
    }
  } else {
    const mayCreate = request.allowAutoTopicCreation && namespace.autoCreateTopics;
    const budget = { left: mayCreate ? call.server.limits.autoCreateTopicsMax : 0 };
    for (const one of asked) topics.push(await describeAsked(one, call, budget));
  }
  const { listener, serverName } = call.connection.transport;
  const { host, port } = call.server.advertised(listener, namespace, serverName);
  const told = request.includeTopicAuthorizedOperations ? topics.map((topic) => withOperations(topic, call)) : topics;
  const clusterOperations = request.includeClusterAuthorizedOperations
    ? { clusterAuthorizedOperations: authorizedOperations(call, 'cluster', CLUSTER) }
    : {};
  call.reply({
    brokers: [{ nodeId, host, port }],
    clusterId: call.server.clusterIdOf(namespace),
    controllerId: nodeId,
    topics: told,
    ...clusterOperations,
  });
}

/** KIP-430. */
function withOperations(topic: TopicMetadata, call: Call): TopicMetadata {
  if (topic.errorCode !== ERROR.NONE || topic.name === null) return topic;
  return { ...topic, topicAuthorizedOperations: authorizedOperations(call, 'topic', topic.name) };
}

async function describeAsked(
  asked: { topicId: string; name: string | null },
  call: Call<typeof Metadata.response>,
  budget: { left: number },
): Promise<TopicMetadata> {
  const { namespace } = call.session;
  const { nodeId } = call.server;
  if (asked.name === null) {
    const topic = namespace.topics.byId(asked.topicId);
    if (topic !== undefined && call.allows('describe', 'topic', topic.name)) return describeTopic(topic, nodeId);
    return { errorCode: ERROR.UNKNOWN_TOPIC_ID, name: null, topicId: asked.topicId, partitions: [] };
  }
  if (!call.allows('describe', 'topic', asked.name)) return failed(asked.name, ERROR.TOPIC_AUTHORIZATION_FAILED);
  const known = namespace.topics.get(asked.name);
  if (known !== undefined) return describeTopic(known, nodeId);
  if (budget.left-- <= 0) return failed(asked.name, unknownOrInvalid(namespace, asked.name));
  if (!call.allows('create', 'topic', asked.name)) return failed(asked.name, ERROR.TOPIC_AUTHORIZATION_FAILED);
  const partitions = namespace.settings.kafka.defaultPartitions;
  const created = await namespace.topics.create({ name: asked.name, partitions });
  if (!('refused' in created)) return describeTopic(created, nodeId);
  if (created.refused !== 'topic-exists') {
    if (created.refused.startsWith('quota')) call.connection.event('protocol', created.refused, created.message);
    return failed(asked.name, REFUSAL_ERRORS[created.refused]);
  }
  // somebody else is creating it: served already, or in a moment
  const now = namespace.topics.get(asked.name);
  return now !== undefined ? describeTopic(now, nodeId) : failed(asked.name, ERROR.LEADER_NOT_AVAILABLE);
}

function failed(name: string, errorCode: ErrorCode): TopicMetadata {
  return { errorCode, name, topicId: ZERO_UUID, partitions: [] };
}

/** A name that could never exist is told as such, so that clients stop asking. */
function unknownOrInvalid(namespace: Namespace, name: string): ErrorCode {
  const refusal = namespace.topics.validate({ name, partitions: 1 });
  return refusal?.refused === 'topic-invalid' ? ERROR.INVALID_TOPIC_EXCEPTION : ERROR.UNKNOWN_TOPIC_OR_PARTITION;
}

function describeTopic(topic: Topic, nodeId: number): TopicMetadata {
  const nodes = [nodeId];
  return {
    errorCode: ERROR.NONE,
    name: topic.name,
    topicId: topic.idHex,
    partitions: topic.partitions.map((partition) => ({
      errorCode: ERROR.NONE,
      partitionIndex: partition.index,
      leaderId: nodeId,
      leaderEpoch: LEADER_EPOCH,
      replicaNodes: nodes,
      isrNodes: nodes,
    })),
  };
}

const ENDPOINT_BROKERS = 1;

/** DescribeCluster: what Metadata says of brokers. */
export function handleDescribeCluster(
  request: Decoded<typeof DescribeCluster.request>,
  call: Call<typeof DescribeCluster.response>,
): void {
  const { namespace } = call.session;
  const { nodeId } = call.server;
  const { listener, serverName } = call.connection.transport;
  const { host, port } = call.server.advertised(listener, namespace, serverName);
  const served = request.endpointType === ENDPOINT_BROKERS;
  call.reply({
    errorCode: served ? ERROR.NONE : ERROR.UNSUPPORTED_ENDPOINT_TYPE,
    errorMessage: served ? null : 'only brokers can be described',
    endpointType: ENDPOINT_BROKERS,
    clusterId: call.server.clusterIdOf(namespace),
    controllerId: nodeId,
    brokers: [{ brokerId: nodeId, host, port }],
    ...(request.includeClusterAuthorizedOperations
      ? { clusterAuthorizedOperations: authorizedOperations(call, 'cluster', CLUSTER) }
      : {}),
  });
}
