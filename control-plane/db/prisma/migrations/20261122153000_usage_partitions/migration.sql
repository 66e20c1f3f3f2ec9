-- Written by hand: usage_windows by UTC month. What one window costs to take in depends on its own month alone, and a month
-- that nobody asks for any more leaves the table in one step.

ALTER TABLE usage_windows RENAME TO usage_windows_unparted;
ALTER INDEX usage_windows_pkey RENAME TO usage_windows_unparted_pkey;
ALTER INDEX usage_windows_tenant_id_window_start_idx RENAME TO usage_windows_unparted_idx;
ALTER TABLE usage_windows_unparted DROP CONSTRAINT usage_windows_tenant_id_cluster_id_fkey;
-- a transaction sees its own new table's rows without policies only where none is forced
ALTER TABLE usage_windows_unparted NO FORCE ROW LEVEL SECURITY;

CREATE TABLE usage_windows (LIKE usage_windows_unparted INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
  PARTITION BY RANGE (window_start);
ALTER TABLE usage_windows
  ADD CONSTRAINT usage_windows_pkey PRIMARY KEY (node_id, node_epoch, cluster_id, protocol, meter, window_start),
  ADD CONSTRAINT usage_windows_tenant_id_cluster_id_fkey FOREIGN KEY (tenant_id, cluster_id)
    REFERENCES clusters (tenant_id, id) ON DELETE RESTRICT ON UPDATE CASCADE;
CREATE INDEX usage_windows_tenant_id_window_start_idx ON usage_windows (tenant_id, window_start);
GRANT SELECT, INSERT ON usage_windows TO robustmq_app;

-- Months that were retired lie here until a person keeps them elsewhere or drops them. The application has no right to it.
CREATE SCHEMA usage_archive;

-- Every partition carries the policy of the whole, for whoever is ever given a right to one. It is not forced on the owner,
-- whose two functions below read partitions by name.
CREATE FUNCTION usage_windows_close(name text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
  EXECUTE format($policy$
    CREATE POLICY tenant ON public.%I
      USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
      WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  $policy$, name);
END $$;

-- Makes the partition of a UTC month unless it is there. Answers whether it was made. Attaching an empty table waits for
-- nobody who reads or writes usage.
CREATE FUNCTION usage_windows_month(at timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  first timestamptz := date_trunc('month', at);
  name text := 'usage_windows_' || to_char(first, 'YYYY_MM');
BEGIN
  IF first < '2020-01-01' OR first >= '2200-01-01' THEN
    RAISE EXCEPTION 'no usage is kept of %', to_char(first, 'YYYY-MM') USING ERRCODE = '22008';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('usage_windows', 0));
  IF to_regclass('public.' || name) IS NOT NULL THEN RETURN false; END IF;
  IF to_regclass('usage_archive.' || name) IS NOT NULL THEN
    RAISE EXCEPTION 'usage of % was retired', to_char(first, 'YYYY-MM') USING ERRCODE = '22008';
  END IF;
  EXECUTE format('CREATE TABLE public.%I (LIKE public.usage_windows INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
  PERFORM public.usage_windows_close(name);
  EXECUTE format('ALTER TABLE public.usage_windows ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
    name, first, first + interval '1 month');
  RETURN true;
END $$;

-- Retires months that are over for more than `kept` months: detached whole, moved to the archive, never dropped. The last
-- window of each of their counters stays in the partition of everything before: without it the counter's next window,
-- however late, would look as if one were missing.
CREATE FUNCTION usage_windows_retire(kept integer, at timestamptz) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  month text;
  upper_bound timestamptz;
  has_last boolean;
BEGIN
  IF kept < 3 THEN RAISE EXCEPTION 'late usage is taken for 35 days: at least 3 months are kept' USING ERRCODE = '22023'; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('usage_windows', 0));
  FOR month IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.usage_windows'::regclass AND c.relname ~ '^usage_windows_\d{4}_\d{2}$'
      AND to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', at) - make_interval(months => kept)
    ORDER BY c.relname
  LOOP
    upper_bound := to_date(right(month, 7), 'YYYY_MM')::timestamptz + interval '1 month';
    has_last := to_regclass('public.usage_windows_last') IS NOT NULL;
    -- all that takes time comes before the locks
    CREATE TABLE public.usage_windows_next (LIKE public.usage_windows INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    PERFORM public.usage_windows_close('usage_windows_next');
    EXECUTE format('INSERT INTO public.usage_windows_next
      SELECT DISTINCT ON (node_id, node_epoch, cluster_id, protocol, meter) * FROM (SELECT * FROM public.%I %s) w
      ORDER BY node_id, node_epoch, cluster_id, protocol, meter, window_start DESC',
      month, CASE WHEN has_last THEN 'UNION ALL SELECT * FROM public.usage_windows_last' ELSE '' END);
    EXECUTE format('ALTER TABLE public.usage_windows DETACH PARTITION public.%I', month);
    IF has_last THEN
      ALTER TABLE public.usage_windows DETACH PARTITION public.usage_windows_last;
      DROP TABLE public.usage_windows_last;
    END IF;
    EXECUTE format('ALTER TABLE public.%I SET SCHEMA usage_archive', month);
    ALTER TABLE public.usage_windows_next RENAME TO usage_windows_last;
    EXECUTE format('ALTER TABLE public.usage_windows ATTACH PARTITION public.usage_windows_last FOR VALUES FROM (MINVALUE) TO (%L)',
      upper_bound);
    RETURN NEXT right(month, 7);
  END LOOP;
END $$;

REVOKE ALL ON FUNCTION usage_windows_close(text), usage_windows_month(timestamptz),
  usage_windows_retire(integer, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_windows_month(timestamptz), usage_windows_retire(integer, timestamptz) TO robustmq_app;

DO $$
DECLARE month timestamptz;
BEGIN
  FOR month IN
    SELECT DISTINCT date_trunc('month', window_start, 'UTC') FROM usage_windows_unparted
    UNION SELECT date_trunc('month', now(), 'UTC')
    UNION SELECT date_trunc('month', date_trunc('month', now(), 'UTC') + interval '32 days', 'UTC')
  LOOP PERFORM usage_windows_month(month); END LOOP;
END $$;
INSERT INTO usage_windows SELECT * FROM usage_windows_unparted;
DROP TABLE usage_windows_unparted;

ALTER TABLE usage_windows ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_windows FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_windows
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
