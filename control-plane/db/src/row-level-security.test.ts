import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { Database, DatabaseError } from './database.ts';
import { startTestDatabase, type TestDatabase } from './testing/test-database.ts';
import { uuidv7 } from './uuid.ts';

/** Tables that hold no tenant's rows, each with the reason. A new table that is neither here nor protected fails. */
const WITHOUT_TENANT: Record<string, string> = {
  users: 'people belong to no tenant; read by identity.ts alone',
  refresh_tokens: 'belong to people',
  single_use_tokens: 'belong to people',
  recovery_codes: 'belong to people',
  mails: 'belong to people; the text is sealed',
  agents: 'belong to the platform; read by agents.ts alone',
  join_tokens: 'belong to the platform',
  agent_sessions: 'belong to the platform',
  releases: 'belong to the platform',
  rollouts: 'belong to the platform',
  port_allocations: 'ports of a machine must be unique across tenants; holds ids only',
  usage_quarantine: "an operator's table: the tenant may be unknown; the API has no route to it",
  usage_streams: 'counts positions of node logs, which mix tenants; holds no tenant data',
  price_versions: 'the public price list',
  coupons: 'the operator’s; holds no tenant data',
  stripe_events: 'deliveries of the payment provider: ids of theirs, no tenant data',
  outbox: 'ids of work to do, read across tenants by the sweep; holds no tenant data',
  _prisma_migrations: 'history of migrations; not granted to the application role',
};

/** What the application may do to its own tenant's rows; everything else is refused by missing rights. */
const RIGHTS: Record<string, string> = {
  tenants: 'SIU',
  memberships: 'SIUD',
  member_removals: 'SID',
  custom_roles: 'SIUD',
  sso_providers: 'SIUD',
  sso_domains: 'SIUD',
  sso_identities: 'SIUD',
  invitations: 'SIUD',
  webhooks: 'SIUD',
  webhook_deliveries: 'SIUD',
  api_keys: 'SIUD',
  clusters: 'SIU',
  operations: 'SIUD',
  quota_alerts: 'SIUD',
  cluster_authorities: 'SIUD',
  client_certificates: 'SIUD',
  credentials: 'SIUD',
  topics: 'SIUD',
  topic_observations: 'SIUD',
  settings_revisions: 'SID',
  view_calls: 'SIUD',
  usage_windows: 'SI',
  usage_hourly: 'SIU',
  usage_shares: 'SIU',
  usage_series: 'SIU',
  audit_events: 'SI',
  billing_accounts: 'SIU',
  invoices: 'SIU',
  invoice_lines: 'SIUD',
  ledger_entries: 'SI',
  credit_grants: 'SIU',
  credit_draws: 'SI',
  coupon_redemptions: 'SI',
  subscription_phases: 'SIU',
  plan_changes: 'SI',
  budgets: 'SIUD',
  budget_alerts: 'SI',
  meter_events: 'SIU',
  billing_notices: 'SI',
  idempotency_keys: 'SIUD',
};

interface Ids {
  readonly tenant: string;
  readonly user: string;
  readonly cluster: string;
}

/** Rows of the money tables; their parents are the rows of `n` = 0, whose ids follow from the tenant's. */
function moneyRows(ids: Ids, n: number, at: Date): Record<string, Record<string, unknown>> {
  const tenant_id = ids.tenant;
  const parent = (name: string): string => (n === 0 ? parentOf(ids, name) : uuidv7());
  const line = { service_from: at, service_to: at, unit: 'GiB', unit_price: '1', quantity: '1', amount_minor: 1 };
  return {
    billing_accounts: { tenant_id: n === 0 ? tenant_id : uuidv7() },
    invoices: { id: parent('invoice'), tenant_id, status: 'draft', currency: 'USD', period_from: at, period_to: at },
    invoice_lines: {
      ...{ tenant_id, invoice_id: parentOf(ids, 'invoice'), position: n, identity: `l${n}`, kind: 'usage' },
      ...{ description: 'd', ...line },
    },
    ledger_entries: {
      ...{ id: uuidv7(), tenant_id, tx_id: uuidv7(), account: 'cash', amount_minor: 0, currency: 'USD', ref: 'r' },
      ...{ idempotency_key: `k${n}`, at },
    },
    credit_grants: {
      ...{ id: parent('grant'), tenant_id, title: 't', kind: 'promotion', currency: 'USD' },
      ...{ amount_minor: 5, remaining_minor: 5 },
    },
    credit_draws: {
      ...{ tenant_id, grant_id: parentOf(ids, 'grant'), invoice_id: parentOf(ids, 'invoice') },
      ...{ revision: n, amount_minor: 1 },
    },
    coupon_redemptions: { tenant_id, code: `c${n}`, title: 't', redeemed_at: at },
    subscription_phases: {
      ...{ id: uuidv7(), tenant_id, item: `i${n}`, choice: 'c', title: 't', period_price: '1', currency: 'USD' },
      valid_from: at,
    },
    plan_changes: { tenant_id, cluster_id: ids.cluster, plan: 'serverless', until: at },
    budgets: { id: parent('budget'), tenant_id, name: 'b', amount_minor: 1, currency: 'USD', thresholds: '[]' },
    billing_notices: { tenant_id, key: `n${n}`, kind: 'dunning', subject: 's', text: 't', at },
    meter_events: { tenant_id, meter: `m${n}`, hour: at, revision: 1, value: 1, created_at: at },
    budget_alerts: {
      ...{ tenant_id, budget_id: parentOf(ids, 'budget'), period_from: at, percent: n, action: 'notify', revision: 1 },
      ...{ spent_minor: 1, fired_at: at },
    },
  };
}

/** A row's id that children made later find again. */
const parents = new Map<string, string>();
function parentOf(ids: Ids, name: string): string {
  const key = `${ids.tenant} ${name}`;
  if (!parents.has(key)) parents.set(key, uuidv7());
  return parents.get(key)!;
}

/** One valid row per table, `n` making it distinct. */
function rowOf(table: string, ids: Ids, n: number): Record<string, unknown> {
  const own = { tenant_id: ids.tenant, cluster_id: ids.cluster };
  const at = new Date(Date.UTC(2026, 0, 1, n));
  const rows: Record<string, Record<string, unknown>> = {
    tenants: { id: n === 0 ? ids.tenant : uuidv7(), name: 't' },
    memberships: { tenant_id: ids.tenant, user_id: ids.user, role: 'owner' },
    member_removals: { tenant_id: ids.tenant, user_id: ids.user },
    api_keys: { id: uuidv7(), tenant_id: ids.tenant, name: 'k', role: 'viewer', prefix: uuidv7(), key_hash: 'x' },
    invitations: {
      ...{ id: uuidv7(), tenant_id: ids.tenant, email: 'x', role: 'viewer', token_hash: uuidv7(), invited_by: 'x' },
      expires_at: at,
    },
    webhooks: {
      ...{ id: n === 0 ? ids.cluster : uuidv7(), tenant_id: ids.tenant, url: 'x', events: [] },
      sealed_secret: Buffer.from('x'),
    },
    webhook_deliveries: {
      ...{ id: uuidv7(), tenant_id: ids.tenant, webhook_id: ids.cluster, event: 'x', payload: '{}' },
    },
    operations: {
      ...{ id: uuidv7(), tenant_id: ids.tenant, kind: 'a', target_type: 't', target_id: 'x' },
      ...{ actor_type: 'user', actor_id: 'x', permission: 'tenant:read' },
    },
    quota_alerts: { ...own, quota: `q${n}`, level: 'soft', value: 1, limit_value: 1, fired_at: at },
    cluster_authorities: { id: uuidv7(), ...own, certificate_pem: 'x', sealed_key: Buffer.from('x') },
    client_certificates: { ...own, serial: `s${n}`, common_name: 'x', not_after: at },
    sso_providers: {
      ...{
        id: parentOf(ids, n === 0 ? 'sso' : `sso ${n}`),
        tenant_id: ids.tenant,
        name: 'p',
        issuer: 'https://i.test',
      },
      ...{ client_id: uuidv7(), groups_claim: 'groups' },
    },
    sso_domains: { tenant_id: ids.tenant, domain: `d${n}.test`, proof: 'x' },
    sso_identities: {
      ...{ tenant_id: ids.tenant, provider_id: parentOf(ids, 'sso'), subject: `s${n}`, user_id: ids.user },
      last_login_at: at,
    },
    custom_roles: { id: uuidv7(), tenant_id: ids.tenant, name: `r${n}`, permissions: [] },
    clusters: {
      ...{ id: n === 0 ? ids.cluster : uuidv7(), tenant_id: ids.tenant, name: `c${n}`, key: `c-${uuidv7()}` },
      ...{ plan: 'serverless', region: 'local', quotas: '{}', updated_at: at },
    },
    credentials: { id: uuidv7(), ...own, name: `c${n}`, verifiers: '{}', generation: 1 },
    topics: {
      ...{ ...own, name: `t${n}`, partitions: 1, durability: 'flushed' },
      ...{ retention_ms: 1, retention_bytes: 1, generation: 1 },
    },
    topic_observations: { ...own, name: `t${n}`, partitions: 1, stored_bytes: 0, observed_at: at },
    settings_revisions: {
      ...{ ...own, revision: n, settings: '{}', changes: '[]', reason: 'set', author_type: 'user', author_id: 'x' },
    },
    view_calls: { id: uuidv7(), ...own, view: 'clients', query: '{}' },
    usage_windows: {
      ...{ ...own, agent_id: uuidv7(), node_id: 'n', node_epoch: uuidv7(), protocol: 'mqtt', meter: 'messages_in' },
      ...{ window_start: at, seq: 1, value: 1, cumulative: 1, payload_hash: 'x' },
    },
    usage_series: { ...own, node_id: 'n', node_epoch: uuidv7(), protocol: 'mqtt', meter: 'messages_in', breaks: 1 },
    usage_hourly: { ...own, protocol: 'mqtt', meter: 'messages_in', hour: at, quantity: 1 },
    usage_shares: {
      ...{ ...own, protocol: 'mqtt', meter: 'messages_in', dimension: 'credential', name: 'a' },
      ...{ hour: at, quantity: 1 },
    },
    audit_events: {
      ...{ id: uuidv7(), tenant_id: ids.tenant, seq: n + 1, at, actor_type: 'system', actor_id: 'x', action: 'a' },
      ...{ target_type: 't', target_id: 'x', result: 'ok', request_id: 'r', detail: '{}', prev_hash: '', hash: '' },
    },
    ...moneyRows(ids, n, at),
    idempotency_keys: { tenant_id: ids.tenant, key: `k${n}`, request_hash: 'x', status: 201, body: Buffer.from('x') },
  };
  return rows[table]!;
}

const insertSql = (table: string, row: Record<string, unknown>): [string, unknown[]] => [
  `INSERT INTO ${table} (${Object.keys(row).join(',')}) VALUES (${Object.keys(row).map((_, i) => `$${i + 1}`)})`,
  Object.values(row),
];

let database: TestDatabase;
let owner: pg.Client;
let app: pg.Client;
const mine: Ids = { tenant: uuidv7(), user: uuidv7(), cluster: uuidv7() };
const theirs: Ids = { tenant: uuidv7(), user: uuidv7(), cluster: uuidv7() };
const spare = uuidv7();

beforeAll(async () => {
  database = await startTestDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  app = new pg.Client({ connectionString: database.url });
  await owner.connect();
  await app.connect();
  await owner.query("SELECT usage_windows_month('2026-01-01Z')");
  for (const ids of [mine, theirs]) {
    await owner.query(...insertSql('users', { id: ids.user, email: `${ids.user}@x.test`, password_hash: 'x' }));
    for (const table of Object.keys(RIGHTS)) await owner.query(...insertSql(table, rowOf(table, ids, 0)));
  }
  await owner.query(...insertSql('users', { id: spare, email: 'spare@x.test', password_hash: 'x' }));
});

afterAll(async () => {
  await app.end();
  await owner.end();
  await database.stop();
});

/** Runs one statement as the application within a scope and rolls it back; answers the number of rows or the refusal. */
async function attempt(scope: string | undefined, sql: string, values: unknown[] = []): Promise<number | string> {
  await app.query('BEGIN');
  try {
    if (scope !== undefined) await app.query("SELECT set_config('app.tenant_id', $1, true)", [scope]);
    return (await app.query(sql, values)).rowCount ?? 0;
  } catch (error) {
    return error instanceof pg.DatabaseError ? (error.code ?? 'unknown') : String(error);
  } finally {
    await app.query('ROLLBACK');
  }
}

const REFUSED = '42501';
const idColumn = (table: string): string => (table === 'tenants' ? 'id' : 'tenant_id');

describe('row-level security', () => {
  it('covers every table or names the reason why not', async () => {
    const { rows } = await owner.query<{ name: string; forced: boolean; policies: number }>(`
      SELECT c.relname::text AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
        (SELECT count(*)::int FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`);
    const open = rows.filter((row) => !row.forced || row.policies === 0).map((row) => row.name);
    expect(open.sort()).toEqual(Object.keys(WITHOUT_TENANT).sort());
    expect(rows.length).toBe(Object.keys(WITHOUT_TENANT).length + Object.keys(RIGHTS).length);
  });

  it('covers every partition, to none of which the application has a right', async () => {
    const { rows } = await owner.query<{ name: string; closed: boolean; allowed: boolean }>(`
      SELECT c.relname::text AS name,
        c.relrowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS closed,
        has_table_privilege('robustmq_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') AS allowed
      FROM pg_class c WHERE c.relispartition AND c.relkind = 'r'`);
    expect(rows.map((row) => row.name)).toContain('usage_windows_2026_01');
    expect(rows.filter((row) => !row.closed || row.allowed)).toEqual([]);
    for (const sql of ['SELECT 1 FROM usage_windows_2026_01', 'SELECT 1 FROM usage_archive.usage_windows_2026_01'])
      expect(await attempt(mine.tenant, sql)).toBe(REFUSED);
  });

  describe.each(Object.entries(RIGHTS))('%s', (table, rights) => {
    const column = idColumn(table);

    it.each([
      ['no tenant', undefined],
      ['an empty tenant', ''],
      ['the wrong tenant', theirs.tenant],
    ])('shows and changes nothing with %s', async (_, scope) => {
      expect(await attempt(scope, `SELECT 1 FROM ${table} WHERE ${column} = $1`, [mine.tenant])).toBe(0);
      expect(await attempt(scope, ...insertSql(table, rowOf(table, mine, 1)))).toBe(REFUSED);
      const updated = await attempt(scope, `UPDATE ${table} SET ${column} = ${column} WHERE ${column} = $1`, [
        mine.tenant,
      ]);
      expect(updated).toBe(rights.includes('U') ? 0 : REFUSED);
      const deleted = await attempt(scope, `DELETE FROM ${table} WHERE ${column} = $1`, [mine.tenant]);
      expect(deleted).toBe(rights.includes('D') ? 0 : REFUSED);
    });

    it('lets the right tenant do what the application needs and no more', async () => {
      expect(await attempt(mine.tenant, `SELECT 1 FROM ${table}`)).toBe(1);
      const row = rowOf(table, mine, 1);
      if (['memberships', 'member_removals'].includes(table)) row['user_id'] = spare;
      const inserted = await attempt(mine.tenant, ...insertSql(table, row));
      // a tenant row can only be made under its own id
      expect(inserted).toBe(['tenants', 'billing_accounts'].includes(table) ? REFUSED : 1);
      expect(await attempt(mine.tenant, `UPDATE ${table} SET ${column} = ${column}`)).toBe(
        rights.includes('U') ? 1 : REFUSED,
      );
      expect(await attempt(mine.tenant, `DELETE FROM ${table}`)).toBe(rights.includes('D') ? 1 : REFUSED);
    });

    it('lets no row move to another tenant', async () => {
      if (!rights.includes('U')) return;
      expect(await attempt(mine.tenant, `UPDATE ${table} SET ${column} = $1`, [theirs.tenant])).toBe(REFUSED);
    });
  });

  it('lets no child point at another tenant’s cluster', async () => {
    const row = { ...rowOf('credentials', mine, 2), cluster_id: theirs.cluster };
    expect(await attempt(mine.tenant, ...insertSql('credentials', row))).toBe('23503');
  });
});

describe('Database', () => {
  it('refuses a role that could bypass row-level security', async () => {
    await expect(Database.open({ url: database.ownerUrl })).rejects.toThrow(DatabaseError);
    await expect(Database.open({ url: database.ownerUrl })).rejects.toThrow('could bypass row-level security');
  });

  it('says in one sentence that the server is not there', async () => {
    const error = await Database.open({ url: 'postgresql://a:b@127.0.0.1:1/x' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DatabaseError);
    expect((error as Error).message).toMatch(/^The database cannot be reached: .*/);
  });

  it('carries no tenant from one transaction to the next on the same connection', async () => {
    const single = await Database.open({ url: database.url, connectionsMax: 1 });
    const seen = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        single.withTenant(
          n % 2 === 0 ? mine.tenant : theirs.tenant,
          async (tx) => (await tx.cluster.findMany())[0]?.id,
        ),
      ),
    );
    expect(new Set(seen.filter((_, n) => n % 2 === 0))).toEqual(new Set([mine.cluster]));
    expect(new Set(seen.filter((_, n) => n % 2 === 1))).toEqual(new Set([theirs.cluster]));
    await expect(single.withTenant(mine.tenant, () => Promise.reject(new Error('rolled back')))).rejects.toThrow(
      'rolled back',
    );
    expect(await single.withTenant('', (tx) => tx.cluster.count()).catch((e: Error) => e.message)).toBe(0);
    await single.close();
  });
});
