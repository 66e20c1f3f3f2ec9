import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkQueue } from '@robustmq/db';
import { TestAgent } from '../testing/test-agent.ts';
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

  it('foresees what a topic would cost under other tier policies, from what its node holds', async () => {
    const agent = await TestAgent.joined(api);
    try {
      const { body: cluster } = await call<{ id: string }>('POST', '/clusters', { name: 'tiers' });
      const at = `/clusters/${cluster.id}`;
      await until(
        () => call<{ phase: string }>('GET', at),
        (answer) => answer.body.phase === 'Ready',
      );
      const retentionMs = 40 * 86_400_000;
      const tier = { coldAfterMs: 86_400_000 };
      expect((await call('POST', `${at}/topics`, { name: 'logs', partitions: 2, retentionMs, tier })).status).toBe(201);
      const bytes = 100 * 2 ** 30;
      const partition = (sizeBytes: number, index: number) => ({
        ...{ partition: index, startOffset: 7, endOffset: 9, stableOffset: 9, sizeBytes },
        ...{ hotBytes: 0, warmBytes: sizeBytes, coldBytes: 0, objects: [], moves: [] },
      });
      const oldest = new Date(Date.now() - 10 * 86_400_000).toISOString();
      agent.answer = (view, query) => {
        if (view === 'topic-tiers') return { reply: { partitions: [bytes, 0].map(partition) } };
        expect(query).toMatchObject({ topic: 'logs', partition: 0, fromOffset: 7, limit: 1 });
        const record = {
          partition: 0,
          offset: 7,
          timestamp: oldest,
          key: null,
          value: null,
          sizeBytes: 1,
          headers: [],
        };
        return { reply: { items: [record], nextOffset: 8 } };
      };
      interface Told {
        observed: { bytesPerDay: number; since: string };
        options: { kind: string; coldAfterDays: number | null; amount: { amount: string; currency: string } }[];
      }
      const told = await call<Told>('GET', `${at}/topics/logs/tier-forecast?cold_after_days=30,1`);
      expect(told.status).toBe(200);
      expect(told.body.observed).toMatchObject({ storedBytes: bytes, since: oldest, partitions: 2 });
      expect(Math.round(told.body.observed.bytesPerDay / 2 ** 30)).toBe(10);
      const cents = told.body.options.map(({ kind, coldAfterDays, amount }) => [kind, coldAfterDays, +amount.amount]);
      const [present, disk, day, month] = cents.map(([, , amount]) => amount as number);
      expect(cents.map(([kind, days]) => [kind, days])).toEqual([
        ...[
          ['present', null],
          ['disk', null],
        ],
        ...[
          ['cold-after', 1],
          ['cold-after', 30],
        ],
      ]);
      // 100 GiB that grow by 10 a day for 30 days: 250 on average, at $0.03 per million GiB-seconds on disk
      expect(disk).toBeGreaterThan(1930);
      expect(disk).toBeLessThan(1960);
      expect(day).toBe(present);
      expect(day).toBeLessThan(disk! * 0.4);
      expect(month).toBeGreaterThan(day!);
      expect(month).toBeLessThan(disk!);
      const wrong = await call('GET', `${at}/topics/logs/tier-forecast?cold_after_days=1,,2`);
      expect(wrong.status).toBe(400);
      expect((await call('GET', `${at}/topics/absent/tier-forecast`)).status).toBe(404);
    } finally {
      agent.close();
    }
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
