import { RatingError } from './rating-error.ts';

/** Digits of the minor unit of each currency we bill in (ISO 4217 "E"). Absent = we do not bill in it. */
export const CURRENCY_EXPONENT: Readonly<Record<string, 0 | 2 | 3>> = {
  AUD: 2,
  BHD: 3,
  BRL: 2,
  CAD: 2,
  CHF: 2,
  CLP: 0,
  CNY: 2,
  CZK: 2,
  DKK: 2,
  EUR: 2,
  GBP: 2,
  HKD: 2,
  HUF: 2,
  INR: 2,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KRW: 0,
  KWD: 3,
  MXN: 2,
  NOK: 2,
  NZD: 2,
  OMR: 3,
  PLN: 2,
  SEK: 2,
  SGD: 2,
  TND: 3,
  TRY: 2,
  USD: 2,
  VND: 0,
  ZAR: 2,
};

/** How many minor units one whole unit has. Throws `currency-unknown`. */
export function minorUnits(currency: string): bigint {
  const exponent = CURRENCY_EXPONENT[currency];
  if (exponent === undefined) throw new RatingError('currency-unknown', `"${currency}" is not a currency we bill in`);
  return 10n ** BigInt(exponent);
}
