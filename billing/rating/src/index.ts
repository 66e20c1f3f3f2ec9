export { rate, type Period, type Quantity, type Rating, type RatingInput } from './rate.ts';
export { BILLING_UNITS, type BillingUnit, type PriceTier, type PriceVersion } from './price.ts';
export { PRICE_LIST } from './price-list.ts';
export { CURRENCY_EXPONENT, minorUnits } from './currency.ts';
export { RatingError, RATING_ERRORS, type RatingErrorCode } from './rating-error.ts';
