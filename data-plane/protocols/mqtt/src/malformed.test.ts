import fc from 'fast-check';
import type { Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { setUp } from './testing/set-up.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** CONNECT with the given flags and tail; level 4 or 5, keep-alive 0. */
function connect(level: number, flags: number, tail: string, name = '0004 4d515454'): Buffer {
  const body = Buffer.concat([hex(name), Buffer.from([level, flags, 0, 0]), hex(tail)]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}
const ID = '0001 61';

describe('bad CONNECT packets', () => {
  /** What level 5 answers, what level 4 answers ('close' = nothing), the packet's flags and tail. */
  const table: [string, number | 'close', number | 'close', number, string][] = [
    ['[MQTT-3.1.2-3] [MQTT3-3.1.2-3] reserved flag', 0x81, 'close', 0x03, ID],
    ['[MQTT-3.1.2-12] [MQTT3-3.1.2-14] will QoS 3', 0x81, 'close', 0x1e, `${ID} 0001 77 0000`],
    ['[MQTT-3.1.2-11] [MQTT3-3.1.2-11] [MQTT3-3.1.2-13] will QoS without will', 0x81, 'close', 0x0a, ID],
    ['[MQTT-3.1.2-13] [MQTT3-3.1.2-15] will retain without will', 0x81, 'close', 0x22, ID],
    ['[MQTT-3.1.3-4] [MQTT-1.5.4-2] [MQTT3-1.5.3-2] U+0000 in the client id', 0x81, 'close', 0x02, '0001 00'],
    ['[MQTT-1.5.4-1] [MQTT3-1.5.3-1] a surrogate in the client id', 0x81, 'close', 0x02, '0003 eda080'],
    ['[MQTT-1.5.4-1] overlong UTF-8 in the client id', 0x81, 'close', 0x02, '0002 c080'],
    ['a client id longer than the packet', 0x81, 'close', 0x02, '0009 61'],
    ['bytes after the end', 0x81, 'close', 0x02, `${ID} 00`],
    ['a missing user name', 0x81, 'close', 0x82, ID],
    ['a will topic with wildcards', 0x90, 'close', 0x06, `${ID} W 0001 23 0000`],
    ['an empty will topic', 0x90, 'close', 0x06, `${ID} W 0000 0000`],
  ];
  for (const [title, v5, v4, flags, tail] of table) {
    it(`5.0: ${title}`, () => {
      const client = setUp().dial(5);
      client.bytes(connect(5, flags, `00 ${tail.replace('W', '00')}`));
      expect(client.take()).toMatchObject(v5 === 'close' ? [] : [{ cmd: 'connack', reasonCode: v5 }]);
      expect(client.closed).toBe('end');
    });
    it(`3.1.1: ${title}`, () => {
      const client = setUp().dial(4);
      client.bytes(connect(4, flags, tail.replace('W', '')));
      expect(client.take()).toMatchObject(v4 === 'close' ? [] : [{ cmd: 'connack', returnCode: v4 }]);
      expect(client.closed).toBe('end');
    });
  }

  const raw: [string, 4 | 5, string, object[]][] = [
    ['[MQTT-3.1.0-1] [MQTT3-3.1.0-1] PINGREQ first', 4, 'c000', []],
    ['[MQTT-3.1.0-1] [MQTT3-3.1.0-1] PUBLISH first', 4, '3003 0001 61', []],
    ['[MQTT-3.1.2-1] another protocol name', 4, '100c 0003 4d5158 04 02 0000 0001 61', []],
    ['[MQTT-3.1.2-2] level 6', 4, '100d 0004 4d515454 06 02 0000 0001 61', [{ cmd: 'connack', returnCode: 1 }]],
    [
      '[MQTT-3.1.2-2] MQIsdp with level 4',
      4,
      '100f 0006 4d5149736470 04 02 0000 0001 61',
      [{ cmd: 'connack', returnCode: 1 }],
    ],
    ['3.1: an empty client id', 4, '100e 0006 4d5149736470 03 02 0000 0000', [{ cmd: 'connack', returnCode: 2 }]],
    [
      '[MQTT3-3.1.3-8] an empty client id with clean session 0',
      4,
      '100c 0004 4d515454 04 00 0000 0000',
      [{ cmd: 'connack', returnCode: 2 }],
    ],
    ['[MQTT3-3.1.2-22] a password without a user name', 4, '1010 0004 4d515454 04 42 0000 0001 61 0001 70', []],
    ['a remaining length of five bytes', 4, '10 ff ff ff ff 01', []],
    ['[MQTT-1.5.5-1] a remaining length with a needless byte', 4, '10 8d 00', []],
    [
      '5.0: authentication data without method',
      5,
      '1012 0004 4d515454 05 02 0000 04 16 0001 61 0001 61',
      [{ cmd: 'connack', reasonCode: 0x82 }],
    ],
    [
      '[MQTT-4.12.0-1] 5.0: an unknown authentication method',
      5,
      '1012 0004 4d515454 05 02 0000 04 15 0001 61 0001 61',
      [{ cmd: 'connack', reasonCode: 0x8c }],
    ],
    [
      '5.0: receive maximum 0',
      5,
      '1010 0004 4d515454 05 02 0000 03 21 0000 0001 61',
      [{ cmd: 'connack', reasonCode: 0x82 }],
    ],
    [
      '5.0: maximum packet size 0',
      5,
      '1012 0004 4d515454 05 02 0000 05 27 00000000 0001 61',
      [{ cmd: 'connack', reasonCode: 0x82 }],
    ],
    [
      '5.0: session expiry twice',
      5,
      '1017 0004 4d515454 05 02 0000 0a 11 00000001 11 00000001 0001 61',
      [{ cmd: 'connack', reasonCode: 0x82 }],
    ],
    [
      '5.0: request problem information 2',
      5,
      '100f 0004 4d515454 05 02 0000 02 17 02 0001 61',
      [{ cmd: 'connack', reasonCode: 0x82 }],
    ],
    [
      '5.0: a property of PUBLISH',
      5,
      '1010 0004 4d515454 05 02 0000 03 23 0001 0001 61',
      [{ cmd: 'connack', reasonCode: 0x82 }],
    ],
    [
      '5.0: a property that does not exist',
      5,
      '100f 0004 4d515454 05 02 0000 02 7f 00 0001 61',
      [{ cmd: 'connack', reasonCode: 0x81 }],
    ],
    [
      '5.0: properties longer than the packet',
      5,
      '100e 0004 4d515454 05 02 0000 7f 0001 61',
      [{ cmd: 'connack', reasonCode: 0x81 }],
    ],
  ];
  it.each(raw)('%s', (_title, version, packet, answer) => {
    const { dial, broker } = setUp();
    const client = dial(version);
    client.bytes(hex(packet));
    expect(client.take()).toMatchObject(answer);
    expect(client.closed).toBe('end');
    expect(broker.events).toHaveLength(1);
  });

  it('a CONNECT larger than the limit is refused from its fixed header', () => {
    const client = setUp({ connectSizeBytesMax: 100 }).dial(4);
    client.bytes(hex('10 ff 01'));
    expect(client.closed).toBe('end');
  });
});

describe('bad packets of an open connection', () => {
  /** Bytes, reason code of the DISCONNECT of 5.0, bytes for 3.1.1 (null = does not exist there). */
  const table: [string, string, number, string | null][] = [
    [
      '[MQTT-3.1.0-2] [MQTT3-3.1.0-2] [MQTT3-4.8.0-1] a second CONNECT',
      '100d 0004 4d515454 05 02 0000 00 0000',
      0x82,
      '100d 0004 4d515454 04 02 0000 0001 61',
    ],
    ['[MQTT-2.1.3-1] packet type 0', '0000', 0x81, '0000'],
    ['CONNACK from a client', '2002 0000', 0x82, '2002 0000'],
    ['PINGRESP from a client', 'd000', 0x82, 'd000'],
    ['[MQTT-4.12.0-7] AUTH without a method', 'f000', 0x82, 'f000'],
    ['PINGREQ with a body', 'c001 00', 0x81, 'c001 00'],
    ['[MQTT-2.1.3-1] [MQTT3-2.2.2-1] [MQTT3-2.2.2-2] PINGREQ with flags', 'c100', 0x81, 'c100'],
    ['[MQTT-3.3.1-4] [MQTT3-3.3.1-4] PUBLISH with QoS 3', '3606 0001 61 0001 00', 0x81, '3605 0001 61 0001'],
    ['[MQTT-3.3.1-2] [MQTT3-3.3.1-2] DUP with QoS 0', '3804 0001 61 00', 0x81, '3803 0001 61'],
    ['[MQTT-2.2.1-3] [MQTT3-2.3.1-1] PUBLISH with packet id 0', '3206 0001 61 0000 00', 0x82, '3205 0001 61 0000'],
    ['[MQTT-3.3.2-1] [MQTT-4.7.3-1] [MQTT3-4.7.3-1] PUBLISH without topic', '3003 0000 00', 0x82, '3002 0000'],
    ['[MQTT-3.3.2-2] [MQTT3-3.3.2-2] PUBLISH to a wildcard', '3004 0001 2b 00', 0x90, '3003 0001 23'],
    ['[MQTT-4.7.3-2] [MQTT3-4.7.3-2] PUBLISH to a topic with U+0000', '3004 0001 00 00', 0x81, '3003 0001 00'],
    ['PUBLISH to a topic of bad UTF-8', '3004 0001 ff 00', 0x81, '3003 0001 ff'],
    ['PUBLISH with a topic longer than the packet', '3004 0009 61 00', 0x81, '3003 0009 61'],
    ['PUBLISH of one byte', '3001 00', 0x81, '3001 00'],
    ['PUBLISH without room for its packet id', '3204 0001 61 00', 0x81, '3204 0001 61 00'],
    ['PUBLISH without property length', '3003 0001 61', 0x81, null],
    ['[MQTT-3.3.4-6] PUBLISH with a subscription identifier', '3006 0001 61 02 0b 01', 0x82, null],
    ['[MQTT-3.3.2-8] topic alias 0', '3007 0001 61 03 23 0000', 0x94, null],
    ['[MQTT-3.3.2-9] topic alias above the maximum', '3007 0001 61 03 23 0021', 0x94, null],
    ['[MQTT-3.3.2-12] an alias that was never set', '3006 0000 03 23 0001', 0x82, null],
    ['[MQTT-3.3.2-14] a response topic with wildcards', '3008 0001 61 04 08 0001 2b', 0x82, null],
    ['payload format indicator 2', '3006 0001 61 02 01 02', 0x82, null],
    ['PUBACK with flags', '4102 0001', 0x81, '4102 0001'],
    ['PUBACK of one byte', '4001 00', 0x81, '4001 00'],
    ['PUBACK with id 0', '4002 0000', 0x82, '4002 0000'],
    ['PUBACK longer than 3.1.1 has it', '4005 0001 00 00 00', 0x81, '4003 0001 00'],
    ['[MQTT-3.6.1-1] [MQTT3-3.6.1-1] PUBREL without its flag', '6002 0001', 0x81, '6002 0001'],
    [
      '[MQTT-3.8.1-1] [MQTT3-3.8.1-1] SUBSCRIBE without its flag',
      '8007 0001 00 0001 61 00',
      0x81,
      '8006 0001 0001 61 00',
    ],
    ['[MQTT-2.2.1-3] [MQTT3-2.3.1-1] SUBSCRIBE with id 0', '8207 0000 00 0001 61 00', 0x82, '8206 0000 0001 61 00'],
    ['[MQTT-3.8.3-2] [MQTT3-3.8.3-3] SUBSCRIBE without filters', '8203 0001 00', 0x82, '8202 0001'],
    ['[MQTT-4.7.3-1] SUBSCRIBE to an empty filter', '8206 0001 00 0000 00', 0x81, '8205 0001 0000 00'],
    ['SUBSCRIBE without options', '8206 0001 00 0001 61', 0x81, '8205 0001 0001 61'],
    ['[MQTT3-3.8.3-4] SUBSCRIBE with QoS 3', '8207 0001 00 0001 61 03', 0x82, '8206 0001 0001 61 03'],
    [
      '[MQTT-3.8.3-5] [MQTT3-3.8.3-4] SUBSCRIBE with reserved option bits',
      '8207 0001 00 0001 61 40',
      0x81,
      '8206 0001 0001 61 04',
    ],
    ['SUBSCRIBE with retain handling 3', '8207 0001 00 0001 61 30', 0x82, null],
    ['SUBSCRIBE with subscription identifier 0', '8209 0001 02 0b 00 0001 61 00', 0x82, null],
    ['SUBSCRIBE with two subscription identifiers', '820b 0001 04 0b01 0b02 0001 61 00', 0x82, null],
    ['[MQTT-3.8.3-4] no-local on a shared subscription', '8210 0001 00 000a 2473686172652f672f61 04', 0x82, null],
    ['no-local on $queue/a', '820e 0001 00 0008 2471756575652f61 04', 0x82, null],
    [
      '[MQTT-3.10.1-1] [MQTT3-3.10.1-1] UNSUBSCRIBE without its flag',
      'a006 0001 00 0001 61',
      0x81,
      'a005 0001 0001 61',
    ],
    ['[MQTT-3.10.3-2] [MQTT3-3.10.3-2] UNSUBSCRIBE without filters', 'a203 0001 00', 0x82, 'a202 0001'],
    ['[MQTT-3.14.1-1] [MQTT3-3.14.1-1] DISCONNECT with flags', 'e100', 0x81, 'e100'],
    ['DISCONNECT of 3.1.1 with a body', 'e002 8e 00', 0x82, 'e001 00'],
    ['DISCONNECT that gives an expiry to a session without', 'e007 00 05 11 00000001', 0x82, null],
  ];
  for (const [title, v5, reason, v4] of table) {
    it(`5.0: ${title}`, () => {
      const { join, broker } = setUp();
      const client = join({ version: 5 });
      client.bytes(hex(v5));
      expect(client.take()).toMatchObject([{ cmd: 'disconnect', reasonCode: reason }]);
      expect(client.closed).toBe('end');
      expect(broker.links[0]!.closed).toBe(1);
      expect(broker.published).toEqual([]);
    });
    if (v4 === null) continue;
    it(`3.1.1: ${title}`, () => {
      const { join, broker } = setUp();
      const client = join({ version: 4 });
      client.bytes(hex(v4));
      expect(client.take()).toEqual([]);
      expect(client.closed).toBe('end');
      expect(broker.events).toHaveLength(1);
    });
  }

  it('[MQTT-3.2.2-15] a packet above the maximum ends the connection with 0x95 before it is buffered', () => {
    const client = setUp({ packetSizeBytesMax: 1000 }).join({ version: 5 });
    client.bytes(hex('30 ff ff ff 7f'));
    expect(client.take()).toMatchObject([{ cmd: 'disconnect', reasonCode: 0x95 }]);
  });

  it('publishes what came before the bad packet, and nothing after it', () => {
    const { join, broker } = setUp();
    const client = join();
    const good: Packet = { cmd: 'publish', topic: 'a', payload: 'x', qos: 0, dup: false, retain: false };
    client.bytes(Buffer.concat([client.encode(good, good), hex('0000'), client.encode(good)]));
    expect(broker.published.map((run) => run.payloads)).toEqual([['x', 'x']]);
    client.bytes(client.encode(good));
    expect(broker.published).toHaveLength(1);
  });
});

describe('random bytes', () => {
  const soup = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.constantFrom(hex('3003 0001 61'), hex('3205 0001 61 0001'), hex('c000'), hex('8206 0001 0001 61 01')),
    ),
    { maxLength: 20 },
  );
  it('only ever end their own connection', () => {
    fc.assert(
      fc.property(soup, fc.constantFrom<(4 | 5)[]>(4, 5), fc.boolean(), (chunks, version, admitted) => {
        const { dial, join, server } = setUp();
        const other = join();
        const client = admitted ? join({ version }) : dial(version);
        client.write = () => undefined; // answers to soup may be soup to a strict reader
        for (const chunk of chunks) client.bytes(chunk);
        client.cut();
        expect(other.send({ cmd: 'pingreq' })).toMatchObject([{ cmd: 'pingresp' }]);
        expect(server.connectionCount).toBe(1);
      }),
      { numRuns: 400 },
    );
  });
});
