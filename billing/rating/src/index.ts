export {
  checkPrice,
  priceAt,
  PRICE_DECIMALS_MAX,
  rate,
  type Period,
  type Quantity,
  type Rating,
  type RatingInput,
} from './rate.ts';
export { BILLING_UNITS, type BillingUnit, type PriceTier, type PriceVersion } from './price.ts';
export { PRICE_LIST } from './price-list.ts';
export { CURRENCY_EXPONENT, minorUnits } from './currency.ts';
export { RatingError, RATING_ERRORS, type RatingErrorCode } from './rating-error.ts';
export { allocate, percentOf, prorated, secondsBetween } from './proration.ts';
export { flatLines, type FlatPhase } from './subscription.ts';
export { correctionLines, wholeUnits } from './correction.ts';
export {
  drawOrder,
  makeStatement,
  type CreditGrant,
  type Discount,
  type Statement,
  type StatementInput,
  type Tax,
} from './statement.ts';
export { formatDecimal, parseDecimal, rational, readableDecimal, roundHalfAway, type Rational } from './rational.ts';
export { correctionsOf, statementOf } from './invoice-statement.ts';
export { verifyInvoice, type VerifyReport } from './verify.ts';
