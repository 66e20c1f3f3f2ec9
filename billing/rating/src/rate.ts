import { METERS, type InvoiceLine, type Meter, type Money, type Plan } from '@robustmq/contracts';
import { minorUnits } from './currency.ts';
import { BILLING_UNITS, type PriceTier, type PriceVersion } from './price.ts';
import { RatingError } from './rating-error.ts';
import {
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

function linesOf(price: PriceVersion, counted: bigint, period: Period, minor: bigint): InvoiceLine[] {
  const { unit, size, title } = BILLING_UNITS[price.meter];
  if (!isDecimal(rational(1n, size))) {
    throw new RatingError('unit-invalid', `a quantity in ${unit} has no exact decimal form`);
  }
  const used = rational(counted, size);
  const included = parseDecimal(price.included);
  const billable = larger(subtract(used, included), ZERO);
  const tiers = tiersOf(price);
  const lines: InvoiceLine[] = [];
  let start: Rational = ZERO;
  for (const [index, tier] of tiers.entries()) {
    const end = tier.upTo === null ? billable : smaller(billable, parseDecimal(tier.upTo));
    const quantity = larger(subtract(end, start), ZERO);
    // The first tier is shown also when the allowance covers everything: what was used stands on the invoice.
    if (index > 0 && quantity.n === 0n) continue;
    const unitPrice = parseDecimal(tier.unitPrice);
    const amount = roundHalfAway(multiply(multiply(quantity, unitPrice), rational(minor)));
    const verb = unit.endsWith('s') ? 'are' : 'is';
    const allowance = included.n === 0n ? '' : `, of which ${formatDecimal(included)} ${unit} ${verb} included`;
    const step = tiers.length === 1 ? '' : `, tier ${index + 1}`;
    lines.push({
      identity: `usage/${price.plan}/${price.meter}/${price.validFrom}/${index + 1}`,
      kind: 'usage',
      meter: price.meter,
      description: `${title}, ${price.plan}: ${readableDecimal(used)} ${unit}${allowance}${step}`,
      quantity: formatDecimal(quantity),
      unit,
      unitPrice: tier.unitPrice,
      amount: { amount: amount.toString(), currency: price.currency },
      serviceFrom: period.from,
      serviceTo: period.to,
    });
    start = end;
  }
  return lines;
}

function tiersOf(price: PriceVersion): readonly PriceTier[] {
  if (price.model === 'per_unit') return [{ upTo: null, unitPrice: price.unitPrice }];
  let before: Rational = ZERO;
  for (const [index, { upTo }] of price.tiers.entries()) {
    const isLast = index === price.tiers.length - 1;
    if ((upTo === null) !== isLast || (upTo !== null && !isLess(before, parseDecimal(upTo)))) {
      throw new RatingError('tiers-invalid', `the tiers of ${price.plan} ${price.meter} do not rise to an open end`);
    }
    if (upTo !== null) before = parseDecimal(upTo);
  }
  if (price.tiers.length === 0) {
    throw new RatingError('tiers-invalid', `${price.plan} ${price.meter} has no tiers`);
  }
  return price.tiers;
}
