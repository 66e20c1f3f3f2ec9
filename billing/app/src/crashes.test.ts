import { Database, usageAddsUp } from '@robustmq/db';
import type { ClusterId, UsageWindow } from '@robustmq/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BillingRun } from './billing-run.ts';
import { OfflineGateway } from './payment-gateway.ts';
import { CuttingProxy } from './testing/cutting-proxy.ts';
import { GIB, Harness, SELLER, silent } from './testing/harness.ts';

const ISSUED = new Date('2026-12-03T06:00:00Z');
/** Statements of one operation at most; one that has more is no longer tested whole. */
const STATEMENTS_MAX = 200;

/** Deaths at every await, and windows that say they are somebody else's. */
describe('usage and invoices whatever dies', { timeout: 120_000 }, () => {
  let h: Harness;
  let proxy: CuttingProxy;
  let dying: Database;

  beforeAll(async () => {
    h = await Harness.start();
    proxy = new CuttingProxy(h.url);
    dying = await Database.open({ url: await proxy.start(), connectionsMax: 2 });
  }, 60_000);
  afterAll(async () => {
    await dying?.close();
    await proxy?.stop();
    await h?.stop();
  });

  const hourly = (tenantId: string) =>
    h.database.withTenant(tenantId, async (tx) => {
      const rows = await tx.usageHourly.findMany({ where: { tenantId } });
      return rows.reduce((sum, row) => sum + BigInt(row.quantity.toFixed(0)), 0n);
    });

  /** Runs `work` once for every statement it makes, dying there; answers how many there were. */
  async function dieEverywhere(work: () => Promise<unknown>, after: () => Promise<void>): Promise<number> {
    for (let statement = 0; statement < STATEMENTS_MAX; statement += 1) {
      proxy.cutAfter(statement);
      await work().catch(() => undefined);
      const hasDied = proxy.hasCut;
      proxy.heal();
      await after();
      if (!hasDied) return statement;
    }
    throw new Error(`more than ${STATEMENTS_MAX} statements`);
  }

  it('3: dead at every await of taking usage in, and sent again, it counts once', async () => {
    const tenants = [await h.tenant(), await h.tenant()];
    const clusters = [await h.cluster(tenants[0]!), await h.cluster(tenants[1]!)];
    const totals = [0n, 0n];
    let minute = Date.parse('2026-11-10T00:00:00Z');
    let batch: UsageWindow[] = [];
    const next = (): UsageWindow[] => {
      minute += 60_000;
      return clusters.flatMap((clusterId, n) => {
        const value = BigInt(minute % 1_000_003) + 1n;
        totals[n]! += value;
        return [h.window(clusterId, 'ingress_bytes', new Date(minute).toISOString(), value)];
      });
    };
    const statements = await dieEverywhere(
      () => dying.metering.ingest(h.agentId, (batch = next()), new Date(minute)),
      async () => {
        const again = await h.database.metering.ingest(h.agentId, batch, new Date(minute));
        expect(again.accepted + again.duplicates).toBe(batch.length);
        expect(again.quarantined).toBe(0);
      },
    );
    expect(statements).toBeGreaterThan(10);
    for (const [n, tenantId] of tenants.entries()) {
      expect(await hourly(tenantId)).toBe(totals[n]);
      expect(await h.database.withTenant(tenantId, (tx) => usageAddsUp(tx))).toBe(true);
    }
    expect((await h.database.metering.gaps()).filter((gap) => clusters.includes(gap.nodeEpoch))).toEqual([]);
  });

  it('3: dead at every await of a billing run, and run again, there is one invoice, booked once', async () => {
    const run = new BillingRun({ database: dying, gateway: new OfflineGateway(), seller: SELLER, log: silent });
    const billed = async () => {
      const tenantId = await h.tenant();
      await h.use(await h.cluster(tenantId), 'egress_bytes', '2026-11-10T00:00:00Z', 102n * GIB);
      return tenantId;
    };
    let tenantId = await billed();
    const statements = await dieEverywhere(
      () => run.tenant(tenantId, ISSUED),
      async () => {
        // nothing was committed: the next death may hit the same account
        if ((await h.invoices(tenantId)).length === 0) return;
        await h.run.tenant(tenantId, ISSUED);
        const invoices = await h.invoices(tenantId);
        expect(invoices.map((one) => [one.status, one.totalMinor.toFixed(0), one.lines.length])).toEqual([
          ['issued', '800', 1],
        ]);
        expect(invoices[0]!.number).toMatch(/-0001$/);
        expect(await h.balances(tenantId)).toEqual({ receivable: '800', revenue: '-800' });
        tenantId = await billed();
      },
    );
    expect(statements).toBeGreaterThan(20);
  });

  it('15: usage is the tenant’s whose cluster it is, whatever texts a window carries', async () => {
    const tenants = await Promise.all([h.tenant(), h.tenant(), h.tenant()]);
    const clusters = await Promise.all(tenants.map((tenantId) => h.cluster(tenantId)));
    const totals = new Map(tenants.map((tenantId) => [tenantId, 0n]));
    const names = [...tenants, ...clusters, '*', "'; DROP TABLE tenants; --", '../..', 'n', '\u202e', '💥'];
    // a fixed seed (mulberry32): a failure can be repeated
    let seed = 15;
    const chance = (below: number): number => {
      seed = (seed + 0x6d2b79f5) | 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    };
    const noise = (): string =>
      String.fromCodePoint(...Array.from({ length: chance(20) + 1 }, () => 1 + chance(0xd7fe)));
    const text = (): string => (chance(3) === 0 ? noise() : names[chance(names.length)]!);
    let serial = 0;
    for (let round = 0; round < 25; round += 1) {
      const windows = Array.from({ length: 1 + chance(12) }, () => {
        serial += 1;
        const whose = chance(3);
        const value = BigInt(chance(2 ** 31)) ** 3n;
        totals.set(tenants[whose]!, totals.get(tenants[whose]!)! + value);
        return {
          ...{ tenantId: text(), username: text(), vhost: text(), sni: text(), seq: serial, nodeId: text() },
          ...{ nodeEpoch: `e${serial}`, protocol: ['mqtt', 'kafka', 'amqp'][chance(3)]!, meter: 'ingress_bytes' },
          ...{ clusterId: clusters[whose] as ClusterId, windowStartMs: Date.parse('2026-11-11T00:00:00Z') },
          ...{ value: value.toString(), cumulative: value.toString() },
        } as unknown as UsageWindow;
      });
      const taken = await h.database.metering.ingest(h.agentId, windows, new Date('2026-11-11T00:01:00Z'));
      expect(taken).toEqual({ accepted: windows.length, duplicates: 0, quarantined: 0 });
    }
    for (const tenantId of tenants) expect(await hourly(tenantId)).toBe(totals.get(tenantId));
  });
});
