import { z } from 'zod';

/** What each schema made here repeats, for whoever explains its errors. */
const REPEATED = new WeakMap<z.core.$ZodType, z.ZodObject>();

/**
 * A value, or a list of 1 to `countMax` of them; the result is always a list. Unlike a union it reports what is wrong
 * inside the value, at the path the writer sees.
 */
export function oneOrMany<T extends z.ZodObject>(one: T, countMax: number) {
  const many = z.array(one).min(1, 'write at least one').max(countMax, `write ${countMax} or fewer`);
  const schema = z.unknown().transform((value, context): z.output<T>[] => {
    const parsed = Array.isArray(value) ? many.safeParse(value) : one.safeParse(value);
    if (parsed.success) return (Array.isArray(value) ? parsed.data : [parsed.data]) as z.output<T>[];
    for (const issue of parsed.error.issues) context.addIssue(issue as Parameters<typeof context.addIssue>[0]);
    return z.NEVER;
  });
  REPEATED.set(schema, one);
  return schema;
}

/** The schema of one value of a `oneOrMany`, else undefined. */
export function repeatedBy(schema: z.core.$ZodType | undefined): z.ZodObject | undefined {
  return schema === undefined ? undefined : REPEATED.get(schema);
}
