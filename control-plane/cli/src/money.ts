/** Minor-unit digits of a currency (ISO 4217 exponent). */
export const exponentOf = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;

/** `{amount: "-1234567", currency: "USD"}` as `-12345.67 USD`. Digits are moved, never computed with. */
export function moneyOf(money: { readonly amount: string; readonly currency: string }): string {
  const exponent = exponentOf(money.currency);
  const sign = money.amount.startsWith('-') ? '-' : '';
  const digits = money.amount.slice(sign.length).padStart(exponent + 1, '0');
  const whole = digits.slice(0, digits.length - exponent);
  const fraction = exponent === 0 ? '' : `.${digits.slice(-exponent)}`;
  return `${sign}${whole}${fraction} ${money.currency}`;
}
