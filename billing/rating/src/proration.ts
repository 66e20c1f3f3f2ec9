import { RatingError } from './rating-error.ts';
import { rational, roundHalfAway, type Rational } from './rational.ts';

/**
 * Divides whole minor units among parts by weight so that the parts sum to the whole: each gets its floor, and what is left
 * goes, a unit each, to the largest remainders (the earlier part first). Symmetric: negative totals divide as positive
 * ones. With no weight at all everything goes to the first part; no parts get nothing.
 */
export function allocate(totalMinor: bigint, weights: readonly bigint[]): bigint[] {
  if (weights.length === 0) return [];
  if (weights.some((weight) => weight < 0n)) throw new RatingError('period-invalid', 'a part weighs less than nothing');
  if (totalMinor < 0n) return allocate(-totalMinor, weights).map((part) => -part);
  const sum = weights.reduce((all, weight) => all + weight, 0n);
  if (sum === 0n) return weights.map((_, index) => (index === 0 ? totalMinor : 0n));
  const parts = weights.map((weight) => (totalMinor * weight) / sum);
  let left = totalMinor - parts.reduce((all, part) => all + part, 0n);
  const order = weights
    .map((weight, index) => ({ index, remainder: (totalMinor * weight) % sum }))
    .sort((a, b) => (a.remainder === b.remainder ? a.index - b.index : a.remainder > b.remainder ? -1 : 1));
  for (const { index } of order) {
    if (left === 0n) break;
    parts[index]! += 1n;
    left -= 1n;
  }
  return parts;
}

/** Whole seconds of a half-open span of ISO times. Throws `period-invalid` when it ends before it begins. */
export function secondsBetween(fromIso: string, toIso: string): bigint {
  const ms = BigInt(Date.parse(toIso)) - BigInt(Date.parse(fromIso));
  if (ms < 0n) throw new RatingError('period-invalid', `the span from ${fromIso} to ${toIso} ends before it begins`);
  return ms / 1000n;
}

/** `price × used / period`, exact: what a part of a period costs. */
export function prorated(price: Rational, usedSeconds: bigint, periodSeconds: bigint): Rational {
  if (periodSeconds <= 0n) throw new RatingError('period-invalid', 'a period has no length');
  return rational(price.n * usedSeconds, price.d * periodSeconds);
}

/** A percentage of an amount of minor units, rounded once. */
export const percentOf = (amountMinor: bigint, percent: Rational): bigint =>
  roundHalfAway(rational(amountMinor * percent.n, percent.d * 100n));
