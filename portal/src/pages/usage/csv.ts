/**
 * One CSV field (RFC 4180). Text that a spreadsheet would run as a formula gets an apostrophe before it (ASVS 5.0 1.2.10):
 * names come from users.
 */
export function csvField(value: string): string {
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** Rows as CSV text, lines ended by CRLF. */
export const csvOf = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
