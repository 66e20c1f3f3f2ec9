import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBudget, updateBudget, watchBudgets } from './budgets.ts';
import { BillingRun } from './billing-run.ts';
import { GIB, Harness, SELLER, silent } from './testing/harness.ts';
import { OfflineGateway } from './payment-gateway.ts';

const at = (iso: string): Date => new Date(iso);
const ISSUED = at('2026-12-03T06:00:00Z');
const DAY_MS = 86_400_000;

/** What people are told, what a trial is worth, and what goes when nobody pays. */
describe('arrears, trials and the order of sacrifice', { timeout: 60_000 }, () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start();
  }, 60_000);
  afterAll(async () => h?.stop());

  const billed = async () => {
    const tenantId = await h.tenant();
    const clusterId = await h.cluster(tenantId);
    await h.use(clusterId, 'egress_bytes', '2026-11-10T00:00:00Z', 102n * GIB);
    return { tenantId, clusterId };
  };
  const notices = (tenantId: string) =>
    h.database.withTenant(tenantId, (tx) =>
      tx.billingNotice.findMany({ where: { tenantId }, orderBy: [{ at: 'asc' }, { key: 'asc' }] }),
    );
  const kinds = async (tenantId: string) => (await notices(tenantId)).map((one) => one.key.split(':').at(-1));
  const clusterOf = (tenantId: string, id: string) =>
    h.database.withTenant(tenantId, (tx) => tx.cluster.findUniqueOrThrow({ where: { id } }));
  /** Days after the invoice was due, hours given apart. */
  const overdue = (days: number): Date => new Date(ISSUED.getTime() + (14 + days) * DAY_MS);

  it('tells each step of dunning once, and deletes after 44 days and three notices, restorable for a week', async () => {
    const { tenantId, clusterId } = await billed();
    await h.run.tenant(tenantId, ISSUED);
    for (const day of [-1, 0, 0, 7, 14, 14, 29, 30, 33, 37, 40, 41, 41, 43]) await h.run.tenant(tenantId, overdue(day));
    expect(await kinds(tenantId)).toEqual([
      ...['past_due', 'restricted', 'suspended'],
      ...['deletion-1', 'deletion-2', 'deletion-3'],
    ]);
    const [first] = await notices(tenantId);
    expect(first!.subject).toMatch(/^Invoice [0-9A-F]{8}-0001 is unpaid$/);
    expect(first!.text).toContain('over 8.00 USD was due on 2026-12-17');
    expect((await clusterOf(tenantId, clusterId)).restoreUntil).toBeNull();
    await h.run.tenant(tenantId, overdue(44));
    await h.run.tenant(tenantId, overdue(45));
    const { restoreUntil, generation } = await clusterOf(tenantId, clusterId);
    expect(restoreUntil).toEqual(overdue(51));
    expect(generation).toBe(4);
    const audit = await h.database.withTenant(tenantId, (tx) =>
      tx.auditEvent.findMany({ where: { action: 'cluster.delete' } }),
    );
    expect(audit).toMatchObject([{ actorId: 'billing', targetId: clusterId }]);
    const work = await h.database.work.takeDue('send-mail', 100);
    expect(work.filter((one) => one.tenantId === tenantId)).toHaveLength(6);
  });

  it('deletes nothing that was not announced: an outage moves the deletion back, never the notices together', async () => {
    const { tenantId, clusterId } = await billed();
    await h.run.tenant(tenantId, ISSUED);
    const deletedOn: number[] = [];
    for (let day = 60; day <= 72 && deletedOn.length === 0; day += 1) {
      await h.run.tenant(tenantId, overdue(day));
      if ((await clusterOf(tenantId, clusterId)).restoreUntil !== null) deletedOn.push(day);
    }
    expect(deletedOn).toEqual([69]);
    const days = (await notices(tenantId)).map((one) => one.at.getTime());
    expect(days.slice(1).map((one, n) => (one - days[n]!) / DAY_MS)).toEqual([0, 3, 3]);
  });

  it('deletes nothing of who pays, or is exempt, or whose invoice is void', async () => {
    const [payer, exempt] = [await billed(), await billed()];
    await h.database.withTenant(exempt.tenantId, (tx) =>
      tx.billingAccount.createMany({ data: [{ tenantId: exempt.tenantId, dunningExempt: true }] }),
    );
    for (const { tenantId } of [payer, exempt]) await h.run.tenant(tenantId, ISSUED);
    for (const day of [15, 30, 37, 41])
      for (const { tenantId } of [payer, exempt]) await h.run.tenant(tenantId, overdue(day));
    const [invoice] = await h.invoices(payer.tenantId);
    await h.run.paid(payer.tenantId, invoice!.id, overdue(43));
    for (const one of [payer, exempt]) {
      for (const day of [44, 50]) await h.run.tenant(one.tenantId, overdue(day));
      expect(await clusterOf(one.tenantId, one.clusterId)).toMatchObject({ restoreUntil: null, suspendedReason: null });
    }
    expect(await kinds(exempt.tenantId)).toEqual(['past_due']);
  });

  it('owes a commitment for no month that ended before the account began', async () => {
    const tenantId = await h.tenant();
    await h.run.tenant(tenantId, new Date());
    await h.database.withTenant(tenantId, (tx) =>
      tx.billingAccount.update({ where: { tenantId }, data: { commitment: '250' } }),
    );
    await h.run.tenant(tenantId, new Date());
    expect(await h.invoices(tenantId)).toEqual([]);
    await h.run.tenant(tenantId, new Date(Date.now() + 31 * DAY_MS));
    expect((await h.invoices(tenantId)).map((one) => one.totalMinor.toFixed(0))).toEqual(['25000']);
  });

  it('gives a new tenant its trial once; what is left after 30 days is breakage, and the rest is paid', async () => {
    const run = new BillingRun({
      ...{ database: h.database, gateway: new OfflineGateway(), seller: SELLER, log: silent },
      trialMinor: 10_000n,
    });
    const tenantId = await h.tenant();
    const now = new Date();
    for (let again = 0; again < 3; again += 1) await run.tenant(tenantId, now);
    const grants = () => h.database.withTenant(tenantId, (tx) => tx.creditGrant.findMany({ where: { tenantId } }));
    const [trial, ...more] = await grants();
    expect(more).toEqual([]);
    expect([trial!.kind, trial!.remainingMinor.toFixed(0)]).toEqual(['trial', '10000']);
    const days = (trial!.expiresAt!.getTime() - now.getTime()) / DAY_MS;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
    expect(await h.balances(tenantId)).toEqual({ customer_credit: '-10000', promotion: '10000' });
    await run.tenant(tenantId, new Date(now.getTime() + 31 * DAY_MS));
    expect(await h.balances(tenantId)).toEqual({ breakage: '-10000', promotion: '10000' });
    const late = await h.tenant();
    await run.tenant(late, new Date(now.getTime() + 31 * DAY_MS));
    expect(await h.balances(late)).toEqual({});
  });

  it('throttles in the tenant’s order of sacrifice: one more with every threshold, the whole list with the last', async () => {
    const { tenantId, clusterId: kept } = await billed();
    const [dear, cheap] = [await h.cluster(tenantId), await h.cluster(tenantId)];
    const now = at('2026-11-12T00:00:00Z');
    const thresholds = [50, 75, 100].map((percent) => ({ percent, action: 'throttle' as const }));
    const fields = { name: 'Month', clusterId: null, amountMinor: '1600', thresholds, sacrifice: [cheap, dear] };
    const budget = await createBudget(h.database, tenantId, 'k', fields, now);
    expect(budget.sacrifice).toEqual([cheap, dear]);
    const slow = async () => {
      const rows = await Promise.all([kept, dear, cheap].map((id) => clusterOf(tenantId, id)));
      return rows.map((row) => row.throttledAt !== null);
    };
    expect(await slow()).toEqual([false, false, true]);
    await h.use(cheap, 'egress_bytes', '2026-11-12T01:00:00Z', 50n * GIB);
    await watchBudgets(h.database, tenantId, now);
    expect(await slow()).toEqual([false, true, true]);
    await h.use(cheap, 'egress_bytes', '2026-11-12T02:00:00Z', 500n * GIB);
    await watchBudgets(h.database, tenantId, now);
    expect(await slow()).toEqual([false, true, true]);
    const due = (await h.database.work.takeDue('reconcile-cluster', 100)).map((work) => work.key);
    expect(due).toEqual(expect.arrayContaining([dear, cheap]));
    expect((await notices(tenantId)).map((one) => one.subject)).toEqual(
      expect.arrayContaining(['Budget "Month": 50 % is spent', 'Budget "Month": 100 % is spent']),
    );
    await updateBudget(h.database, tenantId, budget.id, { sacrifice: [] }, now);
    expect(await slow()).toEqual([true, true, true]);
    const stranger = await h.cluster(await h.tenant());
    await expect(updateBudget(h.database, tenantId, budget.id, { sacrifice: [stranger] }, now)).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});
