import type { InvoiceLine } from '@robustmq/contracts';
import { minorUnits } from './currency.ts';
import { formatDecimal, rational } from './rational.ts';

/** Minor units as an exact decimal of whole currency units: `-12.5`. */
export const wholeUnits = (amountMinor: bigint, currency: string): string =>
  formatDecimal(rational(amountMinor, minorUnits(currency)));

/** The line of the period that a billed line is, or corrects. */
const originOf = (line: InvoiceLine): string => line.corrects ?? line.identity;

/**
 * What still has to be billed, or given back, so that everything billed for a period adds up to one rating of its whole
 * quantity at its own prices: `rated` minus `billed`, line by line. A line whose amount changed becomes one adjustment;
 * one that is gone (a volume tier was crossed) is reversed. Amounts are differences of rounded amounts, so nothing is
 * rounded again and a reversal followed by the same line is zero. `revision` makes the identities of a later correction
 * of the same line different ones.
 */
export function correctionLines(
  rated: readonly InvoiceLine[],
  billed: readonly InvoiceLine[],
  revision: string,
): InvoiceLine[] {
  const before = new Map<string, bigint>();
  for (const line of billed) {
    before.set(originOf(line), (before.get(originOf(line)) ?? 0n) + BigInt(line.amount.amount));
  }
  const lines: InvoiceLine[] = [];
  const seen = new Set<string>();
  for (const line of rated) {
    seen.add(line.identity);
    const delta = BigInt(line.amount.amount) - (before.get(line.identity) ?? 0n);
    if (delta !== 0n) lines.push(adjustment(line, delta, revision, 'late usage'));
  }
  const latest = new Map(billed.map((line) => [originOf(line), line]));
  for (const [identity, line] of latest) {
    const left = before.get(identity) ?? 0n;
    if (seen.has(identity) || left === 0n) continue;
    lines.push(adjustment({ ...line, identity }, -left, revision, 'reversed'));
  }
  return lines;
}

const adjustment = (line: InvoiceLine, delta: bigint, revision: string, why: string): InvoiceLine => ({
  ...line,
  identity: `adjustment/${revision}/${line.identity}`,
  kind: 'adjustment',
  description: `${line.description} (${why})`,
  quantity: '1',
  unit: 'correction',
  unitPrice: wholeUnits(delta, line.amount.currency),
  amount: { amount: delta.toString(), currency: line.amount.currency },
  corrects: line.identity,
});
