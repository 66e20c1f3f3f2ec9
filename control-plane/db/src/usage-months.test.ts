import { createHash } from 'node:crypto';
import { DEFAULT_QUOTAS, type UsageWindow } from '@robustmq/contracts';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Database } from './index.ts';
import { usageAddsUp } from './metering.ts';
import { startTestDatabase, type TestDatabase } from './testing/test-database.ts';

let server: TestDatabase;
let database: Database;
let owner: pg.Client;
let agentId: string;
let tenantId: string;
let clusterId: string;

beforeAll(async () => {
  server = await startTestDatabase();
  database = await Database.open({ url: server.url, connectionsMax: 4 });
  owner = new pg.Client({ connectionString: server.ownerUrl });
  await owner.connect();
  const tokenHash = createHash('sha256').update('join').digest('hex');
  await database.agents.mintJoinToken(tokenHash, 'local', new Date(Date.now() + 60_000));
  const enrolled = await database.agents.enrol({ tokenHash, publicKeyPem: 'x', agentVersion: '1', now: new Date() });
  agentId = enrolled.kind === 'enrolled' ? enrolled.agentId : '';
  const person = { email: 'a@example.test', passwordHash: 'x', tenantName: 't', ip: null, requestId: 'r' };
  tenantId = (await database.identity.signUp(person)).tenantId;
  const data = { tenantId, name: 'c', key: 'c-key', plan: 'serverless', region: 'local', agentId };
  const row = await database.withTenant(tenantId, (tx) =>
    tx.cluster.create({ data: { ...data, quotas: DEFAULT_QUOTAS.serverless } }),
  );
  clusterId = row.id;
}, 60_000);

afterAll(async () => {
  await database.close();
  await owner.end();
  await server.stop();
});

let seq = 0;
const totals = new Map<string, bigint>();
/** The next window of a counter, taken in a second after its minute began. */
function take(meter: UsageWindow['meter'], at: string, value: bigint) {
  seq += 1;
  const cumulative = (totals.get(meter) ?? 0n) + value;
  totals.set(meter, cumulative);
  const window = {
    ...{ seq, nodeId: 'n', nodeEpoch: 'e', clusterId, protocol: 'mqtt', meter, windowStartMs: Date.parse(at) },
    ...{ value: `${value}`, cumulative: `${cumulative}` },
  } as UsageWindow;
  return database.metering.ingest(agentId, [window, window], new Date(Date.parse(at) + 1_000));
}
const addsUp = () => database.withTenant(tenantId, (tx) => usageAddsUp(tx));
const windows = () => database.withTenant(tenantId, (tx) => tx.usageWindow.count());
const partitions = async () =>
  (
    await owner.query<{ name: string }>(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'usage_windows'::regclass ORDER BY 1",
    )
  ).rows.map(({ name }) => name.replace('usage_windows_', ''));

it('windows go to the month they began in, which is made when it is not there', { timeout: 60_000 }, async () => {
  expect(await take('ingress_bytes', '2025-01-31T23:59:00Z', 5n)).toMatchObject({ accepted: 1, duplicates: 1 });
  expect(await take('ingress_bytes', '2025-02-01T00:00:00Z', 6n)).toMatchObject({ accepted: 1, duplicates: 1 });
  await take('egress_bytes', '2025-01-10T00:00:00Z', 7n);
  const { rows } = await owner.query('SELECT count(*)::int AS n FROM usage_windows_2025_01');
  expect(rows).toEqual([{ n: 2 }]);
  expect((await owner.query('SELECT count(*)::int AS n FROM usage_windows_2025_02')).rows).toEqual([{ n: 1 }]);
  expect(await addsUp()).toBe(true);
});

it('months are made ahead once, by however many at once', { timeout: 60_000 }, async () => {
  const now = new Date('2025-03-31T12:00:00Z');
  const all = await Promise.all(Array.from({ length: 4 }, () => database.metering.keepMonths(240, now)));
  expect(all.flatMap(({ made }) => made).sort()).toEqual(['2025-03', '2025-04', '2025-05']);
  expect(await partitions()).toEqual(expect.arrayContaining(['2025_01', '2025_02', '2025_03', '2025_04', '2025_05']));
});

it(
  'a retired month leaves the table whole, is kept, and breaks no counter that goes on',
  { timeout: 60_000 },
  async () => {
    const now = new Date('2025-06-02T00:00:00Z');
    await expect(database.metering.keepMonths(2, now)).rejects.toThrow('at least 3 months');
    expect(await database.metering.keepMonths(3, now)).toMatchObject({ retired: ['2025-01', '2025-02'] });
    expect(await partitions()).toEqual(expect.arrayContaining(['last', '2025_03']));
    expect(await partitions()).not.toContain('2025_01');
    // of three windows two were the last of their counters, and stay in sight
    expect(await windows()).toBe(2);
    const { rows } = await owner.query('SELECT count(*)::int AS n FROM usage_archive.usage_windows_2025_01');
    expect(rows).toEqual([{ n: 2 }]);
    await expect(owner.query("SELECT usage_windows_month('2025-01-05Z')")).rejects.toThrow(
      'usage of 2025-01 was retired',
    );
    await take('egress_bytes', '2025-06-02T10:00:00Z', 8n);
    expect(await addsUp()).toBe(true);
    expect((await database.metering.keepMonths(3, new Date('2025-10-02T00:00:00Z'))).retired).toEqual([
      '2025-03',
      '2025-04',
      '2025-05',
      '2025-06',
    ]);
    expect(await windows()).toBe(2);
    await take('egress_bytes', '2025-10-02T10:00:00Z', 9n);
    await take('ingress_bytes', '2025-10-02T10:00:00Z', 9n);
    expect(await addsUp()).toBe(true);
    const sums = await database.withTenant(tenantId, (tx) =>
      tx.usageHourly.findMany({ where: { meter: 'egress_bytes' } }),
    );
    expect(sums.reduce((all, { quantity }) => all + BigInt(quantity.toFixed(0)), 0n)).toBe(24n);
  },
);

it('the application can neither change partitions nor read the archive', { timeout: 60_000 }, async () => {
  const app = new pg.Client({ connectionString: server.url });
  await app.connect();
  try {
    for (const sql of [
      'DROP TABLE usage_windows_2025_10',
      'ALTER TABLE usage_windows DETACH PARTITION usage_windows_2025_10',
      'SELECT 1 FROM usage_archive.usage_windows_2025_01',
      "SELECT usage_windows_close('clusters')",
    ])
      await expect(app.query(sql), sql).rejects.toThrow(/must be owner|permission denied/);
  } finally {
    await app.end();
  }
});
