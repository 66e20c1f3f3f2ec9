import type { RecordView } from '@robustmq/journal';
import { Reader, type Writer } from '@robustmq/wire';
import { fromHeaders, ownedProperties } from './message-record.ts';
import type { Message, QoS } from './message.ts';

/*
 * A message as the value of a record that is not a topic's: flags u8 (qos | retain 4) · at i64 · topic (uvarint length) ·
 * payload; headers are the properties. `at` is what the owner needs beside it: a delay, a time.
 */
const QOS_BITS = 3;
const RETAIN_BIT = 4;

/** A message and the number kept with it. */
export interface StampedMessage {
  readonly message: Message;
  readonly at: number;
}

/** Writes the value; the properties travel as the record's headers. */
export function writeStamped(w: Writer, { qos, retain, topic, payload }: Message, at: number): void {
  w.u8(qos | (retain ? RETAIN_BIT : 0)).i64(at);
  w.uvarint(Buffer.byteLength(topic)).text(topic);
  w.bytes(payload);
}

/** Reads it back, owning its bytes. Throws WireError for anything else. */
export function readStamped(value: Buffer, record: RecordView): StampedMessage {
  const r = new Reader(value);
  const flags = r.u8();
  const at = r.i64();
  const topic = r.text(r.uvarint());
  const payload = Buffer.from(r.bytes(r.remaining));
  const properties = ownedProperties(fromHeaders(record.headers()));
  const qos = Math.min(flags & QOS_BITS, 2) as QoS;
  const retain = (flags & RETAIN_BIT) !== 0;
  return { message: { topic, payload, qos, retain, properties, timestampMs: record.timestampMs }, at };
}
