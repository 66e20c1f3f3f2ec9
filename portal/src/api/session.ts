import { bodyOf, createClient, type Me, type RestClient, type Session, type SessionTokens } from '@robustmq/client';
import { useSyncExternalStore } from 'react';
import { askForCode } from '../ui/step-up-dialog.tsx';
import { queryClient } from './query-client.ts';
import { withStepUp } from './step-up.ts';

/** Who uses this tab, and the tenant its pages show. */
export interface SignedIn {
  readonly user: Me['user'];
  readonly tenants: Me['tenants'];
  readonly tenantId: string;
}

const REFRESH_TOKEN = 'robustmq.refreshToken';
const TENANT = 'robustmq.tenantId';

/** Survives a reload of this tab: a page that is left while its refresh token is being exchanged loses the session. */
const ACCESS_TOKEN = 'robustmq.accessToken';

let current: SignedIn | undefined;
/** Whether the last session of this tab was left by a logout, not ended by the server. */
let left = false;
const listeners = new Set<() => void>();

function change(next: SignedIn | undefined): void {
  current = next;
  for (const listener of listeners) listener();
}

function signedOut(): void {
  sessionStorage.removeItem(ACCESS_TOKEN);
  localStorage.removeItem(REFRESH_TOKEN);
  queryClient.clear();
  change(undefined);
}

const store = {
  load(): SessionTokens | undefined {
    const refreshToken = localStorage.getItem(REFRESH_TOKEN);
    if (refreshToken === null) return undefined;
    return { accessToken: sessionStorage.getItem(ACCESS_TOKEN) ?? undefined, refreshToken };
  },
  save(tokens: SessionTokens | undefined): void {
    if (tokens === undefined) return signedOut();
    if (tokens.accessToken !== undefined) sessionStorage.setItem(ACCESS_TOKEN, tokens.accessToken);
    localStorage.setItem(REFRESH_TOKEN, tokens.refreshToken);
  },
  /** All tabs share the refresh token, which works once: one of them rotates it at a time. */
  async exclusive<T>(run: () => Promise<T>): Promise<T> {
    // Plain HTTP on another host than localhost has no Web Locks; a single tab is safe without them.
    const { locks } = navigator as { locks?: LockManager };
    return locks ? await locks.request('robustmq.session', run) : run();
  },
};

/** The signed client of all pages. */
export const api: RestClient = createClient({
  baseUrl: location.origin,
  authentication: { kind: 'session', store },
  fetch: withStepUp({
    fetch: (request) => globalThis.fetch(request),
    ask: askForCode,
    keep: (accessToken) => sessionStorage.setItem(ACCESS_TOKEN, accessToken),
  }),
});

function take(me: Pick<Me, 'user' | 'tenants'>): void {
  const remembered = localStorage.getItem(TENANT);
  const tenant = me.tenants.find((t) => t.id === remembered) ?? me.tenants[0];
  left = false;
  change({ user: me.user, tenants: me.tenants, tenantId: tenant?.id ?? '' });
}

/** Takes over the session a sign-up or login answered. */
export function signIn(session: Session): void {
  queryClient.clear();
  sessionStorage.setItem(ACCESS_TOKEN, session.accessToken);
  localStorage.setItem(REFRESH_TOKEN, session.refreshToken);
  take(session);
}

/** True after a logout of this tab: nobody then wants to go on where they were. */
export const hasLeft = (): boolean => left;

/** Ends the session here and, as far as it can be reached, on the server. */
export async function signOut(): Promise<void> {
  left = true;
  const tokens = store.load();
  signedOut();
  if (tokens) await api.POST('/v1/auth/logout', { body: { refreshToken: tokens.refreshToken } }).catch(() => undefined);
}

/** Restores the session of an earlier visit. False = nobody is signed in; rejects when the server cannot tell. */
export async function restoreSession(): Promise<boolean> {
  if (current) return true;
  if (!store.load()) return false;
  try {
    take(await bodyOf(api.GET('/v1/me')));
    return true;
  } catch (error) {
    if (!store.load()) return false;
    throw error;
  }
}

/** Asks again who one is and where one belongs: after joining a tenant, or a change of one's own rights. */
export async function reloadSession(): Promise<void> {
  take(await bodyOf(api.GET('/v1/me')));
}

/** Shows another tenant's things from now on. */
export function selectTenant(tenantId: string): void {
  if (!current) return;
  localStorage.setItem(TENANT, tenantId);
  change({ ...current, tenantId });
}

export const onSessionChange = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
export const currentSession = (): SignedIn | undefined => current;

// Another tab logged out: so did this one.
window.addEventListener('storage', (event) => {
  if (event.key === REFRESH_TOKEN && event.newValue === null && current) signedOut();
});

/** The session, undefined on the pages for guests. */
export const useMaybeSession = (): SignedIn | undefined => useSyncExternalStore(onSessionChange, currentSession);

const NOBODY: SignedIn = { user: { id: '', email: '' }, tenants: [], tenantId: '' };

/** The session on pages behind the login; empty for the moment between a logout and the login page. */
export const useSession = (): SignedIn => useMaybeSession() ?? NOBODY;

type Role = Me['tenants'][number]['role'];
const RANK: Record<Role, number> = {
  ...{ custom: 0, billing: 0, auditor: 0, operator: 0, viewer: 0 },
  ...{ developer: 1, admin: 2, owner: 3 },
};

/** Whether the person may do what needs `role` in the tenant shown. The API decides; this only hides what it would refuse. */
export function useMay(role: Role): boolean {
  const { tenants, tenantId } = useSession();
  const own = tenants.find((tenant) => tenant.id === tenantId)?.role;
  return own !== undefined && RANK[own] >= RANK[role];
}
