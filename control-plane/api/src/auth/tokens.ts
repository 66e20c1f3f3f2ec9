import { randomBytes, timingSafeEqual } from 'node:crypto';

/** Life of an access token in seconds, and of a refresh token in milliseconds. */
export const ACCESS_TOKEN_SECONDS = 15 * 60;
export const REFRESH_TOKEN_MS = 30 * 24 * 3600_000;

export const ISSUER = 'robustmq';
export const AUDIENCE_API = 'robustmq-api';
export const AUDIENCE_AGENT = 'robustmq-agent';
/** The only algorithm that is accepted: a token cannot choose (RFC 8725 §3.1). */
export const ALGORITHM = 'HS256';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Random text of base62 characters, 5.95 bits each, without bias. */
export function base62(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      // 248 = 4 × 62: larger bytes would favour the first characters
      if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
    }
  }
  return text;
}

/** A new refresh token; only its digest is stored. */
export const newRefreshToken = (): string => `rmqr_${base62(43)}`;

/** A token of a mail: verify, reset, invite. */
export const newMailToken = (): string => `rmqm_${base62(43)}`;

/** A new agent join token. */
export const newJoinToken = (): string => `rmqj_${base62(43)}`;

const API_KEY = /^rmq_([0-9A-Za-z]{8})_([0-9A-Za-z]{43})$/;

/** `rmq_<prefix>_<secret>`: the prefix finds the row and tells keys apart, the secret has 256 bits. */
export function newApiKey(): { readonly key: string; readonly prefix: string } {
  const prefix = base62(8);
  return { key: newSecret(prefix), prefix };
}

/** Another key of the same prefix: a rotation. */
export const newSecret = (prefix: string): string => `rmq_${prefix}_${base62(43)}`;

/** The prefix of a well-formed API key. */
export const apiKeyPrefix = (key: string): string | undefined => API_KEY.exec(key)?.[1];

/** Constant-time comparison of two texts of any lengths. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
