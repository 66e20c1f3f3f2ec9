import { isUtf8 } from 'node:buffer';
import type { RecordHeaders, RecordView } from '@robustmq/journal';
import type { Message, MessageProperties, QoS } from './message.ts';

/** Header names that carry message properties (design.md §4, table "MQTT 5 | Kafka | AMQP"). */
const CONTENT_TYPE = 'content-type';
const RESPONSE_TOPIC = 'response-topic';
const CORRELATION_DATA = 'correlation-data';
const MESSAGE_EXPIRY = 'message-expiry';
const PAYLOAD_IS_TEXT = 'payload-is-text';
const RESERVED = [CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_IS_TEXT];
/** A user property that bears a reserved name, or one escaped before, travels as `user.<name>`: nothing is lost. */
const ESCAPE = 'user.';
const NEEDS_ESCAPE = new RegExp(`^(user\\.)*(${RESERVED.join('|')})$`);
const IS_ESCAPED = new RegExp(`^(user\\.)+(${RESERVED.join('|')})$`);
/** MQTT's message expiry is four bytes. */
const EXPIRY_SECONDS_MAX = 0xffff_ffff;
const EMPTY = Buffer.alloc(0);

/** The record headers of a message; null when it needs none. */
export function toHeaders(properties: MessageProperties | null): RecordHeaders | null {
  if (properties === null) return null;
  const headers: (readonly [string, Buffer])[] = [];
  if (properties.contentType !== undefined) headers.push([CONTENT_TYPE, Buffer.from(properties.contentType)]);
  if (properties.responseTopic !== undefined) headers.push([RESPONSE_TOPIC, Buffer.from(properties.responseTopic)]);
  if (properties.correlationData !== undefined) headers.push([CORRELATION_DATA, properties.correlationData]);
  if (properties.expirySeconds !== undefined) {
    headers.push([MESSAGE_EXPIRY, Buffer.from(String(properties.expirySeconds))]);
  }
  if (properties.payloadIsText === true) headers.push([PAYLOAD_IS_TEXT, Buffer.from('1')]);
  for (const [name, value] of properties.headers ?? []) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    headers.push([NEEDS_ESCAPE.test(name) ? ESCAPE + name : name, bytes]);
  }
  return headers.length === 0 ? null : headers;
}

/** The message properties of a record's headers; the first header of a reserved name counts, later ones are kept as user properties. */
export function fromHeaders(headers: RecordHeaders | null): MessageProperties | null {
  if (headers === null || headers.length === 0) return null;
  const found: { -readonly [K in keyof MessageProperties]: MessageProperties[K] } = {};
  const user: (readonly [string, string | Buffer])[] = [];
  for (const [name, value] of headers) {
    const bytes = value ?? EMPTY;
    if (name === CONTENT_TYPE && found.contentType === undefined && isUtf8(bytes)) found.contentType = bytes.toString();
    else if (name === RESPONSE_TOPIC && found.responseTopic === undefined && isUtf8(bytes)) {
      found.responseTopic = bytes.toString();
    } else if (name === CORRELATION_DATA && found.correlationData === undefined)
      found.correlationData = Buffer.from(bytes);
    else if (name === MESSAGE_EXPIRY && found.expirySeconds === undefined && isExpiry(bytes)) {
      found.expirySeconds = Number(bytes.toString('latin1'));
    } else if (name === PAYLOAD_IS_TEXT && found.payloadIsText === undefined) found.payloadIsText = true;
    else {
      const plain = IS_ESCAPED.test(name) ? name.slice(ESCAPE.length) : name;
      user.push([plain, isUtf8(bytes) ? bytes.toString() : Buffer.from(bytes)]);
    }
  }
  if (user.length > 0) found.headers = user;
  return found;
}

/** The message of a record that is being visited. Its payload is a view: who keeps it for long copies it. */
export function toMessage(
  record: RecordView,
  topic: string,
  qos: QoS,
  retain: boolean,
  headers: RecordHeaders | null = record.headers(),
): Message {
  const value = record.value();
  return {
    topic,
    payload: value ?? EMPTY,
    qos,
    retain,
    properties: fromHeaders(headers),
    timestampMs: record.timestampMs,
  };
}

/** Whether the message may not be delivered any more. */
export function isExpired(message: Message, nowMs: number): boolean {
  const expirySeconds = message.properties?.expirySeconds;
  return expirySeconds !== undefined && message.timestampMs + expirySeconds * 1000 <= nowMs;
}

/** Bytes of the properties that count as traffic: user property names and values. */
export function propertyBytes(properties: MessageProperties | null): number {
  let size = 0;
  for (const [name, value] of properties?.headers ?? []) {
    size += Buffer.byteLength(name) + (typeof value === 'string' ? Buffer.byteLength(value) : value.length);
  }
  return size;
}

function isExpiry(bytes: Buffer): boolean {
  const text = bytes.toString('latin1');
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= EXPIRY_SECONDS_MAX;
}

/** Properties that share no bytes with the buffer they were decoded from. */
export function ownedProperties(properties: MessageProperties | null): MessageProperties | null {
  if (properties === null) return null;
  const { correlationData, headers } = properties;
  if (correlationData === undefined && (headers ?? []).every(([, value]) => typeof value === 'string'))
    return properties;
  return {
    ...properties,
    ...(correlationData === undefined ? {} : { correlationData: Buffer.from(correlationData) }),
    ...(headers === undefined
      ? {}
      : {
          headers: headers.map(
            ([name, value]) => [name, typeof value === 'string' ? value : Buffer.from(value)] as const,
          ),
        }),
  };
}
