import { z } from 'zod';
import { pageOf } from './page.ts';

/** `*`, everything of a noun (`cluster.*`), or one thing that happens (`cluster.create`): actions of the audit log. */
export const WebhookEvent = z
  .string()
  .max(100)
  .regex(/^(\*|[a-z][a-z-]*\.(\*|[a-z][a-z-]*))$/, 'use *, noun.* or noun.verb');
const Events = z.array(WebhookEvent).min(1).max(50);
const Url = z.url({ protocol: /^https?$/ }).max(2_048);

/** `POST …/webhooks`: https on port 443 or 8443, at a public address. */
export const CreateWebhookBody = z.object({ url: Url, events: Events.default(['*']) }).strict();
/** `PATCH …/webhooks/{webhookId}`; `enabled: true` also forgets earlier failures. */
export const UpdateWebhookBody = z
  .object({ url: Url.optional(), events: Events.optional(), enabled: z.boolean().optional() })
  .strict();

export const Webhook = z.object({
  id: z.uuid(),
  url: z.string(),
  events: z.array(z.string()),
  /** False: nothing is delivered, be it by choice or after days of failures. */
  enabled: z.boolean(),
  /** The first failure since the last success. */
  failingSince: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export type Webhook = z.infer<typeof Webhook>;
/** `secret` (`whsec_…`, Standard Webhooks) is shown this once. */
export const WebhookCreated = Webhook.extend({ secret: z.string() });
export const WebhookPage = pageOf(Webhook);

/** One message to one endpoint; its id is the `webhook-id` header, the same for every attempt. */
export const WebhookDelivery = z.object({
  id: z.uuid(),
  event: z.string(),
  status: z.enum(['pending', 'delivered', 'failed']),
  attempts: z.int(),
  /** Of the last attempt; null when there was no answer. */
  responseStatus: z.int().nullable(),
  error: z.string().nullable(),
  createdAt: z.iso.datetime(),
  lastAttemptAt: z.iso.datetime().nullable(),
});
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;
export const WebhookDeliveryPage = pageOf(WebhookDelivery);
