import { isUtf8 } from 'node:buffer';
import type { Message, MessageProperties, QoS, SubscribeOptions } from '@robustmq/broker';
import type { PacketReader } from './packet-reader.ts';
import type { Properties } from './property-table.ts';
import { MqttFault } from './reason-codes.ts';
import { topicNameFault } from './topic-names.ts';

/** Protocol level: 3 = MQTT 3.1, 4 = 3.1.1, 5 = 5.0. */
export type Version = 3 | 4 | 5;

export interface Connect {
  readonly version: Version;
  readonly cleanStart: boolean;
  readonly keepAliveSeconds: number;
  readonly clientId: string;
  readonly username: string | null;
  readonly password: Buffer | null;
  /** `timestampMs` is 0: whoever opens the session knows the time. */
  readonly will: { readonly message: Message; readonly delaySeconds: number } | null;
  readonly properties: Properties;
}

/** Protocol name and level, read before the rest because it decides how a fault is told. null = not MQTT at all. */
export function readVersion(body: PacketReader): Version | 'unsupported' | null {
  const name = body.string();
  if (name !== 'MQTT' && name !== 'MQIsdp') return null; // [MQTT-3.1.2-1]
  const level = body.u8();
  if (name === 'MQIsdp') return level === 3 ? 3 : 'unsupported';
  return level === 4 || level === 5 ? level : 'unsupported';
}

/** The rest of CONNECT (MQTT 5 §3.1.2.3 on). */
export function readConnect(body: PacketReader, version: Version): Connect {
  const flags = body.u8();
  if (flags & 1) throw new MqttFault('malformed-packet', 'the reserved connect flag is set'); // [MQTT-3.1.2-3]
  const hasWill = (flags & 0x04) !== 0;
  const willQos = (flags >> 3) & 3;
  if (willQos === 3) throw new MqttFault('malformed-packet', 'the will QoS is 3'); // [MQTT-3.1.2-12]
  if (!hasWill && flags & 0x38) throw new MqttFault('malformed-packet', 'will flags without a will'); // [MQTT-3.1.2-11]
  const hasUsername = (flags & 0x80) !== 0;
  const hasPassword = (flags & 0x40) !== 0;
  if (hasPassword && !hasUsername && version < 5) {
    throw new MqttFault('malformed-packet', 'a password without a user name'); // 3.1.1 [MQTT-3.1.2-22]
  }
  const keepAliveSeconds = body.u16();
  const properties = version === 5 ? body.properties('connect') : {};
  const clientId = body.string();
  const will = hasWill ? readWill(body, version, willQos as QoS, (flags & 0x20) !== 0) : null;
  const username = hasUsername ? body.string() : null;
  const password = hasPassword ? body.binary() : null;
  body.finish();
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw new MqttFault('protocol-error', 'authentication data without a method');
  }
  return {
    version,
    cleanStart: (flags & 0x02) !== 0,
    keepAliveSeconds,
    clientId,
    username,
    password,
    will,
    properties,
  };
}

function readWill(body: PacketReader, version: Version, qos: QoS, retain: boolean): NonNullable<Connect['will']> {
  const properties = version === 5 ? body.properties('will') : null;
  const size = body.u16();
  const at = body.skip(size);
  const fault = size === 0 ? 'topic-name-invalid' : topicNameFault(body.buffer, at, at + size);
  if (fault !== null) throw new MqttFault(fault, 'the will topic is not valid');
  const topic = body.buffer.toString('utf8', at, at + size);
  const message: Message = {
    topic,
    payload: body.binary(),
    qos,
    retain,
    properties: properties === null ? null : toMessageProperties(properties),
    timestampMs: 0,
  };
  if (message.properties?.payloadIsText && !isUtf8(message.payload)) throw new MqttFault('payload-format-invalid');
  return { message, delaySeconds: properties?.willDelayInterval ?? 0 };
}

/** PUBLISH or will properties in the broker's words; null when there are none it keeps. */
export function toMessageProperties(from: Properties): MessageProperties | null {
  const responseTopic = from.responseTopic;
  // [MQTT-3.3.2-14]
  if (responseTopic !== undefined && (responseTopic === '' || /[+#]/.test(responseTopic))) {
    throw new MqttFault('protocol-error', 'the response topic is empty or has wildcards');
  }
  const to: MessageProperties = {
    ...(from.contentType === undefined ? {} : { contentType: from.contentType }),
    ...(responseTopic === undefined ? {} : { responseTopic }),
    ...(from.correlationData === undefined ? {} : { correlationData: from.correlationData }),
    ...(from.messageExpiryInterval === undefined ? {} : { expirySeconds: from.messageExpiryInterval }),
    ...(from.payloadFormatIndicator === undefined ? {} : { payloadIsText: from.payloadFormatIndicator === 1 }),
    ...(from.userProperty === undefined ? {} : { headers: from.userProperty }),
  };
  return Object.keys(to).length === 0 ? null : to;
}

export interface Subscribe {
  readonly packetId: number;
  readonly filters: readonly { readonly filter: string; readonly options: SubscribeOptions }[];
}

/** SUBSCRIBE (§3.8). */
export function readSubscribe(body: PacketReader, version: Version): Subscribe {
  const packetId = body.packetId();
  const properties = version === 5 ? body.properties('subscribe') : {};
  const subscriptionId = properties.subscriptionIdentifier ?? null;
  const filters: { filter: string; options: SubscribeOptions }[] = [];
  while (body.remaining > 0) {
    const filter = readFilter(body);
    filters.push({ filter, options: readOptions(body.u8(), version, subscriptionId) });
  }
  if (filters.length === 0) throw new MqttFault('protocol-error', 'SUBSCRIBE without a filter'); // [MQTT-3.8.3-2]
  return { packetId, filters };
}

function readFilter(body: PacketReader): string {
  const filter = body.string();
  if (filter === '') throw new MqttFault('malformed-packet', 'an empty topic filter'); // [MQTT-4.7.3-1]
  return filter;
}

function readOptions(bits: number, version: Version, subscriptionId: number | null): SubscribeOptions {
  const qos = bits & 3;
  const retainHandling = (bits >> 4) & 3;
  const reserved = version === 5 ? 0xc0 : 0xfc;
  if (bits & reserved) throw new MqttFault('malformed-packet', 'reserved subscription option bits'); // [MQTT-3.8.3-5]
  if (qos === 3) throw new MqttFault('protocol-error', 'a subscription with QoS 3');
  if (retainHandling === 3) throw new MqttFault('protocol-error', 'retain handling 3');
  return {
    qos: qos as QoS,
    noLocal: (bits & 4) !== 0,
    retainAsPublished: (bits & 8) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
    subscriptionId,
  };
}

/** UNSUBSCRIBE (§3.10). */
export function readUnsubscribe(body: PacketReader, version: Version): { packetId: number; filters: string[] } {
  const packetId = body.packetId();
  if (version === 5) body.properties('unsubscribe');
  const filters: string[] = [];
  while (body.remaining > 0) filters.push(readFilter(body));
  if (filters.length === 0) throw new MqttFault('protocol-error', 'UNSUBSCRIBE without a filter'); // [MQTT-3.10.3-2]
  return { packetId, filters };
}

export interface Disconnect {
  readonly reason: number;
  /** Seconds, null = as CONNECT said. */
  readonly sessionExpiryInterval: number | null;
}

export interface Auth {
  /** 0x18 continue authentication, 0x19 re-authenticate. */
  readonly reason: number;
  readonly method: string | null;
  readonly data: Buffer | null;
}

/** AUTH of a client (MQTT 5 §3.15); an empty one means reason 0, which only a server may send [MQTT-3.15.2-1]. */
export function readAuth(body: PacketReader): Auth {
  const reason = body.remaining > 0 ? body.u8() : 0;
  const properties = body.remaining > 0 ? body.properties('auth') : {};
  body.finish();
  if (reason !== 0x18 && reason !== 0x19) throw new MqttFault('protocol-error', 'no AUTH reason code of a client');
  return { reason, method: properties.authenticationMethod ?? null, data: properties.authenticationData ?? null };
}

/** Reason codes a client may put into DISCONNECT (table 3-13). */
const CLIENT_DISCONNECT_REASONS = new Set([
  0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

/** DISCONNECT (§3.14); an empty one means reason 0. */
export function readDisconnect(body: PacketReader, version: Version): Disconnect {
  if (version < 5) {
    body.finish();
    return { reason: 0, sessionExpiryInterval: null };
  }
  const reason = body.remaining > 0 ? body.u8() : 0;
  const properties = body.remaining > 0 ? body.properties('disconnect') : {};
  body.finish();
  if (!CLIENT_DISCONNECT_REASONS.has(reason)) throw new MqttFault('protocol-error', 'no reason code of a client');
  if (properties.serverReference !== undefined) throw new MqttFault('protocol-error', 'a server reference of a client');
  return { reason, sessionExpiryInterval: properties.sessionExpiryInterval ?? null };
}

/** Reason code of a PUBACK, PUBREC, PUBREL or PUBCOMP that is longer than two bytes (MQTT 5 only). */
export function readAckReason(body: PacketReader, packet: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'): number {
  const reason = body.u8();
  if (body.remaining > 0) body.properties(packet);
  body.finish();
  return reason;
}
