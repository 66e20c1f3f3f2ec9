import type { Invoice, Party } from '@robustmq/contracts';

export interface GatewayCustomer {
  readonly tenantId: string;
  readonly customerId: string | null;
  readonly buyer: Party;
}

/** An issued invoice on its way to a payment provider. */
export interface GatewayInvoice {
  readonly tenantId: string;
  readonly customerId: string;
  readonly invoice: Invoice;
  /** The provider's id when it was sent before. */
  readonly gatewayId: string | null;
  /** Grows when the provider's copy had to be thrown away. */
  readonly revision: number;
}

/** How the provider's copy of an invoice stands. */
export interface GatewayState {
  readonly gatewayId: string;
  readonly status: 'draft' | 'open' | 'paid' | 'void' | 'uncollectible';
}

/** The whole of what billing knows of payment. Every method may be called again after any failure. */
export interface PaymentGateway {
  readonly kind: 'offline' | 'stripe';
  /** Answers the customer's id. */
  upsertCustomer(customer: GatewayCustomer): Promise<string>;
  /** Makes the provider's draft equal to ours. Throws `gateway-differs` when it cannot be made so under this revision. */
  upsertInvoice(invoice: GatewayInvoice): Promise<GatewayState>;
  /** Compares once more and finalises; throws `gateway-differs` rather than charge something else. */
  finalizeInvoice(invoice: GatewayInvoice): Promise<GatewayState>;
  voidInvoice(invoice: GatewayInvoice): Promise<GatewayState>;
  /** A short-lived address where the customer changes cards and tax ids; absent where there is no such place. */
  portalUrl?(customerId: string): Promise<string>;
}

/** Without a provider: invoices are sent by people and marked paid by the operator. */
export class OfflineGateway implements PaymentGateway {
  readonly kind = 'offline';

  upsertCustomer({ tenantId }: GatewayCustomer): Promise<string> {
    return Promise.resolve(`offline:${tenantId}`);
  }
  upsertInvoice({ invoice }: GatewayInvoice): Promise<GatewayState> {
    return Promise.resolve({ gatewayId: `offline:${invoice.id}`, status: 'draft' });
  }
  finalizeInvoice({ invoice }: GatewayInvoice): Promise<GatewayState> {
    return Promise.resolve({ gatewayId: `offline:${invoice.id}`, status: 'open' });
  }
  voidInvoice({ invoice }: GatewayInvoice): Promise<GatewayState> {
    return Promise.resolve({ gatewayId: `offline:${invoice.id}`, status: 'void' });
  }
}
