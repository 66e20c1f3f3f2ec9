import { Controller } from '@nestjs/common';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { BillingLink } from './billing-link.ts';

/** Previews and prices: billing's, asked over its socket once the caller is authenticated and authorised. */
@Controller()
export class InvoicesController {
  readonly #billing: BillingLink;
  constructor(billing: BillingLink) {
    this.#billing = billing;
  }

  @Route('previewInvoice')
  async preview(@Input() { params }: RouteInput<'previewInvoice'>): Promise<RouteOutput<'previewInvoice'>> {
    const path = `/internal/tenants/${params.tenantId}/invoices/preview`;
    return (await this.#billing.ask({ method: 'GET', path })) as RouteOutput<'previewInvoice'>;
  }

  @Route('listPrices')
  async prices(): Promise<RouteOutput<'listPrices'>> {
    return (await this.#billing.ask({ method: 'GET', path: '/internal/prices' })) as RouteOutput<'listPrices'>;
  }
}
