import type { Terminal } from './terminal.ts';

export type OutputFormat = 'table' | 'json' | 'yaml';

/** A table's column: its heading and how a row shows in it. */
export interface Column<T> {
  readonly heading: string;
  readonly value: (row: T) => string;
}

/** Text from elsewhere must not move the cursor or recolour the screen. */
export const printable = (value: string): string =>
  value.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd').replace(/[\t\n]/g, ' ');

/** Columns padded with two spaces between them; no line ends in spaces. */
export function tableOf<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = [columns.map((c) => c.heading), ...rows.map((row) => columns.map((c) => printable(c.value(row))))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)));
  return cells
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** `name: value` lines, values aligned. */
export function fieldsOf(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 1;
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width)} ${printable(value)}\n`).join('');
}

/** Writes one result: `data` as it stands for json and yaml, `table` for people. Nothing else goes to stdout. */
export async function print(
  terminal: Terminal,
  format: OutputFormat,
  data: unknown,
  table: () => string,
): Promise<void> {
  if (format === 'json') terminal.out(`${JSON.stringify(data, null, 2)}\n`);
  else if (format === 'yaml') terminal.out((await import('yaml')).stringify(data));
  else terminal.out(table());
}
