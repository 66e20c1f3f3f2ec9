// Measures what one window costs to take in as the table grows: `node tools/measure-ingest.ts [rows ...]`. Starts a
// PostgreSQL of its own in a temporary directory (TMPDIR) with durable commits, as an installation has. The rows are
// windows of one month after the other, at most ROWS_PER_MONTH each, the last of them the month that is measured.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { DEFAULT_QUOTAS, type UsageWindow } from '@robustmq/contracts';
import { Database, prepareDatabase, startPostgres } from '../src/index.ts';
import { freePort } from '../src/testing/test-database.ts';

const SIZES = process.argv.slice(2).map(Number);
const BATCHES = 20;
const BATCH = 1_000;
const CLUSTERS = 20;
const METERS = ['ingress_bytes', 'egress_bytes', 'messages_in', 'messages_out', 'connection_seconds'] as const;
const MINUTE_MS = 60_000;

const dir = mkdtempSync(join(tmpdir(), 'robustmq-ingest-'));
const server = await startPostgres({ dir: join(dir, 'data'), port: await freePort(), password: 'measure' });
const { appUrl } = await prepareDatabase({ ownerUrl: server.url('measure'), appPassword: 'measure' });
const owner = new pg.Client({ connectionString: server.url('measure') });
await owner.connect();
const database = await Database.open({ url: appUrl, connectionsMax: 4 });
const tokenHash = createHash('sha256').update('join').digest('hex');
await database.agents.mintJoinToken(tokenHash, 'local', new Date(Date.now() + 60_000));
const enrolled = await database.agents.enrol({ tokenHash, publicKeyPem: 'x', agentVersion: '1', now: new Date() });
const agentId = enrolled.kind === 'enrolled' ? enrolled.agentId : '';
const person = { email: 'a@example.test', passwordHash: 'x', tenantName: 't', ip: null, requestId: 'r' };
const { tenantId } = await database.identity.signUp(person);
const clusterIds: string[] = [];
for (let n = 0; n < CLUSTERS; n += 1) {
  const data = { tenantId, name: `c${n}`, key: `c${n}-key`, plan: 'serverless', region: 'local', agentId };
  const row = await database.withTenant(tenantId, (tx) =>
    tx.cluster.create({ data: { ...data, quotas: DEFAULT_QUOTAS.serverless } }),
  );
  clusterIds.push(row.id);
}

const NOW = new Date();
const monthStart = (back: number): Date => new Date(Date.UTC(NOW.getUTCFullYear(), NOW.getUTCMonth() - back, 1));

/**
 * `rows` windows of many earlier nodes in one month, written past the code: only the size of heap and indexes matters.
 * Half of what a window says in text is left out (hash and signature), so that disks of tens of gigabytes suffice.
 */
async function fill(month: Date, rows: number): Promise<void> {
  const name = `usage_windows_${month.toISOString().slice(0, 7).replace('-', '_')}`;
  const isThere = (await owner.query('SELECT to_regclass($1) AS it', [name])).rows[0]!.it !== null;
  // rows before indexes is several times faster, where there is a choice
  if (!isThere) await owner.query(`CREATE TABLE ${name} (LIKE usage_windows INCLUDING DEFAULTS INCLUDING CONSTRAINTS)`);
  await owner.query("SET session_replication_role = 'replica'");
  const minutes = 28 * 24 * 60;
  for (let at = 0; at < rows; at += 1_000_000) {
    await owner.query(
      `INSERT INTO ${name} (tenant_id, cluster_id, agent_id, node_id, node_epoch, protocol, meter, window_start, seq,
        value, cumulative, payload_hash)
      SELECT $1::uuid, ($2::uuid[])[1 + n % ${CLUSTERS}], $3::uuid, 'old-' || lpad((n / ${minutes})::text, 5, '0'),
        'epoch', 'mqtt', ($4::text[])[1 + n % 5], $7::timestamptz + n % ${minutes} * interval '1 minute', n + 1, 1000,
        (n + 1)::numeric * 1000, ''
      FROM generate_series($5::int, $6::int) n`,
      [tenantId, clusterIds, agentId, METERS, at, Math.min(rows, at + 1_000_000) - 1, month],
    );
  }
  await owner.query("SET session_replication_role = 'origin'");
  if (isThere) return;
  await owner.query("SET maintenance_work_mem = '512MB'");
  await owner.query(
    `ALTER TABLE ${name} ADD PRIMARY KEY (node_id, node_epoch, cluster_id, protocol, meter, window_start)`,
  );
  await owner.query(`CREATE INDEX ON ${name} (tenant_id, window_start)`);
  await owner.query('SELECT usage_windows_close($1)', [name]);
  const next = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1));
  await owner.query(
    `ALTER TABLE usage_windows ATTACH PARTITION ${name} FOR VALUES FROM ('${month.toISOString()}') TO ('${next.toISOString()}')`,
  );
}

/** Blocks of tables and indexes that were looked at so far, cached ones included: what no other process disturbs. */
async function blocks(): Promise<number> {
  // an idle connection hands its counts in after ten seconds
  await new Promise((resolve) => void setTimeout(resolve, 11_000));
  await owner.query('SELECT pg_stat_clear_snapshot()');
  const { rows } = await owner.query<{ n: string }>(
    'SELECT blks_hit + blks_read AS n FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(rows[0]!.n);
}

/** What the month that is measured weighs: size of heap and primary key, and the depth of the key. */
async function weight(month: Date): Promise<string> {
  const name = `usage_windows_${month.toISOString().slice(0, 7).replace('-', '_')}`;
  const { rows } = await owner.query<{ heap: string; key: string; all: string; months: number }>(
    `SELECT pg_size_pretty(pg_relation_size($1::text::regclass)) AS heap, pg_size_pretty(pg_relation_size(($1 || '_pkey')::regclass)) AS key,
      (SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) FROM pg_inherits WHERE inhparent = 'usage_windows'::regclass) AS all,
      (SELECT count(*)::int FROM pg_inherits WHERE inhparent = 'usage_windows'::regclass) AS months`,
    [name],
  );
  const { heap, key, all, months } = rows[0]!;
  return `${months} partitions of ${all} in all; this month ${heap} and ${key} of primary key`;
}

// in the middle of this month as far as usage is still taken
let minute = Math.floor(Math.max(monthStart(0).getTime(), Date.now() - 30 * 24 * 60 * MINUTE_MS) / MINUTE_MS);
let seq = 0;
const totals = new Map<string, bigint>();
function batch(): UsageWindow[] {
  const windows: UsageWindow[] = [];
  while (windows.length < BATCH) {
    minute += 1;
    for (const clusterId of clusterIds)
      for (const meter of METERS) {
        const cumulative = (totals.get(`${clusterId} ${meter}`) ?? 0n) + 1_000n;
        totals.set(`${clusterId} ${meter}`, cumulative);
        seq += 1;
        windows.push({
          ...{ seq, nodeId: 'n', nodeEpoch: 'e', clusterId, protocol: 'mqtt', meter, value: '1000' },
          ...{ windowStartMs: minute * MINUTE_MS, cumulative: cumulative.toString(), signature: 's'.repeat(88) },
        } as UsageWindow);
      }
  }
  return windows;
}

/** A month of a busy region; the biggest sizes are many of these. */
const ROWS_PER_MONTH = Number(process.env['ROWS_PER_MONTH'] ?? 10_000_000);
let size = 0;
let back = 0;
for (const rows of [0, ...SIZES]) {
  // the first rows are this month's, all others go to the months before it
  while (size < rows) {
    const more = Math.min(ROWS_PER_MONTH, rows - size);
    await fill(monthStart(back), more);
    size += more;
    back += 1;
  }
  await owner.query('CHECKPOINT');
  await owner.query('ANALYZE usage_windows');
  for (let warm = 0; warm < 3; warm += 1) await database.metering.ingest(agentId, batch(), new Date());
  const before = await blocks();
  const times: number[] = [];
  for (let n = 0; n < BATCHES; n += 1) {
    const windows = batch();
    const at = performance.now();
    const { accepted } = await database.metering.ingest(agentId, windows, new Date());
    times.push(performance.now() - at);
    if (accepted !== BATCH) throw new Error(`only ${accepted} windows were taken`);
  }
  times.sort((a, b) => a - b);
  const touched = (await blocks()) - before;
  const median = times[BATCHES / 2]!;
  process.stdout.write(
    `${rows} rows before it: ${median.toFixed(1)} ms per batch of ${BATCH}, ` +
      `${Math.round((BATCH / median) * 1000)} windows/s, ${times[0]!.toFixed(1)} ms at best, ` +
      `${times.at(-1)!.toFixed(1)} ms at worst, ${Math.round(touched / BATCHES)} blocks; ${await weight(monthStart(0))}\n`,
  );
}
await database.close();
await owner.end();
await server.stop();
rmSync(dir, { recursive: true, force: true });
