import type { Budget } from '@robustmq/client';

/** A budget as people write it: whole currency units with decimals, percentages as text. */
export interface BudgetForm {
  name: string;
  clusterId: string;
  amount: string;
  thresholds: { percent: number | string; action: 'notify' | 'throttle' }[];
}

const MINOR_DIGITS_MAX = 18;

/** `"12.5"` in a currency with two decimals as `"1250"`; undefined when it is no positive amount of that currency. */
export function minorUnits(text: string, exponent: number): string | undefined {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(text.trim().replaceAll(',', ''));
  const fraction = match?.[2] ?? '';
  if (!match || fraction.length > exponent) return undefined;
  const digits = `${match[1]}${fraction.padEnd(exponent, '0')}`.replace(/^0+/, '');
  return digits === '' || digits.length > MINOR_DIGITS_MAX ? undefined : digits;
}

/** Minor units as people write them: `"1250"` is `"12.50"`. */
export function wholeUnits(minor: string, exponent: number): string {
  const digits = minor.padStart(exponent + 1, '0');
  return exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/** How much of a budget is spent, in whole percent; an exact division, rounded down. */
export function spentPercent({ spent, amount }: Pick<Budget, 'spent' | 'amount'>): number {
  return Number((BigInt(spent.amount) * 100n) / BigInt(amount.amount));
}

/** What is wrong with the thresholds; undefined when nothing is. */
export function thresholdFault(thresholds: BudgetForm['thresholds']): string | undefined {
  if (thresholds.length === 0) return 'Add at least one threshold';
  const percents = thresholds.map(({ percent }) => Number(percent));
  if (percents.some((percent) => !Number.isInteger(percent) || percent < 1 || percent > 1000))
    return 'Percentages are whole numbers from 1 to 1000';
  return new Set(percents).size < percents.length ? 'Each percentage once' : undefined;
}
