import type { Topic } from '@robustmq/broker';
import type { Call } from '../connection.ts';
import { ERROR, type ErrorCode, REFUSAL_ERRORS } from '../errors.ts';
import type { AlterConfigs, IncrementalAlterConfigs } from '../messages/admin.ts';
import type { DescribeConfigs } from '../messages/topics.ts';
import type { Decoded } from '../schema.ts';
import {
  currentSettings,
  describeBroker,
  describeTopicConfigs,
  operated,
  settingsOf,
  TOPIC_CONFIG_NAMES,
  type WantedConfig,
} from '../topic-configs.ts';
import { CLUSTER } from './transactions.ts';

const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;

/** DescribeConfigs of topics and of the one broker. */
export function handleDescribeConfigs(
  request: Decoded<typeof DescribeConfigs.request>,
  call: Call<typeof DescribeConfigs.response>,
): void {
  const { namespace } = call.session;
  const { server } = call;
  const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
    const row = { resourceType, resourceName, errorCode: ERROR.NONE as ErrorCode, errorMessage: null, configs: [] };
    const asked = (name: string): boolean => configurationKeys === null || configurationKeys.includes(name);
    if (resourceType === TOPIC_RESOURCE) {
      if (!call.allows('describe', 'topic', resourceName)) {
        return { ...row, errorCode: ERROR.TOPIC_AUTHORIZATION_FAILED };
      }
      const topic: Topic | undefined = namespace.topics.get(resourceName);
      if (topic === undefined) return { ...row, errorCode: ERROR.UNKNOWN_TOPIC_OR_PARTITION };
      return { ...row, configs: describeTopicConfigs(topic, namespace).filter(({ name }) => asked(name)) };
    }
    if (resourceType === BROKER_RESOURCE && (resourceName === '' || resourceName === String(server.nodeId))) {
      if (!call.allows('describe', 'cluster', CLUSTER)) {
        return { ...row, errorCode: ERROR.CLUSTER_AUTHORIZATION_FAILED };
      }
      const configs = describeBroker(server.limits, namespace).filter(({ name }) => asked(name));
      return { ...row, configs };
    }
    return { ...row, errorCode: ERROR.INVALID_REQUEST, errorMessage: 'only topics and this broker have configs' };
  });
  call.reply({ results });
}

type Resource = { readonly resourceType: number; readonly resourceName: string };
type Altered = { errorCode: ErrorCode; errorMessage: string | null };

/** AlterConfigs: what is not named goes back to its default. */
export async function handleAlterConfigs(
  request: Decoded<typeof AlterConfigs.request>,
  call: Call<typeof AlterConfigs.response>,
): Promise<void> {
  const responses = [];
  for (const { resourceType, resourceName, configs } of request.resources) {
    const named = new Set(configs.map(({ name }) => name));
    const reset = TOPIC_CONFIG_NAMES.filter((name) => !named.has(name)).map((name) => ({ name, value: null }));
    const resource = { resourceType, resourceName };
    const altered = await alterOne(resource, () => [...reset, ...configs], request.validateOnly, call);
    responses.push({ ...resource, ...altered });
  }
  call.reply({ responses });
}

/** IncrementalAlterConfigs (KIP-339). */
export async function handleIncrementalAlterConfigs(
  request: Decoded<typeof IncrementalAlterConfigs.request>,
  call: Call<typeof IncrementalAlterConfigs.response>,
): Promise<void> {
  const responses = [];
  for (const { resourceType, resourceName, configs } of request.resources) {
    const resource = { resourceType, resourceName };
    const wanted = (topic: Topic): WantedConfig[] | string => {
      const out: WantedConfig[] = [];
      for (const config of configs) {
        const one = operated(config, topic);
        if (typeof one === 'string') return one;
        out.push(one);
      }
      return out;
    };
    responses.push({ ...resource, ...(await alterOne(resource, wanted, request.validateOnly, call)) });
  }
  call.reply({ responses });
}

async function alterOne(
  { resourceType, resourceName }: Resource,
  wanted: (topic: Topic) => readonly WantedConfig[] | string,
  validateOnly: boolean,
  call: Call,
): Promise<Altered> {
  const { namespace } = call.session;
  if (resourceType !== TOPIC_RESOURCE) return refused(ERROR.INVALID_REQUEST, 'only configs of topics can be changed');
  if (!call.allows('alter', 'topic', resourceName)) return refused(ERROR.TOPIC_AUTHORIZATION_FAILED, null);
  const topic = namespace.topics.get(resourceName);
  if (topic === undefined) return refused(ERROR.UNKNOWN_TOPIC_OR_PARTITION, 'there is no such topic');
  const configs = wanted(topic);
  if (typeof configs === 'string') return refused(ERROR.INVALID_CONFIG, configs);
  const settings = settingsOf(configs, namespace, currentSettings(topic));
  if (typeof settings === 'string') return refused(ERROR.INVALID_CONFIG, settings);
  if (validateOnly) return refused(ERROR.NONE, null);
  const altered = await namespace.topics.alter(resourceName, settings);
  return 'refused' in altered ? refused(REFUSAL_ERRORS[altered.refused], altered.message) : refused(ERROR.NONE, null);
}

function refused(errorCode: ErrorCode, errorMessage: string | null): Altered {
  return { errorCode, errorMessage };
}
