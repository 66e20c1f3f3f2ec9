import type { ClusterSettings } from '@robustmq/contracts';
import type { KeyRing } from '../auth/key-ring.ts';
import { ProblemError } from '../http/problem-error.ts';

/** Shown in place of a secret; sent back, the secret stays as it is. */
const HIDDEN = '***';
/** What a secret looks like where it is stored. */
const SEALED = 'sealed:';
/** A header's value sealed fits the settings' limit for one, in characters. */
const HEADER_CHARS_MAX = 2_800;

type Jwk = Record<string, unknown>;
type Http = NonNullable<ClusterSettings['authentication']['http']>;
const context = (clusterId: string): string => `cluster-settings:${clusterId}`;

/** The settings with other bytes of symmetric token keys, and other header values. */
function withSecrets(
  settings: ClusterSettings,
  key: (jwk: Jwk, index: number) => Jwk,
  header: (value: string, name: string) => string,
): ClusterSettings {
  const { jwt, http } = settings.authentication;
  if (!jwt && !http) return settings;
  const headers = (of: Http): Http['headers'] =>
    Object.fromEntries(Object.entries(of.headers).map(([name, value]) => [name, header(value, name)]));
  return {
    ...settings,
    authentication: {
      ...settings.authentication,
      ...(jwt ? { jwt: { ...jwt, keys: jwt.keys.map(key) } } : {}),
      ...(http ? { http: { ...http, headers: headers(http) } } : {}),
    },
  };
}

/** The settings as people may see them: bytes of symmetric token keys and values of headers are hidden. */
export const shownSettings = (settings: ClusterSettings): ClusterSettings =>
  withSecrets(
    settings,
    (key) => ('k' in key ? { ...key, k: HIDDEN } : key),
    () => HIDDEN,
  );

/**
 * The settings to store: secrets sealed; hidden ones filled in from `before`, keys by `kid`, else by position. Throws
 * `validation-failed` for a hidden secret that is not known, and for private keys: whoever only checks tokens must not be
 * able to make them.
 */
export function storedSettings(
  settings: ClusterSettings,
  before: ClusterSettings,
  keys: KeyRing,
  clusterId: string,
): ClusterSettings {
  const known = before.authentication.jwt?.keys ?? [];
  const knownHeaders = before.authentication.http?.headers ?? {};
  const wrong = (pointer: string, detail: string): ProblemError =>
    new ProblemError('validation-failed', { errors: [{ pointer: `/authentication/${pointer}`, detail }] });
  const sealed = (text: string, pointer: string): string => {
    // of an earlier revision: it is as it was
    if (!text.startsWith(SEALED)) return SEALED + keys.seal(text, context(clusterId)).toString('base64');
    if (opened(text, keys, clusterId) === undefined) throw wrong(pointer, `must not begin with ${SEALED}`);
    return text;
  };
  const storedKey = (key: Jwk, index: number): Jwk => {
    const pointer = `jwt/keys/${index}`;
    if ('d' in key || 'p' in key) throw wrong(pointer, 'is a private key: send its public part');
    if (!('k' in key)) return key;
    if (key['k'] !== HIDDEN) return { ...key, k: sealed(String(key['k']), pointer) };
    const same = key['kid'] === undefined ? known[index] : known.find((one) => one['kid'] === key['kid']);
    if (same?.['k'] === undefined) throw wrong(pointer, 'has no stored key to stay as it is');
    return { ...key, k: sealed(String(same['k']), pointer) };
  };
  return withSecrets(settings, storedKey, (value, name) => {
    const pointer = `http/headers/${name}`;
    if (!value.startsWith(SEALED) && value.length > HEADER_CHARS_MAX)
      throw wrong(pointer, `has more than ${HEADER_CHARS_MAX} characters`);
    if (value !== HIDDEN) return sealed(value, pointer);
    const same = knownHeaders[name];
    if (same === undefined) throw wrong(pointer, 'has no stored value to stay as it is');
    return sealed(same, pointer);
  });
}

function opened(text: string, keys: KeyRing, clusterId: string): string | undefined {
  try {
    return keys.unseal(Buffer.from(text.slice(SEALED.length), 'base64'), context(clusterId));
  } catch {
    return undefined;
  }
}

/** The settings as the node needs them. A secret that cannot be opened is empty: it opens nothing, and stops nobody else. */
export function openSettings(settings: ClusterSettings, keys: KeyRing, clusterId: string): ClusterSettings {
  const open = (text: string): string => (text.startsWith(SEALED) ? (opened(text, keys, clusterId) ?? '') : text);
  return withSecrets(settings, (key) => ('k' in key ? { ...key, k: open(String(key['k'])) } : key), open);
}
