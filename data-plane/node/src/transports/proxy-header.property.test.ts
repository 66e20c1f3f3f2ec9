import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader, PROXY_HEADER_BYTES_MAX } from './proxy-header.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const port = fc.integer({ min: 0, max: 65_535 });
const ipv6 = fc.ipV6().map((text) => new URL(`http://[${text}]`).hostname.slice(1, -1));

function version2(command: number, family: number, rest: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head[0] = command;
  head[1] = family;
  head.writeUInt16BE(rest.length, 2);
  return Buffer.concat([SIGNATURE, head, rest]);
}
function groupsOf(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - left.length - right.length }, () => '0');
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
function addresses(isV6: boolean, address: string, from: number, to: number): Buffer {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(from, 0);
  ports.writeUInt16BE(to, 2);
  const one = isV6 ? groupsOf(address) : Buffer.from(address.split('.').map(Number));
  return Buffer.concat([one, one, ports]);
}

/** Whatever the cut, the answer is "more" before the end of the header and the same from there on. */
function holdsAtEveryCut(header: Buffer, source: { address: string; port: number } | null): void {
  const bytes = Buffer.concat([header, Buffer.from('\x10payload\r\n')]);
  for (let length = 0; length < header.length; length++)
    expect(parseProxyHeader(bytes.subarray(0, length))).toEqual({ kind: 'incomplete' });
  for (const length of [header.length, bytes.length])
    expect(parseProxyHeader(bytes.subarray(0, length))).toEqual({ kind: 'header', length: header.length, source });
}

describe('a PROXY protocol header', () => {
  it('of version 1 tells the client, however it is cut', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), ipv6), port, port, (address, from, to) => {
        const family = address.includes(':') ? 'TCP6' : 'TCP4';
        const line = Buffer.from(`PROXY ${family} ${address} ${address} ${from} ${to}\r\n`);
        holdsAtEveryCut(line, { address, port: from });
      }),
    );
  });

  it('of version 2 tells the client, whatever follows the addresses', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), ipv6),
        port,
        port,
        fc.uint8Array({ maxLength: 200 }),
        (address, from, to, extra) => {
          const isV6 = address.includes(':');
          const rest = Buffer.concat([addresses(isV6, address, from, to), extra]);
          holdsAtEveryCut(version2(0x21, isV6 ? 0x21 : 0x11, rest), { address, port: from });
        },
      ),
    );
  });

  it('may tell nothing: UNKNOWN, LOCAL, datagrams, unix sockets', () => {
    holdsAtEveryCut(Buffer.from('PROXY UNKNOWN\r\n'), null);
    holdsAtEveryCut(Buffer.from('PROXY UNKNOWN whatever 1 2\r\n'), null);
    const inet = addresses(false, '10.0.0.1', 1, 2);
    for (const [command, family] of [
      [0x20, 0x11],
      [0x21, 0x00],
      [0x21, 0x12],
      [0x21, 0x31],
    ] as const)
      holdsAtEveryCut(version2(command, family, inet), null);
  });

  it.each([
    'GET / HTTP/1.1\r\n',
    '\x10\x0c\x00\x04MQTT',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n',
    'PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n',
    'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n',
    `PROXY TCP4 ${'1'.repeat(110)}`,
  ])('is malformed: %j', (text) => {
    expect(parseProxyHeader(Buffer.from(text, 'latin1'))).toMatchObject({ kind: 'malformed' });
  });
  it('of version 2 is malformed where it claims too much or too little', () => {
    for (const header of [
      version2(0x22, 0x11, Buffer.alloc(12)),
      version2(0x11, 0x11, Buffer.alloc(12)),
      version2(0x21, 0x11, Buffer.alloc(11)),
      version2(0x21, 0x21, Buffer.alloc(35)),
      version2(0x21, 0x11, Buffer.alloc(PROXY_HEADER_BYTES_MAX)),
    ])
      expect(parseProxyHeader(header)).toMatchObject({ kind: 'malformed' });
  });

  it('of any bytes at all never throws and never waits for more than the limit', () => {
    const start = fc.constantFrom(Buffer.alloc(0), SIGNATURE, Buffer.from('PROXY '), Buffer.from('PROXY TCP4 '));
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 300 }), (head, tail) => {
        const parsed = parseProxyHeader(Buffer.concat([head, tail]));
        if (parsed.kind === 'header') expect(parsed.length).toBeLessThanOrEqual(head.length + tail.length);
      }),
      { numRuns: 500 },
    );
    const full = Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])]);
    expect(parseProxyHeader(full).kind).toBe('malformed');
  });
});
