/** Reasons why a peer is not measured in a row, by its name. */
export type Unsupported = Readonly<Record<string, string>>;

/** Publishers and subscribers that run for a while; the figure is deliveries per second. */
export interface FlowScenario {
  readonly kind: 'flow';
  readonly name: string;
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: 0 | 1 | 2;
  readonly payloadBytes: number;
  /** Messages a publisher may have unacknowledged (QoS 1, 2); QoS 0 is bounded by what is undelivered. */
  readonly window: number;
  /** one topic for all; `paired`: every publisher has a topic and a subscriber of its own; `shared`: one `$share` group. */
  readonly layout: 'one-topic' | 'paired' | 'shared';
  /** The next message goes when the last one has reached everybody. */
  readonly isOneAtATime?: boolean;
  /** Our server is measured a second time with all messages stored in a topic. */
  readonly isCapturedToo?: boolean;
  readonly unsupported?: Unsupported;
}
/** A session that was away comes back for what it is owed; deliveries per second from its CONNECT to the last message. */
export interface DrainScenario {
  readonly kind: 'drain';
  readonly name: string;
  readonly messages: number;
  readonly payloadBytes: number;
  readonly unsupported?: Unsupported;
}
/** Messages at a steady rate; the figures are percentiles of the time from when each was due to its arrival. */
export interface LatencyScenario {
  readonly kind: 'latency';
  readonly name: string;
  readonly publishers: number;
  readonly qos: 0 | 1;
  readonly payloadBytes: number;
  readonly messagesPerSecond: number;
}
/** Clients that connect, are let in and go, as fast as they can. */
export interface StormScenario {
  readonly kind: 'storm';
  readonly name: string;
  /** Connections on their way at a time. */
  readonly concurrency: number;
}
/** What connections that do nothing cost a fresh process. */
export interface IdleScenario {
  readonly kind: 'idle';
  readonly name: string;
  readonly connections: number;
  readonly tls: boolean;
}
export type MqttScenario = FlowScenario | DrainScenario | LatencyScenario | StormScenario | IdleScenario;

const NO_QOS_2: Unsupported = {
  rabbitmq: 'it answers QoS 2 with QoS 1',
  'nats-server': 'it has no QoS 2',
};
const NO_SHARES: Unsupported = {
  rabbitmq: 'it has no shared subscriptions',
  'nats-server': 'it has no shared subscriptions',
};
/** Payload sizes of the rows where the size matters. */
const SIZES = [
  [16, '16 B'],
  [256, '256 B'],
  [4096, '4 KiB'],
] as const;

const flow = (
  name: string,
  publishers: number,
  subscribers: number,
  qos: 0 | 1 | 2,
  more: Partial<FlowScenario> = {},
): FlowScenario => ({
  kind: 'flow',
  name,
  publishers,
  subscribers,
  qos,
  payloadBytes: 256,
  window: 1000,
  layout: 'one-topic',
  ...more,
});
const latency = (name: string, publishers: number, qos: 0 | 1): LatencyScenario => ({
  kind: 'latency',
  name,
  publishers,
  qos,
  payloadBytes: 256,
  messagesPerSecond: 10_000,
});
const sized = (qos: 0 | 1): FlowScenario[] =>
  SIZES.map(([payloadBytes, size]) =>
    flow(`1→1 QoS ${qos} ${size}`, 1, 1, qos, { payloadBytes, isCapturedToo: payloadBytes === 256 }),
  );

/** The rows of the MQTT tables in `docs/performance.md`. */
export const MQTT_SCENARIOS: readonly MqttScenario[] = [
  { kind: 'idle', name: 'idle connection', connections: 5000, tls: false },
  { kind: 'idle', name: 'idle connection, TLS', connections: 1000, tls: true },
  flow('lock step 50 pairs QoS 1 256 B', 50, 50, 1, { window: 1, layout: 'paired', isCapturedToo: true }),
  flow('fan-out 1→1000 one at a time QoS 0 256 B', 1, 1000, 0, { isOneAtATime: true }),
  { kind: 'storm', name: 'connection storm', concurrency: 32 },
  latency('10,000 msg/s QoS 0, 1 publisher', 1, 0),
  latency('10,000 msg/s QoS 1, 1 publisher', 1, 1),
  latency('10,000 msg/s QoS 0, 100 publishers', 100, 0),
  latency('10,000 msg/s QoS 1, 100 publishers', 100, 1),
  ...sized(0),
  ...sized(1),
  flow('1→1 QoS 2 256 B', 1, 1, 2, { unsupported: NO_QOS_2 }),
  flow('fan-in 50→1 QoS 0 256 B', 50, 1, 0),
  flow('fan-in 50→1 QoS 1 256 B', 50, 1, 1, { window: 100, isCapturedToo: true }),
  flow('fan-out 1→100 QoS 0 256 B', 1, 100, 0, { isCapturedToo: true }),
  flow('fan-out 1→100 QoS 1 256 B', 1, 100, 1),
  flow('fan-out 1→1000 QoS 0 256 B', 1, 1000, 0),
  flow('1000→1000 on distinct topics QoS 1 256 B', 1000, 1000, 1, { window: 4, layout: 'paired' }),
  flow('$share 4→4 QoS 1 256 B', 4, 4, 1, { layout: 'shared', unsupported: NO_SHARES }),
  { kind: 'drain', name: 'offline drain QoS 1 256 B', messages: 10_000, payloadBytes: 256 },
];
