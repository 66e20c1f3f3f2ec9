import { createPublicKey, verify } from 'node:crypto';
import { InvoiceProof, SignedWindow, usageWindowText, type FileAnswer, type Invoice } from '@robustmq/contracts';
import { verifyInvoice } from '@robustmq/rating';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { billingServer } from './http-server.ts';
import { GIB, Harness, silent } from './testing/harness.ts';

const TOKEN = 'an internal token for tests';

/** A month fast-forwarded over billing's own interface, as the operator and the end-to-end tests do. */
describe('the billing sandbox', { timeout: 60_000 }, () => {
  let h: Harness;
  let app: FastifyInstance;
  let tenantId: string;
  let clusterId: string;

  beforeAll(async () => {
    h = await Harness.start();
    app = billingServer({ database: h.database, internalToken: TOKEN, now: () => new Date(), run: h.run, log: silent });
    tenantId = await h.tenant();
    clusterId = await h.cluster(tenantId, 'serverless', 'formula');
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await h?.stop();
  });

  const call = async <T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    payload?: object,
  ) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const reply = await app.inject({ method, url: `/internal${url}`, headers, ...(payload ? { payload } : {}) });
    return { status: reply.statusCode, body: reply.json() as T };
  };
  const own = (path: string) => `/tenants/${tenantId}${path}`;
  const clock = (at: string) => call('POST', '/operator/set-clock', { tenantId, at });
  const state = async () => (await call<{ standing: string; testClock: string }>('GET', own('/subscription'))).body;
  const invoices = async () => (await call<{ items: Invoice[] }>('GET', own('/invoices'))).body.items;

  it('lives through a month: draft, invoice, dunning, suspension, payment, and all is lifted', async () => {
    expect((await clock('2026-11-01T00:00:00Z')).status).toBe(200);
    await h.use(clusterId, 'egress_bytes', '2026-11-10T00:00:00Z', 60n * GIB);
    await h.use(clusterId, 'egress_bytes', '2026-11-10T00:01:00Z', 42n * GIB);
    await h.use(clusterId, 'messages_in', '2026-11-10T00:01:00Z', 5n);
    expect((await call('PATCH', own('/subscription'), { buyer: { name: '=ACME', address: ['1 Road'] } })).status).toBe(
      200,
    );
    await clock('2026-12-02T00:00:00Z');
    expect((await invoices()).map((one) => one.status)).toEqual(['draft']);
    await clock('2026-12-04T00:00:00Z');
    expect(await invoices()).toMatchObject([{ status: 'issued', total: { amount: '800' } }]);
    expect(await state()).toMatchObject({ standing: 'good', testClock: '2026-12-04T00:00:00.000Z' });
    await clock('2026-12-20T00:00:00Z');
    expect(await state()).toMatchObject({ standing: 'past_due' });
    await clock('2027-01-04T00:00:00Z');
    expect(await state()).toMatchObject({ standing: 'suspended' });
    const [invoice] = await invoices();
    const paid = await call('POST', '/operator/mark-paid', { tenantId, invoiceId: invoice!.id });
    expect(paid.status).toBe(200);
    expect(await state()).toMatchObject({ standing: 'good' });
    const back = await clock('2026-12-04T00:00:00Z');
    expect(back).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });

  it('shows the invoice as PDF, CSV and JSON, and lists it to nobody else', async () => {
    const [invoice] = await invoices();
    for (const [format, begin] of [
      ['pdf', '%PDF-'],
      ['csv', 'invoice,status'],
      ['json', '{'],
    ] as const) {
      const { body } = await call<FileAnswer>(
        'GET',
        own(`/invoices/${invoice!.id}/document?format=${format}&paper=letter`),
      );
      expect(Buffer.from(body.contentBase64, 'base64').toString('latin1').startsWith(begin)).toBe(true);
    }
    const other = await h.tenant();
    for (const path of ['', '/document', '/proof', '/windows'])
      expect((await call('GET', `/tenants/${other}/invoices/${invoice!.id}${path}`)).status).toBe(404);
    expect((await call<{ items: unknown[] }>('GET', `/tenants/${other}/invoices`)).body.items).toEqual([]);
    for (const path of [
      '/credits',
      '/budgets',
      '/costs',
      '/usage/export?format=csv&from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z',
    ])
      expect((await call('GET', own(path))).status, path).toBe(200);
    expect((await call('GET', own('/invoices?limit=0'))).status).toBe(400);
    expect((await call('POST', '/operator/nothing', {})).status).toBe(404);
  });

  const isSigned = (window: SignedWindow, pem: string): boolean =>
    verify(
      null,
      Buffer.from(usageWindowText(window)),
      createPublicKey(pem),
      Buffer.from(window.signature ?? '', 'base64'),
    );
  const proofOf = async () => {
    const [invoice] = (await invoices()).slice(-1);
    const proof = InvoiceProof.parse((await call('GET', own(`/invoices/${invoice!.id}/proof`))).body);
    const windows: SignedWindow[] = [];
    for (let cursor = ''; ;) {
      const page = (
        await call<{ items: SignedWindow[]; nextCursor?: string }>(
          'GET',
          own(`/invoices/${invoice!.id}/windows?limit=2${cursor}`),
        )
      ).body;
      windows.push(...page.items.map((one) => SignedWindow.parse(one)));
      if (page.nextCursor === undefined) return { proof, windows };
      cursor = `&cursor=${page.nextCursor}`;
    }
  };

  it('is verified to the last cent from its signed windows, and an altered one is named', async () => {
    const { proof, windows } = await proofOf();
    expect(windows).toHaveLength(3);
    const report = await verifyInvoice(proof, windows, isSigned);
    expect(report).toMatchObject({ problems: [], firstAltered: null, windows: 3, unsigned: 0, total: '800' });
    const altered = windows.map((window, n) => (n === 1 ? { ...window, value: '1' } : window));
    const found = await verifyInvoice(proof, altered, isSigned);
    expect(found.firstAltered).toContain(`position ${windows[1]!.seq}`);
    expect(found.problems.length).toBeGreaterThan(0);
    const missing = await verifyInvoice(proof, windows.slice(1), isSigned);
    expect(missing.problems.join(' ')).toContain('egress_bytes');
    const lines = proof.invoice.lines.map((line) => ({ ...line, amount: { ...line.amount, amount: '801' } }));
    const dearer = await verifyInvoice({ ...proof, invoice: { ...proof.invoice, lines } }, windows, isSigned);
    expect(dearer.problems).toEqual([expect.stringContaining('should be 800, and is 801')]);
    const stripped = windows.map(({ signature: _, ...window }) => window);
    expect(await verifyInvoice(proof, stripped, isSigned)).toMatchObject({ problems: [], unsigned: 3 });
  });

  it('reports no drift, revenue and margin, and what a price would have cost', async () => {
    const drift = await call('GET', '/operator/reconciliation?month=2026-11');
    expect(drift.body).toMatchObject({ drift: [], invoices: 1 });
    const revenue = await call<{ clusters: object[] }>('GET', '/operator/revenue?month=2026-11&egress_bytes=0.02');
    expect(revenue.body.clusters).toMatchObject([
      { clusterId, revenueMinor: '800', costMinor: '204', marginMinor: '596' },
    ]);
    const price = {
      plan: 'serverless',
      meter: 'egress_bytes',
      model: 'volume',
      validFrom: '2099-01-01T00:00:00Z',
      tiers: [{ upTo: null, unitPrice: '0.1' }],
    };
    expect((await call('POST', '/operator/preview-price', price)).status).toBe(200);
    expect((await call('POST', '/operator/publish-price', price)).status).toBe(200);
    const listed = await call<{ meter: string; validFrom: string }[]>('GET', '/operator/prices');
    const starts = listed.body.filter(({ meter }) => meter === 'egress_bytes').map(({ validFrom }) => validFrom);
    expect(starts).toContain('2099-01-01T00:00:00.000Z');
    expect(starts.length).toBeGreaterThan(1);
    expect(
      (await call('POST', '/operator/publish-price', { ...price, validFrom: '2020-01-01T00:00:00Z' })).status,
    ).toBe(400);
    expect(
      (await call('POST', '/operator/publish-price', { ...price, tiers: [{ upTo: '5', unitPrice: '1' }] })).status,
    ).toBe(400);
    const coupon = { code: 'TEN', title: 'Ten dollars', amountMinor: '1000', redemptionsMax: 1 };
    expect((await call('POST', '/operator/create-coupon', coupon)).status).toBe(200);
    expect((await call('POST', own('/credits'), { code: 'TEN' })).status).toBe(200);
    expect((await call('POST', `/tenants/${await h.tenant()}/credits`, { code: 'TEN' })).status).toBe(404);
    expect((await call('GET', own('/credits'))).body).toMatchObject({ balance: { amount: '1000' } });
  });
});
