import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { ProblemError } from '../http/problem-error.ts';

/** Smallest RSA key that is signed, in bits. */
const RSA_BITS_MIN = 2_048;
const EC_CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
/** DER of the signature algorithms that are read: OID → hash. */
const HASHES: Readonly<Record<string, string>> = {
  ...{ '2a8648ce3d040302': 'sha256', '2a8648ce3d040303': 'sha384', '2a8648ce3d040304': 'sha512' },
  ...{ '2a864886f70d01010b': 'sha256', '2a864886f70d01010c': 'sha384', '2a864886f70d01010d': 'sha512' },
};

const wrong = (detail: string): ProblemError =>
  new ProblemError('validation-failed', { errors: [{ pointer: '/csrPem', detail }] });

/**
 * The public key of a certification request (PKCS #10, RFC 2986), once its own signature shows that the sender has the
 * private one. Nothing else of the request is used. Throws `validation-failed`.
 */
export function keyOfRequest(pem: string): KeyObject {
  const text = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([\sA-Za-z0-9+/=]+)-----END/.exec(pem)?.[1];
  if (text === undefined) throw wrong('is no certificate request (PEM)');
  try {
    const [info, algorithm, signature] = partsOf(Buffer.from(text, 'base64'));
    const hash = HASHES[valueOf(partsOf(algorithm!)[0]!).toString('hex')];
    if (hash === undefined) throw wrong('is signed by an algorithm that is not supported: use ECDSA or RSA with SHA-2');
    const key = createPublicKey({ key: partsOf(info!)[2]!, format: 'der', type: 'spki' });
    // a BIT STRING begins with the number of its unused bits
    if (!verify(hash, info!, key, valueOf(signature!).subarray(1))) throw wrong('is not signed by its own key');
    return strong(key);
  } catch (error) {
    if (error instanceof ProblemError) throw error;
    throw wrong('cannot be read');
  }
}

function strong(key: KeyObject): KeyObject {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= RSA_BITS_MIN) return key;
  if (key.asymmetricKeyType === 'ec' && EC_CURVES.includes(namedCurve)) return key;
  throw wrong(`needs an RSA key of at least ${RSA_BITS_MIN} bits, or one on P-256, P-384 or P-521`);
}

interface Extent {
  readonly start: number;
  readonly end: number;
}
/** Where the content of the value at `at` is (X.690 §8.1). Throws RangeError when it does not fit. */
function extentOf(der: Buffer, at: number): Extent {
  const first = der.readUInt8(at + 1);
  const size = first < 0x80 ? 0 : first & 0x7f;
  if (size > 3) throw new RangeError('a length that is too large');
  const start = at + 2 + size;
  const end = start + (size === 0 ? first : der.readUIntBE(at + 2, size));
  if (end > der.length) throw new RangeError('a value beyond the end');
  return { start, end };
}
const valueOf = (der: Buffer): Buffer => {
  const { start, end } = extentOf(der, 0);
  return der.subarray(start, end);
};
/** The values inside a SEQUENCE, with their headers. */
function partsOf(der: Buffer): Buffer[] {
  const { start, end } = extentOf(der, 0);
  const parts: Buffer[] = [];
  for (let at = start; at < end;) {
    const next = extentOf(der, at).end;
    parts.push(der.subarray(at, next));
    at = next;
  }
  return parts;
}
