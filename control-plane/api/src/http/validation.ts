import type { z } from 'zod';
import { ProblemError, type FieldError } from './problem-error.ts';

/** RFC 6901 escape of one reference token. */
const token = (key: PropertyKey): string => String(key).replaceAll('~', '~0').replaceAll('/', '~1');

const pointer: Record<'body' | 'query', (path: readonly PropertyKey[]) => string> = {
  body: (path) => path.map((key) => `/${token(key)}`).join(''),
  query: (path) => `?${path.map(String).join('.')}`,
};

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
