-- Why a cluster may not grow (an invoice long unpaid): told to whoever would make a topic or a session; null = it may.
ALTER TABLE "clusters" ADD COLUMN "growth_stopped_reason" TEXT;
