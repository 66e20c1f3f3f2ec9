import { Controller } from '@nestjs/common';
import { AddressTakenError, Database } from '@robustmq/db';
import { ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { LoginThrottle } from './login-throttle.ts';
import { hashPassword, NOBODY, passwordMatches } from './passwords.ts';
import { Sessions } from './sessions.ts';

/** Sign-up, sessions and who am I. */
@Controller()
export class AuthController {
  readonly #database: Database;
  readonly #sessions: Sessions;
  readonly #throttle: LoginThrottle;
  constructor(database: Database, sessions: Sessions, throttle: LoginThrottle) {
    this.#database = database;
    this.#sessions = sessions;
    this.#throttle = throttle;
  }

  @Route('signup')
  async signup(@Input() input: RouteInput<'signup'>): Promise<RouteOutput<'signup'>> {
    const { email, password, tenantName } = input.body;
    const passwordHash = await hashPassword(password);
    try {
      const { userId } = await this.#database.identity.signUp({
        ...{ email, passwordHash, tenantName },
        ...{ ip: input.ip, requestId: input.requestId },
      });
      return await this.#sessions.start({ id: userId, email });
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
    this.#throttle.succeeded(email);
    return this.#sessions.start(user);
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
      this.#database.identity.user(principal.id),
      this.#sessions.tenantsOf(principal.id),
    ]);
    if (!user) throw new ProblemError('unauthenticated');
    return { user: { id: user.id, email: user.email }, tenants };
  }
}
