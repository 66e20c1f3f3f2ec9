import type { Authenticator, Proven } from './authenticator.ts';
import type { AdmitRequest, Refusal } from './broker-types.ts';
import { refuse } from './refusal.ts';

/** What admission needs to know of a namespace. */
export interface AdmissionNamespace {
  readonly id: string;
  readonly name: string;
  readonly authenticator: Authenticator;
}

/** How admission finds namespaces. */
export interface AdmissionDirectory<N extends AdmissionNamespace> {
  byId(id: string): N | undefined;
  byName(name: string): N | undefined;
  readonly defaultNamespace: N | undefined;
}

/** Which namespace a connection belongs to, and what it calls itself there (null = nothing). */
export interface Located<N> {
  readonly namespace: N;
  readonly name: string | null;
}
export type LocateOutcome<N> =
  | Located<N>
  /** `namespace`: whose client-event log should hear of it, where one is known. */
  | { readonly namespace: N | null; readonly refusal: Refusal };

/**
 * Finds the connection's namespace. It is told by the listener, else by the TLS server name's first label where that is a
 * namespace's name, else by the user name (`name@namespace`, split at the last `@`), else it is the default one. Where
 * two tell, they must agree.
 */
export function locate<N extends AdmissionNamespace>(
  request: AdmitRequest,
  directory: AdmissionDirectory<N>,
): LocateOutcome<N> {
  const { listener, serverName, username } = request;
  const byListener =
    listener.namespace === null
      ? undefined
      : (directory.byId(listener.namespace) ?? directory.byName(listener.namespace));
  if (listener.namespace !== null && byListener === undefined)
    return { namespace: null, refusal: refuse('unavailable') };
  const bySni = serverName === null ? undefined : directory.byName(serverName.split('.', 1)[0]!.toLowerCase());
  if (byListener !== undefined && bySni !== undefined && byListener !== bySni) {
    return { namespace: byListener, refusal: refuse('namespace-mismatch') };
  }
  const told = byListener ?? bySni;
  const at = username === null ? -1 : username.lastIndexOf('@');
  if (told !== undefined) return locateIn(told, username, at);
  const fallback = directory.defaultNamespace;
  if (username !== null && at >= 0) {
    const named = directory.byName(username.slice(at + 1));
    if (named !== undefined) return locateIn(named, username, at);
    if (fallback?.authenticator.hasCredential(username) === true) return { namespace: fallback, name: username };
    return { namespace: null, refusal: refuse('bad-credentials') };
  }
  return fallback === undefined
    ? { namespace: null, refusal: refuse('namespace-unknown') }
    : { namespace: fallback, name: username };
}

/** The namespace is known; `at` is where the user name's `@` lies, −1 = it has none. */
function locateIn<N extends AdmissionNamespace>(namespace: N, username: string | null, at: number): LocateOutcome<N> {
  if (username === null || at < 0 || namespace.authenticator.hasCredential(username)) {
    return { namespace, name: username };
  }
  // the same answer whether the other namespace exists or not
  if (username.slice(at + 1) !== namespace.name) return { namespace, refusal: refuse('namespace-mismatch') };
  return { namespace, name: username.slice(0, at) };
}

/** Checks who somebody is in the namespace that was found; null = not proven. */
export function prove<N extends AdmissionNamespace>(
  { namespace, name }: Located<N>,
  request: AdmitRequest,
  nowMs: number,
): Proven | null {
  const { authenticator } = namespace;
  if (request.proof !== undefined) return authenticator.proof(name, request.proof, nowMs);
  if (name === null) return authenticator.anonymous();
  return authenticator.password(name, request.password, nowMs);
}
