-- Operations with their undo, quota overrides of tenants and soft limits, certificate authorities of clusters.
ALTER TABLE "tenants" ADD COLUMN "quota_overrides" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "clusters" ADD COLUMN "soft_limits" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "topics" ADD COLUMN "hidden_until" TIMESTAMPTZ(3);
CREATE TABLE "operations" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "target_type" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "cluster_id" UUID,
    "generation" INTEGER,
    "actor_type" TEXT NOT NULL,
    "actor_id" TEXT NOT NULL,
    "permission" TEXT NOT NULL,
    "undo_until" TIMESTAMPTZ(3),
    "undo_data" BYTEA,
    "undone_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "operations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "operations_tenant_id_id_key" ON "operations"("tenant_id", "id");
CREATE INDEX "operations_tenant_id_created_at_idx" ON "operations"("tenant_id", "created_at");
CREATE TABLE "quota_alerts" (
    "tenant_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "quota" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "value" BIGINT NOT NULL,
    "limit_value" BIGINT NOT NULL,
    "fired_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "quota_alerts_pkey" PRIMARY KEY ("tenant_id", "cluster_id", "quota", "level")
);
CREATE TABLE "cluster_authorities" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "certificate_pem" TEXT NOT NULL,
    "sealed_key" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "cluster_authorities_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "cluster_authorities_tenant_id_cluster_id_idx" ON "cluster_authorities"("tenant_id", "cluster_id");
CREATE TABLE "client_certificates" (
    "tenant_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "serial" TEXT NOT NULL,
    "common_name" TEXT NOT NULL,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "client_certificates_pkey" PRIMARY KEY ("tenant_id", "cluster_id", "serial")
);
ALTER TABLE "operations" ADD CONSTRAINT "operations_tenant_id_fkey"
  FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "quota_alerts" ADD CONSTRAINT "quota_alerts_tenant_id_cluster_id_fkey"
  FOREIGN KEY ("tenant_id", "cluster_id") REFERENCES "clusters"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "cluster_authorities" ADD CONSTRAINT "cluster_authorities_tenant_id_cluster_id_fkey"
  FOREIGN KEY ("tenant_id", "cluster_id") REFERENCES "clusters"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "client_certificates" ADD CONSTRAINT "client_certificates_tenant_id_cluster_id_fkey"
  FOREIGN KEY ("tenant_id", "cluster_id") REFERENCES "clusters"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

GRANT SELECT, INSERT, UPDATE, DELETE ON operations, quota_alerts, cluster_authorities, client_certificates TO robustmq_app;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['operations', 'quota_alerts', 'cluster_authorities', 'client_certificates'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$
      CREATE POLICY tenant ON %I
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    $policy$, name);
  END LOOP;
END $$;
