import { createHash, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Database } from '@robustmq/db';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { RatingError } from '@robustmq/rating';
import { BillingError } from './billing-error.ts';
import { previewInvoice } from './invoice-preview.ts';
import type { BillingRun } from './billing-run.ts';
import { moneyRoutes } from './money-routes.ts';
import { ACTIONS, REPORTS } from './operator.ts';
import { currentPrices } from './prices.ts';

const BODY_BYTES_MAX = 2 ** 20;
const REQUEST_TIMEOUT_MS = 15_000;

/** What the server is made of; `now` is the clock that decides which month it is. */
export interface BillingServerOptions {
  readonly database: Database;
  readonly internalToken: string;
  readonly now: () => Date;
  readonly run: BillingRun;
  /** Takes a payment provider's webhook: raw body and signature header; absent without a provider. */
  readonly webhook?: ((body: string, signature: string) => Promise<void>) | undefined;
  readonly log: FastifyBaseLogger;
}

/** A provider's delivery as it came in: the signature covers the raw bytes. */
const Webhook = z.object({ body: z.base64(), signature: z.string().max(2_000) });
const Params = z.object({ tenantId: z.uuid() });
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Billing's internal HTTP interface. Its one caller is the control plane's API, which has authenticated the person and
 * checked the role; here only the shared token counts. Errors are `{ code, message }`.
 */
export function billingServer({
  database,
  internalToken,
  now,
  run,
  webhook,
  log,
}: BillingServerOptions): FastifyInstance {
  const app = Fastify({ loggerInstance: log, bodyLimit: BODY_BYTES_MAX, requestTimeout: REQUEST_TIMEOUT_MS });
  const expected = digest(`Bearer ${internalToken}`);

  app.setErrorHandler((error, request, reply) => {
    if (error instanceof RatingError)
      return reply.code(400).send({ code: 'validation-failed', message: error.message });
    if (error instanceof BillingError) {
      if (error.status >= 500) request.log.error({ err: error }, 'request failed');
      return reply.code(error.status).send({ code: error.code, message: error.message });
    }
    request.log.error({ err: error }, 'request failed');
    return reply.code(500).send({ code: 'internal', message: 'billing failed; its log says why' });
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ code: 'not-found', message: 'no such resource' }));

  app.get('/health', async () => {
    await database.ping();
    return { ready: true };
  });

  app.register(async (internal) => {
    internal.addHook('onRequest', async (request) => {
      if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) {
        throw new BillingError('unauthenticated', 'the internal token is missing or wrong');
      }
    });
    internal.get('/internal/prices', () => currentPrices(database, now()));
    internal.get('/internal/tenants/:tenantId/invoices/preview', async (request) => {
      const params = Params.safeParse(request.params);
      if (!params.success) throw new BillingError('not-found', 'there is no such tenant');
      return previewInvoice(database, params.data.tenantId, now());
    });
    moneyRoutes(internal, { database, run, now });
    const rooms = { database, run, now };
    internal.get('/internal/operator/:report', async (request) => {
      const { report } = request.params as { report: string };
      if (!Object.hasOwn(REPORTS, report)) throw new BillingError('not-found', 'there is no such report');
      return REPORTS[report as keyof typeof REPORTS](rooms, request.query as Record<string, unknown>);
    });
    internal.post('/internal/operator/:action', async (request) => {
      const { action } = request.params as { action: string };
      if (!Object.hasOwn(ACTIONS, action)) throw new BillingError('not-found', 'there is no such action');
      return (await ACTIONS[action as keyof typeof ACTIONS](rooms, request.body)) ?? {};
    });
    internal.post('/internal/webhook', async (request) => {
      if (!webhook) throw new BillingError('not-found', 'there is no payment provider');
      const { body, signature } = Webhook.parse(request.body);
      await webhook(Buffer.from(body, 'base64').toString('utf8'), signature);
      return {};
    });
  });
  return app;
}

/**
 * Makes way for a unix socket: its directory, and the end of a socket file left by a killed process. One that answers
 * is somebody else's: throws `socket-in-use`.
 */
export async function claimSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (await answers(path)) {
    throw new BillingError('socket-in-use', `another billing process answers on ${path}: stop it first`);
  }
  await rm(path, { force: true });
}

/** Listens on a claimed unix socket that only this user can open. */
export async function listenOnSocket(app: FastifyInstance, path: string): Promise<void> {
  await claimSocket(path);
  const umask = process.umask(0o177);
  try {
    await app.listen({ path });
  } finally {
    process.umask(umask);
  }
  await chmod(path, 0o600);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
