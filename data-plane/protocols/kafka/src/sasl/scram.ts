import { createHmac } from 'node:crypto';
import type { ScramVerifier } from '@robustmq/broker';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

const HASH = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
const NONCE_BYTES = 24;
const NONCE_LENGTH_MAX = 1024;
/** gs2-header without channel binding: `n,[a=authzid],`; then `n=user,r=nonce` and extensions (RFC 5802 §7). */
const CLIENT_FIRST = /^n,(?:a=([^,]*))?,(n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s;
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[^p].*)?),p=([A-Za-z0-9+/=]+)$/s;

/** What the client's final message proves, if the stored key agrees. */
export interface ScramProof {
  readonly username: string;
  readonly authMessage: string;
  readonly clientProof: Buffer;
}

/**
 * The server's side of one SCRAM exchange (RFC 5802 §3, RFC 7677), without the check of the proof, which is the broker's.
 * A step gives null for a message that breaks the grammar or the exchange.
 */
export class ScramExchange {
  readonly mechanism: ScramMechanism;
  readonly #nonce: string;
  #username = '';
  #gs2Header = '';
  #clientFirstBare = '';
  #serverFirst = '';
  /** The client's nonce and ours behind it. */
  #nonces = '';
  #serverKey: Buffer = Buffer.alloc(0);

  constructor(mechanism: ScramMechanism, random: Buffer) {
    this.mechanism = mechanism;
    this.#nonce = random.subarray(0, NONCE_BYTES).toString('base64');
  }

  /** client-first-message → server-first-message. */
  first(message: Buffer, verifierOf: (username: string) => ScramVerifier): Buffer | null {
    const text = message.toString('utf8');
    const match = CLIENT_FIRST.exec(text);
    if (match === null) return null;
    const [, authzid, bare = '', saslName = '', nonce = ''] = match;
    const username = decodeSaslName(saslName);
    const authorized = authzid === undefined || authzid === '' ? username : decodeSaslName(authzid);
    // nobody acts for somebody else here
    if (username === null || username === '' || authorized !== username || nonce.length > NONCE_LENGTH_MAX) return null;
    const verifier = verifierOf(username);
    this.#username = username;
    this.#gs2Header = text.slice(0, text.length - bare.length);
    this.#clientFirstBare = bare;
    this.#serverKey = Buffer.from(verifier.serverKey, 'base64');
    this.#nonces = nonce + this.#nonce;
    this.#serverFirst = `r=${this.#nonces},s=${verifier.salt},i=${verifier.iterations}`;
    return Buffer.from(this.#serverFirst);
  }

  /** client-final-message → what it proves. */
  final(message: Buffer): ScramProof | null {
    const match = CLIENT_FINAL.exec(message.toString('utf8'));
    if (match === null) return null;
    const [, withoutProof = '', binding = '', nonce = '', proof = ''] = match;
    if (Buffer.from(binding, 'base64').toString('utf8') !== this.#gs2Header) return null;
    // librdkafka before 2.3 puts its own nonce before the whole one; Apache Kafka looks at the end only, too
    if (this.#nonces === '' || !nonce.endsWith(this.#nonces)) return null;
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${withoutProof}`;
    return { username: this.#username, authMessage, clientProof: Buffer.from(proof, 'base64') };
  }

  /** server-final-message: proves to the client that the server knows its key. */
  serverFinal({ authMessage }: ScramProof): Buffer {
    const signature = createHmac(HASH[this.mechanism], this.#serverKey).update(authMessage).digest('base64');
    return Buffer.from(`v=${signature}`);
  }
}

export const SCRAM_RANDOM_BYTES = NONCE_BYTES;

/** saslname: `=2C` is a comma, `=3D` an equals sign, any other `=` is illegal (RFC 5802 §5.1). */
function decodeSaslName(name: string): string | null {
  if (/=(?!2C|3D)/.test(name)) return null;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
