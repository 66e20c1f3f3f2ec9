-- Written by hand: what Prisma's schema cannot say. Roles and grants, row-level security, partial indexes, CHECKs.

-- The application's role. It owns nothing and cannot bypass row-level security; prepareDatabase gives it a password.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'robustmq_app') THEN
    CREATE ROLE robustmq_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
END $$;

GRANT USAGE ON SCHEMA public TO robustmq_app;

-- Rights per table: what the application never does, it may not do.
GRANT SELECT, INSERT, UPDATE ON users, tenants, clusters, agents, join_tokens, usage_hourly, usage_streams TO robustmq_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens, memberships, api_keys, credentials, topics, topic_observations,
  agent_sessions, port_allocations, outbox, idempotency_keys TO robustmq_app;
-- append only
GRANT SELECT, INSERT ON usage_windows, usage_quarantine, price_versions, audit_events TO robustmq_app;

-- Every row of a tenant: readable and writable only while app.tenant_id names that tenant. Unset or empty = no rows.
-- The setting is always LOCAL to a transaction, so a pooled connection carries nothing over.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['memberships', 'api_keys', 'clusters', 'credentials', 'topics', 'topic_observations',
    'usage_windows', 'usage_hourly', 'audit_events', 'idempotency_keys'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$
      CREATE POLICY tenant ON %I
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    $policy$, name);
  END LOOP;
END $$;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants
  USING (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));

-- Three narrow read-only doors, each opened by one named function of this package:
-- a signed-in person reads their own memberships and the names of those tenants (identity.tenantsOf) …
CREATE POLICY own_memberships ON memberships FOR SELECT
  USING (user_id = (SELECT nullif(current_setting('app.user_id', true), '')::uuid));
CREATE POLICY own_tenants ON tenants FOR SELECT
  USING (id IN (SELECT m.tenant_id FROM memberships m
                WHERE m.user_id = (SELECT nullif(current_setting('app.user_id', true), '')::uuid)));
-- … whoever presents an API key reads the one row of its prefix, to compare the hash (identity.findApiKey) …
CREATE POLICY presented_key ON api_keys FOR SELECT
  USING (prefix = (SELECT nullif(current_setting('app.api_key_prefix', true), '')));
-- … and an authenticated agent reads what is placed on it (agents.placements).
CREATE POLICY placed_on_agent ON clusters FOR SELECT
  USING (agent_id = (SELECT nullif(current_setting('app.agent_id', true), '')::uuid));
CREATE POLICY placed_on_agent ON credentials FOR SELECT
  USING (cluster_id IN (SELECT c.id FROM clusters c
                        WHERE c.agent_id = (SELECT nullif(current_setting('app.agent_id', true), '')::uuid)));
CREATE POLICY placed_on_agent ON topics FOR SELECT
  USING (cluster_id IN (SELECT c.id FROM clusters c
                        WHERE c.agent_id = (SELECT nullif(current_setting('app.agent_id', true), '')::uuid)));

-- A name is free again once its cluster is deleted; the row stays for usage and bills.
CREATE UNIQUE INDEX clusters_live_name ON clusters (tenant_id, name) WHERE phase <> 'Deleted';

ALTER TABLE users ADD CONSTRAINT users_email_lower CHECK (email = lower(email));
ALTER TABLE memberships ADD CONSTRAINT memberships_role CHECK (role IN ('owner', 'admin', 'developer', 'viewer'));
ALTER TABLE api_keys ADD CONSTRAINT api_keys_role CHECK (role IN ('owner', 'admin', 'developer', 'viewer'));
ALTER TABLE clusters ADD CONSTRAINT clusters_generations
  CHECK (generation >= 1 AND observed_generation >= 0 AND handed_generation BETWEEN 0 AND generation);
ALTER TABLE usage_windows ADD CONSTRAINT usage_windows_counts CHECK (value >= 0 AND cumulative >= value AND seq >= 1);
ALTER TABLE usage_hourly ADD CONSTRAINT usage_hourly_whole CHECK (quantity >= 0 AND hour = date_trunc('hour', hour, 'UTC'));
ALTER TABLE port_allocations ADD CONSTRAINT port_allocations_range CHECK (base BETWEEN 1024 AND 65532);
