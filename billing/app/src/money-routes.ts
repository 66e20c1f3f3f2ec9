import {
  CreateBudgetBody,
  DocumentQuery,
  PageQuery,
  PriceLevelsBody,
  PriceStorageBody,
  RedeemBody,
  UpdateBudgetBody,
  UpdateSubscriptionBody,
  UsageExportQuery,
  WindowQuery,
  type FileAnswer,
} from '@robustmq/contracts';
import type { Database } from '@robustmq/db';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { accountOf, subscriptionView, updateSubscription } from './account.ts';
import { BillingError } from './billing-error.ts';
import type { BillingRun } from './billing-run.ts';
import { createBudget, deleteBudget, listBudgets, updateBudget } from './budgets.ts';
import { costs } from './costs.ts';
import { creditList, redeemCoupon } from './credits.ts';
import { invoiceCsv } from './invoice-csv.ts';
import { invoicePdf } from './invoice-pdf.ts';
import { listInvoices, readInvoice } from './invoices.ts';
import { uuidOf } from './ledger.ts';
import { levelPrices } from './level-prices.ts';
import { invoiceProof, invoiceWindows } from './proof.ts';
import { storagePrices } from './storage-prices.ts';
import { exportUsage } from './usage-export.ts';

export interface MoneyRooms {
  readonly database: Database;
  readonly run: BillingRun;
  readonly now: () => Date;
}

const Params = z.object({ tenantId: z.uuid(), invoiceId: z.uuid().optional(), budgetId: z.uuid().optional() });

/** The path's ids; one of the wrong shape names nothing that exists. */
function idsOf(request: FastifyRequest) {
  const params = Params.safeParse(request.params);
  if (!params.success) throw new BillingError('not-found', 'there is no such tenant');
  const { tenantId, invoiceId = '', budgetId = '' } = params.data;
  return { tenantId, invoiceId, budgetId };
}

function read<T extends z.ZodType>(shape: T, value: unknown): z.output<T> {
  const parsed = shape.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new BillingError('validation-failed', `${issue.path.join('.')}: ${issue.message}`);
}

/** The key a repeated request carries; a request without one is a new one. */
const keyOf = (request: FastifyRequest): string => {
  const key = request.headers['x-request-key'];
  return typeof key === 'string' ? key : uuidOf(`${Date.now()} ${request.id} ${Math.random()}`);
};

async function documentOf({ database }: MoneyRooms, request: FastifyRequest): Promise<FileAnswer> {
  const { tenantId, invoiceId } = idsOf(request);
  const { format, paper } = read(DocumentQuery, request.query);
  const invoice = await database.withTenant(tenantId, (tx) => readInvoice(tx, tenantId, invoiceId));
  const fileName = `invoice-${invoice.number ?? 'draft'}.${format}`;
  const content =
    format === 'pdf'
      ? await invoicePdf(invoice, paper)
      : Buffer.from(format === 'csv' ? invoiceCsv(invoice) : `${JSON.stringify(invoice, null, 2)}\n`);
  const contentType = { pdf: 'application/pdf', csv: 'text/csv; charset=utf-8', json: 'application/json' }[format];
  return { fileName, contentType, contentBase64: content.toString('base64') };
}

/** What the contract's money routes do; paths are theirs with `/internal` for `/v1`. */
export function moneyRoutes(app: FastifyInstance, rooms: MoneyRooms): void {
  const { database, run, now } = rooms;
  const at = '/internal/tenants/:tenantId';
  app.get(`${at}/invoices`, (request) => {
    const { tenantId } = idsOf(request);
    const { limit, cursor } = read(PageQuery.extend({ cursor: z.uuid().optional() }), request.query);
    return database.withTenant(tenantId, (tx) => listInvoices(tx, tenantId, limit, cursor));
  });
  app.get(`${at}/invoices/:invoiceId`, (request) => {
    const { tenantId, invoiceId } = idsOf(request);
    return database.withTenant(tenantId, (tx) => readInvoice(tx, tenantId, invoiceId));
  });
  app.get(`${at}/invoices/:invoiceId/document`, (request) => documentOf(rooms, request));
  app.get(`${at}/invoices/:invoiceId/proof`, (request) => {
    const { tenantId, invoiceId } = idsOf(request);
    return invoiceProof(database, tenantId, invoiceId);
  });
  app.get(`${at}/invoices/:invoiceId/windows`, (request) => {
    const { tenantId, invoiceId } = idsOf(request);
    return invoiceWindows(database, tenantId, invoiceId, read(WindowQuery, request.query));
  });
  const subscription = (tenantId: string) =>
    database.withTenant(tenantId, async (tx) => subscriptionView(tx, await accountOf(tx, tenantId), run.gateway.kind));
  app.get(`${at}/subscription`, (request) => subscription(idsOf(request).tenantId));
  app.patch(`${at}/subscription`, async (request) => {
    const { tenantId } = idsOf(request);
    await updateSubscription(database, tenantId, read(UpdateSubscriptionBody, request.body), now());
    return subscription(tenantId);
  });
  app.post(`${at}/payment-portal`, async (request) => ({ url: await run.portalUrl(idsOf(request).tenantId) }));
  app.get(`${at}/credits`, (request) => creditList(database, idsOf(request).tenantId));
  app.post(`${at}/credits`, (request) =>
    redeemCoupon(database, idsOf(request).tenantId, read(RedeemBody, request.body).code, now()),
  );
  app.get(`${at}/costs`, (request) => costs(database, idsOf(request).tenantId, now()));
  app.post(`${at}/storage-prices`, (request) =>
    storagePrices(database, idsOf(request).tenantId, read(PriceStorageBody, request.body), now()),
  );
  app.post(`${at}/level-prices`, (request) =>
    levelPrices(database, idsOf(request).tenantId, read(PriceLevelsBody, request.body), now()),
  );
  app.get(`${at}/usage/export`, (request) =>
    exportUsage(database, idsOf(request).tenantId, read(UsageExportQuery, request.query), now()),
  );
  budgetRoutes(app, rooms);
}

function budgetRoutes(app: FastifyInstance, { database, now }: MoneyRooms): void {
  const at = '/internal/tenants/:tenantId/budgets';
  app.get(at, async (request) => ({ items: await listBudgets(database, idsOf(request).tenantId, now()) }));
  app.post(at, (request) =>
    createBudget(database, idsOf(request).tenantId, keyOf(request), read(CreateBudgetBody, request.body), now()),
  );
  app.patch(`${at}/:budgetId`, (request) => {
    const { tenantId, budgetId } = idsOf(request);
    const body = read(UpdateBudgetBody, request.body);
    const change = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
    return updateBudget(database, tenantId, budgetId, change, now());
  });
  app.delete(`${at}/:budgetId`, async (request) => {
    const { tenantId, budgetId } = idsOf(request);
    await deleteBudget(database, tenantId, budgetId, now());
    return {};
  });
}
