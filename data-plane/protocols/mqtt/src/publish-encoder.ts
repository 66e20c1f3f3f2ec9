import type { MessageProperties, QoS } from '@robustmq/broker';
import { Writer } from '@robustmq/wire';
import { putString, putVar, varSize } from './packet-writer.ts';
import type { Sink } from './packet-writer.ts';
import { toMqttText } from './utf8.ts';

/** Longest string or binary field (§1.5.4, §1.5.6). */
const FIELD_BYTES_MAX = 0xffff;
/** Largest Remaining Length (§1.5.5). */
const REMAINING_MAX = 268_435_455;
const COPY_LOOP_BYTES_MAX = 48;
const ALIAS_BYTES = 3;

/**
 * Writes PUBLISH packets field by field. One per server, its fields set before each `put`, so that encoding a message
 * makes no object.
 */
export class PublishEncoder {
  v5 = false;
  qos: QoS = 0;
  retain = false;
  dup = false;
  packetId = 0;
  topic: Buffer = Buffer.alloc(0);
  topicStart = 0;
  topicEnd = 0;
  /** Topic alias to send, 0 = none; set for one packet at a time. */
  topicAlias = 0;
  /** The client knows the alias: the topic is left out. */
  aliasIsSet = false;
  payload: Buffer = Buffer.alloc(0);
  payloadStart = 0;
  payloadEnd = 0;
  /** Offset in the sink of the last packet's id, −1 without. */
  packetIdAt = -1;
  /** Offset in the sink of the last packet's Message Expiry Interval, −1 without. */
  expiryAt = -1;

  readonly #properties = new Writer(256);
  #expiryIn = -1;

  /**
   * Sets the property block of the packets that follow. `expirySeconds` replaces the message's own (what is left of it),
   * −1 = none. Fields too long for MQTT are left out.
   */
  setProperties(from: MessageProperties | null, expirySeconds: number, ids: readonly number[] | null): void {
    const writer = this.#properties;
    writer.reset();
    this.#expiryIn = -1;
    if (!this.v5) return;
    if (from !== null) this.#putMessageProperties(from, expirySeconds);
    if (ids !== null) for (const id of ids) writer.u8(0x0b).uvarint(id); // [MQTT-3.3.4-3]
  }

  #putMessageProperties(from: MessageProperties, expirySeconds: number): void {
    const writer = this.#properties;
    if (from.payloadIsText !== undefined) writer.u8(0x01).u8(from.payloadIsText ? 1 : 0);
    if (expirySeconds >= 0) {
      this.#expiryIn = writer.at + 1;
      writer.u8(0x02).u32(expirySeconds);
    }
    if (from.contentType !== undefined) this.#putText(0x03, from.contentType);
    if (from.responseTopic !== undefined) this.#putText(0x08, from.responseTopic);
    const correlation = from.correlationData;
    if (correlation !== undefined && correlation.length <= FIELD_BYTES_MAX) {
      writer.u8(0x09).u16(correlation.length).bytes(correlation);
    }
    if (from.headers === undefined) return;
    for (const [name, value] of from.headers) {
      const key = toMqttText(name);
      const text = toMqttText(typeof value === 'string' ? value : value.toString('utf8'));
      if (Buffer.byteLength(key) > FIELD_BYTES_MAX || Buffer.byteLength(text) > FIELD_BYTES_MAX) continue;
      writer.u8(0x26);
      putString(writer, key);
      putString(writer, text);
    }
  }

  #putText(id: number, value: string): void {
    const text = toMqttText(value);
    if (Buffer.byteLength(text) > FIELD_BYTES_MAX) return;
    this.#properties.u8(id);
    putString(this.#properties, text);
  }

  /** Size of the packet that `put` would write, 0 when MQTT cannot carry it. */
  size(): number {
    const remaining = this.#remaining();
    const fits = remaining <= REMAINING_MAX && this.topicEnd - this.topicStart <= FIELD_BYTES_MAX;
    return fits ? 1 + varSize(remaining) + remaining : 0;
  }

  #propertiesSize(): number {
    return this.#properties.at + (this.topicAlias === 0 ? 0 : ALIAS_BYTES);
  }

  #remaining(): number {
    const size = this.#propertiesSize();
    const properties = this.v5 ? varSize(size) + size : 0;
    const topic = 2 + (this.aliasIsSet ? 0 : this.topicEnd - this.topicStart);
    return topic + (this.qos > 0 ? 2 : 0) + properties + this.payloadEnd - this.payloadStart;
  }

  /** Writes one packet; the caller has seen that `size()` is not 0. Returns where it begins. */
  put(sink: Sink): number {
    const remaining = this.#remaining();
    const start = sink.reserve(1 + varSize(remaining) + remaining);
    const buffer = sink.buffer;
    buffer[start] = 0x30 | (this.dup ? 8 : 0) | (this.qos << 1) | (this.retain ? 1 : 0);
    let at = putVar(buffer, start + 1, remaining);
    const topicSize = this.aliasIsSet ? 0 : this.topicEnd - this.topicStart;
    buffer[at] = topicSize >>> 8;
    buffer[at + 1] = topicSize;
    at += 2;
    if (topicSize > 0) at = copyBytes(this.topic, this.topicStart, this.topicEnd, buffer, at);
    this.packetIdAt = -1;
    if (this.qos > 0) {
      this.packetIdAt = at;
      buffer[at] = this.packetId >>> 8;
      buffer[at + 1] = this.packetId;
      at += 2;
    }
    this.expiryAt = -1;
    if (this.v5) {
      const size = this.#properties.at;
      at = putVar(buffer, at, this.#propertiesSize());
      if (this.topicAlias !== 0) {
        buffer[at] = 0x23;
        buffer[at + 1] = this.topicAlias >>> 8;
        buffer[at + 2] = this.topicAlias;
        at += ALIAS_BYTES;
      }
      if (this.#expiryIn >= 0) this.expiryAt = at + this.#expiryIn;
      if (size > 0) at = copyBytes(this.#properties.buffer, 0, size, buffer, at);
    }
    copyBytes(this.payload, this.payloadStart, this.payloadEnd, buffer, at);
    return start;
  }
}

/** Copies `[start, end)` to `at`, short pieces in JavaScript (rule 7). Returns the offset after them. */
export function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): number {
  const size = end - start;
  if (size > COPY_LOOP_BYTES_MAX) from.copy(to, at, start, end);
  else for (let i = 0; i < size; i++) to[at + i] = from[start + i]!;
  return at + size;
}

/** Bytes of user properties as the usage counters see them. */
export function headerBytes(properties: MessageProperties | null): number {
  let bytes = 0;
  if (properties?.headers !== undefined) {
    for (const [name, value] of properties.headers) {
      bytes += Buffer.byteLength(name) + (typeof value === 'string' ? Buffer.byteLength(value) : value.length);
    }
  }
  return bytes;
}
