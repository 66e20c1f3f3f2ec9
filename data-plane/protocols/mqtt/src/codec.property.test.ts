import type { MessageProperties, QoS } from '@robustmq/broker';
import { Writer } from '@robustmq/wire';
import fc from 'fast-check';
import mqttPacket from 'mqtt-packet';
import type { IConnectPacket, Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { readConnect, readSubscribe, readVersion, toMessageProperties } from './control-packets.ts';
import { PacketReader } from './packet-reader.ts';
import { putConnack, putProperties, putVar, varSize } from './packet-writer.ts';
import { PROPERTY_TABLE } from './property-table.ts';
import type { Properties, PropertyPacket } from './property-table.ts';
import { PublishEncoder } from './publish-encoder.ts';
import { MqttFault } from './reason-codes.ts';
import { WireError } from '@robustmq/wire';

const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((s) => !s.includes('\0') && s.isWellFormed());
const name = text.filter((s) => s !== '' && !/[+#]/.test(s));
const bytes = fc.uint8Array({ maxLength: 20 }).map((list) => Buffer.from(list));

function valueOf(row: (typeof PROPERTY_TABLE)[number]): fc.Arbitrary<unknown> {
  if (row.value === 'boolean') return fc.nat(1);
  const min = row.value === 'nonzero' ? 1 : 0;
  if (row.kind === 'byte') return fc.nat(255);
  if (row.kind === 'u16') return fc.integer({ min, max: 0xffff });
  if (row.kind === 'u32') return fc.integer({ min, max: 0xffff_ffff });
  if (row.kind === 'varint') return fc.integer({ min, max: 268_435_455 });
  if (row.kind === 'binary') return bytes;
  return row.kind === 'pair' ? fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 4 }) : text;
}
function propertiesOf(packet: PropertyPacket): fc.Arbitrary<Properties> {
  const rows = PROPERTY_TABLE.filter((row) => row.packets.includes(packet));
  return fc.record(Object.fromEntries(rows.map((row) => [row.name, valueOf(row)])), { requiredKeys: [] });
}
const PACKETS: PropertyPacket[] = [
  'connect',
  'will',
  'publish',
  'puback',
  'subscribe',
  'unsubscribe',
  'disconnect',
  'connack',
];

function parse(packet: Buffer, version: 4 | 5): Packet {
  const parser = mqttPacket.parser({ protocolVersion: version });
  const parsed: Packet[] = [];
  parser.on('packet', (p: Packet) => parsed.push(p));
  parser.on('error', (error: Error) => {
    throw error;
  });
  expect(parser.parse(packet)).toBe(0);
  expect(parsed).toHaveLength(1);
  return parsed[0]!;
}
/** Reader at the variable header. */
function bodyOf(packet: Buffer): PacketReader {
  let body = 2;
  while (packet[body - 1]! >= 0x80) body++;
  return new PacketReader(packet, body, packet.length);
}

describe('codec', () => {
  it.each(PACKETS)('properties of %s: decode(encode(x)) = x', (packet) => {
    fc.assert(
      fc.property(propertiesOf(packet), (properties) => {
        const block = new Writer();
        putProperties(block, properties);
        const all = Buffer.alloc(4 + block.at);
        const at = putVar(all, 0, block.at);
        block.view().copy(all, at);
        const reader = new PacketReader(all, 0, at + block.at);
        expect(reader.properties(packet)).toEqual(properties);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('[MQTT-1.5.5-1] variable byte integers: decode(encode(x)) = x in the shortest form', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 268_435_455 }), (value) => {
        const buffer = Buffer.alloc(4);
        const end = putVar(buffer, 0, value);
        expect(end).toBe(varSize(value));
        expect(new PacketReader(buffer, 0, end).variableByteInteger()).toBe(value);
      }),
    );
    expect(() => new PacketReader(Buffer.from([0x80, 0x00])).variableByteInteger()).toThrow(MqttFault);
    expect(() => new PacketReader(Buffer.from([255, 255, 255, 255, 1])).variableByteInteger()).toThrow(MqttFault);
  });

  it('reads every CONNECT that mqtt-packet writes', () => {
    const connect = fc.record({
      version: fc.constantFrom<(3 | 4 | 5)[]>(3, 4, 5),
      clientId: name,
      clean: fc.boolean(),
      keepalive: fc.nat(0xffff),
      login: fc.option(fc.record({ username: name, password: bytes.filter((b) => b.length > 0) })),
      will: fc.option(
        fc.record({ topic: name, payload: bytes, qos: fc.constantFrom<QoS[]>(0, 1, 2), retain: fc.boolean() }),
      ),
    });
    fc.assert(
      fc.property(connect, ({ version, clientId, clean, keepalive, login, will }) => {
        const packet: IConnectPacket = {
          cmd: 'connect',
          protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
          protocolVersion: version,
          clientId,
          clean,
          keepalive,
          ...login,
          ...(will ? { will } : {}),
        };
        const body = bodyOf(mqttPacket.generate(packet));
        expect(readVersion(body)).toBe(version);
        const read = readConnect(body, version);
        expect(read).toMatchObject({ version, clientId, cleanStart: clean, keepAliveSeconds: keepalive });
        expect(read.username).toBe(login?.username ?? null);
        expect(read.password).toEqual(login?.password ?? null);
        expect(read.will === null).toBe(will === null);
        if (will) expect(read.will!.message).toMatchObject(will);
      }),
    );
  });

  it('reads every SUBSCRIBE that mqtt-packet writes', () => {
    const subscription = fc.record({
      topic: name,
      qos: fc.constantFrom<QoS[]>(0, 1, 2),
      nl: fc.boolean(),
      rap: fc.boolean(),
      rh: fc.nat(2),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 65_535 }),
        fc.array(subscription, { minLength: 1, maxLength: 5 }),
        (id, list) => {
          const packet = { cmd: 'subscribe', messageId: id, subscriptions: list } as Packet;
          const read = readSubscribe(bodyOf(mqttPacket.generate(packet, { protocolVersion: 5 })), 5);
          expect(read.packetId).toBe(id);
          expect(read.filters).toEqual(
            list.map(({ topic, qos, nl, rap, rh }) => ({
              filter: topic,
              options: { qos, noLocal: nl, retainAsPublished: rap, retainHandling: rh, subscriptionId: null },
            })),
          );
        },
      ),
    );
  });

  const message = fc.record({
    topic: name,
    payload: bytes,
    qos: fc.constantFrom<QoS[]>(0, 1, 2),
    retain: fc.boolean(),
    dup: fc.boolean(),
    id: fc.integer({ min: 1, max: 65_535 }),
    properties: fc.option(propertiesOf('publish')),
    ids: fc.option(fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1, maxLength: 3 })),
  });
  it('writes PUBLISH packets that mqtt-packet reads back', () => {
    const encoder = new PublishEncoder();
    fc.assert(
      fc.property(message, fc.constantFrom<(4 | 5)[]>(4, 5), (m, version) => {
        encoder.v5 = version === 5;
        Object.assign(encoder, { qos: m.qos, retain: m.retain, dup: m.qos > 0 && m.dup, packetId: m.id });
        encoder.topic = Buffer.from(m.topic);
        encoder.topicStart = 0;
        encoder.topicEnd = encoder.topic.length;
        Object.assign(encoder, { payload: m.payload, payloadStart: 0, payloadEnd: m.payload.length });
        const properties = messageProperties(m.properties);
        encoder.setProperties(properties, properties?.expirySeconds ?? -1, m.ids);
        const writer = new Writer(1);
        encoder.put(writer);
        expect(writer.at).toBe(encoder.size());
        const read = parse(writer.toBuffer(), version);
        expect(read).toMatchObject({
          cmd: 'publish',
          topic: m.topic,
          qos: m.qos,
          retain: m.retain,
          payload: m.payload,
        });
        if (m.qos > 0) expect(read.messageId).toBe(m.id);
        if (version === 5) expectProperties(read, properties, m.ids);
      }),
    );
  });

  it('[MQTT-3.3.2-17] [MQTT-3.3.2-18] keeps message properties over decode and encode, in order', () => {
    fc.assert(
      fc.property(propertiesOf('publish'), (sent) => {
        const { topicAlias: _, ...rest } = sent;
        const properties = messageProperties(rest);
        const encoder = new PublishEncoder();
        encoder.v5 = true;
        encoder.setProperties(properties, properties?.expirySeconds ?? -1, null);
        const writer = new Writer();
        encoder.put(writer);
        const body = bodyOf(writer.toBuffer());
        body.string();
        expect(toMessageProperties(body.properties('publish'))).toEqual(properties);
      }),
    );
  });

  it('reading random bytes throws nothing but the two faults of a bad packet', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom<(4 | 5)[]>(4, 5), (list, version) => {
        for (const read of [readConnect, readSubscribe]) {
          try {
            read(new PacketReader(Buffer.from(list)), version);
          } catch (error) {
            expect(error instanceof MqttFault || error instanceof WireError).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('CONNACK of MQTT 5 is read back by mqtt-packet', () => {
    const writer = new Writer();
    putConnack(writer, 5, true, 0, { receiveMaximum: 10, assignedClientIdentifier: 'x', maximumPacketSize: 70_000 });
    expect(parse(writer.toBuffer(), 5)).toMatchObject({
      cmd: 'connack',
      sessionPresent: true,
      reasonCode: 0,
      properties: { receiveMaximum: 10, assignedClientIdentifier: 'x', maximumPacketSize: 70_000 },
    });
  });
});

function messageProperties(properties: Properties | null): MessageProperties | null {
  if (properties === null) return null;
  const { responseTopic, ...rest } = properties;
  const valid = responseTopic !== undefined && responseTopic !== '' && !/[+#]/.test(responseTopic);
  return toMessageProperties(valid ? { ...rest, responseTopic } : rest);
}

function expectProperties(read: Packet, properties: MessageProperties | null, ids: readonly number[] | null): void {
  const got = (read as { properties?: Record<string, unknown> }).properties ?? {};
  expect(got['contentType']).toBe(properties?.contentType);
  expect(got['responseTopic']).toBe(properties?.responseTopic);
  expect(got['correlationData']).toEqual(properties?.correlationData);
  expect(got['messageExpiryInterval']).toBe(properties?.expirySeconds);
  expect(got['payloadFormatIndicator']).toBe(properties?.payloadIsText);
  const expected = ids === null ? undefined : ids.length === 1 ? ids[0] : ids;
  expect(got['subscriptionIdentifier']).toEqual(expected);
}
