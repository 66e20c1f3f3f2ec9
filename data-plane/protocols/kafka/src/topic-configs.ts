import type { Namespace, Topic, TopicChange, TopicCompression } from '@robustmq/broker';
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

/** What of a topic configs can set. */
export type TopicSettings = Pick<
  TopicChange,
  | 'retentionMs'
  | 'retentionBytes'
  | 'cleanup'
  | 'compaction'
  | 'tier'
  | 'appendTime'
  | 'batchSizeBytesMax'
  | 'compression'
>;
type Writable = { -readonly [Name in keyof TopicSettings]: TopicSettings[Name] };

interface Config {
  readonly type: number;
  /** The value of a topic nobody has set it for. */
  readonly fallback: (namespace: Namespace) => string;
  /** null = cannot be anything but its fallback. */
  readonly read: ((topic: Topic) => string | undefined) | null;
  /** Puts a value into the settings, or tells in a sentence why not. */
  readonly write: (value: string, out: Writable, namespace: Namespace) => string | null;
}

type Numeric = (value: number, out: Writable) => void;

function number(
  name: string,
  type: number,
  least: number,
  fallback: number,
  read: Config['read'],
  put: Numeric,
): Config {
  return {
    type,
    fallback: () => String(fallback),
    read,
    write(text, out) {
      const value = Number(text);
      if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
        return `${name} must be ${least < 0 ? `${least} or ` : ''}a number of at least 0`;
      }
      put(value, out);
      return null;
    },
  };
}

/** A config that is always the same here: setting anything else is refused, not ignored. */
function fixed(name: string, type: number, value: (namespace: Namespace) => string): Config {
  return { type, fallback: value, read: null, write: () => `${name} cannot be changed` };
}

/** Values of `cleanup.policy`, whose order means nothing. */
const CLEANUPS: Readonly<Record<string, NonNullable<TopicSettings['cleanup']>>> = {
  delete: 'delete',
  compact: 'compact',
  'compact,delete': 'compact,delete',
  'delete,compact': 'compact,delete',
};
/** Values of `compression.type`. */
const COMPRESSIONS: Readonly<Record<string, TopicCompression>> = {
  producer: 'producer',
  uncompressed: 'none',
  gzip: 'gzip',
  snappy: 'snappy',
  lz4: 'lz4',
  zstd: 'zstd',
};
const DAY_MS = 86_400_000;
/** Kafka's word for "as the topic's retention": nothing leaves the disk before it goes. */
const AS_RETENTION = -2;

/** Every config of a topic. What is not here cannot be set. */
const CONFIGS: Readonly<Record<string, Config>> = {
  'retention.ms': number(
    'retention.ms',
    TYPE.long,
    -1,
    7 * DAY_MS,
    (topic) => String(topic.retentionMs),
    (value, out) => {
      out.retentionMs = value;
    },
  ),
  'retention.bytes': number(
    'retention.bytes',
    TYPE.long,
    -1,
    -1,
    (topic) => String(topic.retentionBytes),
    (value, out) => {
      out.retentionBytes = value;
    },
  ),
  'cleanup.policy': {
    type: TYPE.list,
    fallback: () => 'delete',
    read: ({ cleanup }) => cleanup,
    write(value, out) {
      const cleanup = CLEANUPS[value.replaceAll(' ', '')];
      if (cleanup === undefined) return 'cleanup.policy must be delete, compact or both';
      out.cleanup = cleanup;
      return null;
    },
  },
  'min.compaction.lag.ms': number('min.compaction.lag.ms', TYPE.long, 0, 0, compaction('minLagMs'), (value, out) => {
    out.compaction = { ...out.compaction, minLagMs: value };
  }),
  'delete.retention.ms': number(
    'delete.retention.ms',
    TYPE.long,
    0,
    DAY_MS,
    compaction('deleteRetentionMs'),
    (value, out) => {
      out.compaction = { ...out.compaction, deleteRetentionMs: value };
    },
  ),
  'min.cleanable.dirty.ratio': {
    type: TYPE.double,
    fallback: () => '0.5',
    read: compaction('minDirtyRatio'),
    write(value, out) {
      const ratio = Number(value);
      if (!/^[0-9.]+$/.test(value) || !(ratio >= 0 && ratio <= 1)) {
        return 'min.cleanable.dirty.ratio must be a number from 0 to 1';
      }
      out.compaction = { ...out.compaction, minDirtyRatio: ratio };
      return null;
    },
  },
  'local.retention.ms': number(
    'local.retention.ms',
    TYPE.long,
    AS_RETENTION,
    AS_RETENTION,
    tier('coldAfterMs'),
    (value, out) => {
      if (value >= 0) out.tier = { ...out.tier, coldAfterMs: value };
    },
  ),
  'local.retention.bytes': number(
    'local.retention.bytes',
    TYPE.long,
    AS_RETENTION,
    AS_RETENTION,
    tier('coldAfterBytes'),
    (value, out) => {
      if (value >= 0) out.tier = { ...out.tier, coldAfterBytes: value };
    },
  ),
  'max.message.bytes': {
    type: TYPE.int,
    fallback: ({ messageSizeBytesMax }) => String(messageSizeBytesMax),
    read: ({ batchSizeBytesMax = 0 }) => (batchSizeBytesMax > 0 ? String(batchSizeBytesMax) : undefined),
    write(value, out, { messageSizeBytesMax }) {
      const bytes = Number(value);
      if (!/^\d+$/.test(value) || bytes < 1 || bytes > messageSizeBytesMax) {
        return `max.message.bytes must be 1 to ${messageSizeBytesMax}, the cluster's own limit`;
      }
      // a topic that has the cluster's limit goes with it when it changes
      out.batchSizeBytesMax = bytes === messageSizeBytesMax ? 0 : bytes;
      return null;
    },
  },
  'compression.type': {
    type: TYPE.string,
    fallback: () => 'producer',
    read: ({ compression = 'producer' }) => (compression === 'none' ? 'uncompressed' : compression),
    write(value, out) {
      const compression = COMPRESSIONS[value];
      if (compression === undefined) return `compression.type must be ${Object.keys(COMPRESSIONS).join(', ')}`;
      out.compression = compression;
      return null;
    },
  },
  'message.timestamp.type': {
    type: TYPE.string,
    fallback: () => 'CreateTime',
    read: ({ appendTime }) => (appendTime === true ? 'LogAppendTime' : undefined),
    write(value, out) {
      if (value !== 'CreateTime' && value !== 'LogAppendTime') {
        return 'message.timestamp.type must be CreateTime or LogAppendTime';
      }
      out.appendTime = value === 'LogAppendTime';
      return null;
    },
  },
  'min.insync.replicas': fixed('min.insync.replicas', TYPE.int, () => '1'),
};

function compaction(field: keyof NonNullable<Topic['compaction']>): Config['read'] {
  return (topic) => text(topic.compaction?.[field]);
}
function tier(field: 'coldAfterMs' | 'coldAfterBytes'): Config['read'] {
  return (topic) => text(topic.tier?.[field]);
}
function text(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

export interface WantedConfig {
  readonly name: string;
  readonly value: string | null;
}

/** Configs as fields of a topic, or a sentence about the one that cannot be had; null values are their defaults. */
export function settingsOf(
  configs: readonly WantedConfig[],
  namespace: Namespace,
  onto: TopicSettings = {},
): TopicSettings | string {
  const out: Writable = { ...onto };
  for (const { name, value } of configs) {
    const config = CONFIGS[name];
    if (config === undefined) return `${name} cannot be set on a topic`;
    const fallback = config.fallback(namespace);
    if (config.read === null) {
      if (value !== null && value !== fallback) return `${name} is always ${fallback}`;
      continue;
    }
    const fault = config.write(value ?? fallback, out, namespace);
    if (fault !== null) return fault;
  }
  return out;
}

/** A topic's settings as they are, so that a change of one field of `compaction` or `tier` leaves the others. */
export function currentSettings({ compaction: compacts, tier: tiers }: Topic): TopicSettings {
  return {
    ...(compacts === undefined ? {} : { compaction: compacts }),
    ...(tiers === undefined ? {} : { tier: tiers }),
  };
}

/** IncrementalAlterConfigs operations (KIP-339). */
export const CONFIG_OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** The value an operation leads to (null = the default), or a sentence why it cannot be done. */
export function operated(
  { name, value, configOperation }: WantedConfig & { readonly configOperation: number },
  topic: Topic,
): WantedConfig | string {
  if (configOperation === CONFIG_OPERATION.delete) return { name, value: null };
  if (configOperation === CONFIG_OPERATION.set) return { name, value };
  const config = CONFIGS[name];
  if (config?.type !== TYPE.list) return `${name} is not a list`;
  const given = (value ?? '').split(',').map((item) => item.trim());
  const now = (config.read?.(topic) ?? 'delete').split(',');
  const items =
    configOperation === CONFIG_OPERATION.append
      ? [...now, ...given.filter((item) => !now.includes(item))]
      : now.filter((item) => !given.includes(item));
  return { name, value: items.join(',') };
}

/** The names of a topic's configs. */
export const TOPIC_CONFIG_NAMES: readonly string[] = Object.keys(CONFIGS);

export function describeTopicConfigs(topic: Topic, namespace: Namespace): ConfigEntry[] {
  return Object.entries(CONFIGS).map(([name, { type, fallback, read }]) => {
    const standard = fallback(namespace);
    const value = read?.(topic) ?? standard;
    return {
      name,
      value,
      readOnly: read === null,
      configSource: value === standard ? SOURCE_DEFAULT : SOURCE_TOPIC,
      isSensitive: false,
      configType: type,
    };
  });
}

export function describeBroker(limits: KafkaLimits, namespace: Namespace): ConfigEntry[] {
  const { autoCreateTopics, messageSizeBytesMax, settings } = namespace;
  return [
    entry('auto.create.topics.enable', String(autoCreateTopics), TYPE.boolean),
    entry('num.partitions', settings.kafka.defaultPartitions, TYPE.int),
    entry('default.replication.factor', 1, TYPE.int),
    entry('message.max.bytes', messageSizeBytesMax, TYPE.int),
    entry('group.min.session.timeout.ms', limits.sessionTimeoutMsMin, TYPE.int),
    entry('group.max.session.timeout.ms', limits.sessionTimeoutMsMax, TYPE.int),
    entry('transaction.max.timeout.ms', limits.transactionTimeoutMsMax, TYPE.int),
    entry('transactional.id.expiration.ms', limits.transactionalIdExpiryMs, TYPE.long),
  ];
}

function entry(name: string, value: string | number, configType: number): ConfigEntry {
  return { name, value: String(value), readOnly: true, configSource: SOURCE_DEFAULT, isSensitive: false, configType };
}
