-- Money: accounts, invoices, ledger, credits, budgets, the payment provider's events; tiered prices; signed windows.
CREATE EXTENSION IF NOT EXISTS btree_gist;

ALTER TABLE "usage_windows" ADD COLUMN "signature" TEXT;
ALTER TABLE "price_versions" ADD COLUMN "tiers" JSONB, ADD COLUMN "block_size" TEXT;

CREATE TABLE "billing_accounts" (
    "tenant_id" UUID NOT NULL, "currency" CHAR(3) NOT NULL DEFAULT 'USD', "buyer" JSONB NOT NULL DEFAULT '{}',
    "taxes" JSONB NOT NULL DEFAULT '[]', "commitment" TEXT, "standing" TEXT NOT NULL DEFAULT 'good',
    "standing_since" TIMESTAMPTZ(3), "dunning_exempt" BOOLEAN NOT NULL DEFAULT false, "trial_ends_at" TIMESTAMPTZ(3),
    "gateway_customer_id" TEXT, "invoice_count" INTEGER NOT NULL DEFAULT 0, "test_clock" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "billing_accounts_pkey" PRIMARY KEY ("tenant_id")
);

CREATE TABLE "invoices" (
    "id" UUID NOT NULL, "tenant_id" UUID NOT NULL, "kind" TEXT NOT NULL DEFAULT 'invoice', "number" TEXT,
    "status" TEXT NOT NULL, "currency" CHAR(3) NOT NULL, "period_from" TIMESTAMPTZ(3) NOT NULL,
    "period_to" TIMESTAMPTZ(3) NOT NULL, "revision" INTEGER NOT NULL DEFAULT 1,
    "subtotal_minor" DECIMAL(38,0) NOT NULL DEFAULT 0, "tax_minor" DECIMAL(38,0) NOT NULL DEFAULT 0,
    "total_minor" DECIMAL(38,0) NOT NULL DEFAULT 0, "document" JSONB NOT NULL DEFAULT '{}', "hold_reason" TEXT,
    "released_by" TEXT, "corrects_id" UUID, "gateway" TEXT, "gateway_id" TEXT,
    "gateway_revision" INTEGER NOT NULL DEFAULT 1, "gateway_status" TEXT NOT NULL DEFAULT 'none', "gateway_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "issued_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3), "failed_at" TIMESTAMPTZ(3), "settled_at" TIMESTAMPTZ(3),
    CONSTRAINT "invoices_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "invoices_number_key" ON "invoices"("number");
CREATE UNIQUE INDEX "invoices_tenant_id_id_key" ON "invoices"("tenant_id", "id");
CREATE INDEX "invoices_tenant_id_period_from_idx" ON "invoices"("tenant_id", "period_from");

CREATE TABLE "invoice_lines" (
    "tenant_id" UUID NOT NULL, "invoice_id" UUID NOT NULL, "position" INTEGER NOT NULL, "identity" TEXT NOT NULL,
    "kind" TEXT NOT NULL, "meter" TEXT, "description" TEXT NOT NULL, "quantity" TEXT NOT NULL, "unit" TEXT NOT NULL,
    "unit_price" TEXT NOT NULL, "amount_minor" DECIMAL(38,0) NOT NULL, "service_from" TIMESTAMPTZ(3) NOT NULL,
    "service_to" TIMESTAMPTZ(3) NOT NULL, "corrects" TEXT,
    CONSTRAINT "invoice_lines_pkey" PRIMARY KEY ("tenant_id","invoice_id","identity")
);
ALTER TABLE "invoice_lines" ADD CONSTRAINT "invoice_lines_tenant_id_invoice_id_fkey" FOREIGN KEY ("tenant_id", "invoice_id")
  REFERENCES "invoices"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

CREATE TABLE "ledger_entries" (
    "id" UUID NOT NULL, "tenant_id" UUID NOT NULL, "tx_id" UUID NOT NULL, "account" TEXT NOT NULL,
    "amount_minor" DECIMAL(38,0) NOT NULL, "currency" CHAR(3) NOT NULL, "ref" TEXT NOT NULL,
    "idempotency_key" TEXT NOT NULL, "at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "ledger_entries_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "ledger_entries_tenant_id_idempotency_key_account_key" ON "ledger_entries"("tenant_id", "idempotency_key", "account");
CREATE INDEX "ledger_entries_tenant_id_tx_id_idx" ON "ledger_entries"("tenant_id", "tx_id");

CREATE TABLE "credit_grants" (
    "id" UUID NOT NULL, "tenant_id" UUID NOT NULL, "title" TEXT NOT NULL, "kind" TEXT NOT NULL,
    "amount_minor" DECIMAL(38,0) NOT NULL, "remaining_minor" DECIMAL(38,0) NOT NULL, "currency" CHAR(3) NOT NULL,
    "priority" INTEGER NOT NULL DEFAULT 0, "expires_at" TIMESTAMPTZ(3), "broken_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "credit_grants_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "credit_grants_tenant_id_id_key" ON "credit_grants"("tenant_id", "id");

CREATE TABLE "credit_draws" (
    "tenant_id" UUID NOT NULL, "grant_id" UUID NOT NULL, "invoice_id" UUID NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1, "amount_minor" DECIMAL(38,0) NOT NULL,
    CONSTRAINT "credit_draws_pkey" PRIMARY KEY ("tenant_id","grant_id","invoice_id","revision")
);
ALTER TABLE "credit_draws" ADD CONSTRAINT "credit_draws_tenant_id_grant_id_fkey" FOREIGN KEY ("tenant_id", "grant_id")
  REFERENCES "credit_grants"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "credit_draws" ADD CONSTRAINT "credit_draws_tenant_id_invoice_id_fkey" FOREIGN KEY ("tenant_id", "invoice_id")
  REFERENCES "invoices"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

CREATE TABLE "coupons" (
    "code" TEXT NOT NULL, "title" TEXT NOT NULL, "percent" TEXT, "amount_minor" DECIMAL(38,0),
    "currency" CHAR(3) NOT NULL DEFAULT 'USD', "months" INTEGER, "redeem_by" TIMESTAMPTZ(3), "redemptions_max" INTEGER,
    "redeemed" INTEGER NOT NULL DEFAULT 0, "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "coupons_pkey" PRIMARY KEY ("code")
);

CREATE TABLE "coupon_redemptions" (
    "tenant_id" UUID NOT NULL, "code" TEXT NOT NULL, "title" TEXT NOT NULL, "percent" TEXT,
    "redeemed_at" TIMESTAMPTZ(3) NOT NULL, "ends_at" TIMESTAMPTZ(3),
    CONSTRAINT "coupon_redemptions_pkey" PRIMARY KEY ("tenant_id","code")
);

CREATE TABLE "subscription_phases" (
    "id" UUID NOT NULL, "tenant_id" UUID NOT NULL, "item" TEXT NOT NULL, "choice" TEXT NOT NULL, "title" TEXT NOT NULL,
    "period_price" TEXT NOT NULL, "currency" CHAR(3) NOT NULL, "valid_from" TIMESTAMPTZ(3) NOT NULL,
    "valid_to" TIMESTAMPTZ(3),
    CONSTRAINT "subscription_phases_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "subscription_phases_tenant_id_item_idx" ON "subscription_phases"("tenant_id", "item");

CREATE TABLE "plan_changes" (
    "tenant_id" UUID NOT NULL, "cluster_id" UUID NOT NULL, "plan" TEXT NOT NULL, "until" TIMESTAMPTZ(6) NOT NULL,
    CONSTRAINT "plan_changes_pkey" PRIMARY KEY ("cluster_id","until")
);

CREATE TABLE "budgets" (
    "id" UUID NOT NULL, "tenant_id" UUID NOT NULL, "name" TEXT NOT NULL, "cluster_id" UUID,
    "amount_minor" DECIMAL(38,0) NOT NULL, "currency" CHAR(3) NOT NULL, "thresholds" JSONB NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1, "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "budgets_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "budgets_tenant_id_id_key" ON "budgets"("tenant_id", "id");

CREATE TABLE "budget_alerts" (
    "tenant_id" UUID NOT NULL, "budget_id" UUID NOT NULL, "period_from" TIMESTAMPTZ(3) NOT NULL,
    "percent" INTEGER NOT NULL, "action" TEXT NOT NULL, "revision" INTEGER NOT NULL,
    "spent_minor" DECIMAL(38,0) NOT NULL, "fired_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "budget_alerts_pkey" PRIMARY KEY ("budget_id","period_from","percent","revision")
);
ALTER TABLE "budget_alerts" ADD CONSTRAINT "budget_alerts_tenant_id_budget_id_fkey" FOREIGN KEY ("tenant_id", "budget_id")
  REFERENCES "budgets"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

CREATE TABLE "stripe_events" (
    "event_id" TEXT NOT NULL, "type" TEXT NOT NULL, "object_id" TEXT NOT NULL, "created" TIMESTAMPTZ(3) NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "processed_at" TIMESTAMPTZ(3),
    CONSTRAINT "stripe_events_pkey" PRIMARY KEY ("event_id")
);

-- Written by hand from here.
GRANT SELECT, INSERT, UPDATE ON billing_accounts, invoices, credit_grants, subscription_phases, coupons, stripe_events TO robustmq_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON invoice_lines, budgets TO robustmq_app;
-- append only
GRANT SELECT, INSERT ON ledger_entries, credit_draws, coupon_redemptions, plan_changes, budget_alerts TO robustmq_app;
-- a price version may be ended, and nothing else of it may change
GRANT UPDATE (valid_to) ON price_versions TO robustmq_app;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['billing_accounts', 'invoices', 'invoice_lines', 'ledger_entries', 'credit_grants',
    'credit_draws', 'coupon_redemptions', 'subscription_phases', 'plan_changes', 'budgets', 'budget_alerts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($policy$
      CREATE POLICY tenant ON %I
        USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
        WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
    $policy$, name);
  END LOOP;
END $$;

-- A fourth read-only door: the billing run reads the ids of tenants, to enter each one's scope (money.tenantIds).
CREATE POLICY billing_run ON tenants FOR SELECT USING (current_setting('app.billing_run', true) = 'on');

-- Prices: no two versions at once, and the only change is the end of an open one.
ALTER TABLE price_versions ADD CONSTRAINT price_versions_no_overlap EXCLUDE USING gist
  (plan WITH =, meter WITH =, currency WITH =, tstzrange(valid_from, valid_to) WITH &&);
CREATE FUNCTION price_version_may_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.valid_to IS NOT NULL OR NEW.valid_to IS NULL OR NEW.valid_to <= OLD.valid_from THEN
    RAISE EXCEPTION 'a price version is append only' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER price_version_may_end BEFORE UPDATE ON price_versions FOR EACH ROW EXECUTE FUNCTION price_version_may_end();

-- Invoices: one of a period; an issued one is what its lines add up to, and never changes again but in how it is paid.
CREATE UNIQUE INDEX invoices_one_of_a_period ON invoices (tenant_id, currency, period_from)
  WHERE kind = 'invoice' AND status <> 'void';
ALTER TABLE invoices ADD CONSTRAINT invoices_status CHECK
  (status IN ('draft', 'held', 'issued', 'paid', 'past_due', 'void', 'uncollectible'));
ALTER TABLE invoices ADD CONSTRAINT invoices_sum CHECK (subtotal_minor + tax_minor = total_minor);
ALTER TABLE invoices ADD CONSTRAINT invoices_numbered CHECK
  (status IN ('draft', 'held') OR (number IS NOT NULL AND issued_at IS NOT NULL));
CREATE FUNCTION invoice_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lines numeric; taxes numeric;
BEGIN
  IF OLD.status IN ('draft', 'held') THEN
    IF NEW.status NOT IN ('draft', 'held') THEN
      SELECT coalesce(sum(amount_minor), 0), coalesce(sum(amount_minor) FILTER (WHERE kind = 'tax'), 0) INTO lines, taxes
        FROM invoice_lines WHERE tenant_id = NEW.tenant_id AND invoice_id = NEW.id;
      IF lines <> NEW.total_minor OR taxes <> NEW.tax_minor THEN
        RAISE EXCEPTION 'the lines of invoice % add up to %, not to %', NEW.id, lines, NEW.total_minor
          USING ERRCODE = 'integrity_constraint_violation';
      END IF;
    END IF;
    RETURN NEW;
  END IF;
  IF (NEW.id, NEW.tenant_id, NEW.kind, NEW.number, NEW.currency, NEW.period_from, NEW.period_to, NEW.revision,
      NEW.subtotal_minor, NEW.tax_minor, NEW.total_minor, NEW.document, NEW.issued_at, NEW.due_at, NEW.created_at)
     IS DISTINCT FROM
     (OLD.id, OLD.tenant_id, OLD.kind, OLD.number, OLD.currency, OLD.period_from, OLD.period_to, OLD.revision,
      OLD.subtotal_minor, OLD.tax_minor, OLD.total_minor, OLD.document, OLD.issued_at, OLD.due_at, OLD.created_at)
     OR NEW.corrects_id IS DISTINCT FROM OLD.corrects_id
     OR NEW.status IN ('draft', 'held')
     OR (OLD.status IN ('void') AND NEW.status <> OLD.status) THEN
    RAISE EXCEPTION 'invoice % is issued and does not change', OLD.number USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER invoice_is_immutable BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION invoice_is_immutable();
CREATE FUNCTION invoice_line_is_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE one record;
BEGIN
  FOR one IN SELECT i.number FROM invoices i WHERE i.status NOT IN ('draft', 'held')
      AND ((TG_OP <> 'INSERT' AND i.id = OLD.invoice_id) OR (TG_OP <> 'DELETE' AND i.id = NEW.invoice_id)) LOOP
    RAISE EXCEPTION 'invoice % is issued and its lines do not change', one.number
      USING ERRCODE = 'integrity_constraint_violation';
  END LOOP;
  RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER invoice_line_is_immutable BEFORE INSERT OR UPDATE OR DELETE ON invoice_lines
  FOR EACH ROW EXECUTE FUNCTION invoice_line_is_immutable();

-- The ledger: at commit every transaction sums to zero in each currency, and nobody has spent credit they did not have.
-- Debit is positive, so credit that is owed to a customer is a negative balance of `customer_credit`.
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM ledger_entries e WHERE e.tenant_id = NEW.tenant_id AND e.tx_id = NEW.tx_id
             GROUP BY e.currency HAVING sum(e.amount_minor) <> 0) THEN
    RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.tx_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NEW.account = 'customer_credit' AND EXISTS (
      SELECT FROM ledger_entries e WHERE e.tenant_id = NEW.tenant_id AND e.account = 'customer_credit'
      GROUP BY e.currency HAVING sum(e.amount_minor) > 0) THEN
    RAISE EXCEPTION 'more credit is spent than was granted' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_entries DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION ledger_balances();
ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_account CHECK (account IN
  ('customer_credit', 'receivable', 'revenue', 'cash', 'breakage', 'promotion', 'tax', 'write_off'));
ALTER TABLE credit_grants ADD CONSTRAINT credit_grants_remaining CHECK (remaining_minor BETWEEN 0 AND amount_minor);
ALTER TABLE credit_draws ADD CONSTRAINT credit_draws_amount CHECK (amount_minor > 0);
ALTER TABLE budgets ADD CONSTRAINT budgets_amount CHECK (amount_minor > 0);
ALTER TABLE billing_accounts ADD CONSTRAINT billing_accounts_standing CHECK
  (standing IN ('good', 'past_due', 'restricted', 'suspended'));
ALTER TABLE subscription_phases ADD CONSTRAINT subscription_phases_no_overlap EXCLUDE USING gist
  (tenant_id WITH =, item WITH =, tstzrange(valid_from, valid_to) WITH &&);

-- Which plan a cluster had when: an hour of usage is rated by the plan it began under.
CREATE FUNCTION remember_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO plan_changes (tenant_id, cluster_id, plan, until) VALUES (OLD.tenant_id, OLD.id, OLD.plan, clock_timestamp());
  RETURN NULL;
END $$;
CREATE TRIGGER remember_plan AFTER UPDATE OF plan ON clusters FOR EACH ROW WHEN (OLD.plan IS DISTINCT FROM NEW.plan)
  EXECUTE FUNCTION remember_plan();
