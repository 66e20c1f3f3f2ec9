import { RatingError } from './rating-error.ts';

/** An exact fraction; `d` is positive. Not necessarily reduced. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

export const ZERO: Rational = { n: 0n, d: 1n };

const gcd = (a: bigint, b: bigint): bigint => {
  while (b !== 0n) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
};

/** `n / d` in lowest terms. */
export function rational(n: bigint, d = 1n): Rational {
  const divisor = gcd(n, d) || 1n;
  return d < 0n ? { n: -n / divisor, d: -d / divisor } : { n: n / divisor, d: d / divisor };
}

const DECIMAL = /^(-?)(0|[1-9][0-9]{0,59})(?:\.([0-9]{1,60}))?$/;

/** Reads `12.5`; no exponent, no plus sign, no spaces. Throws `decimal-invalid`. */
export function parseDecimal(text: string): Rational {
  const match = DECIMAL.exec(text);
  if (!match) throw new RatingError('decimal-invalid', `"${text}" is not an exact decimal number`);
  const fraction = match[3] ?? '';
  const magnitude = BigInt(match[2]! + fraction);
  return rational(match[1] === '-' ? -magnitude : magnitude, 10n ** BigInt(fraction.length));
}

export const add = (a: Rational, b: Rational): Rational => rational(a.n * b.d + b.n * a.d, a.d * b.d);
export const subtract = (a: Rational, b: Rational): Rational => rational(a.n * b.d - b.n * a.d, a.d * b.d);
export const multiply = (a: Rational, b: Rational): Rational => rational(a.n * b.n, a.d * b.d);
export const isLess = (a: Rational, b: Rational): boolean => a.n * b.d < b.n * a.d;
export const smaller = (a: Rational, b: Rational): Rational => (isLess(b, a) ? b : a);
export const larger = (a: Rational, b: Rational): Rational => (isLess(a, b) ? b : a);

/** Nearest integer, halves away from zero, so that `round(-x) = -round(x)` and a reversal is exact. */
export function roundHalfAway({ n, d }: Rational): bigint {
  const magnitude = ((n < 0n ? -n : n) * 2n + d) / (d * 2n);
  return n < 0n ? -magnitude : magnitude;
}

/** The least integer that is not below a non-negative fraction. */
export const ceiling = ({ n, d }: Rational): bigint => (n + d - 1n) / d;

/** True when the fraction has a finite decimal form. */
export function isDecimal(value: Rational): boolean {
  let { d } = rational(value.n, value.d);
  for (const prime of [2n, 5n]) while (d % prime === 0n) d /= prime;
  return d === 1n;
}

/** Significant digits of a number people read: from 1 on, and below 1. */
const DIGITS_FROM_ONE = 6;
const DIGITS_BELOW_ONE = 3;
/** Decimals at most; what is smaller than the last one is told so. */
const DECIMALS_MAX = 9;

/** A non-negative number for people, rounded half away from zero: `12.5`, `0.0000167`, `less than 0.000000001`. */
export function readableDecimal({ n, d }: Rational): string {
  if (n === 0n) return '0';
  const whole = (n / d).toString();
  let decimals = Math.max(0, DIGITS_FROM_ONE - whole.length);
  if (whole === '0') {
    for (decimals = 0; n * 10n ** BigInt(decimals + 1) < d && decimals < DECIMALS_MAX;) decimals += 1;
    decimals = Math.min(DECIMALS_MAX, decimals + DIGITS_BELOW_ONE);
  }
  const scale = 10n ** BigInt(decimals);
  const scaled = roundHalfAway({ n: n * scale, d });
  if (scaled === 0n) return `less than ${formatDecimal(rational(1n, scale))}`;
  return formatDecimal(rational(scaled, scale));
}

/** The exact decimal form without trailing zeros. Throws `decimal-invalid` when there is none. */
export function formatDecimal(value: Rational): string {
  if (!isDecimal(value)) throw new RatingError('decimal-invalid', `${value.n}/${value.d} has no finite decimal form`);
  const { n, d } = rational(value.n, value.d);
  let scale = 1n;
  let places = 0;
  for (; scale % d !== 0n; places += 1) scale *= 10n;
  const digits = ((n < 0n ? -n : n) * (scale / d)).toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const fraction = places === 0 ? '' : `.${digits.slice(digits.length - places)}`;
  return `${n < 0n ? '-' : ''}${whole}${fraction}`;
}
