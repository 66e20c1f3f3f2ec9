// Measures what one window costs to take in as the table grows: `node tools/measure-ingest.ts [rows ...]`. Starts a
// PostgreSQL of its own in a temporary directory with durable commits, as an installation has.
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

/** Windows of many earlier nodes, written past the code: only the size of table and indexes matters. */
async function grow(from: number, to: number): Promise<void> {
  await owner.query("SET session_replication_role = 'replica'");
  for (let at = from; at < to; at += 1_000_000) {
    await owner.query(
      `INSERT INTO usage_windows (tenant_id, cluster_id, agent_id, node_id, node_epoch, protocol, meter, window_start, seq,
        value, cumulative, payload_hash, signature)
      SELECT $1::uuid, ($2::uuid[])[1 + n % ${CLUSTERS}], $3::uuid, 'old-' || n % 5000, 'epoch', 'mqtt',
        ($4::text[])[1 + (n / 1000) % 5], timestamptz '2026-01-01Z' + n / 5000 * interval '1 minute', n + 1, 1000, (n + 1)::numeric * 1000,
        md5(n::text) || md5(n::text), repeat('s', 88)
      FROM generate_series($5::int, $6::int) n ON CONFLICT DO NOTHING`,
      [tenantId, clusterIds, agentId, METERS, at, Math.min(to, at + 1_000_000) - 1],
    );
  }
  await owner.query('ANALYZE usage_windows');
}

let minute = Math.floor(Date.now() / MINUTE_MS) - 40_000;
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

let size = 0;
for (const rows of [0, ...SIZES]) {
  await grow(size, rows);
  size = rows;
  for (let warm = 0; warm < 3; warm += 1) await database.metering.ingest(agentId, batch(), new Date());
  const times: number[] = [];
  for (let n = 0; n < BATCHES; n += 1) {
    const windows = batch();
    const at = performance.now();
    const { accepted } = await database.metering.ingest(agentId, windows, new Date());
    times.push(performance.now() - at);
    if (accepted !== BATCH) throw new Error(`only ${accepted} windows were taken`);
  }
  times.sort((a, b) => a - b);
  const median = times[BATCHES / 2]!;
  process.stdout.write(
    `${rows} rows before it: ${median.toFixed(1)} ms per batch of ${BATCH}, ` +
      `${Math.round((BATCH / median) * 1000)} windows/s, ${times.at(-1)!.toFixed(1)} ms at worst\n`,
  );
}
await database.close();
await owner.end();
await server.stop();
rmSync(dir, { recursive: true, force: true });
