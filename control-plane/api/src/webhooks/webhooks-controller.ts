import { randomBytes } from 'node:crypto';
import { Controller } from '@nestjs/common';
import { Webhook, WebhookDelivery } from '@robustmq/contracts';
import { Database, uuidv7, WebhookOutbox, type TenantTx } from '@robustmq/db';
import { KeyRing } from '../auth/key-ring.ts';
import { WEBHOOKS_MAX } from '../dry-run/limits.ts';
import { pageOf, readCursor } from '../http/cursor.ts';
import { Egress } from '../http/egress.ts';
import { notFound, ProblemError } from '../http/problem-error.ts';
import { Input, Route } from '../http/route.ts';
import type { RouteInput, RouteOutput } from '../http/route.ts';
import { TenantWrite } from '../http/tenant-write.ts';
import { undoUntil } from '../undo/undo-window.ts';
import { WebhookSender } from './webhook-sender.ts';

type WebhookRow = NonNullable<Awaited<ReturnType<TenantTx['webhook']['findUnique']>>>;
type DeliveryRow = NonNullable<Awaited<ReturnType<TenantTx['webhookDelivery']['findUnique']>>>;

/** A tenant's webhooks and what was sent to them. Secrets are sealed and shown once. */
@Controller()
export class WebhooksController {
  readonly #database: Database;
  readonly #write: TenantWrite;
  readonly #keys: KeyRing;
  readonly #egress: Egress;
  readonly #sender: WebhookSender;
  constructor(database: Database, write: TenantWrite, keys: KeyRing, egress: Egress, sender: WebhookSender) {
    this.#database = database;
    this.#write = write;
    this.#keys = keys;
    this.#egress = egress;
    this.#sender = sender;
  }

  @Route('listWebhooks')
  async list(@Input() { params, query }: RouteInput<'listWebhooks'>): Promise<RouteOutput<'listWebhooks'>> {
    const after = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(params.tenantId, (tx) =>
      tx.webhook.findMany({
        ...(after === undefined ? {} : { where: { id: { gt: after } } }),
        orderBy: { id: 'asc' },
        take: query.limit + 1,
      }),
    );
    const page = pageOf(rows, query.limit, (row) => [row.id]);
    return { ...page, items: page.items.map(webhookOf) };
  }

  @Route('createWebhook')
  async create(@Input() input: RouteInput<'createWebhook'>): Promise<RouteOutput<'createWebhook'>> {
    const { tenantId } = input.params;
    const { url, events } = input.body;
    this.#mayCall(url);
    const { answer } = await this.#write.run(input, 'webhook.create', async (tx) => {
      if ((await tx.webhook.count()) >= WEBHOOKS_MAX)
        throw new ProblemError('quota-exceeded', { detail: `A tenant has at most ${WEBHOOKS_MAX} webhooks.` });
      const id = uuidv7();
      const { secret, sealedSecret } = this.#newSecret(id);
      const row = await tx.webhook.create({ data: { id, tenantId, url, events, sealedSecret } });
      const target = { type: 'webhook', id };
      return { answer: { ...webhookOf(row), secret }, target, detail: { url, events } };
    });
    return answer;
  }

  @Route('updateWebhook')
  async update(@Input() input: RouteInput<'updateWebhook'>): Promise<RouteOutput<'updateWebhook'>> {
    const id = input.params.webhookId;
    const { url, events, enabled } = input.body;
    if (url !== undefined) this.#mayCall(url);
    const { answer } = await this.#write.run(input, 'webhook.update', async (tx) => {
      if (!(await tx.webhook.findUnique({ where: { id } }))) throw notFound();
      const data = {
        ...(url === undefined ? {} : { url }),
        ...(events === undefined ? {} : { events }),
        ...(enabled === undefined ? {} : { enabled, failingSince: null }),
      };
      const row = await tx.webhook.update({ where: { id }, data });
      return { answer: webhookOf(row), target: { type: 'webhook', id }, detail: { ...input.body } };
    });
    return answer;
  }

  @Route('rotateWebhookSecret')
  async rotate(@Input() input: RouteInput<'rotateWebhookSecret'>): Promise<RouteOutput<'rotateWebhookSecret'>> {
    const id = input.params.webhookId;
    const { answer } = await this.#write.run(input, 'webhook.rotate-secret', async (tx) => {
      if (!(await tx.webhook.findUnique({ where: { id } }))) throw notFound();
      const { secret, sealedSecret } = this.#newSecret(id);
      const row = await tx.webhook.update({ where: { id }, data: { sealedSecret } });
      return { answer: { ...webhookOf(row), secret }, target: { type: 'webhook', id } };
    });
    return answer;
  }

  @Route('deleteWebhook')
  async remove(@Input() input: RouteInput<'deleteWebhook'>): Promise<void> {
    const id = input.params.webhookId;
    await this.#write.run(input, 'webhook.delete', async (tx) => {
      const row = await tx.webhook.findUnique({ where: { id } });
      if (!row) throw notFound();
      await tx.webhook.delete({ where: { id } });
      const { url, events, enabled, sealedSecret, createdAt } = row;
      const data = { id, url, events, enabled, createdAt, sealedSecret: Buffer.from(sealedSecret).toString('base64') };
      const operation = { undo: { until: undoUntil(), data } };
      return { answer: null, target: { type: 'webhook', id }, detail: { url }, operation };
    });
  }

  @Route('testWebhook')
  async test(@Input() input: RouteInput<'testWebhook'>): Promise<RouteOutput<'testWebhook'>> {
    const { tenantId, webhookId } = input.params;
    const { answer } = await this.#write.run(input, 'webhook.send-test', async (tx) => {
      const row = await tx.webhook.findUnique({ where: { id: webhookId } });
      if (!row) throw notFound();
      const delivery = await WebhookOutbox.promise(tx, tenantId, webhookId, {
        ...{ type: 'webhook.test', timestamp: new Date().toISOString(), data: { tenantId, webhookId } },
      });
      return { answer: deliveryOf(delivery), target: { type: 'webhook', id: webhookId } };
    });
    this.#sender.wake();
    return answer;
  }

  @Route('listWebhookDeliveries')
  async deliveries(
    @Input() { params, query }: RouteInput<'listWebhookDeliveries'>,
  ): Promise<RouteOutput<'listWebhookDeliveries'>> {
    const { tenantId, webhookId } = params;
    const before = readCursor(query.cursor, 1)?.[0];
    const rows = await this.#database.withTenant(tenantId, async (tx) => {
      if (!(await tx.webhook.findUnique({ where: { id: webhookId } }))) throw notFound();
      return tx.webhookDelivery.findMany({
        where: { webhookId, ...(before === undefined ? {} : { id: { lt: before } }) },
        orderBy: { id: 'desc' },
        take: query.limit + 1,
      });
    });
    const page = pageOf(rows, query.limit, (row) => [row.id]);
    return { ...page, items: page.items.map(deliveryOf) };
  }

  @Route('replayWebhookDelivery')
  async replay(@Input() input: RouteInput<'replayWebhookDelivery'>): Promise<RouteOutput<'replayWebhookDelivery'>> {
    const { tenantId, webhookId, deliveryId: id } = input.params;
    const { answer } = await this.#write.run(input, 'webhook.replay', async (tx) => {
      if (!(await tx.webhookDelivery.findFirst({ where: { id, webhookId } }))) throw notFound();
      const row = await tx.webhookDelivery.update({ where: { id }, data: { status: 'pending', attempts: 0 } });
      await WebhookOutbox.again(tx, tenantId, id);
      return { answer: deliveryOf(row), target: { type: 'webhook', id: webhookId }, detail: { deliveryId: id } };
    });
    this.#sender.wake();
    return answer;
  }

  #mayCall(url: string): void {
    const objection = this.#egress.objection(url);
    if (objection !== undefined)
      throw new ProblemError('validation-failed', { errors: [{ pointer: '/url', detail: objection }] });
  }

  /** `whsec_` and base64 of 32 bytes, as Standard Webhooks has it. */
  #newSecret(id: string): { secret: string; sealedSecret: Uint8Array<ArrayBuffer> } {
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    return { secret, sealedSecret: new Uint8Array(this.#keys.seal(secret, `webhook:${id}`)) };
  }
}

const webhookOf = ({ id, url, events, enabled, failingSince, createdAt }: WebhookRow): Webhook => ({
  ...{ id, url, events, enabled },
  failingSince: failingSince?.toISOString() ?? null,
  createdAt: createdAt.toISOString(),
});

const deliveryOf = (row: DeliveryRow): WebhookDelivery => ({
  ...{ id: row.id, event: row.event, status: WebhookDelivery.shape.status.parse(row.status), attempts: row.attempts },
  ...{ responseStatus: row.responseStatus, error: row.error, createdAt: row.createdAt.toISOString() },
  lastAttemptAt: row.lastAttemptAt?.toISOString() ?? null,
});
