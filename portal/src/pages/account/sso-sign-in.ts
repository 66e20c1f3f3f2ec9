import { bodyOf, type Session } from '@robustmq/client';
import { api } from '../../api/session.ts';

/** Kept while the browser is at the identity provider: a sign-in that another tab or person began cannot be finished here. */
const KEY = 'robustmq.ssoSignIn';

interface Begun {
  readonly binding: string;
  readonly state: string;
  readonly next?: string;
}

/** Begins a sign-in and sends the browser to the identity provider of the address's domain. Rejects where there is none. */
export async function beginSsoSignIn(email: string, next: string | undefined): Promise<void> {
  const { authorizationUrl, binding, state } = await bodyOf(api.POST('/v1/auth/sso/start', { body: { email } }));
  const begun: Begun = { binding, state, ...(next === undefined ? {} : { next }) };
  sessionStorage.setItem(KEY, JSON.stringify(begun));
  location.assign(authorizationUrl);
}

/** What the identity provider sent the browser back with. */
export interface SsoReturn {
  readonly state?: string;
  readonly code?: string;
  readonly iss?: string;
  readonly error?: string;
}

/** Exchanges what the provider answered for a session. Works once; rejects when this tab did not begin it. */
export async function finishSsoSignIn(
  answer: SsoReturn,
): Promise<{ readonly session: Session; readonly next: string | undefined }> {
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  const begun = kept === null ? undefined : (JSON.parse(kept) as Begun);
  if (begun === undefined || answer.state !== begun.state)
    throw new Error('This sign-in was not begun in this tab, or it was finished before. Log in again.');
  const { code, iss, error } = answer;
  const body = {
    ...{ binding: begun.binding, state: begun.state },
    ...(code === undefined ? {} : { code }),
    ...(iss === undefined ? {} : { iss }),
    ...(error === undefined ? {} : { error }),
  };
  return { session: await bodyOf(api.POST('/v1/auth/sso/finish', { body })), next: begun.next };
}
