import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { SCRAM_HASHES } from '../scram.ts';
import type { ScramMechanism } from '../scram.ts';

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ b[i]!));

/** What a broker stores of a password (RFC 5802 §3), with the fields of its credentials. */
export function scramVerifier(mechanism: ScramMechanism, password: string, salt = 'a salt', iterations = 64) {
  const hash = SCRAM_HASHES[mechanism];
  const size = createHash(hash).digest().length;
  const salted = pbkdf2Sync(password, salt, iterations, size, hash);
  const clientKey = createHmac(hash, salted).update('Client Key').digest();
  const storedKey = createHash(hash).update(clientKey).digest();
  const serverKey = createHmac(hash, salted).update('Server Key').digest();
  const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64');
  return { salt: base64(salt), iterations, storedKey: base64(storedKey), serverKey: base64(serverKey) };
}

/** A SCRAM client that follows RFC 5802 and shares no code with the server. */
export class ScramClient {
  readonly #mechanism: ScramMechanism;
  readonly #bare: string;
  readonly #password: string;
  readonly #gs2 = 'n,,';
  #authMessage = '';
  #salted: Buffer = Buffer.alloc(0);

  constructor(mechanism: ScramMechanism, username: string, password: string, nonce = 'fyko+d2lbbFgONRv9qkxdawL') {
    this.#mechanism = mechanism;
    this.#password = password;
    this.#bare = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
  }
  first(): Buffer {
    return Buffer.from(this.#gs2 + this.#bare);
  }
  final(serverFirst: Buffer): Buffer {
    const hash = SCRAM_HASHES[this.#mechanism];
    const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst.toString())!;
    const size = createHash(hash).digest().length;
    this.#salted = pbkdf2Sync(this.#password, Buffer.from(salt!, 'base64'), Number(iterations), size, hash);
    const clientKey = createHmac(hash, this.#salted).update('Client Key').digest();
    const storedKey = createHash(hash).update(clientKey).digest();
    const withoutProof = `c=${Buffer.from(this.#gs2).toString('base64')},r=${nonce}`;
    this.#authMessage = `${this.#bare},${serverFirst.toString()},${withoutProof}`;
    const signature = createHmac(hash, storedKey).update(this.#authMessage).digest();
    return Buffer.from(`${withoutProof},p=${xor(clientKey, signature).toString('base64')}`);
  }
  /** What the server must say at last. */
  serverFinal(): string {
    const hash = SCRAM_HASHES[this.#mechanism];
    const serverKey = createHmac(hash, this.#salted).update('Server Key').digest();
    return `v=${createHmac(hash, serverKey).update(this.#authMessage).digest('base64')}`;
  }
}
