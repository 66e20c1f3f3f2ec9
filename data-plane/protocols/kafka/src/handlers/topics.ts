import type { CreateTopic } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, REFUSAL_ERRORS } from '../errors.ts';
import type { CreateTopics, DeleteTopics } from '../messages/topics.ts';
import { type Decoded, type Encodable, ZERO_UUID } from '../schema.ts';
import { describeTopicConfigs, settingsOf } from '../topic-configs.ts';

type WantedTopic = Decoded<typeof CreateTopics.request>['topics'][number];
type CreatedRow = Encodable<typeof CreateTopics.response>['topics'][number];
type Refused = { readonly errorCode: ErrorCode; readonly errorMessage: string };

const BROKER_DEFAULT = -1;
const REPLICATION_FACTOR = 1;

/** CreateTopics: each topic stands or falls alone; answered when it is stable and served. */
export async function handleCreateTopics(
  request: Decoded<typeof CreateTopics.request>,
  call: Call<typeof CreateTopics.response>,
): Promise<void> {
  const times = new Map<string, number>();
  for (const { name } of request.topics) times.set(name, (times.get(name) ?? 0) + 1);
  const topics: CreatedRow[] = [];
  for (const wanted of request.topics) {
    if (times.get(wanted.name)! > 1) {
      topics.push(refusedRow(wanted.name, refused(ERROR.INVALID_REQUEST, 'the topic is named twice in the request')));
    } else topics.push(await createOne(wanted, request.validateOnly, call));
  }
  call.reply({ topics });
}

async function createOne(wanted: WantedTopic, validateOnly: boolean, call: Call): Promise<CreatedRow> {
  if (!call.allows('create', 'topic', wanted.name)) {
    return refusedRow(wanted.name, refused(ERROR.TOPIC_AUTHORIZATION_FAILED, 'the topic may not be created'));
  }
  const spec = createSpec(wanted, call);
  if ('errorCode' in spec) return refusedRow(wanted.name, spec);
  const { topics } = call.session.namespace;
  const outcome = validateOnly ? topics.validate(spec) : await topics.create(spec);
  if (outcome !== null && 'refused' in outcome) {
    if (outcome.refused.startsWith('quota')) call.connection.event('protocol', outcome.refused, outcome.message);
    return refusedRow(wanted.name, refused(REFUSAL_ERRORS[outcome.refused], outcome.message));
  }
  return {
    name: wanted.name,
    topicId: outcome?.idHex ?? ZERO_UUID,
    errorCode: ERROR.NONE,
    numPartitions: spec.partitions,
    replicationFactor: REPLICATION_FACTOR,
    configs: outcome === null ? [] : describeTopicConfigs(outcome, call.session.namespace),
  };
}

/** The topic asked for in the broker's words, or why Kafka would not make it. */
function createSpec(wanted: WantedTopic, call: Call): CreateTopic | Refused {
  const { limits, nodeId } = call.server;
  let partitions = wanted.numPartitions;
  if (wanted.assignments.length > 0) {
    partitions = wanted.assignments.length;
    if (wanted.assignments.some(({ brokerIds }) => brokerIds.length !== 1 || brokerIds[0] !== nodeId)) {
      return refused(ERROR.INVALID_REPLICA_ASSIGNMENT, `broker ${nodeId} is the only one`);
    }
  } else if (wanted.replicationFactor !== BROKER_DEFAULT && wanted.replicationFactor !== REPLICATION_FACTOR) {
    return refused(
      ERROR.INVALID_REPLICATION_FACTOR,
      'the replication factor must be 1 or -1: the cluster has one broker',
    );
  }
  if (partitions === BROKER_DEFAULT) partitions = call.session.namespace.settings.kafka.defaultPartitions;
  if (partitions < 1 || partitions > limits.partitionsPerTopicMax) {
    return refused(ERROR.INVALID_PARTITIONS, `a topic has 1 to ${limits.partitionsPerTopicMax} partitions`);
  }
  const configs = settingsOf(wanted.configs, call.session.namespace);
  if (typeof configs === 'string') return refused(ERROR.INVALID_CONFIG, configs);
  return { name: wanted.name, partitions, ...configs };
}

function refused(errorCode: ErrorCode, errorMessage: string): Refused {
  return { errorCode, errorMessage };
}
function refusedRow(name: string, refusal: Refused): CreatedRow {
  return { name, topicId: ZERO_UUID, ...refusal };
}

/** DeleteTopics: by name, from version 6 on by id too. Answered when the bytes are gone. */
export async function handleDeleteTopics(
  request: Decoded<typeof DeleteTopics.request>,
  call: Call<typeof DeleteTopics.response>,
): Promise<void> {
  const wanted = call.version >= 6 ? request.topics : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const { namespace, world } = call.session;
  const responses = [];
  for (const { name, topicId } of wanted) {
    const topic = name === null ? namespace.topics.byId(topicId) : namespace.topics.get(name);
    if (topic === undefined) {
      // It may be on its way: nobody is told that it is gone before that is stable.
      const isRemoved =
        name !== null && call.allows('delete', 'topic', name) && (await namespace.topics.remove(name)) === null;
      const unknown = name === null ? ERROR.UNKNOWN_TOPIC_ID : ERROR.UNKNOWN_TOPIC_OR_PARTITION;
      const errorCode = isRemoved ? ERROR.NONE : unknown;
      responses.push({ name, topicId, errorCode, errorMessage: isRemoved ? null : 'there is no such topic' });
      continue;
    }
    if (!call.allows('delete', 'topic', topic.name)) {
      const errorMessage = 'the topic may not be deleted';
      responses.push({ name, topicId, errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED, errorMessage });
      continue;
    }
    const refusal = await namespace.topics.remove(topic.name);
    if (refusal === null) world.forgetTopic(topic.idHex);
    responses.push({
      name: topic.name,
      topicId: topic.idHex,
      errorCode: refusal === null ? ERROR.NONE : REFUSAL_ERRORS[refusal.refused],
      errorMessage: refusal?.message ?? null,
    });
  }
  call.reply({ responses });
}
