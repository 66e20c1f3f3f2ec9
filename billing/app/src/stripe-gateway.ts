import { createHash } from 'node:crypto';
import type { Invoice, InvoiceLine } from '@robustmq/contracts';
import Stripe from 'stripe';
import { BillingError } from './billing-error.ts';
import type { GatewayCustomer, GatewayInvoice, GatewayState, PaymentGateway } from './payment-gateway.ts';

/** Items one Stripe invoice takes; more lines than that are rolled up per kind and meter. */
export const STRIPE_ITEMS_MAX = 250;
/** Keys under which a customer is tried to be made. */
const CUSTOMER_ATTEMPTS_MAX = 5;
/** Stripe's largest amount, in minor units. */
const AMOUNT_MINOR_MAX = 99_999_999n;

export interface StripeOptions {
  readonly secretKey: string;
  /** Where Stripe is, for tests; absent = the real one. */
  readonly endpoint?: { readonly host: string; readonly port: number; readonly protocol: 'http' | 'https' };
}

export const stripeClient = ({ secretKey, endpoint }: StripeOptions): Stripe =>
  // billing repeats by itself, with its own keys, after looking what is there
  new Stripe(secretKey, { telemetry: false, maxNetworkRetries: 0, timeout: 20_000, ...endpoint });

interface Item {
  readonly id: string;
  readonly amountMinor: bigint;
  readonly text: string;
  readonly from: string;
  readonly to: string;
}

const itemOf = (line: InvoiceLine): Item => ({
  id: line.identity,
  amountMinor: BigInt(line.amount.amount),
  text: `${line.description} (${line.quantity} ${line.unit} × ${line.unitPrice})`,
  ...{ from: line.serviceFrom, to: line.serviceTo },
});

/** The invoice's lines as Stripe items: line by line, or summed per kind and meter where there are too many. */
export function itemsOf(invoice: Invoice): Item[] {
  if (invoice.lines.length <= STRIPE_ITEMS_MAX) return invoice.lines.map(itemOf);
  const groups = Map.groupBy(invoice.lines, (line) => `${line.kind} ${line.meter ?? ''}`.trim());
  return [...groups].map(([name, own]) => ({
    id: `rolled-up/${name}`,
    amountMinor: own.reduce((sum, line) => sum + BigInt(line.amount.amount), 0n),
    text: `${name.replaceAll('_', ' ')}: ${own.length} lines, see the invoice's CSV`,
    ...{ from: invoice.periodFrom, to: invoice.periodTo },
  }));
}

const seconds = (iso: string): number => Math.floor(Date.parse(iso) / 1000);
const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 24);
const numberOf = (amountMinor: bigint): number => {
  if (amountMinor > AMOUNT_MINOR_MAX || amountMinor < -AMOUNT_MINOR_MAX)
    throw new BillingError('gateway-refused', `Stripe takes no amount of ${amountMinor} minor units`);
  return Number(amountMinor);
};

/**
 * Invoices through Stripe, whose copies are compared before they are charged. Keys of one revision make one thing; what a
 * lost answer left behind is found by its metadata. A server error is replayed by Stripe under the same key, so after one
 * the copy is thrown away and made under the next revision.
 */
export class StripeGateway implements PaymentGateway {
  readonly kind = 'stripe';
  readonly #stripe: Stripe;

  constructor(stripe: Stripe) {
    this.#stripe = stripe;
  }

  async upsertCustomer({ tenantId, customerId, buyer }: GatewayCustomer): Promise<string> {
    const fields = {
      ...(buyer.name === '' ? {} : { name: buyer.name }),
      ...(buyer.email === '' ? {} : { email: buyer.email }),
      metadata: { tenant_id: tenantId },
    };
    if (customerId !== null) return (await this.#stripe.customers.update(customerId, fields)).id;
    const made = await this.#createCustomer(tenantId);
    return (await this.#stripe.customers.update(made.id, fields)).id;
  }

  /**
   * The key holds no field that can change meanwhile, another body under it would be refused. A server error is kept under
   * its key for ever, so the next one is tried: at worst a customer without invoices is left over.
   */
  async #createCustomer(tenantId: string, attempt = 1): Promise<Stripe.Customer> {
    try {
      const idempotencyKey = `cus:${tenantId}:${attempt}`;
      return await this.#stripe.customers.create({ metadata: { tenant_id: tenantId } }, { idempotencyKey });
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeAPIError) || attempt >= CUSTOMER_ATTEMPTS_MAX) throw error;
      return this.#createCustomer(tenantId, attempt + 1);
    }
  }

  async upsertInvoice(request: GatewayInvoice): Promise<GatewayState> {
    return this.#guarded(async () => {
      const found = await this.#find(request);
      if (found && found.status !== 'draft') return stateOf(found);
      const draft = found ?? (await this.#create(request));
      const present = new Map<string, number>();
      for await (const line of this.#stripe.invoices.listLineItems(draft.id, { limit: 100 }))
        present.set(line.metadata['line_id'] ?? line.id, line.amount);
      for (const item of itemsOf(request.invoice)) {
        if (!present.has(item.id)) await this.#addItem(request, draft.id, item);
      }
      return stateOf(draft);
    });
  }

  async finalizeInvoice(request: GatewayInvoice): Promise<GatewayState> {
    return this.#guarded(async () => {
      const id = request.gatewayId!;
      const draft = await this.#stripe.invoices.retrieve(id);
      if (draft.status !== 'draft') return stateOf(draft);
      const difference = await this.#difference(request, draft);
      if (difference !== null) {
        await this.#stripe.invoices.del(id);
        throw new BillingError('gateway-differs', `Stripe's copy differs: ${difference}`);
      }
      const idempotencyKey = `fin:${request.invoice.id}:r${request.revision}`;
      return stateOf(await this.#stripe.invoices.finalizeInvoice(id, { auto_advance: true }, { idempotencyKey }));
    });
  }

  async voidInvoice({ gatewayId }: GatewayInvoice): Promise<GatewayState> {
    const found = await this.#stripe.invoices.retrieve(gatewayId!);
    if (found.status === 'draft') {
      await this.#stripe.invoices.del(found.id);
      return { gatewayId: found.id, status: 'void' };
    }
    return stateOf(found.status === 'open' ? await this.#stripe.invoices.voidInvoice(found.id) : found);
  }

  async portalUrl(customerId: string): Promise<string> {
    return (await this.#stripe.billingPortal.sessions.create({ customer: customerId })).url;
  }

  /** The copy of this revision, if there is one; drafts of earlier revisions are thrown away. */
  async #find({ gatewayId, customerId, invoice, revision }: GatewayInvoice): Promise<Stripe.Invoice | undefined> {
    if (gatewayId !== null) return this.#stripe.invoices.retrieve(gatewayId);
    let found: Stripe.Invoice | undefined;
    for await (const one of this.#stripe.invoices.list({ customer: customerId, limit: 100 })) {
      if (one.metadata?.['invoice_id'] !== invoice.id) continue;
      if (one.metadata['revision'] === String(revision)) found = one;
      else if (one.status === 'draft') await this.#stripe.invoices.del(one.id);
      // a charged copy of an earlier revision is the copy: there must never be a second one
      else if (one.status !== 'void') return one;
    }
    return found;
  }

  #create({ customerId, invoice, revision, tenantId }: GatewayInvoice): Promise<Stripe.Invoice> {
    return this.#stripe.invoices.create(
      {
        ...{ customer: customerId, currency: invoice.currency.toLowerCase(), auto_advance: false },
        ...{ collection_method: 'charge_automatically', pending_invoice_items_behavior: 'exclude' },
        description: `Invoice ${invoice.number}`,
        metadata: { invoice_id: invoice.id, tenant_id: tenantId, revision: String(revision) },
      },
      { idempotencyKey: `inv:${invoice.id}:r${revision}` },
    );
  }

  async #addItem({ customerId, invoice, revision }: GatewayInvoice, stripeInvoice: string, item: Item): Promise<void> {
    await this.#stripe.invoiceItems.create(
      {
        ...{ customer: customerId, invoice: stripeInvoice, currency: invoice.currency.toLowerCase() },
        ...{ amount: numberOf(item.amountMinor), description: item.text.slice(0, 500) },
        period: { start: seconds(item.from), end: seconds(item.to) },
        metadata: { line_id: item.id, invoice_id: invoice.id },
      },
      { idempotencyKey: `line:${invoice.id}:${short(item.id)}:r${revision}` },
    );
  }

  /** What of Stripe's draft is not ours; null = nothing. */
  async #difference({ customerId, invoice }: GatewayInvoice, draft: Stripe.Invoice): Promise<string | null> {
    const items = new Map(itemsOf(invoice).map((item) => [item.id, numberOf(item.amountMinor)]));
    if (draft.customer !== customerId) return `customer ${String(draft.customer)}`;
    if (draft.currency !== invoice.currency.toLowerCase()) return `currency ${draft.currency}`;
    let count = 0;
    for await (const line of this.#stripe.invoices.listLineItems(draft.id, { limit: 100 })) {
      count += 1;
      const id = line.metadata['line_id'] ?? line.id;
      if (items.get(id) !== line.amount) return `line ${id} of ${line.amount} instead of ${items.get(id) ?? 'none'}`;
      items.delete(id);
    }
    if (items.size > 0) return `${items.size} lines missing of ${count + items.size}`;
    return BigInt(draft.total) === BigInt(invoice.total.amount) ? null : `total ${draft.total}`;
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Stripe.errors.StripeAPIError)
        throw new BillingError('gateway-differs', `Stripe failed: ${error.message}`, { cause: error });
      throw error;
    }
  }
}

const STATES = ['draft', 'open', 'paid', 'void', 'uncollectible'] as const;

function stateOf(invoice: Stripe.Invoice): GatewayState {
  const status = STATES.find((one) => one === invoice.status);
  if (status === undefined) throw new BillingError('gateway-refused', `Stripe's copy is ${String(invoice.status)}`);
  return { gatewayId: invoice.id, status };
}
