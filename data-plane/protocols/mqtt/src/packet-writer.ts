import { Writer } from '@robustmq/wire';
import type { Version } from './control-packets.ts';
import { PROPERTY_TABLE } from './property-table.ts';
import type { Properties, PropertyRow } from './property-table.ts';

/** Where packets are written: `reserve` makes room and returns the offset in `buffer` (which it may replace). */
export interface Sink {
  readonly buffer: Buffer;
  reserve(size: number): number;
}

/** Bytes of a Variable Byte Integer. */
export function varSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** Writes a Variable Byte Integer at `at`; returns the offset after it. */
export function putVar(buffer: Buffer, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[at] = rest;
  return at + 1;
}

/** A UTF-8 Encoded String; the caller has checked that it has at most 65535 bytes. */
export function putString(writer: Writer, text: string): void {
  const at = writer.reserve(2);
  const size = writer.text(text);
  writer.buffer[at] = size >>> 8;
  writer.buffer[at + 1] = size;
}

/** Properties without their length, in the order of the table. */
export function putProperties(writer: Writer, properties: Properties): void {
  for (const row of PROPERTY_TABLE) {
    const value = properties[row.name];
    if (value === undefined) continue;
    if (!Array.isArray(value)) putProperty(writer, row, value);
    else
      for (const [name, text] of value) {
        writer.u8(row.id);
        putString(writer, name);
        putString(writer, text);
      }
  }
}

function putProperty(writer: Writer, row: PropertyRow, value: number | string | Buffer): void {
  writer.u8(row.id);
  if (typeof value === 'string') return putString(writer, value);
  if (typeof value !== 'number') {
    writer.u16(value.length).bytes(value);
    return;
  }
  if (row.kind === 'byte') writer.u8(value);
  else if (row.kind === 'u16') writer.u16(value);
  else if (row.kind === 'u32') writer.u32(value);
  else writer.uvarint(value);
}

const HEAD = new Writer(256);
const PROPERTIES = new Writer(256);

/** CONNACK (§3.2). `code` is a reason code for version 5, a return code before. */
export function putConnack(sink: Sink, version: Version, present: boolean, code: number, properties: Properties): void {
  HEAD.reset();
  HEAD.u8(present ? 1 : 0).u8(code);
  putPacket(sink, 0x20, version === 5 ? properties : null, null);
}

/** DISCONNECT of an MQTT 5 server (§3.14). */
export function putDisconnect(sink: Sink, reason: number, properties: Properties): void {
  HEAD.reset();
  HEAD.u8(reason);
  putPacket(sink, 0xe0, properties, null);
}

/** AUTH of a server (§3.15): 0x18 asks on, 0 ends a re-authentication. */
export function putAuth(sink: Sink, reason: number, properties: Properties): void {
  HEAD.reset();
  HEAD.u8(reason);
  putPacket(sink, 0xf0, properties, null);
}

/** PUBACK or PUBREC of MQTT 5 that says why in words. */
export function putAckWithReason(sink: Sink, first: number, packetId: number, reason: number, text: string): void {
  HEAD.reset();
  HEAD.u16(packetId).u8(reason);
  putPacket(sink, first, { reasonString: text }, null);
}

/** SUBACK (0x90) or UNSUBACK (0xb0); `codes` follow the order of the filters. */
export function putSubscriptionAck(
  sink: Sink,
  type: 0x90 | 0xb0,
  version: Version,
  packetId: number,
  codes: Uint8Array,
): void {
  HEAD.reset();
  HEAD.u16(packetId);
  putPacket(sink, type, version === 5 ? {} : null, type === 0x90 || version === 5 ? codes : null);
}

/** Fixed header, what is in `HEAD`, properties (null = the packet has none), tail. */
function putPacket(sink: Sink, first: number, properties: Properties | null, tail: Uint8Array | null): void {
  PROPERTIES.reset();
  if (properties !== null) putProperties(PROPERTIES, properties);
  const propertiesSize = properties === null ? 0 : varSize(PROPERTIES.at) + PROPERTIES.at;
  const remaining = HEAD.at + propertiesSize + (tail?.length ?? 0);
  let at = sink.reserve(1 + varSize(remaining) + remaining);
  const buffer = sink.buffer;
  buffer[at] = first;
  at = putVar(buffer, at + 1, remaining);
  buffer.set(HEAD.view(), at);
  at += HEAD.at;
  if (properties !== null) {
    at = putVar(buffer, at, PROPERTIES.at);
    buffer.set(PROPERTIES.view(), at);
    at += PROPERTIES.at;
  }
  if (tail !== null) buffer.set(tail, at);
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP; `first` carries the flags. A reason other than 0 is written for version 5 only. */
export function putAck(sink: Sink, first: number, packetId: number, reason: number): void {
  const size = reason === 0 ? 4 : 5;
  const at = sink.reserve(size);
  const buffer = sink.buffer;
  buffer[at] = first;
  buffer[at + 1] = size - 2;
  buffer[at + 2] = packetId >>> 8;
  buffer[at + 3] = packetId;
  if (reason !== 0) buffer[at + 4] = reason;
}
