import type { FastifyInstance } from 'fastify';
import { ProblemError } from '../http/problem-error.ts';
import type { BillingLink } from './billing-link.ts';

/** A delivery of the payment provider is this long at most, in bytes. */
const DELIVERY_BYTES_MAX = 512 * 1024;

/**
 * `POST /v1/webhooks/stripe`: hands the raw bytes and the signature on to billing, which checks them. The body is not
 * parsed here, because the signature covers the bytes. Answers 400 to a forged or stale one, 404 without a provider.
 */
export function serveStripeWebhook(fastify: FastifyInstance, billing: BillingLink): void {
  fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    scope.post('/v1/webhooks/stripe', { bodyLimit: DELIVERY_BYTES_MAX }, async (request, reply) => {
      const header = request.headers['stripe-signature'];
      const signature = typeof header === 'string' ? header : '';
      const body = Buffer.isBuffer(request.body) ? request.body.toString('base64') : '';
      try {
        await billing.ask({ method: 'POST', path: '/internal/webhook', body: { body, signature } });
        return await reply.code(200).send({ received: true });
      } catch (error) {
        const status = error instanceof ProblemError ? error.status : 500;
        return reply.code(status).send({ received: false });
      }
    });
  });
}
