import { z } from 'zod';
import { Meter } from '../meters.ts';
import { Plan } from '../plans.ts';

/** Money on the wire: integer minor units as a string, and an ISO 4217 code. Never a float. */
export const Money = z.object({ amount: z.string().regex(/^-?(0|[1-9][0-9]*)$/), currency: z.string().length(3) });
export type Money = z.infer<typeof Money>;

export const InvoiceLine = z.object({
  /** Stable identity of the line within its invoice. */
  identity: z.string(),
  /**
   * `usage` of a meter, `flat` fee of a subscription, `adjustment` for late usage of an earlier period, `minimum` up to a
   * commitment, `discount`, `credit` drawn from a grant, `tax` on the net of all others.
   */
  kind: z.enum(['usage', 'flat', 'adjustment', 'minimum', 'discount', 'credit', 'tax']),
  meter: Meter.nullable(),
  description: z.string(),
  /** Quantity in `unit`, an exact decimal string. */
  quantity: z.string(),
  unit: z.string(),
  /** Price of one `unit` in whole currency units, an exact decimal string. */
  unitPrice: z.string(),
  amount: Money,
  serviceFrom: z.iso.datetime(),
  serviceTo: z.iso.datetime(),
  /** Of an adjustment: the line of an earlier invoice that it corrects. */
  corrects: z.string().optional(),
});
export type InvoiceLine = z.infer<typeof InvoiceLine>;

/** `GET /v1/tenants/{tenantId}/invoices/preview`: the invoice if the period ended now, by the same code. */
export const InvoicePreview = z.object({
  status: z.literal('preview'),
  periodFrom: z.iso.datetime(),
  periodTo: z.iso.datetime(),
  asOf: z.iso.datetime(),
  currency: z.string().length(3),
  lines: z.array(InvoiceLine),
  total: Money,
});
export type InvoicePreview = z.infer<typeof InvoicePreview>;

/** What one `unit` of a meter costs on a plan. */
export const Price = z.object({
  plan: Plan,
  meter: Meter,
  /** What the meter is called on an invoice. */
  title: z.string(),
  /** The unit the meter is priced in, e.g. `GiB`. */
  unit: z.string(),
  /** Units free per month and account, an exact decimal string. */
  included: z.string(),
  /** Price of one unit in whole currency units, an exact decimal string. */
  unitPrice: z.string(),
  currency: z.string().length(3),
  validFrom: z.iso.datetime(),
  /** How quantities become money; `unitPrice` is that of the first tier or of a block where there are such. */
  model: z.enum(['per_unit', 'graduated', 'volume', 'package', 'flat']).optional(),
  tiers: z.array(z.object({ upTo: z.string().nullable(), unitPrice: z.string() })).optional(),
  blockSize: z.string().optional(),
});
export type Price = z.infer<typeof Price>;

/** `GET /v1/prices`: the public price list of the current month. */
export const PriceList = z.object({ asOf: z.iso.datetime(), items: z.array(Price) });
export type PriceList = z.infer<typeof PriceList>;
