import { createPublicKey, type JsonWebKey } from 'node:crypto';
import type { JwtAlgorithm, JwtSettings } from '@robustmq/meta';
import { createDecoder, createVerifier } from 'fast-jwt';
import type { Proven } from './authenticator.ts';
import { TokenAcl } from './token-acl.ts';

/** Longer texts are no token of ours. */
const TOKEN_CHARS_MAX = 16_384;
/** Clocks may differ by so much. */
const LEEWAY_MS = 5_000;
const PRINCIPAL_CHARS_MAX = 255;
/** Where the settings name none. */
const ACL_CLAIM = 'acl';
const SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;

type Verify = (token: string) => unknown;
interface Key {
  readonly id: string | null;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly verify: Verify;
}

/** Checks the tokens of one namespace (RFC 7519, 7515, 8725): algorithm by allow list and key type, `iss`, `aud`, times. */
export class JwtChecker {
  readonly #settings: JwtSettings;
  readonly #keys: readonly Key[];
  readonly #decode = createDecoder({ complete: true });

  constructor(settings: JwtSettings) {
    this.#settings = settings;
    this.#keys = settings.keys.map((jwk) => toKey(jwk, settings)).filter((key) => key !== null);
  }

  /** null = not a token that holds now. */
  check(token: string, nowMs: number): Proven | null {
    if (token.length > TOKEN_CHARS_MAX || !SHAPE.test(token)) return null;
    try {
      const { header } = this.#decode(token) as { header: { alg?: unknown; kid?: unknown } };
      for (const key of this.#keys) {
        if (!key.algorithms.some((algorithm) => algorithm === header.alg)) continue;
        if (typeof header.kid === 'string' && key.id !== null && key.id !== header.kid) continue;
        const claims = verified(key.verify, token);
        if (claims !== null) return this.#toProven(claims, nowMs);
      }
      return null;
    } catch {
      // fast-jwt throws for whatever is malformed: a wrong token, nothing more
      return null;
    }
  }

  #toProven(claims: Record<string, unknown>, nowMs: number): Proven | null {
    const { issuer, audience, principalClaim } = this.#settings;
    const { exp, nbf, iss, aud } = claims;
    if (issuer !== undefined && iss !== issuer) return null;
    if (audience !== undefined && aud !== audience && !(Array.isArray(aud) && aud.includes(audience))) return null;
    if (exp !== undefined && !(typeof exp === 'number' && exp * 1000 + LEEWAY_MS > nowMs)) return null;
    if (nbf !== undefined && !(typeof nbf === 'number' && nbf * 1000 - LEEWAY_MS <= nowMs)) return null;
    const principal = Object.hasOwn(claims, principalClaim) ? claims[principalClaim] : undefined;
    if (typeof principal !== 'string' || principal === '' || principal.length > PRINCIPAL_CHARS_MAX) return null;
    const expiresAtMs = typeof exp === 'number' ? exp * 1000 + LEEWAY_MS : Infinity;
    const proven = { principal, method: 'jwt', expiresAtMs } as const;
    const aclClaim = this.#settings.aclClaim ?? ACL_CLAIM;
    if (!Object.hasOwn(claims, aclClaim)) return proven;
    // a token whose rules are not understood would let in with fewer of them
    const acl = TokenAcl.parse(claims[aclClaim]);
    return acl === null ? null : { ...proven, acl };
  }
}

function verified(verify: Verify, token: string): Record<string, unknown> | null {
  try {
    const claims = verify(token);
    return typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** null for a key that is not usable with any of the algorithms: the others still are. */
function toKey(jwk: Readonly<Record<string, unknown>>, settings: JwtSettings): Key | null {
  const algorithms = algorithmsOf(jwk).filter(
    (algorithm) => settings.algorithms.includes(algorithm) && (jwk['alg'] === undefined || jwk['alg'] === algorithm),
  );
  if (algorithms.length === 0 || (jwk['use'] !== undefined && jwk['use'] !== 'sig')) return null;
  try {
    const key =
      jwk['kty'] === 'oct'
        ? Buffer.from(String(jwk['k']), 'base64url')
        : createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    // times are checked here, with the clock that is given
    const verify = createVerifier({
      key,
      algorithms,
      ignoreExpiration: true,
      ignoreNotBefore: true,
      cache: false,
    }) as Verify;
    return { id: typeof jwk['kid'] === 'string' ? jwk['kid'] : null, algorithms, verify };
  } catch {
    return null;
  }
}

/** What a key of this type can have signed (RFC 7518 §3.1, RFC 8037). */
function algorithmsOf({ kty, crv }: Readonly<Record<string, unknown>>): readonly JwtAlgorithm[] {
  if (kty === 'oct') return ['HS256', 'HS384', 'HS512'];
  if (kty === 'RSA') return ['RS256', 'RS384', 'RS512'];
  if (kty === 'EC' && crv === 'P-256') return ['ES256'];
  if (kty === 'EC' && crv === 'P-384') return ['ES384'];
  return kty === 'OKP' && crv === 'Ed25519' ? ['EdDSA'] : [];
}
