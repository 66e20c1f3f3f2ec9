import { z } from 'zod';
import { ProblemError } from './problem-error.ts';

/** An opaque cursor over the sort key of the last row of a page. */
export const cursorOf = (...key: string[]): string => Buffer.from(JSON.stringify(key)).toString('base64url');

/** The sort key in a cursor of `parts` values. Throws `validation-failed`. */
export function readCursor(cursor: string | undefined, parts: number): string[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    return z
      .array(z.string().refine((text) => !text.includes('\u0000')))
      .length(parts)
      .parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw new ProblemError('validation-failed', {
      errors: [{ pointer: '?cursor', detail: 'use the nextCursor of the page before, as it stands' }],
    });
  }
}

/** Cuts the one row more that was read to see whether there is a next page. */
export function pageOf<T>(rows: readonly T[], limit: number, key: (row: T) => string[]) {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, nextCursor: cursorOf(...key(last)) } : { items };
}
