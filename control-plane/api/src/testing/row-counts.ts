import type { TestApi } from './test-api.ts';

/** Work under way is waited for so long, in milliseconds; what is counted then is counted as it is. */
const SETTLED_MS = 10_000;

/**
 * Rows of every table the application may read, as the tenant sees them, and where its clusters stand, once its clusters
 * are settled. Webhooks that are tried again meanwhile are left out.
 */
export async function rowsOf(api: TestApi, tenantId: string): Promise<Record<string, string>> {
  const deadline = Date.now() + SETTLED_MS;
  for (;;) {
    const rows = await api.database.withTenant(
      tenantId,
      (tx) => tx.$queryRaw<{ name: string; rows: string }[]>`
        SELECT c.relname::text AS name, (xpath('/row/n/text()',
          query_to_xml(format('SELECT count(*) AS n FROM %I', c.relname), false, true, '')))[1]::text AS rows
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND c.relname <> 'outbox' AND has_table_privilege(c.oid, 'SELECT')
        UNION ALL SELECT 'promises', count(*)::text FROM outbox WHERE kind <> 'deliver-webhook'
        UNION ALL SELECT 'unsettled', count(*)::text FROM outbox WHERE kind = 'reconcile-cluster'
        UNION ALL SELECT 'clusters as they are',
          coalesce(string_agg(id || ':' || generation || ':' || resource_version, ' ' ORDER BY id), '') FROM clusters`,
    );
    const counted = Object.fromEntries(rows.map(({ name, rows: count }) => [name, count]));
    if (counted['unsettled'] === '0' || Date.now() > deadline) return counted;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
