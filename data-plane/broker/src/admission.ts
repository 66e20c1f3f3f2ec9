import { createHash, timingSafeEqual } from 'node:crypto';
import type { CredentialRecord } from '@robustmq/meta';
import type { AdmitRequest, Refusal } from './broker-types.ts';
import { refuse } from './refusal.ts';

/** What admission needs to know of a namespace. */
export interface AdmissionNamespace {
  readonly id: string;
  readonly name: string;
  readonly allowAnonymous: boolean;
  credential(name: string): CredentialRecord | undefined;
  readonly hasCredentials: boolean;
}

/** How admission finds namespaces. */
export interface AdmissionDirectory<N extends AdmissionNamespace> {
  byId(id: string): N | undefined;
  byName(name: string): N | undefined;
  readonly defaultNamespace: N | undefined;
}

export type AdmissionOutcome<N> =
  | { readonly namespace: N; readonly principal: string }
  /** `namespace`: whose client-event log should hear of it, where one is known. */
  | { readonly namespace: N | null; readonly refusal: Refusal };

/** Checked in place of a credential that does not exist, so that absent and wrong take the same time. */
const NOBODY: CredentialRecord = { name: '', sha256: { salt: 'bm9ib2R5', hash: Buffer.alloc(32).toString('base64') } };

/**
 * Finds the connection's namespace and checks who it is. The namespace is told by the listener, else by the TLS server
 * name's first label where that is a namespace's name, else by the user name (`name@namespace`, split at the last `@`),
 * else it is the default one. Where two tell, they must agree.
 */
export function authenticate<N extends AdmissionNamespace>(
  request: AdmitRequest,
  directory: AdmissionDirectory<N>,
): AdmissionOutcome<N> {
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
  if (told !== undefined) return authenticateIn(told, request, at);
  if (username !== null && at >= 0) {
    const named = directory.byName(username.slice(at + 1));
    if (named !== undefined) return authenticateIn(named, request, at);
    const fallback = directory.defaultNamespace;
    if (fallback?.credential(username) !== undefined) return check(fallback, username, request.password);
    checkPassword(NOBODY, request.password);
    return { namespace: null, refusal: refuse('bad-credentials') };
  }
  const fallback = directory.defaultNamespace;
  return fallback === undefined
    ? { namespace: null, refusal: refuse('namespace-unknown') }
    : authenticateIn(fallback, request, -1);
}

/** The namespace is known; `at` is where the user name's `@` lies, −1 = it has none. */
function authenticateIn<N extends AdmissionNamespace>(
  namespace: N,
  request: AdmitRequest,
  at: number,
): AdmissionOutcome<N> {
  const { username, password } = request;
  if (username === null) return anonymous(namespace);
  if (at < 0 || namespace.credential(username) !== undefined) return check(namespace, username, password);
  // the same answer whether the other namespace exists or not
  if (username.slice(at + 1) !== namespace.name) return { namespace, refusal: refuse('namespace-mismatch') };
  return check(namespace, username.slice(0, at), password);
}

function anonymous<N extends AdmissionNamespace>(namespace: N): AdmissionOutcome<N> {
  if (namespace.allowAnonymous) return { namespace, principal: 'anonymous' };
  return { namespace, refusal: refuse('bad-credentials') };
}

function check<N extends AdmissionNamespace>(namespace: N, name: string, password: Buffer | null): AdmissionOutcome<N> {
  const credential = namespace.credential(name);
  const isRight = checkPassword(credential ?? NOBODY, password);
  if (credential !== undefined && isRight) return { namespace, principal: name };
  // a namespace that lets everybody in and knows nobody has nothing to compare a name with
  if (namespace.allowAnonymous && !namespace.hasCredentials) return anonymous(namespace);
  return { namespace, refusal: refuse('bad-credentials') };
}

/** SHA-256(salt ‖ password) in constant time; no password is a wrong one. */
function checkPassword(credential: CredentialRecord, password: Buffer | null): boolean {
  const hash = createHash('sha256')
    .update(Buffer.from(credential.sha256.salt, 'base64'))
    .update(password ?? '')
    .digest();
  const wanted = Buffer.from(credential.sha256.hash, 'base64');
  return password !== null && wanted.length === hash.length && timingSafeEqual(hash, wanted);
}
