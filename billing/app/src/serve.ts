import { Database } from '@robustmq/db';
import { pino } from 'pino';
import { z } from 'zod';
import { BillingError } from './billing-error.ts';
import { billingServer, claimSocket, listenOnSocket } from './http-server.ts';
import { seedPrices } from './prices.ts';

const STOP_MS_MAX = 4_500;
const CONNECTIONS_MAX = 4;

const Environment = z.object({
  DATABASE_URL: z.string().min(1),
  ROBUSTMQ_BILLING_SOCKET: z.string().min(1),
  ROBUSTMQ_INTERNAL_TOKEN: z.string().min(16),
});

function readEnvironment(env: NodeJS.ProcessEnv): z.infer<typeof Environment> {
  const parsed = Environment.safeParse(env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new BillingError('config-invalid', `${issue.path.join('.')} is missing or wrong: ${issue.message}`);
}

async function main(): Promise<void> {
  const env = readEnvironment(process.env);
  const log = pino({ name: 'billing' });
  // First of all: whoever waits for the socket must not take a dead one for a ready billing.
  await claimSocket(env.ROBUSTMQ_BILLING_SOCKET);
  const database = await Database.open({ url: env.DATABASE_URL, connectionsMax: CONNECTIONS_MAX });
  await seedPrices(database);
  const app = billingServer({
    database,
    internalToken: env.ROBUSTMQ_INTERNAL_TOKEN,
    now: () => new Date(),
    log: log.child({}, { level: 'warn' }),
  });
  let stopping = false;
  const stop = (why: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ why }, 'stopping');
    setTimeout(() => process.exit(0), STOP_MS_MAX).unref();
    void app
      .close()
      .then(() => database.close())
      .finally(() => process.exit(0));
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  if (process.connected) process.on('disconnect', () => stop('launcher gone'));
  await listenOnSocket(app, env.ROBUSTMQ_BILLING_SOCKET);
  log.info({ socket: env.ROBUSTMQ_BILLING_SOCKET }, 'billing is ready');
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
