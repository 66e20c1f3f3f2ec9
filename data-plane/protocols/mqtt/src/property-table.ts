/** Packets that carry properties, `will` being the will's part of CONNECT. */
export type PropertyPacket =
  | 'connect'
  | 'will'
  | 'connack'
  | 'publish'
  | 'puback'
  | 'pubrec'
  | 'pubrel'
  | 'pubcomp'
  | 'subscribe'
  | 'suback'
  | 'unsubscribe'
  | 'unsuback'
  | 'disconnect'
  | 'auth';

export interface PropertyRow {
  readonly id: number;
  readonly name: PropertyName;
  readonly kind: 'byte' | 'u16' | 'u32' | 'varint' | 'text' | 'binary' | 'pair';
  readonly packets: readonly PropertyPacket[];
  /** `nonzero`: 0 is a protocol error; `boolean`: 0 and 1 only. */
  readonly value?: 'nonzero' | 'boolean';
  /** May appear more than once; its value is then a list. */
  readonly repeats?: true;
}

/** Values by property; absent = not sent. */
export interface Properties {
  payloadFormatIndicator?: number;
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Buffer;
  subscriptionIdentifier?: number;
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Buffer;
  requestProblemInformation?: number;
  willDelayInterval?: number;
  requestResponseInformation?: number;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQoS?: number;
  retainAvailable?: number;
  userProperty?: [string, string][];
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: number;
  subscriptionIdentifierAvailable?: number;
  sharedSubscriptionAvailable?: number;
}
export type PropertyName = keyof Properties;

const ACKS = ['puback', 'pubrec', 'pubrel', 'pubcomp', 'suback', 'unsuback'] as const;
const MESSAGE = ['publish', 'will'] as const;

/** MQTT 5 table 2-4, with the value rules of the packets' own chapters. */
export const PROPERTY_TABLE: readonly PropertyRow[] = [
  { id: 0x01, name: 'payloadFormatIndicator', kind: 'byte', packets: MESSAGE, value: 'boolean' },
  { id: 0x02, name: 'messageExpiryInterval', kind: 'u32', packets: MESSAGE },
  { id: 0x03, name: 'contentType', kind: 'text', packets: MESSAGE },
  { id: 0x08, name: 'responseTopic', kind: 'text', packets: MESSAGE },
  { id: 0x09, name: 'correlationData', kind: 'binary', packets: MESSAGE },
  // A client never sends it in PUBLISH [MQTT-3.3.4-6], and this table reads clients only
  { id: 0x0b, name: 'subscriptionIdentifier', kind: 'varint', packets: ['subscribe'], value: 'nonzero' },
  { id: 0x11, name: 'sessionExpiryInterval', kind: 'u32', packets: ['connect', 'connack', 'disconnect'] },
  { id: 0x12, name: 'assignedClientIdentifier', kind: 'text', packets: ['connack'] },
  { id: 0x13, name: 'serverKeepAlive', kind: 'u16', packets: ['connack'] },
  { id: 0x15, name: 'authenticationMethod', kind: 'text', packets: ['connect', 'connack', 'auth'] },
  { id: 0x16, name: 'authenticationData', kind: 'binary', packets: ['connect', 'connack', 'auth'] },
  { id: 0x17, name: 'requestProblemInformation', kind: 'byte', packets: ['connect'], value: 'boolean' },
  { id: 0x18, name: 'willDelayInterval', kind: 'u32', packets: ['will'] },
  { id: 0x19, name: 'requestResponseInformation', kind: 'byte', packets: ['connect'], value: 'boolean' },
  { id: 0x1a, name: 'responseInformation', kind: 'text', packets: ['connack'] },
  { id: 0x1c, name: 'serverReference', kind: 'text', packets: ['connack', 'disconnect'] },
  { id: 0x1f, name: 'reasonString', kind: 'text', packets: ['connack', 'disconnect', 'auth', ...ACKS] },
  { id: 0x21, name: 'receiveMaximum', kind: 'u16', packets: ['connect', 'connack'], value: 'nonzero' },
  { id: 0x22, name: 'topicAliasMaximum', kind: 'u16', packets: ['connect', 'connack'] },
  { id: 0x23, name: 'topicAlias', kind: 'u16', packets: ['publish'] },
  { id: 0x24, name: 'maximumQoS', kind: 'byte', packets: ['connack'], value: 'boolean' },
  { id: 0x25, name: 'retainAvailable', kind: 'byte', packets: ['connack'], value: 'boolean' },
  {
    id: 0x26,
    name: 'userProperty',
    kind: 'pair',
    packets: ['connect', 'connack', 'subscribe', 'unsubscribe', 'disconnect', 'auth', ...MESSAGE, ...ACKS],
    repeats: true,
  },
  { id: 0x27, name: 'maximumPacketSize', kind: 'u32', packets: ['connect', 'connack'], value: 'nonzero' },
  { id: 0x28, name: 'wildcardSubscriptionAvailable', kind: 'byte', packets: ['connack'], value: 'boolean' },
  { id: 0x29, name: 'subscriptionIdentifierAvailable', kind: 'byte', packets: ['connack'], value: 'boolean' },
  { id: 0x2a, name: 'sharedSubscriptionAvailable', kind: 'byte', packets: ['connack'], value: 'boolean' },
];
