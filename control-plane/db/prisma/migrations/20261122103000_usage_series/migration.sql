-- AlterTable
ALTER TABLE "usage_streams" ADD COLUMN     "breaks" BIGINT NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "usage_series" (
    "tenant_id" UUID NOT NULL,
    "cluster_id" UUID NOT NULL,
    "node_id" TEXT NOT NULL,
    "node_epoch" TEXT NOT NULL,
    "protocol" TEXT NOT NULL,
    "meter" TEXT NOT NULL,
    "breaks" BIGINT NOT NULL,

    CONSTRAINT "usage_series_pkey" PRIMARY KEY ("node_id","node_epoch","cluster_id","protocol","meter")
);

-- CreateIndex
CREATE INDEX "usage_series_tenant_id_cluster_id_idx" ON "usage_series"("tenant_id", "cluster_id");

-- AddForeignKey
ALTER TABLE "usage_series" ADD CONSTRAINT "usage_series_tenant_id_cluster_id_fkey" FOREIGN KEY ("tenant_id", "cluster_id") REFERENCES "clusters"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Written by hand from here: rights and row-level security, as in the migration "row_level_security".
GRANT SELECT, INSERT, UPDATE ON usage_series TO robustmq_app;
ALTER TABLE usage_series ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_series FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage_series
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
ALTER TABLE usage_series ADD CONSTRAINT usage_series_breaks CHECK (breaks >= 0);
