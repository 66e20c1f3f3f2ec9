import { Controller } from '@nestjs/common';
import { Database, type PersonRow } from '@robustmq/db';
import type { Caller } from '../http/caller.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { refuseBreached } from './breached-passwords.ts';
import { KeyRing } from './key-ring.ts';
import { LoginThrottle } from './login-throttle.ts';
import { Mailer } from './mailer.ts';
import { hashPassword, passwordMatches } from './passwords.ts';
import { SecondFactor } from './second-factor.ts';
import { Sessions } from './sessions.ts';
import { ACCESS_TOKEN_SECONDS, newMailToken } from './tokens.ts';

const VERIFY_MS = 24 * 3600_000;
const RESET_MS = 3600_000;

const badToken = (): ProblemError =>
  new ProblemError('unauthenticated', { detail: 'The token is not valid, was used, or has expired.' });

/** What people do with their own account. */
@Controller()
export class PeopleController {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #mailer: Mailer;
  readonly #factor: SecondFactor;
  readonly #sessions: Sessions;
  readonly #throttle: LoginThrottle;

  constructor(
    database: Database,
    keys: KeyRing,
    mailer: Mailer,
    factor: SecondFactor,
    sessions: Sessions,
    throttle: LoginThrottle,
  ) {
    this.#database = database;
    this.#keys = keys;
    this.#mailer = mailer;
    this.#factor = factor;
    this.#sessions = sessions;
    this.#throttle = throttle;
  }

  @Route('verifyEmail')
  async verify(@Input() { body }: RouteInput<'verifyEmail'>): Promise<void> {
    const now = new Date();
    const userId = await this.#database.people.useToken('verify-email', this.#keys.digest(body.token), now);
    if (userId === undefined) throw badToken();
    await this.#database.people.verified(userId, now);
  }

  @Route('forgotPassword')
  async forgot(@Input() { body }: RouteInput<'forgotPassword'>): Promise<void> {
    const user = await this.#database.identity.userByEmail(body.email);
    // the answer comes before the work, so neither it nor its time tells whether somebody has the address
    if (user) void this.#mailReset(user.id, user.email).catch(() => undefined);
  }

  async #mailReset(userId: string, email: string): Promise<void> {
    if (this.#throttle.waitMs(`reset:${email}`) > 0) return;
    this.#throttle.failed(`reset:${email}`);
    const token = newMailToken();
    const expiresAt = new Date(Date.now() + RESET_MS);
    await this.#database.people.addToken('reset-password', userId, this.#keys.digest(token), expiresAt);
    const text = `A new password was asked for. Within one hour: ${this.#mailer.link(`/reset-password?token=${token}`)}\nIf it was not you, do nothing.`;
    await this.#mailer.post({ kind: 'reset-password', address: email, subject: 'Your new password', text });
  }

  @Route('resetPassword')
  async reset(@Input() { body }: RouteInput<'resetPassword'>): Promise<void> {
    refuseBreached(body.password, '', '/password');
    const passwordHash = await hashPassword(body.password);
    const now = new Date();
    const userId = await this.#database.people.useToken('reset-password', this.#keys.digest(body.token), now);
    if (userId === undefined) throw badToken();
    await this.#database.people.setPassword(userId, passwordHash, now);
    // whoever reads the mailbox has shown that the address is theirs
    await this.#database.people.verified(userId, now);
  }

  @Route('resendVerification')
  async resend(@Input() input: RouteInput<'resendVerification'>): Promise<void> {
    const person = await this.#person(input);
    if (person.emailVerifiedAt === null) await this.mailVerification(person.id, person.email);
  }

  /** Mails a token that proves the address; too many in a row are left out. */
  async mailVerification(userId: string, email: string): Promise<void> {
    if (this.#throttle.waitMs(`verify:${email}`) > 0) return;
    this.#throttle.failed(`verify:${email}`);
    const token = newMailToken();
    const expiresAt = new Date(Date.now() + VERIFY_MS);
    await this.#database.people.addToken('verify-email', userId, this.#keys.digest(token), expiresAt);
    const text = `Welcome. Please prove that this address is yours: ${this.#mailer.link(`/verify-email?token=${token}`)}`;
    await this.#mailer.post({ kind: 'verify-email', address: email, subject: 'Please prove your address', text });
  }

  @Route('changePassword')
  async changePassword(@Input() input: RouteInput<'changePassword'>): Promise<void> {
    const person = await this.#person(input);
    const { password, newPassword } = input.body;
    if (!(await passwordMatches(password, person.passwordHash))) throw new ProblemError('invalid-login');
    refuseBreached(newPassword, person.email, '/newPassword');
    const { sessionId } = input.principal as { sessionId?: string };
    await this.#database.people.setPassword(person.id, await hashPassword(newPassword), new Date(), sessionId);
  }

  @Route('startMfa')
  async startMfa(@Input() input: RouteInput<'startMfa'>): Promise<RouteOutput<'startMfa'>> {
    return this.#factor.offer(await this.#person(input));
  }

  @Route('confirmMfa')
  async confirmMfa(@Input() input: RouteInput<'confirmMfa'>): Promise<RouteOutput<'confirmMfa'>> {
    return { recoveryCodes: await this.#factor.confirm(await this.#person(input), input.body.code) };
  }

  @Route('disableMfa')
  async disableMfa(@Input() input: RouteInput<'disableMfa'>): Promise<void> {
    const person = await this.#person(input);
    await this.#factor.check(person, input.body.code);
    await this.#database.people.removeTotp(person.id);
  }

  @Route('stepUp')
  async stepUp(@Input() input: RouteInput<'stepUp'>): Promise<RouteOutput<'stepUp'>> {
    const person = await this.#person(input);
    await this.#factor.check(person, input.body.code);
    const { sessionId, ssoTenantId } = input.principal as { sessionId?: string; ssoTenantId?: string };
    return {
      accessToken: await this.#sessions.accessToken(person.id, sessionId, new Date(), ssoTenantId),
      expiresIn: ACCESS_TOKEN_SECONDS,
    };
  }

  @Route('listSessionsOfPerson')
  async sessions(@Input() input: RouteInput<'listSessionsOfPerson'>): Promise<RouteOutput<'listSessionsOfPerson'>> {
    const person = await this.#person(input);
    const rows = await this.#database.people.sessionsOf(person.id, new Date());
    return {
      items: rows.map((row) => ({
        ...{ id: row.familyId, ip: row.ip, userAgent: row.userAgent },
        startedAt: row.authenticatedAt.toISOString(),
        lastSeenAt: row.createdAt.toISOString(),
      })),
    };
  }

  @Route('endSessionOfPerson')
  async endSession(@Input() input: RouteInput<'endSessionOfPerson'>): Promise<void> {
    const person = await this.#person(input);
    if (!(await this.#database.people.endSession(person.id, input.params.sessionId, new Date()))) throw notFound();
  }

  async #person(caller: Caller): Promise<PersonRow> {
    if (caller.principal?.type !== 'user')
      throw new ProblemError('forbidden', { detail: 'An API key belongs to a tenant, not to a person.' });
    const person = await this.#database.people.person(caller.principal.id);
    if (!person) throw new ProblemError('unauthenticated');
    return person;
  }
}
