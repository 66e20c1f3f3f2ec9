import { createHmac } from 'node:crypto';

/** The mechanisms of enhanced authentication: names of RFC 7677 and its sibling, with their hash. */
export const SCRAM_HASHES = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
export type ScramMechanism = keyof typeof SCRAM_HASHES;
/** Largest message of a client, in bytes: a name, a nonce and a proof are far smaller. */
const MESSAGE_BYTES_MAX = 4096;
const NONCE_BYTES = 18;

/** The user's verifier, binary fields in base64 (RFC 5802 §3). */
export interface ScramSecrets {
  readonly salt: string;
  readonly iterations: number;
  readonly serverKey: string;
}

/** `client-final-message`, parsed and bound to what went before. */
export interface ScramFinal {
  readonly authMessage: string;
  readonly clientProof: Buffer;
  /** `server-final-message`, to be sent only when the proof holds. */
  readonly serverFinal: Buffer;
}

export function isScramMechanism(method: string): method is ScramMechanism {
  return Object.hasOwn(SCRAM_HASHES, method);
}

/**
 * The server's side of one SCRAM exchange (RFC 5802 §5) without channel binding: `first`, then `final`. Both answer null
 * for a message that is not as the grammar has it. Whether the proof holds is for others to say.
 */
export class ScramExchange {
  readonly mechanism: ScramMechanism;
  /** From `first` on. */
  username = '';
  #bare = '';
  #gs2 = '';
  #serverFirst = '';
  #nonce = '';
  #serverKey = '';

  constructor(mechanism: ScramMechanism) {
    this.mechanism = mechanism;
  }

  /** Takes `client-first-message`; the user name is in `username` then. */
  first(message: Buffer): boolean {
    if (message.length > MESSAGE_BYTES_MAX) return false;
    // gs2-header: n or y, for a client that binds to no channel; no authorization id other than the user
    const parts = /^([ny],(?:a=([^,]*))?,)(n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/s.exec(
      message.toString('utf8'),
    );
    if (parts === null) return false;
    const username = unescapeName(parts[4]!);
    const authorization = parts[2] === undefined ? username : unescapeName(parts[2]);
    if (username === null || (authorization !== username && authorization !== '')) return false;
    this.username = username;
    this.#gs2 = parts[1]!;
    this.#bare = parts[3]!;
    this.#nonce = parts[5]!;
    return true;
  }

  /** `server-first-message` for the user of `first`; `random`: fresh bytes, `NONCE_BYTES` of them. */
  serverFirst(secrets: ScramSecrets, random: (bytes: number) => Buffer): Buffer {
    this.#nonce += random(NONCE_BYTES).toString('base64');
    this.#serverKey = secrets.serverKey;
    this.#serverFirst = `r=${this.#nonce},s=${secrets.salt},i=${secrets.iterations}`;
    return Buffer.from(this.#serverFirst);
  }

  /** Takes `client-final-message`. */
  final(message: Buffer): ScramFinal | null {
    if (message.length > MESSAGE_BYTES_MAX) return null;
    const parts = /^(c=([A-Za-z0-9+/=]+),r=([^,]+)(?:,[^p].*?)?),p=([A-Za-z0-9+/]+=*)$/s.exec(message.toString('utf8'));
    if (parts === null || parts[3] !== this.#nonce) return null;
    if (Buffer.from(parts[2]!, 'base64').toString('utf8') !== this.#gs2) return null;
    const authMessage = `${this.#bare},${this.#serverFirst},${parts[1]}`;
    const hash = SCRAM_HASHES[this.mechanism];
    const signature = createHmac(hash, Buffer.from(this.#serverKey, 'base64')).update(authMessage).digest('base64');
    return { authMessage, clientProof: Buffer.from(parts[4]!, 'base64'), serverFinal: Buffer.from(`v=${signature}`) };
  }
}

/** `saslname`: `=2C` is a comma, `=3D` an equals sign, and `=` nothing else. null = it is not one. */
function unescapeName(name: string): string | null {
  if (/=(?!2C|3D)/.test(name)) return null;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
