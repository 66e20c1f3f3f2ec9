-- Sign-in through a tenant's own identity provider: providers, e-mail domains, who somebody is there.
ALTER TABLE "tenants" ADD COLUMN "sso_required" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "refresh_tokens" ADD COLUMN "sso_tenant_id" UUID, ADD COLUMN "sso_provider_id" UUID;
CREATE TABLE "sso_providers" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "client_id" TEXT NOT NULL,
    "sealed_secret" BYTEA,
    "default_role" TEXT,
    "default_custom_role_id" UUID,
    "groups_claim" TEXT NOT NULL,
    "group_roles" JSONB NOT NULL DEFAULT '[]',
    "joins" BOOLEAN NOT NULL DEFAULT true,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "reach" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "sso_providers_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "sso_providers_tenant_id_id_key" ON "sso_providers"("tenant_id", "id");
CREATE UNIQUE INDEX "sso_providers_issuer_client_id_key" ON "sso_providers"("issuer", "client_id");
CREATE TABLE "sso_domains" (
    "tenant_id" UUID NOT NULL,
    "domain" TEXT NOT NULL,
    "proof" TEXT NOT NULL,
    "verified_at" TIMESTAMPTZ(3),
    "verified_by" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "sso_domains_pkey" PRIMARY KEY ("tenant_id", "domain")
);
-- a domain is one tenant's
CREATE UNIQUE INDEX "sso_domains_verified" ON "sso_domains"("domain") WHERE "verified_at" IS NOT NULL;
CREATE TABLE "sso_identities" (
    "tenant_id" UUID NOT NULL,
    "provider_id" UUID NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "managed" BOOLEAN NOT NULL DEFAULT false,
    "last_login_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "sso_identities_pkey" PRIMARY KEY ("tenant_id", "provider_id", "subject")
);
CREATE INDEX "sso_identities_user_id_idx" ON "sso_identities"("user_id");

ALTER TABLE "sso_providers" ADD CONSTRAINT "sso_providers_tenant_id_fkey"
  FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "sso_domains" ADD CONSTRAINT "sso_domains_tenant_id_fkey"
  FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "sso_identities" ADD CONSTRAINT "sso_identities_tenant_id_provider_id_fkey"
  FOREIGN KEY ("tenant_id", "provider_id") REFERENCES "sso_providers"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "sso_identities" ADD CONSTRAINT "sso_identities_user_id_fkey"
  FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

GRANT SELECT, INSERT, UPDATE, DELETE ON sso_providers, sso_domains, sso_identities TO robustmq_app;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['sso_providers', 'sso_domains', 'sso_identities'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$
      CREATE POLICY tenant ON %I
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    $policy$, name);
  END LOOP;
END $$;
-- whoever signs in names a domain, and reads which tenant has proven it (single-sign-on.ts)
CREATE POLICY named_domain ON sso_domains FOR SELECT
  USING (verified_at IS NOT NULL AND domain = (SELECT nullif(current_setting('app.sso_domain', true), '')));
