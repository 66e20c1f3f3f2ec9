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
const TYPE = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const;

/** Configs that may be set only to what is always so here: setting anything else is refused, not ignored. */
const FIXED: Readonly<Record<string, string>> = {
  'compression.type': 'producer',
  'message.timestamp.type': 'CreateTime',
  'min.insync.replicas': '1',
};

/** Values of `cleanup.policy`, whose order means nothing. */
const CLEANUPS: Readonly<Record<string, Cleanup>> = {
  delete: 'delete',
  compact: 'compact',
  'compact,delete': 'compact,delete',
  'delete,compact': 'compact,delete',
};
type Cleanup = NonNullable<CreateTopic['cleanup']>;
type TopicSettings = Pick<CreateTopic, 'retentionMs' | 'retentionBytes' | 'cleanup' | 'compaction'>;
/** Configs that are a number of at least this. */
const NUMBERS: Readonly<Record<string, number>> = {
  'retention.ms': -1,
  'retention.bytes': -1,
  'min.compaction.lag.ms': 0,
  'delete.retention.ms': 0,
};
/** What the journal does when nothing is said. */
const COMPACTION = { minLagMs: 0, deleteRetentionMs: 86_400_000, minDirtyRatio: 0.5 } as const;

/** Topic configs of a CreateTopics request as fields of a topic, or a sentence about the one that cannot be had. */
export function createConfigs(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): TopicSettings | string {
  const out: { -readonly [Name in keyof TopicSettings]: TopicSettings[Name] } = {};
  for (const { name, value } of configs) {
    if (value === null) continue;
    const least = NUMBERS[name];
    if (least !== undefined) {
      const number = Number(value);
      if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(number) || number < least) {
        return `${name} must be ${least < 0 ? '-1 or ' : ''}a number of at least 0`;
      }
      if (name === 'retention.ms') out.retentionMs = number;
      else if (name === 'retention.bytes') out.retentionBytes = number;
      else if (name === 'delete.retention.ms') out.compaction = { ...out.compaction, deleteRetentionMs: number };
      else out.compaction = { ...out.compaction, minLagMs: number };
    } else if (name === 'cleanup.policy') {
      const cleanup = CLEANUPS[value.replaceAll(' ', '')];
      if (cleanup === undefined) return 'cleanup.policy must be delete, compact or both';
      out.cleanup = cleanup;
    } else if (name === 'min.cleanable.dirty.ratio') {
      const ratio = Number(value);
      if (!/^[0-9.]+$/.test(value) || !(ratio >= 0 && ratio <= 1)) return `${name} must be a number from 0 to 1`;
      out.compaction = { ...out.compaction, minDirtyRatio: ratio };
    } else if (FIXED[name] === undefined) return `${name} cannot be set on a topic`;
    else if (FIXED[name] !== value) return `${name} is always ${FIXED[name]}`;
  }
  return out;
}

export function describeTopicConfigs(topic: Topic, namespace: Namespace): ConfigEntry[] {
  const compaction = { ...COMPACTION, ...topic.compaction };
  return [
    entry('retention.ms', topic.retentionMs, TYPE.long, SOURCE_TOPIC),
    entry('retention.bytes', topic.retentionBytes, TYPE.long, SOURCE_TOPIC),
    entry('cleanup.policy', topic.cleanup ?? 'delete', TYPE.list, SOURCE_TOPIC),
    entry('min.compaction.lag.ms', compaction.minLagMs, TYPE.long, SOURCE_TOPIC),
    entry('delete.retention.ms', compaction.deleteRetentionMs, TYPE.long, SOURCE_TOPIC),
    entry('min.cleanable.dirty.ratio', compaction.minDirtyRatio, TYPE.double, SOURCE_TOPIC),
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
