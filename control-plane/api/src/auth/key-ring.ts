import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';

const KeysFile = z.object({
  version: z.literal(1),
  /** 64 random bytes, base64 */
  jwtKey: z.base64(),
  /** Ed25519, PKCS #8 PEM */
  signingKey: z.string(),
  /** 32 random bytes, base64 */
  pepper: z.base64(),
});

/** The keys cannot be used; `message` is one sentence. */
export class KeysError extends Error {}

/** The control plane's secrets. Nothing here is ever logged or stored in the database. */
export class KeyRing {
  /** HMAC key of access tokens. */
  readonly jwtKey: Buffer;
  /** Agents pin this key at enrolment. */
  readonly publicKeyPem: string;
  readonly #signingKey: KeyObject;
  readonly #pepper: Buffer;
  readonly #sealKey: Buffer;

  constructor(keys: { readonly jwtKey: Buffer; readonly signingKey: KeyObject; readonly pepper: Buffer }) {
    this.jwtKey = keys.jwtKey;
    this.#signingKey = keys.signingKey;
    this.#pepper = keys.pepper;
    this.#sealKey = Buffer.from(hkdfSync('sha256', keys.pepper, '', 'robustmq idempotent responses', 32));
    this.publicKeyPem = createPublicKey(keys.signingKey).export({ type: 'spki', format: 'pem' }).toString();
  }

  /** Keys that live as long as the process: tests. */
  static random(): KeyRing {
    const signingKey = generateKeyPairSync('ed25519').privateKey;
    return new KeyRing({ jwtKey: randomBytes(64), signingKey, pepper: randomBytes(32) });
  }

  /**
   * Reads the keys file, or makes it (mode 0600) at the first start. Two first starts at once agree on one file. Throws
   * `KeysError` when the file is damaged or cannot be written.
   */
  static open(path: string): KeyRing {
    try {
      if (!existsSync(path)) createKeysFile(path);
      chmodSync(path, 0o600);
      const keys = KeysFile.parse(JSON.parse(readFileSync(path, 'utf8')));
      return new KeyRing({
        jwtKey: Buffer.from(keys.jwtKey, 'base64'),
        signingKey: createPrivateKey(keys.signingKey),
        pepper: Buffer.from(keys.pepper, 'base64'),
      });
    } catch (error) {
      const reason = error instanceof z.ZodError ? 'it is damaged' : (error as Error).message;
      throw new KeysError(`The keys file ${path} cannot be used: ${reason}.`, { cause: error });
    }
  }

  /** HMAC-SHA-256 (hex) of a random token: what is stored in its place (ASVS 5.0 6.5.2). */
  digest(token: string): string {
    return createHmac('sha256', this.#pepper).update(token).digest('hex');
  }

  /** Ed25519 signature over the text's UTF-8 bytes, base64. */
  sign(text: string): string {
    return sign(null, Buffer.from(text, 'utf8'), this.#signingKey).toString('base64');
  }

  /** AES-256-GCM; `context` is authenticated, so a sealed value cannot be moved to another row. */
  seal(text: string, context: string): Buffer {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#sealKey, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** Throws when the value was altered or belongs to another context. */
  unseal(sealed: Uint8Array, context: string): string {
    const bytes = Buffer.from(sealed);
    const decipher = createDecipheriv('aes-256-gcm', this.#sealKey, bytes.subarray(0, 12))
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(12, 28));
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
  }
}

function createKeysFile(path: string): void {
  const keys: z.infer<typeof KeysFile> = {
    version: 1,
    jwtKey: randomBytes(64).toString('base64'),
    signingKey: generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    pepper: randomBytes(32).toString('base64'),
  };
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, JSON.stringify(keys, null, 2), { mode: 0o600, flush: true });
  try {
    // a link fails when the name exists: the first writer wins
    linkSync(temporary, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}
