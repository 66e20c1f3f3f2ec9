import type { Database } from '@robustmq/db';
import type Stripe from 'stripe';
import { BillingError } from './billing-error.ts';
import type { BillingRun } from './billing-run.ts';
import { NO_TENANT } from './prices.ts';

/** A delivery signed longer ago than this is refused, in seconds. */
export const SIGNATURE_TOLERANCE_SECONDS = 300;
/** Tenants read at once. */
const RESYNC_PAGE = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface WebhookOptions {
  readonly database: Database;
  readonly stripe: Stripe;
  readonly secret: string;
  readonly run: BillingRun;
  readonly now: () => Date;
}

/**
 * Takes Stripe's deliveries. They are hints: whatever one says, the invoice is fetched again and its state is what
 * counts, so lost, repeated and disordered deliveries end in the same place. Each event is worked on until it was once
 * done. Throws `signature-invalid` for a forged or stale one, before anything is written.
 */
export function stripeWebhook(options: WebhookOptions): (body: string, signature: string) => Promise<void> {
  const { database, stripe, secret } = options;
  return async (body, signature) => {
    let event: Stripe.Event;
    try {
      event = await stripe.webhooks.constructEventAsync(body, signature, secret, SIGNATURE_TOLERANCE_SECONDS);
    } catch (error) {
      throw new BillingError('signature-invalid', 'the delivery is not signed by the payment provider', {
        cause: error,
      });
    }
    const objectId = String(Reflect.get(event.data.object, 'id') ?? '');
    const data = { eventId: event.id, type: event.type, objectId, created: new Date(event.created * 1000) };
    const before = await database.withTenant(NO_TENANT, async (tx) => {
      await tx.stripeEvent.createMany({ data: [data], skipDuplicates: true });
      return tx.stripeEvent.findUniqueOrThrow({ where: { eventId: event.id } });
    });
    if (before.processedAt !== null) return;
    if (event.type.startsWith('invoice.') && objectId !== '') await follow(options, objectId);
    await database.withTenant(NO_TENANT, (tx) =>
      tx.stripeEvent.updateMany({ where: { eventId: event.id }, data: { processedAt: options.now() } }),
    );
  };
}

/**
 * Looks every unpaid invoice up at Stripe: what a delivery that never came would have said. Run once a day. An invoice
 * that cannot be looked up is told to `failed` and does not stop the others. Answers how many it looked at.
 */
export async function resync(
  options: Omit<WebhookOptions, 'secret'>,
  failed: (error: unknown) => void,
): Promise<number> {
  const { database } = options;
  let looked = 0;
  for (let after: string | undefined; ;) {
    const ids = await database.money.tenantIds(after, RESYNC_PAGE);
    for (const tenantId of ids) {
      const open = await database.withTenant(tenantId, (tx) =>
        tx.invoice.findMany({
          where: { tenantId, gateway: 'stripe', gatewayId: { not: null }, status: { in: ['issued', 'past_due'] } },
          select: { gatewayId: true },
        }),
      );
      for (const { gatewayId } of open) {
        await follow(options, gatewayId!).catch(failed);
        looked += 1;
      }
    }
    after = ids.at(-1);
    if (after === undefined || ids.length < RESYNC_PAGE) return looked;
  }
}

/** Brings our invoice in line with what Stripe says of its copy now. One that is not ours is left alone. */
export async function follow(
  { database, stripe, run, now }: Omit<WebhookOptions, 'secret'>,
  stripeInvoiceId: string,
): Promise<void> {
  const copy = await stripe.invoices.retrieve(stripeInvoiceId);
  const { tenant_id: tenantId = '', invoice_id: invoiceId = '' } = copy.metadata ?? {};
  if (!UUID.test(tenantId) || !UUID.test(invoiceId)) return;
  const row = await database.withTenant(tenantId, (tx) => tx.invoice.findFirst({ where: { tenantId, id: invoiceId } }));
  // the id was written by us; metadata alone would let anybody with the account name an invoice
  if (!row || (row.gatewayId !== null && row.gatewayId !== stripeInvoiceId)) return;
  if (copy.status === 'paid') await run.paid(tenantId, invoiceId, now());
  else if (copy.status === 'open' && copy.attempt_count > 0) await run.failed(tenantId, invoiceId, now());
}
