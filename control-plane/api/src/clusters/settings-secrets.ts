import type { ClusterSettings } from '@robustmq/contracts';
import { ProblemError } from '../http/problem-error.ts';

/** Shown in place of a secret; sent back, the secret stays as it is. */
const HIDDEN = '***';

type Jwk = Record<string, unknown>;

const withKeys = (settings: ClusterSettings, keys: (list: readonly Jwk[]) => Jwk[]): ClusterSettings => {
  const { jwt } = settings.authentication;
  if (!jwt) return settings;
  return { ...settings, authentication: { ...settings.authentication, jwt: { ...jwt, keys: keys(jwt.keys) } } };
};

/** The settings as people may see them: the bytes of symmetric token keys are hidden. */
export const shownSettings = (settings: ClusterSettings): ClusterSettings =>
  withKeys(settings, (keys) => keys.map((key) => ('k' in key ? { ...key, k: HIDDEN } : key)));

/**
 * The settings to store: hidden keys are filled in from `before`, by `kid`, else by position. Throws `validation-failed`
 * for a hidden key that is not known, and for private keys: whoever only checks tokens must not be able to make them.
 */
export function storedSettings(settings: ClusterSettings, before: ClusterSettings): ClusterSettings {
  const known = before.authentication.jwt?.keys ?? [];
  return withKeys(settings, (keys) =>
    keys.map((key, index) => {
      const wrong = (detail: string): ProblemError =>
        new ProblemError('validation-failed', {
          errors: [{ pointer: `/authentication/jwt/keys/${index}`, detail }],
        });
      if ('d' in key || 'p' in key) throw wrong('is a private key: send its public part');
      if (key['k'] !== HIDDEN) return key;
      const same = key['kid'] === undefined ? known[index] : known.find((one) => one['kid'] === key['kid']);
      if (same?.['k'] === undefined) throw wrong('has no stored key to stay as it is');
      return { ...key, k: same['k'] };
    }),
  );
}
