-- Settings as revisions, topic policies, pause, restore window, labels, quota overrides, and live looks.

ALTER TABLE "clusters" ADD COLUMN "quota_overrides" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN "labels" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN "deletion_protection" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN "settings" JSONB NOT NULL DEFAULT '{}',
ADD COLUMN "settings_revision" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN "paused_at" TIMESTAMPTZ(3),
ADD COLUMN "suspended_reason" TEXT,
ADD COLUMN "restore_until" TIMESTAMPTZ(3),
ADD COLUMN "resource_version" INTEGER NOT NULL DEFAULT 1;

ALTER TABLE "topics" ADD COLUMN "policy" JSONB NOT NULL DEFAULT '{}';

CREATE TABLE "settings_revisions" (
    "tenant_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "revision" INTEGER NOT NULL,
    "settings" JSONB NOT NULL,
    "changes" JSONB NOT NULL,
    "reason" TEXT NOT NULL,
    "author_type" TEXT NOT NULL,
    "author_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "settings_revisions_pkey" PRIMARY KEY ("tenant_id", "cluster_id", "revision")
);

CREATE TABLE "view_calls" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "view" TEXT NOT NULL,
    "query" JSONB NOT NULL,
    "answer" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "view_calls_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "view_calls_created_at_idx" ON "view_calls"("created_at");

ALTER TABLE "settings_revisions" ADD CONSTRAINT "settings_revisions_tenant_id_cluster_id_fkey"
  FOREIGN KEY ("tenant_id", "cluster_id") REFERENCES "clusters"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "view_calls" ADD CONSTRAINT "view_calls_tenant_id_cluster_id_fkey"
  FOREIGN KEY ("tenant_id", "cluster_id") REFERENCES "clusters"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

GRANT SELECT, INSERT, DELETE ON settings_revisions TO robustmq_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON view_calls TO robustmq_app;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['settings_revisions', 'view_calls'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$
      CREATE POLICY tenant ON %I
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    $policy$, name);
  END LOOP;
END $$;
