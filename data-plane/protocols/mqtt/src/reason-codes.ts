import type { RefusalCode } from '@robustmq/broker';

/** CONNACK return code of MQTT 3.1 and 3.1.1; null = the connection is closed without one. */
type ReturnCode = 1 | 2 | 3 | 4 | 5 | null;
interface FaultReason {
  /** MQTT 5 reason code of the CONNACK or DISCONNECT that ends the connection. */
  readonly v5: number;
  readonly v3: ReturnCode;
  readonly text: string;
}

/** Everything that ends a connection from our side, and what the client is told (MQTT 5 table 2-6). */
export const FAULTS = {
  unspecified: { v5: 0x80, v3: 3, text: 'the server could not do it' },
  'malformed-packet': { v5: 0x81, v3: null, text: 'a packet does not follow its format' },
  'protocol-error': { v5: 0x82, v3: null, text: 'a packet is not allowed here' },
  'unsupported-protocol-version': { v5: 0x84, v3: 1, text: 'the server speaks MQTT 3.1, 3.1.1 and 5' },
  'client-identifier-not-valid': { v5: 0x85, v3: 2, text: 'the client identifier is not acceptable' },
  'bad-user-name-or-password': { v5: 0x86, v3: 4, text: 'the user name or the password is wrong' },
  'not-authorized': { v5: 0x87, v3: 5, text: 'the credential may not do this' },
  'server-unavailable': { v5: 0x88, v3: 3, text: 'the server is not ready' },
  'server-shutting-down': { v5: 0x8b, v3: 3, text: 'the server is going down; connect again' },
  banned: { v5: 0x8a, v3: 5, text: 'the client is kept out' },
  'bad-authentication-method': { v5: 0x8c, v3: null, text: 'the authentication method is not supported' },
  'keep-alive-timeout': { v5: 0x8d, v3: null, text: 'nothing came for 1.5 times the keep-alive' },
  'session-taken-over': { v5: 0x8e, v3: null, text: 'another connection uses the same client identifier' },
  'topic-filter-invalid': { v5: 0x8f, v3: null, text: 'the topic filter is not valid' },
  'topic-name-invalid': { v5: 0x90, v3: null, text: 'the topic name is not valid' },
  'receive-maximum-exceeded': { v5: 0x93, v3: null, text: 'more publishes are open than the Receive Maximum allows' },
  'topic-alias-invalid': { v5: 0x94, v3: null, text: 'the topic alias is 0 or above the Topic Alias Maximum' },
  'packet-too-large': { v5: 0x95, v3: null, text: 'the packet is larger than the Maximum Packet Size' },
  'message-rate-too-high': { v5: 0x96, v3: null, text: 'the cluster takes in more bytes than its quota allows' },
  'quota-exceeded': { v5: 0x97, v3: 3, text: 'a quota of the cluster is used up' },
  'administrative-action': { v5: 0x98, v3: 3, text: 'an administrator ended the connection' },
  'payload-format-invalid': { v5: 0x99, v3: null, text: 'the payload is not the UTF-8 text it is said to be' },
  'use-another-server': { v5: 0x9c, v3: 3, text: 'this server takes no connections now; use the other one' },
  'server-moved': { v5: 0x9d, v3: 3, text: 'the cluster is at another server from now on' },
  'connection-rate-exceeded': { v5: 0x9f, v3: null, text: 'connections are opened too fast' },
} as const satisfies Record<string, FaultReason>;
export type FaultCode = keyof typeof FAULTS;

/** Reasons that DISCONNECT has and CONNACK has not (tables 3-1 and 3-13), and what CONNACK says instead. */
const CONNACK_INSTEAD = new Map<number, number>([
  [0x8b, 0x88], // going down: not available
  [0x8d, 0x80],
  [0x8e, 0x80],
  [0x8f, 0x80],
  [0x93, 0x82],
  [0x94, 0x82],
  [0x96, 0x9f],
  [0x98, 0x87],
]);
/** The same the other way. */
const DISCONNECT_INSTEAD = new Map<number, number>([
  [0x84, 0x82],
  [0x85, 0x82],
  [0x86, 0x87],
  [0x88, 0x89],
  [0x8a, 0x87],
  [0x8c, 0x82],
]);

/** Reason code of the CONNACK that ends a connection [MQTT-3.2.2-8]. */
export function connackReason(code: FaultCode): number {
  const { v5 } = FAULTS[code];
  return CONNACK_INSTEAD.get(v5) ?? v5;
}

/** Reason code of the DISCONNECT that ends a connection [MQTT-3.14.2-1]. */
export function disconnectReason(code: FaultCode): number {
  const { v5 } = FAULTS[code];
  return DISCONNECT_INSTEAD.get(v5) ?? v5;
}

/** Thrown while a packet is read; ends its connection and nothing else. */
export class MqttFault extends Error {
  readonly code: FaultCode;
  /** Code of the client event; null = somebody has written one already. */
  readonly event: string | null;
  /** Where the cluster is, where its own name does not lead there. */
  readonly reference: string | null;
  constructor(
    code: FaultCode,
    detail: string = FAULTS[code].text,
    event: string | null = code,
    reference: string | null = null,
  ) {
    super(detail);
    this.reference = reference;
    this.name = 'MqttFault';
    this.code = code;
    this.event = event;
  }
}

interface RefusalReason {
  /** Refused at CONNECT. */
  readonly connect: FaultCode;
  /** MQTT 5 PUBACK and PUBREC; null = the connection ends with `connect` (MQTT 3: always ends, as it has no way to tell). */
  readonly publish: number | null;
  /** MQTT 5 SUBACK; MQTT 3 always gets 0x80. */
  readonly subscribe: number;
}

/** Broker refusal → wire reason (reference table "over-limit behaviour the client can see"). */
export const REFUSAL_REASONS: Record<RefusalCode, RefusalReason> = {
  'bad-credentials': { connect: 'bad-user-name-or-password', publish: 0x87, subscribe: 0x87 },
  'namespace-unknown': { connect: 'bad-user-name-or-password', publish: 0x87, subscribe: 0x87 },
  'namespace-mismatch': { connect: 'not-authorized', publish: 0x87, subscribe: 0x87 },
  'not-authorized': { connect: 'not-authorized', publish: 0x87, subscribe: 0x87 },
  banned: { connect: 'banned', publish: 0x87, subscribe: 0x87 },
  suspended: { connect: 'server-unavailable', publish: 0x80, subscribe: 0x80 },
  'quota-connections': { connect: 'quota-exceeded', publish: 0x97, subscribe: 0x97 },
  'quota-connection-rate': { connect: 'connection-rate-exceeded', publish: 0x97, subscribe: 0x97 },
  'quota-sessions': { connect: 'quota-exceeded', publish: 0x97, subscribe: 0x97 },
  'quota-topics': { connect: 'quota-exceeded', publish: 0x97, subscribe: 0x97 },
  'quota-subscriptions': { connect: 'quota-exceeded', publish: 0x97, subscribe: 0x97 },
  'quota-delayed': { connect: 'quota-exceeded', publish: 0x97, subscribe: 0x97 },
  'quota-storage': { connect: 'quota-exceeded', publish: 0x97, subscribe: 0x97 },
  'message-too-large': { connect: 'packet-too-large', publish: null, subscribe: 0x80 },
  'topic-invalid': { connect: 'topic-name-invalid', publish: 0x90, subscribe: 0x8f },
  'topic-unknown': { connect: 'topic-name-invalid', publish: 0x90, subscribe: 0x8f },
  'topic-exists': { connect: 'unspecified', publish: 0x83, subscribe: 0x83 },
  'exclusive-taken': { connect: 'not-authorized', publish: 0x87, subscribe: 0x97 },
  'partition-unknown': { connect: 'unspecified', publish: 0x83, subscribe: 0x83 },
  'batch-corrupt': { connect: 'unspecified', publish: 0x80, subscribe: 0x80 },
  'batch-unsupported': { connect: 'unspecified', publish: 0x80, subscribe: 0x80 },
  draining: { connect: 'use-another-server', publish: null, subscribe: 0x80 },
  moved: { connect: 'server-moved', publish: null, subscribe: 0x80 },
  unavailable: { connect: 'server-unavailable', publish: 0x80, subscribe: 0x80 },
};
