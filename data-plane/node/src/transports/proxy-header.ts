import { isIPv4, isIPv6 } from 'node:net';

/**
 * The header a proxy puts before a connection's own bytes to tell where the client really is: PROXY protocol version 1
 * (text) and version 2 (binary), haproxy.org "The PROXY protocol" §2.1 and §2.2. Pure.
 */

/** §2.1: the longest line of version 1 with its CRLF. */
const V1_BYTES_MAX = 107;
const V2_SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V2_FIXED_BYTES = 16;
/** Addresses and type-length-values of version 2; what proxies send is far below. */
const V2_REST_BYTES_MAX = 4096;
export const PROXY_HEADER_BYTES_MAX = V2_FIXED_BYTES + V2_REST_BYTES_MAX;
const V1_START = Buffer.from('PROXY ');
const CR = 0x0d;
const LF = 0x0a;

export interface ProxySource {
  readonly address: string;
  readonly port: number;
}
export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly kind: 'incomplete' }
  /** `length` bytes of header; `source` null = the proxy speaks for itself (health checks) or does not know. */
  | { readonly kind: 'header'; readonly length: number; readonly source: ProxySource | null }
  | { readonly kind: 'malformed'; readonly reason: string };

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };
const malformed = (reason: string): ProxyHeader => ({ kind: 'malformed', reason });

/** Reads the header at the beginning of `bytes`. Never asks for more than PROXY_HEADER_BYTES_MAX. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, V2_SIGNATURE)) return bytes.length < V2_FIXED_BYTES ? INCOMPLETE : parseVersion2(bytes);
  if (startsLike(bytes, V1_START)) return bytes.length < V1_START.length ? INCOMPLETE : parseVersion1(bytes);
  return malformed('no PROXY protocol header');
}

/** True while `bytes` can still become something that starts with `start`. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseVersion1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf(LF);
  if (end < 0) return bytes.length >= V1_BYTES_MAX ? malformed('version 1 line too long') : INCOMPLETE;
  if (bytes[end - 1] !== CR) return malformed('version 1 line does not end with CRLF');
  const length = end + 1;
  const [, family, source, destination, sourcePort, destinationPort, ...rest] = bytes
    .toString('latin1', 0, end - 1)
    .split(' ');
  // §2.1: whatever follows UNKNOWN is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'header', length, source: null };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : () => false;
  if (source === undefined || destination === undefined || !isAddress(source) || !isAddress(destination))
    return malformed('version 1 line without two addresses of its family');
  const port = portOf(sourcePort);
  if (port === null || portOf(destinationPort) === null || rest.length > 0)
    return malformed('version 1 line without two ports');
  return { kind: 'header', length, source: { address: source, port } };
}

/** §2.1: decimal, 0 to 65535, no leading zero. */
function portOf(text: string | undefined): number | null {
  if (text === undefined || !/^(0|[1-9]\d{0,4})$/.test(text)) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

const COMMAND_LOCAL = 0x20;
const COMMAND_PROXY = 0x21;
const FAMILY_INET = 0x10;
const FAMILY_INET6 = 0x20;
const TRANSPORT_STREAM = 0x01;
const INET_BYTES = 12;
const INET6_BYTES = 36;

function parseVersion2(bytes: Buffer): ProxyHeader {
  const command = bytes[12]!;
  const family = bytes[13]!;
  const rest = bytes.readUInt16BE(14);
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) return malformed('version 2 command unknown');
  if (rest > V2_REST_BYTES_MAX) return malformed(`version 2 header above ${V2_REST_BYTES_MAX} bytes`);
  const length = V2_FIXED_BYTES + rest;
  if (bytes.length < length) return INCOMPLETE;
  const isStream = (family & 0x0f) === TRANSPORT_STREAM;
  if (command === COMMAND_LOCAL || family === 0 || !isStream) return { kind: 'header', length, source: null };
  switch (family & 0xf0) {
    case FAMILY_INET:
      if (rest < INET_BYTES) return malformed('version 2 addresses cut short');
      return { kind: 'header', length, source: { address: ipv4(bytes, 16), port: bytes.readUInt16BE(24) } };
    case FAMILY_INET6:
      if (rest < INET6_BYTES) return malformed('version 2 addresses cut short');
      return { kind: 'header', length, source: { address: ipv6(bytes, 16), port: bytes.readUInt16BE(48) } };
    default:
      return { kind: 'header', length, source: null };
  }
}

function ipv4(bytes: Buffer, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}
/** The form `URL` gives: lower case, the longest run of zeros as `::` (RFC 5952). */
function ipv6(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
