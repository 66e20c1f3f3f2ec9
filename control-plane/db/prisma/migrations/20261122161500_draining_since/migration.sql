-- The pace of a drain is each cluster's own connection rate quota: only since when it goes on is to be known.
ALTER TABLE "agents" DROP COLUMN "drain_per_second", ADD COLUMN "draining_since" TIMESTAMPTZ(3);
