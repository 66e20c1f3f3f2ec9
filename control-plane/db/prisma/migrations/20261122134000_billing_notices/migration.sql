-- What billing has to tell people: each notice is written once and mailed by the API. A budget's order of sacrifice.
CREATE TABLE "billing_notices" (
    "tenant_id" UUID NOT NULL, "key" TEXT NOT NULL, "kind" TEXT NOT NULL, "subject" TEXT NOT NULL, "text" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL, "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "billing_notices_pkey" PRIMARY KEY ("tenant_id","key")
);
ALTER TABLE "budgets" ADD COLUMN "sacrifice" JSONB NOT NULL DEFAULT '[]';

-- Written by hand from here. Append only: what was told was told.
GRANT SELECT, INSERT ON billing_notices TO robustmq_app;
ALTER TABLE billing_notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_notices FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON billing_notices
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
