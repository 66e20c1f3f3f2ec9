export { billingServer, listenOnSocket, type BillingServerOptions } from './http-server.ts';
export { previewInvoice } from './invoice-preview.ts';
export { monthOf, type BillingPeriod } from './period.ts';
export { seedPrices } from './prices.ts';
export { BillingError, BILLING_ERRORS, type BillingErrorCode } from './billing-error.ts';
