-- Written by hand: what of a tenant's hourly usage was told to the payment provider as meter events. A row is written before
-- its event is sent and says for ever what that event says: sent again, it is the same event.
CREATE TABLE meter_events (
  tenant_id UUID NOT NULL,
  meter TEXT NOT NULL,
  hour TIMESTAMPTZ(3) NOT NULL,
  revision INTEGER NOT NULL,
  value DECIMAL(38, 0) NOT NULL,
  created_at TIMESTAMPTZ(3) NOT NULL,
  sent_at TIMESTAMPTZ(3),
  CONSTRAINT meter_events_pkey PRIMARY KEY (tenant_id, meter, hour, revision),
  CONSTRAINT meter_events_whole CHECK (value > 0 AND revision >= 1),
  CONSTRAINT meter_events_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES tenants (id) ON DELETE RESTRICT ON UPDATE CASCADE
);
CREATE INDEX meter_events_unsent ON meter_events (tenant_id) WHERE sent_at IS NULL;
ALTER TABLE meter_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE meter_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON meter_events
  USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))
  WITH CHECK (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT, INSERT, UPDATE ON meter_events TO robustmq_app;
