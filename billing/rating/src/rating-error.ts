/** Every way rating refuses its input. Nothing is ever guessed: a bill that cannot be right is not made. */
export const RATING_ERRORS = {
  'decimal-invalid': 'a price, allowance or quantity is not an exact decimal number',
  'unit-invalid': 'a unit whose quantities have no finite decimal form',
  'currency-unknown': 'a currency whose minor unit is not known',
  'currency-mixed': 'prices of one invoice in more than one currency',
  'price-missing': 'usage of a billed meter without a price',
  'price-ambiguous': 'two prices for the same meter, plan and time',
  'discount-invalid': 'a discount or tax rate below 0 % or a discount above 100 %',
  'phases-overlap': 'two phases of one subscription item at the same time',
  'period-invalid': 'a period that does not end after its begin',
  'tiers-invalid': 'tiers that do not rise to an open end',
} as const;
export type RatingErrorCode = keyof typeof RATING_ERRORS;

export class RatingError extends Error {
  readonly code: RatingErrorCode;

  constructor(code: RatingErrorCode, message: string) {
    super(message);
    this.name = 'RatingError';
    this.code = code;
  }
}
