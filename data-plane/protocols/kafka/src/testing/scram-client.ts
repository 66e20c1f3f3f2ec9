import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { ScramMechanism, ScramVerifier } from '@robustmq/broker';

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const ITERATIONS = 4096;
const HASH = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
const SIZE = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 } as const;

interface Keys {
  readonly clientKey: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}
function keysOf(password: string, mechanism: ScramMechanism): Keys {
  const hash = HASH[mechanism];
  const salted = pbkdf2Sync(password, SALT, ITERATIONS, SIZE[mechanism], hash);
  const clientKey = createHmac(hash, salted).update('Client Key').digest();
  const storedKey = createHash(hash).update(clientKey).digest();
  return { clientKey, storedKey, serverKey: createHmac(hash, salted).update('Server Key').digest() };
}

/** What a broker keeps of a password (RFC 5802 §3), with the salt of the example in RFC 7677. */
export function verifierOf(password: string, mechanism: ScramMechanism): ScramVerifier {
  const { storedKey, serverKey } = keysOf(password, mechanism);
  return {
    salt: SALT.toString('base64'),
    iterations: ITERATIONS,
    storedKey: storedKey.toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
}

/** ClientKey XOR HMAC(StoredKey, AuthMessage). */
export function clientProofOf(password: string, mechanism: ScramMechanism, authMessage: string): Buffer {
  const { clientKey, storedKey } = keysOf(password, mechanism);
  const signature = createHmac(HASH[mechanism], storedKey).update(authMessage).digest();
  return Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!));
}

/** Whether a proof was made with the password. */
export function scramFits(
  password: string,
  verifier: ScramVerifier,
  proof: { mechanism: ScramMechanism; authMessage: string; clientProof: Buffer },
): boolean {
  const { mechanism, authMessage, clientProof } = proof;
  const mine = clientProofOf(password, mechanism, authMessage);
  return verifier.iterations === ITERATIONS && mine.equals(clientProof);
}
