-- Who was removed from a tenant does not come back by signing in through its identity provider, until invited again.
CREATE TABLE "member_removals" (
    "tenant_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "removed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "member_removals_pkey" PRIMARY KEY ("tenant_id", "user_id")
);
CREATE INDEX "member_removals_user_id_idx" ON "member_removals"("user_id");
ALTER TABLE "member_removals" ADD CONSTRAINT "member_removals_tenant_id_fkey"
  FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "member_removals" ADD CONSTRAINT "member_removals_user_id_fkey"
  FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

GRANT SELECT, INSERT, DELETE ON member_removals TO robustmq_app;

ALTER TABLE member_removals ENABLE ROW LEVEL SECURITY;
ALTER TABLE member_removals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON member_removals
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
