import { ApiError } from '@robustmq/client';

/** The server's field errors for a form with these fields: `{name: 'is taken'}`. Fields it does not have are left out. */
export function formErrorsOf(error: unknown, fields: readonly string[]): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  const found: Record<string, string> = {};
  for (const { pointer, detail } of error.fieldErrors) {
    const field = pointer.replace(/^\/(body\/)?/, '');
    if (fields.includes(field)) found[field] ??= detail;
  }
  return found;
}
