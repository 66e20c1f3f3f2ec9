import { Reader } from '@robustmq/wire';
import { PROPERTY_TABLE } from './property-table.ts';
import type { Properties, PropertyPacket, PropertyRow } from './property-table.ts';
import { MqttFault } from './reason-codes.ts';
import { isMqttText } from './utf8.ts';

const BY_ID: (PropertyRow | undefined)[] = [];
for (const row of PROPERTY_TABLE) BY_ID[row.id] = row;

/** Cursor over one packet's body with MQTT's field types. Throws `MqttFault`, or `WireError` past the end. */
export class PacketReader extends Reader {
  /** UTF-8 Encoded String (MQTT 5 §1.5.4). */
  string(): string {
    const size = this.u16();
    const at = this.skip(size);
    if (!isMqttText(this.buffer, at, at + size)) throw new MqttFault('malformed-packet', 'a string is not valid UTF-8');
    return this.buffer.toString('utf8', at, at + size);
  }
  /** Binary Data (§1.5.6), copied: the chunk it came in is overwritten by the next read. */
  binary(): Buffer {
    return Buffer.from(this.bytes(this.u16()));
  }
  /** Variable Byte Integer (§1.5.5): at most 4 bytes, the shortest form only [MQTT-1.5.5-1]. */
  variableByteInteger(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (byte === 0 && shift > 0) throw new MqttFault('malformed-packet', 'a variable byte integer is too long');
        return value;
      }
    }
    throw new MqttFault('malformed-packet', 'a variable byte integer is too long');
  }
  packetId(): number {
    const id = this.u16();
    if (id === 0) throw new MqttFault('protocol-error', 'the packet identifier is 0'); // [MQTT-2.2.1-3]
    return id;
  }
  /** The packet must end here. */
  finish(): void {
    if (this.remaining > 0) throw new MqttFault('malformed-packet', 'bytes follow the end of the packet');
  }
  /** Property Length and properties as the table allows them in `packet`. */
  properties(packet: PropertyPacket): Properties {
    const size = this.variableByteInteger();
    const end = this.at + size;
    if (end > this.end) throw new MqttFault('malformed-packet', 'the properties are longer than the packet');
    const reader = new PacketReader(this.buffer, this.at, end);
    const properties: Properties = {};
    while (reader.remaining > 0) readProperty(reader, packet, properties);
    this.at = end;
    return properties;
  }
}

function readProperty(reader: PacketReader, packet: PropertyPacket, into: Properties): void {
  const row = BY_ID[reader.variableByteInteger()];
  if (row === undefined) throw new MqttFault('malformed-packet', 'there is no such property');
  if (!row.packets.includes(packet)) {
    throw new MqttFault('protocol-error', `${row.name} is not allowed in ${packet}`);
  }
  if (row.repeats) {
    (into.userProperty ??= []).push([reader.string(), reader.string()]);
    return;
  }
  if (into[row.name] !== undefined) throw new MqttFault('protocol-error', `${row.name} is given twice`);
  const value = readValue(reader, row);
  if (row.value === 'nonzero' && value === 0) throw new MqttFault('protocol-error', `${row.name} is 0`);
  if (row.value === 'boolean' && value !== 0 && value !== 1) {
    throw new MqttFault('protocol-error', `${row.name} is neither 0 nor 1`);
  }
  Object.assign(into, { [row.name]: value });
}

function readValue(reader: PacketReader, row: PropertyRow): number | string | Buffer {
  switch (row.kind) {
    case 'byte':
      return reader.u8();
    case 'u16':
      return reader.u16();
    case 'u32':
      return reader.u32();
    case 'varint':
      return reader.variableByteInteger();
    case 'binary':
      return reader.binary();
    case 'text':
    case 'pair':
      return reader.string();
  }
}
