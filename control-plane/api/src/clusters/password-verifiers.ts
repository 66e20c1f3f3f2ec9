import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { PasswordVerifiers, ScramVerifier } from '@robustmq/contracts';

const derive = promisify(pbkdf2);

/** PBKDF2 rounds of SCRAM verifiers. */
export const SCRAM_ITERATIONS = 8_192;
const SALT_BYTES = 16;

/** RFC 5802 §3. The password is ASCII, so SASLprep leaves it as it is. */
async function scram(password: string, algorithm: 'sha256' | 'sha512'): Promise<ScramVerifier> {
  const salt = randomBytes(SALT_BYTES);
  const bytes = algorithm === 'sha256' ? 32 : 64;
  const salted = await derive(password, salt, SCRAM_ITERATIONS, bytes, algorithm);
  const clientKey = createHmac(algorithm, salted).update('Client Key').digest();
  return {
    salt: salt.toString('base64'),
    iterations: SCRAM_ITERATIONS,
    storedKey: createHash(algorithm).update(clientKey).digest('base64'),
    serverKey: createHmac(algorithm, salted).update('Server Key').digest('base64'),
  };
}

/** Everything a node needs to check the password on any protocol; the password itself is kept nowhere. */
export async function passwordVerifiers(password: string): Promise<PasswordVerifiers> {
  const salt = randomBytes(SALT_BYTES);
  const hash = createHash('sha256').update(salt).update(password).digest('base64');
  const [scramSha256, scramSha512] = await Promise.all([scram(password, 'sha256'), scram(password, 'sha512')]);
  return { sha256: { salt: salt.toString('base64'), hash }, scramSha256, scramSha512 };
}
