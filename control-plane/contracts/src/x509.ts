import { randomBytes, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

/**
 * Makes X.509 v3 certificates (RFC 5280) with P-256 keys. Node's crypto reads and checks certificates but makes none;
 * what is written here is the little DER (X.690) that takes, and every certificate is read back by Node before it is used.
 */

export interface CertificateRequest {
  readonly commonName: string;
  /** Key of the subject, P-256. */
  readonly publicKey: KeyObject;
  /** DNS names and IP addresses; none for an authority. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** `authority` signs others; `server` and `client` are what RFC 5280 §4.2.1.12 calls serverAuth and clientAuth. */
  readonly use: 'authority' | 'server' | 'client';
}
/** Who signs: absent `certificate` = the certificate signs itself. */
export interface Issuer {
  readonly privateKey: KeyObject;
  readonly certificate?: X509Certificate;
}

const SERIAL_BYTES = 16;
const OID = {
  commonName: [2, 5, 4, 3],
  ecdsaWithSha256: [1, 2, 840, 10_045, 4, 3, 2],
  subjectKeyId: [2, 5, 29, 14],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  authorityKeyId: [2, 5, 29, 35],
  extKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
  clientAuth: [1, 3, 6, 1, 5, 5, 7, 3, 2],
} as const;

/** A certificate over `request`, signed by `issuer`; PEM. */
export function makeCertificate(request: CertificateRequest, issuer: Issuer): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const subject = name(request.commonName);
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial()),
    algorithm,
    issuer.certificate === undefined ? subject : subjectOf(issuer.certificate),
    sequence(time(request.notBefore), time(request.notAfter)),
    subject,
    request.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(request, issuer))),
  );
  const signature = sign('sha256', body, issuer.privateKey);
  const der = sequence(body, algorithm, bitString(signature, 0));
  return new X509Certificate(der).toString();
}

function extensions({ publicKey, names, use }: CertificateRequest, { certificate }: Issuer): Buffer[] {
  const isAuthority = use === 'authority';
  // §4.2.1.3: bit 0 = digitalSignature, 5 = keyCertSign, 6 = cRLSign.
  const usage = isAuthority ? bitString(Buffer.from([0x06]), 1) : bitString(Buffer.from([0x80]), 7);
  const own = keyId(publicKey);
  const issuing = certificate === undefined ? own : keyId(certificate.publicKey);
  return [
    extension(OID.basicConstraints, true, isAuthority ? sequence(TRUE) : sequence()),
    extension(OID.keyUsage, true, usage),
    extension(OID.subjectKeyId, false, octets(own)),
    extension(OID.authorityKeyId, false, sequence(tagged(0x80, issuing))),
    ...(isAuthority
      ? []
      : [extension(OID.extKeyUsage, false, sequence(oid(use === 'server' ? OID.serverAuth : OID.clientAuth)))]),
    ...(names.length === 0 ? [] : [extension(OID.subjectAltName, false, sequence(...names.map(alternativeName)))]),
  ];
}

function extension(id: readonly number[], critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));
}
/** §4.2.1.6: [2] dNSName, [7] iPAddress. */
function alternativeName(text: string): Buffer {
  const family = isIP(text);
  if (family === 0) return tagged(0x82, Buffer.from(text, 'ascii'));
  return tagged(0x87, family === 4 ? Buffer.from(text.split('.').map(Number)) : ipv6Bytes(text));
}
function ipv6Bytes(text: string): Buffer {
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** The DER of an issued certificate's subject, byte for byte: chains compare it so. */
function subjectOf(certificate: X509Certificate): Buffer {
  const body = children(children(certificate.raw)[0]!);
  // §4.1: version [0], serial, algorithm, issuer, validity, subject.
  return body[5]!;
}
function children(der: Buffer): Buffer[] {
  const { start, end } = extent(der, 0);
  const found: Buffer[] = [];
  for (let at = start; at < end;) {
    const next = extent(der, at).end;
    found.push(der.subarray(at, next));
    at = next;
  }
  return found;
}
function extent(der: Buffer, at: number): { start: number; end: number } {
  const first = der[at + 1]!;
  if (first < 0x80) return { start: at + 2, end: at + 2 + first };
  const size = first & 0x7f;
  const start = at + 2 + size;
  return { start, end: start + der.readUIntBE(at + 2, size) };
}

/** §4.2.1.2: a name for the key; any that does not repeat will do. */
function keyId(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' }).subarray(-20);
}
/** §4.1.2.2: positive, at most 20 bytes, never twice. */
function serial(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes;
}
function name(commonName: string): Buffer {
  const attribute = sequence(oid(OID.commonName), tagged(0x0c, Buffer.from(commonName, 'utf8')));
  return sequence(tagged(0x31, attribute));
}
/** §4.1.2.5: two-digit years until 2049, four-digit ones after. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < 2050
    ? tagged(0x17, Buffer.from(digits.slice(2), 'ascii'))
    : tagged(0x18, Buffer.from(digits, 'ascii'));
}

const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts));
const octets = (bytes: Buffer): Buffer => tagged(0x04, bytes);
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes);
const bitString = (bytes: Buffer, unusedBits: number): Buffer =>
  tagged(0x03, Buffer.concat([Buffer.from([unusedBits]), bytes]));

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x1_00 ? 1 : length < 0x1_00_00 ? 2 : 3;
  const header = Buffer.alloc(2 + size);
  header[0] = tag;
  header[1] = 0x80 | size;
  header.writeUIntBE(length, 2, size);
  return Buffer.concat([header, content]);
}

/** X.690 §8.19: the first two arcs in one number, each number in base 128. */
function oid(arcs: readonly number[]): Buffer {
  const [first = 0, second = 0, ...rest] = arcs;
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const digits = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return tagged(0x06, Buffer.from(bytes));
}
