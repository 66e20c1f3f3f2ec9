import { Database } from '@robustmq/db';
import { pino, type Logger } from 'pino';
import { z } from 'zod';
import { BillingError } from './billing-error.ts';
import { BillingRun } from './billing-run.ts';
import { MeterMirror } from './meter-mirror.ts';
import { billingServer, claimSocket, listenOnSocket } from './http-server.ts';
import { OfflineGateway } from './payment-gateway.ts';
import { seedPrices } from './prices.ts';
import { missingOf, SellerSetting, sellerOf } from './seller.ts';
import { stripeClient, StripeGateway } from './stripe-gateway.ts';
import { resync, stripeWebhook } from './stripe-webhook.ts';

const STOP_MS_MAX = 4_500;
const CONNECTIONS_MAX = 4;
/** Pause between two runs over all tenants, in milliseconds: budgets and suspensions act within a minute. */
const RUN_PAUSE_MS = 15_000;

/** Pause between two looks at the months of usage windows, in milliseconds: a quarter of a day. */
const MONTHS_PAUSE_MS = 6 * 3600_000;

/** Pause between two looks at every unpaid invoice at the payment provider, in milliseconds: a day. */
const RESYNC_PAUSE_MS = 24 * 3600_000;

const Environment = z.object({
  DATABASE_URL: z.string().min(1),
  ROBUSTMQ_BILLING_SOCKET: z.string().min(1),
  ROBUSTMQ_INTERNAL_TOKEN: z.string().min(16),
  STRIPE_SECRET_KEY: z.string().min(1).optional(),
  STRIPE_WEBHOOK_SECRET: z.string().min(1).optional(),
  /** Credit every new tenant begins with, in minor units; 0 = none. */
  ROBUSTMQ_BILLING_TRIAL: z
    .string()
    .regex(/^\d{1,9}$/)
    .default('10000'),
  /** `on` tells Stripe what is used, as meter events `robustmq_<meter>`; invoices do not follow from them. */
  STRIPE_METER_EVENTS: z.enum(['on', 'off']).default('off'),
  /** Months whose usage windows stay in sight, at least 3: invoices of earlier ones cannot be proven any more. */
  ROBUSTMQ_USAGE_MONTHS: z.coerce.number().int().min(3).max(240).default(25),
  /** JSON of who invoices are from: name, address lines, tax id, e-mail. */
  ROBUSTMQ_BILLING_SELLER: SellerSetting,
});
type Environment = z.infer<typeof Environment>;

function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const filled = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = Environment.safeParse(filled);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new BillingError('config-invalid', `${issue.path.join('.')} is missing or wrong: ${issue.message}`);
}

/** Makes months of usage windows ahead and retires old ones, now and again until the signal. */
function keepMonths(
  database: Database,
  months: number,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): void {
  const keep = (): void =>
    void database.metering.keepMonths(months, new Date()).then(
      (kept) => {
        if (kept.made.length + kept.retired.length > 0) log.info(kept, 'months of usage windows');
      },
      (error: unknown) => log.error({ err: error }, 'months of usage windows could not be made or retired'),
    );
  keep();
  const timer = setInterval(keep, MONTHS_PAUSE_MS);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer));
}

async function main(): Promise<void> {
  const env = readEnvironment(process.env);
  const log = pino({ name: 'billing' });
  const seller = sellerOf(env.ROBUSTMQ_BILLING_SELLER, { isCharging: env.STRIPE_SECRET_KEY !== undefined });
  const missing = missingOf(env.ROBUSTMQ_BILLING_SELLER);
  if (missing.length > 0)
    log.warn({ missing }, 'invoices say that the seller is not complete: set ROBUSTMQ_BILLING_SELLER');
  // First of all: whoever waits for the socket must not take a dead one for a ready billing.
  await claimSocket(env.ROBUSTMQ_BILLING_SOCKET);
  const database = await Database.open({ url: env.DATABASE_URL, connectionsMax: CONNECTIONS_MAX });
  await seedPrices(database);
  const now = () => new Date();
  const stripe = env.STRIPE_SECRET_KEY === undefined ? undefined : stripeClient({ secretKey: env.STRIPE_SECRET_KEY });
  const gateway = stripe ? new StripeGateway(stripe) : new OfflineGateway();
  const mirror = stripe && env.STRIPE_METER_EVENTS === 'on' ? new MeterMirror(database, stripe, log) : undefined;
  const trialMinor = BigInt(env.ROBUSTMQ_BILLING_TRIAL);
  const run = new BillingRun({ database, gateway, seller, log, trialMinor, mirror });
  const secret = env.STRIPE_WEBHOOK_SECRET;
  const webhook = stripe && secret !== undefined ? stripeWebhook({ database, stripe, secret, run, now }) : undefined;
  const app = billingServer({
    ...{ database, internalToken: env.ROBUSTMQ_INTERNAL_TOKEN, now, run, webhook },
    log: log.child({}, { level: 'warn' }),
  });
  const stopped = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const stop = (why: string): void => {
    if (stopped.signal.aborted) return;
    stopped.abort();
    log.info({ why }, 'stopping');
    setTimeout(() => process.exit(0), STOP_MS_MAX).unref();
    void app
      .close()
      .then(() => running)
      .then(() => database.close())
      .finally(() => process.exit(0));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.connected) process.on('disconnect', () => stop('launcher gone'));
  await listenOnSocket(app, env.ROBUSTMQ_BILLING_SOCKET);
  log.info({ socket: env.ROBUSTMQ_BILLING_SOCKET, gateway: gateway.kind }, 'billing is ready');
  const again = (): void => {
    if (stopped.signal.aborted) return;
    running = run
      .all(new Date(), stopped.signal)
      .catch((error: unknown) => log.error({ err: error }, 'the billing run failed'))
      .finally(() => void setTimeout(again, RUN_PAUSE_MS).unref());
  };
  setTimeout(again, RUN_PAUSE_MS).unref();
  keepMonths(database, env.ROBUSTMQ_USAGE_MONTHS, { log, signal: stopped.signal });
  if (stripe === undefined) return;
  const failed = (error: unknown): void => log.error({ err: error }, 'an invoice was not looked up at the provider');
  const timer = setInterval(() => {
    resync({ database, stripe, run, now }, failed).then(
      (count) => log.info({ count }, 'unpaid invoices looked up'),
      failed,
    );
  }, RESYNC_PAUSE_MS);
  timer.unref();
  stopped.signal.addEventListener('abort', () => clearInterval(timer));
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
