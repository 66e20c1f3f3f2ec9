import { Injectable } from '@nestjs/common';
import { Database, type PersonRow } from '@robustmq/db';
import { generateSecret, generateURI, verifySync } from 'otplib';
import { ProblemError } from '../http/problem-error.ts';
import { KeyRing } from './key-ring.ts';
import { LoginThrottle } from './login-throttle.ts';
import { base62 } from './tokens.ts';

/** RFC 6238: codes of 30 seconds; the one before and the one after are taken too. */
const STEP_SECONDS = 30;
const RECOVERY_CODES = 10;

/** TOTP and recovery codes of people. The secret is sealed, codes are digests, and each code works once. */
@Injectable()
export class SecondFactor {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #throttle: LoginThrottle;
  constructor(database: Database, keys: KeyRing, throttle: LoginThrottle) {
    this.#database = database;
    this.#keys = keys;
    this.#throttle = throttle;
  }

  /** A secret for an authenticator, not in force yet. Throws `conflict` when there is one. */
  async offer(person: PersonRow): Promise<{ secret: string; uri: string }> {
    const secret = generateSecret();
    const sealed = new Uint8Array(this.#keys.seal(secret, `totp:${person.id}`));
    if (!(await this.#database.people.offerTotp(person.id, sealed)))
      throw new ProblemError('conflict', { detail: 'You have a second factor already.' });
    return { secret, uri: generateURI({ issuer: 'RobustMQ Cloud', label: person.email, secret }) };
  }

  /** Puts the offered secret in force; the recovery codes are shown this once. */
  async confirm(person: PersonRow, code: string): Promise<string[]> {
    if (person.totpSecret === null || person.totpConfirmedAt !== null)
      throw new ProblemError('conflict', { detail: 'There is no second factor to confirm.' });
    await this.#throttled(person, () => this.#totp(person, code));
    const codes = Array.from({ length: RECOVERY_CODES }, () => base62(16));
    const digests = codes.map((one) => this.#digest(person.id, one));
    await this.#database.people.confirmTotp(person.id, digests, new Date());
    return codes;
  }

  /** Takes a code or a recovery code. Throws `invalid-login`, and `too-many-requests` after wrong ones. */
  async check(person: PersonRow, code: string): Promise<void> {
    await this.#throttled(person, async () => {
      if (/^\d{6}$/.test(code)) return this.#totp(person, code);
      return this.#database.people.useRecoveryCode(person.id, this.#digest(person.id, code), new Date());
    });
  }

  #digest = (userId: string, code: string): string => this.#keys.digest(`recovery:${userId}:${code}`);

  async #throttled(person: PersonRow, check: () => Promise<boolean>): Promise<void> {
    const key = `mfa:${person.id}`;
    const waitMs = this.#throttle.waitMs(key);
    if (waitMs > 0)
      throw new ProblemError('too-many-requests', { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } });
    if (await check()) return this.#throttle.succeeded(key);
    this.#throttle.failed(key);
    throw new ProblemError('invalid-login', { detail: 'The code is wrong, or was used before.' });
  }

  async #totp(person: PersonRow, token: string): Promise<boolean> {
    if (person.totpSecret === null) return false;
    const secret = this.#keys.unseal(person.totpSecret, `totp:${person.id}`);
    const epoch = Math.floor(Date.now() / 1000);
    const result = verifySync({ secret, token, epoch, epochTolerance: STEP_SECONDS });
    if (!result.valid) return false;
    const step = Math.floor(epoch / STEP_SECONDS) + result.delta;
    return this.#database.people.takeTotpStep(person.id, BigInt(step));
  }
}
