import { z } from 'zod';
import { ClusterId } from '../ids.ts';
import { Meter, UsageProtocol } from '../meters.ts';
import { Plan } from '../plans.ts';
import { CounterString, UsageWindow } from '../usage-window.ts';
import { InvoiceLine, Money } from './billing.ts';
import { PageQuery, pageOf } from './page.ts';

export const InvoiceStatus = z.enum(['draft', 'held', 'issued', 'paid', 'past_due', 'void', 'uncollectible']);
export type InvoiceStatus = z.infer<typeof InvoiceStatus>;

/** Who a bill is from, or for. Lines of an address are printed as they stand. */
export const Party = z.object({
  name: z.string().max(200).default(''),
  address: z.array(z.string().max(200)).max(8).default([]),
  taxId: z.string().max(60).default(''),
  email: z.string().max(254).default(''),
});
export type Party = z.infer<typeof Party>;

/** `GET …/invoices`: newest first. A draft has no number and may still change for 48 hours after its period. */
export const InvoiceSummary = z.object({
  id: z.uuid(),
  kind: z.enum(['invoice', 'credit_note']),
  number: z.string().nullable(),
  status: InvoiceStatus,
  currency: z.string().length(3),
  periodFrom: z.iso.datetime(),
  periodTo: z.iso.datetime(),
  subtotal: Money,
  tax: Money,
  total: Money,
  /** Why a held draft is not issued: `usage-gap` or `anomaly`. */
  holdReason: z.string().nullable(),
  createdAt: z.iso.datetime(),
  issuedAt: z.iso.datetime().nullable(),
  dueAt: z.iso.datetime().nullable(),
  settledAt: z.iso.datetime().nullable(),
});
export type InvoiceSummary = z.infer<typeof InvoiceSummary>;
export const InvoicePage = pageOf(InvoiceSummary);

export const Invoice = InvoiceSummary.extend({ seller: Party, buyer: Party, lines: z.array(InvoiceLine) });
export type Invoice = z.infer<typeof Invoice>;

/** A file in an answer: its bytes in base64. */
export const FileAnswer = z.object({ fileName: z.string(), contentType: z.string(), contentBase64: z.string() });
export type FileAnswer = z.infer<typeof FileAnswer>;
/** `GET …/invoices/{invoiceId}/document` */
export const DocumentQuery = z.object({
  format: z.enum(['pdf', 'csv', 'json']).default('pdf'),
  paper: z.enum(['a4', 'letter']).default('a4'),
});

const PriceOfProof = z.object({
  plan: Plan,
  meter: Meter,
  currency: z.string(),
  included: z.string(),
  validFrom: z.string(),
  validTo: z.string().nullable(),
  model: z.enum(['per_unit', 'graduated', 'volume', 'package', 'flat']),
  unitPrice: z.string().optional(),
  blockSize: z.string().optional(),
  tiers: z.array(z.object({ upTo: z.string().nullable(), unitPrice: z.string() })).optional(),
});
const Quantity = z.object({ plan: Plan, meter: Meter, quantity: CounterString });
const Period = z.object({ from: z.string(), to: z.string() });
const Titled = z.object({ id: z.string(), title: z.string(), percent: z.string() });

/** Everything an invoice's lines follow from; frozen with it. */
export const InvoiceInputs = z.object({
  period: Period,
  currency: z.string(),
  prices: z.array(PriceOfProof),
  quantities: z.array(Quantity),
  phases: z.array(
    z.object({
      ...{ item: z.string(), title: z.string(), periodPrice: z.string(), currency: z.string() },
      ...{ from: z.string(), to: z.string().nullable() },
    }),
  ),
  commitment: z.string().nullable(),
  isFinal: z.boolean(),
  discounts: z.array(Titled),
  credits: z.array(
    z.object({
      ...{ id: z.string(), title: z.string(), remainingMinor: z.string(), currency: z.string() },
      ...{ priority: z.number(), expiresAt: z.string().nullable(), createdAt: z.string() },
    }),
  ),
  creditsAt: z.string(),
  taxes: z.array(Titled),
  /** Earlier periods whose usage came in late: their quantities as known now, and what was billed for them before. */
  corrected: z.array(
    z.object({
      period: Period,
      prices: z.array(PriceOfProof),
      quantities: z.array(Quantity),
      billed: z.array(InvoiceLine),
    }),
  ),
  /** Which plan each cluster was on; `until` ends the ones before the last. */
  clusters: z.array(
    z.object({
      id: ClusterId,
      name: z.string(),
      plans: z.array(z.object({ plan: Plan, until: z.string().nullable() })),
    }),
  ),
  /** Windows that came in after this instant are not in the quantities. */
  countedUntil: z.string(),
});
export type InvoiceInputs = z.infer<typeof InvoiceInputs>;

/** A counted window with the agent that signed it. `signature` is absent where an agent signed whole batches only. */
export const SignedWindow = UsageWindow.extend({ agentId: z.uuid() });
export type SignedWindow = z.infer<typeof SignedWindow>;

/** `GET …/invoices/{invoiceId}/proof`: what the invoice follows from, and the keys its windows are signed with. */
export const InvoiceProof = z.object({
  invoice: Invoice,
  inputs: InvoiceInputs,
  agentKeys: z.record(z.string(), z.string()),
});
export type InvoiceProof = z.infer<typeof InvoiceProof>;
/** `GET …/invoices/{invoiceId}/windows`: every window of the invoice's periods, in one fixed order. */
export const WindowQuery = PageQuery.extend({ limit: z.coerce.number().int().min(1).max(5_000).default(2_000) });
export const SignedWindowPage = pageOf(SignedWindow);

export const Standing = z.enum(['good', 'past_due', 'restricted', 'suspended']);
export type Standing = z.infer<typeof Standing>;

/** `GET …/subscription` */
export const Subscription = z.object({
  currency: z.string().length(3),
  buyer: Party,
  standing: Standing,
  standingSince: z.iso.datetime().nullable(),
  /** Support levels that can be chosen, and the one in force. */
  support: z.string(),
  supportChoices: z.array(z.object({ choice: z.string(), title: z.string(), periodPrice: z.string() })),
  commitment: z.string().nullable(),
  trialEndsAt: z.iso.datetime().nullable(),
  creditBalance: Money,
  gateway: z.enum(['offline', 'stripe']),
  /** A sandbox's time; null for everybody else. */
  testClock: z.iso.datetime().nullable(),
});
export type Subscription = z.infer<typeof Subscription>;
/** `PATCH …/subscription` */
export const UpdateSubscriptionBody = z
  .object({ buyer: Party.optional(), support: z.string().max(40).optional() })
  .strict();

/** `GET …/credits` */
export const Credit = z.object({
  id: z.uuid(),
  title: z.string(),
  kind: z.enum(['promotion', 'trial', 'coupon', 'prepaid', 'refund']),
  amount: Money,
  remaining: Money,
  expiresAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export const CreditList = z.object({ balance: Money, items: z.array(Credit) });
/** `POST …/credits` redeems a coupon; the same code again changes nothing. */
export const RedeemBody = z.object({ code: z.string().trim().min(1).max(60) }).strict();
export const Redeemed = z.object({ code: z.string(), title: z.string() });

/** What happens at a threshold: a client event and a mail, or besides the cluster's ingress at a trickle. */
export const BudgetAction = z.enum(['notify', 'throttle']);
const Threshold = z.object({ percent: z.int().min(1).max(1000), action: BudgetAction });
const budgetFields = {
  name: z.string().trim().min(1).max(80),
  /** Only this cluster's cost; null = the whole tenant's. */
  clusterId: ClusterId.nullable(),
  /** Minor units per month. */
  amountMinor: z.string().regex(/^[1-9][0-9]{0,17}$/),
  thresholds: z.array(Threshold).min(1).max(10),
  /**
   * Order of sacrifice: clusters that `throttle` slows down, the first one first, one more with every threshold that
   * throttles, and all of the list with the last. Clusters that are not listed are left alone; empty = all at once.
   */
  sacrifice: z.array(ClusterId).max(50),
};
export const CreateBudgetBody = z
  .object({
    ...budgetFields,
    clusterId: budgetFields.clusterId.default(null),
    sacrifice: budgetFields.sacrifice.default([]),
  })
  .strict();
export const UpdateBudgetBody = z
  .object({ ...budgetFields })
  .partial()
  .strict();
export const Budget = z.object({
  id: z.uuid(),
  name: z.string(),
  clusterId: ClusterId.nullable(),
  amount: Money,
  thresholds: z.array(Threshold),
  sacrifice: z.array(ClusterId).default([]),
  /** Spent in the current month, before credits and taxes. */
  spent: Money,
  alerts: z.array(z.object({ percent: z.int(), action: BudgetAction, spent: Money, firedAt: z.iso.datetime() })),
});
export type Budget = z.infer<typeof Budget>;
export const BudgetList = z.object({ items: z.array(Budget) });

/** `GET …/costs`: this month so far. Shares are of the rounded lines and add up to them. */
export const Costs = z.object({
  periodFrom: z.iso.datetime(),
  periodTo: z.iso.datetime(),
  asOf: z.iso.datetime(),
  total: Money,
  /** The month's cost if it goes on as in the last seven days. */
  forecast: Money,
  previousTotal: Money,
  byCluster: z.array(z.object({ clusterId: ClusterId, name: z.string(), plan: Plan, amount: Money })),
  byProtocol: z.array(z.object({ protocol: UsageProtocol, amount: Money })),
  byMeter: z.array(z.object({ meter: Meter.nullable(), amount: Money })),
  /** Why the bill moved: per line, the forecast against the month before; the largest movement first. */
  reasons: z.array(z.object({ meter: Meter.nullable(), from: Money, to: Money, text: z.string() })),
});
export type Costs = z.infer<typeof Costs>;

/** `GET …/usage/export` */
export const UsageExportQuery = z.object({
  clusterId: ClusterId.optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  granularity: z.enum(['hour', 'day', 'month']).default('day'),
  format: z.enum(['csv', 'json']).default('csv'),
});

/** `POST …/payment-portal` */
export const PaymentPortal = z.object({ url: z.url() });
