import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DEFAULT_QUOTAS,
  InvoicePreview,
  LevelPrices,
  PriceList,
  type Plan,
  type UsageWindow,
} from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { startTestDatabase, type TestDatabase } from '@robustmq/db/testing';
import { PRICE_LIST } from '@robustmq/rating';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BillingRun } from './billing-run.ts';
import { billingServer, listenOnSocket } from './http-server.ts';
import { previewInvoice } from './invoice-preview.ts';
import { monthOf } from './period.ts';
import { OfflineGateway } from './payment-gateway.ts';
import { seedPrices } from './prices.ts';
import { SELLER } from './testing/harness.ts';

const TOKEN = 'an internal token for tests';
const NOW = new Date('2026-11-22T10:00:00.000Z');
const GIB = 2n ** 30n;
const log = pino({ level: 'silent' });

describe('billing on a real database', { timeout: 30_000 }, () => {
  let server: TestDatabase;
  let database: Database;
  let app: FastifyInstance;
  let run: BillingRun;
  let agentId: string;
  let clusters = 0;
  let seq = 0;

  beforeAll(async () => {
    server = await startTestDatabase();
    database = await Database.open({ url: server.url, connectionsMax: 3 });
    await seedPrices(database);
    run = new BillingRun({ database, gateway: new OfflineGateway(), seller: SELLER, log });
    app = billingServer({ database, internalToken: TOKEN, now: () => NOW, run, log });
    const tokenHash = createHash('sha256').update('join').digest('hex');
    const later = new Date(Date.now() + 60_000);
    await database.agents.mintJoinToken(tokenHash, 'local', later);
    const publicKeyPem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const enrolled = await database.agents.enrol({ tokenHash, publicKeyPem, agentVersion: '1', now: new Date() });
    agentId = enrolled.kind === 'enrolled' ? enrolled.agentId : '';
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await database?.close();
    await server?.stop();
  });

  const tenant = async (name: string): Promise<string> => {
    const email = `${name}@example.org`;
    const made = await database.identity.signUp({
      email,
      passwordHash: 'x',
      tenantName: name,
      ip: null,
      requestId: 'r',
    });
    return made.tenantId;
  };
  const cluster = async (tenantId: string, plan: Plan): Promise<string> => {
    clusters += 1;
    const key = `c${clusters}`;
    const row = await database.withTenant(tenantId, (tx) =>
      tx.cluster.create({
        data: { tenantId, name: key, key, plan, region: 'local', quotas: DEFAULT_QUOTAS[plan], agentId },
      }),
    );
    return row.id;
  };
  /** As the control plane takes it from an agent. */
  const use = async (clusterId: string, meter: UsageWindow['meter'], at: string, value: bigint): Promise<void> => {
    seq += 1;
    const window = {
      ...{ seq, nodeId: 'n', nodeEpoch: 'e', clusterId, meter, protocol: 'mqtt', windowStartMs: Date.parse(at) },
      ...{ value: value.toString(), cumulative: value.toString() },
    } as UsageWindow;
    const result = await database.metering.ingest(agentId, [window, window], new Date(at));
    expect(result).toMatchObject({ accepted: 1, quarantined: 0 });
  };
  const preview = (tenantId: string, authorization = `Bearer ${TOKEN}`) =>
    app.inject({ url: `/internal/tenants/${tenantId}/invoices/preview`, headers: { authorization } });

  it('previews what usage costs, per plan, with one allowance for all clusters', async () => {
    const tenantId = await tenant('one');
    const [first, second] = [await cluster(tenantId, 'serverless'), await cluster(tenantId, 'serverless')];
    const dedicated = await cluster(tenantId, 'dedicated');
    await use(first, 'ingress_bytes', '2026-11-01T00:00:00Z', GIB);
    await use(first, 'ingress_bytes', '2026-11-01T00:01:00Z', GIB);
    await use(second, 'ingress_bytes', '2026-11-22T09:59:00Z', 9n * GIB);
    await use(second, 'messages_in', '2026-11-22T09:59:00Z', 1_000_000n);
    await use(dedicated, 'node_seconds', '2026-11-22T09:59:00Z', 7_200n);
    const reply = await preview(tenantId);
    expect(reply.statusCode).toBe(200);
    const invoice = InvoicePreview.parse(reply.json());
    expect(invoice.lines.map((line) => [line.meter, line.quantity, line.unitPrice, line.amount.amount])).toEqual([
      // 11 GiB over both clusters, 1 GiB free: 10 × $0.06
      ['ingress_bytes', '10', '0.06', '60'],
      // 7.2 thousand seconds × $0.05
      ['node_seconds', '7.2', '0.05', '36'],
    ]);
    expect(invoice).toMatchObject({
      total: { amount: '96', currency: 'USD' },
      periodFrom: '2026-11-01T00:00:00.000Z',
      periodTo: '2026-12-01T00:00:00.000Z',
      asOf: NOW.toISOString(),
    });
  });

  it('counts no other month and no other tenant', async () => {
    const [mine, theirs] = [await tenant('mine'), await tenant('theirs')];
    const [own, foreign] = [await cluster(mine, 'serverless'), await cluster(theirs, 'serverless')];
    await use(own, 'egress_bytes', '2026-10-31T23:59:00Z', 1_000n * GIB);
    await use(own, 'egress_bytes', '2026-12-01T00:00:00Z', 1_000n * GIB);
    await use(foreign, 'egress_bytes', '2026-11-10T00:00:00Z', 102n * GIB);
    expect((await previewInvoice(database, mine, NOW)).lines).toEqual([]);
    expect((await previewInvoice(database, theirs, NOW)).total.amount).toBe('800');
    expect((await previewInvoice(database, mine, new Date('2026-10-31T23:59:59.999Z'))).total.amount).toBe('7984');
  });

  it('prices partitions and nodes kept for 30 days, before and after, what is included taken off', async () => {
    const tenantId = await tenant('levels');
    const ask = (body: object) =>
      app.inject({
        ...{ method: 'POST', url: `/internal/tenants/${tenantId}/level-prices`, payload: { days: 30, ...body } },
        headers: { authorization: `Bearer ${TOKEN}` },
      });
    const partitions = (level: number) => ({ plan: 'serverless', meter: 'partition_seconds', level });
    const node = { plan: 'dedicated', meter: 'node_seconds', level: 1 };
    // 110 partitions are 285.12 million partition-seconds, 267.84 included: 17.28 × $0.05; a node 2,592 thousand seconds
    const grown = await ask({ now: [partitions(100)], after: [partitions(110), node] });
    expect(LevelPrices.parse(grown.json())).toEqual({
      ...{ now: { amount: '0', currency: 'USD' }, after: { amount: '13046', currency: 'USD' } },
      change: { amount: '13046', currency: 'USD' },
    });
    const shrunk = await ask({ now: [node], after: [] });
    expect(shrunk.json()).toMatchObject({ change: { amount: '-12960' } });
    expect((await ask({ now: [{ ...node, level: -1 }], after: [] })).statusCode).toBe(400);
  });

  it('is exact beyond 2^53', async () => {
    const tenantId = await tenant('big');
    await use(await cluster(tenantId, 'serverless'), 'egress_bytes', '2026-11-10T00:00:00Z', 10n ** 30n + 1n);
    const [line] = (await previewInvoice(database, tenantId, NOW)).lines;
    expect(line?.amount.amount).toBe('7450580596923828124984');
  });

  it('seeds prices once, and never changes one that is there', async () => {
    await seedPrices(database);
    await seedPrices(database, [{ ...PRICE_LIST[0]!, model: 'per_unit', unitPrice: '99' }]);
    const rows = await database.withTenant(await tenant('prices'), (tx) => tx.priceVersion.findMany());
    expect(rows).toHaveLength(PRICE_LIST.length);
    expect(rows.some((row) => row.unitPrice === '99')).toBe(false);
  });

  it('answers the price list of the month, in the units of an invoice', async () => {
    const asked = await app.inject({ url: '/internal/prices', headers: { authorization: `Bearer ${TOKEN}` } });
    const { items } = PriceList.parse(asked.json());
    expect(items).toHaveLength(PRICE_LIST.length);
    expect(items[0]).toMatchObject({
      ...{ plan: 'serverless', meter: 'ingress_bytes', title: 'Data in', unit: 'GiB' },
      ...{ included: '1', unitPrice: '0.06', currency: 'USD' },
    });
    expect((await app.inject('/internal/prices')).statusCode).toBe(401);
  });

  it('refuses callers without the token, and knows no strangers', async () => {
    const tenantId = await tenant('doors');
    expect((await preview(tenantId, '')).statusCode).toBe(401);
    expect((await preview(tenantId, 'Bearer wrong')).statusCode).toBe(401);
    expect((await preview('0193b3a0-0000-7000-8000-000000000000')).statusCode).toBe(404);
    expect((await preview('not-a-uuid')).statusCode).toBe(404);
    expect((await app.inject('/elsewhere')).statusCode).toBe(404);
    expect((await app.inject('/health')).json()).toEqual({ ready: true });
  });

  it('listens on a socket of its own user alone, in place of a dead one, not of a living one', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'rmq billing-'));
    const path = join(dir, 'run', 'billing.sock');
    const first = billingServer({ database, internalToken: TOKEN, now: () => NOW, run, log });
    await listenOnSocket(first, path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const status = await new Promise((resolve) =>
      request({ socketPath: path, path: '/health' }, (reply) => resolve(reply.resume().statusCode)).end(),
    );
    expect(status).toBe(200);
    const second = billingServer({ database, internalToken: TOKEN, now: () => NOW, run, log });
    await expect(listenOnSocket(second, path)).rejects.toMatchObject({ code: 'socket-in-use' });
    await first.close();
    rmSync(dir, { recursive: true });
  });
});

describe('monthOf', () => {
  it.each([
    ['2026-02-28T23:59:59.999Z', '2026-02-01', '2026-03-01'],
    ['2028-02-29T00:00:00.000Z', '2028-02-01', '2028-03-01'],
    ['2026-12-31T23:59:59.999Z', '2026-12-01', '2027-01-01'],
    ['2026-03-29T01:30:00.000Z', '2026-03-01', '2026-04-01'],
  ])('%s', (at, from, to) => {
    expect(monthOf(new Date(at))).toEqual({ from: new Date(from), to: new Date(to) });
  });
});
