import { METERS, type Meter } from '@robustmq/contracts';
import type { Database, TenantTx } from '@robustmq/db';
import type { FastifyBaseLogger } from 'fastify';
import Stripe from 'stripe';

/** How far back Stripe takes events: 35 days, less one for the time they need. */
const PAST_MS_MAX = 34 * 24 * 3600_000;
/** An hour is told once it has been over for this long; what comes in later is told as a further event. */
const SETTLE_MS = 2 * 3600_000;
/** Stripe knows an identifier for at least a day. An event whose answer was lost before that is never sent again. */
const REPEAT_MS_MAX = 20 * 3600_000;
/** Events of one tenant in one run; the rest goes with the next. */
const EVENTS_PER_RUN_MAX = 200;

/** Meters that are told: those that are billed. */
const TOLD = Object.keys(METERS).filter((meter) => METERS[meter as Meter].billed);

/** Name of the Stripe meter for one of ours. */
export const eventName = (meter: string): string => `robustmq_${meter}`;

interface MeterEvent {
  readonly meter: string;
  readonly hour: Date;
  readonly revision: number;
  readonly value: string;
}

export const identifierOf = (tenantId: string, { meter, hour, revision }: Omit<MeterEvent, 'value'>): string =>
  `${tenantId}:${meter}:${hour.toISOString().slice(0, 13)}:r${revision}`;

/**
 * Tells Stripe what was used, as billing meter events, for whoever has dashboards or alerts there. One event per customer,
 * meter and hour; late usage is a further one with the difference. Never what is charged: invoices have their own lines.
 */
export class MeterMirror {
  readonly #database: Database;
  readonly #stripe: Stripe;
  readonly #log: FastifyBaseLogger;

  constructor(database: Database, stripe: Stripe, log: FastifyBaseLogger) {
    this.#database = database;
    this.#stripe = stripe;
    this.#log = log;
  }

  /** Brings the copy of one tenant up to date. May die anywhere and be run again. Answers the events sent. */
  async mirror(tenantId: string, customerId: () => Promise<string>, now: Date): Promise<number> {
    const due = await this.#database.withTenant(tenantId, async (tx) => {
      await planEvents(tx, tenantId, now);
      return tx.meterEvent.findMany({
        where: { tenantId, sentAt: null, createdAt: { gte: new Date(now.getTime() - REPEAT_MS_MAX) } },
        orderBy: [{ hour: 'asc' }, { meter: 'asc' }, { revision: 'asc' }],
        take: EVENTS_PER_RUN_MAX,
      });
    });
    if (due.length === 0) return 0;
    const customer = await customerId();
    let sent = 0;
    for (const { meter, hour, revision, value } of due) {
      if (!(await this.#send(tenantId, customer, { meter, hour, revision, value: value.toFixed(0) }))) break;
      sent += 1;
      await this.#database.withTenant(tenantId, (tx) =>
        tx.meterEvent.updateMany({ where: { tenantId, meter, hour, revision }, data: { sentAt: now } }),
      );
    }
    return sent;
  }

  /** Whether Stripe has the event now. One it had already counts; the first failure ends the round. */
  async #send(tenantId: string, customer: string, event: MeterEvent): Promise<boolean> {
    const identifier = identifierOf(tenantId, event);
    try {
      await this.#stripe.billing.meterEvents.create(
        {
          event_name: eventName(event.meter),
          payload: { stripe_customer_id: customer, value: event.value },
          identifier,
          timestamp: Math.floor(event.hour.getTime() / 1000),
        },
        { idempotencyKey: identifier },
      );
      return true;
    } catch (error) {
      if (isKnown(error, identifier)) return true;
      this.#log.warn({ err: error, identifier }, 'a meter event was not taken');
      return false;
    }
  }
}

const isKnown = (error: unknown, identifier: string): boolean =>
  error instanceof Stripe.errors.StripeInvalidRequestError &&
  error.message.includes(identifier) &&
  /already exists/i.test(error.message);

/** Writes down, for every settled hour whose sum is above what was told, the event that tells the rest. */
async function planEvents(tx: TenantTx, tenantId: string, now: Date): Promise<void> {
  const from = new Date(now.getTime() - PAST_MS_MAX);
  const to = new Date(now.getTime() - SETTLE_MS - 3600_000);
  await tx.$executeRaw`
    INSERT INTO meter_events (tenant_id, meter, hour, revision, value, created_at)
    SELECT ${tenantId}::uuid, u.meter, u.hour, coalesce(max(m.revision), 0) + 1, u.quantity - coalesce(sum(m.value), 0), ${now}
    FROM (SELECT meter, hour, sum(quantity) AS quantity FROM usage_hourly
      WHERE tenant_id = ${tenantId}::uuid AND hour >= ${from} AND hour <= ${to} AND meter = ANY(${TOLD}::text[])
      GROUP BY 1, 2) u
    LEFT JOIN meter_events m ON m.tenant_id = ${tenantId}::uuid AND m.meter = u.meter AND m.hour = u.hour
    GROUP BY u.meter, u.hour, u.quantity HAVING u.quantity > coalesce(sum(m.value), 0)
    ON CONFLICT DO NOTHING`;
}
