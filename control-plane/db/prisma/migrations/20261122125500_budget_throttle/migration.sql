-- A budget's action "throttle" slows a cluster's data down; desired state reads it.
ALTER TABLE "clusters" ADD COLUMN "throttled_at" TIMESTAMPTZ(3);
