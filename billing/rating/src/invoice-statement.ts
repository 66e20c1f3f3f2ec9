import type { InvoiceInputs, InvoiceLine } from '@robustmq/contracts';
import { correctionLines } from './correction.ts';
import type { PriceVersion } from './price.ts';
import { rate } from './rate.ts';
import { makeStatement, type Statement } from './statement.ts';

const asPrices = (prices: InvoiceInputs['prices']): PriceVersion[] => prices as unknown as PriceVersion[];

/** What late usage of one earlier period still has to be billed for. */
export function correctionsOf(one: InvoiceInputs['corrected'][number], currency: string): InvoiceLine[] {
  const prices = asPrices(one.prices);
  const rated = rate({ prices, quantities: one.quantities, period: one.period, currency }).lines;
  return correctionLines(rated, one.billed, one.period.from.slice(0, 7));
}

/** The bill that follows from its inputs, and from nothing else: billing and `invoice verify` both make it here. */
export function statementOf(inputs: InvoiceInputs): Statement {
  const corrections = inputs.corrected.flatMap((one) => correctionsOf(one, inputs.currency));
  return makeStatement({ ...inputs, prices: asPrices(inputs.prices), corrections });
}
