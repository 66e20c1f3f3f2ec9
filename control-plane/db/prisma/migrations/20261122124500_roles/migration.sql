-- More built-in roles, and roles a tenant makes from permissions.
ALTER TABLE memberships DROP CONSTRAINT memberships_role;
ALTER TABLE api_keys DROP CONSTRAINT api_keys_role;

CREATE TABLE "custom_roles" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "permissions" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "custom_roles_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "custom_roles_tenant_id_id_key" ON "custom_roles"("tenant_id", "id");
CREATE UNIQUE INDEX "custom_roles_tenant_id_name_key" ON "custom_roles"("tenant_id", "name");
ALTER TABLE "custom_roles" ADD CONSTRAINT "custom_roles_tenant_id_fkey"
  FOREIGN KEY ("tenant_id") REFERENCES "tenants"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "memberships" ADD COLUMN "custom_role_id" UUID;
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_tenant_id_custom_role_id_fkey"
  FOREIGN KEY ("tenant_id", "custom_role_id") REFERENCES "custom_roles"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

ALTER TABLE memberships ADD CONSTRAINT memberships_role CHECK (
  role IN ('owner', 'admin', 'developer', 'operator', 'billing', 'auditor', 'viewer')
  AND custom_role_id IS NULL OR role = 'custom' AND custom_role_id IS NOT NULL);
ALTER TABLE api_keys ADD CONSTRAINT api_keys_role CHECK (
  role IN ('owner', 'admin', 'developer', 'operator', 'billing', 'auditor', 'viewer', 'custom'));

-- An API key's scopes narrow its role (empty = all of it); addresses are CIDR blocks it may be used from (empty = any);
-- after a rotation the old secret works until previous_until.
ALTER TABLE "api_keys" ADD COLUMN "scopes" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN "addresses" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN "last_used_ip" TEXT,
ADD COLUMN "previous_hash" TEXT,
ADD COLUMN "previous_until" TIMESTAMPTZ(3);

GRANT SELECT, INSERT, UPDATE, DELETE ON custom_roles TO robustmq_app;
ALTER TABLE custom_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE custom_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON custom_roles
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
-- a signed-in person sees what their own roles allow (identity.tenantsOf)
CREATE POLICY own_roles ON custom_roles FOR SELECT
  USING (id IN (SELECT m.custom_role_id FROM memberships m
                WHERE m.user_id = (SELECT nullif(current_setting('app.user_id', true), '')::uuid)));
