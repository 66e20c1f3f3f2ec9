import type { Caller } from './caller.ts';
import { ProblemError } from './problem-error.ts';

/** Refuses with `precondition-failed` when the request's If-Match names another version than the present one. */
export function mayChange(caller: Pick<Caller, 'ifMatch'>, version: number): void {
  if (caller.ifMatch === undefined || caller.ifMatch.includes('*') || caller.ifMatch.includes(`"${version}"`)) return;
  throw new ProblemError('precondition-failed', {
    detail: `It is at version ${version} now: read it again.`,
    headers: { etag: `"${version}"` },
  });
}

/** The entity tags of an If-Match header (RFC 9110 §13.1.1); undefined when there is none. Throws `bad-request`. */
export function readIfMatch(header: string | string[] | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined;
  const tags = String(header)
    .split(',')
    .map((tag) => tag.trim());
  if (tags.length > 20 || !tags.every((tag) => tag === '*' || /^"[\x21\x23-\x7e]*"$/.test(tag)))
    throw new ProblemError('bad-request', { detail: 'If-Match must be * or quoted entity tags.' });
  return tags;
}
