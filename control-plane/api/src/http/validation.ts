import type { z } from 'zod';
import { ProblemError, type FieldError } from './problem-error.ts';

/** RFC 6901 escape of one reference token. */
const token = (key: PropertyKey): string => String(key).replaceAll('~', '~0').replaceAll('/', '~1');

const pointer: Record<'body' | 'query', (path: readonly PropertyKey[]) => string> = {
  body: (path) => path.map((key) => `/${token(key)}`).join(''),
  query: (path) => `?${path.map(String).join('.')}`,
};

/** Nesting of a body at most; no body of the contract has more than four levels. */
const DEPTH_MAX = 32;

/**
 * Refuses what JSON can say and no text of ours can hold, wherever it stands: U+0000, which PostgreSQL does not store, and
 * halves of surrogate pairs, which have no UTF-8 form. Throws `validation-failed`; `bad-request` when nested too deeply.
 */
export function refuseUnstorable(value: unknown, path: readonly PropertyKey[] = []): void {
  if (path.length > DEPTH_MAX) throw new ProblemError('bad-request', { detail: 'The body is nested too deeply.' });
  if (typeof value === 'string' && (value.includes('\u0000') || !value.isWellFormed()))
    throw new ProblemError('validation-failed', {
      errors: [{ pointer: pointer.body(path), detail: 'holds a character that is not allowed' }],
    });
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) refuseUnstorable(inner, [...path, key]);
}

/** The value in the schema's output form, or a `validation-failed` problem that points at every wrong place. */
export function validated<T extends z.ZodType>(schema: T, value: unknown, where: 'body' | 'query'): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors: FieldError[] = result.error.issues.flatMap((issue) => {
    const at = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return at.map((path) => ({ pointer: pointer[where](path), detail: issue.message }));
  });
  throw new ProblemError('validation-failed', { errors });
}
