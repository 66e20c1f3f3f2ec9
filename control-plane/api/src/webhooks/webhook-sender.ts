import { Inject, Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { appendAudit, Database, WorkQueue, type DueWork } from '@robustmq/db';
import { Webhook } from 'standardwebhooks';
import { KeyRing } from '../auth/key-ring.ts';
import { Egress, EgressRefused } from '../http/egress.ts';
import type { Settings } from '../settings.ts';
import { SETTINGS } from '../tokens.ts';

/** How often deliveries that are due are looked for, in milliseconds, and how many are under way at once. */
const LOOK_MS = 1_000;
const AT_ONCE = 8;
/** A process that dies in the middle of an attempt leaves it to the others after so long, in milliseconds. */
const LEASE_MS = 30_000;
/** Pauses before the second, third … attempt: after the last one the delivery has failed. Milliseconds. */
const BACKOFF_MS = [5_000, 60_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000];
/** A webhook that failed all the time for three days is switched off. */
const FAILING_MS_MAX = 3 * 24 * 3600_000;
/** Deliveries are kept for so long, in milliseconds. */
const KEPT_MS = 30 * 24 * 3600_000;
const GONE = 410;
const ERROR_CHARS_MAX = 200;

interface Attempt {
  readonly id: string;
  readonly webhookId: string;
  readonly url: string;
  readonly secret: string;
  readonly payload: string;
  /** This one included. */
  readonly attempts: number;
}

interface Outcome {
  readonly ok: boolean;
  readonly status: number | null;
  readonly error: string | null;
}

/**
 * Sends what is promised to webhooks, from the outbox: any process may take a delivery, each attempt is leased, and a
 * lost one is made again, so a receiver may see a message twice, under one `webhook-id`.
 */
@Injectable()
export class WebhookSender implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #database: Database;
  readonly #keys: KeyRing;
  readonly #egress: Egress;
  readonly #backoffMs: readonly number[];
  readonly #failingMsMax: number;
  readonly #log = new Logger('webhooks');
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(database: Database, keys: KeyRing, egress: Egress, @Inject(SETTINGS) settings: Settings) {
    this.#database = database;
    this.#keys = keys;
    this.#egress = egress;
    this.#backoffMs = settings.webhookBackoffMs ?? BACKOFF_MS;
    this.#failingMsMax = settings.webhookFailingMsMax ?? FAILING_MS_MAX;
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.wake(), LOOK_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#sending;
  }

  /** Looks for due deliveries now. */
  wake(): void {
    this.#sending ??= this.#sendDue()
      .catch((error: unknown) => this.#log.error(error))
      .finally(() => (this.#sending = undefined));
  }

  async #sendDue(): Promise<void> {
    const due = await this.#database.work.takeDue('deliver-webhook', AT_ONCE);
    await Promise.all(due.map((work) => this.#deliver(work)));
  }

  async #deliver(work: DueWork): Promise<void> {
    try {
      const attempt = await this.#begin(work);
      if (attempt) await this.#end(work.tenantId, attempt, await this.#send(attempt));
    } catch (error) {
      this.#log.error({ err: error, deliveryId: work.key }, 'a delivery was not finished; it is tried again');
    }
  }

  /** Leases the delivery and counts the attempt; undefined when there is nothing to send any more. */
  #begin({ tenantId, key: id }: DueWork): Promise<Attempt | undefined> {
    return this.#database.withTenant(tenantId, async (tx) => {
      const row = await tx.webhookDelivery.findUnique({ where: { id }, include: { webhook: true } });
      if (!row || row.status !== 'pending' || !row.webhook.enabled) {
        const error = 'The webhook is switched off.';
        if (row?.status === 'pending')
          await tx.webhookDelivery.update({ where: { id }, data: { status: 'failed', error } });
        await WorkQueue.done(tx, 'deliver-webhook', id);
        return undefined;
      }
      const now = new Date();
      const attempts = row.attempts + 1;
      await tx.webhookDelivery.update({ where: { id }, data: { attempts, lastAttemptAt: now } });
      await WorkQueue.promiseAt(tx, 'deliver-webhook', id, tenantId, new Date(now.getTime() + LEASE_MS));
      const { webhook } = row;
      const secret = this.#keys.unseal(webhook.sealedSecret, `webhook:${webhook.id}`);
      const payload = JSON.stringify(row.payload);
      return { ...{ id, attempts, webhookId: webhook.id, url: webhook.url }, secret, payload };
    });
  }

  async #send({ id, url, secret, payload }: Attempt): Promise<Outcome> {
    const now = new Date();
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'RobustMQ-Cloud-Webhooks/1',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, now, payload),
    };
    try {
      const { status } = await this.#egress.send({ url, method: 'POST', headers, body: payload });
      const ok = status >= 200 && status < 300;
      return { ok, status, error: ok ? null : `The server answered ${status}.` };
    } catch (error) {
      return { ok: false, status: null, error: sentence(error).slice(0, ERROR_CHARS_MAX) };
    }
  }

  #end(tenantId: string, attempt: Attempt, { ok, status, error }: Outcome): Promise<void> {
    const { id, webhookId, attempts } = attempt;
    return this.#database.withTenant(tenantId, async (tx) => {
      const webhook = await tx.webhook.findUnique({ where: { id: webhookId } });
      if (!webhook) return WorkQueue.done(tx, 'deliver-webhook', id);
      const now = Date.now();
      const pauseMs = ok ? undefined : this.#backoffMs[attempts - 1];
      const result = ok ? 'delivered' : pauseMs === undefined ? 'failed' : 'pending';
      await tx.webhookDelivery.update({ where: { id }, data: { status: result, responseStatus: status, error } });
      if (pauseMs === undefined) await WorkQueue.done(tx, 'deliver-webhook', id);
      else await WorkQueue.promiseAt(tx, 'deliver-webhook', id, tenantId, new Date(now + pauseMs));
      await tx.webhookDelivery.deleteMany({ where: { webhookId, createdAt: { lt: new Date(now - KEPT_MS) } } });
      if (ok) {
        if (webhook.failingSince !== null)
          await tx.webhook.update({ where: { id: webhookId }, data: { failingSince: null } });
        return;
      }
      const failingSince = webhook.failingSince ?? new Date(now);
      const enabled = status !== GONE && now - failingSince.getTime() < this.#failingMsMax;
      await tx.webhook.update({
        where: { id: webhookId },
        data: { failingSince, ...(enabled ? {} : { enabled: false }) },
      });
      if (enabled || !webhook.enabled) return;
      await appendAudit(tx, tenantId, {
        ...{ actor: { type: 'system', id: 'webhooks', ip: null }, action: 'webhook.switch-off', result: 'ok' },
        ...{ target: { type: 'webhook', id: webhookId }, requestId: id, detail: { error } },
      });
    });
  }
}

/** What went wrong, for the tenant: never what the other side sent. */
function sentence(error: unknown): string {
  if (error instanceof EgressRefused) return error.message;
  if (!(error instanceof Error)) return 'The server cannot be reached.';
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'The server did not answer in time.';
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? `The server cannot be reached (${code}).` : 'The server cannot be reached.';
}
