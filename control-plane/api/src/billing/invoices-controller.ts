import { Controller } from '@nestjs/common';
import { InvoicePreview, PriceList } from '@robustmq/contracts';
import type { z } from 'zod';
import { ProblemError } from '../http/problem-error.ts';
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
    return shaped(InvoicePreview, await this.#billing.ask({ method: 'GET', path }));
  }

  @Route('listPrices')
  async prices(): Promise<RouteOutput<'listPrices'>> {
    return shaped(PriceList, await this.#billing.ask({ method: 'GET', path: '/internal/prices' }));
  }
}

/** Billing's answer in the contract's shape; another shape means that billing is of another version. */
function shaped<T extends z.ZodType>(shape: T, answer: unknown): z.output<T> {
  const read = shape.safeParse(answer);
  if (read.success) return read.data;
  throw new ProblemError('unavailable', {
    detail: 'Billing answers in a way that is not understood; usage is still counted.',
  });
}
