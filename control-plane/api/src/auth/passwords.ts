import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ProblemError } from '../http/problem-error.ts';

const derive = promisify(argon2);

/** ASVS 5.0 appendix C: argon2id with at least 46 MiB. Memory in KiB. */
const MEMORY_KIB = 47_104;
const PASSES = 1;
const PARALLELISM = 1;
const TAG_BYTES = 32;

const STORED = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');

/** Passwords worked on at once (46 MiB and a thread of the pool each), and those that may wait for their turn. */
const ACTIVE_MAX = 2;
const WAITING_MAX = 200;
let active = 0;
const waiting: (() => void)[] = [];

/** Takes turns, so that a flood of logins can use up neither memory nor the thread pool. Throws `unavailable`. */
async function argon2id(password: string, nonce: Uint8Array, memory: number, passes: number, parallelism: number) {
  if (waiting.length >= WAITING_MAX)
    throw new ProblemError('unavailable', {
      detail: 'Too many people sign in at the same moment.',
      headers: { 'retry-after': '5' },
    });
  if (active >= ACTIVE_MAX) await new Promise<void>((turn) => waiting.push(turn));
  else active += 1;
  try {
    return await derive('argon2id', { message: password, nonce, memory, passes, parallelism, tagLength: TAG_BYTES });
  } finally {
    // the turn is handed over, or given back
    const next = waiting.shift();
    if (next) next();
    else active -= 1;
  }
}

/** The stored form of a person's password (PHC string). */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const tag = await argon2id(password, salt, MEMORY_KIB, PASSES, PARALLELISM);
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${PARALLELISM}$${base64(salt)}$${base64(tag)}`;
}

/** A stored form that no password has, so that an unknown address costs the same time as a known one. */
export const NOBODY = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${PARALLELISM}$${base64(Buffer.alloc(16))}$${base64(Buffer.alloc(TAG_BYTES))}`;

/** Whether the password is the stored one. */
export async function passwordMatches(password: string, stored: string): Promise<boolean> {
  const parts = STORED.exec(stored);
  if (!parts) return false;
  const [, memory, passes, parallelism, salt, tag] = parts;
  const wanted = Buffer.from(tag!, 'base64');
  const given = await argon2id(
    password,
    Buffer.from(salt!, 'base64'),
    Number(memory),
    Number(passes),
    Number(parallelism),
  );
  return wanted.length === given.length && timingSafeEqual(wanted, given);
}
