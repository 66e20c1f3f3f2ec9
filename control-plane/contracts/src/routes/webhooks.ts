import { z } from 'zod';
import { PageQuery } from '../rest/page.ts';
import {
  CreateWebhookBody,
  UpdateWebhookBody,
  Webhook,
  WebhookCreated,
  WebhookDelivery,
  WebhookDeliveryPage,
  WebhookPage,
} from '../rest/webhooks.ts';
import { IN_TENANT, tenantParams } from './paths.ts';
import type { Route } from './route.ts';

const AT = `${IN_TENANT}/webhooks` as const;
const ONE = `${IN_TENANT}/webhooks/{webhookId}` as const;
const webhook = tenantParams.extend({ webhookId: z.uuid() });
const read = { method: 'get', tag: 'webhooks', access: { permission: 'webhook:read' }, status: 200 } as const;
const write = { tag: 'webhooks', access: { permission: 'webhook:write' } } as const;

/** What happens in a tenant, told to its own servers: signed as Standard Webhooks says, repeated until it is taken. */
export const WEBHOOK_ROUTES = {
  listWebhooks: {
    ...{ ...read, path: AT, params: tenantParams, query: PageQuery, response: WebhookPage },
    summary: 'Lists webhooks',
  },
  createWebhook: {
    ...{ ...write, method: 'post', path: AT, params: tenantParams, body: CreateWebhookBody },
    ...{ status: 201, response: WebhookCreated },
    dryRun: true,
    summary: 'Makes a webhook; its secret is shown this once',
    problems: ['quota-exceeded'],
  },
  updateWebhook: {
    ...{ ...write, method: 'patch', path: ONE, params: webhook, body: UpdateWebhookBody },
    ...{ status: 200, response: Webhook },
    dryRun: true,
    summary: 'Changes address or events, switches it off or on again',
  },
  rotateWebhookSecret: {
    ...{ ...write, method: 'post', path: `${ONE}:rotate-secret`, params: webhook },
    ...{ status: 200, response: WebhookCreated },
    dryRun: true,
    summary: 'Gives a webhook a new secret, shown this once; the old one signs no more',
  },
  deleteWebhook: {
    ...{ ...write, method: 'delete', path: ONE, params: webhook, status: 204, response: z.void() },
    dryRun: true,
    summary: 'Removes a webhook with its deliveries',
  },
  testWebhook: {
    ...{ ...write, method: 'post', path: `${ONE}:test`, params: webhook },
    ...{ status: 202, response: WebhookDelivery },
    summary: 'Sends a message of the type webhook.test',
  },
  listWebhookDeliveries: {
    ...{ ...read, path: `${ONE}/deliveries`, params: webhook, query: PageQuery, response: WebhookDeliveryPage },
    summary: 'Lists what was sent, newest first; kept for 30 days',
  },
  replayWebhookDelivery: {
    ...{ ...write, method: 'post', path: `${ONE}/deliveries/{deliveryId}:replay` },
    ...{ params: webhook.extend({ deliveryId: z.uuid() }), status: 202, response: WebhookDelivery },
    summary: 'Sends a message again, with the same id and body',
  },
} as const satisfies Record<string, Route>;
