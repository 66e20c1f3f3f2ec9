import type { AuthenticationSettings } from '@robustmq/contracts';

type Jwt = NonNullable<AuthenticationSettings['jwt']>;
type X509 = NonNullable<AuthenticationSettings['x509']>;
type Http = NonNullable<AuthenticationSettings['http']>;
type Json = Record<string, unknown>;

/** The signatures that can be checked. */
export const ALGORITHMS: readonly Jwt['algorithms'][number][] = [
  ...(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'EdDSA', 'HS256', 'HS384', 'HS512'] as const),
];

/** Authentication as its form holds it: a way that is off is kept as it was typed. */
export interface AuthValues {
  anonymous: boolean;
  jwt: {
    on: boolean;
    issuer: string;
    audience: string;
    algorithms: string[];
    keys: string;
    principalClaim: string;
    aclClaim: string;
  };
  x509: { on: boolean; authoritiesPem: string; principalFrom: X509['principalFrom']; revokedSerials: string };
  http: {
    on: boolean;
    url: string;
    headers: string;
    timeoutMs: number | string;
    allowCacheSeconds: number | string;
    denyCacheSeconds: number | string;
    whenUnavailable: Http['whenUnavailable'];
  };
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** The settings in force as a form. */
export function authValues({ anonymous, jwt, x509, http }: AuthenticationSettings): AuthValues {
  return {
    anonymous,
    jwt: {
      on: jwt !== undefined,
      ...{ issuer: jwt?.issuer ?? '', audience: jwt?.audience ?? '', algorithms: [...(jwt?.algorithms ?? ['RS256'])] },
      keys: jwt === undefined ? '' : JSON.stringify({ keys: jwt.keys }, null, 2),
      ...{ principalClaim: jwt?.principalClaim ?? 'sub', aclClaim: jwt?.aclClaim ?? '' },
    },
    x509: {
      on: x509 !== undefined,
      ...{ authoritiesPem: x509?.authoritiesPem ?? '', principalFrom: x509?.principalFrom ?? 'common-name' },
      revokedSerials: (x509?.revokedSerials ?? []).join('\n'),
    },
    http: {
      on: http !== undefined,
      url: http?.url ?? '',
      headers: Object.entries(http?.headers ?? {})
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n'),
      ...{ timeoutMs: http?.timeoutMs ?? 3_000, allowCacheSeconds: http?.allowCacheSeconds ?? 60 },
      ...{ denyCacheSeconds: http?.denyCacheSeconds ?? 10, whenUnavailable: http?.whenUnavailable ?? 'deny' },
    },
  };
}

/** A JWK set, or a list of keys; undefined when the text is neither. */
function keysOf(text: string): Json[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const keys = Array.isArray(parsed) ? (parsed as unknown[]) : (parsed as { keys?: unknown } | null)?.keys;
  const isKey = (key: unknown) => typeof key === 'object' && key !== null && 'kty' in key;
  return Array.isArray(keys) && keys.every(isKey) ? (keys as Json[]) : undefined;
}

const headersOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );

const wholeFrom = (value: number | string, min: number, max: number): string | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
    ? undefined
    : `Use ${min} to ${max}`;

/** What is wrong with the form, by field; empty = nothing. Only ways that are on are looked at. */
export function authErrors({ jwt, x509, http }: AuthValues): Record<string, string> {
  const faults: (readonly [string, string | undefined])[] = [];
  if (jwt.on) {
    faults.push(['jwt.keys', keysOf(jwt.keys) ? undefined : 'Paste a JWK set: {"keys": [{"kty": …}]}']);
    faults.push(['jwt.algorithms', jwt.algorithms.length > 0 ? undefined : 'Choose at least one']);
    faults.push([
      'jwt.principalClaim',
      jwt.principalClaim.trim() === '' ? 'Say which claim names the client' : undefined,
    ]);
  }
  if (x509.on) {
    const isPem = /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/.test(x509.authoritiesPem);
    faults.push(['x509.authoritiesPem', isPem ? undefined : 'Paste certificates in PEM']);
    const wrong = linesOf(x509.revokedSerials).find((serial) => !/^[0-9a-f:]{1,64}$/i.test(serial));
    faults.push(['x509.revokedSerials', wrong === undefined ? undefined : `${wrong} is no hexadecimal serial number`]);
  }
  if (http.on) {
    faults.push(['http.url', /^https?:\/\/./.test(http.url.trim()) ? undefined : 'Enter an address like https://…']);
    const wrong = linesOf(http.headers).find((line) => !/^[A-Za-z0-9-]{1,64}:/.test(line));
    faults.push(['http.headers', wrong === undefined ? undefined : `Write it as name: value: ${wrong}`]);
    faults.push(['http.timeoutMs', wholeFrom(http.timeoutMs, 100, 8_000)]);
    faults.push(['http.allowCacheSeconds', wholeFrom(http.allowCacheSeconds, 0, 86_400)]);
    faults.push(['http.denyCacheSeconds', wholeFrom(http.denyCacheSeconds, 0, 3_600)]);
  }
  return Object.fromEntries(faults.filter((fault): fault is readonly [string, string] => fault[1] !== undefined));
}

/** The form as settings; nothing in it may be wrong. Undefined = that way is off. */
export function authOf({ anonymous, jwt, x509, http }: AuthValues) {
  const optional = (name: string, text: string) => (text.trim() === '' ? {} : { [name]: text.trim() });
  return {
    anonymous,
    jwt: jwt.on
      ? {
          ...optional('issuer', jwt.issuer),
          ...optional('audience', jwt.audience),
          ...optional('aclClaim', jwt.aclClaim),
          ...{ algorithms: jwt.algorithms, keys: keysOf(jwt.keys) ?? [], principalClaim: jwt.principalClaim.trim() },
        }
      : undefined,
    x509: x509.on
      ? {
          ...{ authoritiesPem: x509.authoritiesPem.trim(), principalFrom: x509.principalFrom },
          revokedSerials: linesOf(x509.revokedSerials),
        }
      : undefined,
    http: http.on
      ? {
          ...{ url: http.url.trim(), headers: headersOf(http.headers), whenUnavailable: http.whenUnavailable },
          timeoutMs: Number(http.timeoutMs),
          ...{ allowCacheSeconds: Number(http.allowCacheSeconds), denyCacheSeconds: Number(http.denyCacheSeconds) },
        }
      : undefined,
  };
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
/** Keys in order, so that two of the same content have the same text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}

/** `to` as a merge patch over `from` (RFC 7396): what is not in it any more is null. */
function mergePatch(from: unknown, to: unknown): unknown {
  const isObject = (value: unknown): value is Json =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(from) || !isObject(to)) return to;
  const gone = Object.keys(from).filter((key) => to[key] === undefined);
  const changed = Object.keys(to).filter((key) => to[key] !== undefined && !same(from[key], to[key]));
  return Object.fromEntries([
    ...gone.map((key) => [key, null]),
    ...changed.map((key) => [key, mergePatch(from[key], to[key])]),
  ]);
}

/** What the form changes, as a merge patch of the settings; empty = nothing. */
export function authPatch(settings: AuthenticationSettings, values: AuthValues): Json {
  const patch = mergePatch(settings, authOf(values)) as Json;
  return Object.keys(patch).length === 0 ? {} : { authentication: patch };
}
