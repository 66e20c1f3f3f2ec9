/** Money on the wire: minor units as an integer string, and an ISO 4217 code. */
export interface Money {
  readonly amount: string;
  readonly currency: string;
}

/** Minor-unit digits of a currency. */
const exponentOf = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** `{amount: "-1234567", currency: "USD"}` as `-$12,345.67`: the point is moved in the text, nothing is computed. */
export function moneyText({ amount, currency }: Money): string {
  if (!/^-?\d+$/.test(amount)) throw new RangeError(`"${amount}" is no amount of minor units`);
  const exponent = exponentOf(currency);
  const sign = amount.startsWith('-') ? '-' : '';
  const digits = amount.slice(sign.length).padStart(exponent + 1, '0');
  const whole = digits.slice(0, digits.length - exponent);
  const decimal = exponent === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-exponent)}`;
  // A decimal string is formatted exactly (ECMA-402, Intl mathematical values).
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(decimal as `${number}`);
}

/** A unit price: an exact decimal of whole currency units, all its digits shown. */
export const priceText = (price: string, currency: string): string =>
  new Intl.NumberFormat('en', { style: 'currency', currency, maximumFractionDigits: 20 }).format(price as `${number}`);

/** An exact decimal, grouped by thousands, all its digits kept. */
export const decimalText = (decimal: string): string =>
  new Intl.NumberFormat('en', { maximumFractionDigits: 100 }).format(decimal as `${number}`);
