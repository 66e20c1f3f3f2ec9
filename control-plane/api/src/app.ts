import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import { Transport, type GrpcOptions } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AGENT_LINK_PROTO } from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import { createPostgresBackend, setDefaultBackendFactory } from 'bullmq';
import { Logger } from 'nestjs-pino';
import { LinkCertificates } from './agents/link-certificates.ts';
import { AppModule } from './app-module.ts';
import { BillingLink } from './billing/billing-link.ts';
import { serveStripeWebhook } from './billing/stripe-webhook.ts';
import type { KeyRing } from './auth/key-ring.ts';
import { servePortal } from './http/portal.ts';
import { addResponseHeaders } from './http/security-headers.ts';
import { Metrics } from './operations/metrics.ts';
import type { Settings } from './settings.ts';

/** Largest request body, and largest message of the agent link, in bytes. */
const BODY_BYTES_MAX = 1 << 20;
const AGENT_MESSAGE_BYTES_MAX = 64 << 20;
/** A request must be complete after this long, in milliseconds. */
const REQUEST_TIMEOUT_MS = 30_000;

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/;

/** Builds the control plane on an open database; nothing listens yet. */
export async function createApp(
  settings: Settings,
  keys: KeyRing,
  database: Database,
): Promise<NestFastifyApplication> {
  if (settings.redisUrl === undefined) setDefaultBackendFactory(createPostgresBackend);
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 4_096, ignoreTrailingSlash: true },
    genReqId: (request: IncomingMessage) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(settings, keys, database), adapter, {
    bufferLogs: true,
    // Fastify's own JSON parser (it refuses __proto__) and no other: forms and texts are answered 415
    bodyParser: false,
    abortOnError: false,
  });
  app.useLogger(app.get(Logger));
  const fastify = adapter.getInstance();
  fastify.removeContentTypeParser('text/plain');
  addResponseHeaders(fastify);
  app.get(Metrics).watch(fastify);
  serveStripeWebhook(fastify, app.get(BillingLink));
  await servePortal(fastify, settings.portalDir);
  const certificates = app.get<LinkCertificates | null>(LinkCertificates);
  certificates?.watch();
  const link: GrpcOptions = {
    transport: Transport.GRPC,
    options: {
      package: 'robustmq.agent.v1',
      protoPath: fileURLToPath(AGENT_LINK_PROTO),
      url: `${settings.bind}:${settings.agentPort}`,
      ...(certificates === null ? {} : { credentials: certificates.credentials() }),
      loader: { longs: Number, oneofs: true, defaults: true },
      maxReceiveMessageLength: AGENT_MESSAGE_BYTES_MAX,
      maxSendMessageLength: AGENT_MESSAGE_BYTES_MAX,
      gracefulShutdown: false,
      keepalive: { keepaliveTimeMs: 20_000, keepaliveTimeoutMs: 10_000 },
    },
  };
  app.connectMicroservice(link, { inheritAppConfig: true });
  return app;
}

/** Starts both listeners. Rejects when a port is in use. */
export async function listen(app: NestFastifyApplication, settings: Settings): Promise<void> {
  await app.startAllMicroservices();
  await app.listen({ port: settings.httpPort, host: settings.bind });
}
