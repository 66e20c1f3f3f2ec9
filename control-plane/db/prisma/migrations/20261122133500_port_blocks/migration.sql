-- Blocks of ports may have different lengths: those given before listeners over TLS existed hold four ports and stay as
-- they are, new ones hold eight.
ALTER TABLE "clusters" ADD COLUMN "port_count" INTEGER NOT NULL DEFAULT 4;
ALTER TABLE "port_allocations" ADD COLUMN "count" INTEGER NOT NULL DEFAULT 4;
