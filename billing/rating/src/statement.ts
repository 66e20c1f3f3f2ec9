import type { InvoiceLine, Money } from '@robustmq/contracts';
import { wholeUnits } from './correction.ts';
import { minorUnits } from './currency.ts';
import { percentOf } from './proration.ts';
import { rate, type Period, type Quantity } from './rate.ts';
import type { PriceVersion } from './price.ts';
import { RatingError } from './rating-error.ts';
import { formatDecimal, isLess, multiply, parseDecimal, rational, roundHalfAway, ZERO } from './rational.ts';
import { flatLines, type FlatPhase } from './subscription.ts';

/** A percentage off everything that is charged. */
export interface Discount {
  readonly id: string;
  readonly title: string;
  /** Of 100, an exact decimal. */
  readonly percent: string;
}

/** Money a customer was given: a promotion, a trial, a prepayment. Drawn in the order of `drawOrder`. */
export interface CreditGrant {
  readonly id: string;
  readonly title: string;
  readonly remainingMinor: string;
  readonly currency: string;
  /** Lower is drawn first among those that expire together. */
  readonly priority: number;
  /** ISO 8601; null = never. */
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

export interface Tax {
  readonly id: string;
  readonly title: string;
  readonly percent: string;
}

/** Everything one invoice follows from: the same inputs always make the same bytes. */
export interface StatementInput {
  readonly period: Period;
  readonly currency: string;
  readonly prices: readonly PriceVersion[];
  readonly quantities: readonly Quantity[];
  readonly phases: readonly FlatPhase[];
  /** Adjustments of earlier periods (`correctionLines`), as they stand. */
  readonly corrections: readonly InvoiceLine[];
  /** Least charge of a whole period, whole currency units; null = none. Looked at on the final bill alone. */
  readonly commitment: string | null;
  /** True for the bill of an ended period, false for a preview. */
  readonly isFinal: boolean;
  readonly discounts: readonly Discount[];
  readonly credits: readonly CreditGrant[];
  /** Credits that expire at this instant or before are not spent, ISO 8601. */
  readonly creditsAt: string;
  readonly taxes: readonly Tax[];
}

export interface Statement {
  readonly lines: readonly InvoiceLine[];
  /** Sum of all lines but taxes: what a payment provider is told before tax. */
  readonly subtotal: Money;
  readonly tax: Money;
  readonly total: Money;
  /** What each grant pays, in the order drawn. */
  readonly draws: readonly { readonly grantId: string; readonly amountMinor: string }[];
}

const sumOf = (lines: readonly InvoiceLine[]): bigint =>
  lines.reduce((sum, line) => sum + BigInt(line.amount.amount), 0n);

/**
 * One invoice: usage, flat fees, corrections, then the minimum, then discounts, credits and taxes on what is left. Pure
 * and exact; each line is rounded once and the total is the sum of the lines. Throws RatingError.
 */
export function makeStatement(input: StatementInput): Statement {
  const { period, currency } = input;
  const usage = rate({ prices: input.prices, quantities: input.quantities, period, currency }).lines;
  const charges: InvoiceLine[] = [...usage, ...flatLines(input.phases, period, currency)];
  charges.push(...minimumLine(input, sumOf(charges)));
  charges.push(...input.corrections);
  const discounts = discountLines(input, sumOf(charges));
  const net = sumOf(charges) + sumOf(discounts);
  const { lines: credits, draws } = creditLines(input, net);
  const beforeTax = [...charges, ...discounts, ...credits];
  const subtotal = sumOf(beforeTax);
  const taxes = taxLines(input, subtotal);
  const tax = sumOf(taxes);
  const money = (amount: bigint): Money => ({ amount: amount.toString(), currency });
  const lines = [...beforeTax, ...taxes];
  refuseTwice(lines);
  return { lines, subtotal: money(subtotal), tax: money(tax), total: money(subtotal + tax), draws };
}

function refuseTwice(lines: readonly InvoiceLine[]): void {
  const seen = new Set<string>();
  for (const { identity } of lines) {
    if (seen.has(identity)) throw new RatingError('price-ambiguous', `the line ${identity} is there twice`);
    seen.add(identity);
  }
}

const line = (
  input: StatementInput,
  more: Pick<InvoiceLine, 'identity' | 'kind' | 'description' | 'quantity' | 'unit' | 'unitPrice'>,
  amount: bigint,
): InvoiceLine => ({
  ...more,
  meter: null,
  amount: { amount: amount.toString(), currency: input.currency },
  serviceFrom: input.period.from,
  serviceTo: input.period.to,
});

function minimumLine(input: StatementInput, charged: bigint): InvoiceLine[] {
  if (input.commitment === null || !input.isFinal) return [];
  const minor = rational(minorUnits(input.currency));
  const missing = roundHalfAway(multiply(parseDecimal(input.commitment), minor)) - charged;
  if (missing <= 0n) return [];
  const unitPrice = wholeUnits(missing, input.currency);
  const description = `Minimum commitment of ${input.commitment} ${input.currency}`;
  return [
    line(input, { identity: 'minimum', kind: 'minimum', description, quantity: '1', unit: 'rest', unitPrice }, missing),
  ];
}

function percentOr(code: string, text: string, max: bigint): ReturnType<typeof parseDecimal> {
  const percent = parseDecimal(text);
  if (isLess(percent, ZERO) || isLess(rational(max), percent)) {
    throw new RatingError('discount-invalid', `${code} of ${text} % is not one`);
  }
  return percent;
}

/** Each percentage is taken off what the ones before it left. */
function discountLines(input: StatementInput, charged: bigint): InvoiceLine[] {
  let left = charged;
  return input.discounts.flatMap(({ id, title, percent }) => {
    const amount = left > 0n ? -percentOf(left, percentOr('a discount', percent, 100n)) : 0n;
    left += amount;
    const of = wholeUnits(left - amount, input.currency);
    const more = {
      identity: `discount/${id}`,
      kind: 'discount' as const,
      description: `${title}: ${percent} % off ${of}`,
    };
    return amount === 0n ? [] : [line(input, { ...more, quantity: `-${percent}`, unit: '%', unitPrice: of }, amount)];
  });
}

/** The order grants are drawn in: the one that expires first, then priority, then age, then id. */
export const drawOrder = (a: CreditGrant, b: CreditGrant): number =>
  compare(a.expiresAt ?? '9999', b.expiresAt ?? '9999') ||
  a.priority - b.priority ||
  compare(a.createdAt, b.createdAt) ||
  compare(a.id, b.id);

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

function creditLines(input: StatementInput, net: bigint): { lines: InvoiceLine[]; draws: Statement['draws'] } {
  const lines: InvoiceLine[] = [];
  const draws: { grantId: string; amountMinor: string }[] = [];
  let open = net;
  for (const grant of [...input.credits].sort(drawOrder)) {
    if (grant.currency !== input.currency || (grant.expiresAt !== null && grant.expiresAt <= input.creditsAt)) continue;
    const remaining = BigInt(grant.remainingMinor);
    const amount = remaining < open ? remaining : open;
    if (amount <= 0n) continue;
    open -= amount;
    draws.push({ grantId: grant.id, amountMinor: amount.toString() });
    const unitPrice = wholeUnits(-amount, input.currency);
    const more = { identity: `credit/${grant.id}`, kind: 'credit' as const, description: grant.title };
    lines.push(line(input, { ...more, quantity: '1', unit: 'credit', unitPrice }, -amount));
  }
  return { lines, draws };
}

function taxLines(input: StatementInput, subtotal: bigint): InvoiceLine[] {
  return input.taxes.flatMap(({ id, title, percent }) => {
    const rateOf = percentOr('a tax', percent, 1000n);
    const amount = percentOf(subtotal, rateOf);
    const on = wholeUnits(subtotal, input.currency);
    const more = {
      identity: `tax/${id}`,
      kind: 'tax' as const,
      description: `${title} ${formatDecimal(rateOf)} % on ${on}`,
    };
    return amount === 0n ? [] : [line(input, { ...more, quantity: percent, unit: '%', unitPrice: on }, amount)];
  });
}
