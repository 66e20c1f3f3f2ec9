import { Controller } from '@nestjs/common';
import { AddressTakenError, Database } from '@robustmq/db';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { LoginThrottle } from './login-throttle.ts';
import { hashPassword, NOBODY, passwordMatches } from './passwords.ts';
import { PeopleController } from './people-controller.ts';
import { SecondFactor } from './second-factor.ts';
import { Sessions } from './sessions.ts';
import { refuseBreached } from './breached-passwords.ts';

const fromOf = ({ ip, userAgent }: { readonly ip: string; readonly userAgent?: string | null }) => ({
  ip,
  userAgent: userAgent ?? null,
});

/** Sign-up, sessions and who am I. */
@Controller()
export class AuthController {
  readonly #database: Database;
  readonly #sessions: Sessions;
  readonly #throttle: LoginThrottle;
  readonly #people: PeopleController;
  readonly #factor: SecondFactor;
  constructor(
    database: Database,
    sessions: Sessions,
    throttle: LoginThrottle,
    people: PeopleController,
    factor: SecondFactor,
  ) {
    this.#people = people;
    this.#factor = factor;
    this.#database = database;
    this.#sessions = sessions;
    this.#throttle = throttle;
  }

  @Route('signup')
  async signup(@Input() input: RouteInput<'signup'>): Promise<RouteOutput<'signup'>> {
    const { email, password, tenantName } = input.body;
    refuseBreached(password, email, '/password');
    const passwordHash = await hashPassword(password);
    try {
      const { userId } = await this.#database.identity.signUp({
        ...{ email, passwordHash, tenantName },
        ...{ ip: input.ip, requestId: input.requestId },
      });
      await this.#people.mailVerification(userId, email);
      return await this.#sessions.start({ id: userId, email }, fromOf(input));
    } catch (error) {
      if (error instanceof AddressTakenError)
        throw new ProblemError('conflict', { detail: 'This e-mail address has an account: log in instead.' });
      throw error;
    }
  }

  @Route('login')
  async login(@Input() input: RouteInput<'login'>): Promise<RouteOutput<'login'>> {
    const { email, password } = input.body;
    const waitMs = this.#throttle.waitMs(email);
    if (waitMs > 0)
      throw new ProblemError('too-many-requests', { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } });
    const user = await this.#database.identity.userByEmail(email);
    const matches = await passwordMatches(password, user?.passwordHash ?? NOBODY);
    if (!user || !matches) {
      this.#throttle.failed(email);
      throw new ProblemError('invalid-login');
    }
    const person = await this.#database.people.person(user.id);
    if (person?.totpConfirmedAt) {
      if (input.body.code === undefined) throw new ProblemError('mfa-code-required');
      await this.#factor.check(person, input.body.code);
    }
    this.#throttle.succeeded(email);
    return this.#sessions.start(user, fromOf(input));
  }

  @Route('refresh')
  async refresh(@Input() input: RouteInput<'refresh'>): Promise<RouteOutput<'refresh'>> {
    const session = await this.#sessions.rotate(input.body.refreshToken);
    if (!session)
      throw new ProblemError('unauthenticated', { detail: 'The refresh token is not valid: log in again.' });
    return session;
  }

  @Route('logout')
  async logout(@Input() input: RouteInput<'logout'>): Promise<void> {
    await this.#sessions.end(input.body.refreshToken);
  }

  @Route('me')
  async me(@Input() input: RouteInput<'me'>): Promise<RouteOutput<'me'>> {
    const principal = input.principal!;
    if (principal.type !== 'user')
      throw new ProblemError('forbidden', { detail: 'An API key belongs to a tenant, not to a person.' });
    const [user, tenants] = await Promise.all([
      this.#database.people.person(principal.id),
      this.#sessions.tenantsOf(principal.id, principal.ssoTenantId),
    ]);
    if (!user) throw new ProblemError('unauthenticated');
    const factors = { emailVerified: user.emailVerifiedAt !== null, mfa: user.totpConfirmedAt !== null };
    return { user: { id: user.id, email: user.email, ...factors }, tenants };
  }
}
