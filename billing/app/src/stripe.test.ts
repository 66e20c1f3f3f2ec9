import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { itemsOf, stripeClient, StripeGateway, STRIPE_ITEMS_MAX } from './stripe-gateway.ts';
import { resync, stripeWebhook } from './stripe-webhook.ts';
import { readInvoice } from './invoices.ts';
import { BillingRun } from './billing-run.ts';
import { MeterMirror } from './meter-mirror.ts';
import { GIB, Harness, SELLER, silent } from './testing/harness.ts';
import { StripeDouble, type Fault } from './testing/stripe-double.ts';

describe('the real Stripe client against a double with a memory', { timeout: 60_000 }, () => {
  const double = new StripeDouble();
  let h: Harness;
  let deliver: (body: string, signature: string) => Promise<void>;
  let now = new Date('2026-12-03T06:00:00Z');
  let look: () => Promise<number>;

  beforeAll(async () => {
    const stripe = stripeClient({ secretKey: double.secretKey, endpoint: await double.start() });
    h = await Harness.start(new StripeGateway(stripe));
    look = () =>
      resync({ database: h.database, stripe, run: h.run, now: () => now }, (error) => {
        throw error;
      });
    deliver = stripeWebhook({ database: h.database, stripe, secret: double.webhookSecret, run: h.run, now: () => now });
  }, 60_000);
  afterEach(() => {
    double.faults.length = 0;
    now = new Date('2026-12-03T06:00:00Z');
  });
  afterAll(async () => {
    await h?.stop();
    await double.stop();
  });

  const billed = async () => {
    const tenantId = await h.tenant();
    const clusterId = await h.cluster(tenantId);
    await h.use(clusterId, 'egress_bytes', '2026-11-10T00:00:00Z', 102n * GIB);
    await h.use(clusterId, 'ingress_bytes', '2026-11-10T00:00:00Z', 11n * GIB);
    return { tenantId, clusterId };
  };
  const copies = (tenantId: string) =>
    [...double.invoices.values()].filter((one) => (one['metadata'] as { tenant_id: string }).tenant_id === tenantId);
  const sumOf = (id: string) => double.items.get(id)!.reduce((sum, item) => sum + Number(item['amount']), 0);

  it('1: Stripe’s copy has our lines and our total, is finalised once, and sent again only when asked', async () => {
    const { tenantId } = await billed();
    for (let again = 0; again < 3; again += 1) await h.run.tenant(tenantId, now);
    const [copy, ...more] = copies(tenantId);
    expect(more).toEqual([]);
    expect(copy!['status']).toBe('open');
    expect(sumOf(copy!.id)).toBe(860);
    expect((await h.invoices(tenantId))[0]).toMatchObject({ gatewayId: copy!.id, gatewayStatus: 'synced' });
  });

  it.each(
    (['drop-after', 'error-after', 'error-before'] as Fault[]).flatMap((fault) =>
      [0, 1, 2, 3, 4, 5].map((at) => [fault, at] as const),
    ),
  )('22: %s at write %i makes no second invoice, item or charge', async (fault, at) => {
    const { tenantId } = await billed();
    double.faults.push(...Array<undefined>(at).fill(undefined), fault);
    for (let again = 0; again < 6; again += 1) await h.run.tenant(tenantId, now);
    const live = copies(tenantId).filter((one) => one['status'] !== 'draft');
    expect(live.map((one) => [one['status'], sumOf(one.id)])).toEqual([['open', 860]]);
    expect(double.items.get(live[0]!.id)).toHaveLength(2);
    expect(copies(tenantId).every((one) => one['customer'] === live[0]!['customer'])).toBe(true);
    expect((await h.invoices(tenantId))[0]).toMatchObject({ gatewayStatus: 'synced', gatewayId: live[0]!.id });
  });

  it('throws a copy away that somebody changed, and charges only what is ours', async () => {
    const { tenantId } = await billed();
    double.faults.push(undefined, undefined, undefined, undefined, undefined, 'error-before');
    await h.run.tenant(tenantId, now);
    const [copy] = copies(tenantId);
    expect(copy!['status']).toBe('draft');
    double.items.get(copy!.id)![0]!['amount'] = 9_999;
    for (let again = 0; again < 4; again += 1) await h.run.tenant(tenantId, now);
    const live = copies(tenantId).filter((one) => one['status'] === 'open');
    expect(live.map((one) => sumOf(one.id))).toEqual([860]);
  });

  it('21: deliveries 0 to n times in any order end in the same state; forged and stale ones leave no row', async () => {
    const { tenantId } = await billed();
    await h.run.tenant(tenantId, now);
    const [copy] = copies(tenantId);
    const status = async () => (await h.invoices(tenantId))[0]!.status;
    const rows = () => h.database.withTenant(tenantId, (tx) => tx.stripeEvent.count());
    const before = await rows();
    const forged = double.delivery('invoice.paid', copy!.id, { secret: 'whsec_other' });
    const stale = double.delivery('invoice.paid', copy!.id, { atMs: Date.now() - 301_000 });
    const other = double.delivery('invoice.paid', copy!.id);
    for (const bad of [
      forged,
      stale,
      { body: `${other.body} `, signature: other.signature },
      { ...other, signature: '' },
    ])
      await expect(deliver(bad.body, bad.signature)).rejects.toMatchObject({ code: 'signature-invalid', status: 400 });
    expect(await rows()).toBe(before);
    double.charge(copy!.id, false);
    const failed = double.delivery('invoice.payment_failed', copy!.id);
    await deliver(failed.body, failed.signature);
    expect(await status()).toBe('past_due');
    double.charge(copy!.id, true);
    const paid = double.delivery('invoice.paid', copy!.id);
    for (const one of [paid, failed, paid, double.delivery('invoice.payment_failed', copy!.id), paid])
      await deliver(one.body, one.signature);
    expect(await status()).toBe('paid');
    expect(await h.balances(tenantId)).toEqual({ cash: '860', revenue: '-860' });
    const unknown = double.delivery('customer.updated', 'cus_1');
    await deliver(unknown.body, unknown.signature);
  });

  it('follows what happened at Stripe without any delivery, once a day', async () => {
    const { tenantId } = await billed();
    await h.run.tenant(tenantId, now);
    const [copy] = copies(tenantId);
    const status = async () => (await h.invoices(tenantId))[0]!.status;
    expect(await look()).toBeGreaterThan(0);
    // due at once where a card is charged, and not paid yet
    expect(await status()).toBe('past_due');
    double.charge(copy!.id, true);
    const before = await look();
    expect(await status()).toBe('paid');
    expect(await look()).toBe(before - 1);
    expect(await h.balances(tenantId)).toEqual({ cash: '860', revenue: '-860' });
  });

  it('suspends after fourteen days without money and comes back when it is there', async () => {
    const { tenantId, clusterId } = await billed();
    await h.run.tenant(tenantId, now);
    const [copy] = copies(tenantId);
    double.charge(copy!.id, false);
    const failed = double.delivery('invoice.payment_failed', copy!.id);
    await deliver(failed.body, failed.signature);
    now = new Date('2026-12-17T06:00:00Z');
    await h.run.tenant(tenantId, now);
    const reason = async () =>
      (await h.database.withTenant(tenantId, (tx) => tx.cluster.findUniqueOrThrow({ where: { id: clusterId } })))
        .suspendedReason;
    expect(await reason()).toMatch(/suspended: an invoice is unpaid/);
    double.charge(copy!.id, true);
    const paid = double.delivery('invoice.paid', copy!.id);
    await deliver(paid.body, paid.signature);
    expect(await reason()).toBeNull();
  });

  it('mirrors usage as meter events, each once whatever is lost, and late usage as the difference', async () => {
    const { tenantId, clusterId } = await billed();
    const { database } = h;
    const at = new Date('2026-11-12T00:00:00Z');
    double.now = () => at;
    const stripe = stripeClient({ secretKey: double.secretKey, endpoint: double.endpoint });
    const mirror = new MeterMirror(database, stripe, silent);
    const run = new BillingRun({ database, gateway: new StripeGateway(stripe), seller: SELLER, log: silent, mirror });
    await run.tenant(tenantId, at);
    const own = () =>
      [...double.meterEvents.entries()]
        .filter(([identifier]) => identifier.startsWith(tenantId))
        .map(([identifier, { event_name: name, payload, timestamp }]) => [
          identifier.slice(tenantId.length + 1),
          ...[name, (payload as { value: string }).value, new Date(Number(timestamp) * 1000).toISOString()],
        ]);
    const told = [
      ['egress_bytes:2026-11-10T00:r1', 'robustmq_egress_bytes', `${102n * GIB}`, '2026-11-10T00:00:00.000Z'],
      ['ingress_bytes:2026-11-10T00:r1', 'robustmq_ingress_bytes', `${11n * GIB}`, '2026-11-10T00:00:00.000Z'],
    ];
    expect(own()).toEqual(told);
    await h.use(clusterId, 'ingress_bytes', '2026-11-10T00:07:00Z', 5n, '2026-11-12T00:00:00Z');
    // an hour that is not over yet, and the informational meters, are not told
    await h.use(clusterId, 'ingress_bytes', '2026-11-11T23:30:00Z', 9n);
    await h.use(clusterId, 'messages_in', '2026-11-10T00:08:00Z', 9n, '2026-11-12T00:00:00Z');
    // the customer is looked at first: the second write is the event; Stripe took it, and its answer was lost
    double.faults.push(undefined, 'drop-after');
    for (let again = 0; again < 4; again += 1) await run.tenant(tenantId, at);
    const late = ['ingress_bytes:2026-11-10T00:r2', 'robustmq_ingress_bytes', '5', '2026-11-10T00:00:00.000Z'];
    expect(own()).toEqual([...told, late]);
    const rows = await database.withTenant(tenantId, (tx) => tx.meterEvent.findMany({ where: { tenantId } }));
    expect(rows.every(({ sentAt }) => sentAt !== null)).toBe(true);
    // an event older than what Stripe takes is not planned at all
    const long = new Date('2027-01-20T00:00:00Z');
    double.now = () => long;
    await h.use(clusterId, 'ingress_bytes', '2026-11-10T00:20:00Z', 5n, '2026-11-20T00:00:00Z');
    await run.tenant(tenantId, long);
    expect(own()).toEqual([...told, late]);
  });

  it('rolls more than 250 lines up to sums that are ours', async () => {
    const { tenantId } = await billed();
    await h.run.tenant(tenantId, now);
    const [row] = await h.invoices(tenantId);
    const invoice = await h.database.withTenant(tenantId, (tx) => readInvoice(tx, tenantId, row!.id));
    const many = Array.from({ length: 300 }, (_, n) => ({ ...invoice.lines[n % 2]!, identity: `l${n}` }));
    const items = itemsOf({ ...invoice, lines: many });
    expect(items.length).toBeLessThanOrEqual(STRIPE_ITEMS_MAX);
    expect(items.reduce((sum, item) => sum + item.amountMinor, 0n)).toBe(860n * 150n);
    expect(await h.run.portalUrl(tenantId)).toMatch(/^https:/);
  });
});
