/** Money on the wire: minor units as an integer string, and an ISO 4217 code. */
export interface Money {
  readonly amount: string;
  readonly currency: string;
}

/** Minor-unit digits of a currency. */
export const exponentOf = (currency: string): number =>
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

const QUANTITY = new Intl.NumberFormat('en', { maximumSignificantDigits: 6 });
/** A quantity for reading: six significant digits of an exact decimal. */
export const quantityText = (decimal: string): string => QUANTITY.format(decimal as `${number}`);

/** What a plan's price says about one meter. */
export interface PlanPrice {
  readonly meter: string;
  readonly title: string;
  readonly unit: string;
  readonly included: string;
  readonly unitPrice: string;
  readonly currency: string;
}

/** Units people think in, for the meters that are rated in others: `size` of these make one rated unit. */
const FAMILIAR: Readonly<Record<string, { readonly unit: string; readonly size: number }>> = {
  node_seconds: { unit: 'hour', size: 1 / 3.6 },
  connection_seconds: { unit: 'million connection-minutes', size: 1 / 60 },
  warm_byte_seconds: { unit: 'GiB stored for 30 days', size: 1 / 2.592 },
  cold_byte_seconds: { unit: 'GiB stored for 30 days', size: 1 / 2.592 },
  partition_seconds: { unit: 'partition for 30 days', size: 1 / 2.592 },
};

/** `Data in: $0.06 per GiB, 1 GiB free a month`. Rounded where the familiar unit is not the rated one. */
export function planPriceText(price: PlanPrice): string {
  const { unit, size } = FAMILIAR[price.meter] ?? { unit: price.unit, size: 1 };
  if (Number(price.unitPrice) === 0) return `${price.title}: free`;
  const money = new Intl.NumberFormat('en', {
    ...{ style: 'currency', currency: price.currency, minimumFractionDigits: 2, maximumFractionDigits: 4 },
  }).format(Number(price.unitPrice) / size);
  const free = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }).format(Number(price.included) * size);
  const allowance =
    Number(price.included) === 0 ? '' : `, ${free} ${unit.replace(/ stored for.*/, ' stored')} free a month`;
  return `${price.title}: ${money} per ${unit}${allowance}`;
}
