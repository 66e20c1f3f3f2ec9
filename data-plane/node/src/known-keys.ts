import { z } from 'zod';
import { repeatedBy } from './one-or-many.ts';

/**
 * `schema`, refusing keys it does not know anywhere in the value. The contracts let unknown keys pass, so that an older
 * node takes what a newer control plane sends; a person who writes one has made a mistake.
 */
export function knownKeysOnly<T extends z.ZodType>(schema: T) {
  return z.preprocess((value, context) => {
    for (const { path, key } of unknownKeys(schema, value, []))
      context.addIssue({ code: 'unrecognized_keys', keys: [key], path, input: value as Record<string, unknown> });
    return value;
  }, schema);
}

function unknownKeys(
  schema: z.core.$ZodType | undefined,
  value: unknown,
  path: PropertyKey[],
): { path: PropertyKey[]; key: string }[] {
  const at = unwrapped(schema);
  if (at instanceof z.ZodArray && Array.isArray(value))
    return value.flatMap((item, i) => unknownKeys(at.element, item, [...path, i]));
  if (!(at instanceof z.ZodObject) || typeof value !== 'object' || value === null) return [];
  const shape = at.shape as Record<string, z.core.$ZodType>;
  return Object.entries(value).flatMap(([key, inner]) =>
    Object.hasOwn(shape, key) ? unknownKeys(shape[key], inner, [...path, key]) : [{ path, key }],
  );
}

/** Keys the schema knows at `path`; none where it takes any. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType | undefined = unwrapped(schema);
  for (const key of path) {
    const repeated = repeatedBy(at);
    if (repeated !== undefined) {
      at = repeated;
      if (typeof key === 'number') continue;
    }
    if (at instanceof z.ZodObject) at = unwrapped((at.shape as Record<PropertyKey, z.core.$ZodType>)[key]);
    else if (at instanceof z.ZodArray) at = unwrapped(at.element);
    else return [];
  }
  at = repeatedBy(at) ?? at;
  return at instanceof z.ZodObject ? Object.keys(at.shape as object) : [];
}

/** What is inside `optional`, `default`, `prefault` and `preprocess`. */
function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let at = schema;
  for (;;) {
    if (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault) at = at.unwrap();
    else if (at instanceof z.ZodPipe && repeatedBy(at) === undefined)
      at = at.in instanceof z.ZodTransform ? at.out : at.in;
    else return at;
  }
}
