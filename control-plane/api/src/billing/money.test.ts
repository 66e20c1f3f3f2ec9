import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkQueue } from '@robustmq/db';
import { OPERATOR_TOKEN, startTestApi, until, type SignedUp, type TestApi } from '../testing/test-api.ts';

const BILLING = fileURLToPath(new URL('../../../../billing/app/src/main.ts', import.meta.url));
const INTERNAL_TOKEN = 'internal-token-of-the-tests';

/** The money routes with a real billing process behind them. */
describe('money over REST', { timeout: 60_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'rmq money-'));
  const billingSocket = join(dir, 'billing.sock');
  let api: TestApi;
  let billing: ChildProcess;
  let owner: SignedUp;

  beforeAll(async () => {
    api = await startTestApi({ billingSocket, internalToken: INTERNAL_TOKEN });
    billing = spawn(process.execPath, [BILLING], {
      env: {
        ...process.env,
        ...{ DATABASE_URL: api.databaseUrls.url, ROBUSTMQ_BILLING_SOCKET: billingSocket },
        ...{ ROBUSTMQ_INTERNAL_TOKEN: INTERNAL_TOKEN, NODE_COMPILE_CACHE: join(dir, 'cache') },
      },
      stdio: 'ignore',
    });
    owner = await api.signUp('Acme');
    const deadline = Date.now() + 60_000;
    while ((await api.call('GET', '/v1/prices')).status !== 200) {
      if (Date.now() > deadline) throw new Error('billing did not start within a minute');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }, 120_000);
  afterAll(async () => {
    if (billing?.exitCode === null) {
      const ended = new Promise((resolve) => billing.once('exit', resolve));
      billing.kill('SIGTERM');
      await ended;
    }
    await api?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const call = <T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ) => api.call<T>(method, `${owner.at}${path}`, { token: owner.token, headers, ...(body ? { body } : {}) });

  it('answers invoices, credits, costs, subscription and exports of a new tenant', async () => {
    for (const path of ['/invoices', '/credits', '/budgets', '/costs', '/subscription', '/usage/export?format=csv'])
      expect((await call('GET', path)).status, path).toBe(200);
    expect((await call('GET', '/subscription')).body).toMatchObject({
      ...{ standing: 'good', support: 'community', gateway: 'offline', buyer: { name: 'Acme' } },
    });
    const absent = '0193b3a0-0000-7000-8000-000000000000';
    for (const path of ['', '/document', '/proof', '/windows'])
      expect((await call('GET', `/invoices/${absent}${path}`)).status).toBe(404);
    expect((await call('POST', '/payment-portal')).status).toBe(409);
  });

  it('makes a budget once per Idempotency-Key, and audits what was changed', async () => {
    const body = { name: 'Month', amountMinor: '5000', thresholds: [{ percent: 80, action: 'notify' }] };
    const key = { 'idempotency-key': 'one' };
    const [first, second] = [await call('POST', '/budgets', body, key), await call('POST', '/budgets', body, key)];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body['id']).toBe(first.body['id']);
    expect((await call<{ items: unknown[] }>('GET', '/budgets')).body.items).toHaveLength(1);
    const id = String(first.body['id']);
    expect((await call('PATCH', `/budgets/${id}`, { amountMinor: '6000' })).body).toMatchObject({
      amount: { amount: '6000' },
    });
    expect((await call('PATCH', '/subscription', { support: 'standard' })).body).toMatchObject({ support: 'standard' });
    expect((await call('PATCH', '/subscription', { support: 'none' })).status).toBe(400);
    expect((await call('POST', '/credits', { code: 'NONE' })).status).toBe(404);
    expect((await call('DELETE', `/budgets/${id}`)).status).toBe(204);
    expect((await call('DELETE', `/budgets/${id}`)).status).toBe(404);
    const events = await call<{ items: { action: string }[] }>('GET', '/audit-events?limit=50');
    const actions = events.body.items.map((event) => event.action);
    for (const action of ['budget.create', 'budget.update', 'budget.delete', 'subscription.update'])
      expect(actions).toContain(action);
  });

  it('mails what billing has to say to the owners and the address on the invoices, each once', async () => {
    const { tenantId } = owner;
    await call('PATCH', '/subscription', { buyer: { name: 'Acme', email: 'books@acme.test' } });
    const notice = { kind: 'dunning', subject: 'Invoice 7 is unpaid', text: 'Pay it.\n', at: new Date() };
    await api.database.withTenant(tenantId, async (tx) => {
      await tx.billingNotice.createMany({ data: [{ tenantId, key: 'n', ...notice }] });
      await WorkQueue.promise(tx, 'send-mail', `${tenantId}/n`, tenantId);
    });
    const sent = async () => {
      const mails = await api.call<{ items: { address: string; subject: string; text: string }[] }>(
        'GET',
        '/v1/operator/mails',
        { token: OPERATOR_TOKEN },
      );
      return mails.body.items.filter((mail) => mail.subject === notice.subject);
    };
    const left = () =>
      api.database.withTenant(tenantId, (tx) => tx.outbox.count({ where: { kind: 'send-mail', tenantId } }));
    await until(left, (count) => count === 0);
    // promised again, as after a crash between mailing and ticking off
    await api.database.withTenant(tenantId, (tx) => WorkQueue.promise(tx, 'send-mail', `${tenantId}/n`, tenantId));
    await until(left, (count) => count === 0);
    const mails = await sent();
    expect(mails.map((mail) => mail.address).sort()).toEqual(['books@acme.test', owner.email].sort());
    expect(mails[0]!.text).toMatch(/^Pay it\.\n\nhttp.*\/billing\n$/);
  });

  it('refuses growth, and nothing else, while the account is restricted', async () => {
    const { tenantId } = owner;
    const [month, due] = [new Date(Date.now() - 60 * 86_400_000), new Date(Date.now() - 8 * 86_400_000)];
    const unpaid = await api.database.withTenant(tenantId, async (tx) => {
      await tx.billingAccount.update({ where: { tenantId }, data: { standing: 'restricted' } });
      return tx.invoice.create({
        data: {
          ...{ tenantId, status: 'past_due', number: 'UNPAID-1', currency: 'USD', issuedAt: month, dueAt: due },
          ...{ periodFrom: month, periodTo: due, subtotalMinor: '5', totalMinor: '5' },
        },
      });
    });
    const refused = await call('POST', '/clusters', { name: 'more' });
    expect(refused).toMatchObject({ status: 402, body: { code: 'billing-suspended' } });
    expect(String(refused.body['detail'])).toMatch(/An invoice is unpaid/);
    expect((await call('GET', '/clusters')).status).toBe(200);
    const paid = { token: OPERATOR_TOKEN, body: { tenantId, invoiceId: unpaid.id } };
    expect((await api.call('POST', '/v1/operator/billing/mark-paid', paid)).status).toBe(200);
    expect((await call('POST', '/clusters', { name: 'more' })).status).toBe(202);
  });

  it('lets the operator alone see reports and act, and takes no webhook without a provider', async () => {
    const report = (token: string) => api.call('GET', '/v1/operator/billing/reconciliation', { token });
    expect((await report('somebody')).status).toBe(401);
    expect((await report(OPERATOR_TOKEN)).body).toMatchObject({ drift: [] });
    const coupon = { code: 'HELLO', title: 'Hello', amountMinor: '500' };
    const made = await api.call('POST', '/v1/operator/billing/create-coupon', { token: OPERATOR_TOKEN, body: coupon });
    expect(made.status).toBe(200);
    expect((await call('POST', '/credits', { code: 'HELLO' })).body).toMatchObject({ title: 'Hello' });
    const hook = await fetch(`${api.url}/v1/webhooks/stripe`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(hook.status).toBe(404);
  });
});
