-- The fleet: who gets no new clusters, who is alive, what machines have left, and which release they run.
CREATE TABLE "releases" (
    "id" UUID NOT NULL,
    "version" TEXT NOT NULL,
    "manifest" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "releases_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "releases_version_key" ON "releases"("version");

CREATE TABLE "rollouts" (
    "id" UUID NOT NULL,
    "release_id" UUID NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'running',
    "wave" INTEGER NOT NULL DEFAULT 0,
    "wave_started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "before" JSONB NOT NULL DEFAULT '{}',
    "soak_seconds" INTEGER NOT NULL,
    "reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "rollouts_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "rollouts_state" CHECK (state IN ('running', 'done', 'rolled-back'))
);
ALTER TABLE "rollouts" ADD CONSTRAINT "rollouts_release_id_fkey"
  FOREIGN KEY ("release_id") REFERENCES "releases"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
-- one at a time
CREATE UNIQUE INDEX "rollouts_one_running" ON "rollouts"("state") WHERE state = 'running';

ALTER TABLE "agents" ADD COLUMN "cordoned_at" TIMESTAMPTZ(3),
ADD COLUMN "cordon_reason" TEXT,
ADD COLUMN "drain_per_second" INTEGER,
ADD COLUMN "observed" JSONB,
ADD COLUMN "liveness" TEXT NOT NULL DEFAULT 'Unknown',
ADD COLUMN "liveness_since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
ADD COLUMN "internal" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN "release_id" UUID;
ALTER TABLE "agents" ADD CONSTRAINT "agents_liveness" CHECK (liveness IN ('True', 'Unknown', 'False'));
ALTER TABLE "agents" ADD CONSTRAINT "agents_release_id_fkey"
  FOREIGN KEY ("release_id") REFERENCES "releases"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

GRANT SELECT, INSERT, UPDATE ON releases, rollouts TO robustmq_app;
