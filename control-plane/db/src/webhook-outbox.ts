import type { Prisma, WebhookDelivery } from './generated/prisma/client.ts';
import type { TenantTx } from './tenant-tx.ts';
import { uuidv7 } from './uuid.ts';
import { WorkQueue } from './work.ts';

/** The body of a webhook message (Standard Webhooks §payload): what happened, when, and to what. */
export interface WebhookMessage {
  /** `noun.verb` */
  readonly type: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
}

/** Messages to webhooks, promised in the transaction of what they tell. */
export class WebhookOutbox {
  /** One message to one webhook; its id is kept through all attempts. */
  static async promise(
    tx: TenantTx,
    tenantId: string,
    webhookId: string,
    message: WebhookMessage,
  ): Promise<WebhookDelivery> {
    const payload = message as unknown as Prisma.InputJsonObject;
    const row = await tx.webhookDelivery.create({
      data: { id: uuidv7(), tenantId, webhookId, event: message.type, payload },
    });
    await WorkQueue.promise(tx, 'deliver-webhook', row.id, tenantId);
    return row;
  }

  /** Promises a message that was sent, or given up, once more. */
  static again(tx: TenantTx, tenantId: string, deliveryId: string): Promise<void> {
    return WorkQueue.promise(tx, 'deliver-webhook', deliveryId, tenantId);
  }

  /** A message to every webhook of the tenant that wants `noun.verb`, `noun.*` or everything. */
  static async tell(tx: TenantTx, tenantId: string, message: WebhookMessage): Promise<void> {
    const [noun = ''] = message.type.split('.');
    const wanted = await tx.webhook.findMany({
      where: { tenantId, enabled: true, events: { hasSome: ['*', `${noun}.*`, message.type] } },
      select: { id: true },
    });
    for (const { id } of wanted) await WebhookOutbox.promise(tx, tenantId, id, message);
  }
}
