import { METERS, type InvoiceLine, type Meter, type Money, type Plan } from '@robustmq/contracts';
import { minorUnits } from './currency.ts';
import { BILLING_UNITS, type PriceTier, type PriceVersion } from './price.ts';
import { RatingError } from './rating-error.ts';
import {
  ceiling,
  formatDecimal,
  isDecimal,
  isLess,
  larger,
  multiply,
  parseDecimal,
  rational,
  readableDecimal,
  roundHalfAway,
  smaller,
  subtract,
  ZERO,
  type Rational,
} from './rational.ts';

/** Usage in the meter's own unit (contracts/meters.ts), a non-negative integer. Several of one plan and meter add up. */
export interface Quantity {
  readonly plan: Plan;
  readonly meter: Meter;
  readonly quantity: string;
}

/** Half-open, ISO 8601 in UTC with milliseconds. */
export interface Period {
  readonly from: string;
  readonly to: string;
}

export interface RatingInput {
  readonly prices: readonly PriceVersion[];
  readonly quantities: readonly Quantity[];
  readonly period: Period;
  readonly currency: string;
}

export interface Rating {
  readonly lines: readonly InvoiceLine[];
  /** Sum of the lines' rounded amounts. */
  readonly total: Money;
}

/** Decimals of a price at most; payment providers take 12 of the minor unit. */
export const PRICE_DECIMALS_MAX = 14;

const PLANS: readonly Plan[] = ['serverless', 'dedicated', 'byoc'];

/**
 * Turns quantities into invoice lines. Pure and exact: fractions of bigints throughout, rounded once per line to whole
 * minor units, halves away from zero. The order and grouping of `quantities` cannot change a line.
 * Throws RatingError.
 */
export function rate({ prices, quantities, period, currency }: RatingInput): Rating {
  const minor = minorUnits(currency);
  const lines: InvoiceLine[] = [];
  for (const plan of PLANS) {
    for (const meter of Object.keys(METERS) as Meter[]) {
      if (!METERS[meter].billed) continue;
      const counted = countedOf(quantities, plan, meter);
      if (counted === 0n) continue;
      lines.push(...linesOf(priceAt(prices, plan, meter, period.from, currency), counted, period, minor));
    }
  }
  const total = lines.reduce((sum, line) => sum + BigInt(line.amount.amount), 0n);
  return { lines, total: { amount: total.toString(), currency } };
}

function countedOf(quantities: readonly Quantity[], plan: Plan, meter: Meter): bigint {
  let sum = 0n;
  for (const one of quantities) {
    if (one.plan !== plan || one.meter !== meter) continue;
    if (!/^(0|[1-9][0-9]*)$/.test(one.quantity)) {
      throw new RatingError('decimal-invalid', `"${one.quantity}" is not a count of ${meter}`);
    }
    sum += BigInt(one.quantity);
  }
  return sum;
}

/** The one version valid when the period began. Throws `price-missing`, `price-ambiguous`, `currency-mixed`. */
export function priceAt(
  prices: readonly PriceVersion[],
  plan: Plan,
  meter: Meter,
  atIso: string,
  currency: string,
): PriceVersion {
  const valid = prices.filter(
    (price) =>
      price.plan === plan &&
      price.meter === meter &&
      price.validFrom <= atIso &&
      (price.validTo === null || atIso < price.validTo),
  );
  const ours = valid.filter((price) => price.currency === currency);
  if (ours.length > 1) throw new RatingError('price-ambiguous', `${plan} ${meter} has two prices at ${atIso}`);
  if (ours[0]) return ours[0];
  if (valid[0]) {
    throw new RatingError('currency-mixed', `${plan} ${meter} is priced in ${valid[0].currency}, not ${currency}`);
  }
  throw new RatingError('price-missing', `${plan} ${meter} has no price at ${atIso}`);
}

/** One priced step of a quantity, before rounding. */
interface Charge {
  readonly quantity: Rational;
  readonly unit: string;
  readonly unitPrice: string;
  /** 1-based tier or block step; its place in the line's identity. */
  readonly step: number;
  readonly steps: number;
}

function linesOf(price: PriceVersion, counted: bigint, period: Period, minor: bigint): InvoiceLine[] {
  const { unit, size, title } = BILLING_UNITS[price.meter];
  if (!isDecimal(rational(1n, size))) {
    throw new RatingError('unit-invalid', `a quantity in ${unit} has no exact decimal form`);
  }
  const used = rational(counted, size);
  const included = parseDecimal(price.included);
  const billable = larger(subtract(used, included), ZERO);
  const verb = unit.endsWith('s') ? 'are' : 'is';
  const allowance = included.n === 0n ? '' : `, of which ${formatDecimal(included)} ${unit} ${verb} included`;
  return chargesOf(price, billable, unit).map((charge) => {
    const exact = multiply(charge.quantity, parseDecimal(charge.unitPrice));
    const amount = roundHalfAway(multiply(exact, rational(minor)));
    const step = charge.steps === 1 ? '' : `, tier ${charge.step}`;
    return {
      identity: `usage/${price.plan}/${price.meter}/${price.validFrom}/${charge.step}`,
      kind: 'usage',
      meter: price.meter,
      description: `${title}, ${price.plan}: ${readableDecimal(used)} ${unit}${allowance}${step}`,
      quantity: formatDecimal(charge.quantity),
      unit: charge.unit,
      unitPrice: charge.unitPrice,
      amount: { amount: amount.toString(), currency: price.currency },
      serviceFrom: period.from,
      serviceTo: period.to,
    };
  });
}

/** How a quantity beyond the allowance is charged by each price model. */
function chargesOf(price: PriceVersion, billable: Rational, unit: string): Charge[] {
  switch (price.model) {
    case 'per_unit':
      return [{ quantity: billable, unit, unitPrice: price.unitPrice, step: 1, steps: 1 }];
    case 'graduated':
      return graduated(price.tiers, tiersOf(price, price.tiers), billable, unit);
    case 'volume':
    case 'flat': {
      const ends = tiersOf(price, price.tiers);
      const index = ends.findIndex((end) => end === null || !isLess(end, billable));
      const quantity = price.model === 'volume' ? billable : rational(billable.n === 0n ? 0n : 1n);
      const { unitPrice } = price.tiers[index]!;
      const shown = price.model === 'volume' ? unit : 'fee';
      return [{ quantity, unit: shown, unitPrice, step: index + 1, steps: price.tiers.length }];
    }
    case 'package': {
      const block = parseDecimal(price.blockSize);
      if (block.n <= 0n) throw new RatingError('tiers-invalid', `${price.plan} ${price.meter} has blocks of nothing`);
      const quantity = rational(ceiling(rational(billable.n * block.d, billable.d * block.n)));
      const shown = `blocks of ${formatDecimal(block)} ${unit}`;
      return [{ quantity, unit: shown, unitPrice: price.unitPrice, step: 1, steps: 1 }];
    }
  }
}

function graduated(
  tiers: readonly PriceTier[],
  ends: readonly (Rational | null)[],
  billable: Rational,
  unit: string,
): Charge[] {
  let start: Rational = ZERO;
  return tiers.flatMap(({ unitPrice }, index) => {
    const end = smaller(billable, ends[index] ?? billable);
    const quantity = larger(subtract(end, start), ZERO);
    start = end;
    // The first tier is shown also when the allowance covers everything: what was used stands on the invoice.
    return index > 0 && quantity.n === 0n ? [] : [{ quantity, unit, unitPrice, step: index + 1, steps: tiers.length }];
  });
}

/** Ends of the tiers; null = open. Throws `tiers-invalid` unless they rise to one open end. */
function tiersOf(price: PriceVersion, tiers: readonly PriceTier[]): (Rational | null)[] {
  if (tiers.length === 0) throw new RatingError('tiers-invalid', `${price.plan} ${price.meter} has no tiers`);
  let before: Rational = ZERO;
  return tiers.map(({ upTo }, index) => {
    const end = upTo === null ? null : parseDecimal(upTo);
    const isLast = index === tiers.length - 1;
    if ((end === null) !== isLast || (end !== null && !isLess(before, end))) {
      throw new RatingError('tiers-invalid', `the tiers of ${price.plan} ${price.meter} do not rise to an open end`);
    }
    if (end !== null) before = end;
    return end;
  });
}

/** Throws RatingError unless a price can be rated: what a price version must pass before it is published. */
export function checkPrice(price: PriceVersion): void {
  minorUnits(price.currency);
  const priced = chargesOf(price, rational(1n), BILLING_UNITS[price.meter].unit);
  const texts = 'tiers' in price ? price.tiers.map((tier) => tier.unitPrice) : priced.map((charge) => charge.unitPrice);
  for (const text of [price.included, ...texts]) {
    const { n } = parseDecimal(text);
    if (n < 0n) throw new RatingError('decimal-invalid', `"${text}" is below zero`);
    if ((text.split('.')[1] ?? '').length > PRICE_DECIMALS_MAX) {
      throw new RatingError('decimal-invalid', `"${text}" has more than ${PRICE_DECIMALS_MAX} decimals`);
    }
  }
}
