import type { NamespaceConfig } from '@robustmq/broker';
import type { Chance } from './chance.ts';
import type { KafkaConsumerPlan } from './kafka-consumer.ts';
import type { KafkaProducerPlan } from './kafka-producer.ts';
import type { MqttClientPlan } from './mqtt-client.ts';
import type { Latency } from './network.ts';
import { namespaceOf, type NodePlan } from './simulated-node.ts';

export const NAMESPACES = ['a', 'b'] as const;
/** `s` captures MQTT, `k` is written by Kafka clients. */
export const STORED_TOPICS = ['s', 'k'] as const;
const PUBLISH_TOPICS = ['s/1', 's/2', 'live/1', 'live/2'] as const;
const FILTERS = ['s/#', 's/1', '#', 'live/+', 'w/#'] as const;
const SLOW_READER_SHARE = 0.2;

/** Shares of the actions of a run; what is left publishes. */
export interface Pace {
  readonly kill: number;
  readonly power: number;
  readonly diskFault: number;
  readonly cut: number;
  readonly leave: number;
  readonly policy: number;
  readonly stepMsMax: number;
}

/** Everything a run is made of, drawn from its seed before anything happens. */
export interface Scenario {
  readonly node: NodePlan;
  readonly pace: Pace;
  readonly partitions: number;
  readonly publishers: readonly (MqttClientPlan & { readonly topics: readonly string[] })[];
  readonly subscribers: readonly MqttClientPlan[];
  readonly producers: readonly KafkaProducerPlan[];
  readonly consumers: readonly KafkaConsumerPlan[];
  /** Members of shared subscriptions; those of one group have the same namespace and filter. */
  readonly members: readonly MqttClientPlan[];
  readonly churnsNamespace: boolean;
  readonly churners: readonly { readonly name: string; readonly namespace: string; readonly latency: Latency }[];
}

export function scenarioOf(chance: Chance): Scenario {
  const partitions = chance.whole(1, 4);
  const topics: NamespaceConfig['topics'] = STORED_TOPICS.map((name) => ({ name, partitions }));
  const latency = (): Latency => ({
    msMax: chance.pick([1, 5, 20]),
    readerMsMax: chance.is(SLOW_READER_SHARE) ? chance.pick([10, 100]) : 0,
  });
  const client = (): Omit<MqttClientPlan, 'clientId' | 'filter' | 'qos'> => ({
    namespace: chance.pick(NAMESPACES),
    version: chance.pick([4, 5]),
    isPersistent: chance.is(0.75),
    usesOwnPort: chance.is(0.5),
    willTopic: null,
    latency: latency(),
    ackMsMax: chance.pick([0, 5, 50]),
  });
  return {
    partitions,
    node: nodeOf(chance, topics),
    pace: {
      kill: chance.pick([0, 0.005, 0.03]),
      power: chance.pick([0, 0.005, 0.03]),
      diskFault: chance.pick([0, 0, 0.01]),
      cut: chance.pick([0.01, 0.05]),
      leave: chance.pick([0, 0.03]),
      policy: chance.pick([0, 0.02]),
      stepMsMax: chance.pick([4, 20, 60]),
    },
    publishers: range(chance.whole(2, 5)).map((i) => ({
      ...client(),
      clientId: `p${i}`,
      filter: null,
      qos: chance.pick([0, 1, 2, 2, 1]),
      willTopic: chance.is(0.3) ? `w/p${i}` : null,
      topics: [...PUBLISH_TOPICS, `r/p${i}`],
    })),
    subscribers: range(chance.whole(2, 6)).map((i) => ({
      ...client(),
      clientId: `s${i}`,
      filter: chance.pick(FILTERS),
      qos: chance.pick([0, 1, 2, 2, 1]),
    })),
    producers: range(chance.whole(0, 3)).map((i) => ({
      namespace: chance.pick(NAMESPACES),
      name: `kp${i}`,
      topic: 'k',
      partitions,
      isIdempotent: chance.is(0.6),
      latency: latency(),
    })),
    consumers: range(chance.whole(0, 3)).map((i) => ({
      namespace: chance.pick(NAMESPACES),
      name: `kc${i}`,
      topic: chance.pick(STORED_TOPICS),
      partitions,
      latency: latency(),
    })),
    members: membersOf(chance, client),
    churnsNamespace: chance.is(0.3),
    churners: chance.is(0.4) ? [{ name: 'churner', namespace: chance.pick(NAMESPACES), latency: latency() }] : [],
  };
}

/** One shared subscription, sometimes: its members have sessions, so that it stands while they are away. */
function membersOf(
  chance: Chance,
  client: () => Omit<MqttClientPlan, 'clientId' | 'filter' | 'qos'>,
): readonly MqttClientPlan[] {
  if (!chance.is(0.4)) return [];
  const namespace = chance.pick(NAMESPACES);
  const filter = chance.pick(['s/#', 'live/+', '#'] as const);
  const qos = chance.pick([1, 2] as const);
  return range(chance.whole(1, 4)).map((i) => {
    const session = { namespace, version: 5, isPersistent: true, willTopic: null } as const;
    return { ...client(), ...session, clientId: `g${i}`, group: 'g', filter, qos };
  });
}

function nodeOf(chance: Chance, topics: NamespaceConfig['topics']): NodePlan {
  return {
    walBytesMax: chance.pick([4_000, 20_000, 1_000_000]),
    segmentBytesMax: chance.pick([4_000, 30_000, 1_000_000]),
    keptRunBytesMin: chance.pick([1, 400, 8_192]),
    ownStreamsMax: chance.pick([0, 2, 8]),
    sharedPartsMax: chance.pick([0, 10, 100_000]),
    tailCacheBytesMax: chance.pick([0, 2_000, 1_000_000]),
    snapshotBytesMin: chance.pick([500, 4_000, 1_000_000]),
    pace: { operationMsMax: chance.pick([0.1, 1]), syncMsMax: chance.pick([0.5, 5, 20]) },
    tiering: chance.is(0.4)
      ? {
          coldAfterBytes: chance.pick([0, 3_000]),
          objectBytes: chance.pick([2_000, 20_000]),
          coldCacheBytesMax: chance.pick([0, 5_000, 100_000]),
          claimBytesMin: chance.pick([600, 2_500, 1_000_000]),
        }
      : null,
    namespaces: NAMESPACES.map((id) => namespaceOf(id, topics)),
  };
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
