import { CURRENCY_EXPONENT } from '@robustmq/rating';

/** Minor units for people: `1,234.50`, digits moved and never computed. */
export function amountText(amount: string, currency: string): string {
  const exponent = CURRENCY_EXPONENT[currency] ?? 2;
  const sign = amount.startsWith('-') ? '-' : '';
  const digits = amount.slice(sign.length).padStart(exponent + 1, '0');
  const whole = digits.slice(0, digits.length - exponent).replaceAll(/\B(?=(\d{3})+$)/g, ',');
  return `${sign}${whole}${exponent === 0 ? '' : `.${digits.slice(-exponent)}`}`;
}
