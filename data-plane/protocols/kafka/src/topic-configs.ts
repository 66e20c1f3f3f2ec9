import type { CreateTopic, Namespace, Topic } from '@robustmq/broker';
import type { KafkaLimits } from './limits.ts';

/** A config as DescribeConfigs and CreateTopics show it. */
export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  readonly configType: number;
}

const SOURCE_TOPIC = 1;
const SOURCE_DEFAULT = 5;
const TYPE = { boolean: 1, string: 2, int: 3, long: 5, list: 7 } as const;

/** Configs that may be set only to what is always so here: setting anything else is refused, not ignored. */
const FIXED: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'compression.type': 'producer',
  'message.timestamp.type': 'CreateTime',
  'min.insync.replicas': '1',
};

/** Topic configs of a CreateTopics request as fields of a topic, or a sentence about the one that cannot be had. */
export function createConfigs(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): Pick<CreateTopic, 'retentionMs' | 'retentionBytes'> | string {
  const out: { retentionMs?: number; retentionBytes?: number } = {};
  for (const { name, value } of configs) {
    if (value === null) continue;
    if (name === 'retention.ms' || name === 'retention.bytes') {
      const number = Number(value);
      if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(number) || number < -1) {
        return `${name} must be -1 or a number of at least 0`;
      }
      if (name === 'retention.ms') out.retentionMs = number;
      else out.retentionBytes = number;
    } else if (FIXED[name] === undefined) return `${name} cannot be set on a topic`;
    else if (FIXED[name] !== value) return `${name} is always ${FIXED[name]}`;
  }
  return out;
}

export function describeTopicConfigs(topic: Topic, namespace: Namespace): ConfigEntry[] {
  return [
    entry('retention.ms', topic.retentionMs, TYPE.long, SOURCE_TOPIC),
    entry('retention.bytes', topic.retentionBytes, TYPE.long, SOURCE_TOPIC),
    entry('max.message.bytes', namespace.messageSizeBytesMax, TYPE.int, SOURCE_DEFAULT),
    ...Object.entries(FIXED).map(([name, value]) => entry(name, value, TYPE.string, SOURCE_DEFAULT)),
  ];
}

export function describeBroker(limits: KafkaLimits, namespace: Namespace): ConfigEntry[] {
  return [
    entry('auto.create.topics.enable', 'true', TYPE.boolean, SOURCE_DEFAULT),
    entry('num.partitions', limits.defaultPartitions, TYPE.int, SOURCE_DEFAULT),
    entry('default.replication.factor', 1, TYPE.int, SOURCE_DEFAULT),
    entry('message.max.bytes', namespace.messageSizeBytesMax, TYPE.int, SOURCE_DEFAULT),
    entry('group.min.session.timeout.ms', limits.sessionTimeoutMsMin, TYPE.int, SOURCE_DEFAULT),
    entry('group.max.session.timeout.ms', limits.sessionTimeoutMsMax, TYPE.int, SOURCE_DEFAULT),
  ];
}

function entry(name: string, value: string | number, configType: number, configSource: number): ConfigEntry {
  return { name, value: String(value), readOnly: true, configSource, isSensitive: false, configType };
}
