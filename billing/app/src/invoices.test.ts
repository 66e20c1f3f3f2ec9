import type { PriceVersion } from '@robustmq/rating';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { lockedAccount, updateSubscription } from './account.ts';
import { BillingRun } from './billing-run.ts';
import { createBudget, deleteBudget, updateBudget, watchBudgets } from './budgets.ts';
import { costs } from './costs.ts';
import { createCoupon, grantCredit, redeemCoupon } from './credits.ts';
import { previewInvoice } from './invoice-preview.ts';
import { changeInvoice, creditNote, readInvoice, releaseInvoice, voidInvoice } from './invoices.ts';
import { post } from './ledger.ts';
import { publishPrice } from './prices.ts';
import { GIB, Harness, SELLER, silent } from './testing/harness.ts';

/** The numbers are those of the money invariants in docs/metering.md. */
describe('periods and invoices on a real database', { timeout: 60_000 }, () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start();
  }, 60_000);
  afterAll(() => h?.stop());

  const at = (text: string): Date => new Date(text);
  const DRAFTED = at('2026-12-01T06:00:00Z');
  const ISSUED = at('2026-12-03T06:00:00Z');
  /** A tenant with a month of November that costs `gib` × $0.08. */
  const billed = async (gib = 100n) => {
    const tenantId = await h.tenant();
    const clusterId = await h.cluster(tenantId);
    await h.use(clusterId, 'egress_bytes', '2026-11-10T00:00:00Z', (gib + 2n) * GIB);
    return { tenantId, clusterId };
  };
  const grant = (tenantId: string, amountMinor: bigint, expiresAt: Date | null, key: string, now: Date) =>
    h.database.withTenant(tenantId, async (tx) => {
      const account = await lockedAccount(tx, tenantId);
      return grantCredit(tx, account, { key, title: 'Welcome', kind: 'promotion', amountMinor, expiresAt }, now);
    });
  const operator = (tenantId: string, invoiceId: string) => ({ tenantId, invoiceId, actor: 'op', reason: 'because' });
  const asOwner = async (sql: string, values: unknown[] = []): Promise<string> => {
    const client = new pg.Client({ connectionString: h.ownerUrl });
    await client.connect();
    try {
      return String((await client.query(sql, values)).rowCount);
    } catch (error) {
      return (error as Error).message;
    } finally {
      await client.end();
    }
  };

  it('go from draft over 48 hours to issued, once, with a number and a balanced ledger', async () => {
    const { tenantId } = await billed();
    await h.run.tenant(tenantId, at('2026-11-30T23:59:59Z'));
    expect(await h.invoices(tenantId)).toEqual([]);
    await h.run.tenant(tenantId, DRAFTED);
    await h.run.tenant(tenantId, at('2026-12-02T23:59:59Z'));
    expect(await h.invoices(tenantId)).toMatchObject([{ status: 'draft', number: null }]);
    for (let again = 0; again < 3; again += 1) await h.run.tenant(tenantId, ISSUED);
    const [invoice, ...more] = await h.invoices(tenantId);
    expect(more).toEqual([]);
    expect(invoice).toMatchObject({ status: 'issued', gatewayStatus: 'synced' });
    expect(invoice!.number).toMatch(/^[0-9A-F]{8}-0001$/);
    expect(invoice!.totalMinor.toFixed(0)).toBe('800');
    expect(await h.balances(tenantId)).toEqual({ receivable: '800', revenue: '-800' });
  });

  it('3: a run that dies after any step, or runs many times at once, makes one invoice and one booking', async () => {
    const { tenantId } = await billed();
    await grant(tenantId, 300n, null, 'g', at('2026-11-02T00:00:00Z'));
    const dying = new BillingRun({
      ...{ database: h.database, seller: SELLER, log: silent },
      gateway: {
        kind: 'offline',
        upsertCustomer: () => Promise.reject(new Error('died')),
        upsertInvoice: () => Promise.reject(new Error('died')),
        finalizeInvoice: () => Promise.reject(new Error('died')),
        voidInvoice: () => Promise.reject(new Error('died')),
      },
    });
    for (const now of [DRAFTED, ISSUED]) await Promise.all([1, 2].map(() => dying.tenant(tenantId, now)));
    expect(await h.invoices(tenantId)).toMatchObject([{ status: 'issued', gatewayStatus: 'failed' }]);
    await Promise.all([1, 2, 3].map(() => h.run.tenant(tenantId, ISSUED)));
    expect(await h.invoices(tenantId)).toMatchObject([{ status: 'issued', gatewayStatus: 'synced' }]);
    expect(await h.balances(tenantId)).toEqual({ promotion: '300', receivable: '500', revenue: '-800' });
  });

  it('1: lines add up to the invoice, and the database refuses one that does not', async () => {
    const { tenantId } = await billed();
    await h.run.tenant(tenantId, DRAFTED);
    const [draft] = await h.invoices(tenantId);
    const wrong = h.database.withTenant(tenantId, (tx) =>
      tx.invoice.update({
        where: { id: draft!.id },
        data: { status: 'issued', number: 'X', issuedAt: new Date(), totalMinor: '801', subtotalMinor: '801' },
      }),
    );
    await expect(wrong).rejects.toThrow(/add up to 800, not to 801/);
    await h.run.tenant(tenantId, ISSUED);
    const [invoice] = await h.invoices(tenantId);
    const sum = invoice!.lines.reduce((all, line) => all + BigInt(line.amountMinor.toFixed(0)), 0n);
    expect(sum.toString()).toBe(invoice!.subtotalMinor.toFixed(0));
  });

  it('6: late usage changes a draft, and of an issued invoice only the next one; issued bytes never change', async () => {
    const { tenantId, clusterId } = await billed();
    await h.run.tenant(tenantId, DRAFTED);
    await h.use(clusterId, 'egress_bytes', '2026-11-11T00:00:00Z', 10n * GIB, '2026-12-01T07:00:00Z');
    await h.run.tenant(tenantId, ISSUED);
    const issued = (await h.invoices(tenantId))[0]!;
    expect(issued.totalMinor.toFixed(0)).toBe('880');
    await h.use(clusterId, 'egress_bytes', '2026-11-12T00:00:00Z', 5n * GIB, '2026-12-04T00:00:00Z');
    await h.use(clusterId, 'egress_bytes', '2026-12-10T00:00:00Z', 3n * GIB);
    await h.run.tenant(tenantId, at('2027-01-04T00:00:00Z'));
    const [before, next] = await h.invoices(tenantId);
    const { status: _s, gatewayStatus: _g, ...frozen } = issued;
    expect(before).toMatchObject(frozen);
    expect(next!.lines.map((line) => [line.kind, line.amountMinor.toFixed(0)]).sort()).toEqual([
      ['adjustment', '40'],
      ['usage', '8'],
    ]);
    const late = next!.lines.find((line) => line.kind === 'adjustment')!;
    expect(late.serviceFrom.toISOString()).toBe('2026-11-01T00:00:00.000Z');
    expect(late.corrects).toBe(before!.lines.find((line) => line.kind === 'usage')!.identity);
    // and it is corrected once
    await h.run.tenant(tenantId, at('2027-02-04T00:00:00Z'));
    expect(await h.invoices(tenantId)).toHaveLength(2);
  });

  it('6: the database itself refuses to change an issued invoice or its lines, to the owner of the tables too', async () => {
    const { tenantId } = await billed();
    await h.run.tenant(tenantId, ISSUED);
    const [invoice] = await h.invoices(tenantId);
    for (const set of [
      'total_minor = 1, subtotal_minor = 1',
      "document = '{}'",
      "status = 'draft'",
      "number = 'X'",
      'due_at = now()',
    ])
      expect(await asOwner(`UPDATE invoices SET ${set} WHERE id = $1`, [invoice!.id])).toMatch(/does not change/);
    expect(await asOwner("UPDATE invoice_lines SET description = 'x' WHERE invoice_id = $1", [invoice!.id])).toMatch(
      /do not change/,
    );
    expect(await asOwner('DELETE FROM invoice_lines WHERE invoice_id = $1', [invoice!.id])).toMatch(/do not change/);
  });

  it('11: every ledger transaction sums to zero and credit never falls below it', async () => {
    const tenantId = await h.tenant();
    const posting = { tenantId, ref: 'r', currency: 'USD', at: new Date() };
    const write = (key: string, entries: object) =>
      h.database.withTenant(tenantId, (tx) => post(tx, { ...posting, key, entries }));
    await expect(write('a', { cash: 5n, receivable: -4n })).rejects.toThrow(/does not sum to zero/);
    await expect(write('b', { customer_credit: 5n, receivable: -5n })).rejects.toThrow(/more credit is spent/);
    await write('c', { cash: 5n, receivable: -5n });
    await write('c', { cash: 5n, receivable: -5n });
    expect(await h.balances(tenantId)).toEqual({ cash: '5', receivable: '-5' });
  });

  it('12: credits pay before the gateway does, in order; what expires is broken once', async () => {
    const { tenantId } = await billed();
    await grant(tenantId, 300n, at('2026-12-24T00:00:00Z'), 'soon', at('2026-11-02T00:00:00Z'));
    await grant(tenantId, 700n, null, 'ever', at('2026-11-01T00:00:00Z'));
    await grant(tenantId, 100n, at('2026-11-20T00:00:00Z'), 'gone', at('2026-11-01T00:00:00Z'));
    for (let again = 0; again < 2; again += 1) await grant(tenantId, 700n, null, 'ever', at('2026-11-01T00:00:00Z'));
    await h.run.tenant(tenantId, at('2026-11-25T00:00:00Z'));
    for (let again = 0; again < 3; again += 1) await h.run.tenant(tenantId, ISSUED);
    const [invoice] = await h.invoices(tenantId);
    expect(invoice).toMatchObject({ status: 'paid' });
    const paid = invoice!.lines.filter((line) => line.kind === 'credit').map((line) => line.amountMinor.toFixed(0));
    expect(paid.sort()).toEqual(['-300', '-500']);
    expect(await h.balances(tenantId)).toEqual({
      ...{ breakage: '-100', customer_credit: '-200', promotion: '1100', revenue: '-800' },
    });
  });

  it('24: missing windows hold an invoice until they come, are waived by name, or the grace ends', async () => {
    const { tenantId, clusterId } = await billed();
    const missing = h.window(clusterId, 'egress_bytes', '2026-11-20T00:00:00Z', 1n * GIB);
    await h.use(clusterId, 'egress_bytes', '2026-11-21T00:00:00Z', 1n * GIB);
    const other = await billed();
    h.window(other.clusterId, 'egress_bytes', '2026-11-20T00:00:00Z', 1n * GIB);
    await h.use(other.clusterId, 'egress_bytes', '2026-11-21T00:00:00Z', 1n * GIB);
    for (const one of [tenantId, other.tenantId]) await h.run.tenant(one, ISSUED);
    const [held] = await h.invoices(tenantId);
    expect(held).toMatchObject({ status: 'held', holdReason: 'usage-gap' });
    await h.database.metering.ingest(h.agentId, [missing], ISSUED);
    await h.run.tenant(tenantId, ISSUED);
    expect((await h.invoices(tenantId))[0]).toMatchObject({ status: 'issued', holdReason: null });
    expect((await h.invoices(tenantId))[0]!.totalMinor.toFixed(0)).toBe('816');
    const waived = (await h.invoices(other.tenantId))[0]!;
    await releaseInvoice(h.database, operator(other.tenantId, waived.id), ISSUED);
    await h.run.tenant(other.tenantId, ISSUED);
    expect((await h.invoices(other.tenantId))[0]).toMatchObject({ status: 'issued' });
    expect((await h.invoices(other.tenantId))[0]!.totalMinor.toFixed(0)).toBe('808');
    const audit = await h.database.withTenant(other.tenantId, (tx) =>
      tx.auditEvent.findMany({ where: { action: 'invoice.release' } }),
    );
    expect(audit).toMatchObject([{ actorId: 'op', detail: { reason: 'because' } }]);
    const third = await billed();
    h.window(third.clusterId, 'egress_bytes', '2026-11-20T00:00:00Z', 1n * GIB);
    await h.use(third.clusterId, 'egress_bytes', '2026-11-21T00:00:00Z', 1n * GIB);
    await h.run.tenant(third.tenantId, at('2026-12-09T23:00:00Z'));
    expect((await h.invoices(third.tenantId))[0]).toMatchObject({ status: 'held' });
    await h.run.tenant(third.tenantId, at('2026-12-10T00:00:00Z'));
    expect((await h.invoices(third.tenantId))[0]).toMatchObject({ status: 'issued' });
  });

  it('holds a bill above three times its trailing mean until an operator lets it go', async () => {
    const { tenantId, clusterId } = await billed(200n);
    await h.run.tenant(tenantId, ISSUED);
    await h.use(clusterId, 'egress_bytes', '2026-12-10T00:00:00Z', 700n * GIB);
    const later = at('2027-01-03T06:00:00Z');
    await h.run.tenant(tenantId, later);
    const [, second] = await h.invoices(tenantId);
    expect(second).toMatchObject({ status: 'held', holdReason: 'anomaly' });
    await releaseInvoice(h.database, operator(tenantId, second!.id), later);
    await h.run.tenant(tenantId, later);
    expect((await h.invoices(tenantId))[1]).toMatchObject({ status: 'issued' });
  });

  it('25: the preview of now is the invoice if the period ended now', async () => {
    const { tenantId } = await billed();
    await updateSubscription(h.database, tenantId, { support: 'standard' }, at('2026-11-16T00:00:00Z'));
    await createCoupon(h.database, { code: 'HALF', title: 'Half price', percent: '50', months: 2 });
    await redeemCoupon(h.database, tenantId, 'HALF', at('2026-11-20T00:00:00Z'));
    await redeemCoupon(h.database, tenantId, 'HALF', at('2026-11-21T00:00:00Z'));
    const preview = await previewInvoice(h.database, tenantId, at('2026-11-30T23:59:59.999Z'));
    await h.run.tenant(tenantId, ISSUED);
    const [row] = await h.invoices(tenantId);
    const invoice = await h.database.withTenant(tenantId, (tx) => readInvoice(tx, tenantId, row!.id));
    expect(invoice.lines).toEqual(preview.lines);
    expect(invoice.total).toEqual(preview.total);
    expect(invoice.lines.map((line) => [line.kind, line.amount.amount])).toEqual([
      ['usage', '800'],
      ['flat', '1450'],
      ['discount', '-1125'],
    ]);
  });

  it('14: a support level changed and changed back in the same second costs nothing', async () => {
    const tenantId = await h.tenant();
    for (const support of ['business', 'community'])
      await updateSubscription(h.database, tenantId, { support }, at('2026-11-16T00:00:00.500Z'));
    expect((await previewInvoice(h.database, tenantId, at('2026-11-20T00:00:00Z'))).total.amount).toBe('0');
  });

  it('18 and 19: usage of a paused or deleted cluster counts until then and not after', async () => {
    const { tenantId, clusterId } = await billed();
    await h.use(clusterId, 'warm_byte_seconds', '2026-11-20T00:00:00Z', 10n * GIB * 1_000_000n);
    await h.database.withTenant(tenantId, (tx) =>
      tx.cluster.update({ where: { id: clusterId }, data: { phase: 'Deleted' } }),
    );
    await h.run.tenant(tenantId, ISSUED);
    const [invoice] = await h.invoices(tenantId);
    // 7.3216 million GiB-seconds beyond the allowance at $0.03
    expect(invoice!.lines.map((line) => line.amountMinor.toFixed(0)).sort()).toEqual(['22', '800']);
    await h.run.tenant(tenantId, at('2027-03-04T00:00:00Z'));
    expect(await h.invoices(tenantId)).toHaveLength(1);
  });

  it('bills an hour under the plan it began in when a cluster changes its plan', async () => {
    const tenantId = await h.tenant();
    const clusterId = await h.cluster(tenantId);
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    const iso = (hours: number) => new Date(hour + hours * 3_600_000).toISOString();
    await h.use(clusterId, 'egress_bytes', iso(-1), 12n * GIB);
    await h.database.withTenant(tenantId, (tx) =>
      tx.cluster.update({ where: { id: clusterId }, data: { plan: 'dedicated' } }),
    );
    await h.use(clusterId, 'egress_bytes', iso(1), 110n * GIB);
    const month = await previewInvoice(h.database, tenantId, new Date(hour));
    const sameMonth = new Date(iso(-1)).getUTCMonth() === new Date(iso(1)).getUTCMonth();
    if (sameMonth) expect(month.lines.map((line) => line.amount.amount)).toEqual(['80', '50']);
  });

  it('voids an unpaid invoice, makes credit notes of a paid one, and the ledger follows', async () => {
    const { tenantId } = await billed();
    await grant(tenantId, 300n, null, 'g', at('2026-11-02T00:00:00Z'));
    await h.run.tenant(tenantId, ISSUED);
    const first = (await h.invoices(tenantId))[0]!;
    await changeInvoice(h.database, operator(tenantId, first.id), 'invoice.void', ISSUED, voidInvoice);
    expect(await h.balances(tenantId)).toEqual({ customer_credit: '-300', promotion: '300' });
    // a void invoice makes room for another of its period
    await h.run.tenant(tenantId, ISSUED);
    const second = (await h.invoices(tenantId))[1]!;
    expect([second.status, second.totalMinor.toFixed(0)]).toEqual(['issued', '500']);
    await h.run.paid(tenantId, second.id, ISSUED);
    await h.run.paid(tenantId, second.id, ISSUED);
    const note = (key: string, amountMinor: bigint) =>
      changeInvoice(h.database, operator(tenantId, second.id), 'invoice.credit', ISSUED, (tx, account, invoice, now) =>
        creditNote(tx, account, invoice, now, { key, amountMinor, reason: 'outage' }),
      );
    await note('n1', 200n);
    await note('n1', 200n);
    await expect(note('n2', 301n)).rejects.toMatchObject({ code: 'validation-failed' });
    expect((await h.invoices(tenantId)).map((one) => one.number?.slice(-4) ?? '')).toEqual(['0001', '0002', '0003']);
    expect(await h.balances(tenantId)).toEqual({
      cash: '500',
      customer_credit: '-200',
      promotion: '300',
      revenue: '-600',
    });
  });

  it('suspends what stays unpaid and lifts it when it is paid', async () => {
    const { tenantId, clusterId } = await billed();
    await h.run.tenant(tenantId, ISSUED);
    const [invoice] = await h.invoices(tenantId);
    const state = async (now: string) => {
      await h.run.tenant(tenantId, at(now));
      return h.database.withTenant(tenantId, async (tx) => {
        const { standing } = await tx.billingAccount.findUniqueOrThrow({ where: { tenantId } });
        const row = await tx.cluster.findUniqueOrThrow({ where: { id: clusterId } });
        return [standing, row.growthStoppedReason !== null, row.suspendedReason !== null, row.generation];
      });
    };
    expect(await state('2026-12-17T05:59:59Z')).toEqual(['good', false, false, 1]);
    expect(await state('2026-12-17T06:00:00Z')).toEqual(['past_due', false, false, 1]);
    expect(await state('2026-12-24T06:00:00Z')).toEqual(['restricted', true, false, 2]);
    expect(await state('2026-12-31T06:00:00Z')).toEqual(['suspended', true, true, 3]);
    expect(await state('2026-12-31T06:00:00Z')).toEqual(['suspended', true, true, 3]);
    const due = await h.database.work.takeDue('reconcile-cluster', 100);
    expect(due.map((work) => work.key)).toContain(clusterId);
    await h.run.paid(tenantId, invoice!.id, at('2026-12-31T07:00:00Z'));
    expect(await state('2026-12-31T07:00:01Z')).toEqual(['good', false, false, 4]);
  });

  it('20: a threshold fires once a month, again after a raise, throttles and lets go', async () => {
    const { tenantId, clusterId } = await billed();
    const now = at('2026-11-12T00:00:00Z');
    const thresholds = [
      { percent: 50, action: 'notify' as const },
      { percent: 100, action: 'throttle' as const },
    ];
    const fields = { name: 'Month', clusterId: null, amountMinor: '1000', thresholds };
    const budget = await createBudget(h.database, tenantId, 'k', fields, now);
    expect((await createBudget(h.database, tenantId, 'k', fields, now)).id).toBe(budget.id);
    expect(budget).toMatchObject({ spent: { amount: '800' }, alerts: [{ percent: 50 }] });
    const throttled = async () =>
      (await h.database.withTenant(tenantId, (tx) => tx.cluster.findUniqueOrThrow({ where: { id: clusterId } })))
        .throttledAt !== null;
    expect(await throttled()).toBe(false);
    await h.use(clusterId, 'egress_bytes', '2026-11-12T01:00:00Z', 30n * GIB);
    for (let again = 0; again < 3; again += 1) await watchBudgets(h.database, tenantId, now);
    expect(await throttled()).toBe(true);
    const alerts = () => h.database.withTenant(tenantId, (tx) => tx.budgetAlert.count());
    expect(await alerts()).toBe(2);
    const raised = await updateBudget(h.database, tenantId, budget.id, { amountMinor: '2000' }, now);
    expect(raised.alerts).toHaveLength(3);
    expect(await throttled()).toBe(false);
    await watchBudgets(h.database, tenantId, now);
    expect(await alerts()).toBe(3);
    await updateBudget(h.database, tenantId, budget.id, { amountMinor: '100' }, now);
    expect(await throttled()).toBe(true);
    await watchBudgets(h.database, tenantId, at('2026-12-01T00:00:30Z'));
    expect(await throttled()).toBe(false);
    await deleteBudget(h.database, tenantId, budget.id, now);
    const stranger = await h.tenant();
    await expect(updateBudget(h.database, stranger, budget.id, { name: 'x' }, now)).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('tells cost so far by cluster, protocol and meter to the last cent, a forecast and why it moved', async () => {
    const tenantId = await h.tenant();
    const [a, b] = [await h.cluster(tenantId), await h.cluster(tenantId)];
    await h.use(a, 'egress_bytes', '2026-10-10T00:00:00Z', 12n * GIB);
    await h.use(a, 'egress_bytes', '2026-11-09T00:00:00Z', 11n * GIB);
    await h.use(b, 'egress_bytes', '2026-11-10T00:00:00Z', 24n * GIB);
    const view = await costs(h.database, tenantId, at('2026-11-16T00:00:00Z'));
    expect(view).toMatchObject({ total: { amount: '264' }, previousTotal: { amount: '80' } });
    const parts = view.byCluster.map((one) => one.amount.amount);
    expect(parts).toEqual(['181', '83']);
    expect(view.byProtocol).toMatchObject([{ protocol: 'mqtt', amount: { amount: '264' } }]);
    // 35 GiB in the last seven days, 15 days to go: 75 GiB more
    expect(view.forecast.amount).toBe('864');
    expect(view.reasons[0]).toMatchObject({ meter: 'egress_bytes', from: { amount: '80' }, to: { amount: '864' } });
  });

  it('27: billing of one tenant shows and changes nothing of another, also with forged ids', async () => {
    const [mine, theirs] = [await billed(), await billed()];
    for (const { tenantId } of [mine, theirs]) await h.run.tenant(tenantId, ISSUED);
    const [invoice] = await h.invoices(theirs.tenantId);
    const forged = h.database.withTenant(mine.tenantId, (tx) => readInvoice(tx, mine.tenantId, invoice!.id));
    await expect(forged).rejects.toMatchObject({ code: 'not-found' });
    await expect(h.run.paid(mine.tenantId, invoice!.id, ISSUED)).rejects.toMatchObject({ code: 'not-found' });
    const seen = await h.database.withTenant(mine.tenantId, (tx) =>
      tx.invoiceLine.findMany({ where: { tenantId: theirs.tenantId } }),
    );
    expect(seen).toEqual([]);
  });

  it('4: windows and hourly sums agree, and the sums can be made again from the windows', async () => {
    const { tenantId, clusterId } = await billed();
    for (let n = 0; n < 5; n += 1)
      await h.use(clusterId, 'ingress_bytes', `2026-11-1${n}T00:0${n}:00Z`, BigInt(n) * 7n + 1n);
    const rows = await h.database.withTenant(
      tenantId,
      (tx) => tx.$queryRaw<{ differs: number; hours: number }[]>`
        WITH again AS (SELECT cluster_id, protocol, meter, date_trunc('hour', window_start, 'UTC') AS hour, sum(value) AS q
          FROM usage_windows GROUP BY 1, 2, 3, 4)
        SELECT count(*) FILTER (WHERE h.quantity IS DISTINCT FROM a.q)::int AS differs, count(*)::int AS hours
        FROM again a FULL JOIN usage_hourly h USING (cluster_id, protocol, meter, hour)`,
    );
    expect(rows).toEqual([{ differs: 0, hours: 6 }]);
  });

  it('publishes prices for months to come, ends the one before, and rates each month by its own', async () => {
    const priceFrom = (validFrom: string): PriceVersion => ({
      ...{ plan: 'serverless', meter: 'ingress_bytes', currency: 'USD', included: '0', validFrom, validTo: null },
      model: 'graduated',
      tiers: [
        { upTo: '10', unitPrice: '1' },
        { upTo: null, unitPrice: '0.5' },
      ],
    });
    const now = at('2027-04-10T00:00:00Z');
    const from = '2027-05-01T00:00:00.000Z';
    for (const wrong of ['2027-04-01T00:00:00.000Z', '2027-05-02T00:00:00.000Z'])
      await expect(publishPrice(h.database, priceFrom(wrong), now)).rejects.toMatchObject({
        code: 'validation-failed',
      });
    await publishPrice(h.database, priceFrom(from), now);
    await expect(publishPrice(h.database, priceFrom(from), now)).rejects.toMatchObject({
      code: 'conflict',
    });
    const tenantId = await h.tenant();
    const clusterId = await h.cluster(tenantId);
    await h.use(clusterId, 'ingress_bytes', '2027-04-20T00:00:00Z', 11n * GIB);
    await h.use(clusterId, 'ingress_bytes', '2027-05-20T00:00:00Z', 20n * GIB);
    expect((await previewInvoice(h.database, tenantId, at('2027-04-30T00:00:00Z'))).total.amount).toBe('60');
    expect((await previewInvoice(h.database, tenantId, at('2027-05-30T00:00:00Z'))).total.amount).toBe('1500');
    expect(
      await asOwner(`INSERT INTO price_versions (id, plan, meter, model, unit_price, currency, valid_from)
      VALUES (gen_random_uuid(), 'serverless', 'ingress_bytes', 'per_unit', '1', 'USD', '2027-06-01')`),
    ).toMatch(/no_overlap/);
    expect(await asOwner("UPDATE price_versions SET unit_price = '9' WHERE valid_to IS NOT NULL")).toMatch(
      /append only/,
    );
  });
});
