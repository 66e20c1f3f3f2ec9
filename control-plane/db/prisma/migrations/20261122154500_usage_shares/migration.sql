-- Written by hand: who and what caused usage, per hour; for people, no bill follows from it. In monthly partitions that are
-- made together with those of usage_windows, and dropped where those are archived: nothing is proven by them.

CREATE TABLE usage_shares (
  tenant_id UUID NOT NULL,
  cluster_id UUID NOT NULL,
  protocol TEXT NOT NULL,
  meter TEXT NOT NULL,
  dimension TEXT NOT NULL,
  name TEXT NOT NULL,
  hour TIMESTAMPTZ(3) NOT NULL,
  quantity DECIMAL(38, 0) NOT NULL,
  CONSTRAINT usage_shares_pkey PRIMARY KEY (tenant_id, cluster_id, dimension, hour, protocol, meter, name),
  CONSTRAINT usage_shares_whole
    CHECK (quantity >= 0 AND hour = date_trunc('hour', hour, 'UTC') AND dimension IN ('credential', 'topic_prefix')),
  CONSTRAINT usage_shares_tenant_id_cluster_id_fkey FOREIGN KEY (tenant_id, cluster_id)
    REFERENCES clusters (tenant_id, id) ON DELETE RESTRICT ON UPDATE CASCADE
) PARTITION BY RANGE (hour);
ALTER TABLE usage_shares ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_shares FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_shares
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE ON usage_shares TO robustmq_app;

CREATE OR REPLACE FUNCTION usage_windows_month(at timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  first timestamptz := date_trunc('month', at);
  month text := to_char(first, 'YYYY_MM');
  parent text;
  made boolean := false;
BEGIN
  IF first < '2020-01-01' OR first >= '2200-01-01' THEN
    RAISE EXCEPTION 'no usage is kept of %', to_char(first, 'YYYY-MM') USING ERRCODE = '22008';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('usage_windows', 0));
  IF to_regclass('usage_archive.usage_windows_' || month) IS NOT NULL THEN
    RAISE EXCEPTION 'usage of % was retired', to_char(first, 'YYYY-MM') USING ERRCODE = '22008';
  END IF;
  FOREACH parent IN ARRAY ARRAY['usage_windows', 'usage_shares'] LOOP
    CONTINUE WHEN to_regclass(format('public.%I', parent || '_' || month)) IS NOT NULL;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', parent || '_' || month, parent);
    PERFORM public.usage_windows_close(parent || '_' || month);
    EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
      parent, parent || '_' || month, first, first + interval '1 month');
    made := true;
  END LOOP;
  RETURN made;
END $$;

-- Drops the shares of months that usage_windows has retired.
CREATE FUNCTION usage_shares_retire() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE month text;
BEGIN
  FOR month IN
    SELECT right(c.relname, 7) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.usage_shares'::regclass
      AND to_regclass('public.usage_windows_' || right(c.relname, 7)) IS NULL
  LOOP
    EXECUTE format('DROP TABLE public.%I', 'usage_shares_' || month);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION usage_shares_retire() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_shares_retire() TO robustmq_app;

DO $$
DECLARE month text;
BEGIN
  FOR month IN
    SELECT replace(right(c.relname, 7), '_', '-') || '-01Z' FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.usage_windows'::regclass AND c.relname ~ '^usage_windows_\d{4}_\d{2}$'
  LOOP PERFORM usage_windows_month(month::timestamptz); END LOOP;
END $$;
