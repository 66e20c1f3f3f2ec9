import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { DEFAULT_QUOTAS, usageWindowText, type Party, type Plan, type UsageWindow } from '@robustmq/contracts';
import { Database } from '@robustmq/db';
import { startTestDatabase, type TestDatabase } from '@robustmq/db/testing';
import { pino } from 'pino';
import { BillingRun } from '../billing-run.ts';
import { OfflineGateway, type PaymentGateway } from '../payment-gateway.ts';
import { seedPrices } from '../prices.ts';

export const GIB = 2n ** 30n;
export const silent = pino({ level: 'silent' });
export const SELLER: Party = {
  name: 'RobustMQ Cloud Ltd',
  address: ['1 Queue Street', '10115 Berlin', 'Germany'],
  taxId: 'DE123456789',
  email: 'billing@example.test',
};

/** Billing on a fresh database with an agent whose windows are signed, for tests. */
export class Harness {
  readonly database: Database;
  readonly agentId: string;
  readonly #key: KeyObject;
  readonly #server: TestDatabase;
  #clusters = 0;
  #names = 0;
  readonly #epochs = new Map<string, { seq: number; cumulative: bigint }>();
  readonly run: BillingRun;

  private constructor(
    server: TestDatabase,
    database: Database,
    agentId: string,
    key: KeyObject,
    gateway: PaymentGateway,
  ) {
    this.#server = server;
    this.database = database;
    this.agentId = agentId;
    this.#key = key;
    this.run = new BillingRun({ database, gateway, seller: SELLER, log: silent });
  }

  static async start(gateway: PaymentGateway = new OfflineGateway()): Promise<Harness> {
    const server = await startTestDatabase();
    const database = await Database.open({ url: server.url, connectionsMax: 4 });
    await seedPrices(database);
    const tokenHash = createHash('sha256').update('join').digest('hex');
    await database.agents.mintJoinToken(tokenHash, 'local', new Date(Date.now() + 60_000));
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const enrolled = await database.agents.enrol({ tokenHash, publicKeyPem, agentVersion: '1', now: new Date() });
    if (enrolled.kind !== 'enrolled') throw new Error('the agent was not enrolled');
    return new Harness(server, database, enrolled.agentId, privateKey, gateway);
  }

  /** URL of the application's role. */
  get url(): string {
    return this.#server.url;
  }

  get ownerUrl(): string {
    return this.#server.ownerUrl;
  }

  async stop(): Promise<void> {
    await this.database.close();
    await this.#server.stop();
  }

  async tenant(name = `tenant-${(this.#names += 1)}`): Promise<string> {
    const email = `${name}@example.org`;
    const person = { email, passwordHash: 'x', tenantName: name, ip: null, requestId: 'r' };
    return (await this.database.identity.signUp(person)).tenantId;
  }

  async cluster(tenantId: string, plan: Plan = 'serverless', name = `c${(this.#clusters += 1)}`): Promise<string> {
    const key = `${name.replaceAll(/[^a-z0-9]/g, '')}-${(this.#clusters += 1)}`;
    const data = { tenantId, name, key, plan, region: 'local', quotas: DEFAULT_QUOTAS[plan], agentId: this.agentId };
    return (await this.database.withTenant(tenantId, (tx) => tx.cluster.create({ data }))).id;
  }

  /** The next window of a counter, signed; `skip` leaves as many windows of it unsent. */
  window(clusterId: string, meter: UsageWindow['meter'], at: string, value: bigint, skipped = 0n): UsageWindow {
    const state = this.#epochs.get(clusterId) ?? { seq: 0, cumulative: 0n };
    const own = this.#epochs.get(`${clusterId} ${meter}`) ?? { seq: 0, cumulative: 0n };
    state.seq += skipped > 0n ? 2 : 1;
    own.cumulative += value + skipped;
    this.#epochs.set(clusterId, state);
    this.#epochs.set(`${clusterId} ${meter}`, own);
    const bare = {
      ...{ seq: state.seq, nodeId: 'n', nodeEpoch: clusterId, clusterId, meter, protocol: 'mqtt' },
      ...{ windowStartMs: Date.parse(at), value: value.toString(), cumulative: own.cumulative.toString() },
    } as UsageWindow;
    return { ...bare, signature: sign(null, Buffer.from(usageWindowText(bare)), this.#key).toString('base64') };
  }

  /** As the control plane takes usage from an agent: at once, or when `received` says. */
  async use(
    clusterId: string,
    meter: UsageWindow['meter'],
    at: string,
    value: bigint,
    received = at,
  ): Promise<UsageWindow> {
    const window = this.window(clusterId, meter, at, value);
    const result = await this.database.metering.ingest(this.agentId, [window, window], new Date(received));
    if (result.accepted !== 1) throw new Error(`the window was not taken: ${JSON.stringify(result)}`);
    return window;
  }

  invoices(tenantId: string) {
    return this.database.withTenant(tenantId, (tx) =>
      tx.invoice.findMany({ where: { tenantId }, orderBy: { createdAt: 'asc' }, include: { lines: true } }),
    );
  }

  /** Sum of a tenant's ledger per account, minor units; accounts at zero are left out. */
  async balances(tenantId: string): Promise<Record<string, string>> {
    const rows = await this.database.withTenant(tenantId, (tx) =>
      tx.ledgerEntry.groupBy({
        by: ['account'],
        where: { tenantId },
        _sum: { amountMinor: true },
        orderBy: { account: 'asc' },
      }),
    );
    const sums = rows.map((row) => [row.account, row._sum.amountMinor?.toFixed(0) ?? '0'] as const);
    return Object.fromEntries(sums.filter(([, amount]) => amount !== '0'));
  }
}
