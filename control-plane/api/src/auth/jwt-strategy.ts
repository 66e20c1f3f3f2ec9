import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { z } from 'zod';
import { Database } from '@robustmq/db';
import type { Principal } from '../http/caller.ts';
import { KeyRing } from './key-ring.ts';
import { ALGORITHM, AUDIENCE_API, ISSUER } from './tokens.ts';

const Claims = z.object({
  sub: z.uuid(),
  sid: z.uuid().optional(),
  auth_time: z.int().default(0),
  sso: z.uuid().optional(),
});

/** A session found alive is not asked about again for so long, in milliseconds: so late is the end of one noticed. */
const ALIVE_MS = 2_000;
/** Sessions remembered as alive at most; the oldest is forgotten first. */
const SESSIONS_MAX = 20_000;

/**
 * Access tokens of people: signature, issuer, audience and expiry; one algorithm, chosen here and not by the token. A
 * session that ended takes its access tokens with it within two seconds, in every process.
 */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  readonly #database: Database;
  /** session id → until when it counts as alive */
  readonly #alive = new Map<string, number>();

  constructor(keys: KeyRing, database: Database) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: keys.jwtKey,
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE_API,
      ignoreExpiration: false,
    });
    this.#database = database;
  }

  /** What passport puts on the request; false = the token is refused. Rejects when the database is away. */
  async validate(claims: unknown): Promise<Principal | false> {
    const read = Claims.safeParse(claims);
    if (!read.success) return false;
    const { sub, sid, auth_time, sso } = read.data;
    if (sid !== undefined && !(await this.#isAlive(sid))) return false;
    return {
      ...{ type: 'user', id: sub, sessionId: sid, ssoTenantId: sso },
      authenticatedAt: new Date(auth_time * 1000),
    };
  }

  async #isAlive(sessionId: string): Promise<boolean> {
    const now = Date.now();
    if ((this.#alive.get(sessionId) ?? 0) > now) return true;
    this.#alive.delete(sessionId);
    if (!(await this.#database.people.sessionLives(sessionId, new Date(now)))) return false;
    this.#alive.set(sessionId, now + ALIVE_MS);
    if (this.#alive.size > SESSIONS_MAX) this.#alive.delete(this.#alive.keys().next().value!);
    return true;
  }
}
