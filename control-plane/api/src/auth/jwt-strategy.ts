import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { z } from 'zod';
import type { Principal } from '../http/caller.ts';
import { KeyRing } from './key-ring.ts';
import { ALGORITHM, AUDIENCE_API, ISSUER } from './tokens.ts';

const Claims = z.object({ sub: z.uuid(), sid: z.uuid().optional(), auth_time: z.int().default(0) });

/** Access tokens of people: signature, issuer, audience and expiry; one algorithm, chosen here and not by the token. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(keys: KeyRing) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: keys.jwtKey,
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE_API,
      ignoreExpiration: false,
    });
  }

  /** What passport puts on the request; undefined claims make the token invalid. */
  validate(claims: unknown): Principal | false {
    const read = Claims.safeParse(claims);
    return read.success
      ? {
          ...{ type: 'user', id: read.data.sub, sessionId: read.data.sid },
          authenticatedAt: new Date(read.data.auth_time * 1000),
        }
      : false;
  }
}
