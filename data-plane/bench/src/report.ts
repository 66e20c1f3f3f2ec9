import { readFileSync, writeFileSync } from 'node:fs';

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** 1234567 → 1.2M, 45678 → 46k. */
export const rate = (value: number): string =>
  value >= 1e6
    ? `${(value / 1e6).toFixed(1)}M`
    : value >= 1e4
      ? `${Math.round(value / 1e3)}k`
      : value >= 1e3
        ? `${(value / 1e3).toFixed(1)}k`
        : value.toFixed(0);

/** A ratio with as many digits as it deserves. */
export const ratio = (value: number): string => (value >= 10 ? value.toFixed(0) : value.toFixed(2));

/** Median over rounds of ours ÷ theirs: pairs of one round were measured within seconds of each other. */
export const pairedRatio = (ours: readonly number[], theirs: readonly number[]): number =>
  median(ours.map((value, index) => value / theirs[index]!));

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Replaces the part between `<!-- name -->` and `<!-- /name -->` of a document. */
export function writeSection(file: string, name: string, text: string): void {
  const document = readFileSync(file, 'utf8');
  const [from, to] = [document.indexOf(`<!-- ${name} -->`), document.indexOf(`<!-- /${name} -->`)];
  if (from < 0 || to < 0) throw new Error(`${file} has no section ${name}`);
  writeFileSync(file, `${document.slice(0, from)}<!-- ${name} -->\n\n${text}\n\n${document.slice(to)}`);
}
